//! The drill's control plane: `holdover control-plane` as a child process, over one file, by Kong's hybrid protocol.
//!
//! ```text
//! serve(document) ──► file written, process started ──► data planes are served
//! kill            ──► process killed: connections are cut and refused, the port is kept
//! ```
//!
//! Knows nothing of what the document says.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;

use crate::child::{Child, Start, write_private};
use crate::cluster::Cluster;
use crate::parts::GATEWAY_VERSION;
use crate::port::KeptPort;
use crate::wait::{OFTEN, until};

/// The most that `cluster_max_payload` takes, and more than a snapshot's configuration may have: whatever can be carried fits.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 256 * 1024 * 1024;
/// The first words of what the process says once it serves.
const SERVES: &str = "control plane on ";

pub(crate) struct HybridControlPlane {
    exe: PathBuf,
    /// Its file and its log.
    folder: PathBuf,
    port: KeptPort,
    cluster: Cluster,
    child: Option<Child>,
}

impl HybridControlPlane {
    /// With a port and a certificate, and nobody there yet. Keeps its files in `<parent>/control-plane`.
    pub fn prepare(exe: &Path, parent: &Path) -> anyhow::Result<Self> {
        let folder = parent.join("control-plane");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        Ok(Self { exe: exe.to_owned(), folder, port: KeptPort::take()?, cluster: Cluster::make(parent)?, child: None })
    }

    /// The same before and after an outage.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// What its data planes prove themselves with.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Starts the process with this document. When this returns, data planes are served.
    pub async fn serve(&mut self, document: &[u8], bound: Duration) -> anyhow::Result<()> {
        let file = self.folder.join("kong.json");
        write_private(&file, document)?;
        let mut child = Child::spawn(Start {
            name: "control plane",
            exe: &self.exe,
            folder: &self.folder,
            arguments: [
                "control-plane".to_owned(),
                format!("--config={}", file.display()),
                format!("--listen={}", self.address()),
                format!("--cert={}", self.cluster.certificate.display()),
                format!("--cert-key={}", self.cluster.key.display()),
                format!("--kong-version={GATEWAY_VERSION}"),
                format!("--max-payload={PAYLOAD_BYTES_MAX}"),
            ]
            .map(Into::into)
            .into(),
            environment: &[],
            secrets: self.cluster.secrets(),
        })?;
        let serves = until(bound, OFTEN, "the start of the control plane", async || {
            child.still_runs()?;
            Ok(child.said().contains(SERVES).then_some(()))
        });
        serves.await.context("the control plane did not come up with this configuration")?;
        self.child = Some(child);
        Ok(())
    }

    /// As a machine that fails. When this returns, connections are refused.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        let mut child = self.child.take().context("there is no control plane to be killed")?;
        child.still_runs()?;
        child.kill_9().await
    }
}
