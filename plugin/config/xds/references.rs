//! What a resource asks for by name over the stream that it came on, and what else of it matters when that stream is away.
//!
//! Only what Envoy itself looks up is known: endpoints of clusters, routes of listeners, secrets of TLS. These are followed. Scopes,
//! virtual hosts and what filters are configured with can be asked for over the stream as well; who follows it asks for none of them, so
//! that they can only be missed. What an extension asks for in its own configuration (secrets of an OAuth filter, say) is not seen, nor
//! are endpoints that a locality discovers for itself (LEDS). Of what is asked for elsewhere, in files or of another management server,
//! only the other server is noted: its names are not of this stream.

use std::collections::BTreeSet;

use super::super::certificates;
use super::envoy::{NAME, any, cluster, data_source, discovery, http, listener, routes, scope, source, tls, upstream_http};
use super::sockets::{self, Tls};
use super::types;
use super::wire::{Malformed, Message};
use crate::model::UnixMs;

/// Names that are asked for over the same stream, by what they name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    pub endpoints: BTreeSet<String>,
    pub routes: BTreeSet<String>,
    pub secrets: BTreeSet<String>,
}

/// What is asked for over the same stream besides, and followed by nobody.
#[derive(Default)]
pub struct Unfollowed {
    /// By no name, and so not served from a set that holds some either.
    pub scopes: bool,
    /// The same, by the name of the routes that they are of.
    pub virtual_hosts: bool,
    /// What filters are configured with, by their names. These are served from a set that holds them.
    pub extensions: BTreeSet<String>,
}

/// What there is to see in one resource.
#[derive(Default)]
pub struct Seen {
    pub wanted: Wanted,
    pub unfollowed: Unfollowed,
    /// Other management servers, by cluster or address.
    pub servers: BTreeSet<String>,
    /// Private keys and the like that stand in the resource itself.
    pub keys: u64,
    /// When its certificates end.
    pub ends: Vec<UnixMs>,
}

/// What a cluster, a listener or a scope asks for over its own stream; of other types nothing is known to.
pub fn references(type_url: &str, value: &[u8]) -> Result<Wanted, String> {
    look(type_url, value).map(|seen| seen.wanted)
}

pub fn look(type_url: &str, value: &[u8]) -> Result<Seen, String> {
    let (mut seen, value) = (Seen::default(), Message(value));
    match type_url {
        types::CLUSTER => seen.cluster(value)?,
        types::LISTENER => seen.listener(value)?,
        types::ROUTES => seen.routes(value)?,
        // No stream that is followed brings one. A configuration that is handed over as a file may hold it.
        types::SCOPED_ROUTES => want(&mut seen.wanted.routes, value.text(scope::ROUTE_CONFIGURATION_NAME)?),
        types::SECRET => seen.secret(value)?,
        _ => {}
    }
    Ok(seen)
}

/// Without a name nothing can be asked for: Envoy refuses that by itself.
fn want(names: &mut BTreeSet<String>, name: &str) {
    if !name.is_empty() && !names.contains(name) {
        names.insert(name.to_owned());
    }
}

impl Seen {
    fn cluster(&mut self, cluster: Message<'_>) -> Result<(), String> {
        if cluster.number(cluster::DISCOVERY_TYPE)? == cluster::DISCOVERED {
            let eds = cluster.message(cluster::EDS_CLUSTER_CONFIG)?;
            if self.is_of_this_stream(eds.message(cluster::eds::CONFIG)?)? {
                let by_its_own = cluster.text(NAME)?;
                let service_name = Some(eds.text(cluster::eds::SERVICE_NAME)?).filter(|name| !name.is_empty());
                want(&mut self.wanted.endpoints, service_name.unwrap_or(by_its_own));
            }
        }
        self.socket(cluster.message(cluster::TRANSPORT_SOCKET)?)?;
        for matched in cluster.each(cluster::TRANSPORT_SOCKET_MATCHES) {
            self.socket(Message(matched?).message(cluster::matched::TRANSPORT_SOCKET)?)?;
        }
        self.extensions(cluster, cluster::FILTERS, cluster::filter::CONFIG_DISCOVERY)?;
        for options in cluster.each(cluster::TYPED_EXTENSION_PROTOCOL_OPTIONS) {
            let typed = Message(options?).message(cluster::options::VALUE)?;
            if sockets::message_name(typed)? == upstream_http::PROTOCOL_OPTIONS {
                self.extensions(typed.message(any::VALUE)?, upstream_http::HTTP_FILTERS, http::filter::CONFIG_DISCOVERY)?;
            }
        }
        Ok(())
    }

