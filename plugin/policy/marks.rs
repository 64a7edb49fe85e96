//! How far this node has come, so that nothing older is taken without an operator's word (boot-07).
//!
//! Kept on disk: the lineage this node belongs to, the highest position it applied per lineage and gateway version, the break-glass
//! tokens it used up, and when it last had a live control plane. What comes from the node's own cache is not held against the
//! marks: the cache stands on the same disk.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::candidate::{self, Published, Skipped};
use super::capabilities::{Cache, Events, Keep, Slot};
use super::events::{Event, Name};
use super::quarantine::Attempts;
use super::{Facts, Settings};
use crate::model::{Digest, GatewayVersion, Lineage, Position, UnixMs};
use crate::mutants::{Mutant, active};
use crate::snapshot::{read_own_lines, write_own_lines};

/// A live control plane is noted again only after this, so that a chatty one does not wear the disk.
const LIVE_NOTED_EVERY_MS: u64 = 60_000;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// Whose configurations this node ran last.
    lineage: Option<Lineage>,
    marks: BTreeMap<Lineage, BTreeMap<GatewayVersion, Mark>>,
    /// Nonces of tokens.
    spent: BTreeSet<u64>,
    live_at: UnixMs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    /// The highest that was applied.
    applied: Position,
    digest: Digest,
    /// The highest that ran for the settle time: what holds when the applied one is quarantined.
    settled: Position,
}

impl Marks {
    /// What cannot be read is set aside: a node must not fail to start over its own notes. It says so, for whoever could damage the
    /// file could also have wanted that.
    pub async fn load<C: Cache + Events>(caps: &C) -> Self {
        let found = match caps.read(Slot::Marks).await {
            Ok(None) => return Self::default(),
            Ok(Some(object)) => candidate::read_body(&object).await,
            Err(sentence) => Err(sentence),
        };
        let read = found.and_then(|bytes| read_own_lines(&bytes).map_err(|refusal| refusal.to_string()));
        match read {
            Ok(marks) => marks,
            Err(sentence) => {
                candidate::set_aside(caps, Slot::Marks, "unreadable", &sentence).await;
                let lost = "This node's marks cannot be read, so it trusts the first snapshot that it finds as a new one would";
                caps.emit(Event::alarm(Name::MarksLost, format!("{lost}: {sentence}.")));
                Self::default()
            }
        }
    }

    /// The lineage that this node belongs to: the operator's word before its own memory.
    pub fn lineage(&self, settings: &Settings) -> Option<Lineage> {
        settings.accept_lineage.or(self.lineage)
    }

    pub fn live_at(&self) -> UnixMs {
        self.live_at
    }

    /// Whether this node has ever applied something published.
    pub fn is_marked(&self) -> bool {
        self.lineage.is_some()
    }

    /// `Err` for what lies below the mark.
    pub fn admit(&self, lineage: Lineage, version: &GatewayVersion, position: Position, attempts: &Attempts) -> Result<(), Skipped> {
        let Some(mark) = self.marks.get(&lineage).and_then(|views| views.get(version)) else { return Ok(()) };
        // A configuration that breaks the gateway must not keep the one before it away (boot-15).
        let mark = if attempts.quarantined(mark.digest) { mark.settled } else { mark.applied };
        match position < mark && !active(Mutant::ForgetsItsMark) {
            true => Err(Skipped::BelowMark { position, mark }),
            false => Ok(()),
        }
    }

    pub fn is_spent(&self, nonce: u64) -> bool {
        self.spent.contains(&nonce)
    }

    /// On disk before what the token allows is used: otherwise it could be used twice.
    pub async fn spend<C: Cache + Events>(&mut self, caps: &C, nonce: u64) -> Result<(), String> {
        self.spent.insert(nonce);
        self.write(caps).await
    }

    /// The gateway runs it. With a token the mark may fall: the operator said so.
    pub async fn applied<C: Cache + Events>(&mut self, caps: &C, published: &Published, digest: Digest, by_token: bool) {
        let Published { lineage, gateway_version, position } = published;
        let before = self.clone();
        self.lineage = Some(*lineage);
        let views = self.marks.entry(*lineage).or_default();
        let mark = views.get(gateway_version).copied();
        let rises = mark.is_none_or(|mark| mark.applied < *position);
        if rises || by_token {
            let settled = mark.map_or(Position::default(), |mark| mark.settled.min(*position));
            views.insert(gateway_version.clone(), Mark { applied: *position, digest, settled });
        }
        if *self != before {
            self.store(caps).await;
        }
    }

    /// It ran for the settle time.
    pub async fn settled<C: Cache + Events>(&mut self, caps: &C, digest: Digest) {
        let before = self.clone();
        for mark in self.marks.values_mut().flat_map(BTreeMap::values_mut).filter(|mark| mark.digest == digest) {
            mark.settled = mark.settled.max(mark.applied);
        }
        if *self != before {
            self.store(caps).await;
        }
    }

    /// The control plane was there a moment ago: what the cache has of it is as young.
    pub async fn live<C: Cache + Events>(&mut self, caps: &C, now: UnixMs) {
        if now.0.saturating_sub(self.live_at.0) >= LIVE_NOTED_EVERY_MS {
            self.live_at = now;
            self.store(caps).await;
        }
    }

    async fn store<C: Cache + Events>(&self, caps: &C) {
        if let Err(sentence) = self.write(caps).await {
            let lost = "This node's marks cannot be written, so after a restart it could be given something older";
            caps.emit(Event::alarm(Name::MarksLost, format!("{lost}: {sentence}.")));
        }
    }

    async fn write<C: Cache + Events>(&self, caps: &C) -> Result<(), String> {
        caps.write(Slot::Marks, Vec::new(), Keep::Bytes(write_own_lines(self)?)).await
    }
}

/// What a node without a mark does not go below: what the operator says, or what was baked into the image.
#[derive(Clone, Copy, Debug, Default)]
pub struct Floor {
    position: Position,
    pub lineage: Option<Lineage>,
}

impl Floor {
    pub fn new(facts: &Facts, bundled: Option<&Published>) -> Self {
        let said = Position { generation: facts.settings.min_generation, ..Position::default() };
        match bundled {
            None => Self { position: said, lineage: None },
            Some(bundled) => {
                let generation = bundled.position.generation.max(said.generation);
                Self { position: Position { generation, ..bundled.position }, lineage: Some(bundled.lineage) }
            }
        }
    }

    pub fn admit(&self, position: Position) -> Result<(), Skipped> {
        let below = position.epoch < self.position.epoch || position.generation < self.position.generation;
        match below && !active(Mutant::ForgetsItsMark) {
            true => Err(Skipped::BelowFloor { position, floor: self.position }),
            false => Ok(()),
        }
    }
}
