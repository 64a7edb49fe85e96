//! `holdover run`: settings, parts, and the node until somebody ends it.

use std::sync::Arc;
use std::time::Duration;

use holdover_gateway::{Builtin, StandIn};
use holdover_node::Node;
use holdover_node::settings::{Environment, Settings};
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{LogForm, SettingsFiles};
use crate::exit::{Exit, Failure};
use crate::wire::Wired;
use crate::{logging, wire};

/// For requests under way when the node is to end; below the half minute that supervisors commonly grant.
const DRAIN_PATIENCE: Duration = Duration::from_secs(20);

const MET_ITSELF: &str = "holdover_control_plane: behind this address is this node's own stand-in, so it would follow itself; set \
                          holdover_control_plane = kong://host:port to the real control plane";

pub async fn run(files: &SettingsFiles, form: LogForm) -> Result<Exit, Failure> {
    let environment = Environment::of_process();
    let settings = wire::settings(files, environment.clone())?;
    logging::start(settings.log_level, form);
    for note in &settings.notes {
        tracing::warn!(target: "holdover", "{note}");
    }
    // Before anything takes long: a signal during the start must end it as well.
    let shutdown = shutdown()?;
    tokio::pin!(shutdown);
    let started = tokio::select! {
        biased;
        () = &mut shutdown => return Ok(Exit::Done),
        started = start(&settings, &environment) => started?,
    };
    tokio::select! {
        () = started.node.run(shutdown) => {}
        () = met_itself(started.kong.as_deref()) => return Err(Failure::settings(MET_ITSELF)),
    }
    if let Some(builtin) = started.builtin
        && !builtin.drain(DRAIN_PATIENCE).await
    {
        tracing::warn!(target: "holdover", "requests were still under way after {} s and are cut off", DRAIN_PATIENCE.as_secs());
    }
    tracing::info!(target: "holdover", "ended in order");
    Ok(Exit::Done)
}

struct Started {
    node: Node,
    builtin: Option<Arc<Builtin>>,
    kong: Option<Arc<StandIn>>,
}

/// Nothing good can come of a node that follows itself.
async fn met_itself(kong: Option<&StandIn>) {
    match kong {
        Some(kong) => kong.met_itself().await,
        None => std::future::pending().await,
    }
}

async fn start(settings: &Settings, environment: &Environment) -> Result<Started, Failure> {
    let Wired { parts, builtin, kong } = wire::node(settings, environment).await?;
    let node = Node::open(parts).await.map_err(|error| Failure::not_opened(format!("{error:#}")))?;
    if let Some(address) = node.status_address() {
        tracing::info!(target: "holdover", "status page on http://{address}/status");
    }
    Ok(Started { node, builtin, kong })
}

/// Ready when the process is asked to end.
pub fn shutdown() -> Result<impl Future<Output = ()>, Failure> {
    let listen = |kind| signal(kind).map_err(|error| Failure::not_opened(format!("the process cannot listen for signals: {error}")));
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
