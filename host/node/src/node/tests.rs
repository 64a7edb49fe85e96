//! The loop with policies for tests: they attempt and serve, and lose episodes when told to. An hour is a millisecond.
// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::VecDeque;
use std::sync::Mutex;

use async_trait::async_trait;
use holdover_plugin::config::Format;
use holdover_plugin::policy::{ExportOutcome, Office, Origin, Serving, StandIn, Standing};
use holdover_ports::{ControlPlane, EpisodeLost, Gateway, GatewayStatus, NotApplied};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use super::*;
use crate::clock::SystemClock;
use crate::testing::{Dialled, Timetable, config, lost, s};

mod exporting;

#[tokio::test(start_paused = true)]
async fn a_configuration_that_comes_after_boot_stopped_waiting_is_served_after_boot() {
    let story = Story::new([Dialled::Connects(s(5), vec![(s(0), Ok(config("one")))])]);
    story.policy.boot_waits(s(1));
    let node = story.node().await;
    let status = node.status();
    let running = tokio::spawn(node.run(std::future::pending()));
    eventually(|| status.ready().is_ok()).await;
    assert_eq!(story.policy.calls(), ["boot", "received one"]);
    assert_eq!(status.serving().unwrap().digest, config("one").digest());
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn a_lost_episode_keeps_what_is_served_and_is_tried_again() {
    let story = Story::new([Dialled::Connects(s(0), vec![(s(0), Ok(config("one"))), (s(60), Ok(config("two")))])]);
    story.policy.meets([Fate::Ends, Fate::Lost, Fate::Panics]);
    let node = story.node().await;
    let status = node.status();
    let running = tokio::spawn(node.run(std::future::pending()));
    eventually(|| story.policy.calls().len() == 2).await;
    assert_eq!(status.serving().unwrap().digest, config("one").digest());
    assert_eq!(status.ready(), Ok(()));
    eventually(|| status.serving().unwrap().digest == config("two").digest()).await;
    assert_eq!(story.policy.calls(), ["boot", "received two", "received two", "received two"]);
    assert_eq!(story.journal.counts().get("episode-lost"), Some(&2));
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn an_episode_that_hangs_is_cut_after_five_minutes_and_boot_is_begun_again() {
    let story = Story::new([Dialled::Connects(s(0), vec![(s(0), Ok(config("one")))])]);
    story.policy.meets([Fate::Hangs]);
    let node = story.node().await;
    let status = node.status();
    let began = Instant::now();
    let running = tokio::spawn(node.run(std::future::pending()));
    eventually(|| status.ready().is_ok()).await;
    assert!((300..310).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    assert_eq!(story.policy.calls(), ["boot", "boot"]);
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn losing_the_control_plane_wakes_the_policy_and_leaves_the_node_ready() {
    let story = Story::new([Dialled::Connects(s(0), vec![(s(0), Ok(config("one"))), (s(60), Err(lost()))])]);
    let node = story.node().await;
    let status = node.status();
    let running = tokio::spawn(node.run(std::future::pending()));
    eventually(|| story.policy.calls() == ["boot", "tick"]).await;
    assert_eq!(status.ready(), Ok(()));
    assert!(!status.report().connected);
    assert!(status.why().sentences.iter().any(|sentence| sentence.starts_with("Not connected to the control plane http://control-plane;")));
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn the_policy_is_told_once_of_who_appears_while_nobody_is_connected() {
    let brings = Dialled::Connects(s(5), vec![(s(0), Ok(config("one"))), (s(60), Err(lost()))]);
    let story = Story::new([Dialled::Fails(lost()), brings]);
    let running = tokio::spawn(story.node().await.run(std::future::pending()));
    eventually(|| story.policy.calls() == ["boot"]).await;
    story.plane.appears.notify_one();
    eventually(|| story.policy.calls().len() == 2).await;

    story.redials().await;
    eventually(|| story.policy.calls().len() == 3).await;
    // Whoever comes now comes too late to be news, until the session is lost.
    story.plane.appears.notify_one();
    sleep(s(30)).await;
    assert_eq!(story.policy.calls(), ["boot", "appeared", "received one"]);
    story.policy.wakes_after(s(100));
    sleep(s(200)).await;
    assert_eq!(story.policy.calls(), ["boot", "appeared", "received one", "tick", "appeared", "tick"]);
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn whoever_stands_in_for_the_control_plane_waits_steps_in_and_steps_aside_with_it() {
    let brings = |after, lasts| Dialled::Connects(s(after), vec![(s(0), Ok(config("one"))), (s(lasts), Err(lost()))]);
    let story = Story::new([Dialled::Fails(lost()), brings(5, 60), brings(5, 60)]);
    let parts = story.parts();
    let mut told = parts.stand_in.subscribe();
    let node = Node::open(parts).await.unwrap();
    let status = node.status();
    assert_eq!(*told.borrow_and_update(), StandIn::Waits);
    assert!(status.control_plane_health().unwrap_err().contains("not known yet"));
    let running = tokio::spawn(node.run(std::future::pending()));

    // Nothing is served, so nobody is kept from a control plane that may answer others.
    told.changed().await.unwrap();
    assert_eq!(*told.borrow_and_update(), StandIn::StepsAside);
    assert!(status.control_plane_health().unwrap().contains("nothing to serve"));

    story.redials().await;
    eventually(|| status.ready().is_ok()).await;
    assert_eq!(status.control_plane_health(), Ok("the control plane answers"));
    assert!(!told.has_changed().unwrap(), "it stepped aside before");

    told.changed().await.unwrap();
    assert_eq!(*told.borrow_and_update(), StandIn::Serves);
    assert!(status.control_plane_health().unwrap_err().contains("is away"));

    story.redials().await;
    told.changed().await.unwrap();
    assert_eq!(*told.borrow_and_update(), StandIn::StepsAside);
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn the_policy_is_woken_when_it_asked_to_be_and_not_before() {
    let story = Story::new([Dialled::Connects(s(0), vec![(s(0), Ok(config("one")))])]);
    story.policy.wakes_after(s(100));
    let running = tokio::spawn(story.node().await.run(std::future::pending()));
    sleep(s(350)).await;
    assert_eq!(story.policy.calls(), ["boot", "tick", "tick", "tick"]);
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn a_lost_episode_that_the_gateway_had_said_yes_to_leaves_no_configuration_for_served() {
    let story = Story::new([Dialled::Connects(s(0), vec![(s(0), Ok(config("one"))), (s(60), Ok(config("two")))])]);
    story.policy.meets([Fate::Ends, Fate::LostAfterApply]);
    let node = story.node().await;
    let status = node.status();
    let running = tokio::spawn(node.run(std::future::pending()));
    eventually(|| story.policy.calls().len() == 2).await;
    assert_eq!(status.serving().map(|serving| (serving.digest, serving.sameness)), Some((config("two").digest(), String::new())));
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn shutdown_does_not_wait_for_an_episode() {
    let story = Story::new([]);
    story.policy.meets([Fate::Hangs]);
    let node = story.node().await;
    let began = Instant::now();
    node.run(sleep(s(3))).await;
    assert_eq!(began.elapsed().as_secs(), 3);
    assert_eq!(story.policy.calls(), ["boot"]);
}

#[tokio::test(start_paused = true)]
async fn an_orderly_end_is_told_to_the_policy_which_cannot_hold_it_up() {
    let story = Story::new([Dialled::Connects(s(0), vec![(s(0), Ok(config("one")))])]);
    story.policy.meets([Fate::Ends, Fate::Hangs]);
    let node = story.node().await;
    let began = Instant::now();
    node.run(sleep(s(3))).await;
    assert_eq!(story.policy.calls(), ["boot", "stop"]);
    assert_eq!(began.elapsed().as_secs(), 8);
}

#[tokio::test(start_paused = true)]
async fn what_an_episode_remembers_is_there_for_the_next_process() {
    let mut story = Story::new([Dialled::Connects(s(0), vec![(s(0), Ok(config("one")))])]);
    story.node().await.run(sleep(s(10))).await;
    assert_eq!(story.policy.states(), [Vec::new(), b"after boot".to_vec()]);
    story.next_process([Dialled::Connects(s(0), vec![(s(0), Ok(config("one")))])]);
    story.node().await.run(sleep(s(10))).await;
    assert_eq!(story.policy.states().first(), Some(&b"after stop".to_vec()));
}

#[tokio::test]
async fn the_status_page_says_what_is_served_and_whether_the_node_is_ready() {
    let story = Story::new([Dialled::Connects(Duration::from_millis(300), vec![(s(0), Ok(config("one")))])]);
    let node = story.node().await;
    let (address, status) = (node.status_address().unwrap(), node.status());
    let running = tokio::spawn(node.run(std::future::pending()));

    let starting = ask(address, "GET /ready").await;
    assert!(starting.starts_with("HTTP/1.1 503 ") && starting.contains("starting: "), "{starting}");
    assert!(ask(address, "GET /cp/healthy").await.starts_with("HTTP/1.1 503 "));
    assert!(ask(address, "GET /live").await.starts_with("HTTP/1.1 200 "));
    while status.ready().is_err() {
        sleep(Duration::from_millis(5)).await;
    }
    assert!(ask(address, "GET /ready").await.starts_with("HTTP/1.1 200 "));

    let page = ask(address, "GET /status").await;
    let page: serde_json::Value = serde_json::from_str(page.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(page["standing"], "serving");
    assert_eq!(page["serving"]["digest"], config("one").digest().to_string());
    assert_eq!(page["connected"], true);
    assert_eq!(page["control_plane"], "http://control-plane");
    assert_eq!(page["gateway"]["unenforced_plugins"][0], "ai-proxy");

    let metrics = ask(address, "GET /metrics").await;
    assert!(metrics.contains("\nholdover_ready 1\n") && metrics.contains("\nholdover_events_total{name=\"exported\"} 0\n"), "{metrics}");
    assert!(ask(address, "GET /why").await.contains("from the control plane"));
    assert!(ask(address, "GET /cp/healthy").await.starts_with("HTTP/1.1 200 "));
    assert!(ask(address, "POST /status").await.starts_with("HTTP/1.1 405 "));
    assert!(ask(address, "GET /").await.starts_with("HTTP/1.1 404 "));
    running.abort();
}

#[tokio::test]
async fn a_taken_port_is_named_with_its_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let story = Story::new([]);
    let parts = NodeParts { status_listen: Some(taken.local_addr().unwrap()), ..story.parts() };
    let sentence = run(parts, std::future::pending()).await.unwrap_err().to_string();
    assert!(sentence.starts_with("holdover_status_listen = 127.0.0.1:"), "{sentence}");
}

/// What becomes of an episode, in turn; past the last, each ends well.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Ends,
    /// Ends well, and asks to keep the delivery.
    Pending,
    /// Ends well, and asks for a new session.
    Refreshes,
    Lost,
    /// Lost, and the gateway had taken the delivery.
    LostAfterApply,
    Panics,
    Hangs,
}

struct Story {
    folder: tempfile::TempDir,
    gateway: Arc<RunningGateway>,
    plane: Arc<Timetable>,
    sessions: Arc<Sessions>,
    policy: Arc<Policy>,
    journal: Arc<Journal>,
}

struct Policy {
    sessions: Arc<Sessions>,
    gateway: Arc<RunningGateway>,
    boot_waits: Mutex<Duration>,
    wakes_after: Mutex<Option<Duration>>,
    fates: Mutex<VecDeque<Fate>>,
    calls: Mutex<Vec<String>>,
    states: Mutex<Vec<Vec<u8>>>,
}

struct Publisher {
    takes: Duration,
    fates: Mutex<VecDeque<Fate>>,
    calls: Mutex<Vec<String>>,
}

struct SilentGateway;

impl Story {
    fn new(turns: impl IntoIterator<Item = Dialled>) -> Self {
        let plane = Timetable::new(turns);
        let sessions = Arc::new(Sessions::new(plane.clone()));
        let journal = Arc::new(Journal::new(Arc::new(SystemClock::starting_here())));
        let gateway = Arc::new(RunningGateway::new(Arc::new(SilentGateway)));
        let policy = Policy::new(sessions.clone(), gateway.clone());
        Self { folder: tempfile::tempdir().unwrap(), policy, gateway, plane, sessions, journal }
    }

    fn next_process(&mut self, turns: impl IntoIterator<Item = Dialled>) {
        self.plane = Timetable::new(turns);
        self.sessions = Arc::new(Sessions::new(self.plane.clone()));
        self.policy = Policy::new(self.sessions.clone(), self.gateway.clone());
    }

    /// Whoever asked does not wait, so that what comes goes to the node.
    async fn redials(&self) {
        assert!(timeout(s(1), self.sessions.attempt(s(10))).await.is_err());
    }

    fn parts(&self) -> NodeParts {
        let cache = Arc::new(FileCache::open(self.folder.path()).unwrap());
        NodeParts {
            importer: self.policy.clone(),
            exporter: None,
            janitor: None,
            pending: cache.clone(),
            sessions: self.sessions.clone(),
            gateway: self.gateway.clone(),
            cache,
            settings: settings(),
            journal: self.journal.clone(),
            clock: Arc::new(SystemClock::starting_here()),
            random: Arc::new(crate::random::SystemRandom),
            policy: None,
            stand_in: tokio::sync::watch::Sender::new(holdover_plugin::policy::StandIn::Waits),
            status_listen: Some("127.0.0.1:0".parse().unwrap()),
        }
    }

    async fn node(&self) -> Node {
        Node::open(self.parts()).await.unwrap()
    }

    async fn exporting(&self, publisher: Arc<Publisher>) -> Node {
        Node::open(NodeParts { exporter: Some(publisher), ..self.parts() }).await.unwrap()
    }
}

impl Policy {
    fn new(sessions: Arc<Sessions>, gateway: Arc<RunningGateway>) -> Arc<Self> {
        Arc::new(Self {
            sessions,
            gateway,
            boot_waits: Mutex::new(s(10)),
            wakes_after: Mutex::default(),
            fates: Mutex::default(),
            calls: Mutex::default(),
            states: Mutex::default(),
        })
    }

    fn boot_waits(&self, for_: Duration) {
        *self.boot_waits.lock().unwrap() = for_;
    }

    fn wakes_after(&self, pause: Duration) {
        *self.wakes_after.lock().unwrap() = Some(pause);
    }

    fn meets(&self, fates: impl IntoIterator<Item = Fate>) {
        self.fates.lock().unwrap().extend(fates);
    }

    fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    fn states(&self) -> Vec<Vec<u8>> {
        self.states.lock().unwrap().clone()
    }

    async fn begin(&self, call: String, state: Vec<u8>) -> Result<(), EpisodeLost> {
        self.calls.lock().unwrap().push(call);
        self.states.lock().unwrap().push(state);
        let fate = self.fates.lock().unwrap().pop_front();
        meet(fate.unwrap_or(Fate::Ends)).await
    }

    fn outcome(&self, standing: Standing) -> Result<Outcome, EpisodeLost> {
        let after = self.calls().pop().unwrap();
        Ok(Outcome {
            state: format!("after {after}").into_bytes(),
            wake_after: *self.wakes_after.lock().unwrap(),
            refresh: false,
            standing,
        })
    }
}

#[async_trait]
impl Importer for Policy {
    async fn boot(&self, _: Facts, state: Vec<u8>) -> Result<Outcome, EpisodeLost> {
        self.begin("boot".into(), state).await?;
        let patience = *self.boot_waits.lock().unwrap();
        match timeout(patience, self.sessions.attempt(s(10))).await {
            Ok(Ok(config)) => self.outcome(Standing::Serving(serving(&config))),
            Ok(Err(_)) | Err(_) => self.outcome(Standing::Stranded("no rung held".into())),
        }
    }

    async fn received(&self, config: Config, _: Facts, state: Vec<u8>) -> Result<Outcome, EpisodeLost> {
        if self.fates.lock().unwrap().front() == Some(&Fate::LostAfterApply) {
            self.gateway.apply(&config).await.unwrap();
        }
        self.begin(format!("received {}", text(&config)), state).await?;
        self.outcome(Standing::Serving(serving(&config)))
    }

    async fn tick(&self, facts: Facts, state: Vec<u8>) -> Result<Outcome, EpisodeLost> {
        let call = match (facts.stopping, facts.appeared) {
            (true, _) => "stop",
            (false, true) => "appeared",
            (false, false) => "tick",
        };
        self.begin(call.into(), state).await?;
        self.outcome(facts.serving.map_or_else(|| Standing::Stranded("nothing".into()), Standing::Serving))
    }
}

impl Publisher {
    fn new(takes: Duration, fates: impl IntoIterator<Item = Fate>) -> Arc<Self> {
        Arc::new(Self { takes, fates: Mutex::new(fates.into_iter().collect()), calls: Mutex::default() })
    }

    fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    async fn episode(&self, call: String) -> Result<ExportOutcome, EpisodeLost> {
        self.calls.lock().unwrap().push(call);
        sleep(self.takes).await;
        let fate = self.fates.lock().unwrap().pop_front().unwrap_or(Fate::Ends);
        meet(fate).await?;
        let pending = fate == Fate::Pending;
        Ok(ExportOutcome {
            state: Vec::new(),
            wake_after: pending.then_some(s(60)),
            pending,
            refresh: fate == Fate::Refreshes,
            published: None,
            held: None,
            approvable: None,
            office: Office::None,
        })
    }
}

#[async_trait]
impl Exporter for Publisher {
    async fn received(&self, config: Config, facts: Facts, _: Vec<u8>) -> Result<ExportOutcome, EpisodeLost> {
        assert!(facts.connected);
        let leave = if facts.stopping { ", stopping" } else { "" };
        self.episode(format!("received {}{leave}", text(&config))).await
    }

    async fn tick(&self, pending: Option<Config>, facts: Facts, _: Vec<u8>) -> Result<ExportOutcome, EpisodeLost> {
        let why = if facts.stopping { "stop" } else { "tick" };
        self.episode(format!("{why} {}", pending.map_or("nothing".into(), |config| text(&config)))).await
    }

    async fn probe(&self, _: Facts) -> Result<Vec<(String, Result<(), String>)>, EpisodeLost> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl Gateway for SilentGateway {
    async fn apply(&self, _: &Config) -> Result<(), NotApplied> {
        Ok(())
    }

    fn status(&self) -> GatewayStatus {
        GatewayStatus { kind: "none", unenforced_plugins: vec!["ai-proxy".into()], ..GatewayStatus::default() }
    }
}

async fn meet(fate: Fate) -> Result<(), EpisodeLost> {
    match fate {
        Fate::Ends | Fate::Pending | Fate::Refreshes => Ok(()),
        Fate::Lost | Fate::LostAfterApply => Err(EpisodeLost { episode: "received", reason: "unreachable executed".into() }),
        Fate::Panics => panic!("a defect in the host"),
        Fate::Hangs => std::future::pending().await,
    }
}

fn serving(config: &Config) -> Serving {
    Serving { digest: config.digest(), sameness: text(config), origin: Origin::ControlPlane, position: None }
}

fn text(config: &Config) -> String {
    String::from_utf8(config.bytes().to_vec()).unwrap()
}

fn settings() -> Settings {
    let settings = Settings::new("default".parse().unwrap(), "3.9.1".parse().unwrap(), Format::Kong);
    Settings { node: "node-1".into(), storages: vec!["file:///backup".into()], ..settings }
}

/// Within an hour of paused time.
async fn eventually(holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(s(3600), wait).await.expect("it never came to hold");
}

async fn ask(address: SocketAddr, line: &str) -> String {
    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    connection.write_all(format!("{line} HTTP/1.1\r\nhost: status\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer
}
