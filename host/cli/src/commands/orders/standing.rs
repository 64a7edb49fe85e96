//! The orders that stand in a storage, as they are read: by the desk that adds to them, and by `history` that shows them.

use std::fmt;

use holdover_plugin::snapshot::Trust;
use holdover_plugin::snapshot::keys;
use holdover_plugin::snapshot::orders::{ORDERS_BYTES_MAX, Orders};
use holdover_ports::{Etag, StorageFailureKind, StorageRead};

use crate::commands::opening::Refused;
use crate::commands::storages::is_unseen;

/// How a signature begins, in a line of its own below the orders.
const SIGNATURE_LINE: &[u8] = b"\ned25519:";

pub struct Standing {
    pub orders: Orders,
    pub etag: Option<Etag>,
    /// Whether somebody signed them, believed or not asked for.
    pub is_signed: bool,
}

/// Why they cannot be said.
pub enum Unread {
    /// They are there, and are not believed.
    Refused(Refused),
    /// The storage could not be looked into; its own sentence.
    Unseen(String),
}

/// `None`: nobody gave any.
pub async fn standing(reader: &dyn StorageRead, operators: &Trust) -> Result<Option<Standing>, Unread> {
    let fetched = match reader.get(keys::ORDERS, ORDERS_BYTES_MAX).await {
        Ok(fetched) => fetched,
        // Without ListBucket "absent" looks like "forbidden"; whoever writes then writes only if there are none.
        Err(failure) if matches!(failure.kind, StorageFailureKind::Absent | StorageFailureKind::AbsentOrForbidden) => return Ok(None),
        Err(failure) if is_unseen(failure.kind) => return Err(Unread::Unseen(failure.detail)),
        Err(failure) => return Err(Unread::Refused(failure.into())),
    };
    let is_signed = fetched.bytes.windows(SIGNATURE_LINE.len()).any(|window| window == SIGNATURE_LINE);
    match Orders::read(&fetched.bytes, operators) {
        Ok(orders) => Ok(Some(Standing { orders, etag: fetched.etag, is_signed })),
        Err(refusal) => Err(Unread::Refused(refusal.into())),
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) => write!(f, "not believed: {refused}"),
            Self::Unseen(sentence) => f.write_str(sentence),
        }
    }
}
