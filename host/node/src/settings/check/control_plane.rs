//! Which control plane is followed, and what is shown to it. Credentials never leave this machine in the clear.

use std::path::PathBuf;
use std::time::Duration;

use http::uri::Authority;

use super::super::reading::Reading;
use super::super::reference::Name;
use super::super::url::parse_http;
use super::super::{ControlPlane, Credentials, XdsProtocol};

pub fn control_plane(reading: &mut Reading<'_>) -> Option<ControlPlane> {
    const HOW: &str = "set it to the URL of the control plane: kong://host:port for Kong's hybrid mode, xds+https://host:port for an xDS \
                       management server, https://host/path, http://host/path or file:///path";
    let credentials = credentials(reading);
    let poll_interval = reading.duration(Name::PollInterval, Duration::from_millis(100));
    if reading.is_given(Name::ClusterControlPlane) && !reading.is_given(Name::ControlPlane) {
        let address = reading.parsed(Name::ClusterControlPlane, host_and_port).flatten()?;
        return Some(kong(reading, address, Name::ClusterControlPlane));
    }
    reading.idle(Name::ClusterControlPlane, "holdover_control_plane is asked");
    let url = reading.required(Name::ControlPlane, HOW, |text| Ok(text.to_owned()))?;
    if let Some(path) = url.strip_prefix("file://") {
        if !path.starts_with('/') || path.ends_with('/') {
            reading.contradiction(Name::ControlPlane, "write three slashes and the path of a file, for example file:///etc/kong/kong.yml");
            return None;
        }
        for name in [Name::ControlPlaneToken, Name::ControlPlaneUser, Name::ControlPlanePassword, Name::PollInterval, Name::ClusterCaCert] {
            reading.idle(name, "the control plane is a file");
        }
        return Some(ControlPlane::File { path: PathBuf::from(path) });
    }
    if let Some(address) = url.strip_prefix("kong://") {
        let address = reading.parsed(Name::ControlPlane, |_| host_and_port(address)).flatten()?;
        return Some(kong(reading, address, Name::ControlPlane));
    }
    if let Some(url) = url.strip_prefix("xds+") {
        return xds(reading, url, credentials?);
    }
    let Some(parsed) = parse_http(&url) else {
        reading.contradiction(Name::ControlPlane, HOW);
        return None;
    };
    if parsed.credentials {
        let fix = "remove what stands before '@' and set holdover_control_plane_user and holdover_control_plane_password";
        reading.contradiction(Name::ControlPlane, fix);
    }
    let credentials = credentials?;
    if credentials.is_some() && !parsed.encrypted && !parsed.loopback {
        reading.contradiction(Name::ControlPlane, IN_THE_CLEAR);
    }
    let ca_file = reading.path(Name::ClusterCaCert)?;
    Some(ControlPlane::Http { url, credentials, ca_file, poll_interval: poll_interval? })
}

const IN_THE_CLEAR: &str = "plain http would send the credentials to another machine in the clear; write https://";

fn xds(reading: &mut Reading<'_>, url: &str, credentials: Option<Credentials>) -> Option<ControlPlane> {
    const HOW: &str = "an xDS management server has a host and a port and no path, for example xds+https://xds.example.com:18000";
    reading.idle(Name::PollInterval, "an xDS management server is not polled");
    let protocols = [("delta", XdsProtocol::Delta), ("sotw", XdsProtocol::StateOfTheWorld)];
    let protocol = reading.choice(Name::XdsProtocol, &protocols);
    let named = parse_http(url).filter(|parsed| !parsed.credentials);
    let authority = url.split_once("://").map(|(_, authority)| authority.trim_end_matches('/'));
    let (Some(parsed), Some(true)) = (named, authority.map(|authority| host_and_port(authority).is_ok())) else {
        reading.contradiction(Name::ControlPlane, HOW);
        return None;
    };
    let token = match credentials {
        None => None,
        Some(Credentials::Token(token)) => Some(token),
        Some(Credentials::Basic { .. }) => {
            let fix = "an xDS management server is shown a token or a certificate; set holdover_control_plane_token, or cluster_cert";
            reading.contradiction(Name::ControlPlaneUser, fix);
            return None;
        }
    };
    if token.is_some() && !parsed.encrypted && !parsed.loopback {
        reading.contradiction(Name::ControlPlane, IN_THE_CLEAR);
    }
    Some(ControlPlane::Xds { url: url.trim_end_matches('/').to_owned(), token, protocol: protocol? })
}

fn kong(reading: &mut Reading<'_>, address: String, setting: Name) -> ControlPlane {
    for name in [Name::ControlPlaneToken, Name::ControlPlaneUser, Name::ControlPlanePassword, Name::PollInterval] {
        reading.idle(name, "Kong's hybrid protocol proves itself with certificates, and is told of changes");
    }
    ControlPlane::Kong { address, setting: setting.as_str() }
}

/// As Kong has it: a name, an IPv4 address or an IPv6 address in brackets, and a port.
fn host_and_port(text: &str) -> Result<String, String> {
    let how = || "write host:port, for example kong-control-plane:8005".to_owned();
    let authority: Authority = text.parse().map_err(|_| how())?;
    let sound = !authority.host().is_empty() && authority.port_u16().is_some_and(|port| port > 0) && !text.contains('@');
    if sound { Ok(text.to_owned()) } else { Err(how()) }
}

fn credentials(reading: &mut Reading<'_>) -> Option<Option<Credentials>> {
    let token = reading.secret(Name::ControlPlaneToken);
    let user = reading.text(Name::ControlPlaneUser);
    let password = reading.secret(Name::ControlPlanePassword);
    match (token?, user?, password?) {
        (None, None, None) => Some(None),
        (Some(token), None, None) => Some(Some(Credentials::Token(token))),
        (None, Some(user), Some(_)) if user.contains(':') => {
            reading.contradiction(Name::ControlPlaneUser, "HTTP Basic has no ':' in a user's name; write the name alone");
            None
        }
        (None, Some(user), Some(password)) => Some(Some(Credentials::Basic { user, password })),
        (None, Some(_), None) => {
            reading.missing(Name::ControlPlanePassword, "holdover_control_plane_user needs it");
            None
        }
        (None, None, Some(_)) => {
            reading.missing(Name::ControlPlaneUser, "holdover_control_plane_password needs it");
            None
        }
        (Some(_), _, _) => {
            let fix = "there is a user or password too, and one request carries one of the two; keep the token, or user and password";
            reading.contradiction(Name::ControlPlaneToken, fix);
            None
        }
    }
}
