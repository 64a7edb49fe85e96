//! Which transport sockets hold a TLS context, and where. Others may wrap them, each in a field of its own.
//!
//! The protos are those of `envoy/extensions/transport_sockets/` in github.com/envoyproxy/data-plane-api.

use super::envoy::{any, transport_socket};
use super::types;
use super::wire::Message;

/// Transport sockets within each other.
const WRAPPINGS_MAX: usize = 8;

const PACKAGE: &str = "envoy.extensions.transport_sockets.";

pub enum Tls<'a> {
    Upstream(Message<'a>),
    Downstream(Message<'a>),
}

/// What stands in a socket of a type.
enum Holds {
    Upstream,
    Downstream,
    Socket,
}

/// The message's name behind [`PACKAGE`], what it holds, and in which field; in none: it is one itself.
const HOLDERS: [(&str, Holds, Option<u64>); 11] = [
    ("tls.v3.UpstreamTlsContext", Holds::Upstream, None),
    ("tls.v3.DownstreamTlsContext", Holds::Downstream, None),
    ("quic.v3.QuicUpstreamTransport", Holds::Upstream, Some(1)),
    ("quic.v3.QuicDownstreamTransport", Holds::Downstream, Some(1)),
    ("starttls.v3.UpstreamStartTlsConfig", Holds::Upstream, Some(2)),
    ("starttls.v3.StartTlsConfig", Holds::Downstream, Some(2)),
    ("tcp_stats.v3.Config", Holds::Socket, Some(1)),
    ("http_11_proxy.v3.Http11ProxyUpstreamTransport", Holds::Socket, Some(1)),
    ("proxy_protocol.v3.ProxyProtocolUpstreamTransport", Holds::Socket, Some(2)),
    ("tap.v3.Tap", Holds::Socket, Some(2)),
    ("internal_upstream.v3.InternalUpstreamTransport", Holds::Socket, Some(3)),
];

/// `None`: there is no TLS, or none that is known.
pub fn tls(socket: Message<'_>) -> Result<Option<Tls<'_>>, String> {
    let mut socket = socket;
    for _ in 0..=WRAPPINGS_MAX {
        let typed = socket.message(transport_socket::TYPED_CONFIG)?;
        let name = message_name(typed)?.strip_prefix(PACKAGE).unwrap_or_default();
        let Some((_, holds, field)) = HOLDERS.iter().find(|(known, ..)| *known == name) else { return Ok(None) };
        let value = typed.message(any::VALUE)?;
        let held = field.map_or(Ok(value), |field| value.message(field))?;
        match holds {
            Holds::Upstream => return Ok(Some(Tls::Upstream(held))),
            Holds::Downstream => return Ok(Some(Tls::Downstream(held))),
            Holds::Socket => socket = held,
        }
    }
    Err(format!("has transport sockets in more than {WRAPPINGS_MAX} others; that many is the most that is taken"))
}

/// The full name of the message in an `Any`; empty if there is none.
pub fn message_name(any: Message<'_>) -> Result<&str, String> {
    Ok(any.text(any::TYPE_URL)?.strip_prefix(types::PREFIX).unwrap_or_default())
}
