//! Rules export-01, 03, 06, 09, 10, 11, 12 and 15 as far as they are about exporters among each other and about what an operator
//! orders: who may publish, what is held, what is copied, what is removed.

use std::time::Duration;

use holdover_plugin::model::{Epoch, Position};
use holdover_plugin::policy::{Check, Office, Settings, export};
use holdover_plugin::snapshot::head::{Head, View};
use holdover_plugin::snapshot::orders::{Act, Approval, Orders, Pin, Restore};
use holdover_plugin::snapshot::{Trust, keys};
use holdover_ports::{Health, Name, StorageFailureKind};
use holdover_tests::virtual_world::{Act as Asked, World, documents};

use crate::export_node::{ExportNode, head, history, single, together};
use crate::native::Native;
use crate::node::{Stage, VERSION};
use crate::rules::{self, cases};
use crate::runner::Core;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const EXPIRY: Duration = Duration::from_secs(30);

cases! {
    export_01_what_came_before_the_office_is_delivered_anew_and_only_then_exported,
    export_01_a_stale_session_is_not_believed_by_a_new_leader,
    export_01_a_leader_without_control_plane_gives_its_lease_back,
    export_03_a_shrink_a_loss_and_emptiness_are_held,
    export_03_an_approval_releases_that_one_only_and_once,
    export_03_an_approval_is_void_once_the_head_moved,
    export_03_an_approval_is_void_after_its_hour,
    export_03_a_freeze_holds_every_export_until_it_is_lifted,
    export_03_orders_that_are_not_believed_hold_every_export,
    export_06_one_of_two_leads_and_the_other_says_who,
    export_06_a_dead_leaders_lease_is_taken_after_the_expiry_and_no_earlier,
    export_06_a_paused_leader_finds_itself_succeeded,
    export_06_a_leader_that_cannot_renew_publishes_nothing,
    export_06_a_new_leader_raises_the_epoch_before_it_publishes,
    export_06_a_publication_that_took_long_renews_before_the_head_moves,
    export_09_a_pin_is_set_and_lifted_in_the_head,
    export_09_pins_are_obeyed_in_an_outage,
    export_09_a_restore_publishes_an_old_body_as_a_new_generation_once,
    export_09_history_keeps_what_is_pinned,
    export_10_a_candidate_is_good_after_the_soak,
    export_10_the_first_generation_is_good_at_once,
    export_10_a_node_that_is_ill_stops_the_soak_and_a_silent_one_delays_it,
    export_10_an_outage_leaves_the_candidate_and_a_new_leader_goes_on,
    export_11_what_is_pending_survives_the_process_and_needs_no_control_plane,
    export_11_what_is_pending_is_dropped_when_the_epoch_moved,
    export_11_what_is_pending_is_dropped_when_another_holds_the_lease,
    export_12_a_storage_that_ignores_conditions_elects_nobody,
    export_12_a_single_exporter_needs_no_probe,
    export_15_further_storages_get_bodies_then_the_head,
    export_15_a_further_storage_that_was_away_is_brought_up,
    export_15_without_the_first_storage_nothing_is_exported_anywhere,
    export_15_another_lineage_is_left_alone,
    export_15_a_further_storage_that_is_newer_is_never_lowered,
}

fn electing(settings: Settings) -> Settings {
    settings
}

fn soaking(settings: Settings) -> Settings {
    Settings { soak: 10 * MINUTE, ..single(settings) }
}

pub async fn export_01_what_came_before_the_office_is_delivered_anew_and_only_then_exported(stage: Stage) {
    let world = World::new(1);
    let mut leader = ExportNode::start_with(&stage, &world, electing);
    leader.delivered(&documents::kong("first")).await;
    let mut standby = ExportNode::start_with(&stage, &world, electing);
    standby.delivered(&documents::kong("second")).await;
    assert!(matches!(standby.office, Office::Standby(_)));
    drop(leader);
    standby.run_for(EXPIRY * 2).await;
    assert!(matches!(standby.office, Office::Leader(Epoch(2))), "{:?}", standby.office);
    assert_eq!(standby.refreshes, 1, "the control plane is asked anew, once");
    assert_eq!(names(&world), ["second", "first"]);
    assert_eq!(standby.held, None);
}

