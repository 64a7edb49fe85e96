//! One control plane session at a time per process, as the real host keeps it: whoever asks joins, whoever stops waiting cancels
//! nothing, and of what was delivered the newest waits for the importer and for the exporter.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use holdover_plugin::policy::capabilities::Unanswered;

use super::documents::Said;
use super::executor::{Answer, Bell};

pub type Attempted = Result<Said, Unanswered>;

#[derive(Default)]
pub struct Session {
    pub stage: RefCell<Stage>,
    /// Of the session that delivered last, from 1.
    pub number: Cell<u64>,
    /// For the importer: what no attempt brought.
    inbox: RefCell<Inbox>,
    pub inbox_bell: Bell,
    /// For the exporter: every delivery, the newest only.
    newest: RefCell<Option<Said>>,
    /// The session that it came in.
    newest_session: Cell<u64>,
    pub newest_bell: Bell,
    /// For the exporter: the process is to stop.
    pub leave_bell: Bell,
    /// Tells what was meant for an earlier session.
    token: Cell<u64>,
    delivered: Cell<u64>,
}

#[derive(Default)]
pub enum Stage {
    #[default]
    Closed,
    Dialling {
        waiting: Vec<Answer<Attempted>>,
        began: Duration,
        /// It takes the place of an open session: its failure is a loss.
        refreshes: bool,
    },
    Open {
        latest: Said,
        began: Duration,
    },
}

#[derive(Default)]
struct Inbox {
    delivered: Option<Said>,
    lost: bool,
}

pub enum News {
    Delivered(Said),
    Lost,
}

impl Session {
    pub fn is_open(&self) -> bool {
        matches!(*self.stage.borrow(), Stage::Open { .. })
    }

    /// Sessions of an earlier process are counted on from.
    pub fn count_on_from(&self, session: u64) {
        self.number.set(self.number.get().max(session));
    }

    pub fn is_dialling(&self) -> bool {
        matches!(*self.stage.borrow(), Stage::Dialling { .. })
    }

    pub fn latest(&self) -> Option<Said> {
        match &*self.stage.borrow() {
            Stage::Open { latest, .. } => Some(*latest),
            Stage::Closed | Stage::Dialling { .. } => None,
        }
    }

    /// When the session in hand was dialled.
    pub fn began(&self) -> Option<Duration> {
        match &*self.stage.borrow() {
            Stage::Open { began, .. } | Stage::Dialling { began, .. } => Some(*began),
            Stage::Closed => None,
        }
    }

    pub fn token(&self) -> u64 {
        self.token.get()
    }

    /// A dial begins; what is still under way for an earlier session means nothing any more.
    pub fn begin(&self, at: Duration, waiting: Vec<Answer<Attempted>>, refreshes: bool) -> u64 {
        *self.stage.borrow_mut() = Stage::Dialling { waiting, began: at, refreshes };
        self.token.set(self.token.get() + 1);
        self.token.get()
    }

    /// The control plane delivered, first or again.
    pub fn deliver(&self, said: Said) {
        let stage = self.stage.take();
        let (began, waiting) = match stage {
            Stage::Closed => return,
            Stage::Dialling { waiting, began, .. } => {
                self.number.set(self.number.get() + 1);
                (began, waiting)
            }
            Stage::Open { began, .. } => (began, Vec::new()),
        };
        *self.stage.borrow_mut() = Stage::Open { latest: said, began };
        self.delivered.set(self.delivered.get() + 1);
        *self.newest.borrow_mut() = Some(said);
        self.newest_session.set(self.number.get());
        let mut taken = false;
        for caller in waiting.into_iter().filter(Answer::is_awaited) {
            caller.give(Ok(said));
            taken = true;
        }
        match taken {
            true => *self.inbox.borrow_mut() = Inbox::default(),
            false => self.put_delivered(said),
        }
        self.newest_bell.ring();
    }

    /// The first of a session, which nobody read: whatever is there came after it.
    pub fn put_back(&self, said: Said) {
        self.inbox.borrow_mut().delivered.get_or_insert(said);
        self.inbox_bell.ring();
    }

    /// Of an attempt whose caller stopped waiting, or of an open session.
    fn put_delivered(&self, said: Said) {
        *self.inbox.borrow_mut() = Inbox { delivered: Some(said), lost: false };
        self.inbox_bell.ring();
    }

    /// The dial came to nothing.
    pub fn fail(&self, unanswered: &Unanswered) {
        if let Stage::Dialling { waiting, refreshes, .. } = self.stage.take() {
            for caller in waiting {
                caller.give(Err(unanswered.clone()));
            }
            if refreshes {
                self.inbox.borrow_mut().lost = true;
                self.inbox_bell.ring();
            }
        }
        self.token.set(self.token.get() + 1);
    }

    /// An open session ends.
    pub fn lose(&self) {
        if self.is_open() {
            *self.stage.borrow_mut() = Stage::Closed;
            self.token.set(self.token.get() + 1);
            self.inbox.borrow_mut().lost = true;
            self.inbox_bell.ring();
        }
    }

    pub fn news(&self) -> Option<News> {
        let mut inbox = self.inbox.borrow_mut();
        if let Some(said) = inbox.delivered.take() {
            return Some(News::Delivered(said));
        }
        std::mem::take(&mut inbox.lost).then_some(News::Lost)
    }

    pub fn newest_session(&self) -> u64 {
        self.newest_session.get()
    }

    /// The exporter's: the newest delivery, and how many there were.
    pub fn newest(&self) -> (Option<Said>, u64) {
        (*self.newest.borrow(), self.delivered.get())
    }
}
