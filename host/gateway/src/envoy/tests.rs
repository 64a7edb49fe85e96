//! The gate: who is served is the policy's word and what was applied, together.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail by panicking")]

use std::net::Ipv4Addr;
use std::time::Duration;

use holdover_plugin::config::xds::types;
use holdover_ports::Why;
use holdover_xds::{Code, Connection, Described, Ended, Mode, PING_INTERVAL_MIN, Reads, Target};

use super::*;

#[tokio::test]
async fn a_new_envoy_is_served_what_was_applied_while_the_control_plane_is_away() {
    for mode in [Mode::StateOfTheWorld, Mode::Delta] {
        let ground = Ground::with(StandIn::Serves).await;
        ground.failover.apply(&config("7")).await.unwrap();
        let set = ground.connect("edge", mode).await.next().await.unwrap();
        assert_eq!(set.len(), 2, "{mode}");
        assert!(set.iter().all(|resource| resource.version == "7" && !resource.value.is_empty()), "{set:?}");
    }
}

#[tokio::test]
async fn who_comes_before_anything_is_known_is_kept_waiting_and_then_served() {
    let ground = Ground::with(StandIn::Waits).await;
    let mut waiting = ground.connect("edge", Mode::Delta).await;
    ground.failover.apply(&config("7")).await.unwrap();
    ground.stand_in.send_replace(StandIn::Serves);
    assert_eq!(waiting.next().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_control_plane_that_is_back_gets_its_envoys_back() {
    let ground = Ground::with(StandIn::Serves).await;
    ground.failover.apply(&config("7")).await.unwrap();
    let mut served = ground.connect("edge", Mode::Delta).await;
    served.next().await.unwrap();
    ground.stand_in.send_replace(StandIn::StepsAside);
    assert!(matches!(served.next().await, Err(Ended::Status { code: Code::Unavailable, .. })));
}

#[tokio::test]
async fn another_group_is_refused_and_shown() {
    let ground = Ground::with(StandIn::Serves).await;
    ground.failover.apply(&config("7")).await.unwrap();
    let ended = ground.connect("core", Mode::Delta).await.next().await.unwrap_err();
    assert!(
        matches!(&ended, Ended::Status { code: Code::PermissionDenied, detail } if detail.contains("'edge' is served here")),
        "{ended}"
    );
    let rows = ground.failover.status().data_planes;
    assert!(rows.iter().any(|row| row.state == "refused" && row.reason.as_ref().is_some_and(|why| why.contains("'core'"))), "{rows:?}");
}

#[tokio::test]
async fn a_node_of_our_own_kind_is_not_served() {
    let ground = Ground::with(StandIn::Serves).await;
    ground.failover.apply(&config("7")).await.unwrap();
    let ended = ground.connect_as(AGENT, "edge", Mode::Delta).await.next().await.unwrap_err();
    assert!(matches!(&ended, Ended::Status { code: Code::PermissionDenied, detail } if detail.contains("no management server")), "{ended}");
}

#[tokio::test]
async fn what_is_no_set_of_resources_is_rejected_and_changes_nothing() {
    let ground = Ground::with(StandIn::Serves).await;
    ground.failover.apply(&config("7")).await.unwrap();
    for bytes in [Bytes::from_static(b"{}"), Bytes::new()] {
        assert!(matches!(ground.failover.apply(&Config::delivered(bytes)).await, Err(NotApplied::Rejected(_))));
    }
    assert_eq!(ground.connect("edge", Mode::Delta).await.next().await.unwrap().len(), 2);
}

#[test]
fn a_member_is_applied_only_when_it_took_every_type() {
    let client = |types: &[(&str, Told)]| Client {
        stream: 1,
        ip: Ipv4Addr::LOCALHOST.into(),
        node: Node { id: "n".into(), ..Node::default() },
        mode: Mode::Delta,
        state: State::Serving,
        types: types.iter().map(|(name, told)| ((*name).to_owned(), told.clone())).collect(),
    };
    let state = |types: &[(&str, Told)]| row(&client(types), UnixMs(1)).state;
    assert_eq!(state(&[]), "served");
    assert_eq!(state(&[("a", Told::Acknowledged), ("b", Told::Sent)]), "served");
    assert_eq!(state(&[("a", Told::Acknowledged), ("b", Told::Acknowledged)]), "applied");
    assert_eq!(state(&[("a", Told::Acknowledged), ("b", Told::Rejected("INVALID_ARGUMENT"))]), "rejected");
}

struct Ground {
    failover: Failover,
    stand_in: watch::Sender<StandIn>,
}

impl Ground {
    async fn with(said: StandIn) -> Self {
        let (stand_in, heard) = watch::channel(said);
        let options = FailoverOptions {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            tls: None,
            node_group: "edge".into(),
            stand_in: heard,
            clock: Arc::new(Still),
        };
        Self { failover: Failover::bind(options).await.unwrap(), stand_in }
    }

    async fn connect(&self, cluster: &str, mode: Mode) -> Connection {
        self.connect_as("envoy", cluster, mode).await
    }

    async fn connect_as(&self, agent: &str, cluster: &str, mode: Mode) -> Connection {
        let target = Target {
            endpoint: format!("http://{}", self.failover.local_addr()).parse().unwrap(),
            tls: None,
            token: None,
            node: Node { id: "envoy".into(), cluster: cluster.into(), user_agent_name: agent.into(), ..Node::default() },
            described: Described::default(),
            mode,
            payload_bytes_max: 1 << 20,
            // Nothing is answered to whoever waits.
            connect_timeout: Duration::from_millis(200),
            ping_interval: PING_INTERVAL_MIN,
            reads: Arc::new(Plain),
        };
        Connection::open(&target).await.unwrap()
    }
}

/// A cluster and a listener whose only field is their name, which is the first in both.
fn config(version: &str) -> Config {
    let named = |name: &str| [&[10, name.len() as u8], name.as_bytes()].concat();
    let resource = |type_url: &str, name: &str| xds::Resource {
        type_url: type_url.to_owned(),
        name: name.to_owned(),
        version: version.to_owned(),
        value: named(name),
    };
    Config::delivered(xds::encode(vec![resource(types::CLUSTER, "web"), resource(types::LISTENER, "http")]).into())
}

struct Plain;

impl Reads for Plain {
    fn name_of(&self, type_url: &str, value: &[u8]) -> Result<String, String> {
        xds::name_of(type_url, value)
    }

    fn wants(&self, _resource: &Resource) -> Result<Vec<(String, String)>, String> {
        Ok(Vec::new())
    }
}

struct Still;

#[async_trait]
impl Clock for Still {
    fn now(&self) -> UnixMs {
        UnixMs(7)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, _duration: Duration, _why: Why) {}
}
