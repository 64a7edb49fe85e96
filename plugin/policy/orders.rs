//! The desk at which operators give orders (export-09): one order is added to those that stand, checked against the head that it is
//! about, and written into the audit. How a leader obeys stands in `export/ordered.rs`. Knows no storage, no key and no clock.

use std::time::Duration;

use super::Approvable;
use crate::model::{GatewayVersion, Position};
use crate::snapshot::head::{Head, View};
use crate::snapshot::orders::{Act, Approval, Audited, Orders, Pin, Restore};

/// How long an approval may be used.
pub const APPROVAL_LIFE: Duration = Duration::from_secs(3600);
/// How many acts the audit remembers.
pub const AUDIT_MAX: usize = 50;

/// What an operator wants of every leader from here on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// New nodes take this generation, whatever is newer.
    Pin {
        gateway_version: GatewayVersion,
        position: Position,
    },
    Unpin {
        gateway_version: GatewayVersion,
    },
    /// An old body is published as a new generation, once.
    Restore {
        gateway_version: GatewayVersion,
        position: Position,
    },
    /// Nothing is exported.
    Freeze,
    Unfreeze,
    /// One held export is released, once.
    Approve {
        approvable: Approvable,
    },
}

/// Adds an order to those that stand, and returns it as a sentence without its end. `Err` is a sentence too, and nothing is changed.
pub fn give(orders: &mut Orders, head: &Head, order: Order, act: Act) -> Result<String, String> {
    if orders.cluster != head.cluster {
        return Err(format!("the orders are for cluster '{}', and the head is of cluster '{}'", orders.cluster, head.cluster));
    }
    let mut next = orders.clone();
    if next.lineage != head.lineage {
        begin_anew(&mut next, head);
    }
    next.number = next.number.max(head.orders).saturating_add(1);
    next.restores.retain(|restore| restore.number > head.orders);
    next.approvals.retain(|approval| act.at <= approval.not_after);
    let what = carry_in(&mut next, head, order, &act)?;
    next.audit.insert(0, Audited { what: what.clone(), act });
    next.audit.truncate(AUDIT_MAX);
    *orders = next;
    Ok(what)
}

/// The positions that an order of this version may name, newest first.
pub fn listed(view: Option<&View>) -> String {
    let positions: Vec<String> = view.into_iter().flat_map(|view| &view.history).map(|entry| entry.position().to_string()).collect();
    if positions.is_empty() { "nothing".to_owned() } else { positions.join(", ") }
}

/// The storage was begun anew: what named generations of the old history means nothing in this one. A freeze and the audit outlive it.
fn begin_anew(orders: &mut Orders, head: &Head) {
    orders.lineage = head.lineage;
    orders.pins.clear();
    orders.approvals.clear();
    orders.restores.clear();
}

fn carry_in(orders: &mut Orders, head: &Head, order: Order, act: &Act) -> Result<String, String> {
    match order {
        Order::Pin { gateway_version, position } => pin(orders, head, gateway_version, position, act),
        Order::Unpin { gateway_version } => match orders.pins.remove(&gateway_version) {
            Some(pin) => Ok(format!("generation {} is no longer pinned for {gateway_version}", pin.position)),
            None => Err(format!("no generation is pinned for {gateway_version}: there is nothing to unpin")),
        },
        Order::Restore { gateway_version, position } => restore(orders, head, gateway_version, position, act),
        Order::Freeze => match &orders.freeze {
            Some(before) => Err(format!("exports are frozen already, by {}: {}", before.by, before.why)),
            None => {
                orders.freeze = Some(act.clone());
                Ok("exports are frozen".to_owned())
            }
        },
        Order::Unfreeze => match orders.freeze.take() {
            Some(before) => Ok(format!("exports go on, which {} froze", before.by)),
            None => Err("exports are not frozen: there is nothing to unfreeze".to_owned()),
        },
        Order::Approve { approvable } => approve(orders, head, approvable, act),
    }
}

fn pin(orders: &mut Orders, head: &Head, version: GatewayVersion, position: Position, act: &Act) -> Result<String, String> {
    find(head, &version, position)?;
    if let Some(before) = orders.pins.get(&version).filter(|before| before.position == position) {
        return Err(format!("generation {position} is pinned for {version} already, by {}: {}", before.act.by, before.act.why));
    }
    let what = format!("generation {position} is pinned for {version}");
    orders.pins.insert(version, Pin { position, act: act.clone() });
    Ok(what)
}

fn restore(orders: &mut Orders, head: &Head, version: GatewayVersion, position: Position, act: &Act) -> Result<String, String> {
    find(head, &version, position)?;
    if head.newest(&version).is_some_and(|newest| newest.position() == position) {
        return Err(format!("generation {position} is the newest for {version}: there is nothing to restore"));
    }
    let what = format!("generation {position} is published once more for {version}");
    orders.restores.push(Restore { gateway_version: version, position, number: orders.number, act: act.clone() });
    Ok(what)
}

