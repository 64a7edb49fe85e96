//! Kong documents with a planted secret in every place that has one, and what may be wrong with them.

use std::net::SocketAddr;

use holdover_drill::fixture;
use serde_json::{Value, json};

use crate::scanner::{MARK, captures};

/// A secret that says where it was planted; `generation` makes it another one.
pub fn planted(place: &str, generation: u32) -> String {
    format!("{MARK}-{place}-{generation}")
}

/// Twenty routes that work, and one of everything that is secret.
pub fn document(upstream: SocketAddr, generation: u32) -> Value {
    let mut document: Value = serde_json::from_slice(&fixture::kong_document(20, upstream)).unwrap();
    let secret = |place: &str| planted(place, generation);
    let small: Value = serde_json::from_slice(&captures()[0]).unwrap();
    let certificate = &small["config_table"]["certificates"][0];
    let last_route = document["routes"][19]["id"].clone();
    let id = |nth: u32| format!("5e6e7000-0000-4000-8000-{nth:012x}");
    let entities = [
        ("consumers", json!([{"id": id(1), "username": "alice", "custom_id": secret("custom-id")}])),
        ("keyauth_credentials", json!([{"id": id(2), "consumer": id(1), "key": secret("key-auth")}])),
        ("basicauth_credentials", json!([{"id": id(3), "consumer": id(1), "username": "alice", "password": secret("basic-auth")}])),
        ("jwt_secrets", json!([{"id": id(4), "consumer": id(1), "key": secret("jwt-key"), "secret": secret("jwt"), "algorithm": "HS256"}])),
        ("hmacauth_credentials", json!([{"id": id(5), "consumer": id(1), "username": "alice-hmac", "secret": secret("hmac")}])),
        (
            "oauth2_credentials",
            json!([{"id": id(6), "consumer": id(1), "name": "app", "client_id": "app", "client_secret": secret("oauth2"),
                "redirect_uris": ["https://app.example.com/"], "hash_secret": false}]),
        ),
        ("certificates", json!([{"id": id(7), "cert": certificate["cert"], "key": certificate["key"], "tags": [generation.to_string()]}])),
        ("vaults", json!([{"id": id(8), "name": "env", "prefix": "edge-vault", "config": {"prefix": secret("vault")}}])),
        (
            "plugins",
            json!([
                {"id": id(20), "name": "key-auth", "route": last_route, "protocols": ["http", "https"], "enabled": true,
                    "config": {"key_names": ["apikey"], "anonymous": null}},
                {"id": id(21), "name": "request-transformer", "route": last_route, "protocols": ["http", "https"], "enabled": true,
                    "config": {"add": {"headers": [format!("authorization:Bearer {}", secret("header"))], "body": [], "querystring": []}}},
                {"id": id(22), "name": "http-log", "route": last_route, "protocols": ["http", "https"], "enabled": true,
                    "config": {"http_endpoint": format!("http://user:{}@127.0.0.1:9/log", secret("url")),
                        "headers": {"x-api-key": secret("log-header")}}},
                {"id": id(23), "name": "aws-lambda", "route": last_route, "protocols": ["http", "https"], "enabled": true,
                    "config": {"aws_key": secret("aws-key"), "aws_secret": secret("aws-secret"), "function_name": "f",
                        "aws_region": "us-east-1"}},
                {"id": id(24), "name": "session", "route": last_route, "protocols": ["http", "https"], "enabled": true,
                    "config": {"secret": secret("session"), "storage": "cookie"}},
            ]),
        ),
    ];
    for (kind, planted) in entities {
        document[kind] = planted;
    }
    document
}

/// Each with what is wrong, and a secret where it is wrong.
pub fn wrong(upstream: SocketAddr) -> Vec<(&'static str, Vec<u8>)> {
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 16] = [
        ("a key that is an object", |d| d["keyauth_credentials"][0]["key"] = json!({planted("as-name", 0): planted("as-value", 0)})),
        ("a key that stands twice", |d| {
            let mut again = d["keyauth_credentials"][0].clone();
            again["id"] = json!("5e6e7000-0000-4000-8000-0000000000aa");
            d["keyauth_credentials"].as_array_mut().unwrap().push(again);
        }),
        ("a custom id that stands twice", |d| {
            let mut again = d["consumers"][0].clone();
            again["id"] = json!("5e6e7000-0000-4000-8000-0000000000ab");
            again["username"] = json!("bob");
            d["consumers"].as_array_mut().unwrap().push(again);
        }),
        ("an id that stands twice", |d| {
            let again = d["basicauth_credentials"][0].clone();
            d["basicauth_credentials"].as_array_mut().unwrap().push(again);
        }),
        ("a password that is a list", |d| d["basicauth_credentials"][0]["password"] = json!([planted("listed", 0)])),
        ("a jwt algorithm that is none", |d| d["jwt_secrets"][0]["algorithm"] = json!(planted("algorithm", 0))),
        ("a public key that is none", |d| {
            d["jwt_secrets"][0]["algorithm"] = json!("RS256");
            d["jwt_secrets"][0]["rsa_public_key"] = json!(planted("rsa", 0));
        }),
        ("a certificate that is none", |d| d["certificates"][0]["cert"] = json!(planted("cert", 0))),
        ("a certificate's key that is none", |d| d["certificates"][0]["key"] = json!(planted("cert-key", 0))),
        ("a certificate's key of garbage", |d| {
            let key = format!("-----BEGIN PRIVATE KEY-----\n{MARK}{}\n-----END PRIVATE KEY-----\n", "A".repeat(57));
            d["certificates"][0]["key"] = json!(key);
        }),
        ("a plugin's config that is a text", |d| d["plugins"][1]["config"] = json!(planted("config", 0))),
        ("a plugin's header list that is a text", |d| d["plugins"][1]["config"]["add"]["headers"] = json!(planted("headers", 0))),
        ("a port that is a secret", |d| d["services"][0]["port"] = json!(planted("port", 0))),
        ("a consumer that is a secret", |d| d["keyauth_credentials"][0]["consumer"] = json!({"id": [planted("consumer", 0)]})),
        ("an upstream's address with a password", |d| {
            d["services"][0]["url"] = json!(format!("http://u:{}@[::1/", planted("service-url", 0)))
        }),
        ("a header to match that is no pattern", |d| {
            d["routes"][0]["headers"] = json!({"x-api-key": [format!("~*({}", planted("match", 0))]})
        }),
    ];
    let whole = || document(upstream, 0);
    let mut documents: Vec<(&str, Vec<u8>)> = changes
        .into_iter()
        .map(|(what, change)| {
            let mut document = whole();
            change(&mut document);
            (what, document.to_string().into_bytes())
        })
        .collect();
    let text = whole().to_string();
    let in_a_secret = text.find(MARK).unwrap() + MARK.len() + 3;
    documents.push(("torn within a secret", text.as_bytes()[..in_a_secret].to_vec()));
    documents.push(("a secret without quotes", text.replacen(&format!("\"{MARK}"), MARK, 1).into_bytes()));
    documents.push(("a secret that is not UTF-8", {
        let mut bytes = text.clone().into_bytes();
        bytes[in_a_secret] = 0xff;
        bytes
    }));
    documents.push(("nothing but a secret", planted("alone", 0).into_bytes()));
    documents
        .push(("YAML that is none", format!("services:\n - a: {}\n  b: [{}", planted("yaml", 0), planted("yaml-two", 0)).into_bytes()));
    documents
}
