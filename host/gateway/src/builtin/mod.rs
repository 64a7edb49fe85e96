//! The built-in gateway: an HTTP proxy over one routing table that is swapped as a whole.
//!
//! ```text
//! apply ─► build table and certificates ─► swap the pointer     requests under way keep the table they began with
//! listen ─► (TLS) ─► serve ─► table.decide ─► proxy | respond
//! ```
//!
//! A request reads one atomic pointer and takes no lock, and so does a handshake. Until the first configuration every request is
//! answered 503: an empty table would answer 404, which is a lie (boot-10).

mod authorities;
mod certificates;
mod clients;
mod headers;
mod ids;
mod listen;
mod outgoing;
mod proxy;
mod respond;
mod telling;
mod tls;
mod trusted;
mod upgrade;
mod upstream;
mod upstream_tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use holdover_plugin::routing::{ServerCertificates, Table, Unenforced, Unroutable, UpstreamCertificates};
use holdover_ports::{Config, Gateway, GatewayStatus, NotApplied};
use tokio::sync::Mutex;

pub use authorities::UpstreamAuthorities;
pub use certificates::DefaultCertificate;
pub use listen::NotBound;
pub use telling::Telling;
pub use trusted::Trusted;

use certificates::Certificates;
use clients::Clients;
use ids::Ids;
use listen::{Listeners, Places};
use tls::Handshakes;
use upstream_tls::{Trust, Ways};

#[derive(Clone, Default)]
pub struct Options {
    /// Plugins that may be left out.
    pub unenforced: Unenforced,
    /// Where TLS is spoken, with the certificates of the configuration.
    pub tls_listen: Vec<SocketAddr>,
    /// Without it handshakes fail where the configuration has no certificate for a name, and of clients that send none.
    pub default_certificate: Option<DefaultCertificate>,
    /// Proxies in front that are believed.
    pub trusted: Trusted,
    /// What clients are told of us.
    pub telling: Telling,
    /// Whether upstreams have to prove who they are where their service does not say: Kong's `nginx_proxy_proxy_ssl_verify`.
    pub verifies_upstreams: bool,
    /// Who may have signed the certificates of those that prove it.
    pub upstream_authorities: UpstreamAuthorities,
}

pub struct Builtin {
    served: Arc<Served>,
    listeners: Listeners,
    reading: Arc<Reading>,
    /// Tables are swapped in the order in which they were asked for.
    applying: Mutex<()>,
}

/// What all connections share.
struct Served {
    configuration: ArcSwapOption<Configuration>,
    clients: Clients,
    /// Counts the requests that were balanced.
    balanced: AtomicU64,
    ids: Ids,
    trusted: Trusted,
    telling: Telling,
}

/// What is served by.
struct Configuration {
    table: Table,
    certificates: Certificates,
    upstream_tls: Ways,
}

/// How configurations are read here.
struct Reading {
    unenforced: Unenforced,
    /// Nobody needs certificates of ours without it.
    speaks_tls: bool,
    trust: Trust,
}

impl Builtin {
    /// Binds `listen` for plain HTTP, and what the options name for TLS, and serves at once.
    pub async fn bind(listen: &[SocketAddr], options: Options) -> Result<Self, NotBound> {
        let clients = Clients::new().map_err(NotBound::NoTls)?;
        let ids = Ids::new().map_err(NotBound::NoTls)?;
        let Options { unenforced, tls_listen, default_certificate, trusted, telling, verifies_upstreams, upstream_authorities } = options;
        let handshakes = Handshakes::new(default_certificate).map_err(NotBound::NoTls)?;
        let served =
            Arc::new(Served { configuration: ArcSwapOption::empty(), clients, balanced: AtomicU64::new(0), ids, trusted, telling });
        let listeners = Listeners::bind(Places { plain: listen, tls: &tls_listen }, handshakes, &served).await?;
        let (speaks_tls, trust) = (!tls_listen.is_empty(), Trust::new(&upstream_authorities, verifies_upstreams));
        let reading = Arc::new(Reading { unenforced, speaks_tls, trust });
        Ok(Self { served, listeners, reading, applying: Mutex::new(()) })
    }

    /// Where it listens for plain HTTP, in the order of `listen`; port 0 is resolved.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        self.listeners.addresses()
    }

    /// Where it listens for TLS, in the order of the options.
    pub fn tls_addrs(&self) -> &[SocketAddr] {
        self.listeners.tls_addresses()
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
        let (bytes, reading) = (config.bytes().clone(), Arc::clone(&self.reading));
        // Many routes take a while, during which requests go on being served.
        let built = tokio::task::spawn_blocking(move || reading.read(&bytes)).await;
        let configuration = built
            .map_err(|ended| NotApplied::Failed(format!("building the routing table ended early: {ended}")))?
            .map_err(|unroutable| NotApplied::Rejected(unroutable.to_string()))?;
        self.served.configuration.store(Some(Arc::new(configuration)));
        Ok(())
    }

    fn status(&self) -> GatewayStatus {
        let configuration = self.served.configuration.load();
        let plain = self.local_addrs().iter().map(ToString::to_string);
        let addresses: Vec<String> = plain.chain(self.tls_addrs().iter().map(|address| format!("{address} ssl"))).collect();
        GatewayStatus {
            kind: "builtin",
            unenforced_plugins: configuration.as_ref().map(|running| running.table.unenforced_plugins()).unwrap_or_default(),
            listens_on: Some(addresses.join(", ")),
            ..GatewayStatus::default()
        }
    }
}

impl Reading {
    fn read(&self, config: &[u8]) -> Result<Configuration, Unroutable> {
        let table = Table::build(config, &self.unenforced)?;
        let certificates = if self.speaks_tls { ServerCertificates::read(config)? } else { ServerCertificates::default() };
        let named = UpstreamCertificates::read(config, table.upstream_tls())?;
        let upstream_tls = self.trust.ways(table.upstream_tls(), &named);
        Ok(Configuration { table, certificates: Certificates::of(certificates), upstream_tls })
    }
}
