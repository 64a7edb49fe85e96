//! A URL that serves the configuration, polled.
//!
//! ```text
//! dial: GET ── 200 ─► session ── sleep, GET If-None-Match ──┬─ 304, or the same bytes ─► sleep on
//!                                                           ├─ other bytes ─► deliver
//!                                                           └─ failure ─► sleep on; the third in a row ends the session
//! ```
//! A configuration is delivered whole or not at all. Knows nothing of its format.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use holdover_ports::{Answer, Config, Dial, Random, Session, Unanswered};
use http::header::{ETAG, IF_NONE_MATCH};
use http::{HeaderValue, StatusCode};
use reqwest::{Certificate, Client, Response, Url, redirect};

use crate::{BODY_BYTES_MAX, failure};

pub const POLL_INTERVAL_DEFAULT: Duration = Duration::from_secs(5);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Between two pieces of an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// One exchange as a whole: the largest body at about 20 Mbit/s.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(120);
const REDIRECTS_MAX: usize = 5;
/// One hiccup loses no session; a control plane that is away for three polls is away.
const FAILURES_IN_A_ROW_MAX: u32 = 3;

pub struct HttpSettings {
    /// `http://` or `https://`. A user and password in it are used as basic authentication.
    pub url: String,
    pub authorization: Option<Authorization>,
    /// Trusted besides the machine's own roots: PEM, one or more certificates.
    pub ca_pem: Option<Vec<u8>>,
    pub poll_interval: Duration,
}

/// What a request proves itself with. Cannot be printed.
pub struct Authorization(Credentials);

enum Credentials {
    Bearer(String),
    Basic { user: String, password: String },
}

pub struct HttpControlPlane {
    source: Arc<Source>,
}

struct Source {
    client: Client,
    /// Its user and password, if any, are sent as basic authentication by the client.
    url: Url,
    /// The URL without user, password and query, for sentences.
    shown: String,
    authorization: Option<Authorization>,
    poll_interval: Duration,
    random: Arc<dyn Random>,
}

struct Polling {
    source: Arc<Source>,
    /// What `dial` brought, until it is asked for.
    first: Option<Config>,
    latest: holdover_plugin::model::Digest,
    etag: Option<HeaderValue>,
}

enum Exchange {
    NotModified,
    Body(Config, Option<HeaderValue>),
}

impl HttpControlPlane {
    /// The process must have installed a rustls provider. `Err` is a sentence for the operator.
    pub fn new(settings: HttpSettings, random: Arc<dyn Random>) -> Result<Self, String> {
        let url = Url::parse(&settings.url)
            .map_err(|error| format!("holdover_control_plane is no URL ({error}); write it as https://host/path"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(format!("holdover_control_plane has the scheme '{}'; write it as https://host/path", url.scheme()));
        }
        let client = client(&url, settings.ca_pem.as_deref())?;
        let source = Source {
            client,
            shown: shown(&url),
            url,
            authorization: settings.authorization,
            poll_interval: settings.poll_interval,
            random,
        };
        Ok(Self { source: Arc::new(source) })
    }
}

impl Authorization {
    pub fn bearer(token: String) -> Result<Self, String> {
        // Said at start, not with the first request: the token is the only text here that goes into a header as it is.
        HeaderValue::from_str(&token).map_err(
            |_| "the bearer token of holdover_control_plane holds a character that no HTTP header may hold; look for a line break in it",
        )?;
        Ok(Self(Credentials::Bearer(token)))
    }

    pub fn basic(user: String, password: String) -> Self {
        Self(Credentials::Basic { user, password })
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorization(***)")
    }
}

#[async_trait]
impl Dial for HttpControlPlane {
    fn name(&self) -> String {
        self.source.shown.clone()
    }

    async fn dial(&self) -> Result<Box<dyn Session>, Unanswered> {
        match self.source.exchange(None).await? {
            Exchange::Body(config, etag) => {
                let (source, latest) = (self.source.clone(), config.digest());
                Ok(Box::new(Polling { source, latest, first: Some(config), etag }))
            }
            Exchange::NotModified => Err(failure::of_status(&self.source.shown, StatusCode::NOT_MODIFIED)),
        }
    }
}

#[async_trait]
impl Session for Polling {
    async fn next(&mut self) -> Result<Config, Unanswered> {
        if let Some(first) = self.first.take() {
            return Ok(first);
        }
        let mut failures_in_a_row = 0;
        loop {
            tokio::time::sleep(self.source.pause()).await;
            match self.source.exchange(self.etag.as_ref()).await {
                Ok(Exchange::NotModified) => failures_in_a_row = 0,
                Ok(Exchange::Body(config, etag)) => {
                    failures_in_a_row = 0;
                    self.etag = etag;
                    if config.digest() != self.latest {
                        self.latest = config.digest();
                        return Ok(config);
                    }
                }
                Err(unanswered) => {
                    failures_in_a_row += 1;
                    tracing::debug!(failures_in_a_row, detail = unanswered.detail, "a poll failed");
                    if failures_in_a_row == FAILURES_IN_A_ROW_MAX {
                        return Err(unanswered);
                    }
                }
            }
        }
    }
}

impl Source {
    /// The poll interval, a fifth more or less, so that the nodes of a cluster spread out.
    fn pause(&self) -> Duration {
        let fraction = self.random.random() as f64 / u64::MAX as f64;
        self.poll_interval.mul_f64(0.8 + 0.4 * fraction)
    }

