//! What a seed is about: who takes part, how they are set, and what befalls them at which time. Drawn once, before anything runs.

use std::collections::BTreeSet;
use std::time::Duration;

use holdover_plugin::model::VersionRule;
use holdover_plugin::policy::{OnRefusal, OnStale, RejoinGuard};

use super::chance::Chance;
use super::documents::{self, Kind, Said, VARIANTS};
use super::faults::{Fault, Weather};
use super::storage::Conditions;
use super::stories;

/// Everything drawn, before it is cut down by [`Cut`].
pub struct Plan {
    pub seed: u64,
    pub importers: usize,
    pub exporters: usize,
    pub janitor: bool,
    pub storage_clock_rate: u32,
    pub length: Duration,
    pub storages: Vec<Conditions>,
    pub family: usize,
    pub first: Said,
    /// Whether what is published is signed, and orders as well.
    pub signing: bool,
    pub soak: Duration,
    pub watched: bool,
    pub export_delay: Duration,
    pub lease_renew: Duration,
    pub settle: Duration,
    pub on_stale: OnStale,
    pub head_age_max: Duration,
    pub on_refusal: OnRefusal,
    pub rejoin_guard: RejoinGuard,
    pub version_rule: VersionRule,
    /// A file in Kong's documented place that no exporter wrote.
    pub planted: bool,
    /// Whether the exporters' operator has a schema.
    pub schema: bool,
    /// A further storage that holds somebody else's lineage.
    pub foreign: bool,
    /// Whether the calm at the end lasts to its last second.
    pub whole_calm: bool,
    pub acts: Vec<Planned>,
}

pub struct Planned {
    pub nth: usize,
    pub at: Duration,
    pub fault: Option<Fault>,
    pub act: Act,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Says(Said),
    /// What it said this many changes ago.
    SaysOld(usize),
    Behaves(Behaviour, Duration),
    StorageAway(usize, Duration),
    CopyRolledBack(usize),
    RotatesKeys,
    Upgrades(usize, Duration),
    Killed(usize, Duration),
    Stopped(usize, Duration),
    DiskLost(usize, Duration),
    CacheLost(usize, Duration),
    BodyDamaged(usize),
    Orders(Order),
}

/// How the control plane answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    Serves,
    /// Every connection is refused.
    Away,
    /// HTTP 403 to everybody.
    Veto,
    /// Packets vanish; open sessions say nothing more.
    BlackHole,
    /// It connects, gives signs of life and no configuration.
    Grey,
    /// Serves and refuses by turns, a few seconds each.
    Flaps,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Freeze,
    Unfreeze,
    /// The generation that stands so far behind the newest.
    Pin(usize),
    Unpin,
    /// What an exporter says is held.
    ApproveHeld,
    /// Something that nobody holds.
    ApproveOther,
    ApproveRejoin,
    Restore(usize),
}

/// What is left of a plan after shrinking.
#[derive(Clone, Debug, Default)]
pub struct Cut {
    pub acts: Option<BTreeSet<usize>>,
    pub importers: Option<usize>,
    pub exporters: Option<usize>,
    pub storages: Option<usize>,
    pub janitor: Option<bool>,
    pub length: Option<Duration>,
}

const STREAM: u64 = 0x9_1A4;
const MINUTE: Duration = Duration::from_secs(60);

impl Plan {
    pub fn of(seed: u64, weather: &Weather, cut: &Cut) -> Self {
        let mut chance = Chance::of(seed, STREAM);
        let mut plan = beginning(seed, &mut chance);
        acts(&mut plan, weather, &mut chance);
        plan.cut(cut);
        plan
    }

    /// Importers only, and one storage.
    pub fn of_a_herd(seed: u64, importers: usize) -> Self {
        let mut chance = Chance::of(seed, STREAM);
        let storages = vec![Conditions::Hold];
        let calm =
            Self { importers, exporters: 0, storages, janitor: false, signing: false, schema: false, ..beginning(seed, &mut chance) };
        Self { storage_clock_rate: 1, on_stale: OnStale::Warn, version_rule: VersionRule::Exact, ..calm }
    }

    fn cut(&mut self, cut: &Cut) {
        self.importers = cut.importers.unwrap_or(self.importers).min(self.importers);
        self.exporters = cut.exporters.unwrap_or(self.exporters).min(self.exporters);
        self.storages.truncate(cut.storages.unwrap_or(self.storages.len()).max(1));
        self.janitor &= cut.janitor.unwrap_or(true);
        self.length = cut.length.unwrap_or(self.length).min(self.length);
        let (nodes, storages, length) = (self.nodes(), self.storages.len(), self.length);
        self.acts.retain(|planned| {
            let wanted = cut.acts.as_ref().is_none_or(|acts| acts.contains(&planned.nth));
            wanted && planned.at < length && planned.act.is_possible(nodes, storages)
        });
    }

