//! Counts the stations that bytes come to, for the tests that must prove that some never do. Without the feature `mutants` nothing
//! is counted.

/// A station whose work on unproven bytes would be a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Station {
    /// JSON of a manifest, head or header is read.
    Parse,
    /// A body is decrypted or decompressed.
    Open,
    /// A configuration is looked through.
    Validate,
}

/// How often each station was come to, on this thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    pub parse: u64,
    pub open: u64,
    pub validate: u64,
}

#[cfg(feature = "mutants")]
mod counting {
    use std::cell::Cell;

    use super::{Passed, Station};

    thread_local! {
        static PASSED: Cell<Passed> = const { Cell::new(Passed { parse: 0, open: 0, validate: 0 }) };
    }

    pub(crate) fn passed(station: Station) {
        let mut passed = PASSED.get();
        match station {
            Station::Parse => passed.parse += 1,
            Station::Open => passed.open += 1,
            Station::Validate => passed.validate += 1,
        }
        PASSED.set(passed);
    }

    /// What was counted since the last call.
    pub fn take() -> Passed {
        PASSED.take()
    }
}

#[cfg(feature = "mutants")]
pub(crate) use counting::passed;
#[cfg(feature = "mutants")]
pub use counting::take;

#[cfg(not(feature = "mutants"))]
pub(crate) const fn passed(_station: Station) {}
