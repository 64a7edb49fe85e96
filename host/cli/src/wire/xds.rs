//! xDS, from settings to what its two adapters need: with what to prove oneself, whom to dial, and as whom.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use holdover_control_plane::reads;
use holdover_gateway::{AGENT, FailoverOptions};
use holdover_hybrid::Given;
use holdover_node::settings::{Secret, Settings, Xds, XdsProtocol};
use holdover_plugin::config::CONFIG_BYTES_MAX;
use holdover_plugin::policy::StandIn;
use holdover_ports::Clock;
use holdover_xds::{ClientTls, Described, Mode, Node, PING_INTERVAL_MIN, Pem, ServerNameSetting, ServerTls, Target, Token};
use tokio::sync::watch;

use crate::exit::Failure;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// What is read of the settings' files.
struct Proofs {
    ca: Option<Vec<u8>>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
}

/// What the settings ask before anything is opened. `Err` begins with the setting at fault.
pub fn judge(xds: &Xds) -> Result<(), String> {
    described(xds)?;
    // Nothing is opened that has no effect.
    if !(xds.follows_tls || xds.serves_tls) {
        return Ok(());
    }
    let proofs = Proofs::read(xds)?;
    if xds.follows_tls {
        proofs.client(xds.server_name.as_deref())?;
    }
    if xds.serves_tls {
        proofs.server()?;
    }
    Ok(())
}

/// The management server, to be followed as one node of the group.
pub fn target(settings: &Settings, url: &str, token: Option<&Secret>, protocol: XdsProtocol) -> Result<Target, Failure> {
    let xds = spoken(settings)?;
    let endpoint: http::Uri =
        url.parse().map_err(|error| Failure::settings(format!("holdover_control_plane = xds+{url}: it is no URL ({error})")))?;
    let tls = match xds.follows_tls {
        true => Some(Proofs::read(xds).and_then(|proofs| proofs.client(xds.server_name.as_deref())).map_err(Failure::settings)?),
        false => None,
    };
    let no_header =
        || Failure::settings("holdover_control_plane_token: it holds a character that no header may hold; look for a line break in it");
    let token = token.map(|token| Token::new(token.expose()).ok_or_else(no_header)).transpose()?;
    let node = Node {
        id: settings.policy.node.clone(),
        cluster: xds.node_group.clone(),
        user_agent_name: AGENT.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let mode = match protocol {
        XdsProtocol::Delta => Mode::Delta,
        XdsProtocol::StateOfTheWorld => Mode::StateOfTheWorld,
    };
    let described = described(xds).map_err(Failure::settings)?;
    let (payload_bytes_max, connect_timeout, ping_interval) = (CONFIG_BYTES_MAX, CONNECT_TIMEOUT, PING_INTERVAL_MIN);
    Ok(Target { endpoint, tls, token, node, described, mode, payload_bytes_max, connect_timeout, ping_interval, reads: reads() })
}

/// What a node's failover is made of.
pub fn failover(
    settings: &Settings,
    listen: SocketAddr,
    stand_in: watch::Receiver<StandIn>,
    clock: Arc<dyn Clock>,
) -> Result<FailoverOptions, Failure> {
    let xds = spoken(settings)?;
    let tls = match xds.serves_tls {
        true => Proofs::read(xds).and_then(|proofs| proofs.server()).map_err(Failure::settings)?,
        false => None,
    };
    Ok(FailoverOptions { listen, tls, node_group: xds.node_group.clone(), stand_in, clock })
}

fn spoken(settings: &Settings) -> Result<&Xds, Failure> {
    // The settings have it wherever the control plane or the gateway speaks xDS.
    settings.xds.as_ref().ok_or_else(|| Failure::settings("holdover_node_group: it is not set; write the node.cluster of the Envoys"))
}

fn described(xds: &Xds) -> Result<Described, String> {
    let parsed = xds.node_description.as_deref().map(Described::parse).transpose();
    parsed.map(Option::unwrap_or_default).map_err(|rest| format!("holdover_node_description: {rest}"))
}

impl Proofs {
    fn read(xds: &Xds) -> Result<Self, String> {
        let pem = |setting, value: &str| Given { setting, value }.pem();
        let ca = xds.ca_cert.as_deref().map(|text| pem("cluster_ca_cert", text)).transpose()?;
        let identity = match &xds.identity {
            None => None,
            Some((cert, key)) => Some((pem("cluster_cert", cert)?, pem("cluster_cert_key", key.expose())?)),
        };
        Ok(Self { ca, identity })
    }

    fn client(&self, server_name: Option<&str>) -> Result<ClientTls, String> {
        let server_name = server_name.map(|name| ServerNameSetting { setting: "cluster_server_name", name });
        ClientTls::new(self.ca(), self.identity(), server_name)
    }

    /// With authorities only those are served who show a certificate of theirs.
    fn server(&self) -> Result<Option<ServerTls>, String> {
        self.identity().map(|(cert, key)| ServerTls::new(cert, key, self.ca())).transpose()
    }

    fn ca(&self) -> Option<Pem<'_>> {
        self.ca.as_deref().map(|pem| Pem { setting: "cluster_ca_cert", pem })
    }

    fn identity(&self) -> Option<(Pem<'_>, Pem<'_>)> {
        let (cert, key) = self.identity.as_ref()?;
        Some((Pem { setting: "cluster_cert", pem: cert }, Pem { setting: "cluster_cert_key", pem: key }))
    }
}