pub async fn export_01_a_stale_session_is_not_believed_by_a_new_leader(stage: Stage) {
    let world = World::new(1);
    world.storage().is_down(StorageFailureKind::Unreachable);
    let mut node = ExportNode::start_with(&stage, &world, electing);
    node.begins().await;
    world.storage().is_back();
    node.will_say(&documents::kong("second"));
    node.delivered(&documents::kong("stale")).await;
    node.run_for(SECOND).await;
    assert_eq!((names(&world), node.refreshes), (vec!["second".to_owned()], 1));
}

pub async fn export_01_a_leader_without_control_plane_gives_its_lease_back(stage: Stage) {
    let world = World::new(1);
    let mut leader = ExportNode::start_with(&stage, &world, electing);
    leader.delivered(&documents::kong("any")).await;
    leader.connected = false;
    leader.run_for(EXPIRY * 2).await;
    assert_eq!(leader.office, Office::None);
    assert_eq!(world.trace.events(Name::OfficeGivenUp).len(), 1);
    let mut next = ExportNode::start_with(&stage, &world, electing);
    next.delivered(&documents::kong("next")).await;
    assert_eq!(names(&world), ["next", "any"], "nobody had to wait for the expiry");
}

pub async fn export_03_a_shrink_a_loss_and_emptiness_are_held(stage: Stage) {
    let before = documents::services(100, true);
    for (after, said) in [
        (documents::services(40, true), "shrank from 100 to 40"),
        (documents::services(100, false), "authentication plugins are gone"),
        (documents::services(400, true), "grew from 100 to 400"),
        (documents::kong_empty(), "configures nothing"),
    ] {
        let world = World::new(1);
        let mut node = ExportNode::start(&stage, &world, Vec::new());
        node.delivered(&before).await;
        node.run_for(2 * MINUTE).await;
        node.delivered(&after).await;
        node.run_for(HOUR).await;
        assert_eq!(history(&world).len(), 1, "{said}");
        assert!(node.held.as_ref().is_some_and(|held| held.contains(said)), "{said}: {:?}", node.held);
        assert!(!world.trace.events(Name::ExportHeld).is_empty() || !world.trace.events(Name::ExportInvalid).is_empty());
        node.delivered(&documents::services(99, true)).await;
        assert_eq!((history(&world).len(), node.held.clone()), (2, None), "a small change goes through");
    }
}

pub async fn export_03_an_approval_releases_that_one_only_and_once(stage: Stage) {
    let world = World::new(1);
    let mut node = ExportNode::start(&stage, &world, Vec::new());
    node.delivered(&documents::services(100, true)).await;
    node.run_for(2 * MINUTE).await;
    node.delivered(&documents::services(40, true)).await;
    let asked = node.approvable.clone().unwrap();
    assert_eq!(asked.base, node.published);
    approve(&world, |approval| approval.sameness = "another".into());
    node.run_for(MINUTE).await;
    assert_eq!(history(&world).len(), 1, "it names another configuration");
    approve(&world, |approval| approval.sameness = asked.sameness.clone());
    node.run_for(MINUTE).await;
    assert_eq!((history(&world).len(), node.held.clone()), (2, None));
    assert_eq!(world.trace.events(Name::ExportApproved).len(), 1);
    // Back, which is a growth, and down once more: the approval is used up.
    node.delivered(&documents::services(100, true)).await;
    node.run_for(2 * MINUTE).await;
    node.delivered(&documents::services(40, true)).await;
    node.run_for(2 * MINUTE).await;
    node.delivered(&documents::services(10, true)).await;
    node.run_for(2 * MINUTE).await;
    assert_eq!(world.trace.events(Name::ExportApproved).len(), 1);
}

