//! Of the messages of Envoy's API v3 the few fields that are read, by number; all others are passed over.
//!
//! Each message names the proto that has it, below `envoy/` of github.com/envoyproxy/data-plane-api. Knows no rule.

/// Field 1 of every known type of resource is its name.
pub const NAME: u64 = 1;

/// `google/protobuf/any.proto`
pub mod any {
    pub const TYPE_URL: u64 = 1;
    pub const VALUE: u64 = 2;
}

/// `config/cluster/v3/cluster.proto`
pub mod cluster {
    pub const DISCOVERY_TYPE: u64 = 2;
    pub const EDS_CLUSTER_CONFIG: u64 = 3;
    pub const TRANSPORT_SOCKET: u64 = 24;
    pub const TYPED_EXTENSION_PROTOCOL_OPTIONS: u64 = 36;
    pub const FILTERS: u64 = 40;
    pub const TRANSPORT_SOCKET_MATCHES: u64 = 43;

    /// `DiscoveryType.EDS`
    pub const DISCOVERED: u64 = 3;

    /// `EdsClusterConfig`
    pub mod eds {
        pub const CONFIG: u64 = 1;
        pub const SERVICE_NAME: u64 = 2;
    }

    /// `TransportSocketMatch`
    pub mod matched {
        pub const TRANSPORT_SOCKET: u64 = 3;
    }

    /// `config/cluster/v3/filter.proto`
    pub mod filter {
        pub const CONFIG_DISCOVERY: u64 = 3;
    }

    /// An entry of the map of options.
    pub mod options {
        pub const VALUE: u64 = 2;
    }
}

/// `extensions/upstreams/http/v3/http_protocol_options.proto`
pub mod upstream_http {
    pub const PROTOCOL_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    pub const HTTP_FILTERS: u64 = 6;
}

/// `config/listener/v3/listener.proto`
pub mod listener {
    pub const FILTER_CHAINS: u64 = 3;
    pub const LISTENER_FILTERS: u64 = 9;
    pub const API_LISTENER: u64 = 19;
    pub const DEFAULT_FILTER_CHAIN: u64 = 25;

    /// `config/listener/v3/api_listener.proto`
    pub mod api {
        pub const API_LISTENER: u64 = 1;
    }

    /// `config/listener/v3/listener_components.proto`
    pub mod filter_chain {
        pub const FILTERS: u64 = 3;
        pub const TRANSPORT_SOCKET: u64 = 6;
    }

    /// `config/listener/v3/listener_components.proto`, `Filter`; in `ListenerFilter` the second is the same.
    pub mod filter {
        pub const TYPED_CONFIG: u64 = 4;
        pub const CONFIG_DISCOVERY: u64 = 5;
    }
}

/// `extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto`
pub mod http {
    pub const CONNECTION_MANAGER: &str = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
    pub const RDS: u64 = 3;
    pub const HTTP_FILTERS: u64 = 5;
    pub const UPGRADE_CONFIGS: u64 = 23;
    pub const SCOPED_ROUTES: u64 = 31;

    /// `HttpFilter`
    pub mod filter {
        pub const CONFIG_DISCOVERY: u64 = 5;
    }

    /// `UpgradeConfig`
    pub mod upgrade {
        pub const FILTERS: u64 = 2;
    }

    pub mod rds {
        pub const CONFIG_SOURCE: u64 = 1;
        pub const ROUTE_CONFIG_NAME: u64 = 2;
    }

    pub mod scoped_routes {
        pub const RDS_CONFIG_SOURCE: u64 = 3;
        pub const SCOPED_ROUTE_CONFIGURATIONS_LIST: u64 = 4;
        pub const SCOPED_RDS: u64 = 5;
    }

    /// `ScopedRouteConfigurationsList`
    pub mod scopes {
        pub const SCOPED_ROUTE_CONFIGURATIONS: u64 = 1;
    }

    pub mod scoped_rds {
        pub const SCOPED_RDS_CONFIG_SOURCE: u64 = 1;
    }
}

