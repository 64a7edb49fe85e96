//! Decides when the control plane is given up, and what its answers mean (boot-02).
//!
//! *Unreachable* is no configuration in time: the ladder may be climbed. *Refused* is a word against this very node: it keeps to
//! its own cache. The attempt itself never stops: [`dial`] goes on beside the ladder until it is delivered to.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use super::backoff;
use super::capabilities::{Answer, Clock, ControlPlane, Events, Random, Unanswered};
use super::events::{Event, Name, Why};
use super::facts::{OnRefusal, Origin, Standing};

/// When every address refuses, the second try comes this soon, and its refusal gives the control plane up.
const SECOND_TRY: Duration = Duration::from_millis(50);
/// Between attempts while the control plane still has time to answer.
const PAUSE: Duration = Duration::from_millis(500);
const REFUSALS_TO_GIVE_UP: u32 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    Unreachable,
    Refused,
}

/// Silence and a veto look alike, so silence counts as unreachable.
pub fn meaning(answer: Answer) -> Meaning {
    match answer {
        Answer::NameNotResolved
        | Answer::ConnectionRefused
        | Answer::ConnectionReset
        | Answer::TimedOut
        | Answer::TheirCertificate
        | Answer::ClosedAfterTls
        | Answer::ServerError
        | Answer::Silent
        | Answer::NotConfigured
        | Answer::Unexpected => Meaning::Unreachable,
        Answer::BadRequest
        | Answer::Unauthorised
        | Answer::Forbidden
        | Answer::UpgradeRequired
        | Answer::ClosedAfterIntroduction
        | Answer::OurCertificate => Meaning::Refused,
    }
}

/// What whoever stands in for a control plane does with gateways that come to it, and what a health check of the control plane says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StandIn {
    /// They are left to the control plane: it answers, or there is nothing to serve in its place.
    StepsAside,
    /// They are kept waiting: it is not known yet whether the control plane answers.
    Waits,
    /// The control plane is away, and what was last applied is served in its place.
    Serves,
}

/// What is known of the control plane, by its open session or by the last attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A session is open.
    Answers,
    /// No session is open, and nothing was heard.
    Silent,
    /// It said a word against this very node. It may well take others.
    Refuses,
}

impl Found {
    pub fn by(answer: Answer) -> Self {
        match meaning(answer) {
            Meaning::Unreachable => Self::Silent,
            Meaning::Refused => Self::Refuses,
        }
    }
}

/// Gateways are held back from their control plane only for the sake of something better, and kept waiting only until it is late.
pub fn stand_in(found: Found, on_refusal: OnRefusal, standing: Option<&Standing>, late: bool) -> StandIn {
    match (found, on_refusal) {
        (Found::Answers, _) | (Found::Refuses, OnRefusal::Wait) => return StandIn::StepsAside,
        (Found::Refuses, OnRefusal::Fallback) | (Found::Silent, _) => {}
    }
    match standing {
        None if late => StandIn::StepsAside,
        None => StandIn::Waits,
        Some(Standing::Serving(_)) => StandIn::Serves,
        Some(Standing::Stranded(_) | Standing::Refused(_)) => StandIn::StepsAside,
    }
}

/// What becomes of the requests of a gateway that has routes of its own, made by its control plane, and beside them a node with a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requests {
    /// They are kept waiting.
    Wait,
    /// They are left to the gateway's own routes.
    Left,
    /// They are routed by what was last applied.
    Routed,
    /// Nobody knows where to.
    Unserved,
}

/// As [`stand_in`], for requests: nobody else would take them, so that what works goes on, and silence leaves them to no routes that nobody made.
pub fn requests(found: Found, on_refusal: OnRefusal, standing: Option<&Standing>, late: bool) -> Requests {
    let heard = match (found, standing) {
        // It delivered, and it is not known yet what.
        (Found::Answers, None) => Found::Silent,
        // What it delivered does not run (it cannot, or it is held back), and what does run is better than routes made of that. Once its
        // configuration has run, the gateway's own routes are as it wants them, whatever it delivers next.
        (Found::Answers, Some(Standing::Serving(serving))) if serving.origin != Origin::ControlPlane => Found::Silent,
        // A word against this node is none about its requests.
        (Found::Refuses, Some(Standing::Serving(_))) => Found::Silent,
        (Found::Answers | Found::Refuses | Found::Silent, _) => found,
    };
    match stand_in(heard, on_refusal, standing, late) {
        StandIn::Waits => Requests::Wait,
        StandIn::Serves => Requests::Routed,
        StandIn::StepsAside if heard == Found::Silent => Requests::Unserved,
        StandIn::StepsAside => Requests::Left,
    }
}

impl Answer {
    /// A stable word for events.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NameNotResolved => "name-not-resolved",
            Self::ConnectionRefused => "connection-refused",
            Self::ConnectionReset => "connection-reset",
            Self::TimedOut => "timed-out",
            Self::TheirCertificate => "their-certificate",
            Self::ClosedAfterTls => "closed-after-tls",
            Self::ServerError => "server-error",
            Self::Silent => "silent",
            Self::NotConfigured => "not-configured",
            Self::BadRequest => "bad-request",
            Self::Unauthorised => "unauthorised",
            Self::Forbidden => "forbidden",
            Self::UpgradeRequired => "upgrade-required",
            Self::ClosedAfterIntroduction => "closed-after-introduction",
            Self::OurCertificate => "our-certificate",
            Self::Unexpected => "unexpected",
        }
    }
}

/// What the dialling so far has shown. Written by [`dial`], read by whoever waits beside it in the same task.
#[derive(Debug, Default)]
pub struct Board {
    last: RefCell<Option<Unanswered>>,
    refusals_in_a_row: Cell<u32>,
    given_up: Cell<bool>,
}

