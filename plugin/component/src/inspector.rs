//! World `inspector`: judges files, imports nothing.

use holdover_plugin::config::Format;
use holdover_plugin::inspect::{self, Verdict as Judged};
use wit_bindgen::rt::async_support::StreamReader;

use crate::generated::inspector::exports::holdover::policy::inspecting::{ConfigFormat, Guest, Report, Verdict};
use crate::stream;

struct Inspector;

crate::generated::inspector::export!(Inspector with_types_in crate::generated::inspector);

impl Guest for Inspector {
    async fn validate(size: u64, body: StreamReader<u8>, format: ConfigFormat, schema: Option<String>) -> Verdict {
        let format = match format {
            ConfigFormat::Kong => Format::Kong,
            ConfigFormat::Document => Format::Document,
        };
        match stream::drain(body, size).await {
            Ok(bytes) => verdict(inspect::config(bytes, format, schema.as_deref())),
            Err(sentence) => Verdict::Invalid(vec![sentence]),
        }
    }

    async fn verify(size: u64, body: StreamReader<u8>) -> Verdict {
        match stream::drain(body, size).await {
            Ok(bytes) => verdict(inspect::snapshot(bytes)),
            Err(sentence) => Verdict::Invalid(vec![sentence]),
        }
    }
}

fn verdict(judged: Judged) -> Verdict {
    match judged {
        Judged::Valid(report) => Verdict::Valid(Report {
            digest: report.digest,
            sameness: report.sameness,
            bytes: report.bytes,
            counts: report.counts,
            warnings: report.warnings,
            manifest: report.manifest,
        }),
        Judged::Invalid(findings) => Verdict::Invalid(findings),
    }
}