/// `config/route/v3/route.proto`, `RouteConfiguration`
pub mod routes {
    pub const VHDS: u64 = 9;

    pub mod vhds {
        pub const CONFIG_SOURCE: u64 = 1;
    }
}

/// `config/route/v3/scoped_route.proto`, `ScopedRouteConfiguration`
pub mod scope {
    pub const ROUTE_CONFIGURATION_NAME: u64 = 2;
}

/// `config/core/v3/config_source.proto`, `ConfigSource`. Of these at most one is there; with none it is a file, or missing.
pub mod source {
    pub const API_CONFIG_SOURCE: u64 = 2;
    pub const ADS: u64 = 3;
    pub const OWN: u64 = 5;

    /// `ApiConfigSource`
    pub mod api {
        pub const CLUSTER_NAMES: u64 = 2;
        pub const GRPC_SERVICES: u64 = 4;
    }

    /// `config/core/v3/grpc_service.proto`
    pub mod grpc_service {
        pub const ENVOY_GRPC: u64 = 1;
        pub const GOOGLE_GRPC: u64 = 2;
        /// `EnvoyGrpc.cluster_name` and `GoogleGrpc.target_uri`.
        pub const TARGET: u64 = 1;
    }
}

/// `config/core/v3/config_source.proto`, `ExtensionConfigSource`
pub mod discovery {
    pub const CONFIG_SOURCE: u64 = 1;
}

/// `config/core/v3/base.proto`
pub mod transport_socket {
    pub const TYPED_CONFIG: u64 = 3;
}

/// `config/core/v3/base.proto`. What is in a file or in the environment is not in the configuration.
pub mod data_source {
    pub const INLINE_BYTES: u64 = 2;
    pub const INLINE_STRING: u64 = 3;
}

/// `extensions/transport_sockets/tls/v3/tls.proto`
pub mod tls {
    /// Of `UpstreamTlsContext` and `DownstreamTlsContext`.
    pub const COMMON_TLS_CONTEXT: u64 = 1;
    /// Of `DownstreamTlsContext`; in the other these numbers are something else.
    pub const SESSION_TICKET_KEYS: u64 = 4;
    pub const SESSION_TICKET_KEYS_SDS_SECRET_CONFIG: u64 = 5;

    /// `CommonTlsContext`
    pub mod common_context {
        pub const TLS_CERTIFICATES: u64 = 2;
        pub const VALIDATION_CONTEXT: u64 = 3;
        pub const TLS_CERTIFICATE_SDS_SECRET_CONFIGS: u64 = 6;
        pub const VALIDATION_CONTEXT_SDS_SECRET_CONFIG: u64 = 7;
        pub const COMBINED_VALIDATION_CONTEXT: u64 = 8;
    }

    /// `CommonTlsContext.CombinedCertificateValidationContext`
    pub mod combined {
        pub const DEFAULT_VALIDATION_CONTEXT: u64 = 1;
        pub const VALIDATION_CONTEXT_SDS_SECRET_CONFIG: u64 = 2;
    }

    /// `secret.proto`
    pub mod sds {
        pub const NAME: u64 = 1;
        pub const SDS_CONFIG: u64 = 2;
    }

    /// `secret.proto`
    pub mod secret {
        pub const TLS_CERTIFICATE: u64 = 2;
        pub const VALIDATION_CONTEXT: u64 = 4;
    }

    /// `common.proto`, `TlsCertificate`
    pub mod certificate {
        pub const CERTIFICATE_CHAIN: u64 = 1;
        pub const PRIVATE_KEY: u64 = 2;
        pub const PKCS12: u64 = 8;
    }

    /// `common.proto`, `TlsSessionTicketKeys`
    pub mod session_tickets {
        pub const KEYS: u64 = 1;
    }

    /// `common.proto`, `CertificateValidationContext`
    pub mod validation {
        pub const TRUSTED_CA: u64 = 1;
    }
}
