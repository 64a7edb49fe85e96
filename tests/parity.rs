//! Parity: what the native core decided in a recorded trace, the component and the proxy-wasm module decide too, and the core itself
//! decides again, event by event and field by field.
//!
//! ```text
//! scenario ──► native core ──► trace (tests/parity/traces) ──┬─► native core ──┐
//!                                                            ├─► component     ├─► the same steps, or the first that differs
//!                                                            └─► module        ┘
//! ```
//!
//! A trace holds what a node's policy asked of its capabilities, what it was answered, and what it decided. It is played back with its
//! own answers, random numbers and clock; where the three may differ by design stands in `parity/difference.rs`, and nowhere else.
//! `HOLDOVER_WRITE_TRACES=1 cargo test --test parity` records the traces anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use crate::difference::{Divergence, MODULE_DRAWS_FROM_ITS_HOST, OF_THE_MODULE, Player, compare};
use crate::node::{Core, lives};
use crate::script::{Scenario, Scripted};
use crate::source::Recorded;
use crate::trace::{Act, Got, Head, Standing, Step, Trace};

#[path = "parity/abi.rs"]
mod abi;
#[path = "parity/difference.rs"]
mod difference;
#[path = "parity/http.rs"]
mod http;
#[path = "parity/module.rs"]
mod module;
#[path = "component/native.rs"]
mod native;
#[path = "parity/node.rs"]
mod node;
#[path = "parity/ports.rs"]
mod ports;
#[path = "parity/scenarios.rs"]
mod scenarios;
#[path = "parity/script.rs"]
mod script;
#[path = "parity/source.rs"]
mod source;
#[path = "parity/trace.rs"]
mod trace;
#[path = "parity/wasi.rs"]
mod wasi;

/// Recorded once for all tests of this process, where the operator of this run asked for it.
static WRITTEN: LazyLock<()> = LazyLock::new(|| {
    if std::env::var_os("HOLDOVER_WRITE_TRACES").is_some_and(|value| value == "1") {
        for scenario in scenarios::all() {
            let path = Trace::path(scenario.name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, record(&scenario).text()).unwrap();
        }
    }
});

#[test]
fn the_native_core_records_today_what_it_recorded() {
    for scenario in scenarios::all() {
        let (recorded, path) = (record(&scenario), Trace::path(scenario.name));
        let kept = kept(scenario.name);
        let stale = format!("{} is stale: HOLDOVER_WRITE_TRACES=1 cargo test --test parity", path.display());
        if let Err(divergence) = compare(&kept, Player::NativeCore, &recorded.steps) {
            panic!("{stale}\n{divergence}");
        }
        assert!(kept == recorded, "{stale}");
    }
    assert_eq!(
        files(),
        scenarios::all().iter().map(|scenario| scenario.name.to_owned()).collect(),
        "a file for every scenario, and no other"
    );
}

#[test]
fn the_native_core_decides_as_recorded() {
    all_play(Player::NativeCore);
}

#[test]
fn the_component_decides_as_recorded() {
    all_play(Player::Component);
}

#[test]
fn the_proxy_wasm_module_decides_as_recorded() {
    all_play(Player::Module);
}

/// By its last events, a node's standing can be told of who shows no outcome.
#[test]
fn the_events_of_every_trace_say_how_the_node_stands_at_the_end() {
    for trace in traces() {
        assert_eq!(standing(&trace.steps), trace.standing, "{}", trace.head.name);
    }
}

#[test]
fn every_difference_that_is_allowed_hides_something() {
    let traces = traces();
    for difference in OF_THE_MODULE.iter().filter(|difference| difference.holds) {
        let mut acts = traces.iter().flat_map(|trace| &trace.steps).map(|step| &step.act);
        assert!(acts.any(|act| difference.hides(act)), "no trace needs it: {}", difference.why);
    }
}

