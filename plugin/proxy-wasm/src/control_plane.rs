//! Asks the control plane, an HTTP address that serves the configuration, and tells the policy what it did instead of delivering.

use std::time::Duration;

use holdover_plugin::policy::capabilities::{Answer, Unanswered};

use crate::calls::{Calls, Place, Unheard};
use crate::settings;

pub async fn ask(calls: &Calls, from: &settings::ControlPlane, patience: Duration) -> Result<Vec<u8>, Unanswered> {
    let place = Place { cluster: &from.cluster, authority: &from.authority, path: &from.path };
    let unanswered = |answer, what: String| {
        let (cluster, path) = (&from.cluster, &from.path);
        Unanswered { answer, detail: format!("control_plane_cluster = {cluster}, control_plane_path = {path}: {what}") }
    };
    let response = match calls.get(place, patience).await {
        Ok(response) => response,
        Err(unheard) => return Err(unanswered(of_unheard(&unheard), unheard.to_string())),
    };
    match response.status {
        200 if response.body.is_empty() => {
            Err(unanswered(Answer::NotConfigured, "it answered with an empty body; give the control plane a configuration to serve".into()))
        }
        200 => Ok(response.body),
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
