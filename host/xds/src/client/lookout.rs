//! Whether anybody is at a target at all: by TCP alone, so that a control plane that is away is noticed when it is back, long before the
//! next dial, and is not asked for anything by looking.
//!
//! Who accepts connections may still not answer: that a dial finds out, and this does not care.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::select_ok;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::{Target, dial};

/// Between two looks at a place where nobody is.
const OFTEN: Duration = Duration::from_millis(250);
/// Between two looks at a place where somebody is: each costs a server with TLS a line in its log.
const SELDOM: Duration = Duration::from_secs(10);
/// For a connection. Who is further away is found by the next dial.
const NEAR: Duration = Duration::from_millis(500);
/// How long a name keeps its addresses, so that looking does not become name servers' main business.
const RESOLVED_FOR: Duration = Duration::from_secs(2);

impl Target {
    /// Waits until somebody accepts connections where nobody did: not before it has found nobody there. A name that is not resolved is nobody.
    pub async fn appears(&self) {
        let mut was_away = false;
        let mut place = Place::default();
        loop {
            let is_there = place.is_taken(self).await;
            if is_there && was_away {
                return;
            }
            was_away |= !is_there;
            sleep(if is_there { SELDOM } else { OFTEN }).await;
        }
    }
}

#[derive(Default)]
struct Place {
    addresses: Vec<SocketAddr>,
    resolved: Option<Instant>,
}

impl Place {
    async fn is_taken(&mut self, target: &Target) -> bool {
        if self.resolved.is_none_or(|resolved| resolved.elapsed() >= RESOLVED_FOR) {
            self.addresses = dial::addresses(target).await.unwrap_or_default();
            self.resolved = Some(Instant::now());
        }
        if self.addresses.is_empty() {
            return false;
        }
        let connecting = self.addresses.iter().map(|address| Box::pin(TcpStream::connect(address)));
        matches!(timeout(NEAR, select_ok(connecting)).await, Ok(Ok(_)))
    }
}
