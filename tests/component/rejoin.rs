//! Rule boot-14: what a control plane that comes back would take away is held, or said.

use std::time::Duration;

use holdover_plugin::model::{Digest, UnixMs};
use holdover_plugin::policy::rejoin::Approved;
use holdover_plugin::policy::{Origin, RejoinGuard, Settings};
use holdover_ports::{Answer, Event, Name, Severity, Slot};
use holdover_tests::virtual_world::{Act, Behaviour, World, documents};
use serde_json::json;

use crate::node::{Node, Stage, world_with};
use crate::rules::rule;

const MINUTE: Duration = Duration::from_secs(60);
/// As long as a redial may take to begin.
const REDIAL_MAX: Duration = Duration::from_secs(10);
/// As long as a held configuration may go without being asked for again.
const REFRESH_MAX: Duration = Duration::from_secs(270);
/// As long as an approval may go unseen.
const LOOK_MAX: Duration = Duration::from_secs(10);
const TEN_MINUTES: Duration = Duration::from_secs(600);

rule! { boot_14, "boot-14":
    boot_14_an_empty_configuration_is_held_and_what_is_served_goes_on,
    boot_14_a_session_that_was_lost_makes_the_next_one_a_returning_one,
    boot_14_a_control_plane_that_was_never_lost_may_empty_the_configuration,
    boot_14_three_identical_deliveries_over_ten_minutes_release_it_and_nothing_earlier,
    boot_14_two_deliveries_release_nothing_however_far_apart,
    boot_14_another_empty_configuration_begins_anew,
    boot_14_an_approval_that_names_it_releases_it_once,
    boot_14_an_approval_given_beforehand_is_as_good,
    boot_14_an_approval_of_something_else_stays_where_it_is_and_is_reported_once,
    boot_14_an_approval_that_cannot_be_used_up_is_not_used,
    boot_14_a_shrink_is_applied_and_alarmed,
    boot_14_a_shrink_is_held_where_the_operator_says_so,
    boot_14_without_a_cache_only_emptiness_is_judged,
    boot_14_off_applies_what_comes,
    boot_14_a_good_configuration_after_a_held_one_takes_over_at_once,
    boot_14_a_control_plane_that_goes_away_again_releases_nothing,
    boot_14_a_crash_while_something_is_held_loses_nothing_that_was_served,
    boot_14_an_empty_first_configuration_leaves_a_new_node_to_its_ladder,
}

async fn boot_14_an_empty_configuration_is_held_and_what_is_served_goes_on(stage: Stage) {
    let stored = documents::kong("stored");
    for empty in [documents::kong_empty(), another_empty()] {
        let world = world_with(&[&stored]);
        let mut node = stage.start(&world).await;
        returns_with(&world, &mut node, &empty).await;
        node.run_for(5 * MINUTE).await;
        node.assert_serves(&stored, Origin::Storage);
        assert_eq!(world.trace.applied(), [Digest::of(&stored)]);
        assert_eq!(world.trace.events(Name::ConfigInvalid), [], "it is no mistake of the document's");
        let held = world.trace.events(Name::RejoinHeld);
        assert!(held.iter().all(|event| event.severity == Severity::Alarm && event.sentence.contains("nothing in it")), "{held:?}");
        assert!(world.trace.said(Name::RejoinHeld, "reason").iter().all(|reason| reason == "empty"));
        assert!(world.trace.said(Name::RejoinHeld, "sameness").iter().all(|said| *said == documents::sameness(&empty)));
        assert_eq!(world.trace.said(Name::RejoinHeld, "deliveries"), ["1", "2"], "it is asked for again, for it may have recovered");
    }
}

