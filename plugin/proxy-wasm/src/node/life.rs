//! The node's life: an episode begins it, and whatever happens next calls for another.
//!
//! ```text
//! boot ─► outcome ─┬─ something is due ───────────────► tick ─────┐
//!    ▲             ├─ the session brought other bytes ─► received ─┤
//!    └── state ────┴─ the session is lost ─────────────► tick ─────┘
//! ```
//! An outcome may ask for a session that begins anew: what it brings first is delivered, whether it is other bytes or not.
//! The session is an HTTP address that is asked again and again. Decides nothing; knows no rule.

use std::convert::Infallible;
use std::future::pending;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{Either, select};
use holdover_plugin::policy::capabilities::{Clock, ControlPlane};
use holdover_plugin::policy::events::Why;
use holdover_plugin::policy::state::State;
use holdover_plugin::policy::{Facts, Settings, Standing, boot};

use super::telling::Known;
use super::world::{Config, Polled, World};
use crate::vm;

const POLL_INTERVAL: Duration = Duration::from_secs(5);
/// One hiccup loses no session.
const FAILURES_IN_A_ROW_MAX: u32 = 3;

/// What the session with the control plane brings next.
enum Session {
    Delivered(Config),
    Lost,
}

pub async fn live(world: World, settings: Settings, known: Rc<Known>) -> Infallible {
    let mut facts = Facts::beginning(settings, vm::random());
    let patience = facts.settings.give_up;
    let mut outcome = boot::boot(&world, &facts).await;
    let mut session = None;
    loop {
        known.stands(outcome.standing.clone());
        facts.serving = match outcome.standing {
            Standing::Serving(serving) => Some(serving),
            Standing::Stranded(_) | Standing::Refused(_) => None,
        };
        let state = State::read(&outcome.state, facts.process);
        let news = if outcome.refresh {
            session = None;
            world.begin_anew();
            world.attempt(patience).await.ok()
        } else {
            // What is due interrupts no session: an answer that is on its way is awaited on, and failures in a row stay in a row.
            let asked = session.take().unwrap_or_else(|| asked_on(&world, patience));
            match select(asked, pin!(due(&world, outcome.wake_after))).await {
                Either::Left((Session::Delivered(config), _)) => Some(config),
                Either::Left((Session::Lost, _)) => None,
                Either::Right(((), asked)) => {
                    session = Some(asked).filter(|_| world.is_connected());
                    None
                }
            }
        };
        facts.connected = world.is_connected();
        facts.session = world.sessions();
        outcome = match news {
            Some(config) => boot::received(&world, &facts, state, config).await,
            None => boot::tick(&world, &facts, state).await,
        };
    }
}

/// Until the session delivers other bytes, or is lost. Never, without one.
fn asked_on(world: &World, patience: Duration) -> Pin<Box<dyn Future<Output = Session> + '_>> {
    match world.is_connected() {
        true => Box::pin(asked_again(world, patience)),
        false => Box::pin(pending()),
    }
}

async fn asked_again(world: &World, patience: Duration) -> Session {
    let mut failures_in_a_row = 0;
    loop {
        world.sleep(POLL_INTERVAL, Why::Redial).await;
        match world.poll(patience).await {
            Ok(Polled::Same) => failures_in_a_row = 0,
            Ok(Polled::Other(config)) => return Session::Delivered(config),
            Err(_) => failures_in_a_row += 1,
        }
        if failures_in_a_row == FAILURES_IN_A_ROW_MAX {
            world.lost();
            return Session::Lost;
        }
    }
}

async fn due(world: &World, wake_after: Option<Duration>) {
    match wake_after {
        Some(wait) => world.sleep(wait, Why::Redial).await,
        None => pending().await,
    }
}
