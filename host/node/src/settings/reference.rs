//! Every setting there is: its name, default, values and meaning, written once. The parser reads names and defaults from here,
//! and docs/settings.md is made from it.

use std::fmt::Write;

/// Whose name a setting is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Kong has it, with this meaning and default.
    Kong,
    Ours,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub name: &'static str,
    /// `None`: unset.
    pub default: Option<&'static str>,
    /// What may be written, with its unit.
    pub values: &'static str,
    pub meaning: &'static str,
    pub whose: Whose,
    pub secret: bool,
}

macro_rules! settings {
    ($($variant:ident $name:literal $whose:ident $default:expr, $secret:literal, $values:literal, $meaning:literal;)*) => {
        /// A setting that exists.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Name { $($variant,)* }

        impl Name {
            pub const ALL: &[Name] = &[$(Name::$variant,)*];

            pub fn entry(self) -> Entry {
                match self {
                    $(Name::$variant => Entry {
                        name: $name, default: $default, values: $values, meaning: $meaning, whose: Whose::$whose, secret: $secret,
                    },)*
                }
            }
        }
    };
}

settings! {
    Role "role" Kong Some("traditional"), false, "`traditional`, `control_plane`, `data_plane`",
        "What the gateway beside this node is. A control plane cannot import.";
    ClusterControlPlane "cluster_control_plane" Kong None, false, "`host:port`",
        "Kong's hybrid control plane, which this node follows as a data plane, unless `holdover_control_plane` names another.";
    ClusterCert "cluster_cert" Kong None, false, "path, PEM, or base64 of PEM",
        "The cluster's certificate in Kong's hybrid protocol: in the mode `shared` the very one that control plane and data planes have. With \
         xDS this node's own, shown to a management server that asks for one, and by a `holdover_ads_listen` that other machines reach.";
    ClusterCertKey "cluster_cert_key" Kong None, false, "path, PEM, or base64 of PEM",
        "Its private key. Is never printed.";
    ClusterCaCert "cluster_ca_cert" Kong None, false, "path; in hybrid mode and with xDS also PEM, or base64 of PEM",
        "Certificates that an https control plane may be signed by, besides the machine's own roots; in Kong's hybrid protocol with \
         `cluster_mtls = pki`, and with xDS, the only ones that both sides may be signed by.";
    ClusterServerName "cluster_server_name" Kong None, false, "host name",
        "Name expected of Kong's hybrid control plane with `cluster_mtls = pki`, and of an xDS management server. Default: the host that is \
         dialled.";
    ClusterMtls "cluster_mtls" Kong Some("shared"), false, "`shared`, `pki`",
        "How Kong's hybrid protocol authenticates: both sides with one certificate, or each with its own of one authority.";
    ClusterMaxPayload "cluster_max_payload" Kong Some("16777216"), false, "bytes, at least 4194304",
        "Largest message of Kong's hybrid protocol either way, as compressed. The same as at the control plane and the data planes.";
    ClusterUseProxy "cluster_use_proxy" Kong Some("off"), false, "`on`, `off`",
        "Reach Kong's hybrid control plane through `proxy_server`.";
    ProxyServer "proxy_server" Kong None, false, "`http://[user:password@]host:port`",
        "The HTTP proxy for `cluster_use_proxy`, asked with CONNECT.";
    Plugins "plugins" Kong Some("bundled"), false, "names, comma-separated; `bundled`, `off`",
        "The plugins that the gateways have. A hybrid control plane sends no configuration to who lacks one that it configures: name custom ones.";
    FallbackImport "cluster_fallback_config_import" Kong Some("off"), false, "`on`, `off`",
        "Start from the storage when the control plane is away and there is no cache.";
    FallbackExport "cluster_fallback_config_export" Kong Some("off"), false, "`on`, `off`",
        "Publish what the control plane delivers to the storage.";
    FallbackStorage "cluster_fallback_config_storage" Kong None, false, "URLs, comma-separated",
        "Where snapshots are kept, for example `s3://bucket/prefix` or `file:///dir`. Several are asked in order; the first is written first.";
    FallbackExportDelay "cluster_fallback_config_export_delay" Kong Some("60"), false, "seconds, or a duration",
        "At most one export in this time: the first at once, then the newest of those that came meanwhile.";
    FallbackS3Config "cluster_fallback_export_s3_config" Kong None, false, "JSON object",
        "Extra parameters of every put to S3, for example `{\"ServerSideEncryption\":\"aws:kms\"}`.";
    ProxyListen "proxy_listen" Kong Some("0.0.0.0:8000"), false, "`address:port`, comma-separated, or `off`",
        "Where the built-in gateway serves http; entries with `ssl` with the certificates of the configuration.";
    SslCert "ssl_cert" Kong None, false, "paths, PEM, or base64 of PEM; comma-separated, one for each type of key",
        "What the built-in gateway shows TLS clients that send no server name, or one that the configuration has no certificate for. Unset: their \
         handshakes fail, since none is made up here.";
    SslCertKey "ssl_cert_key" Kong None, false, "paths, PEM, or base64 of PEM; comma-separated",
        "The private keys of `ssl_cert`, in the same order. Are never printed.";
    TrustedIps "trusted_ips" Kong None, false, "addresses and networks, comma-separated",
        "Proxies in front of the built-in gateway that are believed: their `X-Forwarded-*` are passed on, and count for routes that take https only. \
         `0.0.0.0/0,::/0` trusts everybody.";
    RealIpHeader "real_ip_header" Kong Some("X-Real-IP"), false, "a header's name",
        "Where trusted proxies say who asked them, for `X-Real-IP` as the services see it.";
    RealIpRecursive "real_ip_recursive" Kong Some("off"), false, "`on`, `off`",
        "Of several addresses in `real_ip_header`, take the last that is not trusted itself instead of the last.";
    Headers "headers" Kong Some("server_tokens, latency_tokens, X-Kong-Request-Id"), false, "headers' names, `server_tokens`, `latency_tokens`; comma-separated, or `off`",
        "Which headers about itself the built-in gateway sends its clients.";
    ProxySslVerify "nginx_proxy_proxy_ssl_verify" Kong Some("off"), false, "`on`, `off`",
        "Whether upstreams of the built-in gateway have to prove who they are where their service has no `tls_verify`.";
    TrustedCertificate "lua_ssl_trusted_certificate" Kong Some("system"), false, "`system`, paths, PEM, or base64 of PEM; comma-separated",
        "Who may have signed the certificates of upstreams that have to prove who they are, where their service has no `ca_certificates`.";
    LogLevel "log_level" Kong Some("notice"), false, "`debug`, `info`, `notice`, `warn`, `error`, `crit`, `alert`, `emerg`",
        "How much is logged.";
    ControlPlane "holdover_control_plane" Ours None, false, "`kong://host:port`, `xds+https://host:port`, `xds+http://host:port`, `http://…`, `https://…`, `file:///…`",
        "Where the configuration comes from in normal times: Kong's hybrid control plane, an xDS management server (ADS), a URL that is polled, or \
         a file that is watched. Required, unless `cluster_control_plane` is set.";
    ControlPlaneToken "holdover_control_plane_token" Ours None, true, "text",
        "Bearer token for the control plane.";
    ControlPlaneUser "holdover_control_plane_user" Ours None, false, "text",
        "User for the control plane (HTTP Basic).";
    ControlPlanePassword "holdover_control_plane_password" Ours None, true, "text",
        "The user's password.";
    PollInterval "holdover_poll_interval" Ours Some("5s"), false, "duration, at least 100ms",
        "How often an http control plane is asked.";
    Gateway "holdover_gateway" Ours Some("builtin"), false, "`builtin`, `kong`, `envoy`, `file:///path`, `none`",
        "Who runs the configuration: the built-in gateway, Kong data planes or Envoys that dial this node, a gateway that reads this file, or nobody (a \
         backup node).";
    StandInListen "holdover_stand_in_listen" Ours Some("127.0.0.1:8005"), false, "`address:port`",
        "Where Kong data planes find this node (their `cluster_control_plane`), with `holdover_gateway = kong`.";
    AdsListen "holdover_ads_listen" Ours Some("127.0.0.1:18000"), false, "`address:port`",
        "Where Envoys and gRPC clients find their failover management server (ADS), with `holdover_gateway = envoy`. Elsewhere than on loopback it \
         asks for certificates: `cluster_cert`, `cluster_cert_key` and `cluster_ca_cert`.";
    XdsProtocol "holdover_xds_protocol" Ours Some("delta"), false, "`delta`, `sotw`",
        "How an xDS management server is followed: incrementally, or with the state of the world.";
    GatewayReload "holdover_gateway_reload" Ours None, false, "command",
        "Run after the gateway's file was replaced.";
    GatewayVersion "holdover_gateway_version" Ours None, false, "for example `3.9.1`; required, but with the format xds",
        "The version of the gateways that are served. Snapshots are made for it, and taken as `holdover_version_rule` says.";
    NodeGroup "holdover_node_group" Ours None, false, "1 to 64 characters of `a-z A-Z 0-9 . _ - +`; required with the format xds",
        "The Envoys that are served: their `node.cluster`, as which this node follows the management server. It has the place of a gateway version: \
         snapshots are made for one group and taken by no other.";
    NodeDescription "holdover_node_description" Ours None, false, "JSON object",
        "What this node says of itself to an xDS management server besides: `id`, `locality` and `metadata`, as `node` in Envoy's bootstrap has them. \
         Without `id` it is `holdover_node`.";
    VersionRule "holdover_version_rule" Ours Some("exact"), false, "`exact`, `patch`, `minor`",
        "Snapshots of which versions are taken: the same, an older patch (3.9.0 for 3.9.1), or an older minor (3.8.2 for 3.9.1).";
    Cluster "holdover_cluster" Ours Some("default"), false, "1 to 64 characters of `a-z A-Z 0-9 . _ -`",
        "The nodes that share one configuration.";
    NodeName "holdover_node_name" Ours None, false, "1 to 255 printable characters",
        "This node in logs and manifests. Default: the host's name, or `holdover`.";
    Format "holdover_format" Ours Some("kong"), false, "`kong`, `xds`, `document`",
        "The configuration's language: Kong's declarative format, Envoy's resources, or any JSON or YAML object. The built-in gateway runs `kong`.";
    Schema "holdover_schema" Ours None, false, "path",
        "A JSON Schema that every document must conform to (format `document`).";
    CacheDir "holdover_cache_dir" Ours Some("/var/lib/holdover"), false, "path",
        "Where this node keeps its own copy of the configuration.";
    Bundle "holdover_bundle" Ours None, false, "path",
        "A snapshot baked into the image: the last rung of the ladder.";
    TrustedKeys "holdover_trusted_keys" Ours None, false, "`ed25519:…`, comma-separated",
        "Public keys of those who may seal. Once one is named, nothing from a storage or bundle is read that none of them signed.";
    OperatorKeys "holdover_operator_keys" Ours None, false, "`ed25519:…`, comma-separated",
        "Public keys of the operators: who may sign break-glass tokens and orders.";
    SigningKey "holdover_signing_key" Ours None, false, "path",
        "The private key that signs what this node publishes, as `holdover keygen signing` writes it. The file must be its owner's alone.";
    Recipients "holdover_recipients" Ours None, false, "`age1…`, comma-separated, at most 20",
        "For whom what this node publishes is encrypted. Unset: it is not.";
    Identity "holdover_identity" Ours None, false, "path",
        "The private key that opens what is encrypted to this node, as `holdover keygen identity` writes it; retired ones may follow it in the file. \
         The file must be its owner's alone.";
    CacheEncryption "holdover_cache_encryption" Ours Some("off"), false, "`on`, `off`",
        "Encrypt the cache to this node's own `holdover_identity`.";
    CacheMaxAge "holdover_cache_max_age" Ours Some("0"), false, "duration, `0` for never",
        "A cache that was kept or confirmed longer ago than this comes after the storages.";
    MinGeneration "holdover_min_generation" Ours Some("0"), false, "number",
        "What a node that remembers nothing does not go below.";
    AcceptLineage "holdover_accept_lineage" Ours None, false, "32 hexadecimal digits",
        "The lineage to take, whatever this node remembers: for a storage that was begun anew.";
    BreakGlass "holdover_break_glass" Ours None, false, "path",
        "A token of `holdover break-glass`: lets this node take one snapshot although it is older, or of another lineage; once. Needs \
         `holdover_operator_keys`.";
    OnStale "holdover_on_stale" Ours Some("warn"), false, "`warn`, `refuse`",
        "What a head older than `holdover_head_max_age` means to a starting node.";
    HeadMaxAge "holdover_head_max_age" Ours Some("7d"), false, "duration, at least 1s",
        "How old a head may be before `holdover_on_stale` applies.";
    KongLayout "holdover_kong_layout" Ours Some("auto"), false, "`auto`, `on`, `off`",
        "Write Kong's documented `<version>/config.json`, in plain, as well. `auto`: only for the format kong, when neither \
         `holdover_signing_key` nor `holdover_recipients` is set.";
    SingleExporter "holdover_single_exporter" Ours Some("off"), false, "`on`, `off`",
        "Your word that no other exporter writes to the first storage: nobody is elected, and the storage need not do conditional writes.";
    LeaseRenew "holdover_lease_renew" Ours Some("10s"), false, "duration, at least 100ms",
        "How often the exporter that leads renews its lease, and looks for an operator's orders.";
    LeaseExpire "holdover_lease_expire" Ours Some("30s"), false, "duration, at least three times `holdover_lease_renew`",
        "A lease that did not change for this long may be taken over. The same for all exporters of a cluster.";
    GuardShrink "holdover_guard_shrink" Ours Some("40"), false, "percent, 0 to 100; `0` for never",
        "What loses this share of the entities of a type, or of its size, is held until it is approved; so is what loses the last of a type, or an \
         authentication plugin.";
    GuardGrowth "holdover_guard_growth" Ours Some("200"), false, "percent; `0` for never",
        "What gains this share is held until it is approved.";
    Soak "holdover_soak" Ours Some("0"), false, "duration, `0` for not at all",
        "How long a published generation is a candidate, which no new node takes first, before it is good.";
    SoakWatch "holdover_soak_watch" Ours None, false, "`http://host:port`, comma-separated, at most 50",
        "Status pages of nodes that a candidate must not harm: it is good only if one of them serves it and none is ill. Needs `holdover_soak`.";
    RejoinGuard "holdover_rejoin_guard" Ours Some("empty"), false, "`empty`, `shrink`, `off`",
        "What a control plane that comes back may not take away at once: everything; also what `holdover_guard_shrink` names; or it may do as it likes.";
    Janitor "holdover_janitor" Ours Some("on"), false, "`on`, `off`",
        "Remove snapshots that no history lists and that were superseded over a day ago, while this node leads.";
    StatusListen "holdover_status_listen" Ours Some("127.0.0.1:8108"), false, "`address:port`",
        "Where `status`, `why`, readiness and metrics are served.";
    OnRefusal "holdover_on_refusal" Ours Some("wait"), false, "`wait`, `fallback`",
        "What a node without cache does when the control plane refuses it: wait, or start from the storage.";
    GiveUp "holdover_give_up" Ours Some("10s"), false, "duration, at least 1ms",
        "How long the control plane may take to deliver the first configuration.";
    FirstFetchJitter "holdover_first_fetch_jitter" Ours Some("0"), false, "duration",
        "The first fetch from the storage waits a random part of this.";
    Settle "holdover_settle" Ours Some("60s"), false, "duration",
        "How long a configuration must run before it counts as settled.";
    StalenessWarn "holdover_staleness_warn" Ours Some("24h"), false, "duration, at least 1s",
        "How old a head may be before it is reported.";
    S3Addressing "holdover_s3_addressing" Ours Some("auto"), false, "`auto`, `path`, `virtual`",
        "Where a bucket's name stands in requests to S3: `path` is `https://host/bucket`, `virtual` is `https://bucket.host`; `auto` is \
         `virtual` at Amazon and `path` elsewhere.";
    SharedFetchDir "holdover_shared_fetch_dir" Ours None, false, "path",
        "A folder (0700) in which the nodes of one machine share the snapshots they fetch, so that only one of them asks the storage.";
    UnenforcedPlugins "holdover_unenforced_plugins" Ours Some("refuse"), false, "`refuse`, or `ignore:` and names, comma-separated",
        "A plugin that the built-in gateway cannot enforce makes its routes answer 503; those that only log or measure may be ignored by name.";
    Policy "holdover_policy" Ours None, false, "path",
        "Another importer component (`.wasm`) in place of the embedded one.";
    CompiledDir "holdover_compiled_dir" Ours None, false, "path",
        "Where the policy's native code is kept. Default: `compiled` in `holdover_cache_dir`.";
}

