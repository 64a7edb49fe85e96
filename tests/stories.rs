//! Outages that happened in the world, as readable files in `stories/`, each played with Holdover in the place of what failed.
//!
//! A story is played on the native core and on the component, in virtual time. It also names the broken rules that it must notice: a
//! story that a mutant survives proves nothing. `story/vocabulary.rs` has every sentence that a story may say.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

#[path = "story/backup.rs"]
mod backup;
#[path = "story/cast.rs"]
mod cast;
#[path = "story/claims.rs"]
mod claims;
#[path = "story/configurations.rs"]
mod configurations;
#[path = "story/form.rs"]
mod form;
#[path = "story/gateway_node.rs"]
mod gateway_node;
#[path = "component/native.rs"]
mod native;
#[path = "story/stage.rs"]
mod node;
#[path = "story/player.rs"]
mod player;
#[path = "component/runner.rs"]
mod runner;
#[path = "story/script.rs"]
mod script;
#[path = "story/told.rs"]
mod told;
#[path = "story/vocabulary.rs"]
mod vocabulary;
