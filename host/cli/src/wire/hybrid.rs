//! Kong's hybrid protocol, from settings to what its two adapters need: with what to prove oneself, whom to dial, and as whom.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use holdover_gateway::StandInOptions;
use holdover_hybrid::{
    Acknowledges, Authorities, BasicInfo, ClientTls, Given, HostPort, Identity, KongVersion, Plugin, Proxy, ServerTls, Target,
    bundled_plugins,
};
use holdover_node::settings::{ClusterMtls, Environment, Hybrid, Settings};
use holdover_ports::Clock;

use crate::exit::Failure;

/// What is read of the settings' files.
struct Proofs {
    identity: Identity,
    /// In the mode pki.
    authorities: Option<Authorities>,
}

/// What the settings ask before anything is opened. `Err` begins with the setting at fault.
pub fn judge(hybrid: &Hybrid) -> Result<(), String> {
    let proofs = Proofs::read(hybrid)?;
    proofs.client(hybrid.server_name.as_deref())?;
    proofs.server()?;
    proxy(hybrid).map(drop)
}

/// The control plane at `address`, to be followed as a data plane of the version that is served.
pub fn target(settings: &Settings, environment: &Environment, address: &str, node_id: String) -> Result<Target, Failure> {
    let hybrid = spoken(settings)?;
    let version = version(settings)?;
    let tls = Proofs::read(hybrid).and_then(|proofs| proofs.client(hybrid.server_name.as_deref())).map_err(Failure::settings)?;
    let bundled = if hybrid.bundled_plugins { bundled_plugins(version.minor()) } else { Vec::new() };
    let custom = hybrid.custom_plugins.iter().map(Plugin::named);
    let plugins = bundled.into_iter().map(Plugin::named).chain(custom).collect();
    let introduction = BasicInfo { plugins, ..BasicInfo::default() }.encode();
    Ok(Target {
        control_plane: HostPort::parse(address).ok_or_else(|| Failure::settings(format!("'{address}' is no host:port")))?,
        tls,
        node_id,
        hostname: environment.hostname().unwrap_or("holdover").to_owned(),
        version: version.as_str().to_owned(),
        introduction: introduction.map_err(|error| Failure::settings(format!("plugins: the list cannot be sent ({error})")))?.into(),
        payload_max: hybrid.payload_bytes_max,
        proxy: proxy(hybrid).map_err(Failure::settings)?,
        acknowledges: Acknowledges::OnReceipt,
    })
}

/// What a node's stand-in is made of.
pub fn stand_in(
    settings: &Settings,
    listen: SocketAddr,
    upstream: Option<Target>,
    clock: Arc<dyn Clock>,
) -> Result<StandInOptions, Failure> {
    let alone = alone(spoken(settings)?, listen, version(settings)?, clock).map_err(Failure::settings)?;
    Ok(StandInOptions { upstream, patience: settings.policy.give_up, ..alone })
}

/// A stand-in with nobody behind it, so that its patience does not matter. `Err` begins with the setting at fault.
pub fn alone(hybrid: &Hybrid, listen: SocketAddr, version: KongVersion, clock: Arc<dyn Clock>) -> Result<StandInOptions, String> {
    let (tls, payload_max) = (Proofs::read(hybrid)?.server()?, hybrid.payload_bytes_max);
    Ok(StandInOptions { listen, tls, version, payload_max, upstream: None, patience: Duration::ZERO, clock })
}

fn spoken(settings: &Settings) -> Result<&Hybrid, Failure> {
    // The settings have it wherever the control plane or the gateway is Kong's.
    settings.hybrid.as_ref().ok_or_else(|| Failure::settings("cluster_cert: it is not set; give the cluster's certificate"))
}

fn version(settings: &Settings) -> Result<KongVersion, Failure> {
    let version = settings.policy.gateway_version.to_string();
    let fix = "it is no version of Kong; write the data planes' version, for example 3.9.1";
    KongVersion::parse(&version).ok_or_else(|| Failure::settings(format!("holdover_gateway_version = '{version}': {fix}")))
}

impl Proofs {
    fn read(hybrid: &Hybrid) -> Result<Self, String> {
        let certificate = Given { setting: "cluster_cert", value: &hybrid.cert };
        let key = Given { setting: "cluster_cert_key", value: hybrid.cert_key.expose() };
        let identity = Identity::read(certificate, key)?;
        let authorities = match (hybrid.mtls, &hybrid.ca_cert) {
            (ClusterMtls::Pki, Some(value)) => Some(Authorities::read(Given { setting: "cluster_ca_cert", value })?),
            (ClusterMtls::Pki, None) => return Err("cluster_ca_cert is not set; cluster_mtls = pki needs it".to_owned()),
            (ClusterMtls::Shared, _) => None,
        };
        Ok(Self { identity, authorities })
    }

    fn client(&self, server_name: Option<&str>) -> Result<ClientTls, String> {
        match &self.authorities {
            None => ClientTls::shared(&self.identity),
            Some(authorities) => ClientTls::pki(&self.identity, authorities, server_name),
        }
    }

    fn server(&self) -> Result<ServerTls, String> {
        match &self.authorities {
            None => ServerTls::shared(&self.identity),
            Some(authorities) => ServerTls::pki(&self.identity, authorities),
        }
    }
}

fn proxy(hybrid: &Hybrid) -> Result<Option<Proxy>, String> {
    hybrid.proxy.as_ref().map(|url| Proxy::parse(url.expose())).transpose()
}
