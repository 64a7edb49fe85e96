//! The built-in gateway: an HTTP proxy over one routing table that is swapped as a whole.
//!
//! ```text
//! apply ─► build a table ─► swap the pointer          requests under way keep the table they began with
//! listen ─► serve ─► table.decide ─► proxy | respond
//! ```
//!
//! A request reads one atomic pointer and takes no lock. Until the first configuration every request is answered 503: an empty
//! table would answer 404, which is a lie (boot-10).

mod headers;
mod listen;
mod proxy;
mod respond;
mod upgrade;
mod upstream;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use holdover_plugin::routing::{Table, Unenforced};
use holdover_ports::{Config, Gateway, GatewayStatus, NotApplied};
use tokio::sync::Mutex;

pub use listen::NotBound;

use listen::Listeners;
use upstream::Clients;

#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Plugins that may be left out.
    pub unenforced: Unenforced,
}

pub struct Builtin {
    served: Arc<Served>,
    listeners: Listeners,
    unenforced: Unenforced,
    /// Tables are swapped in the order in which they were asked for.
    applying: Mutex<()>,
}

/// What all connections share.
struct Served {
    table: ArcSwapOption<Table>,
    clients: Clients,
    /// Counts the requests that were balanced.
    balanced: AtomicU64,
    ids: proxy::Ids,
}

impl Builtin {
    /// Binds `proxy_listen` and serves at once.
    pub async fn bind(listen: &[SocketAddr], options: Options) -> Result<Self, NotBound> {
        let clients = Clients::new().map_err(NotBound::NoTls)?;
        let ids = proxy::Ids::new().map_err(NotBound::NoTls)?;
        let served = Arc::new(Served { table: ArcSwapOption::empty(), clients, balanced: AtomicU64::new(0), ids });
        let listeners = Listeners::bind(listen, &served).await?;
        Ok(Self { served, listeners, unenforced: options.unenforced, applying: Mutex::new(()) })
    }

    /// Where it listens, in the order of `listen`; port 0 is resolved.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        self.listeners.addresses()
    }

    /// The first of them.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.local_addrs().first().copied()
    }

    /// Takes no further connection and waits until the requests under way are answered. Says whether all were. To be called once.
    pub async fn drain(&self, patience: Duration) -> bool {
        self.listeners.drain(patience).await
    }
}

#[async_trait]
impl Gateway for Builtin {
    async fn apply(&self, config: &Config) -> Result<(), NotApplied> {
        let _one_at_a_time = self.applying.lock().await;
        let (bytes, unenforced) = (config.bytes().clone(), self.unenforced.clone());
        // Many routes take a while, during which requests go on being served.
        let built = tokio::task::spawn_blocking(move || Table::build(&bytes, &unenforced)).await;
        let table = built
            .map_err(|ended| NotApplied::Failed(format!("building the routing table ended early: {ended}")))?
            .map_err(|unroutable| NotApplied::Rejected(unroutable.to_string()))?;
        self.served.table.store(Some(Arc::new(table)));
        Ok(())
    }

    fn status(&self) -> GatewayStatus {
        let table = self.served.table.load();
        let addresses: Vec<String> = self.local_addrs().iter().map(ToString::to_string).collect();
        GatewayStatus {
            kind: "builtin",
            unenforced_plugins: table.as_ref().map(|table| table.unenforced_plugins()).unwrap_or_default(),
            listens_on: Some(addresses.join(", ")),
        }
    }
}
