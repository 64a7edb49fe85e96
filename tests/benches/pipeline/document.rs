//! Kong configurations of any size, as a control plane exports them: flat, every field given, most of them null, ordered by id.
//! The same size gives the same bytes.

use bytes::Bytes;
use serde_json::{Value, json};

const ROUTES_PER_SERVICE: u64 = 6;
const TARGETS_PER_UPSTREAM: u64 = 2;
const SECTIONS: [&str; 7] = ["services", "routes", "plugins", "consumers", "keyauth_credentials", "upstreams", "targets"];
const CREATED_AT: u64 = 1_795_330_370;

/// At least `bytes_min` bytes, and less than one service's more.
pub fn kong(bytes_min: usize) -> Bytes {
    let mut sections = [const { Vec::new() }; SECTIONS.len()];
    let mut n = 0;
    while sections.iter().map(Vec::len).sum::<usize>() < bytes_min {
        around_service(n, |section, entity| {
            let section: &mut Vec<u8> = &mut sections[section];
            if !section.is_empty() {
                section.push(b',');
            }
            serde_json::to_writer(section, &entity).unwrap();
        });
        n += 1;
    }
    let mut document = br#"{"_format_version":"3.0","_transform":false"#.to_vec();
    for (name, entities) in SECTIONS.iter().zip(sections) {
        document.extend_from_slice(format!(r#","{name}":["#).as_bytes());
        document.extend_from_slice(&entities);
        document.push(b']');
    }
    document.push(b'}');
    Bytes::from(document)
}

/// One service, and what usually stands around it.
fn around_service(n: u64, mut add: impl FnMut(usize, Value)) {
    let (service, consumer, upstream) = (id(0, n), id(3, n), id(5, n));
    add(0, self::service(n, &service));
    (n * ROUTES_PER_SERVICE..(n + 1) * ROUTES_PER_SERVICE).for_each(|m| add(1, route(m, n, &service)));
    add(2, rate_limiting(n, &service));
    add(
        3,
        json!({
            "id": consumer, "username": format!("consumer-{n}"), "custom_id": format!("crm-{:x}", mixed(n)),
            "tags": [team(n)], "created_at": CREATED_AT, "updated_at": CREATED_AT,
        }),
    );
    add(
        4,
        json!({
            "id": id(4, n), "consumer": consumer, "key": format!("{:016x}{:016x}", mixed(n ^ 0x5eed), mixed(n ^ 0xcafe)),
            "ttl": null, "tags": null, "created_at": CREATED_AT,
        }),
    );
    add(
        5,
        json!({
            "id": upstream, "name": host(n), "algorithm": "round-robin", "slots": 10_000, "use_srv_name": false,
            "hash_on": "none", "hash_fallback": "none", "hash_on_cookie_path": "/", "host_header": null,
            "client_certificate": null, "tags": null, "created_at": CREATED_AT, "updated_at": CREATED_AT,
        }),
    );
    for m in n * TARGETS_PER_UPSTREAM..(n + 1) * TARGETS_PER_UPSTREAM {
        let target = format!("10.{}.{}.{}:8080", m >> 16 & 255, m >> 8 & 255, m & 255);
        add(
            6,
            json!({
                "id": id(6, m), "upstream": upstream, "target": target, "weight": 100, "tags": null,
                "created_at": CREATED_AT as f64 + 0.123, "updated_at": CREATED_AT as f64 + 0.123,
            }),
        );
    }
}

fn service(n: u64, id: &str) -> Value {
    json!({
        "id": id, "name": format!("service-{n}"), "protocol": "http", "host": host(n), "port": 8000 + n % 1000,
        "path": format!("/api/v{}", 1 + n % 4), "enabled": true, "retries": 5,
        "connect_timeout": 60_000, "read_timeout": 60_000, "write_timeout": 60_000,
        "client_certificate": null, "ca_certificates": null, "tls_verify": null, "tls_verify_depth": null,
        "tags": [team(n), format!("tier-{}", n % 3)], "created_at": CREATED_AT, "updated_at": CREATED_AT,
    })
}

/// Every third has a host, one in 25 is a regex.
fn route(m: u64, n: u64, service: &str) -> Value {
    let hosts = if m.is_multiple_of(3) { json!([format!("h{}.example.test", mixed(n) % 700)]) } else { Value::Null };
    let path = if m.is_multiple_of(25) { format!(r"~/orders/(?<order>\d+)/items-{m}$") } else { format!("/{}/service-{n}/r{m}", team(n)) };
    json!({
        "id": id(1, m), "name": format!("route-{m}"), "service": service, "hosts": hosts, "paths": [path],
        "methods": ["GET", "POST"], "protocols": ["http", "https"], "headers": null, "snis": null, "sources": null,
        "destinations": null, "https_redirect_status_code": 426, "path_handling": "v0", "regex_priority": 0,
        "preserve_host": false, "strip_path": true, "request_buffering": true, "response_buffering": true,
        "tags": [team(n)], "created_at": CREATED_AT, "updated_at": CREATED_AT,
    })
}

fn rate_limiting(n: u64, service: &str) -> Value {
    json!({
        "id": id(2, n), "name": "rate-limiting", "instance_name": null, "service": service, "route": null, "consumer": null,
        "config": {
            "second": null, "minute": 60 + n % 600, "hour": null, "limit_by": "consumer", "policy": "local", "sync_rate": -1,
            "fault_tolerant": true, "hide_client_headers": false, "header_name": null,
            "redis": { "host": null, "port": 6379, "database": 0, "ssl": false, "timeout": 2000 },
        },
        "enabled": true, "protocols": ["grpc", "grpcs", "http", "https"],
        "tags": null, "created_at": CREATED_AT, "updated_at": CREATED_AT,
    })
}

fn host(n: u64) -> String {
    format!("upstream-{n}.internal.example")
}

fn team(n: u64) -> String {
    format!("team-{}", mixed(n) % 40)
}

/// Ascending within a kind, random behind.
fn id(kind: u64, n: u64) -> String {
    let random = mixed(n << 3 | kind);
    format!("{n:08x}-{:04x}-4{:03x}-8{kind:03x}-{:012x}", random >> 48, random >> 36 & 0xfff, random & 0xffff_ffff_ffff)
}

/// SplitMix64's finish: numbers that look random and are the same every time.
fn mixed(n: u64) -> u64 {
    let n = (n.wrapping_add(0x9e37_79b9_7f4a_7c15) ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}
