//! The control planes that a node can follow: a URL that is polled, a file that is watched, Kong's in hybrid mode, and an xDS management
//! server. Each is a [`holdover_ports::Dial`]; `holdover-node` makes the policy's control plane of it.
//!
//! Knows how a document arrives, and when it has changed. Knows nothing of what stands in it, and decides nothing: what an
//! unanswered call means is the policy's to say.

mod failure;
mod file;
mod http;
mod kong;
mod xds;

pub use file::FileControlPlane;
pub use http::{Authorization, HttpControlPlane, HttpSettings, POLL_INTERVAL_DEFAULT};
pub use kong::KongControlPlane;
pub use xds::{XdsControlPlane, reads};

/// The most that a control plane may deliver, in bytes.
pub(crate) const BODY_BYTES_MAX: u64 = holdover_plugin::config::CONFIG_BYTES_MAX as u64;
