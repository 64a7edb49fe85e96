//! What others are told of the control plane: the gateway that stands in for it, and whoever checks its health. One verdict for both, so that
//! they never disagree.
//!
//! The verdict is the policy's (`policy::outage::stand_in`); here it follows what it stands on, at once and not at the end of the next episode.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use holdover_plugin::policy::outage::{Found, stand_in};
use holdover_plugin::policy::{OnRefusal, StandIn, Standing};
use tokio::sync::watch;

use crate::session::Sessions;

/// Beyond the time that the control plane itself has: for cache, storages and the first episode's end.
const LADDER_PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct StandingIn {
    sessions: Arc<Sessions>,
    on_refusal: OnRefusal,
    give_up: Duration,
    known: Mutex<Known>,
    told: watch::Sender<StandIn>,
}

#[derive(Default)]
struct Known {
    /// `None` until the first episode ends.
    standing: Option<Standing>,
    /// The first episode is taking longer than others can be kept waiting for.
    late: bool,
}

impl StandingIn {
    pub fn new(sessions: Arc<Sessions>, on_refusal: OnRefusal, give_up: Duration, told: watch::Sender<StandIn>) -> Self {
        Self { sessions, on_refusal, give_up, known: Mutex::default(), told }
    }

    /// After an importing episode.
    pub fn stands(&self, standing: &Standing) {
        self.learn(|known| known.standing = Some(standing.clone()));
    }

    /// For as long as the node runs.
    pub async fn watch(&self) {
        let mut found = self.sessions.found();
        // What was found before anybody watched.
        self.learn(|_| {});
        let late = tokio::time::sleep(self.give_up.saturating_add(LADDER_PATIENCE));
        tokio::pin!(late);
        loop {
            tokio::select! {
                changed = found.changed() => match changed {
                    Ok(()) => self.learn(|_| {}),
                    Err(_) => return,
                },
                () = &mut late, if !late.is_elapsed() => self.learn(|known| known.late = true),
            }
        }
    }

    /// `Err` while gateways are to come here in the control plane's place, or to wait.
    pub fn health(&self) -> Result<&'static str, &'static str> {
        match (*self.told.borrow(), *self.sessions.found().borrow()) {
            (StandIn::StepsAside, Found::Answers) => Ok("the control plane answers"),
            (StandIn::StepsAside, Found::Refuses) => Ok("the control plane answers, and refuses this node; it may well take others"),
            (StandIn::StepsAside, Found::Silent) => {
                Ok("the control plane does not answer this node, which has nothing to serve in its place")
            }
            (StandIn::Waits, _) => Err("it is not known yet whether the control plane answers"),
            (StandIn::Serves, _) => Err("the control plane is away, and its last good configuration is served in its place"),
        }
    }

    /// Under one lock from what is known to what is told: of two who learn at once, the later tells.
    fn learn(&self, what: impl FnOnce(&mut Known)) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        what(&mut known);
        let found = *self.sessions.found().borrow();
        let verdict = stand_in(found, self.on_refusal, known.standing.as_ref(), known.late);
        self.told.send_if_modified(|told| std::mem::replace(told, verdict) != verdict);
    }
}
