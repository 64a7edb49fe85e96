//! What services say of TLS to their upstreams, and the texts in PEM that they mean by it. Knows no TLS, and reads no certificate.

use std::collections::HashMap;

use serde::Deserialize;

use super::{KeyPair, Scheme, Unroutable, Upstream, entity};
use crate::config::kong;

/// A way of speaking TLS to an upstream. Certificates go by their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct UpstreamTls {
    /// Whether the upstream has to prove who it is. `None`: as the gateway does by default.
    pub verify: Option<bool>,
    /// Who may have signed the upstream's certificate. None: whom the gateway trusts by default.
    pub authorities: Vec<String>,
    /// What is shown to the upstream.
    pub client_certificate: Option<String>,
}

/// What the ids of [`UpstreamTls`] stand for. Holds private keys, and so is never printed.
#[derive(Default)]
pub struct UpstreamCertificates {
    pairs: HashMap<String, KeyPair>,
    /// In PEM.
    authorities: HashMap<String, String>,
}

/// Each way once, by the order in which it came.
#[derive(Default)]
pub(super) struct Ways(HashMap<UpstreamTls, usize>);

#[derive(Deserialize)]
struct Entities {
    #[serde(default, deserialize_with = "entity::list")]
    certificates: Vec<Pair>,
    #[serde(default, deserialize_with = "entity::list")]
    ca_certificates: Vec<Authority>,
}

#[derive(Deserialize)]
struct Pair {
    id: String,
    cert: String,
    key: String,
}

#[derive(Deserialize)]
struct Authority {
    id: String,
    cert: String,
}

impl UpstreamTls {
    /// A service's own client certificate goes before that of the upstream its host names. `None` in plain.
    pub(super) fn of(service: &entity::Service, scheme: Scheme, upstream: Option<&Upstream>) -> Option<Self> {
        let own = service.client_certificate.as_ref();
        scheme.is_tls().then(|| Self {
            verify: service.tls_verify,
            authorities: service.ca_certificates.clone(),
            client_certificate: own.or_else(|| upstream?.client_certificate.as_ref()).cloned(),
        })
    }
}

impl UpstreamCertificates {
    /// `config` is a configuration as Kong writes or sends it; where no way names a certificate, it is not looked at.
    pub fn read(config: &[u8], ways: &[UpstreamTls]) -> Result<Self, Unroutable> {
        if ways.iter().all(|way| way.authorities.is_empty() && way.client_certificate.is_none()) {
            return Ok(Self::default());
        }
        let flat = kong::flatten(config).map_err(|invalid| Unroutable::new(invalid.to_string()))?;
        // The error's text may hold a value, and here that may be a key.
        let Entities { certificates, ca_certificates } = serde_json::from_slice(&flat).map_err(|_| {
            Unroutable::new("the configuration's certificates or ca_certificates are not of Kong's shape: validate it to see where")
        })?;
        Ok(Self {
            pairs: certificates.into_iter().map(|Pair { id, cert, key }| (id, KeyPair { chain_pem: cert, key_pem: key })).collect(),
            authorities: ca_certificates.into_iter().map(|Authority { id, cert }| (id, cert)).collect(),
        })
    }

    pub fn pair(&self, id: &str) -> Option<&KeyPair> {
        self.pairs.get(id)
    }

    /// In PEM.
    pub fn authority(&self, id: &str) -> Option<&str> {
        self.authorities.get(id).map(String::as_str)
    }
}

impl Ways {
    pub fn place(&mut self, way: UpstreamTls) -> usize {
        let next = self.0.len();
        *self.0.entry(way).or_insert(next)
    }

