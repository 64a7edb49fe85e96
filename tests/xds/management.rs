//! A control plane that is none of ours: `management_server.py` as a process, at one address for its whole life and beyond.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tokio::net::TcpSocket;

use crate::door::keeper;
use crate::python::Python;
use crate::resources::Resources;

/// What the server does with whoever asks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Serve,
    /// Takes the stream and its requests, and answers nothing.
    Silent,
    /// Ends every stream with this status.
    Unavailable,
    /// Answers that there are no clusters and no listeners.
    Empty,
}

/// The files of whom the server is.
pub struct Tls {
    pub certificate: String,
    pub key: String,
}

pub struct ManagementServer {
    pub address: SocketAddr,
    folder: PathBuf,
    tls: Option<Tls>,
    process: Option<Python>,
    _keeper: TcpSocket,
}

impl ManagementServer {
    /// Serves these resources, in plain, once it has said so.
    pub async fn start(folder: &Path, resources: &Resources) -> Self {
        Self::start_with(None, folder, resources).await
    }

    pub async fn start_with(tls: Option<Tls>, folder: &Path, resources: &Resources) -> Self {
        let (address, keeper) = keeper();
        let mut server = Self { address, folder: folder.join("management-server"), tls, process: None, _keeper: keeper };
        server.again(resources).await;
        server
    }

    pub fn kill(&mut self) {
        self.process = None;
    }

    /// A new process at the same address. It remembers nothing.
    pub async fn again(&mut self, resources: &Resources) {
        let address = self.address.to_string();
        let tls = self.tls.as_ref().map(|tls| [tls.certificate.as_str(), tls.key.as_str()]);
        let arguments: Vec<&str> = std::iter::once(address.as_str()).chain(tls.into_iter().flatten()).collect();
        let mut process = Python::start("management_server.py", &arguments, &[], &self.folder);
        process.command(&command(resources));
        process.event("its first word", |event| event["event"] == "listening").await;
        self.process = Some(process);
    }

    /// Everybody who is connected is sent what changed.
    pub async fn serve(&mut self, resources: &Resources) {
        self.obey(&command(resources)).await;
    }

    pub async fn behave(&mut self, mode: Mode) {
        let mode = match mode {
            Mode::Serve => "serve",
            Mode::Silent => "silent",
            Mode::Unavailable => "unavailable",
            Mode::Empty => "empty",
        };
        self.obey(&json!({ "mode": mode })).await;
    }

    /// Waits until this process has a stream of that node, and returns how it introduced itself.
    pub async fn stream_of(&mut self, node: &str) -> Value {
        self.process().event(&format!("a stream of {node}"), |event| event["event"] == "stream" && event["node"] == node).await
    }

    /// Waits until this process has a stream of somebody else's making.
    pub async fn stream_by(&mut self, agent: &str) -> Value {
        self.process().event(&format!("a stream by {agent}"), |event| event["event"] == "stream" && event["agent"] == agent).await
    }

    /// What this process told so far under this name.
    pub fn told(&self, event: &str) -> Vec<Value> {
        let events = self.process.as_ref().expect("it runs").events();
        events.into_iter().filter(|told| told["event"] == event).collect()
    }

    async fn obey(&mut self, command: &Value) {
        let process = self.process();
        let seen = process.events().len();
        process.command(command);
        process.event_after(seen, "an answer to a command", |event| event["event"] == "told").await;
    }

    fn process(&mut self) -> &mut Python {
        self.process.as_mut().expect("it runs")
    }
}

fn command(Resources { version, resources }: &Resources) -> Value {
    json!({ "version": version, "resources": resources })
}