    fn listener(&mut self, listener: Message<'_>) -> Result<(), String> {
        self.filter(listener.message(listener::API_LISTENER)?.message(listener::api::API_LISTENER)?)?;
        self.extensions(listener, listener::LISTENER_FILTERS, listener::filter::CONFIG_DISCOVERY)?;
        for chain in listener.each(listener::FILTER_CHAINS).chain(listener.each(listener::DEFAULT_FILTER_CHAIN)) {
            let chain = Message(chain?);
            self.socket(chain.message(listener::filter_chain::TRANSPORT_SOCKET)?)?;
            self.extensions(chain, listener::filter_chain::FILTERS, listener::filter::CONFIG_DISCOVERY)?;
            for filter in chain.each(listener::filter_chain::FILTERS) {
                self.filter(Message(filter?).message(listener::filter::TYPED_CONFIG)?)?;
            }
        }
        Ok(())
    }

    fn filter(&mut self, typed: Message<'_>) -> Result<(), String> {
        if sockets::message_name(typed)? != http::CONNECTION_MANAGER {
            return Ok(());
        }
        let manager = typed.message(any::VALUE)?;
        let rds = manager.message(http::RDS)?;
        if self.is_of_this_stream(rds.message(http::rds::CONFIG_SOURCE)?)? {
            want(&mut self.wanted.routes, rds.text(http::rds::ROUTE_CONFIG_NAME)?);
        }
        let scoped = manager.message(http::SCOPED_ROUTES)?;
        let scoped_rds = scoped.message(http::scoped_routes::SCOPED_RDS)?;
        self.unfollowed.scopes |= self.is_of_this_stream(scoped_rds.message(http::scoped_rds::SCOPED_RDS_CONFIG_SOURCE)?)?;
        if self.is_of_this_stream(scoped.message(http::scoped_routes::RDS_CONFIG_SOURCE)?)? {
            let list = scoped.message(http::scoped_routes::SCOPED_ROUTE_CONFIGURATIONS_LIST)?;
            for inline in list.each(http::scopes::SCOPED_ROUTE_CONFIGURATIONS) {
                want(&mut self.wanted.routes, Message(inline?).text(scope::ROUTE_CONFIGURATION_NAME)?);
            }
        }
        self.extensions(manager, http::HTTP_FILTERS, http::filter::CONFIG_DISCOVERY)?;
        for upgrade in manager.each(http::UPGRADE_CONFIGS) {
            self.extensions(Message(upgrade?), http::upgrade::FILTERS, http::filter::CONFIG_DISCOVERY)?;
        }
        Ok(())
    }

    fn routes(&mut self, routes: Message<'_>) -> Result<(), Malformed> {
        let vhds = routes.message(routes::VHDS)?;
        self.unfollowed.virtual_hosts = self.is_of_this_stream(vhds.message(routes::vhds::CONFIG_SOURCE)?)?;
        Ok(())
    }

    /// Filters of any kind: where they stand, and where in one stands whom its configuration is asked of.
    #[inline(never)]
    fn extensions(&mut self, holder: Message<'_>, filters: u64, config_discovery: u64) -> Result<(), Malformed> {
        for filter in holder.each(filters) {
            let filter = Message(filter?);
            if self.is_of_this_stream(filter.message(config_discovery)?.message(discovery::CONFIG_SOURCE)?)? {
                want(&mut self.unfollowed.extensions, filter.text(NAME)?);
            }
        }
        Ok(())
    }

    fn socket(&mut self, socket: Message<'_>) -> Result<(), String> {
        match sockets::tls(socket)? {
            None => {}
            Some(Tls::Upstream(context)) => self.tls(context.message(tls::COMMON_TLS_CONTEXT)?)?,
            Some(Tls::Downstream(context)) => {
                self.tls(context.message(tls::COMMON_TLS_CONTEXT)?)?;
                for key in context.message(tls::SESSION_TICKET_KEYS)?.each(tls::session_tickets::KEYS) {
                    self.key(Message(key?))?;
                }
                self.secret_name(context.message(tls::SESSION_TICKET_KEYS_SDS_SECRET_CONFIG)?)?;
            }
        }
        Ok(())
    }

