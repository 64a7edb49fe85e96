//! The table of rules: which mutant each has. A rule without one, and a mutant without a rule, fail here.

use std::collections::BTreeSet;

use holdover_plugin::mutants::Mutant;

use crate::rules::{self, Rule};
use crate::runner::Core;
use crate::{applying, control_plane, fenced_mutants, ladder, lost, outage, quarantine, rejoin, storages, trust};

/// The rules that this suite answers for with a mutant. Rule boot-12 is a matter of linking: `tests/worlds.rs`.
const RULES: [&str; 17] = [
    "boot_01",
    "boot_02",
    "boot_03",
    "boot_04",
    "boot_05",
    "boot_06",
    "boot_07",
    "boot_08",
    "boot_09",
    "boot_10",
    "boot_11",
    "boot_13",
    "boot_14",
    "boot_15",
    "boot_16",
    "export_13",
    "export_15",
];

const TABLE: [Rule; 17] = [
    outage::boot_01::RULE,
    outage::boot_02::RULE,
    ladder::boot_03::RULE,
    ladder::boot_04::RULE,
    ladder::boot_05::RULE,
    ladder::boot_06::RULE,
    trust::boot_07::RULE,
    ladder::boot_08::RULE,
    applying::boot_09::RULE,
    applying::boot_10::RULE,
    control_plane::boot_11::RULE,
    trust::boot_13::RULE,
    rejoin::boot_14::RULE,
    quarantine::boot_15::RULE,
    trust::boot_16::RULE,
    storages::export_13::RULE,
    storages::export_15::RULE,
];

#[test]
fn every_rule_has_cases_that_name_it_and_a_mutant_of_its_own() {
    let names: Vec<_> = TABLE.iter().map(|rule| rule.name).collect();
    assert_eq!(names, RULES);
    for rule in &TABLE {
        assert_eq!(rule.mutant.replace('-', "_"), rule.name);
        assert!(rule.cases.iter().all(|case| case.starts_with(rule.name)), "{:?}", rule.cases);
    }
}

/// Otherwise a mutant could be noticed by its name.
#[test]
fn a_node_that_is_named_after_no_mutant_breaks_nothing() {
    for core in [Core::Native, Core::Component] {
        rules::play(rules::mutant(core, "none"), outage::boot_01_the_storage_is_asked_only_once_the_control_plane_is_given_up);
    }
}

#[test]
fn every_mutant_is_somebodys() {
    let known: BTreeSet<_> = Mutant::ALL.iter().map(|(name, _)| *name).collect();
    let used: BTreeSet<_> =
        TABLE.iter().map(|rule| rule.mutant).chain(lost::MISBEHAVIOURS).chain(fenced_mutants::MUTANTS.iter().copied()).collect();
    assert_eq!(known, used);
}
