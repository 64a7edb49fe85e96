//! `holdover history --audit`: the orders that stand, and what operators did last. Who, when, what, why.

use std::sync::Arc;

use holdover_plugin::model::UnixMs;
use holdover_plugin::snapshot::orders::{Act, Orders};
use holdover_ports::StorageRead;
use serde_json::{Value, json};

use super::orders::standing::{Standing, Unread, standing};
use super::storages::Asked;
use super::times::{ago, rfc3339};
use super::{legible, now, say, say_json};
use crate::exit::{Exit, Failure};

/// The orders of the first storage that has any: others are given none.
pub struct Found {
    pub storage: String,
    pub orders: Result<Orders, Unread>,
}

pub async fn audit(asked: &Asked, as_json: bool) -> Result<Exit, Failure> {
    asked.need_storages()?;
    let found = found(asked, &asked.readers).await;
    let (storage, orders) = match found {
        Some(Found { storage, orders: Ok(orders) }) => (Some(storage), Some(orders)),
        Some(Found { storage, orders: Err(Unread::Refused(refused)) }) => {
            return Err(Failure::new(Exit::Invalid, format!("the orders in {storage} are not believed: {refused}")));
        }
        Some(Found { storage, orders: Err(Unread::Unseen(sentence)) }) => {
            return Err(Failure::not_opened(format!("the orders in {storage} cannot be read: {sentence}")));
        }
        None => (None, None),
    };
    if as_json {
        say_json(&document(storage.as_deref(), orders.as_ref()))?;
    } else {
        say(lines(storage.as_deref(), orders.as_ref(), now()).iter().map(|line| legible(line)));
    }
    Ok(Exit::Done)
}

pub async fn found<'a>(asked: &Asked, readers: impl IntoIterator<Item = &'a Arc<dyn StorageRead>>) -> Option<Found> {
    let operators = asked.settings.as_ref().map(|settings| settings.policy.operators.clone()).unwrap_or_default();
    let mut unseen = None;
    for reader in readers {
        let storage = reader.name().to_owned();
        match standing(&**reader, &operators).await {
            Ok(None) => {}
            Ok(Some(Standing { orders, .. })) => return Some(Found { storage, orders: Ok(orders) }),
            Err(refused @ Unread::Refused(_)) => return Some(Found { storage, orders: Err(refused) }),
            Err(why @ Unread::Unseen(_)) => unseen = unseen.or(Some(Found { storage, orders: Err(why) })),
        }
    }
    unseen
}

/// Who, when, what, why: in one line.
pub fn line(what: &str, act: &Act) -> String {
    let why = if act.why.is_empty() { String::new() } else { format!(": {}", act.why) };
    format!("{}  {}  {what}{why}", rfc3339(act.at), act.by)
}

fn lines(storage: Option<&str>, orders: Option<&Orders>, now: UnixMs) -> Vec<String> {
    let Some(orders) = orders else { return vec!["nobody gave orders".to_owned()] };
    let mut lines: Vec<String> = orders.audit.iter().map(|audited| line(&audited.what, &audited.act)).collect();
    lines.push(String::new());
    lines.push(format!("standing     number {} in {}", orders.number, storage.unwrap_or_default()));
    lines.extend(orders.freeze.as_ref().map(|act| frozen(act, now)));
    lines.extend(
        orders.pins.iter().map(|(version, pin)| format!("pinned       generation {} for {version}, by {}", pin.position, pin.act.by)),
    );
    lines.extend(orders.restores.iter().map(|restore| {
        format!("restore      generation {} for {}, by {}, until a leader did", restore.position, restore.gateway_version, restore.act.by)
    }));
    lines.extend(orders.approvals.iter().filter(|approval| now <= approval.not_after).map(|approval| {
        let base = approval.base.map_or_else(|| "nothing".to_owned(), |base| format!("generation {base}"));
        let until = rfc3339(approval.not_after);
        format!("approved     what was held after {base} for {}, by {}, until {until}", approval.gateway_version, approval.act.by)
    }));
    lines
}

pub fn frozen(act: &Act, now: UnixMs) -> String {
    format!("frozen       by {}, {}: {}", act.by, ago(act.at, now), act.why)
}

fn document(storage: Option<&str>, orders: Option<&Orders>) -> Value {
    let Some(orders) = orders else { return json!({"storage": null, "number": 0, "audit": []}) };
    let audit: Vec<Value> = orders.audit.iter().map(|audited| with_act(json!({"what": audited.what}), &audited.act)).collect();
    let pins = orders
        .pins
        .iter()
        .map(|(version, pin)| with_act(json!({"gateway_version": version, "position": pin.position.to_string()}), &pin.act));
    let restores = orders.restores.iter().map(|restore| {
        let named = json!({"gateway_version": restore.gateway_version, "position": restore.position.to_string(), "number": restore.number});
        with_act(named, &restore.act)
    });
    let approvals = orders.approvals.iter().map(|approval| {
        let base = approval.base.map(|base| base.to_string());
        let named = json!({"gateway_version": approval.gateway_version, "base": base, "sameness": approval.sameness,
            "not_after": rfc3339(approval.not_after)});
        with_act(named, &approval.act)
    });
    json!({
        "storage": storage, "number": orders.number, "cluster": orders.cluster, "lineage": orders.lineage, "freeze": orders.freeze.as_ref().map(act_document),
        "pins": pins.collect::<Vec<_>>(), "restores": restores.collect::<Vec<_>>(), "approvals": approvals.collect::<Vec<_>>(), "audit": audit,
    })
}

pub fn act_document(act: &Act) -> Value {
    json!({"by": act.by, "at": rfc3339(act.at), "at_unix_ms": act.at, "why": act.why})
}

fn with_act(mut value: Value, act: &Act) -> Value {
    if let (Some(fields), Value::Object(of_act)) = (value.as_object_mut(), act_document(act)) {
        fields.extend(of_act);
    }
    value
}
