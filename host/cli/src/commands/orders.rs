//! `holdover pin`, `unpin`, `restore`, `freeze`, `unfreeze`: an operator's orders to every leader, present and future (export-09). Each
//! stands in the storage with who gave it, when and why.

pub mod desk;
pub mod standing;

use std::time::Duration;

use holdover_plugin::model::{GatewayVersion, Position};
use holdover_plugin::policy::orders::{Order, listed};
use holdover_plugin::snapshot::head::Head;
use serde_json::{Value, json};

use super::generation::Which;
use super::storages::{Asked, Heads};
use super::times::rfc3339;
use super::{legible, say, say_json, warn};
use crate::args::{FreezeArguments, GenerationOrder, OperatorArguments, UnfreezeArguments, UnpinArguments};
use crate::exit::{Exit, Failure};
use desk::{Desk, Given, act};

pub async fn pin(arguments: &GenerationOrder) -> Result<Exit, Failure> {
    let order = |heads: &Heads, asked: &Asked| {
        let (gateway_version, position) = meant(arguments.generation, heads, asked)?;
        Ok(Order::Pin { gateway_version, position })
    };
    let GenerationOrder { why, wait, operator, .. } = arguments;
    given_and_obeyed(operator, Some(why), *wait, order).await
}

pub async fn restore(arguments: &GenerationOrder) -> Result<Exit, Failure> {
    let order = |heads: &Heads, asked: &Asked| {
        let (gateway_version, position) = meant(arguments.generation, heads, asked)?;
        Ok(Order::Restore { gateway_version, position })
    };
    let GenerationOrder { why, wait, operator, .. } = arguments;
    given_and_obeyed(operator, Some(why), *wait, order).await
}

pub async fn unpin(arguments: &UnpinArguments) -> Result<Exit, Failure> {
    let UnpinArguments { why, wait, operator } = arguments;
    let order = |heads: &Heads, asked: &Asked| Ok(Order::Unpin { gateway_version: heads.version(asked)?.clone() });
    given_and_obeyed(operator, why.as_deref(), *wait, order).await
}

/// Every leader looks for a freeze before it publishes, so there is nothing to wait for.
pub async fn freeze(arguments: &FreezeArguments) -> Result<Exit, Failure> {
    let FreezeArguments { why, operator } = arguments;
    let desk = Desk::open(operator).await?;
    let given = desk.give(act(operator.by.as_deref(), Some(why))?, |_, _| Ok(Order::Freeze)).await?;
    say_given(&given, &Obeyed::NotAsked, operator.json)?;
    Ok(Exit::Done)
}

pub async fn unfreeze(arguments: &UnfreezeArguments) -> Result<Exit, Failure> {
    let UnfreezeArguments { why, operator } = arguments;
    let desk = Desk::open(operator).await?;
    let given = desk.give(act(operator.by.as_deref(), why.as_deref())?, |_, _| Ok(Order::Unfreeze)).await?;
    say_given(&given, &Obeyed::NotAsked, operator.json)?;
    Ok(Exit::Done)
}

/// What is known of a leader's obedience.
pub enum Obeyed {
    /// Nobody waited for it.
    NotAsked,
    NotYet,
    By(Box<Head>),
}

async fn given_and_obeyed(
    operator: &OperatorArguments,
    why: Option<&str>,
    wait: u64,
    order: impl Fn(&Heads, &Asked) -> Result<Order, Failure>,
) -> Result<Exit, Failure> {
    let act = act(operator.by.as_deref(), why)?;
    let desk = Desk::open(operator).await?;
    let given = desk.give(act, order).await?;
    let obeyed = match wait {
        0 => Obeyed::NotAsked,
        seconds => match desk.obeyed(given.orders.number, Duration::from_secs(seconds)).await {
            Some(head) => Obeyed::By(Box::new(head)),
            None => Obeyed::NotYet,
        },
    };
    say_given(&given, &obeyed, operator.json)?;
    match obeyed {
        Obeyed::NotAsked => Ok(Exit::Done),
        Obeyed::By(head) => shows(&given, &head),
        Obeyed::NotYet => {
            let frozen = given.orders.freeze.as_ref().filter(|_| !given.orders.restores.is_empty());
            let why = match frozen {
                Some(freeze) => format!("what is to be restored waits until exports are unfrozen, which {} froze", freeze.by),
                None => format!("no exporter leads in {}, or it cannot read them", given.storage),
            };
            warn(&format!("the orders stand, and no leader has obeyed them within {wait} s: {why}; the next leader will"));
            Ok(Exit::NotObeyed)
        }
    }
}

/// A leader passes over a pin that it cannot carry out, and says so in its own journal.
fn shows(given: &Given, head: &Head) -> Result<Exit, Failure> {
    let unpinned = given.orders.pins.iter().find(|(version, pin)| {
        // A later order may have moved it on.
        head.orders == given.orders.number && head.view(version).is_none_or(|view| view.pinned != Some(pin.position))
    });
    match unpinned {
        None => Ok(Exit::Done),
        Some((version, pin)) => Err(Failure::new(
            Exit::Invalid,
            format!("'{}' could not pin generation {} for {version}; `holdover why` there says why", head.writer, pin.position),
        )),
    }
}

/// A generation by its number may be of any version, unless one was said.
fn meant(which: Which, heads: &Heads, asked: &Asked) -> Result<(GatewayVersion, Position), Failure> {
    let head = &heads.leading.head;
    if let Which::At(position) = which
        && let Some(version) = &asked.only_version
    {
        return Ok((version.clone(), position));
    }
    heads.pick(which, asked).map(|picked| (picked.version.clone(), picked.entry.position())).map_err(|failure| {
        let versions = head.views.iter().filter(|(version, _)| asked.only_version.as_ref().is_none_or(|only| only == *version));
        let there: Vec<String> = versions.map(|(version, view)| format!("for {version} {}", listed(Some(view)))).collect();
        let there = if there.is_empty() { String::new() } else { format!("; the head lists {}", there.join(", and ")) };
        Failure { sentence: format!("{}{there}", failure.sentence), ..failure }
    })
}

/// One line of audit, and what came of it.
pub fn say_given(given: &Given, obeyed: &Obeyed, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return say_json(&document(given, obeyed));
    }
    say([legible(&audit_line(given))]);
    match obeyed {
        Obeyed::NotAsked | Obeyed::NotYet => {}
        Obeyed::By(head) => {
            let newest = head.position();
            say([legible(&format!("obeyed by '{}' (epoch {}), whose newest generation is {newest}", head.writer, head.epoch.0))]);
        }
    }
    Ok(())
}

fn audit_line(given: &Given) -> String {
    let Given { what, act, .. } = given;
    super::audit::line(what, act)
}

fn document(given: &Given, obeyed: &Obeyed) -> Value {
    let Given { orders, what, act, storage, signer } = given;
    let obeyed = match obeyed {
        Obeyed::NotAsked => Value::Null,
        Obeyed::NotYet => json!(false),
        Obeyed::By(head) => json!({"by": head.writer, "epoch": head.epoch, "newest": head.position().to_string()}),
    };
    json!({
        "what": what, "by": act.by, "at": rfc3339(act.at), "at_unix_ms": act.at, "why": act.why, "number": orders.number,
        "storage": storage, "signer": signer, "obeyed": obeyed,
    })
}
