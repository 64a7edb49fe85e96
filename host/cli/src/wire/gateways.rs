//! Who runs the configuration: one of the gateways, made of the settings.

use std::sync::Arc;

use holdover_gateway::{
    Builtin, DefaultCertificate, Failover, FileGateway, NoGateway, Options, StandIn as KongStandIn, Telling, Trusted, UpstreamAuthorities,
};
use holdover_hybrid::Target;
use holdover_node::settings::{Front, Gateway as GatewaySettings, Secret, Settings};
use holdover_plugin::policy::StandIn;
use holdover_ports::{Clock, Gateway};
use tokio::sync::watch;

use super::{hybrid, xds};
use crate::exit::Failure;

pub struct Gateways {
    pub gateway: Arc<dyn Gateway>,
    /// To be brought to rest after the node.
    pub builtin: Option<Arc<Builtin>>,
    /// May meet its own node.
    pub kong: Option<Arc<KongStandIn>>,
}

/// `upstream` is the control plane behind a stand-in, where that is Kong's; `stand_in` says when others step in.
pub async fn gateways(
    settings: &Settings,
    upstream: Option<Target>,
    stand_in: &watch::Sender<StandIn>,
    clock: &Arc<dyn Clock>,
) -> Result<Gateways, Failure> {
    match &settings.gateway {
        GatewaySettings::Builtin { listen, tls_listen, unenforced, front } => {
            let fronting = fronting(front).map_err(Failure::settings)?;
            let options = Options { unenforced: unenforced.clone(), tls_listen: tls_listen.clone(), ..fronting };
            let bound = Builtin::bind(listen, options).await;
            let builtin = Arc::new(bound.map_err(|not_bound| Failure::not_opened(not_bound.to_string()))?);
            Ok(Gateways { gateway: builtin.clone(), builtin: Some(builtin), kong: None })
        }
        GatewaySettings::Kong { listen } => {
            let options = hybrid::stand_in(settings, *listen, upstream, clock.clone())?;
            let kong = Arc::new(KongStandIn::bind(options).await.map_err(Failure::not_opened)?);
            Ok(Gateways { gateway: kong.clone(), builtin: None, kong: Some(kong) })
        }
        GatewaySettings::Envoy { listen } => {
            let options = xds::failover(settings, *listen, stand_in.subscribe(), clock.clone())?;
            Ok(plain(Arc::new(Failover::bind(options).await.map_err(Failure::not_opened)?)))
        }
        GatewaySettings::File { path, reload_command } => Ok(plain(Arc::new(FileGateway::new(path, reload_command.clone())))),
        GatewaySettings::None => Ok(plain(Arc::new(NoGateway))),
    }
}

/// What the settings ask before anything listens. `Err` begins with the setting at fault.
pub fn judge(front: &Front) -> Result<(), String> {
    fronting(front).map(drop)
}

fn fronting(front: &Front) -> Result<Options, String> {
    let Front { certs, cert_keys, trusted_ips, real_ip_header, real_ip_recursive, headers, verifies_upstreams, trusted_certificates } =
        front;
    let keys: Vec<&str> = cert_keys.iter().map(Secret::expose).collect();
    Ok(Options {
        default_certificate: DefaultCertificate::read(certs, &keys)?,
        trusted: Trusted::read(trusted_ips, real_ip_header, *real_ip_recursive)?,
        telling: Telling::read(headers)?,
        verifies_upstreams: *verifies_upstreams,
        upstream_authorities: UpstreamAuthorities::read(trusted_certificates)?,
        ..Options::default()
    })
}

fn plain(gateway: Arc<dyn Gateway>) -> Gateways {
    Gateways { gateway, builtin: None, kong: None }
}
