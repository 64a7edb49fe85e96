//! The lease: what keeps a leader alive. Liveness only; safety is the head's (export-06).

use serde::{Deserialize, Serialize};

use super::lines::{UnsignedLines, read_lines};
use super::signature::{Purpose, Trust};
use super::{FORMAT, Refusal};
use crate::model::{Cluster, Epoch, Lineage, UnixMs};

pub const LEASE_BYTES_MAX: u64 = 64 * 1024;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    format: u16,
    pub cluster: Cluster,
    pub lineage: Lineage,
    pub epoch: Epoch,
    /// Who leads: a name for people.
    pub holder: String,
    /// Of the process that leads.
    pub process: u64,
    /// Counts renewals, so that every one changes the body.
    pub renewals: u64,
    /// By the leader's clock: for people. Whether the lease lives is read off its changes.
    pub renewed_at: UnixMs,
    /// Given back: the next may take it at once.
    pub released: bool,
}

impl Lease {
    pub fn first(cluster: Cluster, lineage: Lineage, epoch: Epoch, holder: String, process: u64) -> Self {
        Self { format: FORMAT, cluster, lineage, epoch, holder, process, renewals: 0, renewed_at: UnixMs::default(), released: false }
    }

    pub fn read(file: &[u8], trust: &Trust) -> Result<Self, Refusal> {
        let (lease, _) = read_lines::<Self>(file, Purpose::Lease, trust)?;
        if lease.format != FORMAT {
            return Err(Refusal::UnknownFormat(lease.format));
        }
        Ok(lease)
    }

    pub fn lines(&self) -> Result<UnsignedLines, String> {
        UnsignedLines::of(self)
    }
}