    pub fn nodes(&self) -> usize {
        self.importers + self.exporters
    }
}

fn beginning(seed: u64, chance: &mut Chance) -> Plan {
    let conditions = if chance.percent(6) {
        chance.of_these(&[Conditions::Ignored, Conditions::IgnoredForNew, Conditions::Racy])
    } else {
        Conditions::Hold
    };
    let further = chance.of_these(&[0, 0, 0, 1, 1, 2]);
    let janitor = chance.percent(25);
    let family = chance.index(documents::FAMILIES);
    Plan {
        seed,
        importers: chance.of_these(&[0, 1, 1, 1, 2, 2, 3, 4]),
        exporters: chance.of_these(&[1, 1, 1, 2, 2, 3]),
        janitor,
        storage_clock_rate: if janitor { 200 } else { 1 },
        length: chance.magnitude(3 * MINUTE, 90 * MINUTE).min(chance.magnitude(3 * MINUTE, 180 * MINUTE)),
        storages: [vec![conditions], vec![Conditions::Hold; further]].concat(),
        family,
        first: Said::new(family, Kind::Whole, chance.index(VARIANTS)),
        signing: chance.percent(10),
        soak: if chance.percent(25) { chance.duration(MINUTE, 10 * MINUTE) } else { Duration::ZERO },
        watched: chance.percent(60),
        export_delay: chance.of_these(&[60, 60, 10, 0]) * Duration::from_secs(1),
        lease_renew: chance.of_these(&[10, 10, 10, 20]) * Duration::from_secs(1),
        settle: chance.of_these(&[60, 60, 20]) * Duration::from_secs(1),
        on_stale: if chance.percent(25) && !janitor { OnStale::Refuse } else { OnStale::Warn },
        head_age_max: chance.of_these(&[3, 20, 80]) * MINUTE,
        on_refusal: if chance.percent(25) { OnRefusal::Fallback } else { OnRefusal::Wait },
        rejoin_guard: chance.of_these(&[RejoinGuard::Empty, RejoinGuard::Empty, RejoinGuard::Shrink, RejoinGuard::Off]),
        version_rule: chance.of_these(&[VersionRule::Exact, VersionRule::Exact, VersionRule::Patch, VersionRule::Minor]),
        planted: chance.percent(8),
        foreign: further > 0 && chance.percent(12),
        schema: chance.percent(15),
        whole_calm: chance.percent(12),
        acts: Vec::new(),
    }
}

/// Changes of the configuration in any case, and of each planned fault that the seed enables a few.
fn acts(plan: &mut Plan, weather: &Weather, chance: &mut Chance) {
    let (nodes, storages, length) = (plan.nodes(), plan.storages.len(), plan.length);
    for _ in 0..chance.between(1, 6) {
        plan.draw(chance, None, |plan, chance| Act::Says(whole(plan.family, chance)));
    }
    for fault in Fault::ALL.iter().filter(|fault| weather.is_enabled(**fault)) {
        let Some(act) = planned(*fault) else { continue };
        for _ in 0..chance.between(1, 3) {
            plan.draw(chance, Some(*fault), |plan, chance| act(plan, chance, nodes, storages));
        }
    }
    // What is wrong is said for a while only.
    let wrongs: Vec<Duration> =
        plan.acts.iter().filter(|planned| matches!(planned.act, Act::Says(said) if !is_whole(said))).map(|planned| planned.at).collect();
    for at in wrongs {
        let said = whole(plan.family, chance);
        let nth = plan.acts.len();
        let back = at + chance.magnitude(10 * Duration::from_secs(1), 40 * MINUTE);
        plan.acts.push(Planned { nth, at: back.min(length), fault: None, act: Act::Says(said) });
    }
    if chance.percent(35) {
        for _ in 0..chance.between(1, 5) {
            plan.draw(chance, None, |_, chance| Act::Orders(order(chance)));
        }
    }
    if chance.percent(12) {
        stories::tell(plan, chance);
    }
    plan.acts.sort_by_key(|planned| (planned.at, planned.nth));
}

impl Plan {
    /// An act at a time of its own.
    pub fn add(&mut self, at: Duration, act: Act) {
        self.acts.push(Planned { nth: self.acts.len(), at, fault: None, act });
    }

    fn draw(&mut self, chance: &mut Chance, fault: Option<Fault>, act: impl Fn(&Self, &mut Chance) -> Act) {
        let at = chance.duration(Duration::ZERO, self.length);
        let act = act(self, chance);
        self.acts.push(Planned { nth: self.acts.len(), at, fault, act });
    }
}

type Draw = fn(&Plan, &mut Chance, usize, usize) -> Act;

