//! The policy with one rule broken, for the tests that must notice. Without the feature `mutants` none of it is compiled in.
//!
//! A mutant is chosen at run time, so that one build of the component holds them all: a node that is called `mutant:<name>` breaks
//! that rule.

macro_rules! mutants {
    ($($variant:ident = $name:literal,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mutant { $($variant,)* }

        impl Mutant {
            pub const ALL: &[(&str, Mutant)] = &[$(($name, Mutant::$variant),)*];
        }
    };
}

mutants! {
    StorageBeforeControlPlane = "boot-01",
    StorageAlthoughRefused = "boot-02",
    StorageBeforeCache = "boot-03",
    StorageWhileServing = "boot-04",
    ClimbsOnce = "boot-05",
    StopsAtTheFirstBadSnapshot = "boot-06",
    ForgetsItsMark = "boot-07",
    AnyVersion = "boot-08",
    KeepsBeforeTheGatewayAccepts = "boot-09",
    ServingAlthoughRejected = "boot-10",
    NeverRedials = "boot-11",
    IgnoresStaleness = "boot-13",
    RejoinsEmpty = "boot-14",
    NeverQuarantines = "boot-15",
    SaysNothingOfNeeds = "boot-16",
    BelievesUnsealed = "export-13",
    TakesAnyLineage = "export-15",
    ExportsWhatCameBeforeOffice = "export-01",
    IgnoresTheSchema = "export-02",
    NoGuards = "export-03",
    ForgetsAuthentication = "export-03-authentication",
    ApprovesAnything = "export-03-approval",
    ApprovesTwice = "export-03-base",
    IgnoresFreeze = "export-03-freeze",
    NoDelay = "export-04",
    PublishesTheSame = "export-05",
    NeverConfirms = "export-05-confirmation",
    WritesAlthoughSucceeded = "export-06",
    TakesALivingLease = "export-06-lease",
    DoesNotRaiseTheEpoch = "export-06-epoch",
    PublishesWithoutRenewal = "export-06-renewal",
    MovesTheHeadFirst = "export-08",
    TrustsALostAnswer = "export-08-outcome",
    DoesNotReadBack = "export-08-reading",
    ForgetsHistory = "export-09",
    IgnoresPins = "export-09-pins",
    SweepsHistory = "export-09-sweeping",
    SweepsTheYoung = "export-09-age",
    GoodAtOnce = "export-10",
    SoaksWithoutWatching = "export-10-health",
    ForgetsPending = "export-11",
    ResumesAnyTenure = "export-11-tenure",
    ElectsAnyway = "export-12",
    CopiesDownward = "export-15-copies",
    CopiesTheHeadFirst = "export-15-order",
    // These break no rule but all-02's peace: the host must survive them.
    Traps = "trap",
    Loops = "loop",
    EatsMemory = "eats-memory",
}

#[cfg(feature = "mutants")]
mod chosen {
    use std::cell::Cell;

    thread_local! {
        static CHOSEN: Cell<Option<super::Mutant>> = const { Cell::new(None) };
    }

    /// Breaks the rule that the node's name asks for.
    pub fn choose(node: &str) {
        let name = node.strip_prefix("mutant:");
        let mutant = super::Mutant::ALL.iter().find(|(known, _)| Some(*known) == name).map(|(_, mutant)| *mutant);
        CHOSEN.with(|chosen| chosen.set(mutant));
    }

    pub fn active(mutant: super::Mutant) -> bool {
        CHOSEN.with(|chosen| chosen.get() == Some(mutant))
    }

    /// Traps, loops or eats memory, if the node's name asks for that.
    #[allow(clippy::panic, reason = "this is the trap")]
    pub(crate) fn misbehave() {
        if active(super::Mutant::Traps) {
            panic!("a mutant traps");
        }
        while active(super::Mutant::Loops) {
            std::hint::black_box(());
        }
        let mut eaten = Vec::new();
        while active(super::Mutant::EatsMemory) {
            eaten.push(std::hint::black_box(Vec::<u8>::with_capacity(MEAL_BYTES)));
        }
    }

    const MEAL_BYTES: usize = 16 * 1024 * 1024;
}

#[cfg(not(feature = "mutants"))]
mod chosen {
    /// Does nothing in a build without mutants.
    pub fn choose(_node: &str) {}

    pub(crate) const fn active(_mutant: super::Mutant) -> bool {
        false
    }

    pub(crate) const fn misbehave() {}
}

pub use chosen::choose;
pub(crate) use chosen::{active, misbehave};
