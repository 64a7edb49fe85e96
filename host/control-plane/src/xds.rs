//! An xDS management server, followed over ADS as one node of a group.
//!
//! What it sends is delivered as one configuration: every resource with its type, name and version, and its bytes as they came. A set is
//! delivered once it is whole. A stream that ends in order, as load balancers and servers end old ones, is opened once more before the
//! session counts as lost. The wire is `holdover-xds`'s; here its endings get the names that the policy knows.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use holdover_plugin::config::xds::{self, types};
use holdover_plugin::model::Digest;
use holdover_ports::{Answer, Config, Dial, Session, Unanswered};
use holdover_xds::{Code, Connection, Ended, Reads, Refusal, Resource, Target};
use tokio::time::{Instant, timeout};

use crate::failure;

/// Of what is missing, as much as a sentence can bear.
const MISSING_MAX: usize = 3;
/// A stream that lasted this long was not turned away: its end is housekeeping, and says nothing of the control plane.
const LASTING: Duration = Duration::from_secs(30);
/// For a stream that takes the place of one, up to the whole set.
const REOPENING: Duration = Duration::from_secs(5);

pub struct XdsControlPlane {
    target: Target,
}

struct Following {
    target: Target,
    connection: Connection,
    since: Instant,
    /// What was delivered last.
    latest: Option<Digest>,
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

    async fn appears(&self) {
        self.target.appears().await;
    }

    async fn dial(&self) -> Result<Box<dyn Session>, Unanswered> {
        let subject = format!("{} = {}", self.setting(), self.name());
        match Connection::open(&self.target).await {
            Ok(connection) => {
                let (target, since) = (self.target.clone(), Instant::now());
                Ok(Box::new(Following { target, connection, since, latest: None, subject }))
            }
            Err(refusal) => {
                let unimplemented = matches!(refusal, Refusal::Status { code: Code::Unimplemented, .. });
                let what = if unimplemented { UNIMPLEMENTED.to_owned() } else { refusal.to_string() };
                Err(unanswered(&subject, of_refusal(&refusal), &what))
            }
        }
    }
}

#[async_trait]
impl Session for Following {
    async fn next(&mut self) -> Result<Config, Unanswered> {
        loop {
            let resources = match self.connection.next().await {
                Ok(resources) => resources,
                Err(ended) => self.reopened(ended).await?,
            };
            let config = delivered(resources).await?;
            // A stream that took the place of another begins with everything.
            if self.latest != Some(config.digest()) {
                self.latest = Some(config.digest());
                return Ok(config);
            }
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

impl Following {
    /// What a new stream begins with, if the old one ended in order. `Err` is about the old one.
    async fn reopened(&mut self, ended: Ended) -> Result<Vec<Resource>, Unanswered> {
        let lost = unanswered(&self.subject, of_ending(&ended), &ended.to_string());
        if !is_in_order(&ended) || self.since.elapsed() < LASTING {
            return Err(lost);
        }
        tracing::debug!(%ended, "the stream of {} is opened once more", self.target.endpoint);
        let again = async {
            let mut connection = Connection::open(&self.target).await.ok()?;
            let resources = connection.next().await.ok()?;
            Some((connection, resources))
        };
        match timeout(REOPENING, again).await {
            Ok(Some((connection, resources))) => {
                (self.connection, self.since) = (connection, Instant::now());
                Ok(resources)
            }
            Ok(None) | Err(_) => Err(lost),
        }
    }
}

fn is_in_order(ended: &Ended) -> bool {
    match ended {
        Ended::Closed | Ended::ConnectionReset | Ended::Status { code: Code::Unavailable, .. } => true,
        Ended::Empty { .. }
        | Ended::Incomplete { .. }
        | Ended::Silent
        | Ended::Stalled
        | Ended::TooLarge { .. }
        | Ended::TooMany { .. }
        | Ended::BadMessage(_)
        | Ended::OurCertificate(_)
        | Ended::Broken { .. }
        | Ended::Status { .. } => false,
    }
}

/// Sorting and writing a large set takes longer than a thread that answers may be held up.
async fn delivered(resources: Vec<Resource>) -> Result<Config, Unanswered> {
    let made = tokio::task::spawn_blocking(move || Config::delivered(xds::encode(resources.into_iter().map(kept).collect()).into()));
    made.await
        .map_err(|ended| Unanswered { answer: Answer::Unexpected, detail: format!("writing a set of resources ended early: {ended}") })
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
        Answer::NameNotResolved
        | Answer::ConnectionRefused
        | Answer::ConnectionReset
        | Answer::TimedOut
        | Answer::ClosedAfterTls
        | Answer::ServerError
        | Answer::Silent
        | Answer::BadRequest
        | Answer::Forbidden
        | Answer::UpgradeRequired
        | Answer::ClosedAfterIntroduction
        | Answer::Unexpected => failure::fix(answer),
    };
    Unanswered { answer, detail: format!("{subject}: {what}; {fix}") }
}

/// A server that has only one of the two protocols says no more than this.
const UNIMPLEMENTED: &str = "it does not speak this protocol of ADS; write the other one, holdover_xds_protocol = sotw or delta";

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
        Ended::Empty { .. } | Ended::Incomplete { .. } => Answer::NotConfigured,
        Ended::Closed | Ended::ConnectionReset => Answer::ConnectionReset,
        Ended::Silent | Ended::Stalled => Answer::TimedOut,
        Ended::OurCertificate(_) => Answer::OurCertificate,
        Ended::Status { code, .. } => of_code(*code),
        Ended::TooLarge { .. } | Ended::TooMany { .. } | Ended::BadMessage(_) | Ended::Broken { .. } => Answer::Unexpected,
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
