//! What Kong's hybrid protocol is spoken with. Read in any case, so that a typing error shows as it would with Kong; needed only where the
//! control plane or the gateway speaks it.

use holdover_plugin::config::Format;

use super::super::reading::Reading;
use super::super::reference::Name;
use super::super::secret::Secret;
use super::super::{ClusterMtls, Hybrid, Judges};
use super::speakers::{Speakers, Spoken};

/// Kong's own lower bound.
const PAYLOAD_BYTES_MIN: usize = 4 * 1024 * 1024;
/// A frame beyond this could hold nothing that a node takes.
const PAYLOAD_BYTES_MAX: usize = 256 * 1024 * 1024;

/// `Some(None)`: nobody speaks it here.
pub fn hybrid(reading: &mut Reading<'_>, speakers: &Speakers<'_>, judges: &Judges<'_>) -> Option<Option<Hybrid>> {
    let mtls = reading.defaulted(Name::ClusterMtls, |text| match text {
        "shared" => Ok(ClusterMtls::Shared),
        "pki" => Ok(ClusterMtls::Pki),
        "pki_check_cn" => Err("checking common names is not built; write shared or pki".to_owned()),
        _ => Err("write one of shared, pki".to_owned()),
    });
    let payload_bytes_max = reading.defaulted(Name::ClusterMaxPayload, |text| match text.parse() {
        Ok(bytes) if (PAYLOAD_BYTES_MIN..=PAYLOAD_BYTES_MAX).contains(&bytes) => Ok(bytes),
        Ok(_) | Err(_) => Err(format!("write a number of bytes from {PAYLOAD_BYTES_MIN} to {PAYLOAD_BYTES_MAX}")),
    });
    let plugins = reading.defaulted(Name::Plugins, |text| Ok(plugins(text)));
    let uses_proxy = reading.switch(Name::ClusterUseProxy);
    if speakers.kong.by_nobody() {
        // These belong to xDS as well.
        let shared = [Name::ClusterCert, Name::ClusterCertKey, Name::ClusterServerName];
        for name in HYBRID_ONLY.into_iter().filter(|name| speakers.xds.by_nobody() || !shared.contains(name)) {
            reading.idle(name, "neither the control plane nor the gateway speaks Kong's hybrid protocol here");
        }
        return Some(None);
    }
    if speakers.kong.follows.is_some() && matches!(speakers.format, Some(Format::Document | Format::Xds)) {
        let fix = "what Kong's control plane sends is of the format kong; write holdover_format = kong";
        reading.contradiction(Name::Format, fix);
    }
    dials_itself(reading, speakers.kong);
    let cert = reading.required(Name::ClusterCert, "give the cluster's certificate, as Kong has it", |text| Ok(text.to_owned()));
    let cert_key = reading.required(Name::ClusterCertKey, "give the key of cluster_cert", |text| Ok(Secret::new(text.to_owned())));
    let server_name = reading.text(Name::ClusterServerName);
    let mtls = mtls?;
    let ca_cert = match mtls {
        ClusterMtls::Shared => {
            reading.idle(Name::ClusterServerName, "with cluster_mtls = shared the name is always kong_clustering");
            Some(None)
        }
        ClusterMtls::Pki => {
            let how = "cluster_mtls = pki trusts whom it has signed; give its certificate, or write cluster_mtls = shared";
            reading.required(Name::ClusterCaCert, how, |text| Ok(Some(text.to_owned())))
        }
    };
    let proxy = proxy(reading, uses_proxy?);
    let (bundled_plugins, custom_plugins) = plugins?;
    let hybrid = Hybrid {
        mtls,
        cert: cert?,
        cert_key: cert_key?,
        ca_cert: ca_cert?,
        server_name: server_name?,
        payload_bytes_max: payload_bytes_max?,
        bundled_plugins,
        custom_plugins,
        proxy: proxy?,
    };
    reading.note_open_key(Name::ClusterCertKey, &hybrid.cert_key);
    judged(reading, hybrid, judges).map(Some)
}

const HYBRID_ONLY: [Name; 8] = [
    Name::ClusterCert,
    Name::ClusterCertKey,
    Name::ClusterServerName,
    Name::ClusterMtls,
    Name::ClusterMaxPayload,
    Name::ClusterUseProxy,
    Name::ProxyServer,
    Name::Plugins,
];

/// With one `kong.conf` for data plane and node, `cluster_control_plane` is this node itself.
fn dials_itself(reading: &mut Reading<'_>, kong: Spoken<'_>) {
    let (Some(address), Some(listen)) = (kong.follows, kong.listens) else { return };
    let Some((host, port)) = address.rsplit_once(':') else { return };
    let here = host == "localhost"
        || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback() || ip == listen.ip());
    if here && port.parse() == Ok(listen.port()) {
        let name = if reading.is_given(Name::ControlPlane) { Name::ControlPlane } else { Name::ClusterControlPlane };
        let fix = "this is holdover_stand_in_listen, so the node would dial itself; set holdover_control_plane = kong://host:port to the real \
                   control plane";
        reading.contradiction(name, fix);
    }
}

fn proxy(reading: &mut Reading<'_>, uses_proxy: bool) -> Option<Option<Secret>> {
    if !uses_proxy {
        reading.idle(Name::ProxyServer, "cluster_use_proxy is off");
        return Some(None);
    }
    reading.required(Name::ProxyServer, "cluster_use_proxy = on needs it", |text| Ok(Some(Secret::new(text.to_owned()))))
}

/// Kong's list: `bundled` stands for all that it brings along, `off` for none.
fn plugins(text: &str) -> (bool, Vec<String>) {
    let names: Vec<&str> = text.split(',').map(str::trim).filter(|name| !name.is_empty() && *name != "off").collect();
    let custom = names.iter().filter(|name| **name != "bundled").map(|name| (*name).to_owned()).collect();
    (names.contains(&"bundled"), custom)
}

fn judged(reading: &mut Reading<'_>, hybrid: Hybrid, judges: &Judges<'_>) -> Option<Hybrid> {
    let Err(sentence) = (judges.hybrid)(&hybrid) else { return Some(hybrid) };
    const SETTINGS: [Name; 5] = [Name::ClusterCert, Name::ClusterCertKey, Name::ClusterCaCert, Name::ClusterServerName, Name::ProxyServer];
    reading.judged(&SETTINGS, sentence);
    None
}
