//! `holdover history`: what the heads list, newest first. Reads no snapshot: `verify --storage` does.

use std::collections::BTreeMap;

use holdover_plugin::model::{GatewayVersion, UnixMs};
use holdover_plugin::snapshot::head::{Entry, View};
use serde_json::{Map, Value, json};

use super::storages::{Asked, Found, Heads, asked};
use super::times::{ago, rfc3339, size};
use super::{audit, legible, now, say, say_json};
use crate::args::HistoryArguments;
use crate::exit::{Exit, Failure};

pub async fn history(arguments: &HistoryArguments) -> Result<Exit, Failure> {
    let asked = asked(&arguments.storages).await?;
    if arguments.audit {
        return audit::audit(&asked, arguments.json).await;
    }
    let heads = asked.heads().await?;
    let orders = audit::found(&asked, heads.all().map(|found| &found.reader)).await;
    let now = now();
    if arguments.json {
        say_json(&document(&asked, &heads, orders.as_ref(), now))?;
    } else {
        say(lines(&asked, &heads, orders.as_ref(), now).iter().map(|line| legible(line)));
    }
    Ok(Exit::Done)
}

/// The versions to show, as the leading head has them.
fn views<'a>(asked: &'a Asked, heads: &'a Heads) -> impl Iterator<Item = (&'a GatewayVersion, &'a View)> {
    let wanted = |version: &GatewayVersion| asked.only_version.as_ref().is_none_or(|only| only == version);
    heads.leading.head.views.iter().filter(move |(version, _)| wanted(version))
}

/// `good`, `candidate`, `pinned`: where a generation stands.
pub fn standing(view: &View, entry: &Entry) -> Vec<&'static str> {
    let at = Some(entry.position());
    let marks = [("good", view.good), ("candidate", view.candidate), ("pinned", view.pinned)];
    marks.into_iter().filter(|(_, position)| *position == at).map(|(name, _)| name).collect()
}

/// The key that a head says signed it: `ed25519:<key id>` is a part of how it was sealed.
fn signed_by(entry: &Entry) -> Option<&str> {
    entry.sealed_as.split_whitespace().find_map(|part| part.strip_prefix("ed25519:"))
}

pub fn head_document(found: &Found, now: UnixMs) -> Value {
    let head = &found.head;
    json!({
        "cluster": head.cluster, "lineage": head.lineage, "position": head.position().to_string(), "epoch": head.epoch, "generation": head.generation, "writer": head.writer,
        "confirmed_at": rfc3339(head.confirmed_at), "confirmed_at_unix_ms": head.confirmed_at, "orders": head.orders,
        "age_s": now.since(head.confirmed_at).as_secs(), "signer": found.signer,
    })
}

fn document(asked: &Asked, heads: &Heads, orders: Option<&audit::Found>, now: UnixMs) -> Value {
    let storages: Vec<Value> =
        heads.all().map(|found| json!({"storage": found.reader.name(), "head": head_document(found, now)})).collect();
    let unread: Vec<Value> = heads
        .unread
        .iter()
        .map(|unread| json!({"storage": unread.storage, "reason": unread.why.reason, "sentence": unread.why.sentence}))
        .collect();
    let versions: Map<String, Value> = views(asked, heads)
        .map(|(version, view)| {
            let history: Vec<Value> = view.history.iter().map(|entry| entry_document(heads, version, view, entry, now)).collect();
            (
                version.to_string(),
                json!({"good": text(view.good), "candidate": text(view.candidate), "pinned": text(view.pinned), "history": history}),
            )
        })
        .collect();
    let (freeze, orders) = match orders.map(|found| &found.orders) {
        None => (Value::Null, Value::Null),
        Some(Ok(orders)) => (orders.freeze.as_ref().map_or(Value::Null, audit::act_document), json!({"number": orders.number})),
        Some(Err(why)) => (Value::Null, json!({"unread": why.to_string()})),
    };
    json!({
        "head": head_document(&heads.leading, now), "storages": storages, "unread": unread, "freeze": freeze, "orders": orders,
        "versions": versions,
    })
}

fn text(position: Option<impl ToString>) -> Option<String> {
    position.map(|position| position.to_string())
}