async fn boot_14_a_session_that_was_lost_makes_the_next_one_a_returning_one(stage: Stage) {
    let live = documents::kong("live");
    let world = World::new(0);
    world.control_plane.behaves(Behaviour::delivers(&live));
    let mut node = stage.start(&world).await;
    for turn in 1..=3 {
        world.control_plane.loses_session(Behaviour::delivers(&live));
        node.run_for(REDIAL_MAX).await;
        world.control_plane.loses_session(Behaviour::delivers(&documents::kong_empty()));
        node.run_for(REDIAL_MAX).await;
        world.control_plane.sends(&another_empty());
        node.run_for(Duration::from_secs(1)).await;
        node.assert_serves(&live, Origin::ControlPlane);
        assert_eq!(held(&world).len(), 2 * turn, "both of each turn");
    }
    assert_eq!(world.trace.applied(), [Digest::of(&live)]);
}

async fn boot_14_a_control_plane_that_was_never_lost_may_empty_the_configuration(stage: Stage) {
    for empty in [documents::kong_empty(), another_empty()] {
        let world = World::new(0);
        world.control_plane.behaves(Behaviour::delivers(&documents::kong("live")));
        let mut node = stage.start(&world).await;
        node.run_for(5 * MINUTE).await;
        world.control_plane.sends(&empty);
        node.run_for(Duration::from_secs(1)).await;
        node.assert_serves(&empty, Origin::ControlPlane);
        assert_eq!(held(&world), []);
    }
}

async fn boot_14_three_identical_deliveries_over_ten_minutes_release_it_and_nothing_earlier(stage: Stage) {
    let (stored, empty) = (documents::kong("stored"), documents::kong_empty());
    let world = world_with(&[&stored]);
    let mut node = stage.start(&world).await;
    returns_with(&world, &mut node, &empty).await;
    node.run_for(TEN_MINUTES - REDIAL_MAX).await;
    node.assert_serves(&stored, Origin::Storage);
    node.run_for(REFRESH_MAX + REDIAL_MAX).await;
    node.assert_serves(&empty, Origin::ControlPlane);
    assert_eq!(world.trace.said(Name::RejoinReleased, "by"), ["deliveries"]);
    let deliveries = world.trace.times(|act| *act == Act::Delivered(Digest::of(&empty)));
    let released = world.trace.times(|act| act.says(Name::RejoinReleased));
    assert!(deliveries.len() >= 3 && released == deliveries[deliveries.len() - 1..], "{deliveries:?} {released:?}");
    assert!(released[0] - deliveries[0] >= TEN_MINUTES, "{deliveries:?}");
    let refreshed = refreshes(&world);
    node.run_for(20 * MINUTE).await;
    assert_eq!(refreshes(&world), refreshed, "nothing is held any more");
}

async fn boot_14_two_deliveries_release_nothing_however_far_apart(stage: Stage) {
    let (stored, empty) = (documents::kong("stored"), documents::kong_empty());
    let world = world_with(&[&stored]);
    let mut node = stage.start(&world).await;
    returns_with(&world, &mut node, &empty).await;
    world.control_plane.loses_session(Behaviour::answers(Answer::ConnectionRefused));
    node.run_for(60 * MINUTE).await;
    world.control_plane.behaves(Behaviour::delivers(&empty));
    node.run_for(REDIAL_MAX).await;
    node.assert_serves(&stored, Origin::Storage);
    assert_eq!(world.trace.said(Name::RejoinHeld, "deliveries"), ["1", "2"]);
    node.run_for(REFRESH_MAX).await;
    node.assert_serves(&empty, Origin::ControlPlane);
}

async fn boot_14_another_empty_configuration_begins_anew(stage: Stage) {
    let (stored, other) = (documents::kong("stored"), another_empty());
    let world = world_with(&[&stored]);
    let mut node = stage.start(&world).await;
    returns_with(&world, &mut node, &documents::kong_empty()).await;
    node.run_for(9 * MINUTE).await;
    world.control_plane.behaves(Behaviour::delivers(&other));
    world.control_plane.sends(&other);
    node.run_for(TEN_MINUTES - Duration::from_secs(1)).await;
    node.assert_serves(&stored, Origin::Storage);
    node.run_for(REFRESH_MAX).await;
    node.assert_serves(&other, Origin::ControlPlane);
    assert_eq!(world.trace.applied(), [Digest::of(&stored), Digest::of(&other)]);
}

