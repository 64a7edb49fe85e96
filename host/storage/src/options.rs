//! How storages are reached over the network: whom TLS trusts, which proxy stands between, how a bucket is addressed.
//!
//! Knows the variables that other tools know (`AWS_CA_BUNDLE`, `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`); opens no connection. A
//! proxy's password is never printed.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::Environment;
use crate::url::Endpoint;

/// A bundle of all the world's roots is smaller.
const CA_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Checked. The default trusts the machine's own roots, asks no proxy and addresses buckets as the service needs it.
#[derive(Clone, Default)]
pub struct Options {
    pub(crate) addressing: Addressing,
    pub(crate) ca: Option<CaBundle>,
    http_proxy: Option<ProxyUrl>,
    https_proxy: Option<ProxyUrl>,
    no_proxy: String,
}

/// `holdover_s3_addressing`: where the bucket's name stands in a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Addressing {
    /// Virtual hosts at Amazon, paths at every other service.
    #[default]
    Auto,
    /// `https://host/bucket/key`
    Path,
    /// `https://bucket.host/key`
    Virtual,
}

/// Certificates that are trusted besides the machine's own roots.
#[derive(Clone)]
pub(crate) struct CaBundle {
    pub pem: Arc<[u8]>,
    pub certificates: Vec<CertificateDer<'static>>,
}

/// A proxy that stands before one host.
#[derive(Clone)]
pub(crate) struct Proxy {
    /// With its user and password.
    pub url: String,
    /// Without them.
    pub shown: String,
    pub no_proxy: String,
}

#[derive(Clone)]
struct ProxyUrl {
    url: String,
    shown: String,
}

impl Options {
    /// Reads the file that `AWS_CA_BUNDLE` names.
    pub fn from_environment(environment: &Environment) -> Result<Self, String> {
        let mut options = Self::default();
        if let Some(path) = variable(environment, "AWS_CA_BUNDLE") {
            options = read_bounded(path).and_then(|pem| options.with_ca(&pem)).map_err(|why| format!("AWS_CA_BUNDLE = '{path}': {why}"))?;
        }
        if let Some((name, value)) = either_spelling(environment, "HTTP_PROXY") {
            options = options.with_http_proxy(value).map_err(|why| format!("{name}: {why}"))?;
        }
        if let Some((name, value)) = either_spelling(environment, "HTTPS_PROXY") {
            options = options.with_https_proxy(value).map_err(|why| format!("{name}: {why}"))?;
        }
        Ok(match either_spelling(environment, "NO_PROXY") {
            Some((_, hosts)) => options.with_no_proxy(hosts),
            None => options,
        })
    }

    pub fn with_addressing(self, addressing: Addressing) -> Self {
        Self { addressing, ..self }
    }

    /// Trusts these certificates (PEM) besides the machine's own roots. `Err` is the end of a sentence about where they come from.
    pub fn with_ca(self, pem: &[u8]) -> Result<Self, String> {
        const HOW: &str = "give it one or more CERTIFICATE blocks in PEM";
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let certificates =
            read.ok().filter(|read| !read.is_empty()).ok_or_else(|| format!("it holds no certificate that can be read; {HOW}"))?;
        // The SDK takes them without a second look.
        let mut roots = RootCertStore::empty();
        let fit = certificates.iter().all(|certificate| roots.add(certificate.clone()).is_ok());
        if !fit {
            return Err(format!("one of its certificates cannot be trusted as a root; {HOW}"));
        }
        Ok(Self { ca: Some(CaBundle { pem: pem.into(), certificates }), ..self })
    }

    /// For storages at `http://`.
    pub fn with_http_proxy(self, url: &str) -> Result<Self, String> {
        Ok(Self { http_proxy: Some(url.parse()?), ..self })
    }

    /// For storages at `https://`.
    pub fn with_https_proxy(self, url: &str) -> Result<Self, String> {
        Ok(Self { https_proxy: Some(url.parse()?), ..self })
    }

    /// Hosts, domains and networks that are asked directly: comma-separated, as curl has it.
    pub fn with_no_proxy(self, hosts: &str) -> Self {
        Self { no_proxy: hosts.to_owned(), ..self }
    }

    /// Who stands between this machine and an address `scheme://host[:port]…`. Nobody stands between it and itself.
    pub(crate) fn proxy_for(&self, address: &str) -> Option<Proxy> {
        let (scheme, rest) = address.split_once("://")?;
        if is_loopback(host_of(rest)) {
            return None;
        }
        let proxy = if scheme == "https" { self.https_proxy.as_ref() } else { self.http_proxy.as_ref() };
        proxy.map(|proxy| Proxy { url: proxy.url.clone(), shown: proxy.shown.clone(), no_proxy: self.no_proxy.clone() })
    }
}

/// Whether, not which: a proxy's address may hold a password.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("addressing", &self.addressing)
            .field("ca", &self.ca.is_some())
            .field("http_proxy", &self.http_proxy.is_some())
            .field("https_proxy", &self.https_proxy.is_some())
            .finish()
    }
}

