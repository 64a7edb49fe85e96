//! What the invariants know of one process: only what it asked and what it was told, never what it thinks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use holdover_plugin::model::{Digest, Epoch, GatewayVersion, Lineage, Position, UnixMs};
use holdover_plugin::policy::capabilities::{Answer, StorageId};
use holdover_plugin::policy::events::{Event, Name};

use super::documents::Said;
use super::node::Node;
use super::session::Attempted;
use super::world::World;

#[derive(Clone, Debug, Default)]
pub struct Memory {
    pub began: Duration,
    /// Whether it delivered: what came of that is another matter.
    pub delivered: bool,
    /// Attempts that came to nothing.
    pub unanswered: u32,
    /// Whether the control plane refused this process, and has not delivered since.
    pub refused: bool,
    refused_before: bool,
    /// What it found of a usable configuration on its disk when it began.
    pub cached: Option<Digest>,
    /// The heads that this episode was given.
    pub heads: BTreeMap<StorageId, HeadSeen>,
    /// The bodies that this episode asked for.
    pub fetched: BTreeSet<String>,
    delivered_in_episode: bool,
    /// What was applied in this episode.
    pub applied_fallback: Option<Digest>,
    pub said_needs: bool,
    /// How long after its birth its gateway ran something.
    pub served_after: Option<Duration>,
    /// What was applied and has to be noted before the episode ends.
    pub owes_mark: Option<(Lineage, GatewayVersion, Position)>,
    /// Tells what an episode asked for from what one before it did, which may arrive late.
    pub episode: u64,
    /// Its gateway rejected a configuration, and took none since.
    pub rejected: bool,
    /// The newest of its deliveries that the gateway runs or ran, by number.
    pub newest_applied: Option<u64>,
    /// What was delivered, and how often in a row, since when.
    pub repeated: Option<Repeated>,
    pub orders: Option<OrdersSeen>,
    /// When its lease was written last.
    pub lease_at: Option<Duration>,
    /// Its last publication.
    pub exported: Option<(Epoch, Duration)>,
    pub saw_ill: Option<Duration>,
    /// When a watched node was asked last.
    pub looked_at: Option<Duration>,
    pub export_began: Duration,
    /// Which exporting episode it is, and the last of them that was lost.
    pub export: u64,
    lost_export: u64,
    /// Its clock then.
    pub clock_then: UnixMs,
}

#[derive(Clone, Debug)]
pub struct HeadSeen {
    pub lineage: Lineage,
    pub confirmed_at: UnixMs,
    pub pinned: Vec<Position>,
    /// What it offers for this node's own version.
    pub offered: Vec<String>,
    /// By the later of the node's clock and the storage's.
    pub seen_at: UnixMs,
    /// How wrong the node's clock was then, in milliseconds.
    pub clock_off: i64,
}

#[derive(Clone, Debug)]
pub struct Repeated {
    pub said: Said,
    pub times: u32,
    pub since: Duration,
}

#[derive(Clone, Copy, Debug)]
pub struct OrdersSeen {
    pub frozen: bool,
    pub at: Duration,
}

impl Memory {
    pub fn beginning(node: &Node, world: &World) -> Self {
        Self { began: world.now(), cached: super::invariants::usable_cache(world, node), ..Self::default() }
    }

    pub fn begin_episode(&mut self) {
        self.episode += 1;
        self.heads.clear();
        self.fetched.clear();
        self.delivered_in_episode = false;
        self.applied_fallback = None;
        self.said_needs = false;
        self.owes_mark = None;
        self.refused_before = self.refused;
    }

    /// What an episode learnt is forgotten with it.
    pub fn lose_episode(&mut self) {
        self.refused = self.refused_before;
        self.episode += 1;
    }

    pub fn still_cached(&mut self, usable: Option<Digest>) {
        self.cached = self.cached.and(usable);
    }

    pub fn begin_export(&mut self, now: Duration, clock: UnixMs) {
        self.export += 1;
        self.export_began = now;
        self.clock_then = clock;
    }

    /// What it did for its delay is forgotten with it, and so is what it sent and what is yet to arrive.
    pub fn lose_export(&mut self) {
        (self.exported, self.lost_export) = (None, self.export);
    }

    pub fn is_lost_export(&self, export: u64) -> bool {
        export <= self.lost_export
    }

    pub fn answered(&mut self, answered: &Attempted) {
        match answered {
            Ok(_) => self.refused = false,
            Err(unanswered) => {
                self.unanswered += 1;
                self.refused |= is_refusal(unanswered.answer);
            }
        }
    }

    pub fn delivered(&mut self, said: Said, now: Duration) {
        (self.refused, self.refused_before) = (false, false);
        self.delivered = true;
        self.delivered_in_episode = true;
        match &mut self.repeated {
            Some(repeated) if repeated.said.document().is_same(said.document()) => repeated.times += 1,
            _ => self.repeated = Some(Repeated { said, times: 1, since: now }),
        }
    }

    /// Offers of a head that this climb was given and never asked for, if nothing came in between.
    pub fn passed_over(&self) -> Option<String> {
        let [seen] = self.heads.values().collect::<Vec<_>>()[..] else { return None };
        let missing = seen.offered.iter().find(|key| !self.fetched.contains(*key));
        missing.filter(|_| !self.delivered_in_episode).cloned()
    }

    pub fn said(&mut self, event: &Event) {
        if event.name == Name::NeedsControlPlane {
            self.said_needs = true;
        }
    }
}

fn is_refusal(answer: Answer) -> bool {
    matches!(
        answer,
        Answer::BadRequest
            | Answer::Unauthorised
            | Answer::Forbidden
            | Answer::UpgradeRequired
            | Answer::ClosedAfterIntroduction
            | Answer::OurCertificate
    )
}
