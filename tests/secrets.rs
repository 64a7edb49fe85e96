//! The secret scanner (all-04): configurations full of secrets, in every situation we know, and nothing of them in anything that is
//! said: logs at level debug, status pages, metrics, the output of every command.
//!
//! What is planted bears a mark, so that a part of it is found as well; of captured configurations every secret value is looked for
//! itself. Each process of every other test is held against its own credentials and keys by `holdover_drill::process`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

#[path = "secrets/commands.rs"]
mod commands;
#[path = "secrets/documents.rs"]
mod documents;
#[path = "secrets/nodes.rs"]
mod nodes;
#[path = "secrets/scanner.rs"]
mod scanner;