pub async fn export_03_an_approval_is_void_once_the_head_moved(stage: Stage) {
    let world = World::new(1);
    let mut node = ExportNode::start(&stage, &world, Vec::new());
    node.delivered(&documents::services(100, true)).await;
    node.run_for(2 * MINUTE).await;
    node.delivered(&documents::services(40, true)).await;
    let asked = node.approvable.clone().unwrap();
    node.delivered(&documents::services(101, true)).await;
    node.run_for(2 * MINUTE).await;
    assert_eq!(history(&world).len(), 2);
    approve(&world, |approval| (approval.base, approval.sameness) = (asked.base, asked.sameness.clone()));
    node.delivered(&documents::services(40, true)).await;
    node.run_for(10 * MINUTE).await;
    assert_eq!(history(&world).len(), 2, "it was approved over another generation");
}

pub async fn export_03_an_approval_is_void_after_its_hour(stage: Stage) {
    let world = World::new(1);
    let mut node = ExportNode::start(&stage, &world, Vec::new());
    node.delivered(&documents::services(100, true)).await;
    node.run_for(2 * MINUTE).await;
    node.delivered(&documents::services(40, true)).await;
    let asked = node.approvable.clone().unwrap();
    approve(&world, |approval| {
        approval.sameness = asked.sameness.clone();
        approval.not_after = holdover_plugin::model::UnixMs(0);
    });
    node.run_for(MINUTE).await;
    assert_eq!(history(&world).len(), 1);
}

pub async fn export_03_a_freeze_holds_every_export_until_it_is_lifted(stage: Stage) {
    let world = World::new(1);
    let mut node = ExportNode::start(&stage, &world, Vec::new());
    node.delivered(&documents::kong("first")).await;
    node.run_for(2 * MINUTE).await;
    order(&world, |orders| orders.freeze = Some(act("nobody touches it")));
    node.delivered(&documents::kong("second")).await;
    node.run_for(HOUR).await;
    assert_eq!(names(&world), ["first"]);
    assert!(node.held.as_ref().is_some_and(|held| held.contains("nobody touches it")), "{:?}", node.held);
    order(&world, |orders| orders.freeze = None);
    node.run_for(MINUTE).await;
    assert_eq!(names(&world), ["second", "first"]);
}

pub async fn export_03_orders_that_are_not_believed_hold_every_export(stage: Stage) {
    let world = World::new(1);
    let mut node = ExportNode::start(&stage, &world, Vec::new());
    node.delivered(&documents::kong("first")).await;
    node.run_for(2 * MINUTE).await;
    world.storage().hold(keys::ORDERS, b"{\"format\":1}\n".to_vec());
    node.delivered(&documents::kong("second")).await;
    node.run_for(HOUR).await;
    assert_eq!(names(&world), ["first"]);
    assert_eq!(world.trace.events(Name::OrdersRefused).len(), 1, "said once");
    world.storage().lose(keys::ORDERS);
    node.run_for(MINUTE).await;
    assert_eq!(names(&world), ["second", "first"]);
}

pub async fn export_06_one_of_two_leads_and_the_other_says_who(stage: Stage) {
    let world = World::new(1);
    let mut nodes = [ExportNode::start_with(&stage, &world, electing), ExportNode::start_with(&stage, &world, electing)];
    for name in ["first", "second", "third"] {
        for node in &mut nodes {
            node.delivered(&documents::kong(name)).await;
        }
        together(&mut nodes, 2 * MINUTE).await;
    }
    assert_eq!(names(&world), ["third", "second", "first"]);
    assert!(matches!(nodes[0].office, Office::Leader(Epoch(1))), "{:?}", nodes[0].office);
    assert!(matches!(&nodes[1].office, Office::Standby(who) if who.contains("' leads (epoch 1)")), "{:?}", nodes[1].office);
    assert!(nodes[1].pending.is_none());
    assert_eq!(world.trace.events(Name::StandingBy).len(), 1, "said once");
}

pub async fn export_06_a_dead_leaders_lease_is_taken_after_the_expiry_and_no_earlier(stage: Stage) {
    let world = World::new(1);
    let mut leader = ExportNode::start_with(&stage, &world, electing);
    leader.delivered(&documents::kong("first")).await;
    let mut standby = ExportNode::start_with(&stage, &world, electing);
    standby.delivered(&documents::kong("second")).await;
    drop(leader);
    standby.run_for(EXPIRY - SECOND).await;
    assert!(matches!(standby.office, Office::Standby(_)), "it may be alive");
    standby.run_for(11 * SECOND).await;
    assert!(matches!(standby.office, Office::Leader(_)), "{:?}", standby.office);
}

