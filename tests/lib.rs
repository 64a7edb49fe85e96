//! What the tests share: programs of others to run against, and a world in memory and virtual time.

pub mod third_party;
pub mod virtual_world;
