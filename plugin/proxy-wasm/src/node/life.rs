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
use std::pin::pin;
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
    let mut facts = Facts { settings, serving: None, connected: false, stopping: false, process: vm::random(), session: 0 };
    let mut outcome = boot::boot(&world, &facts).await;
    loop {
        known.stands(outcome.standing.clone());
        facts.serving = match outcome.standing {
            Standing::Serving(serving) => Some(serving),
            Standing::Stranded(_) | Standing::Refused(_) => None,
        };
        let state = State::read(&outcome.state, facts.process);
        let news = news(&world, facts.settings.give_up, outcome.refresh, outcome.wake_after).await;
        facts.connected = world.is_connected();
        facts.session = world.sessions();
        outcome = match news {
            Some(config) => boot::received(&world, &facts, state, config).await,
            None => boot::tick(&world, &facts, state).await,
        };
    }
}

/// Until the session delivers. `None`: it is lost, or something is due.
async fn news(world: &World, patience: Duration, refresh: bool, wake_after: Option<Duration>) -> Option<Config> {
    if refresh {
        world.begin_anew();
        return world.attempt(patience).await.ok();
    }
    match select(pin!(session(world, patience)), pin!(due(world, wake_after))).await {
        Either::Left((Session::Delivered(config), _)) => Some(config),
        Either::Left((Session::Lost, _)) | Either::Right(((), _)) => None,
    }
}

async fn session(world: &World, patience: Duration) -> Session {
    if !world.is_connected() {
        return pending().await;
    }
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