pub async fn export_06_a_paused_leader_finds_itself_succeeded(stage: Stage) {
    let world = World::new(1);
    let mut paused = ExportNode::start_with(&stage, &world, electing);
    paused.delivered(&documents::kong("first")).await;
    let mut next = ExportNode::start_with(&stage, &world, electing);
    next.delivered(&documents::kong("second")).await;
    next.run_for(2 * MINUTE).await;
    assert_eq!(names(&world), ["second", "first"]);
    world.trace.forget();
    paused.delivered(&documents::kong("stale")).await;
    paused.run_for(10 * SECOND).await;
    assert_eq!(names(&world), ["second", "first"]);
    assert!(matches!(paused.office, Office::Standby(_)));
    assert!(paused.pending.is_none(), "it is another's to publish");
}

pub async fn export_06_a_leader_that_cannot_renew_publishes_nothing(stage: Stage) {
    let world = World::new(1);
    let mut node = ExportNode::start_with(&stage, &world, electing);
    node.delivered(&documents::kong("first")).await;
    world.storage().is_down(StorageFailureKind::Unreachable);
    node.run_for(2 * MINUTE).await;
    world.storage().is_back();
    // The lease is somebody else's by now, as its body says; the head knows nothing of it.
    let elsewhere = World::seeded(1, 9);
    let mut other = ExportNode::start_with(&stage, &elsewhere, electing);
    other.delivered(&documents::kong("elsewhere")).await;
    let theirs = other.lease().unwrap();
    world.storage().hold(keys::LEASE, theirs);
    node.delivered(&documents::kong("second")).await;
    assert_eq!(names(&world), ["first"]);
    assert!(matches!(node.office, Office::Standby(_)), "{:?}", node.office);
}

pub async fn export_06_a_new_leader_raises_the_epoch_before_it_publishes(stage: Stage) {
    let world = World::new(1);
    let mut first = ExportNode::start_with(&stage, &world, electing);
    first.delivered(&documents::kong("first")).await;
    let before = head(&world).unwrap();
    drop(first);
    let mut second = ExportNode::start_with(&stage, &world, electing);
    second.begins().await;
    second.connected = true;
    second.delivered(&documents::kong("first")).await;
    second.run_for(2 * MINUTE).await;
    let after = head(&world).unwrap();
    assert_eq!((after.epoch, &after.views), (before.epoch.next(), &before.views), "the same configuration, another office");
}

pub async fn export_06_a_publication_that_took_long_renews_before_the_head_moves(stage: Stage) {
    let world = World::new(1);
    let mut node = ExportNode::start_with(&stage, &world, electing);
    node.delivered(&documents::kong("first")).await;
    node.run_for(2 * MINUTE).await;
    world.trace.forget();
    world.storage().takes(7 * SECOND);
    node.delivered(&documents::kong("second")).await;
    let swapped = |wanted: &str| {
        let is_swap = |act: &Asked| matches!(act, Asked::Swap { key, .. } if key == wanted);
        world.trace.calls().iter().rposition(|call| is_swap(&call.act))
    };
    let put = world.trace.calls().iter().position(|call| matches!(call.act, Asked::PutNew { .. }));
    assert!(put < swapped(keys::LEASE) && swapped(keys::LEASE) < swapped(keys::HEAD), "{:#?}", world.trace.calls());
    assert_eq!(names(&world), ["second", "first"]);
}

pub async fn export_09_a_pin_is_set_and_lifted_in_the_head(stage: Stage) {
    let world = World::new(1);
    let mut node = publishes(&stage, &world, &["first", "second"]).await;
    let old = history(&world)[1].position();
    order(&world, |orders| drop(orders.pins.insert(VERSION.parse().unwrap(), Pin { position: old, act: act("bad release") })));
    node.run_for(MINUTE).await;
    assert_eq!(view(&world).pinned, Some(old));
    assert_eq!(head(&world).unwrap().orders, 1);
    order(&world, |orders| orders.pins.clear());
    node.run_for(MINUTE).await;
    assert_eq!(view(&world).pinned, None);
    assert_eq!(world.trace.events(Name::OrdersObeyed).len(), 2);
}

