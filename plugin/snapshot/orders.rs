//! The orders: what the operator wants of every leader. Pins, freeze, approvals, restores (export-03, export-09).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::lines::{UnsignedLines, read_lines};
use super::signature::{Purpose, Trust};
use super::{FORMAT, Refusal};
use crate::model::{Cluster, GatewayVersion, Lineage, Position, UnixMs};

pub const ORDERS_BYTES_MAX: u64 = 256 * 1024;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orders {
    format: u16,
    pub cluster: Cluster,
    pub lineage: Lineage,
    /// Rises with every change.
    pub number: u64,
    /// What new nodes of a version are to take, whatever is newer.
    pub pins: BTreeMap<GatewayVersion, Pin>,
    /// While it stands nothing is exported.
    pub freeze: Option<Act>,
    pub approvals: Vec<Approval>,
    /// What is to be published once more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restores: Vec<Restore>,
    /// What operators did last, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audit: Vec<Audited>,
}

/// Publishes an old generation as a new one, once: while its number is above the head's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restore {
    pub gateway_version: GatewayVersion,
    pub position: Position,
    /// Of the orders that it came with.
    pub number: u64,
    pub act: Act,
}

/// One line of the audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audited {
    /// What was ordered, as a sentence.
    pub what: String,
    pub act: Act,
}

/// Who did something, when and why: for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    pub by: String,
    pub at: UnixMs,
    pub why: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    pub position: Position,
    pub act: Act,
}

/// Releases one held export, once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    pub gateway_version: GatewayVersion,
    /// The head's newest when it was approved: it counts only while that is the newest.
    pub base: Option<Position>,
    pub sameness: String,
    pub not_after: UnixMs,
    pub act: Act,
}

impl Orders {
    pub fn none(cluster: Cluster, lineage: Lineage) -> Self {
        Self {
            format: FORMAT,
            cluster,
            lineage,
            number: 0,
            pins: BTreeMap::new(),
            freeze: None,
            approvals: Vec::new(),
            restores: Vec::new(),
            audit: Vec::new(),
        }
    }

    /// `operators` are the keys that may give orders.
    pub fn read(file: &[u8], operators: &Trust) -> Result<Self, Refusal> {
        let (orders, _) = read_lines::<Self>(file, Purpose::Orders, operators)?;
        if orders.format != FORMAT {
            return Err(Refusal::UnknownFormat(orders.format));
        }
        Ok(orders)
    }

    pub fn lines(&self) -> Result<UnsignedLines, String> {
        UnsignedLines::of(self)
    }
}
