//! `holdover drill`: the whole story of an outage in one command, on embedded parts and real child processes of this binary.
//!
//! ```text
//!                                            load
//!                                              ▼
//! control plane ─► backup node ─► store ─► new node ─► upstream
//!   (process)       (process)              (process)
//!   killed, changed, started again
//! ```
//! All three processes are of this very binary: `holdover control-plane` and `holdover run`, by Kong's hybrid protocol.
//!
//! The parts are of use to tests by themselves. Nothing here leaves the loopback interface, and nothing here is linked into a
//! node: what the drill finds is what the binary does.

mod child;
mod client;
mod cluster;
pub mod control_plane;
pub mod fixture;
mod hybrid;
mod load;
mod message;
mod options;
mod parts;
mod port;
pub mod process;
mod recovery;
mod report;
mod steps;
pub mod store;
mod story;
mod telling;
pub mod upstream;
mod wait;

pub use client::{Answer, Connection, get};
pub use load::{Counts, Expectation, Load, Watch};
pub use options::{DrillOptions, ExternalStorage, KeyPair, Show, StorageChoice};
pub use recovery::{Recovery, recovery};
pub use report::{NodeLog, Report, Step};
pub use story::run;
pub use wait::{OFTEN, SELDOM, until};