pub async fn export_09_pins_are_obeyed_in_an_outage(stage: Stage) {
    let world = World::new(1);
    let mut node = ExportNode::start_with(&stage, &world, electing);
    node.delivered(&documents::kong("first")).await;
    node.run_for(2 * MINUTE).await;
    node.delivered(&documents::kong("second")).await;
    node.connected = false;
    node.run_for(5 * MINUTE).await;
    assert_eq!(node.office, Office::None);
    let old = history(&world)[1].position();
    order(&world, |orders| drop(orders.pins.insert(VERSION.parse().unwrap(), Pin { position: old, act: act("bad release") })));
    node.run_for(2 * MINUTE).await;
    assert_eq!(view(&world).pinned, Some(old));
    assert_eq!(node.office, Office::None, "and the lease is given back");
}

pub async fn export_09_a_restore_publishes_an_old_body_as_a_new_generation_once(stage: Stage) {
    let world = World::new(1);
    let mut node = publishes(&stage, &world, &["first", "second"]).await;
    let old = history(&world)[1].position();
    order(&world, |orders| {
        let gateway_version = VERSION.parse().unwrap();
        orders.restores.push(Restore { gateway_version, position: old, number: orders.number + 1, act: act("back") });
    });
    node.run_for(10 * MINUTE).await;
    assert_eq!(names(&world), ["first", "second", "first"]);
    assert_eq!(view(&world).good, Some(history(&world)[0].position()));
    node.delivered(&documents::kong("third")).await;
    node.run_for(10 * MINUTE).await;
    assert_eq!(names(&world), ["third", "first", "second", "first"], "the control plane goes on, and nothing is restored twice");
}

pub async fn export_09_history_keeps_what_is_pinned(stage: Stage) {
    let world = World::new(1);
    let mut node = publishes(&stage, &world, &["pinned"]).await;
    let old = history(&world)[0].position();
    order(&world, |orders| drop(orders.pins.insert(VERSION.parse().unwrap(), Pin { position: old, act: act("keep") })));
    for nth in 0..25 {
        node.delivered(&documents::kong(&format!("later-{nth}"))).await;
        node.run_for(2 * MINUTE).await;
    }
    assert_eq!(history(&world).len(), 21);
    assert!(view(&world).entry(old).is_some());
}

pub async fn export_10_a_candidate_is_good_after_the_soak(stage: Stage) {
    let world = World::new(1);
    let mut node = ExportNode::start_with(&stage, &world, soaking);
    node.delivered(&documents::kong("first")).await;
    node.run_for(2 * MINUTE).await;
    node.delivered(&documents::kong("second")).await;
    let [second, first] = [0, 1].map(|nth| history(&world)[nth].position());
    assert_eq!((view(&world).good, view(&world).candidate), (Some(first), Some(second)));
    node.run_for(9 * MINUTE).await;
    assert_eq!(view(&world).good, Some(first));
    node.run_for(2 * MINUTE).await;
    assert_eq!((view(&world).good, view(&world).candidate), (Some(second), None));
    assert_eq!(world.trace.events(Name::SoakEnded).len(), 1);
}

pub async fn export_10_the_first_generation_is_good_at_once(stage: Stage) {
    let world = World::new(1);
    let mut node = ExportNode::start_with(&stage, &world, soaking);
    node.delivered(&documents::kong("first")).await;
    assert_eq!(view(&world).good, Some(history(&world)[0].position()));
    assert_eq!(view(&world).candidate, None);
}

