//! Connections to upstreams, kept for the requests to come, and which request may go by which.
//!
//! ```text
//! HTTP/1.1 in plain   one pool, by the address that is dialled
//! TLS, HTTP/2         a pool for each address and way of TLS, and in it by the upstream's name
//! ```
//! For those two tell the upstream its name before any header does, as server name or `:authority`: a request never goes by a connection that
//! was opened for another name, or with other trust.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use holdover_plugin::model::Digest;
use http::Uri;
use http::uri::{Authority, Scheme};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use tower_service::Service;

use super::upstream::LentBody;
use super::upstream_tls::{self, Way};

pub(super) type Client = legacy::Client<HttpsConnector<Dialler>, LentBody>;

/// Below what servers commonly keep an idle connection for, so that it is we who close it.
const POOL_IDLE: Duration = Duration::from_secs(50);
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);
/// So many pools are not looked through for those that are out of use.
const POOLS_MIN: usize = 64;

pub(super) struct Clients {
    tcp: HttpConnector,
    /// For what is spoken in plain, so that nobody need be trusted in vain.
    no_tls: ClientConfig,
    plain: Client,
    pools: Mutex<Pools>,
}

/// Where a request goes, and how it is spoken there.
pub(super) struct Upstream<'a> {
    /// Host and port that are dialled.
    pub address: Authority,
    /// `None` in plain.
    pub tls: Option<&'a Way>,
    pub http2: bool,
}

struct Pools {
    clients: HashMap<Key, Pool>,
    /// How many there may be before they are looked through.
    swept_at: usize,
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    address: Authority,
    tls: Option<Digest>,
    http2: bool,
}

struct Pool {
    client: Client,
    used_at: Instant,
}

impl Upstream<'_> {
    /// Whether the connection is its name's and not only its address's.
    pub(super) fn is_named(&self) -> bool {
        self.tls.is_some() || self.http2
    }
}

impl Clients {
    pub(super) fn new() -> Result<Self, String> {
        let no_tls = upstream_tls::with_nobody().map_err(|error| error.to_string())?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(TCP_KEEPALIVE));
        let plain = client(Dialler { tcp: tcp.clone(), place: None }, &no_tls, false);
        Ok(Self { tcp, no_tls, plain, pools: Mutex::new(Pools { clients: HashMap::new(), swept_at: POOLS_MIN }) })
    }

    /// For a request whose URI has the upstream's name, or in plain HTTP/1.1 its address.
    pub(super) fn to(&self, upstream: &Upstream<'_>) -> Client {
        if !upstream.is_named() {
            return self.plain.clone();
        }
        let Upstream { address, tls, http2 } = upstream;
        let key = Key { address: address.clone(), tls: tls.map(|way| way.id), http2: *http2 };
        let opened = || {
            let place = Uri::builder().scheme(Scheme::HTTP).authority(address.clone()).path_and_query("/").build().ok();
            client(Dialler { tcp: self.tcp.clone(), place }, tls.map_or(&self.no_tls, |way| &way.config), *http2)
        };
        self.pools.lock().unwrap_or_else(PoisonError::into_inner).client(key, opened)
    }
}

impl Pools {
    fn client(&mut self, key: Key, opened: impl FnOnce() -> Client) -> Client {
        let used_at = Instant::now();
        if !self.clients.contains_key(&key) && self.clients.len() >= self.swept_at {
            // What was not used for so long has no connection left.
            self.clients.retain(|_, pool| used_at.duration_since(pool.used_at) <= POOL_IDLE);
            self.swept_at = POOLS_MIN.max(self.clients.len().saturating_mul(2));
        }
        let pool = self.clients.entry(key).or_insert_with(|| Pool { client: opened(), used_at });
        pool.used_at = used_at;
        pool.client.clone()
    }
}

fn client(dialler: Dialler, tls: &ClientConfig, http2: bool) -> Client {
    let builder = HttpsConnectorBuilder::new().with_tls_config(tls.clone()).https_or_http();
    let connector = match http2 {
        true => builder.enable_http2().wrap_connector(dialler),
        false => builder.enable_http1().wrap_connector(dialler),
    };
    let mut client = legacy::Client::builder(TokioExecutor::new());
    client.pool_idle_timeout(POOL_IDLE).pool_timer(TokioTimer::new()).timer(TokioTimer::new()).http2_only(http2);
    client.build(connector)
}

/// Opens connections to one place, or to what a URI names.
#[derive(Clone)]
pub(super) struct Dialler {
    tcp: HttpConnector,
    place: Option<Uri>,
}

impl Service<Uri> for Dialler {
    type Response = <HttpConnector as Service<Uri>>::Response;
    type Error = <HttpConnector as Service<Uri>>::Error;
    type Future = <HttpConnector as Service<Uri>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.tcp.poll_ready(context)
    }

    fn call(&mut self, named: Uri) -> Self::Future {
        self.tcp.call(self.place.clone().unwrap_or(named))
    }
}
