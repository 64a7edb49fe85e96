//! A loopback port that stays one's own while nobody listens on it.
//!
//! A socket has it for as long as this lives and never listens: connections are refused until somebody else does, no other process is
//! given the port meanwhile, and no connection begins at it, for one from a port to itself would succeed. Knows not who listens.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Context;
use tokio::net::TcpSocket;

/// A free port, taken.
pub(crate) struct KeptPort {
    address: SocketAddr,
    _keeper: TcpSocket,
}

impl KeptPort {
    pub fn take() -> anyhow::Result<Self> {
        let keeper = bound(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        Ok(Self { address: keeper.local_addr()?, _keeper: keeper })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Another socket that has the port, to listen with. A child process needs none: it binds the address as any server does.
    pub fn socket(&self) -> anyhow::Result<TcpSocket> {
        bound(self.address)
    }
}

/// A socket that has the port and does not listen yet. `SO_REUSEPORT`, because the keeper and a listener have it together;
/// `SO_REUSEADDR`, because connections of the time before may linger on it, and because that is all that other servers ask for.
fn bound(address: SocketAddr) -> anyhow::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(address).with_context(|| format!("the port of {address} cannot be had"))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    // A test that cannot go on says so by panicking.
    #![allow(clippy::unwrap_used)]

    use std::io::ErrorKind;

    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn a_kept_port_refuses_connections_unless_a_server_listens_on_it() {
        let port = KeptPort::take().unwrap();
        for _ in 0..2 {
            assert_eq!(TcpStream::connect(port.address()).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
            let server = TcpListener::bind(port.address()).await.unwrap();
            TcpStream::connect(port.address()).await.unwrap();
            drop(server);
        }
        assert_eq!(TcpStream::connect(port.address()).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }
}
