//! Judges a file and does nothing with it: what `verify` and `check` show.

use crate::config::{self, Format, Proof, Strictness};
use crate::snapshot::{self, PayloadKey, Trust};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Valid(Report),
    /// One sentence per finding.
    Invalid(Vec<String>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub digest: String,
    pub sameness: String,
    pub bytes: u64,
    pub counts: Vec<(String, u64)>,
    pub warnings: Vec<String>,
    /// The manifest as JSON, for a snapshot.
    pub manifest: Option<String>,
    /// What a snapshot says of its configuration, as JSON.
    pub particulars: Option<String>,
}

/// A configuration as somebody wrote it, judged strictly, and against a JSON Schema if one is given.
pub fn config(bytes: Vec<u8>, format: Format, schema: Option<&str>) -> Verdict {
    let valid = match config::validate(bytes, format, Strictness::HandWritten) {
        Ok(valid) => valid,
        Err(invalid) => return Verdict::Invalid(invalid.sentences()),
    };
    match schema.map_or(Ok(()), |schema| conforms(valid.bytes(), schema)) {
        Ok(()) => Verdict::Valid(report(valid.proof())),
        Err(violations) => Verdict::Invalid(violations),
    }
}

/// A snapshot file: verified, opened, and its configuration validated. `key` opens an encrypted one.
pub fn snapshot(file: Vec<u8>, trust: &Trust, key: Option<&PayloadKey>) -> Verdict {
    let refused = |refusal: snapshot::Refusal| Verdict::Invalid(vec![refusal.to_string()]);
    let verified = match snapshot::verify(&file, trust) {
        Ok(verified) => verified,
        Err(refusal) => return refused(refusal),
    };
    let manifest = verified.manifest().clone();
    let opened = match verified.open(key) {
        Ok(opened) => opened,
        Err(refusal) => return refused(refusal),
    };
    drop(file);
    let particulars = serde_json::to_string(opened.particulars()).ok();
    match opened.validate() {
        Ok(valid) => Verdict::Valid(Report { manifest: serde_json::to_string(&manifest).ok(), particulars, ..report(valid.proof()) }),
        Err(invalid) => Verdict::Invalid(invalid.sentences()),
    }
}

fn report(proof: &Proof) -> Report {
    Report {
        digest: proof.digest().to_string(),
        sameness: proof.sameness().to_owned(),
        bytes: proof.bytes_len(),
        counts: proof.counts().iter().map(|(kind, count)| (kind.clone(), *count)).collect(),
        warnings: proof.warnings().to_vec(),
        manifest: None,
        particulars: None,
    }
}

#[cfg(feature = "json-schema")]
fn conforms(bytes: &[u8], schema: &str) -> Result<(), Vec<String>> {
    config::document::schema::conforms(bytes, schema)
}

#[cfg(not(feature = "json-schema"))]
fn conforms(_bytes: &[u8], _schema: &str) -> Result<(), Vec<String>> {
    Err(vec!["this build of the policy has no JSON Schema: it is in the inspector".into()])
}
