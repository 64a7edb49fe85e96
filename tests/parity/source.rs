//! Where a node's answers come from: a scripted world while a trace is recorded, the trace itself while it is played back.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;

use crate::trace::{Act, Got, Heard, Step, Trace};

/// What a capability answers, and how long after it was asked.
#[derive(Clone, Debug)]
pub struct Reply<T> {
    /// `None`: never.
    pub after: Option<Duration>,
    pub what: T,
}

pub trait Source: Send + Sync {
    fn heard(&self, at: Duration, patience: Duration) -> Reply<Heard>;
    fn got(&self, at: Duration, key: &str) -> Reply<Got>;
    fn takes(&self, config: &[u8]) -> bool;
    fn number(&self) -> u64;
    fn body(&self, name: &str) -> Bytes;
}

/// The answers of a trace, each kind in its own order.
pub struct Recorded {
    trace: Trace,
    heard: Mutex<VecDeque<Reply<Heard>>>,
    got: Mutex<VecDeque<Reply<Got>>>,
    taken: Mutex<VecDeque<bool>>,
    numbers: Mutex<VecDeque<u64>>,
}

impl Recorded {
    pub fn of(trace: &Trace) -> Self {
        let taken = |step: &Step| if let Act::Applied(taken) = step.act { Some(taken) } else { None };
        let number = |step: &Step| if let Act::Draws(number) = step.act { Some(number) } else { None };
        Self {
            trace: trace.clone(),
            heard: Mutex::new(replies(
                &trace.steps,
                |act| matches!(act, Act::Asks),
                |act| if let Act::Heard(heard) = act { Some(heard.clone()) } else { None },
                Heard::Answer("silent".into()),
            )),
            got: Mutex::new(replies(
                &trace.steps,
                |act| matches!(act, Act::Gets(_)),
                |act| if let Act::Got(got) = act { Some(got.clone()) } else { None },
                Got::Failure("unreachable".into()),
            )),
            taken: Mutex::new(trace.steps.iter().filter_map(taken).collect()),
            numbers: Mutex::new(trace.steps.iter().filter_map(number).collect()),
        }
    }
}

impl Source for Recorded {
    fn heard(&self, _: Duration, _: Duration) -> Reply<Heard> {
        // More is asked than was recorded: that shows in what is compared.
        self.heard.lock().unwrap().pop_front().unwrap_or(Reply { after: None, what: Heard::Answer("silent".into()) })
    }

    fn got(&self, _: Duration, _: &str) -> Reply<Got> {
        self.got.lock().unwrap().pop_front().unwrap_or(Reply { after: None, what: Got::Failure("unreachable".into()) })
    }

    fn takes(&self, _: &[u8]) -> bool {
        self.taken.lock().unwrap().pop_front().unwrap_or_default()
    }

    fn number(&self) -> u64 {
        self.numbers.lock().unwrap().pop_front().unwrap_or_default()
    }

    fn body(&self, name: &str) -> Bytes {
        Bytes::from(self.trace.body(name))
    }
}

/// Of one capability: what was asked last is what is answered. What was never answered never is.
fn replies<T: Clone>(steps: &[Step], asks: impl Fn(&Act) -> bool, answer: impl Fn(&Act) -> Option<T>, none: T) -> VecDeque<Reply<T>> {
    let mut replies: VecDeque<(u64, Reply<T>)> = VecDeque::new();
    for step in steps {
        if asks(&step.act) {
            replies.push_back((step.at_ms, Reply { after: None, what: none.clone() }));
        } else if let Some(what) = answer(&step.act)
            && let Some((asked_ms, reply)) = replies.back_mut()
        {
            *reply = Reply { after: Some(Duration::from_millis(step.at_ms - *asked_ms)), what };
        }
    }
    replies.into_iter().map(|(_, reply)| reply).collect()
}