fn entry_document(heads: &Heads, version: &GatewayVersion, view: &View, entry: &Entry, now: UnixMs) -> Value {
    let holders: Vec<&str> = heads.holders(version, entry).map(|found| found.reader.name()).collect();
    json!({
        "position": entry.position().to_string(), "epoch": entry.epoch, "generation": entry.generation, "key": entry.key,
        "file_digest": entry.file_digest, "file_bytes": entry.file_bytes, "sealed_at": rfc3339(entry.sealed_at),
        "sealed_at_unix_ms": entry.sealed_at, "age_s": now.since(entry.sealed_at).as_secs(), "sealed_as": entry.sealed_as,
        "signed_by": signed_by(entry), "encrypted": entry.shown.is_none(), "standing": standing(view, entry),
        "counts": entry.shown.as_ref().map(|shown| &shown.counts), "digest": entry.shown.as_ref().map(|shown| shown.digest),
        "storages": holders,
    })
}

pub fn head_lines(found: &Found, now: UnixMs) -> Vec<String> {
    let head = &found.head;
    let signer = match found.signer {
        Some(signer) => format!("its signature is of key {signer}"),
        None => "nobody was asked for a signature (--trusted-key)".to_owned(),
    };
    vec![
        format!("lineage      {}", head.lineage),
        format!("cluster      {}", head.cluster),
        format!("head         {}, written by {}; {signer}", head.position(), head.writer),
        format!("confirmed    {}, {}", rfc3339(head.confirmed_at), ago(head.confirmed_at, now)),
    ]
}

fn lines(asked: &Asked, heads: &Heads, orders: Option<&audit::Found>, now: UnixMs) -> Vec<String> {
    let mut lines = head_lines(&heads.leading, now);
    let leading = heads.leading.head.position();
    lines.extend(heads.all().map(|found| {
        let position = found.head.position();
        let behind = if position < leading { format!(", behind at {position}") } else { String::new() };
        format!("storage      {}{behind}", found.reader.name())
    }));
    lines.extend(heads.unread.iter().map(|unread| format!("not read     {}: {}", unread.storage, unread.why)));
    match orders.map(|found| &found.orders) {
        None => {}
        Some(Ok(orders)) => lines.extend(orders.freeze.as_ref().map(|act| audit::frozen(act, now))),
        Some(Err(why)) => lines.push(format!("orders       {why}")),
    }
    let before = lines.len();
    for (version, view) in views(asked, heads) {
        lines.push(String::new());
        lines.push(format!("gateway version {version}"));
        lines.extend(view.history.iter().map(|entry| entry_line(heads, version, view, entry, now)));
    }
    if lines.len() == before {
        lines.push("nothing is published for such gateways".to_owned());
    }
    lines
}

fn entry_line(heads: &Heads, version: &GatewayVersion, view: &View, entry: &Entry, now: UnixMs) -> String {
    let counts = entry.shown.as_ref().map_or_else(|| "encrypted".to_owned(), |shown| short_counts(&shown.counts));
    let signed = signed_by(entry).map_or_else(|| "unsigned".to_owned(), |key| format!("signed by {key}"));
    let all = heads.all().count();
    let holders: Vec<&str> = heads.holders(version, entry).map(|found| found.reader.name()).collect();
    let held = if holders.len() == all { String::new() } else { format!("  only in {}", holders.join(", ")) };
    let (position, standing) = (entry.position().to_string(), standing(view, entry).join(","));
    format!(
        "  {position:<8} {standing:<9} {}  {:<16} {:>9}  {}  {counts}, {signed}{held}",
        rfc3339(entry.sealed_at),
        ago(entry.sealed_at, now),
        size(entry.file_bytes),
        entry.file_digest.short(),
    )
}

/// What there is most of says what kind of configuration it is.
pub fn short_counts(counts: &BTreeMap<String, u64>) -> String {
    const SHOWN_MAX: usize = 3;
    let mut largest: Vec<(&String, &u64)> = counts.iter().collect();
    largest.sort_by_key(|(kind, count)| (std::cmp::Reverse(**count), kind.as_str()));
    let shown: Vec<String> = largest.iter().take(SHOWN_MAX).map(|(kind, count)| format!("{count} {kind}")).collect();
    match largest.len() {
        0 => "no entities".to_owned(),
        kinds if kinds > SHOWN_MAX => format!("{} …", shown.join(" ")),
        _ => shown.join(" "),
    }
}
