//! Where the credentials of a bucket come from: keys in the environment, or the first source of a chain that has some.
//!
//! ```text
//! profile files ─► web identity (STS) ─► container role ─► instance role (IMDSv2)
//! ```
//! A source that is not set up is passed over. One that is and fails, or is silent, ends the search with a sentence, within
//! [`WAIT_MAX`]. Profile files and the container's role look at the process's own environment, as the SDK has it.

use std::fmt;
use std::time::Duration;

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::imds;
use aws_config::imds::client::EndpointMode;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, Result as Provided, SharedCredentialsProvider, future};
use aws_sdk_s3::config::Region;
use tokio::time::{Instant, timeout_at};

use super::failure::deepest;
use super::http_client;
use super::web_identity::{WebIdentity, WebIdentitySettings};
use crate::Environment;
use crate::options::{Options, variable};
use crate::url::Endpoint;

/// All sources together may take this long.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// One answer of the instance's metadata service, which is on the same machine.
const METADATA_TIMEOUT: Duration = Duration::from_secs(1);
const METADATA_ATTEMPTS_MAX: u32 = 2;

pub(super) enum CredentialSource {
    /// AWS_ACCESS_KEY_ID and its companions.
    Keys(Credentials),
    Chain(ChainSettings),
}

pub(super) struct ChainSettings {
    profile: Option<String>,
    web_identity: Option<WebIdentitySettings>,
    /// `None`: AWS_EC2_METADATA_DISABLED.
    instance_role: Option<InstanceRole>,
}

struct InstanceRole {
    endpoint: Option<Endpoint>,
    mode: Option<EndpointMode>,
}

#[derive(Debug)]
struct Chain(Vec<Source>);

#[derive(Debug)]
struct Source {
    name: &'static str,
    provider: SharedCredentialsProvider,
}

/// Why a source that is set up gave none: the middle of a sentence, without secrets.
#[derive(Debug)]
pub(super) struct NoneGiven(pub String);

impl CredentialSource {
    pub fn from_environment(environment: &Environment) -> Result<Self, String> {
        let session = variable(environment, "AWS_SESSION_TOKEN").map(str::to_owned);
        match (variable(environment, "AWS_ACCESS_KEY_ID"), variable(environment, "AWS_SECRET_ACCESS_KEY")) {
            (Some(id), Some(secret)) => Ok(Self::Keys(Credentials::new(id, secret, session, None, "environment"))),
            (Some(_), None) => Err("AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not: set both or neither".into()),
            (None, Some(_)) => Err("AWS_SECRET_ACCESS_KEY is set and AWS_ACCESS_KEY_ID is not: set both or neither".into()),
            (None, None) => Ok(Self::Chain(ChainSettings {
                profile: variable(environment, "AWS_PROFILE").map(str::to_owned),
                web_identity: WebIdentitySettings::from_environment(environment)?,
                instance_role: InstanceRole::from_environment(environment)?,
            })),
        }
    }

    pub fn into_provider(self, options: &Options, region: &Region) -> Result<SharedCredentialsProvider, String> {
        match self {
            Self::Keys(keys) => Ok(SharedCredentialsProvider::new(keys)),
            Self::Chain(settings) => Ok(SharedCredentialsProvider::new(settings.into_chain(options, region)?)),
        }
    }
}

impl ChainSettings {
    fn into_chain(self, options: &Options, region: &Region) -> Result<Chain, String> {
        let here = http_client::of_this_machine(options)?;
        let shared = ProviderConfig::without_region().with_region(Some(region.clone()));
        let local = shared.clone().with_http_client(here);
        // A profile may name a role, which is asked for at Amazon's STS.
        let remote = shared.with_http_client(http_client::towards("https://sts.amazonaws.com", options)?);
        let mut from_profile = ProfileFileCredentialsProvider::builder().configure(&remote);
        if let Some(profile) = self.profile {
            from_profile = from_profile.profile_name(profile);
        }
        let mut chain = Chain(Vec::new());
        chain.then("profile", from_profile.build());
        if let Some(settings) = self.web_identity {
            chain.then("web identity", WebIdentity::new(settings, options, region)?);
        }
        chain.then("container role", EcsCredentialsProvider::builder().configure(&local).build());
        if let Some(instance_role) = self.instance_role {
            chain.then("instance role", instance_role.into_provider(&local)?);
        }
        Ok(chain)
    }
}

impl InstanceRole {
    fn from_environment(environment: &Environment) -> Result<Option<Self>, String> {
        if variable(environment, "AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let endpoint = variable(environment, "AWS_EC2_METADATA_SERVICE_ENDPOINT").map(Endpoint::parse).transpose();
        let mode = match variable(environment, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE") {
            None => None,
            Some(text) if text.eq_ignore_ascii_case("ipv4") => Some(EndpointMode::IpV4),
            Some(text) if text.eq_ignore_ascii_case("ipv6") => Some(EndpointMode::IpV6),
            Some(_) => return Err("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE is neither IPv4 nor IPv6: write one of both".into()),
        };
        Ok(Some(Self { endpoint: endpoint.map_err(|why| format!("AWS_EC2_METADATA_SERVICE_ENDPOINT: {why}"))?, mode }))
    }

    fn into_provider(self, local: &ProviderConfig) -> Result<ImdsCredentialsProvider, String> {
        let mut client = imds::Client::builder()
            .configure(local)
            .max_attempts(METADATA_ATTEMPTS_MAX)
            .connect_timeout(METADATA_TIMEOUT)
            .read_timeout(METADATA_TIMEOUT);
        if let Some(mode) = self.mode {
            client = client.endpoint_mode(mode);
        }
        if let Some(endpoint) = &self.endpoint {
            let set = client.endpoint(endpoint.as_str());
            client = set.map_err(|_| format!("AWS_EC2_METADATA_SERVICE_ENDPOINT = {endpoint} is no address; write http://host:port"))?;
        }
        Ok(ImdsCredentialsProvider::builder().configure(local).imds_client(client.build()).build())
    }
}

impl Chain {
    fn then(&mut self, name: &'static str, provider: impl ProvideCredentials + 'static) {
        self.0.push(Source { name, provider: SharedCredentialsProvider::new(provider) });
    }

    async fn first(&self) -> Provided {
        let end = Instant::now() + WAIT_MAX;
        for Source { name, provider } in &self.0 {
            let none = |why: String| Err(CredentialsError::provider_error(NoneGiven(format!("the {name} {why}"))));
            match timeout_at(end, provider.provide_credentials()).await {
                Ok(Ok(credentials)) => return Ok(credentials),
                Ok(Err(CredentialsError::CredentialsNotLoaded(_))) => {}
                Ok(Err(error)) => return none(format!("gave none: {}", deepest(&error))),
                // Those of before, when the service is only away for a while.
                Err(_) => match provider.fallback_on_interrupt() {
                    Some(credentials) => return Ok(credentials),
                    None => return none(format!("did not answer within {} s", WAIT_MAX.as_secs())),
                },
            }
        }
        let asked: Vec<_> = self.0.iter().map(|source| source.name).collect();
        Err(CredentialsError::provider_error(NoneGiven(format!("asked without success: {}", asked.join(", ")))))
    }
}

impl ProvideCredentials for Chain {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.first())
    }
}

impl fmt::Display for NoneGiven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoneGiven {}