    async fn exchange(&self, etag: Option<&HeaderValue>) -> Result<Exchange, Unanswered> {
        let mut request = self.client.get(self.url.clone());
        request = match &self.authorization {
            None => request,
            Some(Authorization(Credentials::Bearer(token))) => request.bearer_auth(token),
            Some(Authorization(Credentials::Basic { user, password })) => request.basic_auth(user, Some(password)),
        };
        if let Some(etag) = etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Err(self.no_answer(error).await),
        };
        match response.status() {
            StatusCode::OK => {
                let etag = response.headers().get(ETAG).cloned();
                let bytes = self.body(response).await?;
                Ok(Exchange::Body(Config::delivered(bytes), etag))
            }
            StatusCode::NOT_MODIFIED if etag.is_some() => Ok(Exchange::NotModified),
            status if status.is_redirection() => {
                let what = format!("it answered HTTP {}, a redirection to another host", status.as_u16());
                Err(failure::unanswered(&self.shown, Answer::Unexpected, &what))
            }
            status => Err(failure::of_status(&self.shown, status)),
        }
    }

    async fn body(&self, mut response: Response) -> Result<Bytes, Unanswered> {
        let too_large = || {
            let what = format!("it answered with more than the {BODY_BYTES_MAX} bytes that are taken");
            failure::unanswered(&self.shown, Answer::Unexpected, &what)
        };
        let announced = response.content_length().unwrap_or(0);
        if announced > BODY_BYTES_MAX {
            return Err(too_large());
        }
        // Bounded above; a length that was announced and is not kept ends as a failure of the exchange.
        let mut bytes = BytesMut::with_capacity(announced as usize);
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken_off(&error))? {
            if bytes.len() as u64 + chunk.len() as u64 > BODY_BYTES_MAX {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        if bytes.is_empty() {
            return Err(failure::unanswered(&self.shown, Answer::NotConfigured, "it answered with an empty body"));
        }
        Ok(bytes.freeze())
    }

    fn broken_off(&self, error: &reqwest::Error) -> Unanswered {
        failure::of_exchange(&self.shown, error, self.url.scheme() == "https")
    }

    async fn no_answer(&self, error: reqwest::Error) -> Unanswered {
        let unanswered = self.broken_off(&error);
        if unanswered.answer == Answer::ConnectionRefused && !self.refused_everywhere().await {
            let what = "one of its addresses refused the connection, and another did not answer in time";
            return failure::unanswered(&self.shown, Answer::TimedOut, what);
        }
        unanswered
    }

    /// The client reports its last address only, and the policy gives up sooner when all refuse.
    async fn refused_everywhere(&self) -> bool {
        let (Some(host), Some(port)) = (self.url.host_str(), self.url.port_or_known_default()) else { return true };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let Ok(addresses) = tokio::net::lookup_host((host, port)).await else { return true };
        let addresses: Vec<_> = addresses.collect();
        if addresses.len() < 2 {
            return true;
        }
        let mut knocks = tokio::task::JoinSet::new();
        for address in addresses {
            knocks.spawn(tokio::time::timeout(CONNECT_TIMEOUT, tokio::net::TcpStream::connect(address)));
        }
        while let Some(knock) = knocks.join_next().await {
            let refused = matches!(knock, Ok(Ok(Err(error))) if error.kind() != std::io::ErrorKind::TimedOut);
            if !refused {
                return false;
            }
        }
        true
    }
}

fn client(url: &Url, ca_pem: Option<&[u8]>) -> Result<Client, String> {
    let builder = Client::builder()
        .user_agent(concat!("holdover/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .timeout(EXCHANGE_TIMEOUT)
        // A variable in the environment must not decide who sees the configuration.
        .no_proxy()
        .referer(false)
        .redirect(redirect::Policy::custom(within_host));
    let builder = match ca_pem {
        // Plain http trusts nobody, and must start where no roots are installed.
        _ if url.scheme() == "http" => builder.tls_certs_only([]),
        None => builder,
        Some(pem) => {
            let certificates = Certificate::from_pem_bundle(pem)
                .map_err(|_| "the CA certificate for holdover_control_plane is no PEM file; give it one or more CERTIFICATE blocks")?;
            builder.tls_certs_merge(certificates)
        }
    };
    builder.build().map_err(|error| format!("holdover_control_plane cannot be asked with TLS ({error}); install CA certificates"))
}

/// The configuration and the credentials stay with the host that the operator named.
fn within_host(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let same = attempt.previous().first().is_some_and(|first| first.origin() == attempt.url().origin());
    if same && attempt.previous().len() <= REDIRECTS_MAX { attempt.follow() } else { attempt.stop() }
}

fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    // These fail for a URL without a host only, and this one has a host.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_query(None);
    shown.set_fragment(None);
    let query = if url.query().is_some() { "?***" } else { "" };
    format!("{shown}{query}")
}
