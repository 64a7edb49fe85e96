//! Plays a trace to the module, as Envoy would: a tick every so often, an answer for every HTTP call, and the log read back.
//!
//! The module shows less of itself than a core: its events, its HTTP calls, and the numbers that it draws.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use holdover_plugin_build::Guest;
use serde_json::json;

use crate::abi::{Compiled, Done, Host, Vm};
use crate::difference;
use crate::http::{self, Response};
use crate::ports::STORAGE;
use crate::source::{Recorded, Reply, Source};
use crate::trace::{Act, Got, Heard, Said, Step, Told, Trace};

/// The role of this VM among several, where the module has roles.
const ROLE: Option<&str> = Some("node");
const CONTROL_PLANE_CLUSTER: &str = "control-plane";
const STORAGE_CLUSTER: &str = "storage";
/// The policy begins with this: numbers drawn before it are the shell's.
const BEGINNING: &str = "event=boot-started";
/// So much longer than recorded a node may take whose pauses are its own.
const OWN_PAUSES: u32 = 4;

pub fn plays(trace: &Trace) -> Vec<Step> {
    let mut play = Play::begin(trace);
    if difference::MODULE_DRAWS_FROM_ITS_HOST {
        play.until(Duration::from_millis(trace.head.lasts_ms), usize::MAX);
    } else {
        let visible = trace.steps.iter().filter(|step| difference::is_shown_by_the_module(&step.act)).count();
        play.until(Duration::from_millis(trace.head.lasts_ms) * OWN_PAUSES, visible);
    }
    assert!(
        !play.has_drawn || difference::MODULE_DRAWS_FROM_ITS_HOST,
        "the module draws its numbers from its host: say so in difference.rs"
    );
    play.steps
}

fn configuration(told: &Told) -> Vec<u8> {
    let mut settings = json!({
        "cluster": told.cluster, "gateway_version": told.gateway_version, "format": "kong",
        "storage_cluster": STORAGE_CLUSTER, "storage_authority": "storage.internal", "storage_prefix": STORAGE,
        "control_plane_cluster": CONTROL_PLANE_CLUSTER, "control_plane_path": "/config",
        "give_up_ms": told.give_up_ms, "on_refusal": told.on_refusal, "trusted_keys": told.trusted_keys,
    });
    if let Some(role) = ROLE {
        settings["role"] = role.into();
    }
    settings.to_string().into_bytes()
}

struct Play {
    vm: Vm,
    source: Recorded,
    /// On their way back, with the step that they will be.
    answers: Vec<(Duration, i32, Act, Response)>,
    /// When something happens by the trace: a tick then, and the module is as prompt as a core.
    moments: VecDeque<Duration>,
    ticked: Duration,
    has_drawn: bool,
    steps: Vec<Step>,
}

impl Play {
    fn begin(trace: &Trace) -> Self {
        let numbers = trace.steps.iter().filter_map(|step| if let Act::Draws(number) = step.act { Some(number) } else { None });
        let host = Host::new(configuration(&trace.head.settings), trace.head.begins_unix_ms, numbers.collect(), BEGINNING);
        let vm = compiled().start(host).unwrap_or_else(|error| panic!("{}: {error:?}", trace.head.name));
        Self {
            vm,
            source: Recorded::of(trace),
            answers: Vec::new(),
            moments: trace.steps.iter().map(|step| Duration::from_millis(step.at_ms)).collect(),
            ticked: Duration::ZERO,
            has_drawn: false,
            steps: Vec::new(),
        }
    }

    /// Until this time has come, or so many steps were seen.
    fn until(&mut self, end: Duration, steps_max: usize) {
        let period = self.vm.store.data().tick.expect("the module asks for ticks");
        let mut now = Duration::ZERO;
        while now < end && self.steps.len() < steps_max {
            self.vm.store.data_mut().now = now;
            self.advance(now);
            self.ticked = now;
            while self.moments.front().is_some_and(|moment| *moment <= now) {
                self.moments.pop_front();
            }
            let answer = self.answers.iter().map(|(due, ..)| *due).min();
            now = [Some(self.ticked + period), answer, self.moments.front().copied()].into_iter().flatten().min().unwrap_or(end);
        }
    }

