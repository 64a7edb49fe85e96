//! Who runs the configuration, and which settings go with whom.

use std::net::SocketAddr;
use std::path::PathBuf;

use holdover_plugin::config::Format;
use holdover_plugin::routing::Unenforced;

use super::super::listen::{self, Listen};
use super::super::reading::Reading;
use super::super::reference::Name;
use super::super::{Gateway, Judges};
use super::front::{self, front};

pub fn gateway(reading: &mut Reading<'_>, format: Option<Format>, judges: &Judges<'_>) -> Option<Gateway> {
    let listen = reading.defaulted(Name::ProxyListen, listen::parse);
    let unenforced = reading.defaulted(Name::UnenforcedPlugins, |text| Unenforced::parse(text).map_err(|bad| bad.to_string()));
    let reload_command = reading.text(Name::GatewayReload);
    let kind = reading.defaulted(Name::Gateway, |text| match text {
        "builtin" | "kong" | "envoy" | "none" => Ok(text.to_owned()),
        file if file.starts_with("file:///") && !file.ends_with('/') => Ok(text.to_owned()),
        _ => Err("write builtin, kong, envoy, none, or the gateway's file as file:///path".to_owned()),
    })?;
    if !kind.starts_with("file://") && reading.is_given(Name::GatewayReload) {
        reading.contradiction(Name::GatewayReload, "only a gateway that reads a file is reloaded; set holdover_gateway = file:///path");
    }
    if kind != "builtin" {
        reading.idle(Name::ProxyListen, "the gateway is not the built-in one");
        reading.idle(Name::UnenforcedPlugins, "the gateway is not the built-in one");
        front::idle(reading);
    }
    let stand_in_listen = reading.defaulted(Name::StandInListen, listen::parse_address);
    if kind != "kong" {
        reading.idle(Name::StandInListen, "no Kong data planes are served; holdover_gateway = kong serves them");
    }
    let ads_listen = reading.defaulted(Name::AdsListen, listen::parse_address);
    if kind != "envoy" {
        reading.idle(Name::AdsListen, "no Envoys are served; holdover_gateway = envoy serves them");
    }
    match kind.strip_prefix("file://") {
        Some(path) => Some(Gateway::File { path: PathBuf::from(path), reload_command: reload_command? }),
        None if kind == "none" => Some(Gateway::None),
        None if kind == "kong" => kong(reading, format?, stand_in_listen?),
        None if kind == "envoy" => envoy(reading, format?, ads_listen?),
        None => builtin(reading, format, listen, unenforced, judges),
    }
}

fn kong(reading: &mut Reading<'_>, format: Format, listen: SocketAddr) -> Option<Gateway> {
    if format != Format::Kong {
        reading.contradiction(Name::Gateway, "Kong's data planes run configurations of the format kong; write holdover_format = kong");
        return None;
    }
    Some(Gateway::Kong { listen })
}

fn envoy(reading: &mut Reading<'_>, format: Format, listen: SocketAddr) -> Option<Gateway> {
    if format != Format::Xds {
        reading.contradiction(Name::Gateway, "Envoys run configurations of the format xds; write holdover_format = xds");
        return None;
    }
    Some(Gateway::Envoy { listen })
}

/// Reads what stands in front whatever becomes of the rest, so that no problem hides another.
fn builtin(
    reading: &mut Reading<'_>,
    format: Option<Format>,
    listen: Option<Listen>,
    unenforced: Option<Unenforced>,
    judges: &Judges<'_>,
) -> Option<Gateway> {
    let speaks_tls = matches!(&listen, Some(Listen::On { tls, .. }) if !tls.is_empty());
    let front = front(reading, speaks_tls, judges);
    let Listen::On { plain, tls, passed_over } = listen? else {
        // A backup node that carries no traffic, whatever the format.
        return Some(Gateway::None);
    };
    if format? != Format::Kong {
        let fix = "the built-in gateway runs configurations of the format kong; write holdover_gateway = envoy, file:///path, none, or \
                   holdover_format = kong";
        reading.contradiction(Name::Gateway, fix);
        return None;
    }
    let not_served = |entry: String| format!("proxy_listen: '{entry}' is not served; the built-in gateway serves TCP");
    reading.notes.extend(passed_over.into_iter().map(not_served));
    Some(Gateway::Builtin { listen: plain, tls_listen: tls, unenforced: unenforced?, front: front? })
}
