//! What the built-in gateway shows its clients and tells them, and which proxies and upstreams it believes. What the texts mean, its adapter judges.

use super::super::reading::Reading;
use super::super::reference::Name;
use super::super::secret::Secret;
use super::super::{Front, Judges};

const FRONT: [Name; 8] = [
    Name::SslCert,
    Name::SslCertKey,
    Name::TrustedIps,
    Name::RealIpHeader,
    Name::RealIpRecursive,
    Name::Headers,
    Name::ProxySslVerify,
    Name::TrustedCertificate,
];

/// `speaks_tls`: `proxy_listen` has an entry with `ssl`.
pub fn front(reading: &mut Reading<'_>, speaks_tls: bool, judges: &Judges<'_>) -> Option<Front> {
    let certificates = certificates(reading, speaks_tls);
    let trusted_ips = texts(reading, Name::TrustedIps);
    let real_ip_header = reading.defaulted(Name::RealIpHeader, |text| Ok(text.to_owned()));
    let real_ip_recursive = reading.switch(Name::RealIpRecursive);
    let headers = texts(reading, Name::Headers);
    let verifies_upstreams = reading.switch(Name::ProxySslVerify);
    let trusted_certificates = texts(reading, Name::TrustedCertificate);
    let (certs, cert_keys) = certificates?;
    let front = Front {
        certs,
        cert_keys,
        trusted_ips: trusted_ips?,
        real_ip_header: real_ip_header?,
        real_ip_recursive: real_ip_recursive?,
        headers: headers?,
        verifies_upstreams: verifies_upstreams?,
        trusted_certificates: trusted_certificates?,
    };
    if front.trusted_ips.is_empty() {
        for name in [Name::RealIpHeader, Name::RealIpRecursive] {
            reading.idle(name, "no proxy is trusted; trusted_ips names them");
        }
    }
    match (judges.front)(&front) {
        Ok(()) => Some(front),
        Err(sentence) => {
            reading.judged(&FRONT, sentence);
            None
        }
    }
}

/// Where there is no front.
pub fn idle(reading: &mut Reading<'_>) {
    for name in FRONT {
        reading.idle(name, "the gateway is not the built-in one");
    }
}

/// Where TLS is not spoken nothing is opened, as in Kong.
fn certificates(reading: &mut Reading<'_>, speaks_tls: bool) -> Option<(Vec<String>, Vec<Secret>)> {
    if !speaks_tls {
        for name in [Name::SslCert, Name::SslCertKey] {
            reading.idle(name, "proxy_listen has no entry with ssl");
        }
        return Some((Vec::new(), Vec::new()));
    }
    let certs = texts(reading, Name::SslCert);
    let keys = reading.list(Name::SslCertKey, |text| Ok(Secret::new(text.to_owned())));
    let (certs, keys) = (certs?, keys?);
    for key in &keys {
        reading.note_open_key(Name::SslCertKey, key);
    }
    match (certs.len(), keys.len()) {
        (0, 0) => {}
        (_, 0) => reading.missing(Name::SslCertKey, "give the key of ssl_cert"),
        (0, _) => reading.missing(Name::SslCert, "give the certificate that ssl_cert_key belongs to"),
        (certs, keys) if certs != keys => {
            reading.contradiction(Name::SslCertKey, format!("ssl_cert has {certs}, and this has {keys}; give each certificate its key"));
        }
        _ => return Some((certs, keys)),
    }
    (certs.is_empty() && keys.is_empty()).then_some((certs, keys))
}

fn texts(reading: &mut Reading<'_>, name: Name) -> Option<Vec<String>> {
    reading.list(name, |text| Ok(text.to_owned()))
}