async fn boot_14_an_approval_that_names_it_releases_it_once(stage: Stage) {
    let (stored, live, empty) = (documents::kong("stored"), documents::kong("live"), documents::kong_empty());
    let world = world_with(&[&stored]);
    let mut node = stage.start(&world).await;
    returns_with(&world, &mut node, &empty).await;
    approve(&world, &documents::sameness(&empty));
    node.run_for(LOOK_MAX).await;
    node.assert_serves(&empty, Origin::ControlPlane);
    assert_eq!(world.trace.said(Name::RejoinReleased, "by"), ["approval"]);
    let released = world.trace.events(Name::RejoinReleased);
    assert!(released[0].sentence.contains("ada") && released[0].sentence.contains("it was meant"), "{released:?}");
    assert_eq!(world.cache.file(Slot::Approval), None);
    assert_eq!(world.cache.aside(), [(Slot::Approval, "used".to_owned())]);

    world.control_plane.sends(&live);
    node.run_for(Duration::from_secs(1)).await;
    node.assert_serves(&live, Origin::ControlPlane);
    world.control_plane.loses_session(Behaviour::delivers(&empty));
    node.run_for(5 * MINUTE).await;
    node.assert_serves(&live, Origin::ControlPlane);
}

async fn boot_14_an_approval_given_beforehand_is_as_good(stage: Stage) {
    let empty = documents::kong_empty();
    let world = world_with(&[&documents::kong("stored")]);
    let mut node = stage.start(&world).await;
    approve(&world, &documents::sameness(&empty));
    world.control_plane.behaves(Behaviour::delivers(&empty));
    node.run_for(REDIAL_MAX).await;
    node.assert_serves(&empty, Origin::ControlPlane);
    assert_eq!(held(&world), []);
    assert_eq!(world.cache.file(Slot::Approval), None);
}

async fn boot_14_an_approval_of_something_else_stays_where_it_is_and_is_reported_once(stage: Stage) {
    let stored = documents::kong("stored");
    let world = world_with(&[&stored]);
    let mut node = stage.start(&world).await;
    approve(&world, &documents::sameness(&another_empty()));
    returns_with(&world, &mut node, &documents::kong_empty()).await;
    node.run_for(9 * MINUTE).await;
    node.assert_serves(&stored, Origin::Storage);
    assert!(world.cache.file(Slot::Approval).is_some());
    assert_eq!(world.trace.said(Name::RejoinHeld, "approved"), [documents::sameness(&another_empty())]);
}

async fn boot_14_an_approval_that_cannot_be_used_up_is_not_used(stage: Stage) {
    let (stored, empty) = (documents::kong("stored"), documents::kong_empty());
    let world = world_with(&[&stored]);
    let mut node = stage.start(&world).await;
    returns_with(&world, &mut node, &empty).await;
    world.cache.moves_nothing(true);
    approve(&world, &documents::sameness(&empty));
    node.run_for(MINUTE).await;
    node.assert_serves(&stored, Origin::Storage);
    assert_eq!(world.trace.said(Name::RejoinHeld, "approved"), [documents::sameness(&empty)]);
}

async fn boot_14_a_shrink_is_applied_and_alarmed(stage: Stage) {
    let before = documents::services(20, true);
    for (after, gone) in [
        (documents::services(12, true), "services shrank from 20 to 12"),
        (documents::services(20, false), "1 of 1 authentication plugins"),
        (documents::kong("one"), "services shrank from 20 to 1"),
    ] {
        let world = world_with(&[&before]);
        let mut node = stage.start(&world).await;
        world.control_plane.behaves(Behaviour::delivers(&after));
        node.run_for(REDIAL_MAX).await;
        node.assert_serves(&after, Origin::ControlPlane);
        let rejoined = world.trace.events(Name::Rejoined);
        assert_eq!(rejoined.iter().map(|event| event.severity).collect::<Vec<_>>(), [Severity::Alarm]);
        assert!(rejoined[0].sentence.contains(gone), "{rejoined:?}");
        assert_eq!(world.trace.said(Name::Rejoined, "reason"), ["shrink"]);
        assert_eq!(held(&world), []);
    }
    for harmless in [documents::services(13, true), documents::services(200, true)] {
        let world = world_with(&[&before]);
        let mut node = stage.start(&world).await;
        world.control_plane.behaves(Behaviour::delivers(&harmless));
        node.run_for(REDIAL_MAX).await;
        node.assert_serves(&harmless, Origin::ControlPlane);
        assert_eq!(world.trace.events(Name::Rejoined).iter().map(|event| event.severity).collect::<Vec<_>>(), [Severity::Info]);
    }
}