impl Name {
    pub fn of(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|name| name.as_str() == text)
    }

    pub fn as_str(self) -> &'static str {
        self.entry().name
    }

    /// The environment variables that override it; later ones win.
    pub fn variables(self) -> Vec<String> {
        let upper = self.as_str().to_ascii_uppercase();
        match self.entry().whose {
            Whose::Kong => vec![format!("KONG_{upper}"), format!("HOLDOVER_{upper}")],
            Whose::Ours => vec![upper],
        }
    }
}

/// The text of docs/settings.md.
pub fn markdown() -> String {
    let mut page = String::from(HEAD);
    for (title, whose) in [("Kong's names, with Kong's meaning", Whose::Kong), ("Holdover's own", Whose::Ours)] {
        let _infallible = write!(page, "\n## {title}\n\n| setting | default | values | meaning |\n|---|---|---|---|\n");
        for entry in Name::ALL.iter().map(|name| name.entry()).filter(|entry| entry.whose == whose) {
            let default = entry.default.map_or_else(|| "unset".to_owned(), |default| format!("`{default}`"));
            let secret = if entry.secret { " Secret." } else { "" };
            let _infallible = writeln!(page, "| `{}` | {default} | {} | {}{secret} |", entry.name, entry.values, entry.meaning);
        }
    }
    page
}

