//! S3 and every service that speaks it, over the AWS SDK.
//!
//! The SDK never retries here: the policy does, and a write that was sent twice could lose a race against itself.

mod client;
mod credentials;
mod delete;
mod failure;
mod get;
mod http_client;
mod put;
mod put_config;
mod web_identity;

pub(crate) use client::{Bucket, S3Settings};
pub(crate) use delete::S3Deleter;
pub(crate) use get::S3Reader;
pub(crate) use put::S3Writer;
pub use put_config::PutConfig;
