//! A real Envoy with the bootstrap that `holdover envoy bootstrap` prints, and what its admin interface says of it.
//!
//! Knows two sources of configurations and no story.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use holdover_drill::process::free_address;
use holdover_drill::{Expectation, OFTEN, get, until};
use holdover_tests::site::{BOUND, binary};
use holdover_tests::third_party::{self, Tied};
use serde_json::Value;

use crate::ground::{GROUP, Place};

/// What loopback and an idle Envoy answer within.
const ANSWER_BOUND: Duration = Duration::from_secs(2);

/// How Envoy is told of its two sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct How {
    pub way: Way,
    pub protocol: Protocol,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// One cluster with two priorities, and a health check by our verdict.
    Priorities,
    /// Envoy's own failover: two management servers, the second of which is asked when the first one fails.
    Failover,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    StateOfTheWorld,
    Delta,
}

impl How {
    pub const ALL: [Self; 4] = [
        Self { way: Way::Priorities, protocol: Protocol::Delta },
        Self { way: Way::Priorities, protocol: Protocol::StateOfTheWorld },
        Self { way: Way::Failover, protocol: Protocol::Delta },
        Self { way: Way::Failover, protocol: Protocol::StateOfTheWorld },
    ];

    /// Envoy tells a second server nothing of what it has from the first, so the first cannot know what it should remove.
    pub fn leaves_behind_what_was_only_in_the_snapshot(self) -> bool {
        self.way == Way::Failover && self.protocol == Protocol::Delta
    }
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.way.as_str(), self.protocol.as_str())
    }
}

impl Way {
    fn as_str(self) -> &'static str {
        match self {
            Self::Priorities => "priorities",
            Self::Failover => "failover",
        }
    }
}

impl Protocol {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StateOfTheWorld => "sotw",
            Self::Delta => "delta",
        }
    }
}

/// Who an Envoy asks: its control plane, and the node beside it.
#[derive(Clone, Copy, Debug)]
pub struct Sources {
    pub control_plane: SocketAddr,
    pub node: Place,
}

