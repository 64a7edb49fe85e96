//! The ids of the plugin `correlation-id`.

use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};

use holdover_plugin::routing::{Circumstances, Correlation};

use super::received::{self, Received};
use crate::vm;

/// Makes them.
pub struct Ids {
    process_random: u128,
    made: Cell<u64>,
}

/// A request's id, and the header that carries it.
pub struct Id {
    pub header_name: String,
    pub value: String,
    pub echo_downstream: bool,
}

impl Default for Ids {
    fn default() -> Self {
        Self { process_random: wide(), made: Cell::new(0) }
    }
}

impl Ids {
    /// What the client sent, else one of our own.
    pub fn of(&self, correlation: &Correlation, received: &Received) -> Id {
        let sent = received.headers.first(&correlation.header_name).filter(|value| !value.is_empty());
        Id {
            header_name: correlation.header_name.clone(),
            value: sent.map_or_else(|| correlation.id(&self.circumstances(received)), str::to_owned),
            echo_downstream: correlation.echo_downstream,
        }
    }

    fn circumstances(&self, received: &Received) -> Circumstances {
        let made = self.made.replace(self.made.get().wrapping_add(1));
        Circumstances {
            random: wide(),
            process_random: self.process_random,
            // A VM knows no process; its number tells ids of two VMs apart as that of a process would.
            process_id: self.process_random as u32,
            ids_before: made,
            server: received.server().unwrap_or(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))),
            connection: received::connection_number().unwrap_or_default(),
            // Envoy does not count them per connection; the VM's own count tells two apart as well.
            connection_requests: made.wrapping_add(1),
            now_unix_ms: vm::now().0,
        }
    }
}

fn wide() -> u128 {
    u128::from(vm::random()) << 64 | u128::from(vm::random())
}
