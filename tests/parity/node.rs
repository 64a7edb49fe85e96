//! A node over its ports, whose policy is the native core or the component: one episode after the other, as the module's own shell
//! (`plugin/proxy-wasm/src/node/life.rs`) takes them, so that the three are told of the same things.
//!
//! Decides nothing: what is compared is what the policy does in it.

use std::future::pending;
use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use futures::future::{BoxFuture, Either, select};
use holdover_component::{Runtime, RuntimeOptions};
use holdover_plugin::policy::state::State;
use holdover_plugin::policy::{Facts, Outcome, Standing, boot};
use holdover_ports::{Config, ControlPlane, Importer, ImporterPorts};
use holdover_tests::mutants as guest;
use holdover_tests::virtual_world::World;

use crate::native::{HeldConfig, Native};
use crate::ports::{self, Ports};
use crate::source::Source;
use crate::trace::{self, Act, Step, Told};

const POLL_INTERVAL: Duration = Duration::from_secs(5);
const FAILURES_IN_A_ROW_MAX: u32 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Core {
    Native,
    Component,
}

enum Importing {
    Native(Box<Native<ImporterPorts>>),
    Component(Arc<dyn Importer>),
}

/// What a node did until its time was over, and how it stood then.
pub struct Lived {
    pub steps: Vec<Step>,
    pub standing: trace::Standing,
}

/// A whole life, in virtual time.
pub fn lives(core: Core, told: &Told, source: Arc<dyn Source>, lasts: Duration) -> Lived {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let ports = Arc::new(Ports::over(source));
        let importing = match core {
            Core::Native => Importing::Native(Box::new(Native(ports.importer(told)))),
            Core::Component => Importing::Component(shipped().importer(ports.importer(told)).unwrap()),
        };
        let mut node = Node { importing, ports: ports.clone(), facts: beginning(told), standing: Mutex::new(trace::Standing::Stranded) };
        let ended = tokio::time::timeout(lasts, node.live()).await;
        assert!(ended.is_err(), "a node never ends by itself");
        Lived { steps: ports.steps(), standing: node.standing.into_inner().unwrap() }
    })
}

fn beginning(told: &Told) -> Facts {
    Facts::beginning(ports::settings(told), 1)
}

struct Node {
    importing: Importing,
    ports: Arc<Ports>,
    facts: Facts,
    standing: Mutex<trace::Standing>,
}

impl Node {
    async fn live(&mut self) {
        let patience = self.facts.settings.give_up;
        let mut outcome = self.episode("boot", None, Vec::new()).await;
        let mut session = None;
        loop {
            self.facts.serving = match outcome.standing {
                Standing::Serving(serving) => Some(serving),
                Standing::Stranded(_) | Standing::Refused(_) => None,
            };
            let news = if outcome.refresh {
                session = None;
                self.ports.end_session();
                self.ports.attempt(patience).await.ok()
            } else {
                let asked = session.take().unwrap_or_else(|| asked_on(self.ports.clone(), patience));
                match select(asked, pin!(due(outcome.wake_after))).await {
                    Either::Left((news, _)) => news,
                    Either::Right(((), asked)) => {
                        session = Some(asked).filter(|_| self.ports.session().latest.is_some());
                        None
                    }
                }
            };
            let known = self.ports.session();
            self.facts.connected = known.latest.is_some();
            self.facts.session = known.number;
            let name = if news.is_some() { "received" } else { "tick" };
            outcome = self.episode(name, news, outcome.state).await;
        }
    }

    async fn episode(&self, name: &str, news: Option<Config>, state: Vec<u8>) -> Outcome {
        self.ports.note(Act::Begins(name.to_owned()));
        let facts = self.facts.clone();
        let ended = match (&self.importing, news) {
            (Importing::Native(caps), _) if name == "boot" => Ok(boot::boot(&**caps, &facts).await),
            (Importing::Native(caps), Some(config)) => {
                Ok(boot::received(&**caps, &facts, State::read(&state, facts.process), HeldConfig(config)).await)
            }
            (Importing::Native(caps), None) => Ok(boot::tick(&**caps, &facts, State::read(&state, facts.process)).await),
            (Importing::Component(importer), _) if name == "boot" => importer.boot(facts, state).await,
            (Importing::Component(importer), Some(config)) => importer.received(config, facts, state).await,
            (Importing::Component(importer), None) => importer.tick(facts, state).await,
        };
        let outcome = ended.unwrap_or_else(|lost| panic!("{lost}"));
        let standing = trace::Standing::from(&outcome.standing);
        self.ports.note(Act::Ends(standing.clone()));
        *self.standing.lock().unwrap() = standing;
        outcome
    }
}

/// The open session's next delivery, asked for again and again. `None`: it is lost.
fn asked_on(ports: Arc<Ports>, patience: Duration) -> BoxFuture<'static, Option<Config>> {
    match ports.session().latest {
        Some(_) => Box::pin(asked_again(ports, patience)),
        None => Box::pin(pending()),
    }
}

async fn asked_again(ports: Arc<Ports>, patience: Duration) -> Option<Config> {
    let mut failures_in_a_row = 0;
    while failures_in_a_row < FAILURES_IN_A_ROW_MAX {
        let latest = ports.session().latest;
        tokio::time::sleep(POLL_INTERVAL).await;
        match ports.attempt(patience).await.ok() {
            Some(config) if Some(config.digest()) == latest => failures_in_a_row = 0,
            Some(config) => return Some(config),
            None => failures_in_a_row += 1,
        }
    }
    ports.end_session();
    None
}

async fn due(wake_after: Option<Duration>) {
    match wake_after {
        Some(wait) => tokio::time::sleep(wait).await,
        None => pending().await,
    }
}

/// The component as it is shipped, compiled once and kept, whichever test process comes first.
fn shipped() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        // This test is `<target>/<profile>/deps/parity-…`.
        let test = std::env::current_exe().unwrap();
        let target = test.ancestors().nth(3).expect("a test lies three floors under the target folder");
        let _alone = guest::alone(target);
        let compiled_dir = Some(target.join("component-tests-native"));
        let runtime = Runtime::load(RuntimeOptions { policy: None, compiled_dir }).unwrap();
        // Compiled here, under the lock, and only read by whoever comes next.
        runtime.importer(World::new(0).importer_ports()).unwrap();
        runtime
    })
}
