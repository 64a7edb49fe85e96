//! What stands before a control plane and decides whether it is reached. Passes bytes; knows no protocol.
//!
//! ```text
//! Pass ⇄ Silent      the listener stands: connections are passed on, or taken and never read
//!   ⇅
//! BlackHole          the listener stands and its queue is full: a SYN is not answered
//!   ⇅
//! Refuse             nobody listens: connections are refused
//! ```

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

const BACKLOG: u32 = 128;
/// What loopback answers within, if it answers at all.
const ANSWERED_WITHIN: Duration = Duration::from_millis(250);
/// One connection fills a queue of no length; the kernel may round up.
const FILLERS_MAX: usize = 16;
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    Pass,
    Refuse,
    BlackHole,
    /// Takes every connection and never reads.
    Silent,
}

pub struct Door {
    pub address: SocketAddr,
    target: SocketAddr,
    standing: Standing,
    _keeper: TcpSocket,
}

enum Standing {
    Closed,
    Accepting(JoinHandle<()>),
    /// Held open, and nothing else is done with them.
    Full {
        _listener: TcpListener,
        _fillers: Vec<TcpStream>,
    },
}

impl Door {
    /// Passes everything on to this address.
    pub async fn before(target: SocketAddr) -> Self {
        let (address, keeper) = keeper();
        let mut door = Self { address, target, standing: Standing::Closed, _keeper: keeper };
        door.behave(Behaviour::Pass).await;
        door
    }

    /// Cuts every connection; when this returns, the next one meets the behaviour.
    pub async fn behave(&mut self, behaviour: Behaviour) {
        if let Standing::Accepting(accepting) = std::mem::replace(&mut self.standing, Standing::Closed) {
            accepting.abort();
            let _ = accepting.await;
        }
        self.standing = match behaviour {
            Behaviour::Pass => Standing::Accepting(tokio::spawn(pass(listen(self.address, BACKLOG), self.target))),
            Behaviour::Silent => Standing::Accepting(tokio::spawn(hold(listen(self.address, BACKLOG)))),
            Behaviour::BlackHole => fill(listen(self.address, 0)).await,
            Behaviour::Refuse => Standing::Closed,
        };
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Standing::Accepting(accepting) = &self.standing {
            accepting.abort();
        }
    }
}

/// An address of ours alone: the socket is bound and never listens, so that connections are refused while nobody else does, and nobody is
/// given the port by chance.
pub fn keeper() -> (SocketAddr, TcpSocket) {
    let socket = bound(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    (socket.local_addr().unwrap(), socket)
}

fn bound(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket
}

fn listen(address: SocketAddr, backlog: u32) -> TcpListener {
    bound(address).listen(backlog).unwrap()
}

async fn pass(listener: TcpListener, target: SocketAddr) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((mut near, _)) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        connections.spawn(async move {
            let Ok(mut far) = TcpStream::connect(target).await else { return };
            let _ = (near.set_nodelay(true), far.set_nodelay(true));
            // Either side may leave as it likes.
            let _ = copy_bidirectional(&mut near, &mut far).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn hold(listener: TcpListener) {
    let mut held = Vec::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => held.push(stream),
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Connections that nobody accepts, until the kernel answers no more of them.
async fn fill(listener: TcpListener) -> Standing {
    let address = listener.local_addr().unwrap();
    let mut fillers = Vec::new();
    while let Ok(connected) = timeout(ANSWERED_WITHIN, TcpStream::connect(address)).await {
        fillers.push(connected.unwrap());
        assert!(fillers.len() < FILLERS_MAX, "a queue of no length is not full after {FILLERS_MAX} connections");
    }
    Standing::Full { _listener: listener, _fillers: fillers }
}
