//! Rules export-01, 03, 06 and 09 as far as they are about exporters among each other and about what an operator orders: who may
//! publish, what is held, what is pinned and restored.

use std::time::Duration;

use holdover_plugin::model::{Epoch, Position};
use holdover_plugin::policy::{Office, Settings};
use holdover_plugin::snapshot::head::{Head, View};
use holdover_plugin::snapshot::orders::{Act, Approval, Orders, Pin, Restore};
use holdover_plugin::snapshot::{Trust, keys};
use holdover_ports::{Name, StorageFailureKind};
use holdover_tests::virtual_world::{Act as Asked, World, documents};

use crate::export_node::{ExportNode, head, history, together};
use crate::node::{Stage, VERSION};
use crate::rules::cases;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const EXPIRY: Duration = Duration::from_secs(30);

cases! {
    export_01_what_came_before_the_office_is_delivered_anew_and_only_then_exported,
    export_01_a_stale_session_is_not_believed_by_a_new_leader,
    export_01_a_leader_without_control_plane_gives_its_lease_back,
    export_01_a_leader_that_is_stopped_gives_its_lease_back_unless_something_is_pending,
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
}

pub fn electing(settings: Settings) -> Settings {
    settings
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

pub async fn export_01_a_leader_that_is_stopped_gives_its_lease_back_unless_something_is_pending(stage: Stage) {
    let world = World::new(1);
    let mut leader = ExportNode::start_with(&stage, &world, electing);
    leader.delivered(&documents::kong("any")).await;
    leader.stop().await;
    assert_eq!(leader.office, Office::None);
    let mut next = ExportNode::start_with(&stage, &world, electing);
    next.delivered(&documents::kong("next")).await;
    next.delivered(&documents::kong("third")).await;
    assert_eq!(names(&world), ["next", "any"], "nobody had to wait for the expiry");
    next.stop().await;
    assert!(matches!(next.office, Office::Leader(Epoch(2))), "{:?}", next.office);
    let mut again = next.restarts();
    again.tick().await;
    again.run_for(MINUTE).await;
    assert_eq!(names(&world), ["third", "next", "any"], "what is pending is published in the office that was kept for it");
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

/// A single exporter that published these, one after the other.
pub async fn publishes<'w>(stage: &Stage, world: &'w World, names: &[&str]) -> ExportNode<'w> {
    let mut node = ExportNode::start(stage, world, Vec::new());
    for name in names {
        node.delivered(&documents::kong(name)).await;
        node.run_for(2 * MINUTE).await;
    }
    node
}

pub fn view(world: &World) -> View {
    head(world).and_then(|head| head.view(&VERSION.parse().unwrap()).cloned()).unwrap()
}

/// What the head lists, newest first, by the names of the documents.
pub fn names(world: &World) -> Vec<String> {
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
