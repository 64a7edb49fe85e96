//! The client under the SDK: TLS with the machine's own roots and the operator's, directly or through a proxy.

use std::time::Duration;

use aws_sdk_s3::config::SharedHttpClient;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};

use crate::options::{Options, Proxy};

/// Connections are given up before the services close them (S3 after some 20 s), so that no request is sent into a closing one.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// For requests to one address, `scheme://host[:port]`.
pub(super) fn towards(address: &str, options: &Options) -> Result<SharedHttpClient, String> {
    let tls = tls(options)?;
    match options.proxy_for(address) {
        None => Ok(directly(tls)),
        Some(proxy) => through(&proxy, address, tls),
    }
}

/// For the credential services of this machine, which no proxy can reach.
pub(super) fn of_this_machine(options: &Options) -> Result<SharedHttpClient, String> {
    Ok(directly(tls(options)?))
}

fn directly(tls: TlsContext) -> SharedHttpClient {
    Builder::new().pool_idle_timeout(IDLE_TIMEOUT).tls_provider(provider()).tls_context(tls).build_https()
}

fn through(proxy: &Proxy, address: &str, tls: TlsContext) -> Result<SharedHttpClient, String> {
    let made = if address.starts_with("https://") { ProxyConfig::https(&*proxy.url) } else { ProxyConfig::http(&*proxy.url) };
    // The SDK's own words repeat the address with its password.
    let config = made.map_err(|_| format!("the proxy {} cannot be used; check HTTPS_PROXY and HTTP_PROXY", proxy.shown))?;
    let config = if proxy.no_proxy.is_empty() { config } else { config.no_proxy(&proxy.no_proxy) };
    // The SDK's builder of whole clients takes no proxy; this one does, and shares connections between requests as that one does.
    Ok(Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder().pool_idle_timeout(IDLE_TIMEOUT).proxy_config(config.clone());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.tls_provider(provider()).tls_context(tls.clone()).build()
    }))
}

fn provider() -> Provider {
    Provider::Rustls(CryptoMode::Ring)
}

fn tls(options: &Options) -> Result<TlsContext, String> {
    let roots = TrustStore::empty().with_native_roots(true);
    let roots = match &options.ca {
        Some(ca) => roots.with_pem_certificate(&*ca.pem),
        None => roots,
    };
    let context = TlsContext::builder().with_trust_store(roots).build();
    context.map_err(|error| format!("TLS cannot be set up ({error}); check AWS_CA_BUNDLE and the machine's CA certificates"))
}
