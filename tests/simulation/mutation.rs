//! Whether the invariants can fail: the policy with one rule broken must be caught, and the whole policy must pass the very same seed.

use holdover_plugin::mutants::{Mutant, choose};

use super::run::{Recipe, run};

/// What came of one mutant.
pub struct Hunted {
    pub name: &'static str,
    pub mutant: Mutant,
    /// The seed, how many were run up to it, and the invariant; `None`: it was not caught.
    pub caught: Option<Caught>,
}

pub struct Caught {
    pub seed: u64,
    pub seeds: u64,
    pub invariant: &'static str,
}

/// Mutants that a simulation of the native policy cannot see, and why.
pub const UNSEEN: [(&str, &str); 3] = [
    ("trap", "an episode that always traps is the host's to survive (tests/component/lost.rs); traps at every call are a fault here"),
    ("loop", "virtual time stands still while code loops; the host's limit on computing ends it (tests/component/lost.rs)"),
    ("eats-memory", "the native core has no limit of memory of its own; the component has (tests/component/lost.rs)"),
];

/// All that are to be caught.
pub fn seen() -> impl Iterator<Item = (&'static str, Mutant)> {
    Mutant::ALL.iter().copied().filter(|(name, _)| !UNSEEN.iter().any(|(unseen, _)| unseen == name))
}

/// Runs seeds from `from` on until this mutant is caught, at most so many.
pub fn hunt(name: &'static str, mutant: Mutant, from: u64, seeds_max: u64, passing_over: &[String]) -> Hunted {
    let caught = (0..seeds_max).find_map(|nth| {
        let seed = from + nth;
        let recipe = Recipe { seed, passing_over: passing_over.to_vec(), ..Recipe::default() };
        choose(&format!("mutant:{name}"));
        let violation = run(&recipe).violation;
        choose("");
        let invariant = violation?.invariant;
        // What the whole policy fails as well proves nothing of the mutant.
        run(&recipe).violation.is_none().then_some(Caught { seed, seeds: nth + 1, invariant })
    });
    Hunted { name, mutant, caught }
}
