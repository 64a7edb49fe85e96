//! An exporter that is in office before the watch starts: probing and electing belong to a process's beginning, not to a publication.

use bytes::Bytes;
use holdover_plugin::policy::{ExportOutcome, Facts, Settings, export};
use holdover_ports::{Config, ExporterPorts};

use crate::native::{HeldConfig, Native};

/// No session has delivered yet.
pub fn facts(settings: Settings) -> Facts {
    Facts::beginning(settings, 1)
}

/// The first session has.
pub fn connected(settings: Settings) -> Facts {
    Facts { connected: true, session: 1, ..facts(settings) }
}

/// The state after the episodes that take office.
pub async fn taken(caps: &Native<ExporterPorts>, settings: &Settings) -> Vec<u8> {
    let first = export::tick(caps, &facts(settings.clone()), &[], None).await;
    export::tick(caps, &facts(settings.clone()), &first.state, None).await.state
}

/// A whole publication on the native core.
pub async fn publish(caps: &Native<ExporterPorts>, settings: &Settings, document: &Bytes) -> ExportOutcome {
    let state = taken(caps, settings).await;
    let config = HeldConfig(Config::delivered(document.clone()));
    let outcome = export::received(caps, &connected(settings.clone()), &state, &config).await;
    assert_published(&outcome);
    outcome
}

pub fn assert_published(outcome: &ExportOutcome) {
    assert!(outcome.published.is_some() && outcome.held.is_none(), "nothing was published: {outcome:?}");
}