async fn boot_14_a_shrink_is_held_where_the_operator_says_so(stage: Stage) {
    let (before, after) = (documents::services(20, true), documents::services(12, true));
    let world = world_with(&[&before]);
    let settings = Settings { rejoin_guard: RejoinGuard::Shrink, ..stage.settings(&world) };
    let mut node = stage.start_with(&world, settings).await;
    returns_with(&world, &mut node, &after).await;
    node.assert_serves(&before, Origin::Storage);
    assert_eq!(world.trace.said(Name::RejoinHeld, "reason"), ["shrink"]);
    approve(&world, &documents::sameness(&after));
    node.run_for(LOOK_MAX).await;
    node.assert_serves(&after, Origin::ControlPlane);
    world.control_plane.loses_session(Behaviour::delivers(&documents::kong_empty()));
    node.run_for(REDIAL_MAX).await;
    node.assert_serves(&after, Origin::ControlPlane);
    assert_eq!(world.trace.said(Name::RejoinHeld, "reason"), ["shrink", "empty"]);
}

async fn boot_14_without_a_cache_only_emptiness_is_judged(stage: Stage) {
    let (before, after) = (documents::services(20, true), documents::services(1, false));
    let world = world_with(&[&before]);
    let mut node = stage.start(&world).await;
    world.cache.lose(Slot::Applied);
    returns_with(&world, &mut node, &documents::kong_empty()).await;
    node.assert_serves(&before, Origin::Storage);
    world.control_plane.sends(&after);
    node.run_for(Duration::from_secs(1)).await;
    node.assert_serves(&after, Origin::ControlPlane);
    assert_eq!(world.trace.events(Name::Rejoined).iter().map(|event| event.severity).collect::<Vec<_>>(), [Severity::Info]);
}

async fn boot_14_off_applies_what_comes(stage: Stage) {
    for after in [documents::kong_empty(), documents::services(1, false)] {
        let world = world_with(&[&documents::services(20, true)]);
        let settings = Settings { rejoin_guard: RejoinGuard::Off, ..stage.settings(&world) };
        let mut node = stage.start_with(&world, settings).await;
        world.control_plane.behaves(Behaviour::delivers(&after));
        node.run_for(REDIAL_MAX).await;
        node.assert_serves(&after, Origin::ControlPlane);
        assert_eq!(world.trace.events(Name::Rejoined).iter().map(|event| event.severity).collect::<Vec<_>>(), [Severity::Info]);
    }
}

async fn boot_14_a_good_configuration_after_a_held_one_takes_over_at_once(stage: Stage) {
    let (stored, live) = (documents::kong("stored"), documents::kong("live"));
    for good in [live, stored.clone()] {
        let world = world_with(&[&stored]);
        let mut node = stage.start(&world).await;
        returns_with(&world, &mut node, &documents::kong_empty()).await;
        node.run_for(5 * MINUTE).await;
        world.control_plane.sends(&good);
        node.run_for(Duration::from_secs(1)).await;
        node.assert_serves(&good, Origin::ControlPlane);
        let refreshed = refreshes(&world);
        node.run_for(20 * MINUTE).await;
        assert_eq!(refreshes(&world), refreshed, "nothing is held any more");
        node.assert_serves(&good, Origin::ControlPlane);
    }
}

