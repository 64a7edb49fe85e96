//! Who is asking, and whether they may.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::path::S3Path;
use s3s::{S3Result, s3_error};

use super::{AccessKey, Permission};

pub(super) type Keys = Arc<BTreeMap<String, AccessKey>>;

/// Secrets for the check of signatures.
pub(super) struct Identities(pub Keys);

/// Rights for identities whose signature was right.
pub(super) struct Permissions(pub Keys);

#[async_trait]
impl S3Auth for Identities {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        match self.0.get(access_key) {
            Some(key) => Ok(SecretKey::from(key.secret.as_str())),
            None => Err(s3_error!(InvalidAccessKeyId)),
        }
    }
}

#[async_trait]
impl S3Access for Permissions {
    async fn check(&self, request: &mut S3AccessContext<'_>) -> S3Result<()> {
        let Some(key) = request.credentials().and_then(|credentials| self.0.get(&credentials.access_key)) else {
            return Err(s3_error!(AccessDenied));
        };
        let method = request.method().as_str();
        let lists = matches!(request.s3_path(), S3Path::Root | S3Path::Bucket { .. });
        let may = match key.permission {
            Permission::ReadWrite => true,
            Permission::ReadPut => matches!(method, "GET" | "HEAD" | "PUT"),
            Permission::ReadDelete => matches!(method, "GET" | "HEAD" | "DELETE"),
            Permission::Read => matches!(method, "GET" | "HEAD"),
            Permission::GetOnly => method == "GET",
        };
        if may && (key.may_list || !lists) { Ok(()) } else { Err(s3_error!(AccessDenied)) }
    }
}
