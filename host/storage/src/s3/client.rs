//! From settings to a client: credentials, region, endpoint and the bounds of every wait.

use std::time::Duration;

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::web_identity_token::{StaticConfiguration, WebIdentityTokenCredentialsProvider};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Config, Region, RequestChecksumCalculation, ResponseChecksumValidation, SharedHttpClient,
    StalledStreamProtectionConfig,
};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::Builder as HttpClientBuilder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

use super::failure::Words;
use crate::Environment;
use crate::url::{Endpoint, S3Place};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// From sending the request to the head of its answer, for a request without a body worth naming.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// Connections are given up before the services close them (S3 after some 20 s), so that no request is sent into a closing one.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);
/// For custom endpoints, which mostly do not care, but sign with it.
const REGION_DEFAULT: &str = "us-east-1";

/// One S3 storage, complete and checked.
pub(crate) struct S3Settings {
    place: S3Place,
    endpoint: Option<Endpoint>,
    region: String,
    credentials: CredentialSource,
}

enum CredentialSource {
    /// AWS_ACCESS_KEY_ID and its companions.
    Keys(Credentials),
    /// Profile files, web identity, container and instance roles, in Amazon's order.
    Chain { profile: Option<String>, web_identity: Option<StaticConfiguration>, instance_role: bool },
}

/// A bucket with the client that reaches it.
pub(crate) struct Bucket {
    pub(super) client: Client,
    pub(super) bucket: String,
    pub(super) words: Words,
    /// The storage's address, for sentences.
    pub(super) name: String,
    prefix: String,
}

impl S3Settings {
    pub fn from_environment(place: &S3Place, environment: &Environment) -> Result<Self, String> {
        let endpoint = match (&place.endpoint, variable(environment, "AWS_CONFIG_STORAGE_ENDPOINT")) {
            (Some(own), _) => Some(own.clone()),
            (None, Some(text)) => Some(Endpoint::parse(text).map_err(|why| format!("AWS_CONFIG_STORAGE_ENDPOINT: {why}"))?),
            (None, None) => None,
        };
        let region = match variable(environment, "AWS_REGION").or_else(|| variable(environment, "AWS_DEFAULT_REGION")) {
            Some(region) => region.to_owned(),
            None if endpoint.is_some() => REGION_DEFAULT.to_owned(),
            None => {
                return Err(format!(
                    "cluster_fallback_config_storage = {place} needs a region: set AWS_REGION to the bucket's, for example eu-central-1"
                ));
            }
        };
        if region.len() > 40 || !region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err("AWS_REGION is no region's name: write it as eu-central-1, with letters, digits and '-' only".into());
        }
        Ok(Self { place: place.clone(), endpoint, region, credentials: CredentialSource::from_environment(environment)? })
    }
}

impl CredentialSource {
    fn from_environment(environment: &Environment) -> Result<Self, String> {
        let session = variable(environment, "AWS_SESSION_TOKEN").map(str::to_owned);
        match (variable(environment, "AWS_ACCESS_KEY_ID"), variable(environment, "AWS_SECRET_ACCESS_KEY")) {
            (Some(id), Some(secret)) => Ok(Self::Keys(Credentials::new(id, secret, session, None, "environment"))),
            (Some(_), None) => Err("AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not: set both or neither".into()),
            (None, Some(_)) => Err("AWS_SECRET_ACCESS_KEY is set and AWS_ACCESS_KEY_ID is not: set both or neither".into()),
            (None, None) => Ok(Self::Chain {
                profile: variable(environment, "AWS_PROFILE").map(str::to_owned),
                web_identity: web_identity(environment),
                instance_role: !variable(environment, "AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")),
            }),
        }
    }

    fn into_provider(self, http_client: &SharedHttpClient, region: &Region) -> SharedCredentialsProvider {
        let (profile, web_identity, instance_role) = match self {
            Self::Keys(keys) => return SharedCredentialsProvider::new(keys),
            Self::Chain { profile, web_identity, instance_role } => (profile, web_identity, instance_role),
        };
        let shared = ProviderConfig::without_region().with_http_client(http_client.clone()).with_region(Some(region.clone()));
        let mut from_profile = ProfileFileCredentialsProvider::builder().configure(&shared);
        if let Some(profile) = profile {
            from_profile = from_profile.profile_name(profile);
        }
        let mut chain = CredentialsProviderChain::first_try("profile", from_profile.build());
        if let Some(identity) = web_identity {
            let provider = WebIdentityTokenCredentialsProvider::builder().configure(&shared).static_configuration(identity).build();
            chain = chain.or_else("web identity", provider);
        }
        chain = chain.or_else("container role", EcsCredentialsProvider::builder().configure(&shared).build());
        if instance_role {
            chain = chain.or_else("instance role", ImdsCredentialsProvider::builder().configure(&shared).build());
        }
        SharedCredentialsProvider::new(chain)
    }
}