fn approve(orders: &mut Orders, head: &Head, approvable: Approvable, act: &Act) -> Result<String, String> {
    let Approvable { gateway_version, base, sameness } = approvable;
    let newest = head.newest(&gateway_version).map(|entry| entry.position());
    let named = |position: Option<Position>| position.map_or_else(|| "nothing".to_owned(), |position| format!("generation {position}"));
    if newest != base {
        return Err(format!(
            "the head moved since: what is held was compared with {}, and the newest for {gateway_version} is {}",
            named(base),
            named(newest)
        ));
    }
    let what = format!("the held export after {} is released for {gateway_version}", named(base));
    let same = |approval: &Approval| (&approval.gateway_version, approval.base, &approval.sameness) == (&gateway_version, base, &sameness);
    orders.approvals.retain(|approval| !same(approval));
    orders.approvals.push(Approval { gateway_version, base, sameness, not_after: act.at.plus(APPROVAL_LIFE), act: act.clone() });
    Ok(what)
}

fn find(head: &Head, version: &GatewayVersion, position: Position) -> Result<(), String> {
    let view = head.view(version);
    match view.and_then(|view| view.entry(position)) {
        Some(_) => Ok(()),
        None => Err(format!("there is no generation {position} for {version}; the head lists {}", listed(view))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

    use super::*;
    use crate::model::{Digest, Epoch, Generation, Lineage, UnixMs};
    use crate::snapshot::head::Entry;

    const HOUR_MS: u64 = 3_600_000;

    #[test]
    fn a_pin_names_what_the_head_lists_and_a_later_one_takes_its_place() {
        let (head, mut orders) = (head(&[41, 40]), none());
        let what = give(&mut orders, &head, pin_of(40), act(1)).unwrap();
        assert_eq!(what, "generation 7-40 is pinned for 3.9.1");
        assert_eq!((orders.number, orders.pins.get(&version()).unwrap().position), (1, at(40)));
        give(&mut orders, &head, pin_of(41), act(2)).unwrap();
        assert_eq!((orders.number, orders.pins.len(), orders.pins.get(&version()).unwrap().position), (2, 1, at(41)));
    }

    #[test]
    fn what_the_head_does_not_list_is_neither_pinned_nor_restored_and_what_it_lists_is_said() {
        let head = head(&[41, 40]);
        for order in [pin_of(39), restore_of(39)] {
            assert_eq!(refused(&none(), &head, order), "there is no generation 7-39 for 3.9.1; the head lists 7-41, 7-40");
        }
        let other: GatewayVersion = "3.8.0".parse().unwrap();
        let order = Order::Pin { gateway_version: other, position: at(41) };
        assert_eq!(refused(&none(), &head, order), "there is no generation 7-41 for 3.8.0; the head lists nothing");
    }

    #[test]
    fn a_second_pin_of_the_same_and_an_unpin_of_nothing_are_refused() {
        let head = head(&[41]);
        assert!(refused(&none(), &head, Order::Unpin { gateway_version: version() }).contains("nothing to unpin"));
        let mut orders = none();
        give(&mut orders, &head, pin_of(41), act(1)).unwrap();
        assert!(refused(&orders, &head, pin_of(41)).contains("pinned for 3.9.1 already, by alice: because 1"));
        let what = give(&mut orders, &head, Order::Unpin { gateway_version: version() }, act(2)).unwrap();
        assert!(orders.pins.is_empty() && what == "generation 7-41 is no longer pinned for 3.9.1");
    }

    #[test]
    fn what_is_to_be_restored_carries_the_number_of_its_orders_until_the_head_obeys_it() {
        let (mut head, mut orders) = (head(&[41, 40, 39]), none());
        give(&mut orders, &head, restore_of(40), act(1)).unwrap();
        give(&mut orders, &head, restore_of(39), act(2)).unwrap();
        let numbers = |orders: &Orders| orders.restores.iter().map(|restore| (restore.position, restore.number)).collect::<Vec<_>>();
        assert_eq!(numbers(&orders), [(at(40), 1), (at(39), 2)]);
        head.orders = 1;
        give(&mut orders, &head, Order::Freeze, act(3)).unwrap();
        assert_eq!((numbers(&orders), orders.number), (vec![(at(39), 2)], 3));
        assert!(refused(&orders, &head, restore_of(41)).contains("nothing to restore"));
    }

    #[test]
    fn whoever_freezes_what_is_frozen_learns_who_did() {
        let (head, mut orders) = (head(&[41]), none());
        assert!(refused(&orders, &head, Order::Unfreeze).contains("not frozen"));
        give(&mut orders, &head, Order::Freeze, act(1)).unwrap();
        assert_eq!(orders.freeze, Some(act(1)));
        assert_eq!(refused(&orders, &head, Order::Freeze), "exports are frozen already, by alice: because 1");
        assert_eq!(give(&mut orders, &head, Order::Unfreeze, act(2)).unwrap(), "exports go on, which alice froze");
        assert_eq!(orders.freeze, None);
    }

    #[test]
    fn an_approval_lives_an_hour_and_only_while_the_head_stands_where_it_stood() {
        let (head, mut orders) = (head(&[41, 40]), none());
        give(&mut orders, &head, approve_after(Some(at(41))), act(1)).unwrap();
        let [approval] = orders.approvals.as_slice() else { panic!("{orders:?}") };
        assert_eq!((approval.base, approval.not_after, approval.sameness.as_str()), (Some(at(41)), UnixMs(1 + HOUR_MS), "same"));
        for (base, named) in [(Some(at(40)), "generation 7-40"), (None, "nothing")] {
            let why = refused(&orders, &head, approve_after(base));
            assert!(why.starts_with("the head moved since") && why.contains(named) && why.contains("generation 7-41"), "{why}");
        }
        give(&mut orders, &head, approve_after(Some(at(41))), act(2)).unwrap();
        assert_eq!(orders.approvals.len(), 1, "the same once more is one");
        give(&mut orders, &head, Order::Freeze, act(3 + HOUR_MS)).unwrap();
        assert!(orders.approvals.is_empty(), "its hour is over");
    }

    #[test]
    fn the_audit_has_the_newest_first_and_fifty_at_most() {
        let (head, mut orders) = (head(&[41]), none());
        for nth in 0..30 {
            give(&mut orders, &head, Order::Freeze, act(2 * nth)).unwrap();
            give(&mut orders, &head, Order::Unfreeze, act(2 * nth + 1)).unwrap();
        }
        assert_eq!((orders.audit.len(), orders.number), (AUDIT_MAX, 60));
        let newest = orders.audit.first().unwrap();
        assert_eq!((newest.what.as_str(), &newest.act), ("exports go on, which alice froze", &act(59)));
    }

    #[test]
    fn a_refused_order_changes_nothing() {
        let (head, mut orders) = (head(&[41, 40]), none());
        give(&mut orders, &head, restore_of(40), act(1)).unwrap();
        let before = orders.clone();
        let _sentence = give(&mut orders, &head, pin_of(1), act(2 * HOUR_MS)).unwrap_err();
        assert_eq!(orders, before);
    }

    #[test]
    fn a_storage_that_was_begun_anew_keeps_the_freeze_and_forgets_what_named_old_generations() {
        let (old, mut orders) = (head(&[41, 40]), none());
        give(&mut orders, &old, pin_of(40), act(1)).unwrap();
        give(&mut orders, &old, Order::Freeze, act(2)).unwrap();
        let mut anew = head(&[1]);
        anew.lineage = Lineage::from_random(8, 8);
        give(&mut orders, &anew, pin_of(1), act(3)).unwrap();
        assert_eq!((orders.lineage, orders.number), (anew.lineage, 3));
        assert!(orders.freeze.is_some() && orders.restores.is_empty() && orders.pins.get(&version()).unwrap().position == at(1));
        let mut foreign = old;
        foreign.cluster = "other".parse().unwrap();
        assert!(refused(&orders, &foreign, Order::Unfreeze).contains("cluster 'other'"));
    }

    #[test]
    fn orders_that_were_lost_go_on_above_what_the_head_obeyed() {
        let (mut head, mut orders) = (head(&[41]), none());
        head.orders = 12;
        give(&mut orders, &head, Order::Freeze, act(1)).unwrap();
        assert_eq!(orders.number, 13);
    }

    fn refused(orders: &Orders, head: &Head, order: Order) -> String {
        give(&mut orders.clone(), head, order, act(9)).unwrap_err()
    }

    fn pin_of(generation: u64) -> Order {
        Order::Pin { gateway_version: version(), position: at(generation) }
    }

    fn restore_of(generation: u64) -> Order {
        Order::Restore { gateway_version: version(), position: at(generation) }
    }

    fn approve_after(base: Option<Position>) -> Order {
        Order::Approve { approvable: Approvable { gateway_version: version(), base, sameness: "same".into() } }
    }

    fn act(at_ms: u64) -> Act {
        Act { by: "alice".into(), at: UnixMs(at_ms), why: format!("because {at_ms}") }
    }

    fn version() -> GatewayVersion {
        "3.9.1".parse().unwrap()
    }

    fn at(generation: u64) -> Position {
        Position { epoch: Epoch(7), generation: Generation(generation) }
    }

    fn none() -> Orders {
        Orders::none("shop".parse().unwrap(), Lineage::from_random(1, 2))
    }

    /// Newest first.
    fn head(generations: &[u64]) -> Head {
        let mut head = Head::first("shop".parse().unwrap(), Lineage::from_random(1, 2));
        for generation in generations.iter().rev() {
            let entry = Entry {
                epoch: Epoch(7),
                generation: Generation(*generation),
                key: format!("key-{generation}"),
                file_digest: Digest::of(b"file"),
                file_bytes: 4,
                sealed_at: UnixMs(0),
                sealed_as: String::new(),
                shown: None,
                sameness_tag: None,
            };
            head.publish(version(), entry);
        }
        head
    }
}
