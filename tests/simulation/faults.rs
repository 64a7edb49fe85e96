//! Every kind of fault that the world can do to a node, and when it strikes.
//!
//! A seed enables some kinds and gives each a rate (swarm testing: a seed with all faults never gets anywhere). Whether the n-th
//! chance of a kind strikes depends on the seed, the kind and n alone, so that one occurrence can be taken away and the others stay.
//!
//! Where the promises end: the first storage is linearizable and keeps the heads and leases that it acknowledged (export-06 stands on it); a disk that
//! answered keeps what it was given; nobody forges a signature.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use super::chance::{Chance, mix};

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault { $($(#[$doc])* $kind,)* }

        impl Fault {
            pub const ALL: &[Fault] = &[$(Fault::$kind,)*];

            pub fn name(self) -> &'static str {
                match self { $(Fault::$kind => $name,)* }
            }
        }
    };
}

kinds! {
    // At a call to a storage.
    AbsentOrForbidden = "absent-or-forbidden",
    Forbidden = "forbidden",
    Credentials = "credentials",
    NoSuchStorage = "no-such-storage",
    SlowDown = "slow-down",
    TooLarge = "too-large",
    Unreachable = "unreachable",
    OtherFailure = "other-failure",
    /// The answer to a write is lost, and nothing was written.
    NotWritten = "not-written",
    /// The answer to a write is lost, and it was written.
    LostAnswer = "lost-answer",
    /// The answer to a write is lost, and it is written when nobody expects it any more.
    LateWrite = "late-write",
    /// Somebody else writes the same object just before.
    Conflict = "conflict",
    TornRead = "torn-read",
    ForeignRead = "foreign-read",
    /// A further storage shows what it held before.
    StaleRead = "stale-read",
    /// A body arrives otherwise than it was sent, and is acknowledged.
    TornWrite = "torn-write",
    Delay = "delay",
    // At any call of a node.
    CrashBefore = "crash-before",
    CrashAfter = "crash-after",
    /// The process stands still for longer than its lease, with its request under way.
    Pause = "pause",
    /// The episode is lost where it stands.
    Trap = "trap",
    ClockJump = "clock-jump",
    // At a call to the node's own files.
    DiskFull = "disk-full",
    CacheDamaged = "cache-damaged",
    // At a call to the gateway.
    GatewayFails = "gateway-fails",
    // Between a node and the control plane.
    Unanswered = "unanswered",
    SessionDropped = "session-dropped",
    // Planned for some time of the seed.
    ControlPlaneAway = "cp-away",
    ControlPlaneVeto = "cp-veto",
    ControlPlaneBlackHole = "cp-black-hole",
    ControlPlaneGrey = "cp-grey",
    ControlPlaneFlaps = "cp-flaps",
    ControlPlaneRestarts = "cp-restarts",
    SaysNothing = "cp-empty",
    SaysLess = "cp-shrunken",
    SaysWithoutAuthentication = "cp-without-authentication",
    SaysRejected = "cp-rejected",
    SaysBreaking = "cp-breaking",
    SaysDangling = "cp-dangling",
    SaysOldBackup = "cp-old-backup",
    StorageAway = "storage-away",
    CopyRolledBack = "copy-rolled-back",
    KeysRotated = "keys-rotated",
    Upgraded = "upgraded",
    Killed = "killed",
    Stopped = "stopped",
    DiskLost = "disk-lost",
    /// The kept configurations are gone, the node's notes are not.
    CacheLost = "cache-lost",
    /// A bit of a published body changes where it is stored.
    BodyDamaged = "body-damaged",
}

/// One fault that struck: the n-th chance of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Struck {
    pub fault: Fault,
    pub nth: u32,
}

/// Which faults may strike.
#[derive(Clone, Debug, Default)]
pub struct Allowed {
    /// Kinds that never do.
    pub without: BTreeSet<Fault>,
    /// If given, these occurrences and no others.
    pub only: Option<BTreeSet<Struck>>,
}

pub struct Weather {
    seed: u64,
    /// Of a million chances, so many strike.
    rates: Vec<u64>,
    chances: Vec<Cell<u32>>,
    allowed: Allowed,
    calm: Cell<bool>,
    struck: RefCell<Vec<Struck>>,
}

/// What is drawn besides the rates.
const STREAM: u64 = 0xFA_17;

impl Weather {
    pub fn of(seed: u64, allowed: Allowed) -> Self {
        let mut chance = Chance::of(seed, STREAM);
        // From a quiet seed to one in which every second kind is at work.
        let enabled_percent = chance.of_these(&[0, 10, 20, 35, 50]);
        let rates = Fault::ALL.iter().map(|fault| rate(&mut chance, *fault, enabled_percent)).collect();
        let chances = Fault::ALL.iter().map(|_| Cell::new(0)).collect();
        Self { seed, rates, chances, allowed, calm: Cell::new(false), struck: RefCell::default() }
    }

    /// Nothing strikes any more.
    pub fn calm(&self) {
        self.calm.set(true);
    }

    pub fn is_calm(&self) -> bool {
        self.calm.get()
    }

    pub fn is_enabled(&self, fault: Fault) -> bool {
        self.rates[fault as usize] > 0 && !self.allowed.without.contains(&fault)
    }

    /// Whether this fault strikes here, and chance for its particulars.
    pub fn strikes(&self, fault: Fault) -> Option<Chance> {
        if self.calm.get() || self.rates[fault as usize] == 0 {
            return None;
        }
        let nth = self.chances[fault as usize].get();
        self.chances[fault as usize].set(nth + 1);
        let number = mix(self.seed ^ mix(((fault as u64) << 32) | u64::from(nth)));
        let struck = Struck { fault, nth };
        let hit = number % 1_000_000 < self.rates[fault as usize];
        (hit && self.allowed.allows(struck)).then(|| {
            self.struck.borrow_mut().push(struck);
            Chance::of(number, STREAM)
        })
    }

    pub fn struck(&self) -> Vec<Struck> {
        self.struck.borrow().clone()
    }
}

impl Allowed {
    fn allows(&self, struck: Struck) -> bool {
        !self.without.contains(&struck.fault) && self.only.as_ref().is_none_or(|only| only.contains(&struck))
    }
}

fn rate(chance: &mut Chance, fault: Fault, enabled_percent: u64) -> u64 {
    // Drawn in any case, so that a kind that is added last changes no other.
    let (enabled, rate) = (chance.percent(enabled_percent), chance.of_these(&[500, 2_000, 5_000, 20_000]));
    let heavy = matches!(fault, Fault::CrashBefore | Fault::CrashAfter | Fault::Pause | Fault::DiskFull | Fault::CacheDamaged);
    match (enabled, heavy) {
        (false, _) => 0,
        (true, true) => rate / 4,
        (true, false) => rate,
    }
}
