//! Holds a document against the operator's JSON Schema. Native only, behind the feature `json-schema`: the engine is too heavy for
//! the component, and its tree of the whole document too large.
//!
//! Nothing is fetched: a `$ref` that leaves the schema is an error. Sentences name the place and the rule, never a value (all-04).

use jsonschema::{Retrieve, Uri};
use serde_json::Value;

use super::super::{Findings, yaml};

/// `Err`: one sentence per violation, or one that says why the schema or the document cannot be used.
pub fn conforms(bytes: &[u8], schema: &str) -> Result<(), Vec<String>> {
    let schema: Value = serde_json::from_str(schema)
        .map_err(|error| vec![format!("the JSON Schema is not JSON, at line {}, column {}", error.line(), error.column())])?;
    let validator = jsonschema::options()
        .with_retriever(Nowhere)
        .build(&schema)
        .map_err(|error| vec![format!("the JSON Schema cannot be used: {}", error.masked())])?;
    let text = yaml::as_json(bytes).map_err(|invalid| invalid.sentences())?;
    // Depth is bounded by this reading; serde_json's own one below goes no deeper.
    super::super::tree::parse(&text, 0).map_err(|invalid| invalid.sentences())?;
    let mut deserializer = serde_json::Deserializer::from_str(&text);
    deserializer.disable_recursion_limit();
    let document: Value = serde::Deserialize::deserialize(&mut deserializer).map_err(|_| vec!["the document is not JSON".to_owned()])?;
    let mut findings = Findings::default();
    for error in validator.iter_errors(&document) {
        findings.push(error.instance_path().as_str(), error.masked().to_string());
    }
    if findings.is_empty() { Ok(()) } else { Err(findings.into_sentences()) }
}

/// Resolves nothing, whatever the engine could do by itself.
struct Nowhere;

impl Retrieve for Nowhere {
    fn retrieve(&self, _uri: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err("a '$ref' may only point into the schema itself: nothing is fetched".into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const SCHEMA: &str = r##"{
        "type": "object", "required": ["routes"],
        "properties": {"routes": {"type": "array", "items": {"$ref": "#/$defs/route"}}},
        "$defs": {"route": {"type": "object", "properties": {"port": {"type": "integer"}, "key": {"enum": ["a"]}}}}
    }"##;

    #[test]
    fn a_document_that_conforms_passes_in_either_language() {
        assert_eq!(conforms(br#"{"routes": [{"port": 1}]}"#, SCHEMA), Ok(()));
        assert_eq!(conforms(b"routes:\n- port: 1\n", SCHEMA), Ok(()));
    }

    #[test]
    fn a_violation_is_named_by_place_and_rule_without_the_value() {
        let sentences = conforms(br#"{"routes": [{"port": "hunter2", "key": "hunter3"}]}"#, SCHEMA).unwrap_err();
        assert_eq!(sentences.len(), 2);
        let all = sentences.join("\n");
        assert!(all.contains("/routes/0/port: ") && all.contains("integer") && !all.contains("hunter"), "{all}");
    }

    #[test]
    fn a_remote_reference_is_an_error_and_never_a_request() {
        let sentences = conforms(b"{\"a\": 1}", r#"{"$ref": "http://127.0.0.1:9/schema.json"}"#).unwrap_err();
        assert_eq!(sentences.len(), 1);
        assert!(sentences[0].contains("nothing is fetched") || sentences[0].contains("127.0.0.1:9"), "{sentences:?}");
    }

    #[test]
    fn a_schema_that_is_none_says_so() {
        assert!(conforms(b"{\"a\": 1}", "{").unwrap_err()[0].contains("the JSON Schema is not JSON"));
        assert!(conforms(b"{\"a\": 1}", r#"{"type": 5}"#).unwrap_err()[0].contains("cannot be used"));
    }
}
