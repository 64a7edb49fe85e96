//! `cluster_fallback_export_s3_config`: S3 PutObject parameters that go with every write, as in Kong (export-14).
//!
//! Knows S3's names for them. What Holdover sets itself, and what its readers could not undo, is refused.

use std::fmt;

use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder as Put;
use aws_sdk_s3::types::{ObjectCannedAcl, ObjectLockLegalHoldStatus, ObjectLockMode, RequestPayer, ServerSideEncryption, StorageClass};
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde_json::{Map, Value};

/// Checked parameters. The default adds none.
#[derive(Clone, Default)]
pub struct PutConfig(Vec<Parameter>);

#[derive(Clone)]
enum Parameter {
    Acl(ObjectCannedAcl),
    BucketKeyEnabled(bool),
    CacheControl(String),
    ContentDisposition(String),
    ContentLanguage(String),
    ContentType(String),
    ExpectedBucketOwner(String),
    GrantFullControl(String),
    GrantRead(String),
    GrantReadAcp(String),
    GrantWriteAcp(String),
    Metadata(Vec<(String, String)>),
    LegalHold(ObjectLockLegalHoldStatus),
    LockMode(ObjectLockMode),
    LockUntil(DateTime),
    RequestPayer(RequestPayer),
    KmsContext(String),
    KmsKeyId(String),
    Encryption(ServerSideEncryption),
    StorageClass(StorageClass),
    Tagging(String),
}

const NAMES: &str = "ACL, BucketKeyEnabled, CacheControl, ContentDisposition, ContentLanguage, ContentType, ExpectedBucketOwner, \
    GrantFullControl, GrantRead, GrantReadACP, GrantWriteACP, Metadata, ObjectLockLegalHoldStatus, ObjectLockMode, \
    ObjectLockRetainUntilDate, RequestPayer, SSEKMSEncryptionContext, SSEKMSKeyId, ServerSideEncryption, StorageClass, Tagging";

impl PutConfig {
    pub fn parse(json: &str) -> Result<Self, String> {
        let wrong = |why: String| format!("cluster_fallback_export_s3_config: {why}");
        // serde_json's own words name a place, and never repeat the text.
        let value: Value = serde_json::from_str(json)
            .map_err(|error| wrong(format!("not JSON ({error}); write an object as {{\"StorageClass\": \"STANDARD\"}}")))?;
        let Value::Object(entries) = value else {
            return Err(wrong("not a JSON object; write one as {\"StorageClass\": \"STANDARD\"}".into()));
        };
        let parameters = entries.iter().map(|(name, value)| Parameter::parse(name, value).map_err(wrong));
        parameters.collect::<Result<_, _>>().map(Self)
    }

    /// A folder has no such parameters, and a setting without effect would promise an encryption that is not there.
    pub(crate) fn refuse_for_a_folder(&self) -> Result<(), String> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err("cluster_fallback_export_s3_config is set and cluster_fallback_config_storage is a file:// folder, \
             which has no S3 parameters: remove one of both"
            .into())
    }

    pub(super) fn apply(&self, put: Put) -> Put {
        self.0.iter().cloned().fold(put, |put, parameter| parameter.apply(put))
    }
}

/// Names only: a grant or a tag is nobody's business in a log.
impl fmt::Debug for PutConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PutConfig({} parameters)", self.0.len())
    }
}

impl Parameter {
    fn parse(name: &str, value: &Value) -> Result<Self, String> {
        let text = || value.as_str().map(str::to_owned).ok_or_else(|| format!("{name} is not a text; write \"{name}\": \"…\""));
        Ok(match name {
            "ACL" => Self::Acl(known(name, &text()?, ObjectCannedAcl::values())?),
            "BucketKeyEnabled" => Self::BucketKeyEnabled(value.as_bool().ok_or_else(|| format!("{name} is not true or false"))?),
            "CacheControl" => Self::CacheControl(text()?),
            "ContentDisposition" => Self::ContentDisposition(text()?),
            "ContentLanguage" => Self::ContentLanguage(text()?),
            "ContentType" => Self::ContentType(text()?),
            "ExpectedBucketOwner" => Self::ExpectedBucketOwner(text()?),
            "GrantFullControl" => Self::GrantFullControl(text()?),
            "GrantRead" => Self::GrantRead(text()?),
            "GrantReadACP" => Self::GrantReadAcp(text()?),
            "GrantWriteACP" => Self::GrantWriteAcp(text()?),
            "Metadata" => Self::Metadata(metadata(value)?),
            "ObjectLockLegalHoldStatus" => Self::LegalHold(known(name, &text()?, ObjectLockLegalHoldStatus::values())?),
            "ObjectLockMode" => Self::LockMode(known(name, &text()?, ObjectLockMode::values())?),
            "ObjectLockRetainUntilDate" => Self::LockUntil(date(name, &text()?)?),
            "RequestPayer" => Self::RequestPayer(known(name, &text()?, RequestPayer::values())?),
            "SSEKMSEncryptionContext" => Self::KmsContext(text()?),
            "SSEKMSKeyId" => Self::KmsKeyId(text()?),
            "ServerSideEncryption" => Self::Encryption(known(name, &text()?, ServerSideEncryption::values())?),
            // Other services have classes of their own.
            "StorageClass" => Self::StorageClass(text()?.as_str().into()),
            "Tagging" => Self::Tagging(text()?),
            "Bucket" | "Key" | "Body" | "ContentLength" | "IfMatch" | "IfNoneMatch" => {
                return Err(format!("{name} is set by Holdover itself; remove it"));
            }
            "SSECustomerAlgorithm" | "SSECustomerKey" | "SSECustomerKeyMD5" | "ContentEncoding" => {
                return Err(format!("with {name} nodes could not read what was written; remove it"));
            }
            _ => {
                let shown: String = name.chars().take(60).filter(|character| !character.is_control()).collect();
                return Err(format!("'{shown}' is no parameter that is passed on; these are: {NAMES}"));
            }
        })
    }