/// The faults that are planned for some time, and not met at a call.
fn planned(fault: Fault) -> Option<Draw> {
    let draw: Draw = match fault {
        Fault::ControlPlaneAway => |_, chance, _, _| Act::Behaves(Behaviour::Away, outage(chance)),
        Fault::ControlPlaneVeto => |_, chance, _, _| Act::Behaves(Behaviour::Veto, outage(chance)),
        Fault::ControlPlaneBlackHole => |_, chance, _, _| Act::Behaves(Behaviour::BlackHole, outage(chance)),
        Fault::ControlPlaneGrey => |_, chance, _, _| Act::Behaves(Behaviour::Grey, outage(chance)),
        Fault::ControlPlaneFlaps => |_, chance, _, _| Act::Behaves(Behaviour::Flaps, outage(chance)),
        Fault::ControlPlaneRestarts => |_, chance, _, _| Act::Behaves(Behaviour::Away, chance.duration(MINUTE / 60, MINUTE / 2)),
        Fault::SaysNothing => |plan, chance, _, _| Act::Says(wrong(plan, Kind::Empty, chance)),
        Fault::SaysLess => |plan, chance, _, _| Act::Says(wrong(plan, Kind::Shrunken, chance)),
        Fault::SaysWithoutAuthentication => |plan, chance, _, _| Act::Says(wrong(plan, Kind::WithoutAuthentication, chance)),
        Fault::SaysRejected => |plan, chance, _, _| Act::Says(wrong(plan, Kind::Rejected, chance)),
        Fault::SaysBreaking => |plan, chance, _, _| Act::Says(wrong(plan, Kind::Breaking, chance)),
        Fault::SaysDangling => |plan, chance, _, _| Act::Says(wrong(plan, Kind::Dangling, chance)),
        Fault::SaysOldBackup => |_, chance, _, _| Act::SaysOld(chance.index(4) + 1),
        Fault::StorageAway => |_, chance, _, storages| Act::StorageAway(chance.index(storages), outage(chance)),
        Fault::CopyRolledBack => |_, chance, _, storages| Act::CopyRolledBack(chance.index(storages).max(1)),
        Fault::KeysRotated => |_, _, _, _| Act::RotatesKeys,
        Fault::Upgraded => |_, chance, nodes, _| Act::Upgrades(chance.index(nodes), away(chance)),
        Fault::Killed => |_, chance, nodes, _| Act::Killed(chance.index(nodes), away(chance)),
        Fault::Stopped => |_, chance, nodes, _| Act::Stopped(chance.index(nodes), away(chance)),
        Fault::DiskLost => |_, chance, nodes, _| Act::DiskLost(chance.index(nodes), away(chance)),
        Fault::CacheLost => |_, chance, nodes, _| Act::CacheLost(chance.index(nodes), away(chance)),
        Fault::BodyDamaged => |_, chance, _, storages| Act::BodyDamaged(chance.index(storages)),
        _ => return None,
    };
    Some(draw)
}

fn whole(family: usize, chance: &mut Chance) -> Said {
    let kind = if chance.percent(15) { Kind::Rewritten } else { Kind::Whole };
    Said::new(family, kind, chance.index(VARIANTS))
}

pub fn is_whole(said: Said) -> bool {
    (0..documents::FAMILIES).any(|family| {
        (0..VARIANTS).any(|variant| said == Said::new(family, Kind::Whole, variant) || said == Said::new(family, Kind::Rewritten, variant))
    })
}

fn wrong(plan: &Plan, kind: Kind, chance: &mut Chance) -> Said {
    Said::new(plan.family, kind, chance.index(VARIANTS))
}

fn order(chance: &mut Chance) -> Order {
    match chance.below(16) {
        0 | 1 => Order::Freeze,
        2..=4 => Order::Unfreeze,
        5 | 6 => Order::Pin(chance.index(3)),
        7 | 8 => Order::Unpin,
        9..=11 => Order::ApproveHeld,
        12 => Order::ApproveOther,
        13 => Order::ApproveRejoin,
        _ => Order::Restore(chance.index(3) + 1),
    }
}

fn outage(chance: &mut Chance) -> Duration {
    chance.magnitude(Duration::from_secs(5), 40 * MINUTE)
}

/// How long a process is not there.
fn away(chance: &mut Chance) -> Duration {
    chance.magnitude(Duration::from_millis(200), 10 * MINUTE)
}

impl Act {
    fn is_possible(self, nodes: usize, storages: usize) -> bool {
        match self {
            Self::Upgrades(node, _)
            | Self::Killed(node, _)
            | Self::Stopped(node, _)
            | Self::DiskLost(node, _)
            | Self::CacheLost(node, _) => node < nodes,
            Self::StorageAway(storage, _) | Self::CopyRolledBack(storage) | Self::BodyDamaged(storage) => storage < storages,
            Self::Says(_) | Self::SaysOld(_) | Self::Behaves(..) | Self::RotatesKeys | Self::Orders(_) => true,
        }
    }
}