    /// What is due is answered, then the module ticks.
    fn advance(&mut self, now: Duration) {
        while let Some(place) = self.answers.iter().position(|(due, ..)| *due <= now) {
            let (_, token, act, response) = self.answers.remove(place);
            self.note(now, act);
            self.vm.answer(token, response).unwrap_or_else(|error| panic!("{error:?}"));
            self.collect(now);
        }
        self.vm.tick().unwrap_or_else(|error| panic!("{error:?}"));
        self.collect(now);
    }

    fn collect(&mut self, now: Duration) {
        for done in std::mem::take(&mut self.vm.store.data_mut().done) {
            match done {
                Done::Logged { level, text } => {
                    if let Some(said) = said(level, &text) {
                        self.note(now, Act::Says(said));
                    }
                }
                Done::Drew(number) => {
                    self.has_drawn = true;
                    self.note(now, Act::Draws(number));
                }
                Done::Called { token, cluster, headers } => self.called(now, token, &cluster, &headers),
            }
        }
    }

    fn called(&mut self, now: Duration, token: i32, cluster: &str, headers: &[(String, String)]) {
        let header = |name: &str| headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
        match cluster {
            CONTROL_PLANE_CLUSTER => {
                self.note(now, Act::Asks);
                let Reply { after, what } = self.source.heard(now, Duration::ZERO);
                let response = match &what {
                    Heard::Delivery(body) => http::delivery(self.source.body(body).to_vec()),
                    Heard::Answer(word) => http::unanswered(word),
                };
                self.answers.extend(after.map(|after| (now + after, token, Act::Heard(what), response)));
            }
            STORAGE_CLUSTER => {
                let path = header(":path").expect("a request has a path");
                let key = path.strip_prefix(STORAGE).and_then(|key| key.strip_prefix('/')).expect("it is below the prefix");
                let key = key.replace("%2B", "+");
                let Reply { after, what } = self.source.got(now, &key);
                self.note(now, Act::Gets(key));
                let response = match &what {
                    Got::Object(body) => http::object(body, self.source.body(body).to_vec(), header("range")),
                    Got::Failure(word) => http::failed(word),
                };
                self.answers.extend(after.map(|after| (now + after, token, Act::Got(what), response)));
            }
            other => panic!("the module calls a cluster that it was not told of: {other}"),
        }
    }

    fn note(&mut self, now: Duration, act: Act) {
        self.steps.push(Step { at_ms: u64::try_from(now.as_millis()).unwrap(), act });
    }
}

/// An event out of a line of the log: `holdover: <sentence> event=<name> field=value …`. Other lines are none.
fn said(level: i32, text: &str) -> Option<Said> {
    let severity = match level {
        2 => "info",
        3 => "warning",
        4 => "alarm",
        _ => return None,
    };
    let (_, told) = text.rsplit_once(" event=")?;
    let is_name = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let mut words = told.split(' ');
    let event = words.next()?.to_owned();
    let mut fields: Vec<(String, String)> = Vec::new();
    for word in words {
        if let Some((name, value)) = word.split_once('=').filter(|(name, _)| is_name(name)) {
            fields.push((name.to_owned(), value.to_owned()));
        } else {
            // A value with blanks in it.
            let (_, value) = fields.last_mut()?;
            *value = format!("{value} {word}");
        }
    }
    Some(Said { event, severity: severity.into(), fields })
}

/// The module as it is shipped, built and compiled once for all traces.
fn compiled() -> &'static Compiled {
    static COMPILED: OnceLock<Compiled> = OnceLock::new();
    COMPILED.get_or_init(|| {
        let target_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("guest-proxy-wasm");
        let guest = Guest { package: "holdover-proxy-wasm", features: &[], target: "wasm32-wasip1", target_dir: &target_dir };
        let path = guest.build().unwrap_or_else(|sentence| panic!("{sentence}"));
        Compiled::of(&path).unwrap_or_else(|error| panic!("{}: {error:?}", path.display()))
    })
}