impl Board {
    /// Every address refused, twice in a row: waiting longer would not help.
    pub fn hopeless(&self) -> bool {
        self.refusals_in_a_row.get() >= REFUSALS_TO_GIVE_UP
    }

    pub fn give_up(&self) {
        self.given_up.set(true);
    }

    pub fn last(&self) -> Option<Unanswered> {
        self.last.borrow().clone()
    }

    fn note(&self, unanswered: &Unanswered) {
        let refusals = if unanswered.answer == Answer::ConnectionRefused { self.refusals_in_a_row.get() + 1 } else { 0 };
        self.refusals_in_a_row.set(refusals);
        *self.last.borrow_mut() = Some(unanswered.clone());
    }

    fn pause(&self, random: u64) -> (Duration, Why) {
        match (self.given_up.get(), self.refusals_in_a_row.get()) {
            (true, _) => (backoff::redial(random), Why::Redial),
            (false, 1) => (SECOND_TRY, Why::SecondTry),
            (false, _) => (PAUSE, Why::Redial),
        }
    }
}

/// What ends the dialling.
pub enum Dialled<C> {
    Delivered(C),
    Refused(Unanswered),
}

/// Dials until the control plane delivers or refuses this node.
pub async fn dial<C>(caps: &C, patience: Duration, board: &Board) -> Dialled<C::Config>
where
    C: ControlPlane + Clock + Random + Events,
{
    loop {
        let unanswered = match caps.attempt(patience).await {
            Ok(config) => return Dialled::Delivered(config),
            Err(unanswered) => unanswered,
        };
        caps.emit(tried(&unanswered));
        board.note(&unanswered);
        match meaning(unanswered.answer) {
            Meaning::Refused => return Dialled::Refused(unanswered),
            Meaning::Unreachable => {
                let (pause, why) = board.pause(caps.random());
                caps.sleep(pause, why).await;
            }
        }
    }
}

pub fn tried(unanswered: &Unanswered) -> Event {
    Event::warning(Name::ControlPlaneTried, unanswered.detail.clone()).with("answer", unanswered.answer.reason())
}

/// The sentence for a control plane that was given up.
pub fn given_up(last: Option<Unanswered>, patience: Duration) -> Event {
    let seconds = patience.as_secs_f32();
    let (answer, sentence) = match last {
        Some(Unanswered { answer: answer @ (Answer::Silent | Answer::NotConfigured), detail }) => (
            answer.reason(),
            format!(
                "The control plane is given up: {detail}. It may be failing, or refuse this node without saying so: look at its log for this node."
            ),
        ),
        Some(Unanswered { answer, detail }) => (answer.reason(), format!("The control plane is given up: {detail}.")),
        None => (Answer::TimedOut.reason(), format!("The control plane is given up: no configuration within {seconds} s.")),
    };
    Event::warning(Name::ControlPlaneGivenUp, sentence).with("answer", answer)
}

#[cfg(test)]
mod tests {
    use super::super::facts::Serving;
    use super::*;
    use crate::model::Digest;

    #[test]
    fn a_gateway_is_held_back_from_its_control_plane_only_for_something_better() {
        let serving = Serving { digest: Digest::of(b"one"), sameness: String::new(), origin: Origin::Storage, position: None };
        let standings = [
            (None, StandIn::Waits),
            (Some(Standing::Serving(serving)), StandIn::Serves),
            (Some(Standing::Stranded("no rung held".to_owned())), StandIn::StepsAside),
            (Some(Standing::Refused("forbidden".to_owned())), StandIn::StepsAside),
        ];
        for (standing, away) in standings {
            let judged = |found, on_refusal| stand_in(found, on_refusal, standing.as_ref(), false);
            assert_eq!(judged(Found::Silent, OnRefusal::Wait), away, "{standing:?}");
            assert_eq!(judged(Found::Refuses, OnRefusal::Fallback), away, "{standing:?}");
            assert_eq!(judged(Found::Refuses, OnRefusal::Wait), StandIn::StepsAside, "it may take others: {standing:?}");
            assert_eq!(judged(Found::Answers, OnRefusal::Fallback), StandIn::StepsAside, "{standing:?}");
        }
        assert_eq!(stand_in(Found::Silent, OnRefusal::Wait, None, true), StandIn::StepsAside, "nobody waits for ever");
    }

    #[test]
    fn a_request_is_left_to_its_gateway_only_by_a_control_plane_that_was_heard() {
        let serving = |origin| Serving { digest: Digest::of(b"one"), sameness: String::new(), origin, position: None };
        let stranded = Standing::Stranded("no rung held".to_owned());
        let (storage, control_plane) = (Standing::Serving(serving(Origin::Storage)), Standing::Serving(serving(Origin::ControlPlane)));
        // Of each standing: silent, answers, refuses.
        let expected = [
            (None, [Requests::Wait, Requests::Wait, Requests::Left]),
            (Some(stranded), [Requests::Unserved, Requests::Left, Requests::Left]),
            (Some(storage), [Requests::Routed, Requests::Routed, Requests::Routed]),
            (Some(control_plane), [Requests::Routed, Requests::Left, Requests::Routed]),
        ];
        for (standing, expected) in expected {
            let judged = |found| requests(found, OnRefusal::Wait, standing.as_ref(), false);
            assert_eq!([Found::Silent, Found::Answers, Found::Refuses].map(judged), expected, "{standing:?}");
        }
        assert_eq!(requests(Found::Silent, OnRefusal::Wait, None, true), Requests::Unserved, "nobody waits for ever");
    }
}
