//! Rules boot-01 and boot-02: the control plane comes first, and what its answers mean.

use std::time::Duration;

use holdover_plugin::policy::{OnRefusal, Origin, Settings, Standing};
use holdover_ports::{Answer, Name, Severity};
use holdover_tests::virtual_world::{Act, Behaviour, documents};

use crate::node::{Stage, settled_once, world_with};
use crate::rules::rule;

const GIVE_UP: Duration = Duration::from_secs(10);

const UNREACHABLE: [Answer; 10] = [
    Answer::NameNotResolved,
    Answer::ConnectionRefused,
    Answer::ConnectionReset,
    Answer::TimedOut,
    Answer::TheirCertificate,
    Answer::ClosedAfterTls,
    Answer::ServerError,
    Answer::Silent,
    Answer::NotConfigured,
    Answer::Unexpected,
];

const REFUSED: [Answer; 6] = [
    Answer::BadRequest,
    Answer::Unauthorised,
    Answer::Forbidden,
    Answer::UpgradeRequired,
    Answer::ClosedAfterIntroduction,
    Answer::OurCertificate,
];

rule! { boot_01, "boot-01":
    boot_01_the_storage_is_asked_only_once_the_control_plane_is_given_up,
    boot_01_a_control_plane_that_delivers_in_its_last_moment_leaves_the_storage_alone,
}

pub async fn boot_01_the_storage_is_asked_only_once_the_control_plane_is_given_up(stage: Stage) {
    let document = documents::kong("stored");
    let world = world_with(&[&document]);
    world.control_plane.behaves(Behaviour::Hangs);
    let node = stage.start(&world).await;
    node.assert_serves(&document, Origin::Storage);
    let attempt = world.trace.first(|act| *act == Act::Attempt).unwrap();
    let given_up = world.trace.first(|act| act.says(Name::ControlPlaneGivenUp)).unwrap();
    let get = world.trace.first(Act::is_get).unwrap();
    assert!(attempt < given_up && given_up < get, "{:#?}", world.trace.calls());
    assert_eq!(world.trace.times(Act::is_get).first(), Some(&GIVE_UP));
}

async fn boot_01_a_control_plane_that_delivers_in_its_last_moment_leaves_the_storage_alone(stage: Stage) {
    let (stored, live) = (documents::kong("stored"), documents::kong("live"));
    let world = world_with(&[&stored]);
    world.control_plane.behaves(Behaviour::Delivers { after: GIVE_UP - Duration::from_millis(1), document: live.clone() });
    let node = stage.start(&world).await;
    node.assert_serves(&live, Origin::ControlPlane);
    assert_eq!(world.trace.gets(), []);
}

rule! { boot_02, "boot-02":
    boot_02_every_way_of_not_being_reached_opens_the_storage,
    boot_02_a_refused_connection_is_believed_after_a_second_try,
    boot_02_silence_counts_as_unreachable_and_both_causes_are_named,
    boot_02_a_refused_node_without_cache_reads_no_storage_and_says_so,
    boot_02_a_refused_node_starts_from_its_own_cache,
    boot_02_a_refused_node_falls_back_if_it_is_told_to,
    boot_02_a_word_during_the_climb_closes_the_storages,
    boot_02_a_refused_node_serves_once_it_is_let_in,
}

async fn boot_02_every_way_of_not_being_reached_opens_the_storage(stage: Stage) {
    for answer in UNREACHABLE {
        let document = documents::kong("stored");
        let world = world_with(&[&document]);
        world.control_plane.behaves(Behaviour::Answers { after: Duration::from_millis(20), answer });
        let node = stage.start(&world).await;
        node.assert_serves(&document, Origin::Storage);
        assert_eq!(world.trace.events(Name::ControlPlaneRefused), []);
        assert_eq!(world.trace.said(Name::ControlPlaneGivenUp, "answer"), [answer.reason()]);
    }
}

async fn boot_02_a_refused_connection_is_believed_after_a_second_try(stage: Stage) {
    for answer in UNREACHABLE {
        let world = world_with(&[&documents::kong("stored")]);
        world.control_plane.behaves(Behaviour::answers(answer));
        stage.start(&world).await;
        let first_get = *world.trace.times(Act::is_get).first().unwrap();
        if answer == Answer::ConnectionRefused {
            assert_eq!(first_get, Duration::from_millis(50));
            assert_eq!(world.trace.count(|act| *act == Act::Attempt), 2);
        } else {
            assert_eq!(first_get, GIVE_UP, "{answer:?}");
        }
    }
}

