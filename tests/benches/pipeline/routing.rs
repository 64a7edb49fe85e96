//! What a request costs in the built-in gateway, with one route and with very many: the table must not show in it.
//!
//! Over real connections on loopback, answered by the plugin `request-termination`, so that no upstream blurs the comparison: a
//! request that is proxied costs more, and the table's share in it is less.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use holdover_gateway::{Builtin, Options};
use holdover_ports::{Config, Gateway};
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use crate::aim;
use crate::measure::{Stopwatch, middle};

const RATIO_MAX: f64 = 1.1;
/// In each round both gateways take turns with as many requests.
const REQUESTS: usize = 2_000;

/// How many routes, and how often it is measured.
pub const QUICK: (usize, usize) = (50_000, 5);
pub const WHOLE: (usize, usize) = (50_000, 21);

/// Routes of one kind, and requests for them.
struct Kind {
    name: &'static str,
    route: fn(usize) -> Value,
    asked: fn(usize) -> (String, String),
}

const KINDS: [Kind; 3] = [
    Kind {
        name: "a host each",
        route: |n| json!({ "hosts": [format!("h{n}.example.test")], "paths": ["/v"] }),
        asked: |n| (format!("h{n}.example.test"), "/v/1".to_owned()),
    },
    Kind {
        name: "a prefix each",
        route: |n| json!({ "paths": [format!("/team-{}/service-{n}/", n % 40)] }),
        asked: |n| ("example.test".to_owned(), format!("/team-{}/service-{n}/x", n % 40)),
    },
    Kind {
        name: "a regular expression each",
        route: |n| json!({ "paths": [format!("~/orders/{n}/(?<id>\\d+)$")] }),
        asked: |n| ("example.test".to_owned(), format!("/orders/{n}/77")),
    },
];

pub fn bench((routes, rounds): (usize, usize)) {
    println!("## A request, with one route and with {routes}\n");
    println!("Medians of processor time of client and gateway together, one request after the other.\n");
    println!("| routes | one, us | {routes}, us | ratio |");
    println!("|---|---|---|---|");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut worst = 0_f64;
    for kind in &KINDS {
        let (one, many) = runtime.block_on(compare(kind, routes, rounds));
        let ratio = many.as_secs_f64() / one.as_secs_f64();
        let us = |time: Duration| time.as_secs_f64() * 1e6 / REQUESTS as f64;
        println!("| {} | {:.1} | {:.1} | {ratio:.2}x |", kind.name, us(one), us(many));
        worst = worst.max(ratio);
    }
    println!("\n{}\n", aim("many routes / one, the worst", worst, RATIO_MAX, "x"));
}

async fn compare(kind: &Kind, routes: usize, rounds: usize) -> (Duration, Duration) {
    let (one, many) = (Site::open(kind, 1).await, Site::open(kind, routes).await);
    let (mut ones, mut manys) = (Vec::new(), Vec::new());
    // One round more than is counted warms both up.
    for _ in 0..=rounds {
        ones.push(one.round().await);
        manys.push(many.round().await);
    }
    (middle(ones.split_off(1)), middle(manys.split_off(1)))
}

struct Site {
    gateway: Builtin,
    client: Client<HttpConnector, Empty<Bytes>>,
    asked: Vec<(String, String)>,
}

impl Site {
    async fn open(kind: &Kind, routes: usize) -> Self {
        let gateway = Builtin::bind(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))], Options::default()).await.unwrap();
        let entities: Vec<Value> = (0..routes)
            .map(|n| {
                let mut route = (kind.route)(n);
                route["id"] = json!(format!("{n:08x}-0000-4000-8000-000000000000"));
                route
            })
            .collect();
        let plugins = json!([{ "id": "p", "name": "request-termination", "config": { "status_code": 200 } }]);
        let document = json!({ "_format_version": "3.0", "routes": entities, "plugins": plugins });
        gateway.apply(&Config::delivered(Bytes::from(document.to_string()))).await.unwrap();
        // A step that has no divisor in common with the count leaves none out.
        let asked = (0..REQUESTS).map(|number| (kind.asked)(number * 7_919 % routes)).collect();
        Self { gateway, client: Client::builder(TokioExecutor::new()).build_http(), asked }
    }

    async fn round(&self) -> Duration {
        let address = self.gateway.local_addr().unwrap();
        let watch = Stopwatch::start();
        for (host, path) in &self.asked {
            let request = Request::get(format!("http://{address}{path}")).header("host", host).body(Empty::new()).unwrap();
            let response = self.client.request(request).await.unwrap();
            assert_eq!(response.status(), 200, "{host} {path}");
            response.into_body().collect().await.unwrap();
        }
        watch.stop().cpu
    }
}