    /// A `CommonTlsContext`.
    fn tls(&mut self, context: Message<'_>) -> Result<(), Malformed> {
        use tls::common_context as field;
        let combined = context.message(field::COMBINED_VALIDATION_CONTEXT)?;
        for secret in context.each(field::TLS_CERTIFICATE_SDS_SECRET_CONFIGS) {
            self.secret_name(Message(secret?))?;
        }
        self.secret_name(context.message(field::VALIDATION_CONTEXT_SDS_SECRET_CONFIG)?)?;
        self.secret_name(combined.message(tls::combined::VALIDATION_CONTEXT_SDS_SECRET_CONFIG)?)?;
        for certificate in context.each(field::TLS_CERTIFICATES) {
            let certificate = Message(certificate?);
            self.key(certificate.message(tls::certificate::PRIVATE_KEY)?)?;
            self.key(certificate.message(tls::certificate::PKCS12)?)?;
            self.certificates(certificate.message(tls::certificate::CERTIFICATE_CHAIN)?)?;
        }
        for validation in [context.message(field::VALIDATION_CONTEXT)?, combined.message(tls::combined::DEFAULT_VALIDATION_CONTEXT)?] {
            self.certificates(validation.message(tls::validation::TRUSTED_CA)?)?;
        }
        Ok(())
    }

    /// One that holds only what is trusted is no secret.
    fn secret(&mut self, secret: Message<'_>) -> Result<(), Malformed> {
        self.keys += u64::from(secret.bytes(tls::secret::VALIDATION_CONTEXT)?.is_none());
        self.certificates(secret.message(tls::secret::TLS_CERTIFICATE)?.message(tls::certificate::CERTIFICATE_CHAIN)?)?;
        self.certificates(secret.message(tls::secret::VALIDATION_CONTEXT)?.message(tls::validation::TRUSTED_CA)?)
    }

    #[inline(never)]
    fn secret_name(&mut self, secret: Message<'_>) -> Result<(), Malformed> {
        if self.is_of_this_stream(secret.message(tls::sds::SDS_CONFIG)?)? {
            want(&mut self.wanted.secrets, secret.text(tls::sds::NAME)?);
        }
        Ok(())
    }

    #[inline(never)]
    fn key(&mut self, data: Message<'_>) -> Result<(), Malformed> {
        self.keys += u64::from(inline(data)?.is_some());
        Ok(())
    }

    #[inline(never)]
    fn certificates(&mut self, data: Message<'_>) -> Result<(), Malformed> {
        let pem = inline(data)?.and_then(|pem| std::str::from_utf8(pem).ok());
        self.ends.extend(pem.map(certificates::ends).unwrap_or_default());
        Ok(())
    }

    /// Whether a `ConfigSource` is whoever sent the resource. One that is not there is what the node was started with.
    #[inline(never)]
    fn is_of_this_stream(&mut self, config_source: Message<'_>) -> Result<bool, Malformed> {
        if config_source.bytes(source::ADS)?.is_some() || config_source.bytes(source::OWN)?.is_some() {
            return Ok(true);
        }
        let api = config_source.message(source::API_CONFIG_SOURCE)?;
        for cluster in api.each(source::api::CLUSTER_NAMES) {
            want(&mut self.servers, std::str::from_utf8(cluster?).map_err(|_| Malformed)?);
        }
        for service in api.each(source::api::GRPC_SERVICES) {
            for kind in [source::grpc_service::ENVOY_GRPC, source::grpc_service::GOOGLE_GRPC] {
                want(&mut self.servers, Message(service?).message(kind)?.text(source::grpc_service::TARGET)?);
            }
        }
        Ok(false)
    }
}

/// What stands in a `DataSource` itself.
fn inline(data: Message<'_>) -> Result<Option<&[u8]>, Malformed> {
    let bytes = data.bytes(data_source::INLINE_BYTES)?;
    Ok(bytes.or(data.bytes(data_source::INLINE_STRING)?))
}
