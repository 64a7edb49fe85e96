//! Which faults struck in which situations: a promise about a situation that no fault ever met is no promise.

use std::fmt::Write;

use super::faults::Fault;

macro_rules! situations {
    ($($(#[$doc:meta])* $situation:ident = $name:literal,)*) => {
        /// What the node was doing, or was.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Situation { $($(#[$doc])* $situation,)* }

        impl Situation {
            pub const ALL: &[Situation] = &[$(Situation::$situation,)*];

            pub fn name(self) -> &'static str {
                match self { $(Situation::$situation => $name,)* }
            }
        }
    };
}

situations! {
    Down = "down",
    Boot = "boot",
    ServingControlPlane = "serving-cp",
    Fallback = "fallback",
    Stranded = "stranded",
    Refused = "refused",
    /// An exporter that has no reason to seek office.
    NoOffice = "no-office",
    Probing = "probing",
    TakingOffice = "taking-office",
    Leader = "leader",
    Standby = "standby",
    Declined = "declined",
    Held = "held",
    PublishingBody = "publishing-body",
    PublishingHead = "publishing-head",
    Confirming = "confirming",
    Copying = "copying",
    Soaking = "soaking",
    Sweeping = "sweeping",
}

/// How often each fault struck in each situation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    cells: Vec<u64>,
}

impl Default for Coverage {
    fn default() -> Self {
        Self { cells: vec![0; Fault::ALL.len() * Situation::ALL.len()] }
    }
}

impl Coverage {
    pub fn count(&mut self, fault: Fault, situation: Situation) {
        self.cells[fault as usize * Situation::ALL.len() + situation as usize] += 1;
    }

    pub fn of(&self, fault: Fault, situation: Situation) -> u64 {
        self.cells[fault as usize * Situation::ALL.len() + situation as usize]
    }

    pub fn add(&mut self, other: &Self) {
        self.cells.iter_mut().zip(&other.cells).for_each(|(sum, count)| *sum += count);
    }

    /// As a table of Markdown.
    pub fn table(&self) -> String {
        let mut table = String::from("| fault |");
        Situation::ALL.iter().for_each(|situation| write!(table, " {} |", situation.name()).unwrap_or_default());
        table.push_str("\n|---|");
        Situation::ALL.iter().for_each(|_| table.push_str("---:|"));
        for fault in Fault::ALL {
            write!(table, "\n| {} |", fault.name()).unwrap_or_default();
            for situation in Situation::ALL {
                match (self.of(*fault, *situation), why_never(*fault, *situation)) {
                    (0, Some(why)) => write!(table, " {why} |"),
                    (count, _) => write!(table, " {count} |"),
                }
                .unwrap_or_default();
            }
        }
        table.push('\n');
        table
    }

    /// Cells that never came about and that nothing explains.
    pub fn unexplained(&self) -> Vec<(Fault, Situation)> {
        let all = Fault::ALL.iter().flat_map(|fault| Situation::ALL.iter().map(move |situation| (*fault, *situation)));
        all.filter(|(fault, situation)| self.of(*fault, *situation) == 0 && why_never(*fault, *situation).is_none()).collect()
    }
}

