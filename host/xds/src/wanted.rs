//! What of one type is asked for: everything, or what is named.

use std::collections::BTreeSet;

use crate::is_root;

/// The name that stands for everything.
pub(crate) const ALL: &str = "*";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    All,
    Named(BTreeSet<String>),
}

impl Wanted {
    /// As the first request of a type has it. Without names clusters and listeners are asked for whole, and of another type nothing.
    pub fn first(type_url: &str, names: Vec<String>) -> Self {
        if names.is_empty() && is_root(type_url) { Self::All } else { Self::named(names) }
    }

    /// As a later request has it: no names mean what they meant before, and nothing once there were some.
    pub fn then(&self, names: Vec<String>) -> Self {
        match self {
            Self::All if names.is_empty() => Self::All,
            Self::All | Self::Named(_) => Self::named(names),
        }
    }

    fn named(names: Vec<String>) -> Self {
        if names.iter().any(|name| name == ALL) { Self::All } else { Self::Named(names.into_iter().collect()) }
    }

    pub fn includes(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.contains(name),
        }
    }

    /// Whether this asks for anything that the other does not.
    pub fn exceeds(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::All) => false,
            (Self::All, Self::Named(_)) => true,
            (Self::Named(names), Self::Named(others)) => !names.is_subset(others),
        }
    }

    /// As a request says it.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::All => Vec::new(),
            Self::Named(names) => names.iter().cloned().collect(),
        }
    }
}
