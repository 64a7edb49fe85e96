//! A request as it came: its headers, and what Envoy knows of the connection it came on. Each question to Envoy costs, so what few requests need
//! is asked for when it is needed.

use std::cell::OnceCell;
use std::net::SocketAddr;

use holdover_plugin::routing::{Headers, Protocol, Request, Table};
use proxy_wasm::hostcalls;
use proxy_wasm::types::MapType;

pub struct Received {
    pub method: String,
    pub host: String,
    /// From the authority, else the port that the client reached.
    pub port: Option<u16>,
    pub path: String,
    pub query: Option<String>,
    pub headers: Fields,
    server: OnceCell<Option<SocketAddr>>,
    protocol: Protocol,
    sni: Option<String>,
}

/// Without the pseudo headers.
#[derive(Default)]
pub struct Fields {
    texts: Vec<(String, String)>,
    /// The names of those whose values are no text.
    others: Vec<String>,
}

impl Received {
    /// As far as this table may ask. `None` if its first line or host is no text.
    pub fn read(table: &Table) -> Option<Self> {
        // Bytes, for the SDK's texts end the VM on whatever is not UTF-8, and clients may send it.
        let all = hostcalls::get_map_bytes(MapType::HttpRequestHeaders).ok()?;
        let mut pseudo = Pseudo::default();
        let mut headers = Fields { texts: Vec::with_capacity(all.len()), others: Vec::new() };
        for (name, value) in all {
            let text = String::from_utf8(value).ok();
            match (name.as_str(), text) {
                (":method", text) => pseudo.method = Some(text?),
                (":authority", text) => pseudo.authority = Some(text?),
                (":path", text) => pseudo.path = Some(text?),
                (pseudo, _) if pseudo.starts_with(':') => {}
                (_, Some(text)) => headers.texts.push((name, text)),
                (_, None) => headers.others.push(name),
            }
        }
        let authority = pseudo.authority.unwrap_or_default();
        let (host, port) = host_and_port(&authority);
        let server = OnceCell::new();
        // Of the connection: a header that says "https" may come from anybody.
        let tls = text(&["connection", "tls_version"]).is_some_and(|version| !version.is_empty());
        let target = pseudo.path.unwrap_or_default();
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path.to_owned(), Some(query.to_owned())),
            None => (target, None),
        };
        Some(Self {
            method: pseudo.method.unwrap_or_default(),
            host: host.to_ascii_lowercase(),
            port: port.or_else(|| server.get_or_init(server_address).map(|server| server.port())),
            path,
            query,
            headers,
            server,
            protocol: if tls { Protocol::Https } else { Protocol::Http },
            sni: if tls && table.asks_for_server_names() { server_name() } else { None },
        })
    }

    /// The address that the client reached.
    pub fn server(&self) -> Option<SocketAddr> {
        *self.server.get_or_init(server_address)
    }

    /// Envoy is asked each time.
    pub fn is_http2(&self) -> bool {
        text(&["request", "protocol"]).is_some_and(|protocol| protocol == "HTTP/2")
    }

    pub fn as_request(&self) -> Request<'_> {
        Request {
            protocol: self.protocol,
            host: &self.host,
            port: self.port,
            method: &self.method,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &self.headers,
            sni: self.sni.as_deref(),
            // The filter is not told which proxies to believe.
            forwarded_protocol: None,
            forwarded_host: None,
        }
    }
}

#[derive(Default)]
struct Pseudo {
    method: Option<String>,
    authority: Option<String>,
    path: Option<String>,
}

impl Fields {
    pub fn first(&self, name: &str) -> Option<&str> {
        self.texts.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether there is one of this name, be its value a text or not.
    pub fn has(&self, name: &str) -> bool {
        self.texts.iter().map(|(other, _)| other).chain(&self.others).any(|other| other.eq_ignore_ascii_case(name))
    }
}

impl Headers for Fields {
    fn any(&self, name: &str, accepts: &mut dyn FnMut(&str) -> bool) -> bool {
        self.texts.any(name, accepts)
    }

    fn each(&self, visit: &mut dyn FnMut(&str, &str)) {
        self.texts.each(visit);
    }
}

/// At the last colon, unless it stands inside of an IPv6 address.
fn host_and_port(authority: &str) -> (&str, Option<u16>) {
    let split = authority.rsplit_once(':').filter(|(_, port)| !port.contains(']'));
    match split.map(|(host, port)| (host, port.parse().ok())) {
        Some((host, Some(port))) => (host, Some(port)),
        Some((_, None)) | None => (authority, None),
    }
}

fn text(property: &[&str]) -> Option<String> {
    let bytes = hostcalls::get_property(property.to_vec()).ok().flatten()?;
    String::from_utf8(bytes).ok()
}

fn server_address() -> Option<SocketAddr> {
    text(&["destination", "address"])?.parse().ok()
}

fn server_name() -> Option<String> {
    text(&["connection", "requested_server_name"]).filter(|name| !name.is_empty())
}

/// Of this connection, in this Envoy.
pub fn connection_number() -> Option<u64> {
    let bytes = hostcalls::get_property(vec!["connection_id"]).ok().flatten()?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}
