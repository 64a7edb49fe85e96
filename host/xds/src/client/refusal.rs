//! How a control plane refuses a stream, and how a stream ends: each case by its kind, with the sentence that goes with it.
//!
//! The sentences say what happened; whose address it was and what to do about it, the caller knows.

use std::fmt;
use std::time::Duration;

/// How long a control plane that gave a whole set may leave the next one incomplete. Longer than any of them takes between two types of one
/// change; until then what is held is not known to be what it means, and after that whoever asks is better off without this stream.
pub(super) const INCOMPLETE_MAX: Duration = Duration::from_secs(30);

/// How far a connection had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Resolve,
    Connect,
    Tls,
    Http2,
    Stream,
}

/// What gRPC calls it. Those that ask for something else than waiting have names here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    Unavailable,
    Unauthenticated,
    PermissionDenied,
    Unimplemented,
    ResourceExhausted,
    DeadlineExceeded,
    /// gRPC's number.
    Other(i32),
}

/// Why there is no stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The target itself cannot be dialled.
    BadTarget(String),
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
    TheirCertificate(String),
    /// The control plane says in TLS that it does not take this node's certificate.
    OurCertificate(String),
    /// Anything else that TLS does not get over, such as a port that speaks another protocol.
    Tls(String),
    /// The connection broke otherwise, most often since the port speaks no HTTP/2.
    Broken {
        stage: Stage,
        detail: String,
    },
    /// It answered, in gRPC.
    Status {
        code: Code,
        detail: String,
    },
}

/// Why a stream is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It said that there are no clusters, or no listeners. That is no configuration.
    Empty {
        type_url: String,
    },
    /// In order, and without a reason.
    Closed,
    ConnectionReset,
    /// No answer to an HTTP/2 ping.
    Silent,
    /// A request could not be written.
    Stalled,
    /// An answer, or all that is held, is beyond this.
    TooLarge {
        bytes_max: usize,
    },
    /// An answer, or all that is held, has more resources than this.
    TooMany {
        resources_max: usize,
    },
    /// It gave a whole set, then left a later one incomplete for 30 s. What is missing is told as by
    /// [`Connection::missing`](super::Connection::missing).
    Incomplete {
        missing: Vec<(String, Option<String>)>,
    },
    /// What came in a frame is no message of ADS.
    BadMessage(String),
    OurCertificate(String),
    Broken {
        detail: String,
    },
    Status {
        code: Code,
        detail: String,
    },
}

impl From<Ended> for Refusal {
    /// For what happens before the stream was answered at all.
    fn from(ended: Ended) -> Self {
        let stage = Stage::Stream;
        match ended {
            Ended::Closed | Ended::ConnectionReset => Self::ConnectionReset { stage },
            Ended::Silent | Ended::Stalled => Self::TimedOut { stage },
            Ended::OurCertificate(detail) => Self::OurCertificate(detail),
            Ended::Status { code, detail } => Self::Status { code, detail },
            Ended::Broken { detail } => Self::Broken { stage, detail },
            other @ (Ended::Empty { .. }
            | Ended::TooLarge { .. }
            | Ended::TooMany { .. }
            | Ended::Incomplete { .. }
            | Ended::BadMessage(_)) => Self::Broken { stage, detail: other.to_string() },
        }
    }
}

impl From<tonic::Code> for Code {
    fn from(code: tonic::Code) -> Self {
        match code {
            tonic::Code::Unavailable => Self::Unavailable,
            tonic::Code::Unauthenticated => Self::Unauthenticated,
            tonic::Code::PermissionDenied => Self::PermissionDenied,
            tonic::Code::Unimplemented => Self::Unimplemented,
            tonic::Code::ResourceExhausted => Self::ResourceExhausted,
            tonic::Code::DeadlineExceeded => Self::DeadlineExceeded,
            other => Self::Other(i32::from(other)),
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "while its name was looked up",
            Self::Connect => "while it was dialled",
            Self::Tls => "within the TLS handshake",
            Self::Http2 => "before HTTP/2 was agreed on",
            Self::Stream => "before the stream was answered",
        })
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable => f.write_str("UNAVAILABLE"),
            Self::Unauthenticated => f.write_str("UNAUTHENTICATED"),
            Self::PermissionDenied => f.write_str("PERMISSION_DENIED"),
            Self::Unimplemented => f.write_str("UNIMPLEMENTED"),
            Self::ResourceExhausted => f.write_str("RESOURCE_EXHAUSTED"),
            Self::DeadlineExceeded => f.write_str("DEADLINE_EXCEEDED"),
            Self::Other(number) => write!(f, "status {number}"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadTarget(detail) => f.write_str(detail),
            Self::NameNotResolved { host, detail } => write!(f, "the name {host} is not found ({detail})"),
            Self::ConnectionRefused => f.write_str("the connection was refused by every address"),
            Self::ConnectionReset { stage } => write!(f, "the connection was cut {stage}"),
            Self::TimedOut { stage } => write!(f, "the time was up {stage}"),
            Self::NotConnected { detail } => write!(f, "it cannot be connected to ({detail})"),
            Self::TheirCertificate(detail) => write!(f, "the control plane's certificate is not accepted: {detail}"),
            Self::OurCertificate(detail) => write!(f, "the control plane does not accept this node's certificate ({detail})"),
            Self::Tls(detail) => write!(f, "TLS was not agreed on ({detail})"),
            Self::Broken { stage, detail } => write!(f, "the connection broke {stage} ({detail}); see that the port speaks gRPC"),
            Self::Status { code, detail } => write!(f, "it answered {code}: {detail}"),
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty { type_url } => write!(f, "it said that there is nothing of {type_url}, which is no configuration"),
            Self::Closed => f.write_str("it closed the stream"),
            Self::ConnectionReset => f.write_str("the connection was cut"),
            Self::Silent => f.write_str("it did not answer an HTTP/2 ping"),
            Self::Stalled => f.write_str("it did not read what was sent to it"),
            Self::TooLarge { bytes_max } => write!(f, "it sent more than {bytes_max} bytes, which is the most that is taken"),
            Self::TooMany { resources_max } => write!(f, "it sent more than {resources_max} resources, which is the most that is taken"),
            Self::Incomplete { missing } => {
                let seconds = INCOMPLETE_MAX.as_secs();
                write!(f, "what it sent was incomplete for {seconds} seconds, or was turned down; it has yet to send")?;
                missing.iter().enumerate().try_for_each(|(place, (type_url, name))| {
                    let between = if place == 0 { " " } else { ", " };
                    match name {
                        Some(name) => write!(f, "{between}{name} of {type_url}"),
                        None => write!(f, "{between}{type_url} in a form that can be read"),
                    }
                })
            }
            Self::BadMessage(detail) => write!(f, "it sent a message that is none of ADS: {detail}"),
            Self::OurCertificate(detail) => write!(f, "the control plane does not accept this node's certificate ({detail})"),
            Self::Broken { detail } => write!(f, "the connection broke ({detail})"),
            Self::Status { code, detail } => write!(f, "it ended the stream with {code}: {detail}"),
        }
    }
}

impl std::error::Error for Refusal {}
impl std::error::Error for Ended {}
