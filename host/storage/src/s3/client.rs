//! From settings to a client: credentials, region, endpoint and the bounds of every wait.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Config, Region, RequestChecksumCalculation, ResponseChecksumValidation, StalledStreamProtectionConfig,
};
use aws_smithy_async::rt::sleep::TokioSleep;

use super::credentials::CredentialSource;
use super::failure::Words;
use super::http_client;
use crate::Environment;
use crate::options::{Addressing, Options, variable};
use crate::url::{Endpoint, S3Place};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// From sending the request to the head of its answer, for a request without a body worth naming.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// For custom endpoints, which mostly do not care, but sign with it.
const REGION_DEFAULT: &str = "us-east-1";

/// One S3 storage, complete and checked.
pub(crate) struct S3Settings {
    place: S3Place,
    endpoint: Option<Endpoint>,
    region: String,
    credentials: CredentialSource,
    options: Options,
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
    pub fn new(place: &S3Place, environment: &Environment, options: &Options) -> Result<Self, String> {
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
        let credentials = CredentialSource::from_environment(environment)?;
        Ok(Self { place: place.clone(), endpoint, region, credentials, options: options.clone() })
    }
}

impl Bucket {
    pub fn open(settings: S3Settings) -> Result<Self, String> {
        let S3Settings { place, endpoint, region, credentials, options } = settings;
        // Whoever is asked at Amazon, it is over TLS and not this machine.
        let address = endpoint.as_ref().map_or("https://amazonaws.com", Endpoint::as_str);
        let words = Words::new(&place, endpoint.as_ref(), &region, options.proxy_for(address).as_ref());
        let region = Region::new(region);
        let path_style = match options.addressing {
            Addressing::Auto => endpoint.is_some(),
            Addressing::Path => true,
            Addressing::Virtual => false,
        };
        let mut config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(credentials.into_provider(&options, &region)?)
            .http_client(http_client::towards(address, &options)?)
            .region(region)
            .sleep_impl(TokioSleep::new())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts(ANSWER_TIMEOUT))
            .force_path_style(path_style)
            // Bodies have bounds of their own in body.rs and put.rs.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        if let Some(endpoint) = &endpoint {
            config = config
                .endpoint_url(endpoint.as_str())
                .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
                .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        }
        let name = place.to_string();
        Ok(Self { client: Client::from_conf(config.build()), bucket: place.bucket, words, name, prefix: place.prefix })
    }

    pub(super) fn key(&self, key: &str) -> String {
        match self.prefix.as_str() {
            "" => key.to_owned(),
            prefix => format!("{prefix}/{key}"),
        }
    }

    /// The other way round; `None` for what does not stand under this storage's prefix.
    pub(super) fn relative<'a>(&self, key: &'a str) -> Option<&'a str> {
        match self.prefix.as_str() {
            "" => Some(key),
            prefix => key.strip_prefix(prefix)?.strip_prefix('/'),
        }
    }
}

/// Bounds for one request; the SDK never makes a second of it.
pub(super) fn timeouts(answer: Duration) -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).operation_attempt_timeout(answer).build()
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
    fn half_a_web_identity_and_addresses_that_are_none_are_named() {
        let wrong = [
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token", "AWS_ROLE_ARN"),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "169.254.169.254", "http://host:port"),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "v6", "IPv6"),
        ];
        for (name, value, named) in wrong {
            let sentence = settings("http://here:1/bucket", &[(name, value)]).err().expect(name);
            assert!(sentence.contains(name) && sentence.contains(named), "{sentence}");
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
        S3Settings::new(place, &environment, &Options::default())
    }
}
