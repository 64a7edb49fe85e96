//! The node: settings, the loop that runs the policy's episodes, and what a node says of itself.
//!
//! Knows the ports and no adapter; `cli/src/wire.rs` brings those. Decides nothing that the policy decides.

mod bundle;
mod cache;
mod clock;
mod episode;
mod events;
mod export;
mod inbox;
mod node;
mod node_id;
mod random;
mod running;
mod serve;
mod session;
pub mod settings;
mod standing_in;
mod status;
mod sweep;
#[cfg(test)]
mod testing;
mod watching;

pub use bundle::FileBundle;
pub use cache::{FileCache, Remembering, STATE_BYTES_MAX, write_approval};
pub use clock::SystemClock;
pub use events::{Entry, Failure, Journal};
pub use inbox::News;
pub use node::{Node, NodeParts, run};
pub use node_id::{new_id, node_id};
pub use random::SystemRandom;
pub use running::{RunningGateway, Runs};
pub use session::{Delivery, Sessions};
pub use status::{ApprovableReport, ExportReport, GatewayReport, OfficeReport, PolicyInfo, ServingReport, Status, StatusReport, WhyReport};
pub use watching::StatusWatching;
