//! Watches the head while a story runs: every one that is seen goes to the [`Chronicle`], and every snapshot that it lists for the first
//! time is fetched, verified and opened. At the end it holds what the exporters said against what was seen.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use holdover_drill::until;
use holdover_plugin::model::Epoch;
use holdover_plugin::snapshot::head::{Entry, Head};
use tokio::task::JoinHandle;

use crate::chronicle::Chronicle;
use crate::exporter::Exporter;
use crate::ground::{BOUND, Eyes, VERSION};
use crate::whole;

/// A storage on loopback that says so often that it cannot be looked at is no storage to test on.
const BLIND_LOOKS_MAX: u32 = 500;

pub struct Watch {
    eyes: Eyes,
    pages: Arc<Mutex<Pages>>,
    watching: JoinHandle<()>,
}

#[derive(Default)]
struct Pages {
    chronicle: Chronicle,
    violation: Option<String>,
}

impl Watch {
    pub fn over(eyes: Eyes) -> Self {
        let pages = Arc::new(Mutex::new(Pages::default()));
        let watching = tokio::spawn(watch(eyes.clone(), pages.clone()));
        Self { eyes, pages, watching }
    }

    /// To be told before the control plane says it.
    pub fn control_plane_says(&self, number: u64, document: &[u8]) {
        lock(&self.pages).chronicle.control_plane_says(number, document);
    }

    /// `Err` is the first violation that was seen.
    pub fn nothing_wrong(&self) -> anyhow::Result<()> {
        lock(&self.pages).violation.as_ref().map_or(Ok(()), |violation| Err(anyhow::anyhow!("{violation}")))
    }

    pub fn heads(&self) -> u64 {
        lock(&self.pages).chronicle.heads()
    }

    /// Which document the newest generation holds.
    pub fn newest(&self) -> Option<u64> {
        let pages = lock(&self.pages);
        let newest = pages.chronicle.last().and_then(newest_of)?;
        pages.chronicle.number(newest)
    }

    pub fn last(&self) -> Option<Head> {
        lock(&self.pages).chronicle.last().cloned()
    }

    /// Waits until the newest generation holds this document.
    pub async fn publishes(&self, number: u64) -> anyhow::Result<()> {
        self.publishes_within(number, BOUND).await
    }

    pub async fn publishes_within(&self, number: u64, bound: Duration) -> anyhow::Result<()> {
        let what = format!("the publication of document {number}");
        let published = until(bound, Duration::from_millis(5), &what, async || {
            self.nothing_wrong()?;
            Ok((self.newest() == Some(number)).then_some(()))
        });
        published.await.with_context(|| format!("the newest generation holds document {:?}", self.newest()))
    }

    /// Every snapshot that the head lists is there and whole, and nothing that an exporter called a success was lost or another's.
    pub async fn holds_what_was_said<'a>(&self, exporters: impl IntoIterator<Item = &'a Exporter>) -> anyhow::Result<()> {
        self.nothing_wrong()?;
        whole::storage(&self.eyes).await?;
        let mut leaders: BTreeMap<Epoch, String> = BTreeMap::new();
        let pages = lock(&self.pages);
        for exporter in exporters {
            for line in exporter.lines().iter().filter(|line| line.is("exported") || line.is("export-unchanged")) {
                let position = line.position().with_context(|| format!("no position in '{}'", line.fields))?;
                anyhow::ensure!(
                    pages.chronicle.lists(position),
                    "{} said {} at {position}, and no head ever listed it: a lost update was called a success",
                    exporter.name(),
                    line.event.as_deref().unwrap_or_default()
                );
                if line.is("exported") {
                    let leader = leaders.entry(position.epoch).or_insert_with(|| exporter.name().to_owned());
                    anyhow::ensure!(
                        leader == exporter.name(),
                        "{leader} and {} both exported in epoch {}",
                        exporter.name(),
                        position.epoch.0
                    );
                }
            }
        }
        Ok(())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

/// Until the first violation.
async fn watch(eyes: Eyes, pages: Arc<Mutex<Pages>>) {
    let mut blind = 0;
    loop {
        let violation = match eyes.head().await {
            Ok(None) => None,
            Ok(Some(head)) => {
                blind = 0;
                judged(&eyes, &pages, head).await.err()
            }
            Err(error) => {
                blind += 1;
                (blind > BLIND_LOOKS_MAX).then(|| format!("the head could not be looked at {blind} times: {error:#}"))
            }
        };
        if violation.is_some() {
            lock(&pages).violation = violation;
            return;
        }
        tokio::time::sleep(eyes.look_every).await;
    }
}

async fn judged(eyes: &Eyes, pages: &Mutex<Pages>, head: Head) -> Result<(), String> {
    let fresh = lock(pages).chronicle.saw(head)?;
    for entry in &fresh {
        whole::listed(eyes, entry).await.map_err(|error| format!("{error:#}"))?;
    }
    Ok(())
}

fn newest_of(head: &Head) -> Option<&Entry> {
    head.newest(&VERSION.parse().ok()?)
}

fn lock(pages: &Mutex<Pages>) -> MutexGuard<'_, Pages> {
    pages.lock().unwrap_or_else(PoisonError::into_inner)
}