pub async fn export_10_a_node_that_is_ill_stops_the_soak_and_a_silent_one_delays_it(stage: Stage) {
    let world = World::new(1);
    let second = documents::kong("second");
    world.watched.say(&[Health::Silent("asleep".into())]);
    let mut node = ExportNode::start_with(&stage, &world, soaking);
    node.delivered(&documents::kong("first")).await;
    node.run_for(2 * MINUTE).await;
    node.delivered(&second).await;
    let candidate = history(&world)[0].position();
    node.run_for(15 * MINUTE).await;
    assert_eq!(view(&world).candidate, Some(candidate), "nobody said a word for it");
    world.watched.say(&[Health::Ill("it answers 500".into())]);
    node.run_for(15 * MINUTE).await;
    assert_eq!(view(&world).candidate, Some(candidate));
    assert!(world.trace.events(Name::SoakFailed).iter().any(|event| event.sentence.contains("it answers 500")));
    world.watched.say(&[Health::Well { sameness: documents::sameness(&second) }]);
    node.run_for(9 * MINUTE).await;
    assert_eq!(view(&world).candidate, Some(candidate), "it soaks anew");
    node.run_for(2 * MINUTE).await;
    assert_eq!(view(&world).good, Some(candidate));
}

pub async fn export_10_an_outage_leaves_the_candidate_and_a_new_leader_goes_on(stage: Stage) {
    let world = World::new(1);
    let electing_with_soak = |settings: Settings| Settings { soak: 10 * MINUTE, ..settings };
    let mut node = ExportNode::start_with(&stage, &world, electing_with_soak);
    node.delivered(&documents::kong("first")).await;
    node.run_for(2 * MINUTE).await;
    node.delivered(&documents::kong("second")).await;
    let candidate = history(&world)[0].position();
    node.connected = false;
    node.run_for(20 * MINUTE).await;
    assert_eq!(view(&world).candidate, Some(candidate));
    assert_eq!(world.trace.events(Name::SoakCutByOutage).len(), 1);
    let mut next = ExportNode::start_with(&stage, &world, electing_with_soak);
    next.delivered(&documents::kong("second")).await;
    next.run_for(12 * MINUTE).await;
    assert_eq!(view(&world).good, Some(candidate));
}

pub async fn export_11_what_is_pending_survives_the_process_and_needs_no_control_plane(stage: Stage) {
    let world = World::new(1);
    let mut node = ExportNode::start_with(&stage, &world, electing);
    node.delivered(&documents::kong("first")).await;
    node.run_for(2 * MINUTE).await;
    world.storage().is_down(StorageFailureKind::Unreachable);
    node.delivered(&documents::kong("second")).await;
    assert!(node.pending.is_some());
    let mut restarted = node.restarts();
    restarted.connected = false;
    restarted.run_for(MINUTE).await;
    restarted.tick().await;
    assert!(restarted.pending.is_some());
    world.storage().is_back();
    restarted.run_for(MINUTE).await;
    assert_eq!(names(&world), ["second", "first"]);
    assert_eq!(head(&world).unwrap().epoch, Epoch(1), "the office was taken up again");
    restarted.run_for(2 * MINUTE).await;
    assert_eq!((restarted.office.clone(), restarted.pending.is_some()), (Office::None, false));
}

pub async fn export_11_what_is_pending_is_dropped_when_the_epoch_moved(stage: Stage) {
    let world = World::new(1);
    let mut node = ExportNode::start_with(&stage, &world, electing);
    node.delivered(&documents::kong("first")).await;
    node.run_for(2 * MINUTE).await;
    world.storage().is_down(StorageFailureKind::Unreachable);
    node.delivered(&documents::kong("stale")).await;
    world.storage().is_back();
    let mut next = ExportNode::start_with(&stage, &world, electing);
    next.delivered(&documents::kong("second")).await;
    next.run_for(2 * MINUTE).await;
    assert_eq!(names(&world), ["second", "first"]);
    let mut restarted = node.restarts();
    restarted.connected = false;
    restarted.tick().await;
    restarted.run_for(5 * MINUTE).await;
    assert_eq!(names(&world), ["second", "first"]);
    assert!(restarted.pending.is_none());
}

