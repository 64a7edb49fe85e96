//! Several exporters of one cluster, each with a control plane of its own that says the same as the others', under one watch.

use holdover_drill::control_plane::HttpControlPlane;
use holdover_drill::until;

use crate::exporter::{Exporter, ExporterSpec};
use crate::ground::{BOUND, Eyes, Ground, LEASE_RENEW, PREFIX, StoreKind, document};
use crate::watch::Watch;

pub struct Team {
    pub exporters: Vec<Exporter>,
    pub watch: Watch,
    pub ground: Ground,
    eyes: Eyes,
    control_planes: Vec<HttpControlPlane>,
    /// The number of the newest document.
    said: u64,
}

impl Team {
    /// Each is started with what `equipped` makes of its settings.
    pub async fn start(kind: StoreKind, names: &[&str], equipped: impl Fn(&str, ExporterSpec) -> ExporterSpec) -> anyhow::Result<Self> {
        let ground = Ground::new(kind).await?;
        let eyes = ground.eyes(PREFIX).await?;
        let watch = Watch::over(eyes.clone());
        watch.control_plane_says(0, &document(0));
        let (mut control_planes, mut exporters) = (Vec::new(), Vec::new());
        for name in names {
            let control_plane = HttpControlPlane::start(document(0)).await?;
            let spec = ground.exporter(name, &control_plane, &ground.storage(PREFIX))?;
            exporters.push(Exporter::start(equipped(name, spec))?);
            control_planes.push(control_plane);
        }
        Ok(Self { exporters, watch, ground, eyes, control_planes, said: 0 })
    }

    /// Every control plane says the next document. Returns its number.
    pub fn say_next(&mut self) -> u64 {
        self.said += 1;
        let document = document(self.said);
        self.watch.control_plane_says(self.said, &document);
        self.control_planes.iter().for_each(|control_plane| control_plane.set_document(document.clone()));
        self.said
    }

    /// What the control planes say.
    pub fn said(&self) -> u64 {
        self.said
    }

    /// Waits until each of them has found the storage good to elect in.
    pub async fn all_probed(&self) -> anyhow::Result<()> {
        until(BOUND, LEASE_RENEW / 10, "every probe", async || {
            Ok(self.exporters.iter().all(|exporter| exporter.counted("storage-probed") > 0).then_some(()))
        })
        .await
    }

    /// Who holds the lease, if it is one of them.
    pub async fn leader(&self) -> Option<usize> {
        let holder = self.eyes.leader().await.ok()??;
        self.exporters.iter().position(|exporter| exporter.name() == holder)
    }

    /// Waits until somebody else leads.
    pub async fn leader_other_than(&self, before: usize) -> anyhow::Result<usize> {
        until(BOUND, LEASE_RENEW / 10, "another leader", async || Ok(self.leader().await.filter(|leader| *leader != before))).await
    }

    /// All are well: the newest document is published, and stays so while everybody has a chance to be wrong.
    pub async fn comes_to_rest(&self) -> anyhow::Result<()> {
        self.watch.publishes(self.said).await?;
        tokio::time::sleep(5 * LEASE_RENEW).await;
        self.exporters.iter().try_for_each(Exporter::still_runs)?;
        anyhow::ensure!(self.watch.newest() == Some(self.said), "document {:?} was published over the newest", self.watch.newest());
        self.watch.holds_what_was_said(&self.exporters).await
    }

    /// How often all of them decided this.
    pub fn counted(&self, event: &str) -> usize {
        self.exporters.iter().map(|exporter| exporter.counted(event)).sum()
    }

    /// What they said last, for a failure.
    pub fn said_last(&self) -> String {
        self.exporters.iter().map(|exporter| format!("{}:\n{}\n", exporter.name(), exporter.said())).collect()
    }
}
