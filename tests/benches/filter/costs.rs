//! Envoys side by side, asked in turns: without the filter, with the filter that is left out of it, and with the filter that routes.
//!
//! Processor time of the whole Envoy per request, so that client and upstream do not count.

use std::time::Duration;

use crate::bootstrap::Bootstrap;
use crate::configurations::of_routes;
use crate::load::{Load, Upstream};
use crate::measure::middle;
use crate::running::Envoy;
use crate::storage::{publish, seaweed};
use crate::upstream::Server;

pub struct Extent {
    routes: &'static [usize],
    rounds: usize,
    requests: usize,
}

pub const QUICK: Extent = Extent { routes: &[1], rounds: 3, requests: 500 };
pub const WHOLE: Extent = Extent { routes: &[1, 1_000, 50_000], rounds: 9, requests: 4_000 };

/// One Envoy, and what it is asked for.
struct Subject {
    name: String,
    envoy: Envoy,
    load: Load,
}

pub async fn bench(extent: &Extent) {
    let upstream = Upstream::start().await;
    let mut subjects = vec![
        Subject::new("no filter, an upstream of its own", Envoy::start_written(|a, l| unfiltered(&upstream, a, l, "own"), 1), 1, &upstream)
            .await,
        Subject::new(
            "no filter, the dynamic forward proxy",
            Envoy::start_written(|a, l| unfiltered(&upstream, a, l, "holdover-http"), 1),
            1,
            &upstream,
        )
        .await,
    ];
    let control_plane = Server::saying(&of_routes(1, upstream.port)).await;
    let aside =
        Bootstrap { own: upstream.authority(), control_plane: control_plane.authority(), ..Bootstrap::over(seaweed().await, "aside") };
    subjects.push(Subject::new("the filter, idle: the control plane answers", Envoy::start(&aside), 1, &upstream).await);
    for routes in extent.routes {
        let prefix = format!("costs-{routes}");
        publish(seaweed().await, &prefix, of_routes(*routes, upstream.port)).await;
        let envoy = Envoy::start(&Bootstrap::over(seaweed().await, &prefix));
        subjects.push(Subject::new(&format!("the filter, routing by {routes}"), envoy, *routes, &upstream).await);
    }
    let mut costs: Vec<Vec<Duration>> = subjects.iter().map(|_| Vec::new()).collect();
    for round in 0..=extent.rounds {
        for (subject, costs) in subjects.iter_mut().zip(&mut costs) {
            let cost = subject.cost(extent.requests).await;
            // The first round warms up.
            if round > 0 {
                costs.push(cost);
            }
        }
    }
    tell(&subjects, &costs);
}

fn tell(subjects: &[Subject], costs: &[Vec<Duration>]) {
    println!("## What the filter costs an Envoy\n");
    println!("Processor time of the whole Envoy per proxied request; medians of rounds in turns. One worker.\n");
    println!("| Envoy with | us a request | added, us | ratio | memory, MB |");
    println!("|---|---|---|---|---|");
    let micros = |costs: &[Duration]| middle(costs.iter().copied()).as_secs_f64() * 1e6;
    let without = micros(&costs[0]);
    for (subject, costs) in subjects.iter().zip(costs) {
        let cost = micros(costs);
        let memory = subject.envoy.process.resident_bytes() / 1_000_000;
        println!("| {} | {cost:.1} | {:.1} | {:.2} | {memory} |", subject.name, cost - without, cost / without);
    }
}

impl Subject {
    async fn new(name: &str, envoy: Envoy, routes: usize, upstream: &Upstream) -> Self {
        // Its first request is held until it is known what becomes of it.
        envoy.listens().await;
        let load = Load::open(envoy.listen, routes, &upstream.authority()).await;
        Self { name: name.to_owned(), envoy, load }
    }

    /// Of one request.
    async fn cost(&mut self, requests: usize) -> Duration {
        let before = self.envoy.process.cpu();
        self.load.run(requests).await;
        (self.envoy.process.cpu() - before) / u32::try_from(requests).unwrap()
    }
}

/// The same Envoy without node and filter, all its requests to one cluster.
fn unfiltered(upstream: &Upstream, admin: u16, listen: u16, cluster: &str) -> String {
    let yaml = Bootstrap { own: upstream.authority(), ..Bootstrap::alone() }.write(admin, listen);
    let without = cut(&yaml, "# The node:", "static_resources:");
    let without = cut(&without, "          # The filter:", "          - name: envoy.filters.http.dynamic_forward_proxy\n");
    without.replace("route: { cluster: own }", &format!("route: {{ cluster: {cluster} }}"))
}

fn cut(text: &str, from: &str, to: &str) -> String {
    let start = text.find(from).unwrap_or_else(|| panic!("'{from}' is documented"));
    let end = start + text[start..].find(to).unwrap_or_else(|| panic!("'{to}' is documented"));
    format!("{}{}", &text[..start], &text[end..])
}