/// What the command prints for an Envoy of this name.
pub fn bootstrap(name: &str, sources: Sources, how: How, admin: SocketAddr, more: &[String]) -> String {
    let mut command = Command::new(binary());
    command.args(["envoy", "bootstrap", "--node-id", name, "--node-group", GROUP]);
    command.args(["--control-plane", &sources.control_plane.to_string(), "--failover", &sources.node.ads.to_string()]);
    command.args(["--health", &sources.node.status.to_string(), "--admin", &admin.to_string()]);
    command.args(["--protocol", how.protocol.as_str(), "--way", how.way.as_str()]).args(more);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A running Envoy. Ends with this value, and with the test process, however that ends.
pub struct Envoy {
    name: String,
    pub process: Tied,
    admin: SocketAddr,
    began: Instant,
}

/// An Envoy that has something to serve.
#[derive(Clone, Copy, Debug)]
pub struct Served {
    pub listener: SocketAddr,
    /// From its start to the first answer.
    pub after: Duration,
    pub generation: u32,
}

impl Envoy {
    /// With what the command prints for it.
    pub fn start(name: &str, sources: Sources, how: How, folder: &Path) -> Self {
        let admin = free_address().unwrap();
        Self::start_with(name, &bootstrap(name, sources, how, admin, &[]), admin, folder)
    }

    /// With this bootstrap, which has its admin interface there. Keeps its files in a folder of its own name.
    pub fn start_with(name: &str, bootstrap: &str, admin: SocketAddr, folder: &Path) -> Self {
        let home = folder.join(name);
        fs::create_dir_all(&home).unwrap();
        let config = home.join("bootstrap.json");
        fs::write(&config, bootstrap).unwrap();
        let config = ["-c".to_owned(), config.display().to_string()];
        let alone = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "info"].map(str::to_owned);
        let began = Instant::now();
        let process = Tied::start(&third_party::envoy(), &[&config[..], &alone[..]].concat(), &home);
        Self { name: name.to_owned(), process, admin, began }
    }

    /// Waits for its first proxied answer.
    pub async fn served(&self) -> Served {
        self.is_served_within(BOUND)
            .await
            .unwrap_or_else(|| panic!("{} serves nothing within {BOUND:?}; it said: {}", self.name, self.said()))
    }

    /// The same, for an Envoy that may never have anything to serve.
    pub async fn is_served_within(&self, bound: Duration) -> Option<Served> {
        let served = until(bound, OFTEN, "a proxied answer", async || {
            let Some(listener) = self.listener().await else { return Ok(None) };
            let generation = generation(listener).await;
            Ok(generation.map(|generation| Served { listener, after: self.began.elapsed(), generation }))
        });
        served.await.ok()
    }

    /// Waits until its traffic is told that it goes by this generation; returns when that was.
    pub async fn goes_by(&self, wanted: u32) -> Instant {
        let Served { listener, .. } = self.served().await;
        let what = format!("generation {wanted} at {}", self.name);
        let seen = until(BOUND, OFTEN, &what, async || Ok((generation(listener).await == Some(wanted)).then(Instant::now)));
        seen.await.unwrap_or_else(|failure| panic!("{failure:#}; it said: {}", self.said()))
    }

    /// What readiness is called by Envoy itself, `LIVE` for example.
    pub async fn state(&self) -> String {
        self.page("/ready").await.unwrap_or_default().trim().to_owned()
    }

    pub async fn clusters(&self) -> BTreeSet<String> {
        let page = self.page("/clusters?format=json").await.unwrap_or_default();
        let clusters: Value = serde_json::from_str(&page).unwrap();
        let clusters = clusters["cluster_statuses"].as_array().into_iter().flatten();
        clusters.map(|cluster| cluster["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Of a statistic that there is.
    pub async fn statistic(&self, name: &str) -> String {
        let page = self.page(&format!("/stats?filter=^{name}$")).await.unwrap_or_default();
        let value = page.trim().strip_prefix(&format!("{name}: "));
        value.unwrap_or_else(|| panic!("{} has no {name}: {page}", self.name)).to_owned()
    }

    /// The end of what it logged.
    pub fn said(&self) -> String {
        self.process.said()
    }

    /// Where the listener of its configuration found a port.
    async fn listener(&self) -> Option<SocketAddr> {
        let listeners: Value = serde_json::from_str(&self.page("/listeners?format=json").await?).ok()?;
        let address = &listeners["listener_statuses"][0]["local_address"]["socket_address"];
        let port = u16::try_from(address["port_value"].as_u64()?).ok()?;
        Some(SocketAddr::new(address["address"].as_str()?.parse().ok()?, port))
    }

    async fn page(&self, path: &str) -> Option<String> {
        let answer = get(self.admin, path, ANSWER_BOUND).await.ok()?;
        String::from_utf8(answer.body.into()).ok()
    }
}

/// By which generation a listener's traffic goes, if it answers.
pub async fn generation(listener: SocketAddr) -> Option<u32> {
    let answer = get(listener, "/who", ANSWER_BOUND).await.ok()?;
    let body = std::str::from_utf8(&answer.body).ok()?;
    (answer.status == 200).then_some(())?;
    body.rsplit_once("/generation-")?.1.parse().ok()
}

/// What every generation answers alike.
pub fn steady(upstream: &holdover_drill::upstream::Upstream) -> Expectation {
    Expectation { path: "/steady".to_owned(), body: upstream.body_for("/steady") }
}

/// What this generation answers, and no other.
pub fn by_generation(upstream: &holdover_drill::upstream::Upstream, generation: u32) -> Expectation {
    Expectation { path: "/who".to_owned(), body: upstream.body_for(&format!("/generation-{generation}")) }
}

/// Whether Envoy itself takes a bootstrap for a valid one; what it says of it.
pub fn validated(bootstrap: &str, folder: &Path) -> Result<(), String> {
    let config: PathBuf = folder.join("bootstrap.json");
    fs::write(&config, bootstrap).unwrap();
    let output = Command::new(third_party::envoy()).args(["--mode", "validate", "-c"]).arg(&config).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}