impl Bucket {
    pub fn open(settings: S3Settings) -> Self {
        let S3Settings { place, endpoint, region, credentials } = settings;
        let http_client =
            HttpClientBuilder::new().pool_idle_timeout(IDLE_TIMEOUT).tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
        let words = Words::new(&place, endpoint.as_ref(), &region);
        let region = Region::new(region);
        let mut config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(credentials.into_provider(&http_client, &region))
            .http_client(http_client)
            .region(region)
            .sleep_impl(TokioSleep::new())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts(ANSWER_TIMEOUT))
            // Bodies have bounds of their own in get.rs and put.rs.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        if let Some(endpoint) = &endpoint {
            config = config
                .endpoint_url(endpoint.as_str())
                .force_path_style(true)
                .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
                .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        }
        let name = place.to_string();
        Self { client: Client::from_conf(config.build()), bucket: place.bucket, words, name, prefix: place.prefix }
    }

    pub(super) fn key(&self, key: &str) -> String {
        match self.prefix.as_str() {
            "" => key.to_owned(),
            prefix => format!("{prefix}/{key}"),
        }
    }
}

/// Bounds for one request; the SDK never makes a second of it.
pub(super) fn timeouts(answer: Duration) -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_attempt_timeout(answer).build()
}

fn web_identity(environment: &Environment) -> Option<StaticConfiguration> {
    Some(StaticConfiguration {
        web_identity_token_file: variable(environment, "AWS_WEB_IDENTITY_TOKEN_FILE")?.into(),
        role_arn: variable(environment, "AWS_ROLE_ARN")?.to_owned(),
        session_name: variable(environment, "AWS_ROLE_SESSION_NAME").unwrap_or("holdover").to_owned(),
    })
}

/// An empty variable counts as one that is not set.
fn variable<'a>(environment: &'a Environment, name: &str) -> Option<&'a str> {
    environment.get(name).map(String::as_str).filter(|value| !value.is_empty())
}

#[cfg(test)]
// A test stops at the first thing that is not as it says.
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::StorageUrl;
    use crate::url::Place;

    #[test]
    fn amazons_own_s3_needs_a_region_and_any_other_takes_the_default() {
        let sentence = settings("s3://bucket/p", &[]).err().expect("no region");
        assert!(sentence.contains("s3://bucket/p") && sentence.contains("AWS_REGION"), "{sentence}");
        assert_eq!(settings("s3://bucket", &[("AWS_DEFAULT_REGION", "eu-west-1")]).unwrap().region, "eu-west-1");
        assert_eq!(settings("s3://bucket", &[("AWS_CONFIG_STORAGE_ENDPOINT", "http://minio:9000/")]).unwrap().region, "us-east-1");
        assert_eq!(settings("https://minio/bucket", &[("AWS_REGION", "fsn1")]).unwrap().region, "fsn1");
        assert!(settings("s3://bucket", &[("AWS_REGION", "evil.example/")]).is_err());
    }

    #[test]
    fn an_endpoint_in_the_address_wins_over_the_environments() {
        let both = settings("http://here:1/bucket", &[("AWS_CONFIG_STORAGE_ENDPOINT", "http://there:2")]).unwrap();
        assert_eq!(both.endpoint.unwrap().as_str(), "http://here:1");
    }

    #[test]
    fn half_a_key_pair_is_named_and_its_value_is_not() {
        for half in [("AWS_ACCESS_KEY_ID", "hunter2"), ("AWS_SECRET_ACCESS_KEY", "hunter2")] {
            let sentence = settings("http://here:1/bucket", &[half]).err().expect("half a pair");
            assert!(sentence.contains("AWS_SECRET_ACCESS_KEY") && !sentence.contains("hunter2"), "{sentence}");
        }
    }

    #[test]
    fn a_password_in_the_endpoint_is_refused_and_not_repeated() {
        let sentence = settings("s3://bucket", &[("AWS_CONFIG_STORAGE_ENDPOINT", "http://me:hunter2@minio:9000")]).err().expect("userinfo");
        assert!(sentence.starts_with("AWS_CONFIG_STORAGE_ENDPOINT") && !sentence.contains("hunter2"), "{sentence}");
    }

    fn settings(url: &str, environment: &[(&str, &str)]) -> Result<S3Settings, String> {
        let url = StorageUrl::parse(url).unwrap();
        let Place::S3(place) = url.place() else { panic!("{url} is no S3 address") };
        let environment = environment.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        S3Settings::from_environment(place, &environment)
    }
}