    fn apply(self, put: Put) -> Put {
        match self {
            Self::Acl(value) => put.acl(value),
            Self::BucketKeyEnabled(value) => put.bucket_key_enabled(value),
            Self::CacheControl(value) => put.cache_control(value),
            Self::ContentDisposition(value) => put.content_disposition(value),
            Self::ContentLanguage(value) => put.content_language(value),
            Self::ContentType(value) => put.content_type(value),
            Self::ExpectedBucketOwner(value) => put.expected_bucket_owner(value),
            Self::GrantFullControl(value) => put.grant_full_control(value),
            Self::GrantRead(value) => put.grant_read(value),
            Self::GrantReadAcp(value) => put.grant_read_acp(value),
            Self::GrantWriteAcp(value) => put.grant_write_acp(value),
            Self::Metadata(pairs) => pairs.into_iter().fold(put, |put, (name, value)| put.metadata(name, value)),
            Self::LegalHold(value) => put.object_lock_legal_hold_status(value),
            Self::LockMode(value) => put.object_lock_mode(value),
            Self::LockUntil(value) => put.object_lock_retain_until_date(value),
            Self::RequestPayer(value) => put.request_payer(value),
            Self::KmsContext(value) => put.ssekms_encryption_context(value),
            Self::KmsKeyId(value) => put.ssekms_key_id(value),
            Self::Encryption(value) => put.server_side_encryption(value),
            Self::StorageClass(value) => put.storage_class(value),
            Self::Tagging(value) => put.tagging(value),
        }
    }
}

fn known<T: for<'a> From<&'a str>>(name: &str, value: &str, values: &[&str]) -> Result<T, String> {
    if values.contains(&value) {
        return Ok(T::from(value));
    }
    let shown: String = value.chars().take(60).filter(|character| !character.is_control()).collect();
    Err(format!("{name} = '{shown}' is not one of {}", values.join(", ")))
}

fn metadata(value: &Value) -> Result<Vec<(String, String)>, String> {
    let entries: &Map<String, Value> = value.as_object().ok_or("Metadata is not an object of texts")?;
    let text = |(name, value): (&String, &Value)| match value.as_str() {
        Some(text) => Ok((name.clone(), text.to_owned())),
        None => Err(format!("Metadata.{name} is not a text")),
    };
    entries.iter().map(text).collect()
}

fn date(name: &str, text: &str) -> Result<DateTime, String> {
    DateTime::from_str(text, Format::DateTime).map_err(|_| format!("{name} is no date; write it as 2030-01-31T00:00:00Z"))
}

#[cfg(test)]
// A test stops at the first thing that is not as it says.
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_kongs_documentation_is_taken() {
        let put = PutConfig::parse(r#"{"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alias/holdover"}"#).unwrap();
        assert_eq!(put.0.len(), 2);
        assert!(PutConfig::parse("{}").unwrap().0.is_empty());
    }

    #[test]
    fn every_name_in_the_list_is_a_parameter() {
        for name in NAMES.split(", ") {
            let sentence = PutConfig::parse(&format!(r#"{{"{name}": null}}"#)).expect_err(name);
            assert!(!sentence.contains("no parameter"), "{sentence}");
        }
    }

    #[test]
    fn what_cannot_be_passed_on_is_named() {
        let wrong = [
            ("[]", "object"),
            ("{", "JSON"),
            (r#"{"ServersideEncryption": "AES256"}"#, "ServersideEncryption"),
            (r#"{"ServerSideEncryption": "aes"}"#, "AES256, aws:"),
            (r#"{"IfNoneMatch": "*"}"#, "IfNoneMatch"),
            (r#"{"SSECustomerKey": "hunter2"}"#, "SSECustomerKey"),
            (r#"{"Metadata": {"a": 1}}"#, "Metadata.a"),
            (r#"{"BucketKeyEnabled": "yes"}"#, "BucketKeyEnabled"),
            (r#"{"ObjectLockRetainUntilDate": "soon"}"#, "2030"),
        ];
        for (json, named) in wrong {
            let sentence = PutConfig::parse(json).expect_err(json);
            assert!(sentence.starts_with("cluster_fallback_export_s3_config: ") && sentence.contains(named), "{sentence}");
            assert!(!sentence.contains("hunter2"), "{sentence}");
        }
    }
}
