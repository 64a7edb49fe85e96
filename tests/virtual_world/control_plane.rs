//! A control plane that behaves as a test says, attempt by attempt, and whose sessions are lost when the test says so.
//!
//! An attempt that its caller stopped waiting for goes on, and whoever asks meanwhile joins it; a configuration that nobody waited
//! for becomes news. That is what the port promises, and the policy counts on it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use holdover_ports::{Answer, Config, ControlPlane, Unanswered};
use tokio::time::Instant;

use super::{Act, Trace};

/// What one attempt meets.
#[derive(Clone, Debug)]
pub enum Behaviour {
    Delivers {
        after: Duration,
        document: Vec<u8>,
    },
    Answers {
        after: Duration,
        answer: Answer,
    },
    /// Neither a word nor an end: the caller's patience ends it.
    Hangs,
}

/// What happened at a session while no attempt waited.
#[derive(Clone, Debug)]
pub enum News {
    Delivered(Config),
    Lost,
}

pub struct VirtualControlPlane {
    stage: Mutex<Stage>,
    trace: Arc<Trace>,
}

struct Stage {
    script: VecDeque<Behaviour>,
    afterwards: Behaviour,
    underway: Option<Underway>,
    open: Option<Config>,
    /// How many there were, this one included.
    sessions: u64,
    /// The attempt under way is nobody's but the node's: what becomes of it is news, either way.
    refreshing: bool,
    news: VecDeque<News>,
}

#[derive(Clone)]
struct Underway {
    due: Instant,
    ending: Result<Config, Answer>,
}

impl Behaviour {
    pub fn delivers(document: &[u8]) -> Self {
        Self::Delivers { after: Duration::ZERO, document: document.to_vec() }
    }

    pub fn answers(answer: Answer) -> Self {
        Self::Answers { after: Duration::ZERO, answer }
    }
}

impl VirtualControlPlane {
    /// Refuses every connection until told otherwise.
    pub(super) fn new(trace: Arc<Trace>) -> Self {
        let afterwards = Behaviour::answers(Answer::ConnectionRefused);
        let stage = Stage {
            script: VecDeque::new(),
            afterwards,
            underway: None,
            open: None,
            sessions: 0,
            refreshing: false,
            news: VecDeque::new(),
        };
        Self { stage: Mutex::new(stage), trace }
    }

    /// From the next attempt on.
    pub fn behaves(&self, behaviour: Behaviour) {
        let mut stage = self.stage();
        stage.script.clear();
        stage.afterwards = behaviour;
    }

    /// The next attempts meet these, one each; the last one stays.
    pub fn behaves_in_turn(&self, turns: impl IntoIterator<Item = Behaviour>) {
        let mut stage = self.stage();
        stage.script = turns.into_iter().collect();
        stage.afterwards = stage.script.back().cloned().expect("at least one turn");
    }

    /// The open session sends another configuration.
    pub fn sends(&self, document: &[u8]) {
        let config = Config::delivered(Bytes::copy_from_slice(document));
        let mut stage = self.stage();
        assert!(stage.open.is_some(), "there is no session to send on");
        stage.open = Some(config.clone());
        stage.news.push_back(News::Delivered(config));
    }

    /// The open session ends; attempts meet `behaviour` from then on.
    pub fn loses_session(&self, behaviour: Behaviour) {
        self.behaves(behaviour);
        let mut stage = self.stage();
        assert!(stage.open.take().is_some(), "there is no session to lose");
        stage.news.push_back(News::Lost);
    }

    /// The process at our end is gone, and every session with it.
    pub fn forgets_the_node(&self) {
        let mut stage = self.stage();
        stage.open = None;
        stage.sessions = 0;
        stage.refreshing = false;
        stage.underway = None;
        stage.news.clear();
    }

    /// The node ends the session and dials anew, as an outcome asked for.
    pub fn refreshes(&self, patience: Duration) {
        let mut stage = self.stage();
        if stage.open.take().is_some() {
            self.trace.note(Act::Refreshed);
            stage.join(patience);
            stage.refreshing = true;
        }
    }

    pub fn connected(&self) -> bool {
        self.stage().open.is_some()
    }

    /// The number of the session that delivered last.
    pub fn session(&self) -> u64 {
        self.stage().sessions
    }

    /// When there will be news, as far as is known.
    pub fn news_due(&self) -> Option<Instant> {
        let stage = self.stage();
        if stage.news.is_empty() { stage.underway.as_ref().map(|underway| underway.due) } else { Some(Instant::now()) }
    }

    pub fn news(&self) -> Option<News> {
        let mut stage = self.stage();
        let refreshing = stage.refreshing;
        match self.land(&mut stage) {
            Some(Ok(config)) => stage.news.push_back(News::Delivered(config)),
            Some(Err(_)) if refreshing => stage.news.push_back(News::Lost),
            Some(Err(_)) | None => {}
        }
        stage.news.pop_front()
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap()
    }

    /// Ends the attempt under way, if it is time.
    fn land(&self, stage: &mut Stage) -> Option<Result<Config, Answer>> {
        let ending = stage.underway.take_if(|underway| underway.due <= Instant::now())?.ending;
        stage.refreshing = false;
        match &ending {
            Ok(config) => {
                stage.open = Some(config.clone());
                stage.sessions += 1;
                self.trace.note(Act::Delivered(config.digest()));
            }
            Err(answer) => self.trace.note(Act::Unanswered(*answer)),
        }
        Some(ending)
    }
}

impl Stage {
    /// When the attempt under way ends; begins one if there is none.
    fn join(&mut self, patience: Duration) -> Instant {
        if let Some(underway) = &self.underway {
            return underway.due;
        }
        let (after, ending) = match self.script.pop_front().unwrap_or_else(|| self.afterwards.clone()) {
            Behaviour::Delivers { after, document } => (after, Ok(Config::delivered(Bytes::from(document)))),
            Behaviour::Answers { after, answer } => (after, Err(answer)),
            Behaviour::Hangs => (patience, Err(Answer::TimedOut)),
        };
        let (after, ending) = if after > patience { (patience, Err(Answer::TimedOut)) } else { (after, ending) };
        let due = Instant::now() + after;
        self.underway = Some(Underway { due, ending });
        due
    }
}

#[async_trait]
impl ControlPlane for VirtualControlPlane {
    async fn attempt(&self, patience: Duration) -> Result<Config, Unanswered> {
        self.trace.note(Act::Attempt);
        let due = {
            let mut stage = self.stage();
            match &stage.open {
                Some(config) => return Ok(config.clone()),
                None => stage.join(patience),
            }
        };
        let unanswered = |answer| Unanswered { answer, detail: format!("holdover_control_plane = virtual: it met {answer:?}") };
        if tokio::time::timeout(patience, tokio::time::sleep_until(due)).await.is_err() {
            return Err(unanswered(Answer::TimedOut));
        }
        let mut stage = self.stage();
        match self.land(&mut stage) {
            Some(ending) => ending.map_err(unanswered),
            None => stage.open.clone().ok_or_else(|| unanswered(Answer::ConnectionReset)),
        }
    }
}