    pub fn in_order(self) -> Vec<UpstreamTls> {
        let mut ways: Vec<(UpstreamTls, usize)> = self.0.into_iter().collect();
        ways.sort_unstable_by_key(|(_, place)| *place);
        ways.into_iter().map(|(way, _)| way).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::super::{Decision, Headers, Protocol, Request, Table, Unenforced, pack};
    use super::*;

    const CA: &str = "00000000-0000-4000-8000-00000000000a";
    const PAIR: &str = "00000000-0000-4000-8000-00000000000b";
    const OTHER: &str = "00000000-0000-4000-8000-00000000000c";

    #[test]
    fn a_service_says_how_tls_is_spoken_and_its_upstream_what_is_shown() {
        let built = Table::build(config().as_bytes(), &Unenforced::default()).unwrap();
        let packed = pack(config().as_bytes(), &Unenforced::default()).unwrap();
        let way = |verify, authorities: &[&str], shown: Option<&str>| UpstreamTls {
            verify,
            authorities: authorities.iter().map(|&id| id.to_owned()).collect(),
            client_certificate: shown.map(str::to_owned),
        };
        for table in [built, Table::unpack(&packed).unwrap()] {
            assert_eq!(of(&table, "/plain"), way(None, &[], None));
            assert_eq!(of(&table, "/default"), way(None, &[], None));
            assert_eq!(of(&table, "/strict"), way(Some(true), &[CA], Some(PAIR)));
            assert_eq!(of(&table, "/balanced"), way(Some(false), &[], Some(OTHER)));
            assert_eq!(of(&table, "/own"), way(None, &[], Some(PAIR)));
            assert_eq!(of(&table, "/balanced-plain"), way(None, &[], None));
            assert_eq!(table.upstream_tls().len(), 4, "each way once");
        }
    }

    #[test]
    fn ids_stand_for_the_configurations_own_texts() {
        let table = Table::build(config().as_bytes(), &Unenforced::default()).unwrap();
        let read = UpstreamCertificates::read(config().as_bytes(), table.upstream_tls()).unwrap();
        assert_eq!(read.authority(CA), Some("CA"));
        let pair = read.pair(OTHER).unwrap();
        assert_eq!((pair.chain_pem.as_str(), pair.key_pem.as_str()), ("D", "L"));
        assert!(read.pair(CA).is_none() && read.authority(PAIR).is_none());
    }

    #[test]
    fn what_is_wrong_is_said_without_a_key() {
        let ways = [UpstreamTls { client_certificate: Some(PAIR.to_owned()), ..UpstreamTls::default() }];
        let config = r#"{"_format_version":"3.0","certificates":[{"id":"c","cert":1,"key":"secret"}]}"#;
        let refused = UpstreamCertificates::read(config.as_bytes(), &ways).map(drop).unwrap_err().to_string();
        assert!(refused.contains("certificates") && !refused.contains("secret"), "{refused}");
        assert!(UpstreamCertificates::read(config.as_bytes(), &[UpstreamTls::default()]).is_ok(), "nobody asks for them");
    }

    fn config() -> String {
        format!(
            "
_format_version: '3.0'
ca_certificates: [{{id: {CA}, cert: CA}}]
certificates: [{{id: {PAIR}, cert: C, key: K}}, {{id: {OTHER}, cert: D, key: L}}]
upstreams: [{{name: many, client_certificate: {OTHER}, targets: [{{target: 'c.test:443'}}]}}]
services:
- {{name: plain, host: a.test, routes: [{{name: a, paths: [/plain]}}]}}
- {{name: default, host: a.test, protocol: https, routes: [{{name: b, paths: [/default]}}]}}
- {{name: strict, host: a.test, protocol: https, tls_verify: true, ca_certificates: [{CA}], client_certificate: {PAIR}, routes: [{{name: c, paths: [/strict]}}]}}
- {{name: balanced, host: many, protocol: https, tls_verify: false, routes: [{{name: d, paths: [/balanced]}}]}}
- {{name: own, host: many, protocol: https, client_certificate: {PAIR}, routes: [{{name: e, paths: [/own]}}]}}
- {{name: balanced-plain, host: many, routes: [{{name: f, paths: [/balanced-plain]}}]}}
"
        )
    }

    fn of(table: &Table, path: &str) -> UpstreamTls {
        let headers: Vec<(&str, &str)> = Vec::new();
        let request = Request {
            protocol: Protocol::Http,
            host: "shop.test",
            port: Some(80),
            method: "GET",
            path,
            query: None,
            headers: &headers as &dyn Headers,
            sni: None,
            forwarded_protocol: None,
            forwarded_host: None,
        };
        match table.decide(&request) {
            Decision::Proxy(proxy) => proxy.service.tls.map_or_else(UpstreamTls::default, |place| table.upstream_tls()[place].clone()),
            other => panic!("{path} is not proxied: {other:?}"),
        }
    }
}
