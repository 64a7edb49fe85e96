//! The nouns: values with one meaning each, checked where they are made. Knows no rule and no format.

mod digest;
pub mod hex;
mod names;
mod position;
mod time;
mod version;

pub use digest::{Digest, DigestError};
pub use names::{Cluster, Lineage, NameError};
pub use position::{Epoch, Generation, Position};
pub use time::UnixMs;
pub use version::{GatewayVersion, VersionError, VersionRule};
