//! An xDS management server, followed over ADS as one node of a group.
//!
//! What it sends is delivered as one configuration: every resource with its type, name and version, and its bytes as they came. A set is
//! delivered once it is whole. The wire is `holdover-xds`'s; here its endings get the names that the policy knows.

use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;
use holdover_plugin::config::xds::{self, types};
use holdover_ports::{Answer, Config, Dial, Session, Unanswered};
use holdover_xds::{Code, Connection, Ended, Reads, Refusal, Resource, Target};

use crate::failure;

/// Of what is missing, as much as a sentence can bear.
const MISSING_MAX: usize = 3;

pub struct XdsControlPlane {
    target: Target,
}

struct Following {
    connection: Connection,
    /// How sentences begin.
    subject: String,
}

/// What resources say of themselves and of each other, which is the format's to read.
struct Format;

/// For a [`Target`].
pub fn reads() -> Arc<dyn Reads> {
    Arc::new(Format)
}

impl XdsControlPlane {
    pub fn new(target: Target) -> Self {
        Self { target }
    }
}

#[async_trait]
impl Dial for XdsControlPlane {
    fn name(&self) -> String {
        format!("xds+{}", self.target.endpoint.to_string().trim_end_matches('/'))
    }

    async fn dial(&self) -> Result<Box<dyn Session>, Unanswered> {
        let subject = format!("{} = {}", self.setting(), self.name());
        match Connection::open(&self.target).await {
            Ok(connection) => Ok(Box::new(Following { connection, subject })),
            Err(refusal) => Err(unanswered(&subject, of_refusal(&refusal), &refusal.to_string())),
        }
    }
}

#[async_trait]
impl Session for Following {
    async fn next(&mut self) -> Result<Config, Unanswered> {
        match self.connection.next().await {
            Ok(resources) => Ok(Config::delivered(xds::encode(resources.into_iter().map(kept).collect()).into())),
            Err(ended) => Err(unanswered(&self.subject, of_ending(&ended), &ended.to_string())),
        }
    }

    /// A management server that has nothing for a node says nothing, as one that hangs.
    fn silence(&self) -> Cow<'static, str> {
        let missing = self.connection.missing();
        if missing.is_empty() {
            return "connected, and nothing came; see whether it hangs, or does not know holdover_node_group".into();
        }
        let named = missing.iter().take(MISSING_MAX).map(|(type_url, name)| match name {
            Some(name) => format!("'{name}' of {type_url}"),
            None => format!("anything of {type_url}"),
        });
        let named = named.collect::<Vec<_>>().join(", ");
        format!("connected, and no whole configuration came: it did not send {named}; see its log for holdover_node_group").into()
    }
}

fn kept(resource: Resource) -> xds::Resource {
    let Resource { type_url, name, version, value } = resource;
    xds::Resource { type_url, name, version, value: value.into() }
}

impl Reads for Format {
    fn name_of(&self, type_url: &str, value: &[u8]) -> Result<String, String> {
        xds::name_of(type_url, value)
    }

    fn wants(&self, resource: &Resource) -> Result<Vec<(String, String)>, String> {
        let xds::Wanted { endpoints, routes, secrets } = xds::references(&resource.type_url, &resource.value)?;
        let named = [(types::ENDPOINTS, endpoints), (types::ROUTES, routes), (types::SECRET, secrets)];
        let pairs = named.into_iter().flat_map(|(type_url, names)| names.into_iter().map(|name| (type_url.to_owned(), name)));
        Ok(pairs.collect())
    }
}

fn unanswered(subject: &str, answer: Answer, what: &str) -> Unanswered {
    let fix = match answer {
        Answer::OurCertificate | Answer::TheirCertificate => {
            "see that cluster_cert, cluster_cert_key and cluster_ca_cert are what the management server expects"
        }
        Answer::Unauthorised => "see that holdover_control_plane_token is the one that it knows",
        Answer::NotConfigured => "see its log for holdover_node_group",
        other => failure::fix(other),
    };
    Unanswered { answer, detail: format!("{subject}: {what}; {fix}") }
}

fn of_refusal(refusal: &Refusal) -> Answer {
    match refusal {
        Refusal::NameNotResolved { .. } => Answer::NameNotResolved,
        Refusal::ConnectionRefused => Answer::ConnectionRefused,
        Refusal::ConnectionReset { .. } => Answer::ConnectionReset,
        Refusal::TimedOut { .. } => Answer::TimedOut,
        Refusal::TheirCertificate(_) => Answer::TheirCertificate,
        Refusal::OurCertificate(_) => Answer::OurCertificate,
        Refusal::Status { code, .. } => of_code(*code),
        Refusal::BadTarget(_) | Refusal::NotConnected { .. } | Refusal::Tls(_) | Refusal::Broken { .. } => Answer::Unexpected,
    }
}

fn of_ending(ended: &Ended) -> Answer {
    match ended {
        Ended::Empty { .. } => Answer::NotConfigured,
        Ended::Closed | Ended::ConnectionReset => Answer::ConnectionReset,
        Ended::Silent | Ended::Stalled => Answer::TimedOut,
        Ended::OurCertificate(_) => Answer::OurCertificate,
        Ended::Status { code, .. } => of_code(*code),
        Ended::TooLarge { .. } | Ended::BadMessage(_) | Ended::Broken { .. } => Answer::Unexpected,
    }
}

/// gRPC's words for what HTTP says with its statuses.
fn of_code(code: Code) -> Answer {
    match code {
        Code::Unavailable => Answer::ServerError,
        Code::Unauthenticated => Answer::Unauthorised,
        Code::PermissionDenied => Answer::Forbidden,
        Code::DeadlineExceeded => Answer::TimedOut,
        Code::Unimplemented | Code::ResourceExhausted | Code::Other(_) => Answer::Unexpected,
    }
}
