//! The HTTP client of a mirror: whom it trusts, and everything that it does not do by itself.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, NoProxy, Proxy, redirect, retry};
use rustls::{ClientConfig, RootCertStore};

use crate::options::Options;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Connections are given up before servers close them, so that no request is sent into a closing one.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// `Err` is the end of a sentence about the mirror's address.
pub(super) fn towards(base: &str, options: &Options) -> Result<Client, String> {
    let encrypted = base.starts_with("https://");
    let mut builder = Client::builder()
        .user_agent(concat!("holdover/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .https_only(encrypted)
        .tls_backend_preconfigured(tls(encrypted, options)?)
        .redirect(redirect::Policy::none())
        // The policy decides what is asked again.
        .retry(retry::never())
        .referer(false)
        // A snapshot's digest is over the bytes as they are.
        .no_gzip()
        // The process's environment has no say: what was read of it is in the options.
        .no_proxy();
    if let Some(proxy) = options.proxy_for(base) {
        let made = if encrypted { Proxy::https(&proxy.url) } else { Proxy::http(&proxy.url) };
        let made = made.map_err(|_| format!("the proxy {} cannot be used; check HTTPS_PROXY and HTTP_PROXY", proxy.shown))?;
        builder = builder.proxy(made.no_proxy(NoProxy::from_string(&proxy.no_proxy)));
    }
    builder.build().map_err(|error| format!("no HTTP client can be made ({})", super::failure::deepest(&error)))
}

fn tls(encrypted: bool, options: &Options) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    // Plain http trusts nobody, and must start where no roots are installed.
    if encrypted {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots.add_parsable_certificates(options.ca.iter().flat_map(|ca| ca.certificates.clone()));
        if roots.is_empty() {
            return Err("this machine trusts no CA certificates; install them, or name a PEM file in AWS_CA_BUNDLE".into());
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let versions = versions.map_err(|error| format!("TLS cannot be set up ({error})"))?;
    Ok(versions.with_root_certificates(roots).with_no_client_auth())
}