const HEAD: &str = "<!-- Made from host/node/src/settings/reference.rs: change it there, then run
     HOLDOVER_WRITE_DOCS=1 cargo test -p holdover-node settings_page -->
# Settings

One flat file, `holdover.conf`: `name = value` or `name: value`, a `#` begins a comment (`\\#` is a plain `#`). An unknown name is an
error. A `kong.conf` may be given besides (`--kong-conf`): of it, the names below are read and others left alone.

Each setting may be overridden in the environment: `KONG_<NAME>` and `HOLDOVER_<NAME>` for Kong's names, the upper-case name for
Holdover's own (`HOLDOVER_GATEWAY` for `holdover_gateway`). `HOLDOVER_…` wins over `KONG_…`, the environment over `holdover.conf`, and
`holdover.conf` over `kong.conf`.

A value that is exactly `$NAME` or `${NAME}` is taken from the environment, `{file:/path}` from that file. A file with a secret must
not be readable by everybody, a file with a private key by nobody but its owner (`chmod 600`). Durations are `500ms`, `10s`, `5m`, `24h`,
`7d`; a bare number is seconds.

Storage credentials come from the environment as the AWS tools have it (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`,
`AWS_REGION`, …); `AWS_CONFIG_STORAGE_ENDPOINT` is the URL of any other S3-compatible service. Storages are asked through `HTTPS_PROXY`, `HTTP_PROXY` and
`NO_PROXY` (in either spelling), and trust the certificates in `AWS_CA_BUNDLE` besides the machine's own.

All settings are checked together at start: every problem is printed at once, with the setting, its value and what to write instead.
";

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, clippy::panic, reason = "a test may fail by panicking")]

    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn the_checked_in_settings_page_is_made_from_this_table() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/settings.md");
        if std::env::var_os("HOLDOVER_WRITE_DOCS").is_some() {
            std::fs::write(&path, markdown()).expect("docs/ can be written");
        }
        let page = std::fs::read_to_string(&path).expect("docs/settings.md is checked in");
        assert_eq!(page, markdown(), "docs/settings.md differs from the table; its head says how to make it again");
    }

    #[test]
    fn no_two_settings_share_a_name_or_a_variable() {
        let mut variables = BTreeSet::new();
        for name in Name::ALL {
            assert_eq!(Name::of(name.as_str()), Some(*name));
            for variable in name.variables() {
                assert!(variables.insert(variable.clone()), "{variable} would set two settings");
            }
        }
    }

    #[test]
    fn our_names_begin_with_holdover_and_kongs_do_not() {
        for entry in Name::ALL.iter().map(|name| name.entry()) {
            assert_eq!(entry.name.starts_with("holdover_"), entry.whose == Whose::Ours, "{}", entry.name);
        }
    }
}