pub async fn export_11_what_is_pending_is_dropped_when_another_holds_the_lease(stage: Stage) {
    let world = World::new(1);
    let mut node = ExportNode::start_with(&stage, &world, electing);
    node.delivered(&documents::kong("first")).await;
    node.run_for(2 * MINUTE).await;
    world.storage().is_down(StorageFailureKind::Unreachable);
    node.delivered(&documents::kong("stale")).await;
    world.storage().is_back();
    // Whoever took it has not got to the head yet.
    let elsewhere = World::seeded(1, 9);
    let mut other = ExportNode::start_with(&stage, &elsewhere, electing);
    other.delivered(&documents::kong("elsewhere")).await;
    world.storage().hold(keys::LEASE, other.lease().unwrap());
    let mut restarted = node.restarts();
    restarted.connected = false;
    restarted.tick().await;
    restarted.run_for(5 * MINUTE).await;
    assert_eq!(names(&world), ["first"]);
    assert!(restarted.pending.is_none());
}

pub async fn export_12_a_storage_that_ignores_conditions_elects_nobody(stage: Stage) {
    let world = World::new(1);
    world.storage().ignores_conditions(true);
    let mut node = ExportNode::start_with(&stage, &world, electing);
    node.delivered(&documents::kong("any")).await;
    node.run_for(HOUR).await;
    assert!(matches!(&node.office, Office::Declined(failing) if failing.starts_with("creates-once: If-None-Match")), "{:?}", node.office);
    assert!(world.storage().keys().iter().all(|key| key.starts_with(keys::PROBES)), "{:?}", world.storage().keys());
    world.storage().ignores_conditions(false);
    node.run_for(HOUR).await;
    assert_eq!(names(&world), ["any"], "it is asked again now and then");
}

pub async fn export_12_a_single_exporter_needs_no_probe(stage: Stage) {
    let world = World::new(1);
    world.storage().ignores_conditions(true);
    let mut node = ExportNode::start(&stage, &world, Vec::new());
    node.delivered(&documents::kong("any")).await;
    assert_eq!(names(&world), ["any"]);
    assert_eq!(world.storage().object(keys::LEASE), None);
}

pub async fn export_15_further_storages_get_bodies_then_the_head(stage: Stage) {
    let world = World::new(3);
    let mut node = ExportNode::start(&stage, &world, Vec::new());
    node.delivered(&documents::kong("first")).await;
    node.run_for(2 * MINUTE).await;
    node.delivered(&documents::kong("second")).await;
    let first = world.storages[0].object(keys::HEAD);
    for (index, storage) in world.storages.iter().enumerate().skip(1) {
        assert_eq!(storage.object(keys::HEAD), first);
        for entry in history(&world) {
            assert_eq!(storage.object(&entry.key), world.storage().object(&entry.key));
        }
        let written = |key: &str| {
            let is_write = |act: &Asked| matches!(act, Asked::PutNew { storage, key: put } | Asked::Swap { storage, key: put } if *storage == index && put == key);
            world.trace.calls().iter().rposition(|call| is_write(&call.act))
        };
        assert!(written(&history(&world)[0].key) < written(keys::HEAD));
    }
}

pub async fn export_15_a_further_storage_that_was_away_is_brought_up(stage: Stage) {
    let world = World::new(2);
    world.storages[1].is_down(StorageFailureKind::Unreachable);
    let mut node = publishes(&stage, &world, &["first", "second"]).await;
    assert_eq!(names(&world), ["second", "first"], "the first storage stands");
    assert!(!world.trace.events(Name::CopyFailed).is_empty());
    world.storages[1].is_back();
    node.run_for(MINUTE).await;
    assert_eq!(world.storages[1].object(keys::HEAD), world.storages[0].object(keys::HEAD));
    assert!(world.storages[1].object(&history(&world)[0].key).is_some());
}

pub async fn export_15_without_the_first_storage_nothing_is_exported_anywhere(stage: Stage) {
    let world = World::new(2);
    let mut node = publishes(&stage, &world, &["first"]).await;
    world.storages[0].is_down(StorageFailureKind::Unreachable);
    let before = world.storages[1].object(keys::HEAD);
    node.delivered(&documents::kong("second")).await;
    node.run_for(HOUR).await;
    assert_eq!(world.storages[1].object(keys::HEAD), before);
    assert!(node.pending.is_some() && node.held.is_some());
}