async fn boot_14_a_control_plane_that_goes_away_again_releases_nothing(stage: Stage) {
    let (stored, empty) = (documents::kong("stored"), documents::kong_empty());
    for away in [Behaviour::Hangs, Behaviour::answers(Answer::ConnectionRefused)] {
        let world = world_with(&[&stored]);
        let mut node = stage.start(&world).await;
        returns_with(&world, &mut node, &empty).await;
        // It is noticed when it is asked anew.
        world.control_plane.behaves(away);
        approve(&world, "something else");
        node.run_for(60 * MINUTE).await;
        node.assert_serves(&stored, Origin::Storage);
        assert_eq!(held(&world).len(), 1);
        approve(&world, &documents::sameness(&empty));
        node.run_for(5 * MINUTE).await;
        node.assert_serves(&stored, Origin::Storage);
        world.control_plane.behaves(Behaviour::delivers(&empty));
        // One attempt may be under way, and hang.
        node.run_for(3 * REDIAL_MAX).await;
        node.assert_serves(&empty, Origin::ControlPlane);
    }
}

async fn boot_14_a_crash_while_something_is_held_loses_nothing_that_was_served(stage: Stage) {
    let (stored, empty) = (documents::kong("stored"), documents::kong_empty());
    let world = world_with(&[&stored]);
    let mut node = stage.start(&world).await;
    returns_with(&world, &mut node, &empty).await;
    node.crash();
    world.trace.forget();
    let mut node = stage.start(&world).await;
    node.assert_serves(&stored, Origin::Cache);
    node.run_for(REDIAL_MAX).await;
    assert_eq!(world.trace.said(Name::RejoinHeld, "deliveries"), ["1"], "it is held again, from the beginning");
    node.run_for(TEN_MINUTES - 2 * REDIAL_MAX).await;
    node.assert_serves(&stored, Origin::Cache);
    approve(&world, &documents::sameness(&empty));
    node.run_for(LOOK_MAX).await;
    node.assert_serves(&empty, Origin::ControlPlane);
    node.crash();
    world.control_plane.behaves(Behaviour::Hangs);
    let node = stage.start(&world).await;
    node.assert_serves(&empty, Origin::Cache);
}

async fn boot_14_an_empty_first_configuration_leaves_a_new_node_to_its_ladder(stage: Stage) {
    let stored = documents::kong("stored");
    let world = world_with(&[&stored]);
    world.control_plane.behaves(Behaviour::delivers(&documents::kong_empty()));
    let mut node = stage.start(&world).await;
    node.assert_serves(&stored, Origin::Storage);
    assert_eq!(world.trace.events(Name::ConfigInvalid).len(), 1);
    node.run_for(TEN_MINUTES).await;
    node.assert_serves(&stored, Origin::Storage);
    assert_eq!(world.trace.events(Name::ConfigInvalid).len(), 1);
    assert!(!held(&world).is_empty(), "what the control plane says can be approved");
}

/// The control plane is back with this, and the node has heard of it.
async fn returns_with(world: &World, node: &mut Node<'_>, document: &[u8]) {
    let before = held(world).len();
    world.control_plane.behaves(Behaviour::delivers(document));
    node.run_for(REDIAL_MAX).await;
    assert_eq!(held(world).len(), before + 1, "it is held: {:?}", node.standing);
}

/// The configurations that were held, not the approvals that were not used.
fn held(world: &World) -> Vec<Event> {
    world.trace.events(Name::RejoinHeld).into_iter().filter(|event| event.severity == Severity::Alarm).collect()
}

fn refreshes(world: &World) -> usize {
    world.trace.count(|act| *act == Act::Refreshed)
}

fn approve(world: &World, sameness: &str) {
    let approved = Approved { sameness: sameness.into(), by: "ada".into(), at: UnixMs(1), why: "it was meant".into() };
    world.cache.hold(Slot::Approval, approved.write().unwrap());
}

/// As a control plane without entities writes it: with its workspace.
fn another_empty() -> Vec<u8> {
    let document = json!({ "_format_version": "3.0", "workspaces": [{ "name": "default" }] });
    serde_json::to_vec(&document).unwrap()
}
