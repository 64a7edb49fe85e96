//! The janitor's worker: calls the sweeping policy when it asks for it, while this node's exporter leads. What is removed is the
//! policy's to say; that only the leader sweeps saves requests and is no safety.

use std::sync::Arc;
use std::time::Duration;

use holdover_plugin::policy::{Facts, Settings};
use holdover_ports::{Janitor, Random};

use crate::episode::{Losses, bounded, wake_after};
use crate::events::Journal;
use crate::status::Status;

/// How often it is looked whether this node leads.
const LOOK_EVERY: Duration = Duration::from_secs(60);

pub(crate) struct SweepWorker {
    pub janitor: Arc<dyn Janitor>,
    pub settings: Settings,
    pub journal: Arc<Journal>,
    pub random: Arc<dyn Random>,
    pub status: Arc<Status>,
    pub process: u64,
    pub losses: Losses,
}

impl SweepWorker {
    /// Until it is dropped.
    pub async fn run(mut self) {
        loop {
            let pause = if self.status.leads() { self.sweep().await } else { LOOK_EVERY };
            tokio::time::sleep(pause).await;
        }
    }

    async fn sweep(&mut self) -> Duration {
        let facts = Facts::beginning(self.settings.clone(), self.process);
        match bounded("sweep", self.janitor.sweep(facts)).await {
            Ok(swept) => {
                self.losses.forget();
                wake_after(swept.wake_after).unwrap_or(LOOK_EVERY)
            }
            Err(lost) => {
                let pause = self.losses.pause(&*self.random);
                self.journal.episode_lost(&lost, Some(pause));
                pause
            }
        }
    }
}
