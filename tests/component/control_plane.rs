//! Rule boot-11: the control plane is tried for ever, and what it delivers takes over in one step.

use std::time::Duration;

use holdover_plugin::model::Digest;
use holdover_plugin::policy::Origin;
use holdover_ports::{Answer, Name};
use holdover_tests::virtual_world::{Act, Behaviour, documents};

use crate::node::{Stage, world_with};
use crate::rules::rule;

const HOUR: Duration = Duration::from_secs(3600);
/// As long as a redial may take to begin.
const REDIAL_MAX: Duration = Duration::from_secs(10);

rule! { boot_11, "boot-11":
    boot_11_the_control_plane_is_tried_every_five_to_ten_seconds_for_ever,
    boot_11_who_appears_where_nobody_was_is_dialled_at_once_and_once,
    boot_11_its_first_configuration_replaces_the_fallback_in_one_step,
    boot_11_the_same_configuration_takes_over_without_being_applied,
    boot_11_a_flapping_control_plane_causes_no_flapping_of_configuration,
    boot_11_a_delivery_that_is_no_configuration_changes_nothing,
    boot_11_what_it_sends_later_is_applied_as_it_comes,
}

async fn boot_11_the_control_plane_is_tried_every_five_to_ten_seconds_for_ever(stage: Stage) {
    for answer in [Answer::ConnectionRefused, Answer::ServerError, Answer::Forbidden] {
        let world = world_with(&[&documents::kong("stored")]);
        let mut node = stage.start(&world).await;
        world.control_plane.behaves(Behaviour::answers(answer));
        let served_at = world.trace.elapsed();
        node.run_for(6 * HOUR).await;
        let redials: Vec<Duration> = world.trace.times(|act| *act == Act::Attempt).into_iter().filter(|at| *at > served_at).collect();
        let since: Vec<Duration> = [&[served_at], redials.as_slice()].concat().windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(since.iter().all(|gap| (Duration::from_secs(5)..=REDIAL_MAX).contains(gap)), "{since:?}");
        assert!((2160..=4320).contains(&since.len()), "{} redials", since.len());
    }
}

async fn boot_11_who_appears_where_nobody_was_is_dialled_at_once_and_once(stage: Stage) {
    let (stored, live) = (documents::kong("stored"), documents::kong("live"));
    for generations in [&[stored.as_slice()][..], &[]] {
        let world = world_with(generations);
        let mut node = stage.start(&world).await;
        node.run_for(Duration::from_millis(100)).await;
        let attempts = || world.trace.times(|act| *act == Act::Attempt);
        let (before, appeared_at) = (attempts(), world.trace.elapsed());
        node.somebody_appears().await;
        assert_eq!(attempts(), [before.as_slice(), &[appeared_at]].concat());
        if !generations.is_empty() {
            node.run_for(Duration::from_millis(4_900)).await;
            assert_eq!(attempts().len(), before.len() + 1, "it was somebody else, and is dialled as ever");
        }

        world.control_plane.behaves(Behaviour::delivers(&live));
        node.somebody_appears().await;
        node.assert_serves(&live, Origin::ControlPlane);
    }
}

async fn boot_11_its_first_configuration_replaces_the_fallback_in_one_step(stage: Stage) {
    let (stored, live) = (documents::kong("stored"), documents::kong("live"));
    let world = world_with(&[&stored]);
    let mut node = stage.start(&world).await;
    node.run_for(HOUR).await;
    let read = world.trace.gets();
    world.control_plane.behaves(Behaviour::delivers(&live));
    node.run_for(REDIAL_MAX).await;
    node.assert_serves(&live, Origin::ControlPlane);
    assert_eq!(world.trace.applied(), [Digest::of(&stored), Digest::of(&live)]);
    assert_eq!(world.trace.events(Name::Rejoined).len(), 1);
    assert_eq!(world.trace.gets(), read);
}

async fn boot_11_the_same_configuration_takes_over_without_being_applied(stage: Stage) {
    let stored = documents::kong("stored");
    let same = documents::written_otherwise(&stored);
    assert_ne!(stored, same);
    let world = world_with(&[&stored]);
    let mut node = stage.start(&world).await;
    world.control_plane.behaves(Behaviour::delivers(&same));
    node.run_for(REDIAL_MAX).await;
    node.assert_serves(&stored, Origin::ControlPlane);
    assert_eq!(world.trace.applied(), [Digest::of(&stored)]);
    assert_eq!(world.trace.events(Name::Rejoined).len(), 1);
}

async fn boot_11_a_flapping_control_plane_causes_no_flapping_of_configuration(stage: Stage) {
    let (stored, live) = (documents::kong("stored"), documents::kong("live"));
    let world = world_with(&[&stored]);
    let mut node = stage.start(&world).await;
    world.control_plane.behaves(Behaviour::delivers(&live));
    node.run_for(REDIAL_MAX).await;
    for turn in 0..50 {
        let away = if turn % 2 == 0 { Behaviour::answers(Answer::Silent) } else { Behaviour::answers(Answer::ConnectionRefused) };
        world.control_plane.loses_session(away);
        node.run_for(Duration::from_secs(turn)).await;
        node.assert_serves(&live, Origin::ControlPlane);
        world.control_plane.behaves(Behaviour::delivers(&live));
        node.run_for(REDIAL_MAX).await;
        node.assert_serves(&live, Origin::ControlPlane);
        assert!(world.control_plane.connected(), "turn {turn}");
    }
    assert_eq!(world.trace.applied(), [Digest::of(&stored), Digest::of(&live)]);
}

async fn boot_11_a_delivery_that_is_no_configuration_changes_nothing(stage: Stage) {
    let stored = documents::kong("stored");
    for delivered in [b"<html>502</html>".to_vec(), documents::kong_dangling(), Vec::new()] {
        let world = world_with(&[&stored]);
        let mut node = stage.start(&world).await;
        world.control_plane.behaves(Behaviour::delivers(&delivered));
        node.run_for(REDIAL_MAX).await;
        node.assert_serves(&stored, Origin::Storage);
        assert_eq!(world.trace.events(Name::ConfigInvalid).len(), 1);
        assert_eq!(world.trace.applied(), [Digest::of(&stored)]);
    }
}

async fn boot_11_what_it_sends_later_is_applied_as_it_comes(stage: Stage) {
    let documents: Vec<Vec<u8>> = (0..5).map(|number| documents::kong(&format!("live-{number}"))).collect();
    let world = world_with(&[]);
    world.control_plane.behaves(Behaviour::delivers(&documents[0]));
    let mut node = stage.start(&world).await;
    for document in &documents[1..] {
        world.control_plane.sends(document);
        node.run_for(Duration::from_secs(1)).await;
        node.assert_serves(document, Origin::ControlPlane);
    }
    assert_eq!(world.trace.applied(), documents.iter().map(|document| Digest::of(document)).collect::<Vec<_>>());
}
