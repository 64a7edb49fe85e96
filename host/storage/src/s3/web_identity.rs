//! Credentials for a token that the platform writes into a file (EKS, any OIDC issuer): STS exchanges it for a role's.
//!
//! The file is read anew each time, because the platform renews it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, Result as Provided, future};
use aws_sdk_s3::config::Region;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_sts::config::BehaviorVersion;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_async::rt::sleep::TokioSleep;
use tokio::io::AsyncReadExt;

use super::credentials::NoneGiven;
use super::failure::{deepest, is_code};
use super::http_client;
use crate::Environment;
use crate::options::{Options, variable};
use crate::url::Endpoint;

/// More than STS takes.
const TOKEN_BYTES_MAX: u64 = 64 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const ATTEMPTS_MAX: u32 = 2;

pub(super) struct WebIdentitySettings {
    token_file: PathBuf,
    role_arn: String,
    session_name: String,
    endpoint: Option<Endpoint>,
}

#[derive(Debug)]
pub(super) struct WebIdentity {
    token_file: PathBuf,
    role_arn: String,
    session_name: String,
    sts: aws_sdk_sts::Client,
}

impl WebIdentitySettings {
    pub fn from_environment(environment: &Environment) -> Result<Option<Self>, String> {
        let file = variable(environment, "AWS_WEB_IDENTITY_TOKEN_FILE");
        let (token_file, role_arn) = match (file, variable(environment, "AWS_ROLE_ARN")) {
            (Some(file), Some(role)) => (file.into(), role.to_owned()),
            (Some(_), None) => return Err("AWS_WEB_IDENTITY_TOKEN_FILE is set and AWS_ROLE_ARN is not: set both or neither".into()),
            // Other sources use a role's name, too.
            (None, _) => return Ok(None),
        };
        let session_name = variable(environment, "AWS_ROLE_SESSION_NAME").unwrap_or("holdover").to_owned();
        let endpoint = variable(environment, "AWS_ENDPOINT_URL_STS").map(Endpoint::parse).transpose();
        let endpoint = endpoint.map_err(|why| format!("AWS_ENDPOINT_URL_STS: {why}"))?;
        Ok(Some(Self { token_file, role_arn, session_name, endpoint }))
    }
}

impl WebIdentity {
    pub fn new(settings: WebIdentitySettings, options: &Options, region: &Region) -> Result<Self, String> {
        let WebIdentitySettings { token_file, role_arn, session_name, endpoint } = settings;
        let address = endpoint.as_ref().map_or("https://sts.amazonaws.com", Endpoint::as_str);
        let mut config = aws_sdk_sts::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http_client::towards(address, options)?)
            .region(region.clone())
            .sleep_impl(TokioSleep::new())
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX))
            .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).build());
        if let Some(endpoint) = &endpoint {
            config = config.endpoint_url(endpoint.as_str());
        }
        Ok(Self { token_file, role_arn, session_name, sts: aws_sdk_sts::Client::from_conf(config.build()) })
    }

    async fn exchange(&self) -> Result<Credentials, String> {
        let unreadable = |error| format!("AWS_WEB_IDENTITY_TOKEN_FILE = {} cannot be read ({error})", self.token_file.display());
        let token = read_token(&self.token_file).await.map_err(unreadable)?;
        let request = self.sts.assume_role_with_web_identity().role_arn(&self.role_arn).role_session_name(&self.session_name);
        let answer = request.web_identity_token(token.trim()).send().await.map_err(|error| match &error {
            SdkError::ServiceError(_) => {
                let code = error.code().filter(|code| is_code(code)).unwrap_or("without a code");
                format!("STS refuses the token of AWS_WEB_IDENTITY_TOKEN_FILE for AWS_ROLE_ARN = {} ({code})", self.role_arn)
            }
            _ => format!("STS did not answer ({})", deepest(&error)),
        })?;
        let given = answer.credentials.ok_or("STS answered without credentials")?;
        let expires = SystemTime::try_from(given.expiration).ok();
        Ok(Credentials::new(given.access_key_id, given.secret_access_key, Some(given.session_token), expires, "web identity"))
    }

    async fn credentials(&self) -> Provided {
        self.exchange().await.map_err(|why| CredentialsError::provider_error(NoneGiven(why)))
    }
}

impl ProvideCredentials for WebIdentity {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}

async fn read_token(file: &Path) -> io::Result<String> {
    let mut token = String::new();
    tokio::fs::File::open(file).await?.take(TOKEN_BYTES_MAX).read_to_string(&mut token).await?;
    Ok(token)
}
