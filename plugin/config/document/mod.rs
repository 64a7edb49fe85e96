//! Any JSON or YAML object as a configuration, for gateways whose format we do not know.
//!
//! It must parse, be within bounds and configure something; more is asked only by the operator's JSON Schema, if there is one.
//! Two documents are the same when their canonical JSON is (export-05).

mod canonical;
#[cfg(feature = "json-schema")]
pub mod schema;

use std::collections::BTreeMap;

use super::tree::{self, Section};
use super::{ENTITIES_MAX, Facts, Invalid, Strictness, yaml};

pub(super) fn validate(bytes: &[u8], strictness: Strictness) -> Result<Facts, Invalid> {
    let text = yaml::as_json(bytes)?;
    let sections = tree::sections(&text)?.ok_or_else(|| Invalid::whole("expected an object"))?;
    if sections.is_empty() && strictness != Strictness::Live {
        return Err(Invalid::whole("configures nothing: the object is empty"));
    }
    let counts = counts(&sections)?;
    Ok(Facts { sameness: canonical::sameness(&text)?, counts, warnings: Vec::new(), needs: Vec::new() })
}

/// The length of every top-level list and object.
fn counts(sections: &[Section<'_>]) -> Result<BTreeMap<String, u64>, Invalid> {
    let mut counts = BTreeMap::new();
    let mut total = 0;
    for (key, text) in sections {
        let mut count = 0;
        match tree::first_byte(text) {
            Some(b'[') => tree::elements(text, |_| {
                count += 1;
                Ok(())
            })?,
            Some(b'{') => count = tree::sections(text)?.map_or(0, |members| members.len() as u64),
            Some(_) | None => {}
        }
        total += count;
        if count > 0 {
            counts.insert(key.clone().into_owned(), count);
        }
    }
    if total > ENTITIES_MAX {
        return Err(Invalid::whole(format!("has {total} entries; {ENTITIES_MAX} is the most that is taken")));
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn validate(bytes: &[u8]) -> Result<Facts, Invalid> {
        super::validate(bytes, Strictness::Delivered)
    }

    #[test]
    fn an_object_is_a_document_and_counts_its_lists_and_objects() {
        let facts = validate(b"routes:\n- a\n- b\nmeta: {x: 1}\nname: n\nnone: []\n").unwrap();
        assert_eq!(facts.counts, BTreeMap::from([("routes".to_owned(), 2), ("meta".to_owned(), 1)]));
        assert_eq!(facts.sameness.len(), 64);
    }

    #[test]
    fn order_spacing_notation_and_language_do_not_make_another_document() {
        let written: [&[u8]; 4] =
            [br#"{"a":1,"b":[1.0,"x"]}"#, br#"{ "b" : [1, "\u0078"], "a": 1e0 }"#, b"b: [1, x]\na: 1\n", br#"{"a":7,"b":[1,"x"],"a":1}"#];
        let sameness: Vec<String> = written.iter().map(|bytes| validate(bytes).unwrap().sameness).collect();
        assert!(sameness.windows(2).all(|pair| pair[0] == pair[1]), "{sameness:?}");
        assert_ne!(validate(br#"{"a":1,"b":["x",1]}"#).unwrap().sameness, sameness[0]);
    }

    #[test]
    fn what_is_no_object_or_empty_is_refused() {
        for text in ["", "{}", "[]", "[1]", "1", "\"text\"", "just text", "null", "{", "- a\n"] {
            assert!(validate(text.as_bytes()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_live_control_plane_may_deliver_an_empty_object_and_nothing_else_that_is_refused() {
        assert!(super::validate(b"{}", Strictness::Live).unwrap().counts.is_empty());
        assert!(super::validate(b"null", Strictness::Live).is_err());
    }

    #[test]
    fn depth_is_bounded_wherever_it_stands() {
        let nested = format!("{{\"a\": {{\"b\": [{}{}]}}}}", "[".repeat(254), "]".repeat(254));
        assert!(validate(nested.as_bytes()).is_err());
    }
}
