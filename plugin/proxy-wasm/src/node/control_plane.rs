//! Asks the control plane, an HTTP address that serves the configuration, and tells the policy what it did instead of delivering.

use std::time::Duration;

use holdover_plugin::policy::capabilities::{Answer, Unanswered};

use super::calls::{Calls, Conditions, Place, Unheard};
use super::settings;

/// What it said.
pub enum Asked {
    Delivered {
        body: Vec<u8>,
        etag: Option<String>,
    },
    /// What it said with this etag still holds.
    NotModified,
}

pub async fn ask(calls: &Calls, from: &settings::ControlPlane, known: Option<&str>, patience: Duration) -> Result<Asked, Unanswered> {
    let place = Place { cluster: &from.cluster, authority: &from.authority, path: &from.path };
    let unanswered = |answer, what: String| {
        let (cluster, path) = (&from.cluster, &from.path);
        Unanswered { answer, detail: format!("control_plane_cluster = {cluster}, control_plane_path = {path}: {what}") }
    };
    let condition = known.map(|etag| [("if-none-match", etag)]);
    let conditions: Conditions<'_> = condition.as_ref().map_or(&[], |condition| condition);
    let response = match calls.get(place, conditions, patience).await {
        Ok(response) => response,
        Err(unheard) => return Err(unanswered(of_unheard(&unheard), unheard.to_string())),
    };
    #[cfg(feature = "crash")]
    crate::crash::on(&response.body);
    match response.status {
        200 if response.body.is_empty() => {
            Err(unanswered(Answer::NotConfigured, "it answered with an empty body; give the control plane a configuration to serve".into()))
        }
        200 => Ok(Asked::Delivered { etag: response.header("etag").map(str::to_owned), body: response.body }),
        304 if known.is_some() => Ok(Asked::NotModified),
        status => Err(unanswered(of_status(status), format!("it answered HTTP {status}; look at the control plane's log"))),
    }
}

/// Envoy says 503 of its own for a connection that was refused, reset or not made in time alike: each means that asking at once again
/// will not help.
fn of_unheard(unheard: &Unheard) -> Answer {
    match unheard {
        Unheard::NotConnected => Answer::ConnectionRefused,
        Unheard::TimedOut => Answer::TimedOut,
        Unheard::Dropped | Unheard::CutShort { .. } => Answer::ConnectionReset,
        Unheard::NoSuchCluster | Unheard::NobodyToAsk => Answer::Unexpected,
    }
}

fn of_status(status: u16) -> Answer {
    match status {
        204 => Answer::NotConfigured,
        400 => Answer::BadRequest,
        401 => Answer::Unauthorised,
        403 => Answer::Forbidden,
        426 => Answer::UpgradeRequired,
        500..=599 => Answer::ServerError,
        _ => Answer::Unexpected,
    }
}
