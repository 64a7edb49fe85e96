//! Which certificate of a configuration a server name gets: names, and texts in PEM. Knows no TLS, and reads no certificate.

use std::collections::HashMap;

use serde::Deserialize;

use super::{Unroutable, entity};
use crate::config::kong;

/// Holds private keys, and so is never printed.
#[derive(Default)]
pub struct ServerCertificates {
    pub certificates: Vec<ServerCertificate>,
    /// In lower case, wildcards as written, each with its certificate's place.
    names: HashMap<String, usize>,
}

pub struct ServerCertificate {
    pub id: String,
    pub pair: KeyPair,
    /// The same server with another type of key, for clients that cannot use the first.
    pub alternative: Option<KeyPair>,
}

/// A certificate with those of its issuers, and its private key. A text may also name a place in a vault (`{vault://…}`).
#[derive(Clone)]
pub struct KeyPair {
    pub chain_pem: String,
    pub key_pem: String,
}

/// The name that stands for all that have no other certificate.
const EVERY_OTHER: &str = "*";

#[derive(Deserialize)]
struct Entities {
    #[serde(default, deserialize_with = "entity::list")]
    certificates: Vec<Certificate>,
    #[serde(default, deserialize_with = "entity::list")]
    snis: Vec<Sni>,
}

#[derive(Deserialize)]
struct Certificate {
    id: String,
    cert: String,
    key: String,
    cert_alt: Option<String>,
    key_alt: Option<String>,
}

#[derive(Deserialize)]
struct Sni {
    name: String,
    certificate: String,
}

impl ServerCertificates {
    /// `config` is a configuration as Kong writes or sends it.
    pub fn read(config: &[u8]) -> Result<Self, Unroutable> {
        let flat = kong::flatten(config).map_err(|invalid| Unroutable::new(invalid.to_string()))?;
        // The error's text may hold a value, and here that may be a key.
        let entities: Entities = serde_json::from_slice(&flat)
            .map_err(|_| Unroutable::new("the configuration's certificates or snis are not of Kong's shape: validate it to see where"))?;
        let mut places = HashMap::with_capacity(entities.certificates.len());
        let mut certificates = Vec::with_capacity(entities.certificates.len());
        for Certificate { id, cert, key, cert_alt, key_alt } in entities.certificates {
            places.insert(id.clone(), certificates.len());
            let alternative = cert_alt.zip(key_alt).map(|(chain_pem, key_pem)| KeyPair { chain_pem, key_pem });
            certificates.push(ServerCertificate { id, pair: KeyPair { chain_pem: cert, key_pem: key }, alternative });
        }
        let mut names = HashMap::with_capacity(entities.snis.len());
        for Sni { name, certificate } in entities.snis {
            let Some(place) = places.get(&certificate) else {
                return Err(Unroutable::new(format!("sni '{name}' names a certificate that is not in the configuration: add it")));
            };
            names.insert(name.to_ascii_lowercase(), *place);
        }
        Ok(Self { certificates, names })
    }

    /// The place of a server name's certificate; of no name, when that stands for every other. The name is in lower case.
    pub fn place(&self, name: Option<&str>) -> Option<usize> {
        let of = |name: &str| self.names.get(name).copied();
        let named = name.and_then(|name| of(name).or_else(|| of(&leading_wildcard(name)?)).or_else(|| of(&trailing_wildcard(name)?)));
        named.or_else(|| of(EVERY_OTHER))
    }
}

/// `a.b.c` is one of `*.b.c`; `a.b` is one of none.
fn leading_wildcard(name: &str) -> Option<String> {
    let (_, rest) = name.split_once('.').filter(|(label, rest)| !label.is_empty() && rest.contains('.'))?;
    Some(format!("*.{rest}"))
}

/// `a.b.c` is one of `a.b.*`.
fn trailing_wildcard(name: &str) -> Option<String> {
    let (start, _) = name.rsplit_once('.').filter(|(start, label)| !start.is_empty() && !label.is_empty())?;
    Some(format!("{start}.*"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // A failed unwrap is a failed test.
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_name_gets_its_own_certificate_then_a_wildcards_then_the_one_for_every_other() {
        let names = [("a.com", "0"), ("*.a.com", "1"), ("a.*", "2"), ("b.a.*", "3"), ("*", "4"), ("UP.com", "5")];
        let certificates: Vec<Value> =
            (0..6).map(|id| json!({ "id": id.to_string(), "cert": "C", "key": "K", "cert_alt": null })).collect();
        let snis: Vec<Value> = names.iter().map(|(name, id)| json!({ "id": name, "name": name, "certificate": id })).collect();
        let read = read(&json!({ "certificates": certificates, "snis": snis })).unwrap();
        let cases = [
            (Some("a.com"), 0),
            (Some("b.a.com"), 1),
            (Some("a.org"), 2),
            (Some("b.a.org"), 3),
            (Some("c.b.a.com"), 4),
            (Some("up.com"), 5),
            (Some("other"), 4),
            (Some(".a.com"), 4),
            (None, 4),
        ];
        for (name, place) in cases {
            assert_eq!(read.place(name), Some(place), "{name:?}");
        }
    }

    #[test]
    fn without_one_for_every_other_a_name_may_have_none() {
        let certificates = json!([{ "id": "c", "cert": "C", "key": "K", "cert_alt": "D", "key_alt": "L", "snis": [{ "name": "a.com" }] }]);
        let read = read(&json!({ "certificates": certificates })).unwrap();
        assert_eq!((read.place(Some("a.com")), read.place(Some("b.com")), read.place(None)), (Some(0), None, None));
        assert!(read.certificates.iter().all(|certificate| certificate.alternative.is_some()));
        assert_eq!(ServerCertificates::read(br#"{"_format_version":"3.0"}"#).unwrap().place(Some("a.com")), None);
    }

    #[test]
    fn what_is_wrong_is_said_without_a_key() {
        let cases = [
            json!({ "snis": [{ "id": "s", "name": "a.com", "certificate": "c" }] }),
            json!({ "certificates": [{ "id": "c", "cert": 1, "key": "secret" }] }),
        ];
        for case in cases {
            let refused = read(&case).map(|_| ()).unwrap_err().to_string();
            assert!(!refused.contains("secret"), "{refused}");
        }
    }

    fn read(config: &Value) -> Result<ServerCertificates, Unroutable> {
        let mut config = config.clone();
        config["_format_version"] = json!("3.0");
        ServerCertificates::read(config.to_string().as_bytes())
    }
}