pub async fn export_15_another_lineage_is_left_alone(stage: Stage) {
    let elsewhere = World::new(1);
    publishes(&stage, &elsewhere, &["theirs"]).await;
    let theirs = elsewhere.storage().object(keys::HEAD).unwrap();
    let world = World::seeded(2, 7);
    world.storages[1].hold(keys::HEAD, theirs.clone());
    publishes(&stage, &world, &["ours"]).await;
    assert_eq!(world.storages[1].object(keys::HEAD).unwrap(), theirs);
    assert!(world.trace.events(Name::CopyFailed).iter().any(|event| event.sentence.contains("lineage")));
}

pub async fn export_15_a_further_storage_that_is_newer_is_never_lowered(stage: Stage) {
    let world = World::new(2);
    let node = publishes(&stage, &world, &["first"]).await;
    let backup = world.storages[0].object(keys::HEAD).unwrap();
    drop(node);
    publishes(&stage, &world, &["second", "third"]).await;
    let newer = world.storages[1].object(keys::HEAD).unwrap();
    // The first storage is restored from a backup, and the next leader finds it so.
    world.storages[0].hold(keys::HEAD, backup);
    let mut next = ExportNode::start(&stage, &world, Vec::new());
    next.delivered(&documents::kong("first")).await;
    next.run_for(10 * MINUTE).await;
    assert!(world.storages[1].object(keys::HEAD).unwrap() == newer);
}

#[test]
fn export_12_the_probe_names_every_check() {
    rules::play(rules::stage(Core::Native), |stage| async move {
        let world = World::new(1);
        let facts = ExportNode::start(&stage, &world, Vec::new()).facts();
        let checks = export::probe(&Native(world.exporter_ports()), &facts).await.unwrap();
        let names: Vec<_> = checks.iter().map(|check| check.name).collect();
        let all =
            ["creates-once", "reads-what-was-written", "creates-one-of-many", "swaps-absent-once", "swaps-one-of-many", "refuses-stale"];
        assert_eq!(names, all);
        assert!(checks.iter().all(|Check { found, .. }| found.is_ok()));
    });
}

/// A single exporter that published these, one after the other.
async fn publishes<'w>(stage: &Stage, world: &'w World, names: &[&str]) -> ExportNode<'w> {
    let mut node = ExportNode::start(stage, world, Vec::new());
    for name in names {
        node.delivered(&documents::kong(name)).await;
        node.run_for(2 * MINUTE).await;
    }
    node
}

fn view(world: &World) -> View {
    head(world).and_then(|head| head.view(&VERSION.parse().unwrap()).cloned()).unwrap()
}

/// What the head lists, newest first, by the names of the documents.
fn names(world: &World) -> Vec<String> {
    let name = |digest: holdover_plugin::model::Digest| {
        let known = ["first", "second", "third", "any", "next", "stale", "ours", "theirs", "pinned", "elsewhere"];
        let of = |name: &&str| holdover_plugin::model::Digest::of(&documents::kong(name)) == digest;
        known.into_iter().find(of).unwrap_or("unknown").to_owned()
    };
    history(world).iter().map(|entry| name(entry.shown.as_ref().unwrap().digest)).collect()
}

fn act(why: &str) -> Act {
    Act { by: "alice".into(), at: holdover_plugin::model::UnixMs(1), why: why.into() }
}

/// Changes the orders as an operator's command does.
fn order(world: &World, change: impl FnOnce(&mut Orders)) {
    let Head { cluster, lineage, .. } = head(world).unwrap();
    let before = world.storage().object(keys::ORDERS).and_then(|file| Orders::read(&file, &Trust::unasked()).ok());
    let mut orders = before.unwrap_or_else(|| Orders::none(cluster, lineage));
    change(&mut orders);
    orders.number += 1;
    world.storage().hold(keys::ORDERS, orders.lines().unwrap().sign(&[]));
}

fn approve(world: &World, change: impl FnOnce(&mut Approval)) {
    let base: Option<Position> = history(world).first().map(|entry| entry.position());
    let mut approval = Approval {
        gateway_version: VERSION.parse().unwrap(),
        base,
        sameness: String::new(),
        not_after: holdover_plugin::model::UnixMs(u64::MAX),
        act: act("it is meant"),
    };
    change(&mut approval);
    order(world, |orders| orders.approvals.push(approval));
}
