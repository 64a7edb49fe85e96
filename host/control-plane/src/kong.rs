//! Kong's hybrid control plane, followed as one of its data planes.
//!
//! What it sends is delivered as it was sent, inflated: the whole message, with the hash that Kong gave it. Each configuration is
//! acknowledged as soon as it was read. The wire is `holdover-hybrid`'s; here its endings get the names that the policy knows.

use std::borrow::Cow;

use async_trait::async_trait;
use holdover_hybrid::{Connection, Ended, NO_HASH, Refusal, Target};
use holdover_ports::{Answer, Config, Dial, Session, Unanswered};

use crate::failure;

pub struct KongControlPlane {
    target: Target,
    setting: &'static str,
}

struct Following {
    connection: Connection,
    /// How sentences begin.
    subject: String,
}

impl KongControlPlane {
    /// `setting` is the one that says where the control plane is, for sentences.
    pub fn new(target: Target, setting: &'static str) -> Self {
        Self { target, setting }
    }

    fn subject(&self) -> String {
        format!("{} = {}", self.setting, self.target.control_plane)
    }
}

#[async_trait]
impl Dial for KongControlPlane {
    fn name(&self) -> String {
        format!("kong://{}", self.target.control_plane)
    }

    fn setting(&self) -> &'static str {
        self.setting
    }

    async fn dial(&self) -> Result<Box<dyn Session>, Unanswered> {
        let subject = self.subject();
        match Connection::open(&self.target, NO_HASH).await {
            Ok(connection) => Ok(Box::new(Following { connection, subject })),
            Err(refusal) => Err(unanswered(&subject, of_refusal(&refusal), &refusal.to_string())),
        }
    }
}

#[async_trait]
impl Session for Following {
    async fn next(&mut self) -> Result<Config, Unanswered> {
        match self.connection.next().await {
            Ok(received) => Ok(Config::delivered(received.message)),
            Err(ended) => Err(unanswered(&self.subject, of_ending(&ended), &ended.to_string())),
        }
    }

    /// Kong says nothing of it, so both causes are named (boot-02).
    fn silence(&self) -> Cow<'static, str> {
        "connected, and no configuration came; either the control plane cannot read its own (see whether its database is up), or it holds \
         this node back: see that holdover_gateway_version is a version it serves, and that `plugins` names every plugin it configures"
            .into()
    }
}

fn unanswered(subject: &str, answer: Answer, what: &str) -> Unanswered {
    let fix = match answer {
        Answer::ClosedAfterTls | Answer::OurCertificate | Answer::TheirCertificate => {
            "see that cluster_cert, cluster_cert_key and cluster_mtls are those of the control plane, and look at its log"
        }
        Answer::ClosedAfterIntroduction => {
            "see that holdover_gateway_version has the control plane's major version and no later minor one, and look at its log"
        }
        Answer::BadRequest => "with cluster_mtls = pki, see that cluster_cert is signed by cluster_ca_cert",
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
        Refusal::ClosedAfterTls => Answer::ClosedAfterTls,
        Refusal::Status(400) => Answer::BadRequest,
        Refusal::Status(401) => Answer::Unauthorised,
        Refusal::Status(403) => Answer::Forbidden,
        Refusal::Status(426) => Answer::UpgradeRequired,
        Refusal::Status(status) if *status >= 500 => Answer::ServerError,
        Refusal::Status(_)
        | Refusal::NotConnected { .. }
        | Refusal::Proxy { .. }
        | Refusal::Tls(_)
        | Refusal::NotHttp(_)
        | Refusal::TooLarge { .. }
        | Refusal::BadTarget(_) => Answer::Unexpected,
    }
}

fn of_ending(ended: &Ended) -> Answer {
    match ended {
        Ended::ClosedAfterIntroduction => Answer::ClosedAfterIntroduction,
        Ended::Closed | Ended::ConnectionReset => Answer::ConnectionReset,
        Ended::TimedOut { .. } => Answer::TimedOut,
        Ended::Silent => Answer::Silent,
        Ended::TooLarge { .. } | Ended::BadFrame(_) | Ended::BadMessage(_) | Ended::Broken { .. } => Answer::Unexpected,
    }
}
