//! Envoys that start in turns, from a file and by the failover of a node that has the same resources from the store.
//!
//! The resources are published as in an outage's beginning: a backup node follows the management server, which then ends for good.

use std::collections::BTreeSet;
use std::time::Duration;

use holdover_drill::process::free_address;
use holdover_drill::{SELDOM, get, until};
use holdover_tests::site::BOUND;

use crate::envoy::{Envoy, How, Protocol, Sources, Way};
use crate::file;
use crate::ground::{Failover, Ground, Place};
use crate::management::ManagementServer;
use crate::many::{clusters, of_many};
use crate::measure::{middle, ms};
use crate::resources::Resources;
use crate::telling::aim;

const RATIO_MAX: f64 = 1.3;

/// Routes, and how often each Envoy starts.
pub const QUICK: [(usize, usize); 1] = [(100, 3)];
pub const WHOLE: [(usize, usize); 3] = [(100, 41), (1_000, 21), (10_000, 11)];

/// What an Envoy starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    File,
    Failover(How),
}

struct Started {
    after: Duration,
    resident_bytes: u64,
}

/// What the starts of one size have in common.
struct Stage {
    ground: Ground,
    resources: Resources,
    clusters: BTreeSet<String>,
    sources: Sources,
}

pub async fn bench(sizes: &[(usize, usize)]) {
    println!("## Envoy's start, from a file and by our failover while the management server is away\n");
    println!(
        "From the start of the process to its first proxied answer, by the last route; its memory then. Medians, the starts in turns.\n"
    );
    println!("| routes | from | first answer, ms | fastest | slowest | ratio | memory, MB | ratio |");
    println!("|---|---|---|---|---|---|---|---|");
    let (mut aims, mut nodes) = (Vec::new(), Vec::new());
    for (routes, rounds) in sizes {
        let (stage, node) = Stage::set(*routes).await;
        let starts = stage.rounds(*rounds).await;
        nodes.push(format!("{} MB with {routes} routes", megabytes(node.node.resident_bytes().unwrap())));
        let of_file = medians(&starts[0]);
        for (start, starts) in Start::ALL.iter().zip(&starts) {
            let (after, bytes) = medians(starts);
            let times = || starts.iter().map(|started| started.after);
            let (fastest, slowest) = (times().min().unwrap(), times().max().unwrap());
            let (ratio, memory) = (after.as_secs_f64() / of_file.0.as_secs_f64(), bytes as f64 / of_file.1 as f64);
            println!(
                "| {routes} | {} | {:.0} | {:.0} | {:.0} | {ratio:.2}x | {} | {memory:.2}x |",
                start.as_str(),
                ms(after),
                ms(fastest),
                ms(slowest),
                megabytes(bytes)
            );
            if *start != Start::File {
                aims.push(aim(&format!("{routes} routes, {}", start.as_str()), ratio, RATIO_MAX, "x"));
            }
        }
        node.end().await;
    }
    println!("\n{}\n\nThe node beside it holds {}.\n", aims.join("\n"), nodes.join(", "));
}

impl Stage {
    /// Everything is published, applied by a node, and the management server is away.
    async fn set(routes: usize) -> (Self, Failover) {
        let ground = Ground::start().await;
        let resources = of_many(routes, ground.upstream.address());
        let mut management = ManagementServer::start(ground.folder(), &resources).await;
        let control_plane = management.address;
        ground.publish(control_plane, Protocol::Delta).await;
        management.kill();
        let sources = Sources { control_plane, node: Place::free() };
        let node = ground.failover("node", sources.node, control_plane, Protocol::Delta);
        let ready = async || Ok(get(sources.node.status, "/ready", BOUND).await.is_ok_and(|answer| answer.status == 200).then_some(()));
        let ready = until(BOUND, SELDOM, "readiness of the node", ready).await;
        ready.unwrap_or_else(|failure| panic!("{failure:#}; it said:\n{}", node.node.log()));
        (Self { ground, resources, clusters: clusters(routes), sources }, node)
    }

    /// All kinds of starts, one after the other in each round. One round more than is counted warms the machine up.
    async fn rounds(&self, rounds: usize) -> [Vec<Started>; Start::ALL.len()] {
        let mut all: [Vec<Started>; Start::ALL.len()] = Start::ALL.map(|_| Vec::new());
        for round in 0..=rounds {
            for (kind, start) in Start::ALL.into_iter().enumerate() {
                all[kind].push(self.start(start, &format!("envoy-{round}-{kind}")).await);
            }
        }
        all.map(|mut starts| starts.split_off(1))
    }

    async fn start(&self, start: Start, name: &str) -> Started {
        let admin = free_address().unwrap();
        let envoy = match start {
            Start::File => Envoy::start_with(name, &file::bootstrap(&self.resources, admin).to_string(), admin, self.ground.folder()),
            Start::Failover(how) => Envoy::start(name, self.sources, how, self.ground.folder()),
        };
        let served = envoy.served().await;
        let started = Started { after: served.after, resident_bytes: envoy.process.resident_bytes() };
        assert!(envoy.clusters().await.is_superset(&self.clusters), "{} serves all that there is", start.as_str());
        started
    }
}

impl Start {
    /// The file first: the others are compared with it. Of each way what `holdover envoy bootstrap` prints unless asked otherwise.
    const ALL: [Self; 3] = [
        Self::File,
        Self::Failover(How { way: Way::Priorities, protocol: Protocol::Delta }),
        Self::Failover(How { way: Way::Failover, protocol: Protocol::StateOfTheWorld }),
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::File => "a file",
            Self::Failover(How { way: Way::Priorities, .. }) => "the failover, `--way priorities`",
            Self::Failover(How { way: Way::Failover, .. }) => "the failover, `--way failover`",
        }
    }
}

fn medians(starts: &[Started]) -> (Duration, u64) {
    (middle(starts.iter().map(|started| started.after)), middle(starts.iter().map(|started| started.resident_bytes)))
}

fn megabytes(bytes: u64) -> String {
    format!("{:.0}", bytes as f64 / 1e6)
}
