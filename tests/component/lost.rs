//! Rule all-02: a policy that traps, loops, eats memory or waits for ever costs one episode, and never what is served.

use std::time::Duration;

use bytes::Bytes;
use holdover_plugin::policy::{Facts, Outcome, Settings, Standing};
use holdover_ports::{Config, Name};
use holdover_tests::virtual_world::{Behaviour, World, documents};

use crate::node::{Stage, world_with};
use crate::rules;
use crate::runner::{Core, Importing};

/// Mutants of `plugin/mutants.rs` that break no rule, but their episode.
pub const MISBEHAVIOURS: [&str; 3] = ["trap", "loop", "eats-memory"];

#[test]
fn all_02_a_policy_that_traps_costs_one_episode() {
    rules::play(rules::mutant(Core::Component, "trap"), |stage| one_episode_is_lost(stage, "unreachable"));
}

#[test]
fn all_02_a_policy_that_loops_costs_one_episode() {
    rules::play(rules::mutant(Core::Component, "loop"), |stage| one_episode_is_lost(stage, "computed for more than"));
}

#[test]
fn all_02_a_policy_that_eats_memory_costs_one_episode() {
    rules::play(rules::mutant(Core::Component, "eats-memory"), |stage| one_episode_is_lost(stage, "unreachable"));
}

#[test]
fn all_02_an_episode_that_waits_for_ever_is_ended() {
    rules::play(rules::stage(Core::Component), an_episode_that_waits_for_ever_is_ended);
}

/// The policy misbehaves in its tick; before and after, the same importer works.
async fn one_episode_is_lost(misbehaving: Stage, reason: &str) {
    let world = world_with(&[&documents::kong("stored")]);
    let importing = Importing::of(Core::Component, &world);
    let well_behaved = rules::stage(Core::Component).settings(&world);
    let booted = importing.boot(facts(&well_behaved, None), Vec::new()).await.unwrap();
    assert!(matches!(booted.standing, Standing::Serving(_)), "{:?}", booted.standing);
    let (running, before) = (world.gateway.running(), world.trace.calls().len());

    let lost = importing.tick(facts(&misbehaving.settings(&world), Some(&booted)), booted.state.clone()).await.unwrap_err();
    assert_eq!(lost.episode, "tick");
    assert!(lost.reason.contains(reason), "{}", lost.reason);
    assert_eq!(world.gateway.running(), running);
    assert_eq!(world.trace.calls().len(), before, "nothing was done");

    let after = importing.tick(facts(&well_behaved, Some(&booted)), booted.state.clone()).await.unwrap();
    assert_eq!(after.standing, booted.standing);
}

async fn an_episode_that_waits_for_ever_is_ended(stage: Stage) {
    let (stored, live) = (documents::kong("stored"), documents::kong("live"));
    let world = world_with(&[&stored]);
    let importing = Importing::of(Core::Component, &world);
    let settings = stage.settings(&world);
    let booted = importing.boot(facts(&settings, None), Vec::new()).await.unwrap();
    world.control_plane.behaves(Behaviour::delivers(&live));
    tokio::time::sleep(Duration::from_secs(10)).await;

    world.gateway.hangs(true);
    let lost = importing.tick(facts(&settings, Some(&booted)), booted.state.clone()).await.unwrap_err();
    assert!(lost.reason.contains("took longer than"), "{}", lost.reason);

    world.gateway.hangs(false);
    let connected = Facts { connected: world.control_plane.connected(), ..facts(&settings, Some(&booted)) };
    assert!(connected.connected, "the session outlives the episode");
    let after = importing.tick(connected, booted.state.clone()).await.unwrap();
    assert_eq!(after.standing, booted.standing, "what was served goes on being served");
}

fn facts(settings: &Settings, before: Option<&Outcome>) -> Facts {
    let serving = match before.map(|outcome| &outcome.standing) {
        Some(Standing::Serving(serving)) => Some(serving.clone()),
        Some(Standing::Stranded(_) | Standing::Refused(_)) | None => None,
    };
    Facts { serving, ..Facts::beginning(settings.clone(), 7) }
}

#[test]
fn boot_11_a_control_plane_that_is_lost_while_its_word_is_judged_is_dialled_again() {
    for core in [Core::Native, Core::Component] {
        rules::play(rules::stage(core), move |stage| async move {
            let live = documents::kong("live");
            let world = World::new(1);
            world.control_plane.behaves(Behaviour::delivers(&live));
            let importing = Importing::of(core, &world);
            let settings = stage.settings(&world);
            let booted = importing.boot(facts(&settings, None), Vec::new()).await.unwrap();
            // The host told the loss to an episode that was lost as well, and hands on what it owes.
            let owed = Config::delivered(Bytes::from(documents::kong("owed")));
            let session = world.control_plane.session();
            let lost = Facts { session, ..facts(&settings, Some(&booted)) };
            let outcome = importing.received(owed, lost, booted.state).await.unwrap();
            assert!(outcome.wake_after.is_some_and(|after| after <= Duration::from_secs(10)), "{:?}", outcome.wake_after);
        });
    }
}

#[test]
fn all_02_what_an_earlier_process_had_planned_is_void_even_if_its_successors_boot_was_lost() {
    for core in [Core::Native, Core::Component] {
        rules::play(rules::stage(core), move |stage| async move {
            let world = world_with(&[&documents::kong("stored")]);
            let importing = Importing::of(core, &world);
            let settings = stage.settings(&world);
            let booted = importing.boot(facts(&settings, None), Vec::new()).await.unwrap();
            world.gateway.restarts();
            tokio::time::sleep(Duration::from_secs(61)).await;
            let next = Facts { process: 8, ..facts(&settings, None) };
            let unusable = Config::delivered(Bytes::from_static(b"{}"));
            let outcome = importing.received(unusable, next.clone(), booted.state).await.unwrap();
            let outcome = importing.tick(next, outcome.state).await.unwrap();
            assert!(matches!(outcome.standing, Standing::Serving(_)), "{:?}", outcome.standing);
            assert_eq!(world.trace.events(Name::ConfigSettled).len(), 0, "it settled in no process");
        });
    }
}

#[test]
fn all_02_a_state_that_is_garbage_is_a_beginning() {
    rules::play(rules::stage(Core::Component), |stage| async move {
        let world = World::new(1);
        let importing = Importing::of(Core::Component, &world);
        let settings = stage.settings(&world);
        for state in [Vec::new(), b"garbage".to_vec(), vec![0xff; 64 * 1024]] {
            let outcome = importing.tick(facts(&settings, None), state).await.unwrap();
            assert!(matches!(outcome.standing, Standing::Stranded(_)), "{:?}", outcome.standing);
        }
    });
}
