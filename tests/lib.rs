//! What the tests share: programs of others to run against, a cluster of real processes, and a world in memory and virtual time.

pub mod keygen;
pub mod mutants;
pub mod simulation;
pub mod site;
pub mod third_party;
pub mod virtual_world;
