//! The guards of export-03, computed anew: the policy's own arithmetic is what is being judged.

use std::collections::{BTreeMap, BTreeSet};

use holdover_plugin::config::AUTHENTICATION_PLUGINS;

/// Why this change needs an operator's word; `None`: it does not.
pub fn objection(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> Option<String> {
    let kinds: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    kinds.into_iter().find_map(|kind| {
        let (had, has) = (before.get(kind).copied().unwrap_or(0), after.get(kind).copied().unwrap_or(0));
        let objects = if kind == AUTHENTICATION_PLUGINS {
            has < had
        } else {
            let share = |part: u64, percent: u64| had >= 10 && part * 100 >= percent * had;
            (had > 0 && has == 0) || share(had.saturating_sub(has), 40) || share(has.saturating_sub(had), 200)
        };
        objects.then(|| format!("{kind} from {had} to {has}"))
    })
}
