//! The way to a connection: name, TCP, perhaps TLS. Each step has its time.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use holdover_tls::TlsFailure;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::channel::Link;
use super::{Refusal, Stage, Target};
use crate::ClientTls;
use crate::tls::why_not;

/// TCP asks after a machine that has been silent for so long, so often, and with this time between two questions.
const IDLE: Duration = Duration::from_secs(10);
const PROBE_INTERVAL: Duration = Duration::from_secs(5);
const PROBES: u32 = 2;

struct Authority<'t> {
    host: &'t str,
    port: u16,
    is_tls: bool,
}

/// The second is what requests are addressed to.
pub(super) async fn dial(target: &Target) -> Result<(Box<dyn Link>, http::Uri), Refusal> {
    let Authority { host, is_tls, .. } = authority(target)?;
    let tcp = connect(target).await?;
    // Requests are small and wait for nothing, and a machine that is gone is to be noticed. A socket that refuses is used all the same.
    let _ = tcp.set_nodelay(true);
    let keepalive = TcpKeepalive::new().with_time(IDLE).with_interval(PROBE_INTERVAL).with_retries(PROBES);
    let _ = SockRef::from(&tcp).set_tcp_keepalive(&keepalive);
    let link: Box<dyn Link> = if is_tls { Box::new(secured(target, host, tcp).await?) } else { Box::new(tcp) };
    Ok((link, target.endpoint.clone()))
}

async fn secured(target: &Target, host: &str, tcp: TcpStream) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Refusal> {
    let tls = match &target.tls {
        Some(tls) => tls.clone(),
        None => ClientTls::new(None, None, None).map_err(Refusal::BadTarget)?,
    };
    let Some(name) = tls.server_name(host) else {
        return Err(Refusal::BadTarget(format!("the host '{host}' can stand in no certificate; set a server name")));
    };
    let handshake = TlsConnector::from(tls.config()).connect(name, tcp);
    match timeout(target.connect_timeout, handshake).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(of_handshake(&error)),
        Err(_) => Err(Refusal::TimedOut { stage: Stage::Tls }),
    }
}

fn authority(target: &Target) -> Result<Authority<'_>, Refusal> {
    let bad = |detail: &str| Refusal::BadTarget(format!("{} {detail}", target.endpoint));
    let Some(host) = target.endpoint.host() else {
        return Err(bad("has no host; write http://host:port or https://host:port"));
    };
    // A URI keeps the brackets of an IPv6 address.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_tls = match target.endpoint.scheme_str() {
        Some("https") => true,
        Some("http") if target.tls.is_some() => return Err(bad("is plain http, and certificates are set; write https, or unset them")),
        Some("http") => false,
        Some(_) | None => return Err(bad("is neither http nor https; write http://host:port or https://host:port")),
    };
    Ok(Authority { host, port: target.endpoint.port_u16().unwrap_or(if is_tls { 443 } else { 80 }), is_tls })
}

/// At least one.
pub(super) async fn addresses(target: &Target) -> Result<Vec<SocketAddr>, Refusal> {
    let Authority { host, port, .. } = authority(target)?;
    let not_resolved = |detail: String| Refusal::NameNotResolved { host: host.to_owned(), detail };
    let addresses: Vec<SocketAddr> = match timeout(target.connect_timeout, tokio::net::lookup_host((host, port))).await {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => return Err(not_resolved(error.to_string())),
        Err(_) => return Err(Refusal::TimedOut { stage: Stage::Resolve }),
    };
    if addresses.is_empty() {
        return Err(not_resolved("it has no address".to_owned()));
    }
    Ok(addresses)
}

/// Every address in turn. Only if all of them refuse, nothing listens there.
async fn connect(target: &Target) -> Result<TcpStream, Refusal> {
    let mut refusal = Refusal::ConnectionRefused;
    for address in addresses(target).await? {
        let failed = match timeout(target.connect_timeout, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => of_connect(&error),
            Err(_) => Refusal::TimedOut { stage: Stage::Connect },
        };
        // An address that is silent says more than one that refuses.
        if failed != Refusal::ConnectionRefused {
            refusal = failed;
        }
    }
    Err(refusal)
}

fn of_connect(error: &io::Error) -> Refusal {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Refusal::ConnectionRefused,
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Refusal::ConnectionReset { stage: Stage::Connect },
        io::ErrorKind::TimedOut => Refusal::TimedOut { stage: Stage::Connect },
        _ => Refusal::NotConnected { detail: error.to_string() },
    }
}

fn of_handshake(error: &io::Error) -> Refusal {
    match TlsFailure::within(error) {
        Some(TlsFailure::Theirs(reason)) => Refusal::TheirCertificate(why_not(reason.as_ref())),
        Some(TlsFailure::Ours(alert)) => Refusal::OurCertificate(format!("alert {alert:?}")),
        Some(TlsFailure::Other(error)) => Refusal::Tls(error.to_string()),
        None => Refusal::ConnectionReset { stage: Stage::Tls },
    }
}
