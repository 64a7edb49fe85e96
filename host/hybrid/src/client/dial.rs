//! The way to an introduced connection: name, TCP, perhaps a proxy, TLS, upgrade, introduction. Each step has its time.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use holdover_tls::TlsFailure;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::refusal::is_reset;
use super::{Refusal, Stage, Target};
use crate::distrust::why_not;
use crate::frames::{Kind, Link, LinkError, Side};
use crate::upgrade::{self, NoHead};
use crate::{Proxy, STEP, proxy};

/// For one address.
const CONNECT: Duration = Duration::from_secs(3);

pub(super) type Stream = TlsStream<TcpStream>;

/// Where a control plane is: `cluster_control_plane`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// Without the brackets of an IPv6 address.
    pub host: String,
    pub port: u16,
}

impl HostPort {
    /// `host:port`, as Kong has it. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = proxy::split(text.trim(), 0)?;
        (port != 0).then_some(Self { host, port })
    }
}

impl std::fmt::Display for HostPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let port = self.port;
        if self.host.contains(':') { write!(f, "[{}]:{port}", self.host) } else { write!(f, "{}:{port}", self.host) }
    }
}

/// Up to the end of the TLS handshake.
pub(super) async fn dial(target: &Target) -> Result<Stream, Refusal> {
    let HostPort { host, port } = &target.control_plane;
    let Some(name) = target.tls.server_name(host) else {
        return Err(Refusal::BadTarget(format!("the host '{host}' can stand in no certificate; set cluster_server_name")));
    };
    let tcp = match &target.proxy {
        None => connect(host, *port).await?,
        Some(proxy) => {
            let mut tcp = connect(&proxy.host, proxy.port).await?;
            open_way(&mut tcp, proxy, &target.control_plane).await?;
            tcp
        }
    };
    // Frames are written whole; waiting to fill a packet only delays them. A socket that refuses is used all the same.
    let _ = tcp.set_nodelay(true);
    let handshake = TlsConnector::from(target.tls.config()).connect(name, tcp);
    match within(Stage::Tls, handshake).await? {
        Ok(stream) => Ok(stream),
        Err(error) => Err(of_io(&error, Stage::Tls)),
    }
}

/// Sends the request, and takes 101 for an answer. `Sec-WebSocket-Accept` is not looked at, as in Kong.
pub(super) async fn upgrade(target: &Target, mut stream: Stream) -> Result<Link<Stream>, Refusal> {
    let texts = [&target.node_id, &target.hostname, &target.version];
    // They go into a request line as they are.
    if let Some(odd) = texts.into_iter().find(|text| !text.bytes().all(|b| b.is_ascii_graphic() && !b"&?#%\"<>".contains(&b))) {
        return Err(Refusal::BadTarget(format!("'{odd}' cannot stand in a request; use letters, digits, dots and dashes only")));
    }
    let request = upgrade::request(&target.control_plane.to_string(), &target.node_id, &target.hostname, &target.version);
    let mut read_ahead = BytesMut::new();
    let exchange = async {
        stream.write_all(request.as_bytes()).await.map_err(NoHead::Io)?;
        stream.flush().await.map_err(NoHead::Io)?;
        upgrade::answer(&mut stream, &mut read_ahead).await
    };
    match within(Stage::Upgrade, exchange).await? {
        Ok(101) => Ok(Link::new(stream, Side::DataPlane, read_ahead, target.payload_max)),
        Ok(status) => Err(Refusal::Status(status)),
        Err(NoHead::Closed) => Err(Refusal::ClosedAfterTls),
        Err(NoHead::TooLong) => Err(Refusal::NotHttp("its answer has no end".to_owned())),
        Err(NoHead::Malformed(detail)) => Err(Refusal::NotHttp(detail)),
        // A socket that is closed over an unread request is reset.
        Err(NoHead::Io(error)) if is_reset(&error) => Err(Refusal::ClosedAfterTls),
        Err(NoHead::Io(error)) => Err(of_io(&error, Stage::Upgrade)),
    }
}

