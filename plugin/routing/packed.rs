//! What a routing table is built from, and nothing besides: for gateways whose parts share one by memory, each to build its own.
//!
//! JSON still, read by the same rules as a configuration. What it lacks: whatever routing does not read, plugins that have no say, and the
//! configuration of plugins that only stop their routes, which may hold secrets. What Kong would refuse is judged before, once.

use serde::{Deserialize, Serialize};

use super::unfit::Unfit;
use super::{Table, Unenforced, Unroutable, enforce, entity, table};
use crate::config::kong;

#[derive(Deserialize, Serialize)]
struct Packed<'a> {
    #[serde(borrow)]
    entities: entity::Config<'a>,
    unfit: Unfit,
}

/// `config` is a configuration as Kong writes or sends it.
pub fn pack(config: &[u8], unenforced: &Unenforced) -> Result<Vec<u8>, Unroutable> {
    let flat = kong::flatten(config).map_err(|invalid| Unroutable::new(invalid.to_string()))?;
    let mut entities = table::entities(&flat)?;
    let unfit = Unfit::of(&flat, &entities)?;
    entities.plugins.0.retain(|plugin| unenforced.acts(plugin));
    for plugin in &mut entities.plugins.0 {
        plugin.config = plugin.config.filter(|_| enforce::is_enforced(&plugin.name));
    }
    serde_json::to_vec(&Packed { entities, unfit })
        .map_err(|error| Unroutable::new(format!("the routing table cannot be written ({error}): report this with the configuration")))
}

impl Table {
    /// As [`Table::build`], out of what [`pack`] made of a configuration.
    pub fn unpack(packed: &[u8]) -> Result<Self, Unroutable> {
        let Packed { entities, unfit } = serde_json::from_slice(packed)
            .map_err(|error| Unroutable::new(format!("the packed routing table is damaged ({error}): it has to be packed again")))?;
        Self::of(entities, &Unenforced::default(), &unfit)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::routing::{Headers, Protocol, Request};

    const CONFIG: &str = r#"
_format_version: '3.0'
services:
- {name: a, host: a.test, port: 8080, path: /base}
- {name: odd, host: b.test, tls_sans: {dnsnames: [a]}}
- {name: balanced, host: many, retries: 2}
upstreams:
- {name: many, host_header: many.test, targets: [{target: 'c.test:80', weight: 7}]}
routes:
- {name: plain, paths: [/a, '~/x/(?<n>\d+)'], methods: [GET], service: a, strip_path: false}
- {name: none, hosts: [], paths: [/n], service: a}
- {name: host, hosts: ['*.test', 'b.test:81'], headers: {x-one: [a, '~*^b']}, service: balanced, preserve_host: true}
- {name: secure, paths: [/s], protocols: [https], https_redirect_status_code: 301, snis: [s.test], service: a}
- {name: odd, paths: [/odd], service: odd}
- {name: guarded, paths: [/g], service: a, plugins: [{name: key-auth, config: {key_names: [SECRET]}}]}
- {name: of-one, paths: [/one], service: a, plugins: [{name: correlation-id, consumer: jo}]}
- {name: traced, paths: [/t], service: a, plugins: [{name: correlation-id, config: {header_name: x-id}}, {name: prometheus}]}
- {name: closed, paths: [/c], plugins: [{name: request-termination, config: {status_code: 418, message: tea}}]}
consumers: [{username: jo}]
"#;

    #[test]
    fn a_table_decides_out_of_its_packing_as_out_of_its_configuration() {
        let unenforced = Unenforced::parse("ignore:prometheus").unwrap();
        let packed = pack(CONFIG.as_bytes(), &unenforced).unwrap();
        let (built, unpacked) = (Table::build(CONFIG.as_bytes(), &unenforced).unwrap(), Table::unpack(&packed).unwrap());
        assert_eq!(built.unenforced_plugins(), unpacked.unenforced_plugins());
        let headers = vec![("x-one", "bee")];
        let mut decided = Vec::new();
        for path in ["/a/1", "/x/12", "/n", "/s", "/odd", "/g", "/one", "/t/u", "/c", "/"] {
            for (host, method) in [("a.test", "GET"), ("z", "GET"), ("b.test", "POST")] {
                let request = request(path, host, method, &headers);
                let of = |table: &Table| format!("{:?}", table.decide(&request));
                assert_eq!(of(&built), of(&unpacked), "{method} {host}{path}");
                decided.push(of(&built));
            }
        }
        for kind in ["Proxy", "Respond", "Refused", "NotEnforced", "Redirect", "NoRoute"] {
            assert!(decided.iter().any(|decision| decision.starts_with(kind)), "{kind}: {decided:#?}");
        }
    }

    #[test]
    fn what_routing_does_not_read_is_not_packed() {
        let packed = String::from_utf8(pack(CONFIG.as_bytes(), &Unenforced::default()).unwrap()).unwrap();
        assert!(!packed.contains("SECRET") && !packed.contains("null") && !packed.contains("jo\""), "{packed}");
        assert!(packed.contains("x-id"), "{packed}");
    }

    #[test]
    fn what_no_table_can_be_built_of_none_can_be_unpacked_of() {
        for odd in ["sources: [{ip: 10.0.0.1}]", "destinations: [{port: 80}]"] {
            let config = format!("_format_version: '3.0'\nroutes:\n- {{name: r, paths: [/], {odd}}}\n");
            let packed = pack(config.as_bytes(), &Unenforced::default()).unwrap();
            let built = Table::build(config.as_bytes(), &Unenforced::default()).map(drop);
            assert_eq!(built, Table::unpack(&packed).map(drop));
            assert!(built.is_err_and(|unroutable| unroutable.to_string().contains("sources or destinations")));
        }
    }

    #[test]
    fn what_was_not_packed_here_is_no_table() {
        assert!(Table::unpack(b"{}").is_err_and(|unroutable| unroutable.to_string().contains("packed again")));
    }

    fn request<'r>(path: &'r str, host: &'r str, method: &'r str, headers: &'r dyn Headers) -> Request<'r> {
        Request {
            protocol: Protocol::Http,
            host,
            port: Some(81),
            method,
            path,
            query: None,
            headers,
            sni: None,
            forwarded_protocol: None,
            forwarded_host: None,
        }
    }
}
