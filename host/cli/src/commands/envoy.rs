//! `holdover envoy bootstrap`: a few arguments to a complete bootstrap. Asks nobody and knows no settings; Envoy's words are the adapter's.

use holdover_gateway::{Bootstrap, BootstrapTls, BootstrapWay};
use holdover_node::settings::Environment;
use holdover_xds::Mode;

use super::{say_json, warn};
use crate::args::{BootstrapArguments, EnvoyCommand, Protocol, Way};
use crate::exit::{Exit, Failure};

pub fn envoy(command: EnvoyCommand) -> Result<Exit, Failure> {
    match command {
        EnvoyCommand::Bootstrap(arguments) => say_json(&bootstrap(arguments)?.render()).map(|()| Exit::Done),
    }
}

fn bootstrap(arguments: BootstrapArguments) -> Result<Bootstrap, Failure> {
    let (way, mode) = match (arguments.way, arguments.protocol) {
        (Way::Priorities, None | Some(Protocol::Delta)) => (BootstrapWay::Priorities, Mode::Delta),
        (Way::Priorities, Some(Protocol::Sotw)) => (BootstrapWay::Priorities, Mode::StateOfTheWorld),
        (Way::Failover, None | Some(Protocol::Sotw)) => (BootstrapWay::Failover, Mode::StateOfTheWorld),
        (Way::Failover, Some(Protocol::Delta)) => {
            warn(
                "--protocol delta: with --way failover Envoy keeps what only the failover had, once the management server is back; sotw does not, \
                 nor does --way priorities",
            );
            (BootstrapWay::Failover, Mode::Delta)
        }
    };
    let name = arguments.server_name.unwrap_or_else(|| arguments.control_plane.0.clone());
    let tls = arguments.ca.map(|ca| BootstrapTls { ca, cert_and_key: arguments.cert.zip(arguments.key), name });
    let failover_name = arguments.failover.ip().to_string();
    let failover_tls = tls.clone().filter(|_| arguments.failover_tls).map(|tls| BootstrapTls { name: failover_name, ..tls });
    Ok(Bootstrap {
        node_id: match arguments.node_id {
            Some(node_id) => node_id,
            None => own_name()?,
        },
        node_group: arguments.node_group,
        control_plane: arguments.control_plane,
        failover: arguments.failover,
        health: arguments.health,
        way,
        mode,
        admin: arguments.admin,
        control_plane_tls: tls,
        failover_tls,
    })
}

fn own_name() -> Result<String, Failure> {
    let environment = Environment::of_process();
    let name = environment.hostname().map(str::to_owned);
    name.ok_or_else(|| {
        Failure::settings("--node-id: this host's name is not known; give the id that the management server knows this Envoy by")
    })
}