#[test]
fn a_trace_that_says_otherwise_fails_whoever_plays_it() {
    for player in [Player::NativeCore, Player::Component, Player::Module] {
        let mut trace = kept("returns");
        let place = trace.steps.iter().position(|step| matches!(&step.act, Act::Says(said) if said.event == "config-applied")).unwrap();
        let Act::Says(said) = &mut trace.steps[place].act else { panic!("an event was looked for") };
        let (_, origin) = said.fields.iter_mut().find(|(field, _)| field == "origin").unwrap();
        *origin = "cache".into();
        let divergence = plays(&trace, player).unwrap_err();
        assert_eq!((divergence.step, divergence.player, divergence.trace.as_str()), (place + 1, player, "returns"), "{divergence}");
        let told = divergence.to_string();
        assert!(told.contains(r#"["origin","cache"]"#) && told.contains(r#"["origin","storage"]"#), "{told}");
        assert!(told.contains(&player.to_string()) && told.contains(&format!("step {}", place + 1)), "{told}");
    }
}

#[test]
fn another_answer_of_the_storage_brings_about_another_decision_whoever_plays_it() {
    for player in [Player::NativeCore, Player::Component, Player::Module] {
        let mut trace = kept("returns");
        let got = trace.steps.iter().rposition(|step| matches!(step.act, Act::Got(Got::Object(_)))).unwrap();
        trace.steps[got].act = Act::Got(Got::Failure("forbidden".into()));
        let divergence = plays(&trace, player).unwrap_err();
        assert!(divergence.step > got + 1, "{divergence}");
        let seen = divergence.seen.as_ref().map(|step| &step.act);
        assert!(matches!(seen, Some(Act::Says(said)) if said.event == "rung-failed"), "{divergence}");
    }
}

fn all_play(player: Player) {
    let mut divergences = Vec::new();
    for trace in traces() {
        let needs_numbers = player == Player::Module && !MODULE_DRAWS_FROM_ITS_HOST && trace.head.is_ordered_by_chance;
        if !needs_numbers && let Err(divergence) = plays(&trace, player) {
            divergences.push(divergence.to_string());
        }
    }
    assert!(divergences.is_empty(), "{} traces diverge:\n{}", divergences.len(), divergences.join("\n"));
}

fn plays(trace: &Trace, player: Player) -> Result<(), Box<Divergence>> {
    let core = |core| {
        let lived = lives(core, &trace.head.settings, Arc::new(Recorded::of(trace)), Duration::from_millis(trace.head.lasts_ms));
        assert_eq!(standing(&lived.steps), lived.standing, "{}", trace.head.name);
        lived.steps
    };
    let steps = match player {
        Player::NativeCore => core(Core::Native),
        Player::Component => core(Core::Component),
        Player::Module => module::plays(trace),
    };
    compare(trace, player, &steps)
}

fn record(scenario: &Scenario) -> Trace {
    let source = Arc::new(Scripted::of(scenario));
    let lived = lives(Core::Native, &scenario.told, source.clone(), Duration::from_millis(scenario.lasts_ms));
    let head = Head {
        name: scenario.name.into(),
        says: scenario.says.into(),
        settings: scenario.told.clone(),
        begins_unix_ms: holdover_tests::virtual_world::BEGINNING_UNIX_MS,
        lasts_ms: scenario.lasts_ms,
        is_ordered_by_chance: scenario.is_ordered_by_chance,
    };
    Trace { head, bodies: source.bodies(), steps: lived.steps, standing: lived.standing }
}

fn traces() -> Vec<Trace> {
    files().iter().map(|name| kept(name)).collect()
}

fn kept(name: &str) -> Trace {
    LazyLock::force(&WRITTEN);
    Trace::read(name)
}

fn files() -> BTreeSet<String> {
    LazyLock::force(&WRITTEN);
    let folder = Trace::path("any").parent().unwrap().to_path_buf();
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.map(|name| name.strip_suffix(".jsonl").unwrap_or(&name).to_owned()).collect()
}

/// How a node stands, by what it said.
fn standing(steps: &[Step]) -> Standing {
    let (mut standing, mut is_refused) = (Standing::Stranded, false);
    for step in steps {
        let Act::Says(said) = &step.act else { continue };
        let field = |name: &str| said.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone());
        let serving = matches!(standing, Standing::Serving { .. });
        match said.event.as_str() {
            "config-applied" => {
                is_refused = false;
                standing =
                    Standing::Serving { digest: field("digest").unwrap(), origin: field("origin").unwrap(), position: field("position") };
            }
            "rejoined" | "config-unchanged" => {
                standing = Standing::Serving { digest: field("digest").unwrap(), origin: "control-plane".into(), position: None };
            }
            // What it delivers, fit or not, takes its refusal back.
            "config-invalid" if !serving => is_refused = false,
            "config-rejected" if !serving && field("origin").as_deref() == Some("control-plane") => is_refused = false,
            "control-plane-refused" => is_refused = true,
            _ => {}
        }
    }
    match standing {
        Standing::Stranded if is_refused => Standing::Refused,
        standing @ (Standing::Serving { .. } | Standing::Stranded | Standing::Refused) => standing,
    }
}
