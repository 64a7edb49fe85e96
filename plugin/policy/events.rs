//! What the policy says of its decisions. One place for every name: the log line, the metric and `why` are the same fact (all-03).
//!
//! A name is stable once released. A sentence is for the operator and holds no byte of a configuration (all-04).

use std::borrow::Cow;
use std::fmt;

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub name: Name,
    pub severity: Severity,
    pub sentence: String,
    pub fields: Vec<(Cow<'static, str>, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Info,
    /// Goes on, with less than it should have.
    Warning,
    /// Somebody must act.
    Alarm,
}

macro_rules! names {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Name { $($(#[$doc])* $variant,)* }

        impl Name {
            pub const ALL: &[Name] = &[$(Name::$variant,)*];

            pub fn as_str(self) -> &'static str {
                match self { $(Name::$variant => $text,)* }
            }

            /// A policy in another language may use names that this list has not.
            pub fn from_text(text: &str) -> Self {
                Self::ALL.iter().copied().find(|name| name.as_str() == text).unwrap_or(Self::Unknown)
            }
        }
    };
}

names! {
    BootStarted = "boot-started",
    ControlPlaneTried = "control-plane-tried",
    ControlPlaneGivenUp = "control-plane-given-up",
    ControlPlaneRefused = "control-plane-refused",
    ControlPlaneDelivered = "control-plane-delivered",
    ControlPlaneLost = "control-plane-lost",
    /// The control plane is back and its configuration took over.
    Rejoined = "rejoined",
    RungFailed = "rung-failed",
    /// A storage's head is not believed; the field `reason` says why.
    HeadRefused = "head-refused",
    /// Storages tell two stories, and nothing says which is this node's.
    TwoLineages = "two-lineages",
    RungEmpty = "rung-empty",
    SnapshotSkipped = "snapshot-skipped",
    ConfigApplied = "config-applied",
    ConfigUnchanged = "config-unchanged",
    ConfigRejected = "config-rejected",
    ConfigInvalid = "config-invalid",
    ConfigSettled = "config-settled",
    ConfigQuarantined = "config-quarantined",
    CacheKept = "cache-kept",
    CacheNotKept = "cache-not-kept",
    CacheSetAside = "cache-set-aside",
    /// What this node will not go below can no longer be written or read.
    MarksLost = "marks-lost",
    BreakGlassUsed = "break-glass-used",
    BreakGlassRefused = "break-glass-refused",
    /// What a configuration in fallback cannot give (boot-16).
    NeedsControlPlane = "needs-control-plane",
    Stranded = "stranded",
    Stale = "stale",
    /// The storage does, or does not, what an election needs of it.
    StorageProbed = "storage-probed",
    OfficeTaken = "office-taken",
    OfficeLost = "office-lost",
    /// The leader has no control plane, and gives its lease back.
    OfficeGivenUp = "office-given-up",
    StandingBy = "standing-by",
    LeaseNotRenewed = "lease-not-renewed",
    ExportHeld = "export-held",
    /// An operator's approval released a held export.
    ExportApproved = "export-approved",
    /// What was to be published when the process ended is taken up again.
    PendingResumed = "pending-resumed",
    PendingDropped = "pending-dropped",
    SoakBegan = "soak-began",
    /// A candidate proved itself.
    SoakEnded = "soak-ended",
    SoakFailed = "soak-failed",
    SoakCutByOutage = "soak-cut-by-outage",
    OrdersObeyed = "orders-obeyed",
    /// The orders are not believed, or one of them cannot be carried out.
    OrdersRefused = "orders-refused",
    Copied = "copied",
    CopyFailed = "copy-failed",
    Swept = "swept",
    SweepFailed = "sweep-failed",
    /// What a returning control plane delivered is held by the rejoin guard.
    RejoinHeld = "rejoin-held",
    RejoinReleased = "rejoin-released",
    ExportInvalid = "export-invalid",
    ExportUnchanged = "export-unchanged",
    Exported = "exported",
    ExportFailed = "export-failed",
    ExportLostRace = "export-lost-race",
    ExportWarning = "export-warning",
    HeadConfirmed = "head-confirmed",
    /// Of a policy that is not this one; the event's field `name` has the word.
    Unknown = "unknown",
}

/// What a wait is for. Every wait says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    GiveUp,
    SecondTry,
    Redial,
    FirstFetch,
    /// For the heads of the other storages, once one has answered.
    OtherHeads,
    Climb,
    /// Of a policy that is not this one.
    Other,
}

impl Why {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GiveUp => "give-up",
            Self::SecondTry => "second-try",
            Self::Redial => "redial",
            Self::FirstFetch => "first-fetch",
            Self::OtherHeads => "other-heads",
            Self::Climb => "climb",
            Self::Other => "other",
        }
    }

    pub fn from_text(text: &str) -> Self {
        let known = [Self::GiveUp, Self::SecondTry, Self::Redial, Self::FirstFetch, Self::OtherHeads, Self::Climb];
        known.into_iter().find(|why| why.as_str() == text).unwrap_or(Self::Other)
    }
}

impl Event {
    pub fn info(name: Name, sentence: impl Into<String>) -> Self {
        Self { name, severity: Severity::Info, sentence: sentence.into(), fields: Vec::new() }
    }

    pub fn warning(name: Name, sentence: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::info(name, sentence) }
    }

    pub fn alarm(name: Name, sentence: impl Into<String>) -> Self {
        Self { severity: Severity::Alarm, ..Self::info(name, sentence) }
    }

    pub fn with(mut self, field: &'static str, value: impl fmt::Display) -> Self {
        self.fields.push((Cow::Borrowed(field), value.to_string()));
        self
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
