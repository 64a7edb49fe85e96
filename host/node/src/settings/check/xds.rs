//! What xDS is spoken with. Read only where the control plane or the gateway speaks it: the certificates have Kong's names, and are Kong's
//! hybrid protocol's elsewhere.

use std::net::SocketAddr;

use holdover_plugin::config::Format;

use super::super::reading::Reading;
use super::super::reference::Name;
use super::super::secret::Secret;
use super::super::{Judges, Xds};
use super::speakers::{Speakers, Spoken};

/// `Some(None)`: nobody speaks it here.
pub fn xds(reading: &mut Reading<'_>, speakers: &Speakers<'_>, judges: &Judges<'_>) -> Option<Option<Xds>> {
    let Spoken { follows, listens } = speakers.xds;
    if follows.is_none() {
        for name in [Name::XdsProtocol, Name::NodeDescription] {
            reading.idle(name, "the control plane is no xDS management server");
        }
    }
    if speakers.xds.by_nobody() {
        return Some(None);
    }
    if follows.is_some() && speakers.format != Some(Format::Xds) {
        let fix = "what an xDS management server sends is of the format xds; write holdover_format = xds";
        reading.contradiction(Name::Format, fix);
        return None;
    }
    let follows_tls = follows.is_some_and(|url| url.starts_with("https://"));
    let serves_tls = is_open(listens);
    idle(reading, follows_tls, serves_tls);
    let node_group = reading.text(Name::NodeGroup).flatten();
    let node_description = reading.text(Name::NodeDescription);
    let identity = identity(reading, listens);
    let ca_cert = ca_cert(reading, listens);
    let server_name = reading.text(Name::ClusterServerName);
    let node_description = node_description?.filter(|_| follows.is_some());
    let xds = Xds {
        node_group: node_group?,
        node_description,
        follows_tls,
        serves_tls,
        identity: identity?,
        ca_cert: ca_cert?,
        server_name: server_name?,
    };
    if let Some((_, key)) = &xds.identity {
        reading.note_open_key(Name::ClusterCertKey, key);
    }
    judged(reading, xds, judges).map(Some)
}

fn idle(reading: &mut Reading<'_>, follows_tls: bool, serves_tls: bool) {
    if !follows_tls {
        reading.idle(Name::ClusterServerName, "the management server is not spoken to over TLS");
    }
    if !follows_tls && !serves_tls {
        for name in [Name::ClusterCert, Name::ClusterCertKey, Name::ClusterCaCert] {
            reading.idle(name, "neither the management server nor an Envoy is spoken to over TLS");
        }
    }
}

/// Beyond this machine nobody is served who shows no certificate: a configuration holds secrets.
fn is_open(listen: Option<SocketAddr>) -> bool {
    listen.is_some_and(|listen| !listen.ip().to_canonical().is_loopback())
}

fn identity(reading: &mut Reading<'_>, listen: Option<SocketAddr>) -> Option<Option<(String, Secret)>> {
    if !reading.is_given(Name::ClusterCert) && !reading.is_given(Name::ClusterCertKey) && !is_open(listen) {
        return Some(None);
    }
    let cert = reading.required(Name::ClusterCert, &how(listen, "give the certificate of cluster_cert_key"), |text| Ok(text.to_owned()));
    let key = reading.required(Name::ClusterCertKey, &how(listen, "give the key of cluster_cert"), |text| Ok(Secret::new(text.to_owned())));
    Some(Some((cert?, key?)))
}

fn ca_cert(reading: &mut Reading<'_>, listen: Option<SocketAddr>) -> Option<Option<String>> {
    match is_open(listen) {
        false => reading.text(Name::ClusterCaCert),
        true => reading.required(Name::ClusterCaCert, &how(listen, ""), |text| Ok(Some(text.to_owned()))),
    }
}

fn how(listen: Option<SocketAddr>, otherwise: &str) -> String {
    match listen.filter(|listen| is_open(Some(*listen))) {
        Some(listen) => format!(
            "holdover_ads_listen = {listen} is open to other machines, and serves only who shows a certificate; give it, or listen on 127.0.0.1"
        ),
        None => otherwise.to_owned(),
    }
}

fn judged(reading: &mut Reading<'_>, xds: Xds, judges: &Judges<'_>) -> Option<Xds> {
    let Err(sentence) = (judges.xds)(&xds) else { return Some(xds) };
    let settings = [Name::ClusterCert, Name::ClusterCertKey, Name::ClusterCaCert, Name::ClusterServerName, Name::NodeDescription];
    reading.judged(&settings, sentence);
    None
}
