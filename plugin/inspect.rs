//! Judges a file and does nothing with it: what `verify` and `check` show.

use crate::config::{self, Format, Proof, Strictness};
use crate::snapshot;

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
}

/// A configuration as somebody wrote it, judged strictly, and against a JSON Schema if one is given.
pub fn config(bytes: Vec<u8>, format: Format, schema: Option<&str>) -> Verdict {
    let valid = match config::validate(bytes, format, Strictness::HandWritten) {
        Ok(valid) => valid,
        Err(invalid) => return Verdict::Invalid(invalid.sentences()),
    };
    match schema.map_or(Ok(()), |schema| conforms(valid.bytes(), schema)) {
        Ok(()) => Verdict::Valid(report(valid.proof(), None)),
        Err(violations) => Verdict::Invalid(violations),
    }
}

/// A snapshot file: verified, opened, and its configuration validated.
pub fn snapshot(file: Vec<u8>) -> Verdict {
    let refused = |refusal: snapshot::Refusal| Verdict::Invalid(vec![refusal.to_string()]);
    let verified = match snapshot::verify(&file) {
        Ok(verified) => verified,
        Err(refusal) => return refused(refusal),
    };
    let manifest = verified.manifest().clone();
    let opened = match verified.open() {
        Ok(opened) => opened,
        Err(refusal) => return refused(refusal),
    };
    match config::validate(opened.into_bytes(), manifest.format, Strictness::Delivered) {
        Ok(valid) => Verdict::Valid(report(valid.proof(), serde_json::to_string(&manifest).ok())),
        Err(invalid) => Verdict::Invalid(invalid.sentences()),
    }
}

fn report(proof: &Proof, manifest: Option<String>) -> Report {
    Report {
        digest: proof.digest().to_string(),
        sameness: proof.sameness().to_owned(),
        bytes: proof.bytes_len(),
        counts: proof.counts().iter().map(|(kind, count)| (kind.clone(), *count)).collect(),
        warnings: proof.warnings().to_vec(),
        manifest,
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
