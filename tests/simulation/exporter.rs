//! The exporting side of a process, as host/node's worker drives it: the newest delivery, and what is due.

use std::rc::Rc;
use std::time::Duration;

use futures::future::{Either, select};
use holdover_plugin::policy::{ExportOutcome, Facts, export};

use super::capabilities::{Caps, Config, ExporterRole};
use super::disk::{EXPORTER, Pending};
use super::documents::Said;
use super::importer::{Lost, NEVER, bounded, pause_after, wake_after};
use super::node::Node;
use super::world::World;
use super::{control_plane, invariants};

struct Loop {
    world: Rc<World>,
    node: Rc<Node>,
    caps: Caps<ExporterRole>,
    state: Vec<u8>,
    pending: Option<Said>,
    seen: u64,
    losses: u32,
    /// A delivery's episode has not ended yet.
    in_hand: bool,
    /// An episode runs.
    is_busy: bool,
}

/// Until the process ends.
pub async fn run(world: Rc<World>, node: Rc<Node>) {
    let state = node.disk.file(EXPORTER).map(|bytes| bytes.to_vec()).unwrap_or_default();
    let left_behind = node.disk.pending();
    if let Some(pending) = left_behind {
        node.session().count_on_from(pending.session);
    }
    let pending = left_behind.map(|pending| pending.said);
    let caps = Caps::new(world.clone(), node.clone());
    let session = node.session();
    let mut exporting = Loop { world, node, caps, state, pending, seen: 0, losses: 0, in_hand: false, is_busy: false };
    // What is under way when it is to stop is dropped.
    select(std::pin::pin!(exporting.work()), std::pin::pin!(session.leave_bell.heard())).await;
    if exporting.is_busy {
        exporting.node.memory.borrow_mut().lose_export();
    }
    exporting.take_leave().await;
    // Its process is ended from outside.
    std::future::pending::<()>().await;
}

impl Loop {
    async fn work(&mut self) {
        let mut pause = Some(Duration::ZERO);
        loop {
            pause = match self.next(pause).await {
                Some(said) => self.received(said).await,
                None => self.tick().await,
            };
        }
    }

    async fn take_leave(&mut self) {
        match self.node.session().newest() {
            (Some(said), nth) if self.in_hand || nth != self.seen => self.received(said).await,
            _ => self.tick().await,
        };
    }

    /// A delivery that was not seen yet, or `None` when it is time.
    async fn next(&mut self, pause: Option<Duration>) -> Option<Said> {
        let session = self.node.session();
        let due = self.world.executor.sleep(pause.unwrap_or(NEVER));
        let mut due = std::pin::pin!(due);
        loop {
            if let (Some(said), nth) = session.newest()
                && nth != self.seen
            {
                self.seen = nth;
                return Some(said);
            }
            let heard = std::pin::pin!(session.newest_bell.heard());
            if let Either::Right(_) = select(heard, due.as_mut()).await {
                return None;
            }
        }
    }

    /// Retried, each time with the newest. What is not yet published is on disk before the policy sees it.
    async fn received(&mut self, mut said: Said) -> Option<Duration> {
        loop {
            let session = self.node.session().newest_session();
            self.in_hand = true;
            self.caps.keep_pending(Some(Pending { said, session })).await;
            let facts = Facts { session, ..self.node.facts(&self.world) };
            self.is_busy = true;
            self.node.memory.borrow_mut().begin_export(self.world.now(), self.node.clock(&self.world));
            let config = Config::delivered(said);
            match bounded(&self.world, export::received(&self.caps, &facts, &self.state, &config)).await {
                Ok(outcome) => return self.settle(outcome, Some(said)).await,
                Err(lost) => self.wait_after(&lost).await,
            }
            if let (Some(newest), nth) = self.node.session().newest() {
                (said, self.seen) = (newest, nth);
            }
        }
    }

    async fn tick(&mut self) -> Option<Duration> {
        let facts = self.node.facts(&self.world);
        self.is_busy = true;
        self.node.memory.borrow_mut().begin_export(self.world.now(), self.node.clock(&self.world));
        let config = self.pending.map(Config::delivered);
        match bounded(&self.world, export::tick(&self.caps, &facts, &self.state, config.as_ref())).await {
            Ok(outcome) => self.settle(outcome, self.pending).await,
            Err(lost) => {
                self.wait_after(&lost).await;
                Some(Duration::ZERO)
            }
        }
    }

    async fn settle(&mut self, outcome: ExportOutcome, newest: Option<Said>) -> Option<Duration> {
        (self.losses, self.in_hand, self.is_busy) = (0, false, false);
        self.node.doing.set(None);
        let pending = newest.filter(|_| outcome.pending);
        let wake = wake_after(outcome.wake_after);
        self.pending = pending;
        self.state.clone_from(&outcome.state);
        self.caps.keep(EXPORTER, self.state.clone().into()).await.unwrap_or_default();
        if pending.is_none() && self.node.disk.pending().is_some() {
            self.caps.keep_pending(None).await;
        }
        invariants::export_ended(&self.world, &self.node, &outcome);
        let refresh = outcome.refresh;
        let mut export = self.node.export.borrow_mut();
        export.outcome = Some(outcome);
        export.pending = pending;
        drop(export);
        if refresh {
            control_plane::refresh(&self.world, &self.node);
        }
        wake
    }

    async fn wait_after(&mut self, lost: &Lost) {
        let pause = pause_after(self.losses, &self.node);
        self.losses += 1;
        self.is_busy = false;
        self.node.memory.borrow_mut().lose_export();
        self.world.note(self.node.actor(), "export lost", 0, || lost.0.to_owned());
        self.world.executor.sleep(pause).await;
    }
}
