//! World `inspector`: judges files, imports nothing.

use holdover_plugin::config::Format;
use holdover_plugin::inspect::{self, Verdict as Judged};
use holdover_plugin::snapshot::{PayloadKey, PublicKey, Trust};
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
            ConfigFormat::Xds => Format::Xds,
        };
        match stream::drain(body, size).await {
            Ok(bytes) => verdict(inspect::config(bytes, format, schema.as_deref())),
            Err(sentence) => Verdict::Invalid(vec![sentence]),
        }
    }

    async fn verify(size: u64, body: StreamReader<u8>, trusted_keys: Vec<String>, payload_key: Option<Vec<u8>>) -> Verdict {
        let (trust, key) = match keys(&trusted_keys, payload_key) {
            Ok(keys) => keys,
            Err(sentence) => return Verdict::Invalid(vec![sentence]),
        };
        match stream::drain(body, size).await {
            Ok(bytes) => verdict(inspect::snapshot(bytes, &trust, key.as_ref())),
            Err(sentence) => Verdict::Invalid(vec![sentence]),
        }
    }
}

fn keys(trusted: &[String], payload_key: Option<Vec<u8>>) -> Result<(Trust, Option<PayloadKey>), String> {
    let trusted: Result<Vec<PublicKey>, _> = trusted.iter().map(|key| key.parse()).collect();
    let trusted = trusted.map_err(|error| error.to_string())?;
    let payload_key: Option<[u8; 32]> =
        payload_key.map(|key| key.try_into().map_err(|_| "a payload key has 32 bytes".to_owned())).transpose()?;
    Ok((Trust::new(trusted), payload_key.map(PayloadKey::from_bytes)))
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
            particulars: report.particulars,
        }),
        Judged::Invalid(findings) => Verdict::Invalid(findings),
    }
}