async fn boot_02_silence_counts_as_unreachable_and_both_causes_are_named(stage: Stage) {
    for answer in [Answer::Silent, Answer::NotConfigured] {
        let world = world_with(&[&documents::kong("stored")]);
        world.control_plane.behaves(Behaviour::Answers { after: Duration::from_secs(4), answer });
        stage.start(&world).await;
        let events = world.trace.events(Name::ControlPlaneGivenUp);
        let sentence = &events.first().unwrap().sentence;
        assert!(sentence.contains("failing") && sentence.contains("refuse this node"), "{sentence}");
    }
}

async fn boot_02_a_refused_node_without_cache_reads_no_storage_and_says_so(stage: Stage) {
    for answer in REFUSED {
        let world = world_with(&[&documents::kong("stored")]);
        world.control_plane.behaves(Behaviour::Answers { after: Duration::from_millis(20), answer });
        let mut node = stage.start(&world).await;
        assert!(matches!(&node.standing, Standing::Refused(why) if why.contains("holdover_on_refusal")), "{:?}", node.standing);
        node.run_for(Duration::from_secs(600)).await;
        assert!(matches!(node.standing, Standing::Refused(_)), "{:?}", node.standing);
        assert_eq!(world.trace.gets(), [], "{answer:?}");
        assert_eq!(world.trace.count(|act| *act == Act::Bundle), 0, "{answer:?}");
        let events = world.trace.events(Name::ControlPlaneRefused);
        assert_eq!(events.first().map(|event| event.severity), Some(Severity::Alarm));
        assert!(world.trace.said(Name::ControlPlaneRefused, "answer").iter().all(|said| said == answer.reason()));
    }
}

async fn boot_02_a_refused_node_starts_from_its_own_cache(stage: Stage) {
    let (cached, newer) = (documents::kong("cached"), documents::kong("newer"));
    let world = settled_once(&stage, &cached).await;
    let published = world_with(&[&cached, &newer]);
    for key in published.storage().keys() {
        world.storage().hold(&key, published.storage().object(&key).unwrap());
    }
    world.control_plane.behaves(Behaviour::answers(Answer::Forbidden));
    let node = stage.start(&world).await;
    node.assert_serves(&cached, Origin::Cache);
    assert_eq!(world.trace.gets(), []);
}

async fn boot_02_a_refused_node_falls_back_if_it_is_told_to(stage: Stage) {
    for answer in REFUSED {
        let document = documents::kong("stored");
        let world = world_with(&[&document]);
        world.control_plane.behaves(Behaviour::answers(answer));
        let settings = Settings { on_refusal: OnRefusal::Fallback, ..stage.settings(&world) };
        let node = stage.start_with(&world, settings).await;
        node.assert_serves(&document, Origin::Storage);
        assert_eq!(world.trace.events(Name::ControlPlaneRefused).len(), 1);
    }
}

async fn boot_02_a_word_during_the_climb_closes_the_storages(stage: Stage) {
    let world = world_with(&[&documents::kong("stored")]);
    world.storage().takes(Duration::from_secs(60));
    world.control_plane.behaves_in_turn([Behaviour::Hangs, Behaviour::answers(Answer::Unauthorised)]);
    let node = stage.start(&world).await;
    assert!(matches!(node.standing, Standing::Refused(_)), "{:?}", node.standing);
    assert_eq!(world.gateway.running(), None);
    assert_eq!(world.trace.gets().len(), 1, "only the one that was under way");
}

async fn boot_02_a_refused_node_serves_once_it_is_let_in(stage: Stage) {
    let live = documents::kong("live");
    let world = world_with(&[&documents::kong("stored")]);
    world.control_plane.behaves(Behaviour::answers(Answer::Forbidden));
    let mut node = stage.start(&world).await;
    node.run_for(Duration::from_secs(120)).await;
    world.control_plane.behaves(Behaviour::delivers(&live));
    node.run_for(Duration::from_secs(11)).await;
    node.assert_serves(&live, Origin::ControlPlane);
    assert_eq!(world.trace.gets(), []);
}