/// Writes the introduction and the first ping.
pub(super) async fn introduce(target: &Target, link: &mut Link<Stream>, hash: &str) -> Result<(), Refusal> {
    let written = async {
        link.write(Kind::Binary, &target.introduction).await?;
        link.write(Kind::Ping, hash.as_bytes()).await
    };
    written.await.map_err(|error| match error {
        LinkError::TooLarge { bytes, max } => Refusal::TooLarge { bytes, max },
        LinkError::Stalled => Refusal::TimedOut { stage: Stage::Introduction },
        LinkError::Io(error) => of_io(&error, Stage::Introduction),
        LinkError::Closed | LinkError::Bad(_) => Refusal::ConnectionReset { stage: Stage::Introduction },
    })
}

/// Every address in turn. Only if all of them refuse, nothing listens there.
async fn connect(host: &str, port: u16) -> Result<TcpStream, Refusal> {
    let not_resolved = |detail: String| Refusal::NameNotResolved { host: host.to_owned(), detail };
    let addresses = match within(Stage::Resolve, tokio::net::lookup_host((host, port))).await? {
        Ok(addresses) => addresses,
        Err(error) => return Err(not_resolved(error.to_string())),
    };
    let mut refusal = None;
    for address in addresses {
        let failed = match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => of_connect(&error),
            Err(_) => Refusal::TimedOut { stage: Stage::Connect },
        };
        // An address that is silent says more than one that refuses.
        if refusal.is_none() || failed != Refusal::ConnectionRefused {
            refusal = Some(failed);
        }
    }
    Err(refusal.unwrap_or_else(|| not_resolved("it has no address".to_owned())))
}

async fn open_way(tcp: &mut TcpStream, proxy: &Proxy, to: &HostPort) -> Result<(), Refusal> {
    let authorization = proxy.authorization.as_ref().map(|value| format!("Proxy-Authorization: {value}\r\n")).unwrap_or_default();
    let request = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n{authorization}\r\n");
    let exchange = async {
        tcp.write_all(request.as_bytes()).await.map_err(NoHead::Io)?;
        upgrade::answer(tcp, &mut BytesMut::new()).await
    };
    match within(Stage::Proxy, exchange).await? {
        // Behind the head of a 2xx nothing comes before this side begins with TLS.
        Ok(200..=299) => Ok(()),
        Ok(status) => Err(Refusal::Proxy { status: Some(status) }),
        Err(NoHead::Io(error)) if is_reset(&error) => Err(Refusal::ConnectionReset { stage: Stage::Proxy }),
        Err(NoHead::Closed | NoHead::TooLong | NoHead::Malformed(_) | NoHead::Io(_)) => Err(Refusal::Proxy { status: None }),
    }
}

async fn within<T>(stage: Stage, step: impl Future<Output = T>) -> Result<T, Refusal> {
    timeout(STEP, step).await.map_err(|_| Refusal::TimedOut { stage })
}

fn of_connect(error: &io::Error) -> Refusal {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Refusal::ConnectionRefused,
        io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            Refusal::TimedOut { stage: Stage::Connect }
        }
        _ if is_reset(error) => Refusal::ConnectionReset { stage: Stage::Connect },
        _ => Refusal::NotConnected { detail: error.to_string() },
    }
}

fn of_io(error: &io::Error, stage: Stage) -> Refusal {
    match TlsFailure::within(error) {
        Some(TlsFailure::Theirs(reason)) => Refusal::TheirCertificate(why_not(reason.as_ref())),
        Some(TlsFailure::Ours(alert)) => Refusal::OurCertificate(format!("alert {alert:?}")),
        Some(TlsFailure::Other(error)) => Refusal::Tls(error.to_string()),
        None if is_reset(error) || error.kind() == io::ErrorKind::UnexpectedEof => Refusal::ConnectionReset { stage },
        None => Refusal::Tls(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_plane_is_a_host_and_a_port() {
        let parsed = |text| HostPort::parse(text).map(|place| (place.host.clone(), place.port, place.to_string()));
        assert_eq!(parsed("cp.example:8005"), Some(("cp.example".into(), 8005, "cp.example:8005".into())));
        assert_eq!(parsed(" [::1]:8005 "), Some(("::1".into(), 8005, "[::1]:8005".into())));
        for wrong in
            ["", "cp.example", ":8005", "cp.example:", "cp.example:0", "cp.example:99999", "http://cp:8005", "[::1", "a b:1", "::1"]
        {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }
}