/// Why a fault cannot meet a situation: a letter of [`REASONS`].
fn why_never(fault: Fault, situation: Situation) -> Option<&'static str> {
    use Situation as S;
    let importing = matches!(situation, S::Boot | S::ServingControlPlane | S::Fallback | S::Stranded | S::Refused);
    let momentary =
        matches!(situation, S::Probing | S::TakingOffice | S::PublishingBody | S::PublishingHead | S::Confirming | S::Copying | S::Soaking);
    match kind_of(fault) {
        Kind::AnyRequest | Kind::Read | Kind::CopyRead | Kind::Write | Kind::BodyWrite | Kind::Process | Kind::Own(_)
            if situation == S::Down =>
        {
            Some("a")
        }
        Kind::AnyRequest | Kind::Read | Kind::CopyRead if matches!(situation, S::ServingControlPlane | S::Fallback) => Some("b"),
        Kind::Write | Kind::BodyWrite if importing => Some("c"),
        Kind::Write if matches!(situation, S::NoOffice | S::Standby | S::Declined | S::Sweeping) => Some("d"),
        Kind::BodyWrite if !matches!(situation, S::PublishingBody | S::Copying) => Some("e"),
        Kind::Read | Kind::CopyRead if matches!(situation, S::PublishingHead | S::Confirming | S::Soaking) => Some("f"),
        Kind::CopyRead if !importing && !matches!(situation, S::Copying | S::Sweeping) => Some("g"),
        Kind::Own(_) if momentary || situation == S::Sweeping => Some("h"),
        Kind::Own(of_the_importer) if of_the_importer && !importing => Some("i"),
        Kind::Planned if situation == S::Sweeping => Some("k"),
        _ => None,
    }
}

/// The letters of the table.
pub const REASONS: [(&str, &str); 10] = [
    ("a", "a process that is down makes no calls"),
    ("b", "a node that serves reads no storage (boot-04)"),
    ("c", "an importer writes nothing (boot-12)"),
    ("d", "nothing is written there: what leads to an office counts as taking-office or probing, and the janitor writes nothing"),
    ("e", "only bodies are torn on their way: heads and leases are what the first storage acknowledged"),
    ("f", "what is read there is read as a leader, and counts as such"),
    ("g", "only further storages are stale, and an exporter reads of them only to copy"),
    ("h", "files are kept between episodes, sessions and gateways belong to the importing side"),
    ("i", "these are the importing side's calls"),
    ("k", "the janitor shares its process with the leader: counted there"),
];

enum Kind {
    AnyRequest,
    Read,
    /// Of a further storage.
    CopyRead,
    Write,
    BodyWrite,
    Process,
    /// At the node's own files, gateway or session; whether only an importer has them.
    Own(bool),
    Planned,
}

fn kind_of(fault: Fault) -> Kind {
    match fault {
        Fault::AbsentOrForbidden
        | Fault::Forbidden
        | Fault::Credentials
        | Fault::NoSuchStorage
        | Fault::SlowDown
        | Fault::TooLarge
        | Fault::Unreachable
        | Fault::OtherFailure
        | Fault::Delay => Kind::AnyRequest,
        Fault::TornRead | Fault::ForeignRead => Kind::Read,
        Fault::StaleRead => Kind::CopyRead,
        Fault::NotWritten | Fault::LostAnswer | Fault::LateWrite | Fault::Conflict => Kind::Write,
        Fault::TornWrite => Kind::BodyWrite,
        Fault::CrashBefore | Fault::CrashAfter | Fault::Pause | Fault::Trap | Fault::ClockJump => Kind::Process,
        Fault::DiskFull => Kind::Own(false),
        Fault::CacheDamaged | Fault::GatewayFails | Fault::Unanswered | Fault::SessionDropped => Kind::Own(true),
        Fault::ControlPlaneAway
        | Fault::ControlPlaneVeto
        | Fault::ControlPlaneBlackHole
        | Fault::ControlPlaneGrey
        | Fault::ControlPlaneFlaps
        | Fault::ControlPlaneRestarts
        | Fault::SaysNothing
        | Fault::SaysLess
        | Fault::SaysWithoutAuthentication
        | Fault::SaysRejected
        | Fault::SaysBreaking
        | Fault::SaysDangling
        | Fault::SaysOldBackup
        | Fault::StorageAway
        | Fault::CopyRolledBack
        | Fault::KeysRotated
        | Fault::Upgraded
        | Fault::Killed
        | Fault::Stopped
        | Fault::DiskLost
        | Fault::CacheLost
        | Fault::BodyDamaged => Kind::Planned,
    }
}