impl FromStr for Addressing {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "path" => Ok(Self::Path),
            "virtual" => Ok(Self::Virtual),
            _ => Err("holdover_s3_addressing is one of auto, path, virtual".into()),
        }
    }
}

impl FromStr for ProxyUrl {
    type Err = String;

    /// As curl has it: `http://` may be left out. The error does not repeat the text, which may hold a password.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "it is no proxy's address; write it as http://host:port or http://user:password@host:port".to_owned();
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (user, authority) = match rest.rsplit_once('@') {
            Some((user, authority)) => (format!("{user}@"), authority),
            None => (String::new(), rest),
        };
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"/?#@\\\"<>".contains(&byte);
        let host = Endpoint::parse(&format!("{scheme}://{authority}")).map_err(|_| wrong())?;
        if !user.trim_end_matches('@').bytes().all(plain) {
            return Err(wrong());
        }
        Ok(Self { url: format!("{scheme}://{user}{authority}"), shown: host.to_string() })
    }
}

/// This machine under any of its names.
pub(crate) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => bare.eq_ignore_ascii_case("localhost") || bare.to_ascii_lowercase().ends_with(".localhost"),
    }
}

/// The host of `host[:port][/…]`.
pub(crate) fn host_of(rest: &str) -> &str {
    let authority = rest.split('/').next().unwrap_or_default();
    match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.split(':').next().unwrap_or_default(),
    }
}

fn read_bounded(path: &str) -> Result<Vec<u8>, String> {
    let mut pem = Vec::new();
    let read = File::open(path).and_then(|file| file.take(CA_BYTES_MAX + 1).read_to_end(&mut pem));
    read.map_err(|error| format!("it cannot be read ({error}); name a readable PEM file, or unset the variable"))?;
    if pem.len() as u64 > CA_BYTES_MAX {
        return Err(format!("it has more than {CA_BYTES_MAX} bytes; name a file of certificates"));
    }
    Ok(pem)
}

/// An empty variable counts as one that is not set.
pub(crate) fn variable<'a>(environment: &'a Environment, name: &str) -> Option<&'a str> {
    environment.get(name).map(String::as_str).filter(|value| !value.is_empty())
}

/// The small spelling wins, as in curl.
fn either_spelling<'a>(environment: &'a Environment, name: &str) -> Option<(String, &'a str)> {
    let spellings = [name.to_ascii_lowercase(), name.to_owned()];
    spellings.into_iter().find_map(|name| variable(environment, &name).map(|value| (name, value)))
}

#[cfg(test)]
// A test stops at the first thing that is not as it says.
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_chosen_by_the_address_and_never_stands_before_this_machine() {
        let options =
            options(&[("HTTPS_PROXY", "http://me:hunter2@proxy:3128/"), ("http_proxy", "plain-proxy:80"), ("HTTP_PROXY", "http://other")]);
        let proxy = |address: &str| options.proxy_for(address).map(|proxy| proxy.url);
        assert_eq!(proxy("https://minio.internal:9000").as_deref(), Some("http://me:hunter2@proxy:3128"));
        assert_eq!(proxy("http://minio.internal").as_deref(), Some("http://plain-proxy:80"));
        for here in ["http://127.0.0.1:9000", "https://localhost", "https://[::1]:9000/x", "http://a.localhost:1"] {
            assert_eq!(proxy(here), None, "{here}");
        }
        assert_eq!(options.proxy_for("https://s3").map(|proxy| proxy.shown).as_deref(), Some("http://proxy:3128"));
        assert!(!format!("{options:?}").contains("hunter2"));
    }

    #[test]
    fn a_proxy_that_is_no_address_is_named_without_its_password() {
        for bad in ["http://me:hunter2@", "socks5://me:hunter2@proxy:1", "http://me:hunter2@proxy:99999", "http://me:hun ter2@proxy"] {
            let sentence = refused(&[("https_proxy", bad)]);
            assert!(sentence.starts_with("https_proxy: ") && !sentence.contains("hunter2"), "{sentence}");
        }
    }

    #[test]
    fn a_ca_bundle_without_certificates_is_named_with_its_path() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("ca.pem");
        let path = path.to_str().unwrap();
        assert!(refused(&[("AWS_CA_BUNDLE", path)]).contains("cannot be read"));
        for bad in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            std::fs::write(path, bad).unwrap();
            let sentence = refused(&[("AWS_CA_BUNDLE", path)]);
            assert!(sentence.starts_with("AWS_CA_BUNDLE = ") && sentence.contains("CERTIFICATE blocks"), "{sentence}");
        }
    }

    fn options(variables: &[(&str, &str)]) -> Options {
        Options::from_environment(&environment(variables)).unwrap()
    }

    fn refused(variables: &[(&str, &str)]) -> String {
        Options::from_environment(&environment(variables)).expect_err("a refusal")
    }

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }
}
