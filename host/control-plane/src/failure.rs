//! Turns what went wrong on the way to a control plane into one [`Unanswered`], once, by type and status code.
//!
//! Every sentence names `holdover_control_plane`, the address without its secrets, what happened, and what to do about it.

use std::error::Error;
use std::io;

use holdover_ports::{Answer, Unanswered};
use holdover_tls::TlsFailure;
use http::StatusCode;
use rustls::AlertDescription;

/// `shown` is the address as it may be printed.
pub(crate) fn unanswered(shown: &str, answer: Answer, what: &str) -> Unanswered {
    let fix = fix(answer);
    Unanswered { answer, detail: format!("holdover_control_plane = {shown}: {what}; {fix}") }
}

/// An exchange that brought no HTTP status, or broke off within the body.
pub(crate) fn of_exchange(shown: &str, error: &reqwest::Error, tls: bool) -> Unanswered {
    let answer = answer_of(error, tls);
    unanswered(shown, answer, &innermost(error))
}

/// A status other than 200 and 304.
pub(crate) fn of_status(shown: &str, status: StatusCode) -> Unanswered {
    let answer = match status {
        StatusCode::BAD_REQUEST => Answer::BadRequest,
        StatusCode::UNAUTHORIZED => Answer::Unauthorised,
        StatusCode::FORBIDDEN => Answer::Forbidden,
        StatusCode::UPGRADE_REQUIRED => Answer::UpgradeRequired,
        StatusCode::NO_CONTENT => Answer::NotConfigured,
        status if status.is_server_error() => Answer::ServerError,
        _ => Answer::Unexpected,
    };
    unanswered(shown, answer, &format!("it answered HTTP {}", status.as_u16()))
}

/// A file that could not be read.
pub(crate) fn of_file(shown: &str, error: &io::Error) -> Unanswered {
    let what = match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "this process may not read the file".to_owned(),
        _ => format!("the file cannot be read ({error})"),
    };
    unanswered(shown, Answer::Unexpected, &what)
}

fn answer_of(error: &reqwest::Error, tls: bool) -> Answer {
    if error.is_dns() {
        return Answer::NameNotResolved;
    }
    if let Some(failure) = TlsFailure::within(error) {
        return of_tls(&failure);
    }
    let closed = if tls && !error.is_connect() { Answer::ClosedAfterTls } else { Answer::ConnectionReset };
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(here) = cause {
        if here.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_incomplete_message) {
            return closed;
        }
        if let Some(io) = here.downcast_ref::<io::Error>() {
            match io.kind() {
                io::ErrorKind::ConnectionRefused => return Answer::ConnectionRefused,
                io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
                    return Answer::ConnectionReset;
                }
                io::ErrorKind::UnexpectedEof => return closed,
                io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                    return Answer::TimedOut;
                }
                _ => {}
            }
        }
        cause = here.source();
    }
    if error.is_timeout() { Answer::TimedOut } else { Answer::Unexpected }
}

fn of_tls(failure: &TlsFailure) -> Answer {
    match failure {
        TlsFailure::Theirs(_) => Answer::TheirCertificate,
        // Whoever polls shows no certificate, so no signature of its own can be wrong: something between tampered with the handshake.
        TlsFailure::Ours(AlertDescription::DecryptError) | TlsFailure::Other(_) => Answer::Unexpected,
        TlsFailure::Ours(_) => Answer::OurCertificate,
    }
}

/// The last cause says what happened; those around it only say during what. None of them holds the URL's secrets.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    if cause.is::<reqwest::Error>() && error.is_timeout() { "no answer in time".into() } else { cause.to_string() }
}

/// What to do about it.
pub(crate) fn fix(answer: Answer) -> &'static str {
    match answer {
        Answer::NameNotResolved => "correct the host name, or the resolver of this machine",
        Answer::ConnectionRefused => "start the control plane, or correct the port",
        Answer::ConnectionReset | Answer::ClosedAfterTls => "look at the control plane's log, and at what stands between",
        Answer::TimedOut | Answer::Silent => "see that the control plane runs and that no firewall stands between",
        Answer::TheirCertificate => "renew the control plane's certificate, or let this machine trust its issuer",
        Answer::OurCertificate => "give this node a certificate that the control plane trusts",
        Answer::ServerError => "look at the control plane's log",
        Answer::NotConfigured => "give the control plane a configuration to serve",
        Answer::BadRequest | Answer::UpgradeRequired => "see that the address is the one that serves the configuration",
        Answer::Unauthorised | Answer::Forbidden => "correct the credentials that holdover_control_plane is asked with",
        Answer::ClosedAfterIntroduction => "see whether the control plane knows this node's cluster and version",
        Answer::Unexpected => "see that the setting names what serves the configuration",
    }
}
