//! How a control plane refuses a connection, and how a connection ends: each case by its kind, with the sentence that goes with it.
//!
//! The sentences say what happened; whose address it was and what to do about it, the caller knows.

use std::fmt;

use crate::frames::{BadFrame, LinkError};

/// How far a connection had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Resolve,
    Connect,
    Proxy,
    Tls,
    Upgrade,
    Introduction,
    Session,
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    NameNotResolved {
        host: String,
        detail: String,
    },
    /// By every address that the name has.
    ConnectionRefused,
    ConnectionReset {
        stage: Stage,
    },
    TimedOut {
        stage: Stage,
    },
    /// Neither refused nor silent: no route, no permission, no descriptor left.
    NotConnected {
        detail: String,
    },
    /// The proxy did not open a way: its status, or `None` for an answer that is none.
    Proxy {
        status: Option<u16>,
    },
    /// The control plane's certificate is not the one, or not of those, that is trusted.
    TheirCertificate(String),
    /// The control plane says in TLS that it does not take this node's certificate.
    OurCertificate(String),
    /// Anything else that TLS does not get over, such as a port that speaks another protocol.
    Tls(String),
    /// TLS was fine, and the connection closed without a word: so a control plane turns away a certificate that is not its own.
    ClosedAfterTls,
    /// It answered with a status other than 101.
    Status(u16),
    /// It answered with what is no HTTP/1.1.
    NotHttp(String),
    /// The introduction does not fit into one frame.
    TooLarge {
        bytes: u64,
        max: usize,
    },
    /// The target itself cannot be dialled: its texts do not fit into a request.
    BadTarget(String),
}

/// Why a connection is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Before any configuration came: so a control plane turns away an introduction that it does not serve, such as a newer version.
    ClosedAfterIntroduction,
    /// After at least one configuration.
    Closed,
    ConnectionReset,
    /// A frame could not be written.
    TimedOut {
        stage: Stage,
    },
    TooLarge {
        bytes: u64,
        max: usize,
    },
    BadFrame(BadFrame),
    /// A frame was fine and what it carried was not.
    BadMessage(String),
    /// No frame for 45 seconds, though a ping is answered at once.
    Silent,
    Broken {
        detail: String,
    },
}

impl Ended {
    pub(super) fn of(error: LinkError, configured: bool) -> Self {
        match error {
            LinkError::Closed if configured => Self::Closed,
            LinkError::Closed => Self::ClosedAfterIntroduction,
            LinkError::Bad(frame) => Self::BadFrame(frame),
            LinkError::TooLarge { bytes, max } => Self::TooLarge { bytes, max },
            LinkError::Stalled => Self::TimedOut { stage: Stage::Session },
            LinkError::Io(error) if is_reset(&error) => Self::ConnectionReset,
            LinkError::Io(error) => Self::Broken { detail: error.to_string() },
        }
    }
}

/// The other side, or what stands between, cut the connection.
pub(super) fn is_reset(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    matches!(error.kind(), ConnectionReset | ConnectionAborted | BrokenPipe)
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "while its name was looked up",
            Self::Connect => "while it was dialled",
            Self::Proxy => "while the proxy opened the way",
            Self::Tls => "within the TLS handshake",
            Self::Upgrade => "before it answered the request",
            Self::Introduction => "while this node introduced itself",
            Self::Session => "while a frame was written",
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameNotResolved { host, detail } => write!(f, "the name {host} is not found ({detail})"),
            Self::ConnectionRefused => f.write_str("the connection was refused by every address"),
            Self::ConnectionReset { stage } => write!(f, "the connection was reset {stage}"),
            Self::TimedOut { stage } => write!(f, "the time was up {stage}"),
            Self::NotConnected { detail } => write!(f, "it cannot be connected to ({detail})"),
            Self::Proxy { status: Some(status) } => write!(f, "the proxy answered CONNECT with HTTP {status}"),
            Self::Proxy { status: None } => f.write_str("the proxy did not answer CONNECT with HTTP"),
            Self::TheirCertificate(detail) => write!(f, "the control plane's certificate is not accepted: {detail}"),
            Self::OurCertificate(detail) => write!(f, "the control plane does not accept this node's certificate ({detail})"),
            Self::Tls(detail) => write!(f, "TLS was not agreed on ({detail})"),
            Self::ClosedAfterTls => {
                f.write_str("it closed the connection after TLS and gave no answer, as it does when cluster_cert is not its own")
            }
            Self::Status(status) => write!(f, "it answered HTTP {status}"),
            Self::NotHttp(detail) => write!(f, "it gave no HTTP/1.1 answer ({detail})"),
            Self::TooLarge { bytes, max } => {
                write!(f, "this node's introduction has {bytes} bytes, and cluster_max_payload = {max} is the most for one frame")
            }
            Self::BadTarget(detail) => f.write_str(detail),
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClosedAfterIntroduction => {
                f.write_str("it closed the connection after this node's introduction, as it does with a version that it does not serve")
            }
            Self::Closed => f.write_str("it closed the connection"),
            Self::ConnectionReset => f.write_str("the connection was reset"),
            Self::TimedOut { stage } => write!(f, "the time was up {stage}"),
            Self::TooLarge { bytes, max } => {
                write!(f, "it sent a frame of {bytes} bytes, and cluster_max_payload = {max}; give both sides the same, larger value")
            }
            Self::BadFrame(frame) => write!(f, "it sent {frame}"),
            Self::BadMessage(detail) => write!(f, "it sent a message that cannot be used: {detail}"),
            Self::Silent => write!(f, "it sent nothing for {} seconds", crate::SILENCE_MAX.as_secs()),
            Self::Broken { detail } => write!(f, "the connection broke ({detail})"),
        }
    }
}

impl std::error::Error for Refusal {}
impl std::error::Error for Ended {}
