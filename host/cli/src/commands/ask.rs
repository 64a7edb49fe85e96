//! Asks the running node over its status address. Knows the way, not the answers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use holdover_node::settings::Environment;
use serde_json::Value;

use crate::args::{AskArguments, SettingsFiles};
use crate::exit::{Exit, Failure};
use crate::wire;

const PATIENCE: Duration = Duration::from_secs(5);
/// More than any status page.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// GETs `path` from the node and reads the answer as JSON.
pub async fn ask(arguments: &AskArguments, path: &str) -> Result<Value, Failure> {
    let url = match arguments.address {
        Some(address) => url(address),
        None => of_settings(&arguments.files)?,
    };
    ask_at(&url, path).await
}

/// Where this machine's node has its status page, as its settings say.
pub fn of_settings(files: &SettingsFiles) -> Result<String, Failure> {
    Ok(url(wire::status_address(files, Environment::of_process())?))
}

/// The same of the node at `http://host:port`.
pub async fn ask_at(node: &str, path: &str) -> Result<Value, Failure> {
    let url = format!("{node}{path}");
    let unanswered = |why: String| {
        Failure::new(
            Exit::NotAnswered,
            format!("the node at {url} could not be asked ({why}); is it running, and is this its holdover_status_listen?"),
        )
    };
    let body = get(&url).await.map_err(unanswered)?;
    serde_json::from_slice(&body).map_err(|_| unanswered("its answer is no JSON".into()))
}

async fn get(url: &str) -> Result<Vec<u8>, String> {
    // A proxy from the environment is for the world outside.
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().map_err(|error| causes(&error))?;
    let mut response = client.get(url).send().await.map_err(|error| causes(&error))?;
    if !response.status().is_success() {
        return Err(format!("it answered {}", response.status()));
    }
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| causes(&error))? {
        if body.len() + piece.len() > ANSWER_BYTES_MAX {
            return Err(format!("its answer has more than {ANSWER_BYTES_MAX} bytes"));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// reqwest's own sentence repeats the URL; what happened stands in its causes.
fn causes(error: &reqwest::Error) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

fn url(address: SocketAddr) -> String {
    format!("http://{}", reachable(address))
}

/// A node that listens on every address is asked on this machine's own.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

    use super::*;

    #[test]
    fn a_node_that_listens_everywhere_is_asked_on_loopback() {
        for (listens, asked) in [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1"), ("10.0.0.1:1", "10.0.0.1:1")] {
            assert_eq!(reachable(listens.parse().unwrap()), asked.parse().unwrap());
        }
    }
}
