//! Who runs the configuration: one of the gateways, made of the settings.

use std::sync::Arc;

use holdover_gateway::{Builtin, DefaultCertificate, FileGateway, NoGateway, Options, StandIn, Telling, Trusted};
use holdover_hybrid::Target;
use holdover_node::settings::{Front, Gateway as GatewaySettings, Secret, Settings};
use holdover_ports::{Clock, Gateway};

use super::hybrid;
use crate::exit::Failure;

pub struct Gateways {
    pub gateway: Arc<dyn Gateway>,
    /// To be brought to rest after the node.
    pub builtin: Option<Arc<Builtin>>,
    /// May meet its own node.
    pub stand_in: Option<Arc<StandIn>>,
}

/// `upstream` is the control plane behind a stand-in, where that is Kong's.
pub async fn gateways(settings: &Settings, upstream: Option<Target>, clock: &Arc<dyn Clock>) -> Result<Gateways, Failure> {
    match &settings.gateway {
        GatewaySettings::Builtin { listen, tls_listen, unenforced, front } => {
            let fronting = fronting(front).map_err(Failure::settings)?;
            let options = Options { unenforced: unenforced.clone(), tls_listen: tls_listen.clone(), ..fronting };
            let bound = Builtin::bind(listen, options).await;
            let builtin = Arc::new(bound.map_err(|not_bound| Failure::not_opened(not_bound.to_string()))?);
            Ok(Gateways { gateway: builtin.clone(), builtin: Some(builtin), stand_in: None })
        }
        GatewaySettings::Kong { listen } => {
            let options = hybrid::stand_in(settings, *listen, upstream, clock.clone())?;
            let stand_in = Arc::new(StandIn::bind(options).await.map_err(Failure::not_opened)?);
            Ok(Gateways { gateway: stand_in.clone(), builtin: None, stand_in: Some(stand_in) })
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
    let Front { certs, cert_keys, trusted_ips, real_ip_header, real_ip_recursive, headers } = front;
    let keys: Vec<&str> = cert_keys.iter().map(Secret::expose).collect();
    Ok(Options {
        default_certificate: DefaultCertificate::read(certs, &keys)?,
        trusted: Trusted::read(trusted_ips, real_ip_header, *real_ip_recursive)?,
        telling: Telling::read(headers)?,
        ..Options::default()
    })
}

fn plain(gateway: Arc<dyn Gateway>) -> Gateways {
    Gateways { gateway, builtin: None, stand_in: None }
}
