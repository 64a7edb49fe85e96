//! Kong's hybrid protocol, version 1: one websocket over mutual TLS between a data plane and its control plane, both ends of it.
//!
//! ```text
//! Connection::open   ── TLS ── GET /v1/outlet ── basic_info ── PING hash ─►   serve
//! connection.next()  ◄─────────────── reconfigure (gzip) ────────────────    Offers::offer
//!                    ── PING hash ──────────────────────────────────────►    Offers::seen
//!                    ◄──────────────────────────────────────── PONG ─────
//! ```
//! [`client`] is the data plane's end, [`server`] the control plane's. A hash in a ping is the only acknowledgement that exists.
//! Knows bytes, frames, certificates and waits; knows no settings file, and not whose configuration this is or what is done with it.
//! Every error is a value with a sentence, and ends one connection.

pub mod client;
pub mod gzip;
pub mod identity;
pub mod message;
pub mod proxy;
mod reconfigure;
pub mod server;
pub mod tls;
pub mod version;

mod distrust;
mod frames;
mod proof;
mod spki;
mod upgrade;

use std::time::Duration;

pub use client::{Acknowledges, Connection, Ended, HostPort, Received, Refusal, Stage, Target};
pub use frames::BadFrame;
pub use identity::{Authorities, Given, Identity};
pub use message::{BasicInfo, Plugin, bundled_plugins};
pub use proof::ServerProof;
pub use proxy::Proxy;
pub use reconfigure::{NotRead, Reconfigure};
pub use server::{DataPlane, Introduced, Limits, Offer, Offers, State, serve};
pub use tls::{ClientTls, ServerTls};
pub use version::KongVersion;

/// The hash of a data plane that runs no configuration.
pub const NO_HASH: &str = "00000000000000000000000000000000";
/// What `cluster_max_payload` is unless it is set.
pub const PAYLOAD_MAX_DEFAULT: usize = 16_777_216;
/// The least that Kong takes for `cluster_max_payload`.
pub const PAYLOAD_MAX_MIN: usize = 4_194_304;

/// For every step of a conversation and every stall of a write, on both sides.
pub(crate) const STEP: Duration = Duration::from_secs(5);
/// Between two pings of a data plane.
pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(30);
/// After this long without a frame the other side is gone.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(45);
/// The length of a configuration's hash, and therefore of a ping's payload.
pub(crate) const HASH_BYTES: usize = 32;
