//! How the answers of a trace are said in HTTP, as Envoy hands them to the module, and the words that a trace has for them.
//!
//! What is not in these tables HTTP cannot say, and no trace may hold.

use holdover_ports::{Answer, StorageFailureKind as Kind};

/// The storage's clock, which stands still at the beginning of the virtual world. A server dates what it says; Envoy's own answers
/// have no date.
pub const DATE: &str = "Sun, 22 Nov 2026 00:00:00 GMT";

/// What the module is handed.
pub struct Response {
    /// None at all: the connection broke off within the answer.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

static ANSWERS: [(Answer, u16); 10] = [
    (Answer::ConnectionRefused, BY_ENVOY + 503),
    (Answer::TimedOut, BY_ENVOY + 504),
    (Answer::ConnectionReset, 0),
    (Answer::ServerError, 500),
    (Answer::NotConfigured, 204),
    (Answer::BadRequest, 400),
    (Answer::Unauthorised, 401),
    (Answer::Forbidden, 403),
    (Answer::UpgradeRequired, 426),
    (Answer::Unexpected, 404),
];

/// Marks a status that Envoy makes itself.
const BY_ENVOY: u16 = 1000;

/// Of a storage: the failure, the status, and S3's code.
pub struct Failure {
    pub kind: Kind,
    status: u16,
    code: &'static str,
}

static FAILURES: [Failure; 8] = [
    Failure { kind: Kind::Absent, status: 404, code: "NoSuchKey" },
    Failure { kind: Kind::AbsentOrForbidden, status: 403, code: "AccessDenied" },
    Failure { kind: Kind::Forbidden, status: 403, code: "AllAccessDisabled" },
    Failure { kind: Kind::Credentials, status: 403, code: "InvalidAccessKeyId" },
    Failure { kind: Kind::NoSuchStorage, status: 404, code: "NoSuchBucket" },
    Failure { kind: Kind::SlowDown, status: 503, code: "SlowDown" },
    Failure { kind: Kind::Unreachable, status: BY_ENVOY + 503, code: "" },
    Failure { kind: Kind::Other, status: 409, code: "OperationAborted" },
];

pub fn answer(word: &str) -> &'static (Answer, u16) {
    ANSWERS.iter().find(|(answer, _)| answer.reason() == word).unwrap_or_else(|| panic!("HTTP cannot say '{word}'"))
}

pub fn failure(word: &str) -> &'static Failure {
    FAILURES.iter().find(|failure| failure.kind.reason() == word).unwrap_or_else(|| panic!("HTTP cannot say '{word}'"))
}

pub fn etag(body: &str) -> String {
    format!("\"{body}\"")
}

/// A control plane's answer other than a delivery.
pub fn unanswered(word: &str) -> Response {
    match answer(word).1 {
        0 => Response { headers: Vec::new(), body: Vec::new() },
        status => said(status, Vec::new()),
    }
}

pub fn delivery(document: Vec<u8>) -> Response {
    said(200, document)
}

/// A storage's failure.
pub fn failed(word: &str) -> Response {
    let Failure { status, code, .. } = failure(word);
    said(*status, format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code></Error>").into_bytes())
}

/// A storage's object: the part that was asked for, where a part was.
pub fn object(name: &str, object: Vec<u8>, range: Option<&str>) -> Response {
    let total = object.len();
    let mut response = match range {
        None => said(200, object),
        Some(range) => {
            let (first, last) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')).expect("a range of bytes");
            let first: usize = first.parse().unwrap();
            let end = (last.parse::<usize>().unwrap() + 1).min(total);
            let mut response = said(206, object[first..end].to_vec());
            response.headers.push(("content-range".into(), format!("bytes {first}-{}/{total}", end - 1)));
            response
        }
    };
    response.headers.push(("etag".into(), etag(name)));
    response
}

fn said(status: u16, body: Vec<u8>) -> Response {
    let (status, dated) = if status > BY_ENVOY { (status - BY_ENVOY, false) } else { (status, true) };
    let mut headers = vec![(":status".into(), status.to_string()), ("content-length".into(), body.len().to_string())];
    if dated {
        headers.push(("date".into(), DATE.into()));
    }
    Response { headers, body }
}
