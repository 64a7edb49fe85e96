//! Import and export, and the storages that they need. Whether a storage's URL can be used is asked of its adapter's judge.

use std::path::PathBuf;

use super::super::environment::Environment;
use super::super::problem::Problem;
use super::super::reading::Reading;
use super::super::reference::Name;
use super::super::url::{self, parse_http};
use super::super::{Judges, S3Addressing};

pub struct Fallback {
    pub import: bool,
    pub storages: Vec<String>,
    pub s3_addressing: S3Addressing,
    pub shared_fetch_dir: Option<PathBuf>,
    pub export: bool,
    pub s3_config: Option<String>,
}

pub fn fallback(reading: &mut Reading<'_>, environment: &Environment, judges: &Judges<'_>) -> Option<Fallback> {
    const HOW: &str = "name the storage, for example s3://bucket/prefix or file:///dir";
    let import = reading.switch(Name::FallbackImport);
    let export = reading.switch(Name::FallbackExport);
    let storages = storages(reading, environment, judges);
    let s3_config = reading.parsed(Name::FallbackS3Config, |text| s3_config(text, judges));
    let s3_addressing = reading.choice(Name::S3Addressing, &S3_ADDRESSINGS);
    let shared_fetch_dir = reading.parsed(Name::SharedFetchDir, absolute);
    let (import, export) = (import?, export?);
    if !reading.is_given(Name::FallbackStorage) {
        for (name, on) in [(Name::FallbackImport, import), (Name::FallbackExport, export)] {
            if on {
                reading.missing(Name::FallbackStorage, &format!("{} = on needs it: {HOW}", name.as_str()));
            }
        }
    }
    if !export {
        reading.idle(Name::FallbackS3Config, "cluster_fallback_config_export is off");
        reading.idle(Name::FallbackExportDelay, "cluster_fallback_config_export is off");
    }
    if !export && !import {
        reading.idle(Name::FallbackStorage, "cluster_fallback_config_import and cluster_fallback_config_export are off");
    }
    if !import {
        reading.idle(Name::SharedFetchDir, "cluster_fallback_config_import is off");
    }
    Some(Fallback {
        import,
        storages: storages?,
        s3_addressing: s3_addressing?,
        shared_fetch_dir: shared_fetch_dir?,
        export,
        s3_config: s3_config?,
    })
}

const S3_ADDRESSINGS: [(&str, S3Addressing); 3] =
    [("auto", S3Addressing::Auto), ("path", S3Addressing::Path), ("virtual", S3Addressing::Virtual)];

/// Nodes that are started in several places mean one folder.
fn absolute(text: &str) -> Result<PathBuf, String> {
    match text.starts_with('/') {
        true => Ok(PathBuf::from(text)),
        false => Err("write the folder's whole path, beginning with /".to_owned()),
    }
}

fn storages(reading: &mut Reading<'_>, environment: &Environment, judges: &Judges<'_>) -> Option<Vec<String>> {
    if !reading.is_given(Name::FallbackStorage) {
        return Some(Vec::new());
    }
    let read = reading.value(Name::FallbackStorage)?;
    let storages: Vec<String> = read.text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect();
    let problems_before = reading.problems.len();
    for (place, storage) in storages.iter().enumerate() {
        let mut wrong = |fix: String| reading.problems.push(read.problem(fix));
        if let Err(fix) = (judges.storage)(storage) {
            wrong(fix);
        }
        if parse_http(storage).is_some_and(|url| !url.encrypted && !url.loopback) {
            wrong(format!("{} would send configurations to another machine in the clear; write https://", url::shown(storage)));
        }
        if storages.iter().take(place).any(|earlier| earlier == storage) {
            wrong(format!("{} is named twice; name each storage once", url::shown(storage)));
        }
    }
    if storages.is_empty() {
        reading.problems.push(read.problem("it names no storage; write one, or leave the setting out"));
    }
    if storages.iter().any(|storage| storage.starts_with("s3://")) {
        endpoint(reading, environment);
    }
    (reading.problems.len() == problems_before).then_some(storages)
}

/// Kong's way to another S3 service than Amazon's.
fn endpoint(reading: &mut Reading<'_>, environment: &Environment) {
    const VARIABLE: &str = "AWS_CONFIG_STORAGE_ENDPOINT";
    let Some(value) = environment.variable(VARIABLE) else { return };
    let fix = match parse_http(value) {
        None => "write the full URL of the service, for example https://minio.example.com:9000/",
        Some(url) if url.credentials => "remove what stands before '@' and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        Some(url) if !url.encrypted && !url.loopback => {
            "plain http would send configurations to another machine in the clear; write https://"
        }
        Some(_) => return,
    };
    reading.problems.push(Problem {
        setting: VARIABLE.to_owned(),
        value: Some(format!("'{}'", url::shown(value))),
        origin: Some("in the environment".to_owned()),
        fix: fix.to_owned(),
    });
}

fn s3_config(text: &str, judges: &Judges<'_>) -> Result<String, String> {
    const HOW: &str = r#"write a JSON object, for example {"ServerSideEncryption":"aws:kms"}"#;
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).map_err(|_| HOW.to_owned())?;
    if object.is_empty() {
        return Err(HOW.to_owned());
    }
    (judges.s3_put)(text)?;
    Ok(text.to_owned())
}
