//! What a request costs in the built-in gateway, with one route and with very many: the table must not show in it.
//!
//! Over real connections on loopback, answered by the plugin `request-termination`, so that no upstream blurs the comparison: a
//! request that is proxied costs more, and the table's share in it is less. Nothing but the number of routes differs: the one route is as long
//! as most of the many, no two requests are alike on either side, and a round is held against the one right beside it, for a machine that
//! is slow for a while is so for both.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
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
pub const WHOLE: (usize, usize) = (50_000, 41);

/// Routes of one kind, and requests for them.
struct Kind {
    name: &'static str,
    route: fn(usize) -> Value,
    /// Host and path, by the route's number and the request's own.
    asked: fn(usize, usize) -> (String, String),
}

const KINDS: [Kind; 3] = [
    Kind {
        name: "a host each",
        route: |n| json!({ "hosts": [format!("h{n}.example.test")], "paths": ["/v"] }),
        asked: |n, own| (format!("h{n}.example.test"), format!("/v/{own:04}")),
    },
    Kind {
        name: "a prefix each",
        route: |n| json!({ "paths": [format!("/team-{}/service-{n}/", n % 40)] }),
        asked: |n, own| ("example.test".to_owned(), format!("/team-{}/service-{n}/{own:04}", n % 40)),
    },
    Kind {
        name: "a regular expression each",
        route: |n| json!({ "paths": [format!("~/orders/{n}/(?<id>\\d+)$")] }),
        asked: |n, own| ("example.test".to_owned(), format!("/orders/{n}/{own:04}")),
    },
];

pub fn bench((routes, rounds): (usize, usize)) {
    println!("## A request, with one route and with {routes}\n");
    println!("Medians of processor time of client and gateway together, one request after the other, and of each round's ratio.\n");
    println!("| routes | one, us | {routes}, us | ratio |");
    println!("|---|---|---|---|");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut worst = 0_f64;
    for kind in &KINDS {
        let Compared { one, many, ratio } = runtime.block_on(compare(kind, routes, rounds));
        let us = |time: Duration| time.as_secs_f64() * 1e6 / REQUESTS as f64;
        println!("| {} | {:.1} | {:.1} | {ratio:.2}x |", kind.name, us(one), us(many));
        worst = worst.max(ratio);
    }
    println!("\n{}\n", aim("many routes / one, the worst", worst, RATIO_MAX, "x"));
}

struct Compared {
    one: Duration,
    many: Duration,
    ratio: f64,
}

async fn compare(kind: &Kind, routes: usize, rounds: usize) -> Compared {
    let (one, many) = (Site::open(kind, routes - 1..routes).await, Site::open(kind, 0..routes).await);
    let mut both = Vec::new();
    // One round more than is counted warms both up. Who begins takes turns, too.
    for round in 0..=rounds {
        both.push(match round % 2 {
            0 => (one.round().await, many.round().await),
            _ => {
                let many = many.round().await;
                (one.round().await, many)
            }
        });
    }
    let counted = both.split_off(1);
    let mut ratios: Vec<f64> = counted.iter().map(|(one, many)| many.as_secs_f64() / one.as_secs_f64()).collect();
    ratios.sort_by(f64::total_cmp);
    Compared {
        one: middle(counted.iter().map(|(one, _)| *one)),
        many: middle(counted.iter().map(|(_, many)| *many)),
        ratio: ratios[rounds / 2],
    }
}

struct Site {
    gateway: Builtin,
    client: Client<HttpConnector, Empty<Bytes>>,
    asked: Vec<(String, String)>,
}

impl Site {
    /// With the routes of these numbers.
    async fn open(kind: &Kind, routes: Range<usize>) -> Self {
        let gateway = Builtin::bind(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))], Options::default()).await.unwrap();
        let entities: Vec<Value> = routes
            .clone()
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
        let asked = (0..REQUESTS).map(|own| (kind.asked)(routes.start + own * 7_919 % routes.len(), own)).collect();
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
