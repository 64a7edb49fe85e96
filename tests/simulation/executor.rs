//! Tasks on one thread in virtual time. Nothing runs by itself: a step is one poll of one task or one act that was due, and where
//! several could be next, the seed chooses.
//!
//! A task belongs to a process. A process can be killed (its tasks are dropped where they stand) and frozen (they stand still, and
//! what they wait for happens meanwhile). Knows no node and no policy.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, BinaryHeap};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use super::chance::Chance;

/// Whose task it is: one number per life of a process.
pub type Process = u32;

type Job = Pin<Box<dyn Future<Output = ()>>>;

pub struct Executor {
    /// In microseconds since the world began.
    now: Cell<u64>,
    timers: RefCell<BinaryHeap<Timer>>,
    timers_set: Cell<u64>,
    tasks: RefCell<Vec<Task>>,
    ready: Arc<Ready>,
    frozen: RefCell<BTreeSet<Process>>,
    /// Woken while their process was frozen.
    stalled: RefCell<Vec<usize>>,
    chance: RefCell<Chance>,
    steps: Cell<u64>,
}

struct Task {
    process: Process,
    /// `None` while it is polled, and once it is over.
    job: Option<Job>,
    waker: Arc<Woken>,
    dead: bool,
}

struct Timer {
    at: u64,
    nth: u64,
    due: Due,
}

enum Due {
    Wake(Waker),
    Act(Box<dyn FnOnce()>),
}

#[derive(Default)]
struct Ready(Mutex<Vec<usize>>);

struct Woken {
    task: usize,
    queued: AtomicBool,
    ready: Arc<Ready>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            self.ready.0.lock().unwrap_or_else(PoisonError::into_inner).push(self.task);
        }
    }
}

impl Executor {
    pub fn new(chance: Chance) -> Self {
        Self {
            now: Cell::new(0),
            timers: RefCell::default(),
            timers_set: Cell::new(0),
            tasks: RefCell::default(),
            ready: Arc::default(),
            frozen: RefCell::default(),
            stalled: RefCell::default(),
            chance: RefCell::new(chance),
            steps: Cell::new(0),
        }
    }

    pub fn now(&self) -> Duration {
        Duration::from_micros(self.now.get())
    }

    pub fn steps(&self) -> u64 {
        self.steps.get()
    }

    pub fn spawn(&self, process: Process, job: impl Future<Output = ()> + 'static) {
        let mut tasks = self.tasks.borrow_mut();
        let waker = Arc::new(Woken { task: tasks.len(), queued: AtomicBool::new(false), ready: self.ready.clone() });
        waker.clone().wake();
        tasks.push(Task { process, job: Some(Box::pin(job)), waker, dead: false });
    }

    /// Carries something out after a while, whatever becomes of who asked for it.
    pub fn after(&self, delay: Duration, act: impl FnOnce() + 'static) {
        self.set(self.now() + delay, Due::Act(Box::new(act)));
    }

    pub fn sleep(self: &Rc<Self>, delay: Duration) -> impl Future<Output = ()> + use<> {
        let executor = self.clone();
        // In whole microseconds, as time passes here.
        let at = executor.now() + Duration::from_micros(delay.as_nanos().div_ceil(1000) as u64);
        let mut is_set = false;
        poll_fn(move |context| {
            if executor.now() >= at {
                return Poll::Ready(());
            }
            if !std::mem::replace(&mut is_set, true) {
                executor.set(at, Due::Wake(context.waker().clone()));
            }
            Poll::Pending
        })
    }

    fn set(&self, at: Duration, due: Due) {
        let nth = self.timers_set.get();
        self.timers_set.set(nth + 1);
        self.timers.borrow_mut().push(Timer { at: at.as_micros() as u64, nth, due });
    }

    /// Its tasks are dropped; one that is being polled, as soon as it pauses.
    pub fn kill(&self, process: Process) {
        let mut jobs = Vec::new();
        for task in self.tasks.borrow_mut().iter_mut().filter(|task| task.process == process) {
            task.dead = true;
            jobs.extend(task.job.take());
        }
        drop(jobs);
        self.frozen.borrow_mut().remove(&process);
    }

    pub fn freeze(&self, process: Process) {
        self.frozen.borrow_mut().insert(process);
    }

    pub fn thaw(&self, process: Process) {
        self.frozen.borrow_mut().remove(&process);
        let stalled = std::mem::take(&mut *self.stalled.borrow_mut());
        self.ready.0.lock().unwrap_or_else(PoisonError::into_inner).extend(stalled);
    }

    pub fn is_frozen(&self, process: Process) -> bool {
        self.frozen.borrow().contains(&process)
    }

    /// Until this time, or until `stop` says so after a step. `false`: it was stopped.
    pub fn run_until(&self, end: Duration, stop: &dyn Fn() -> bool) -> bool {
        loop {
            while let Some(task) = self.next_ready() {
                self.poll(task);
                if stop() {
                    return false;
                }
            }
            if self.timers.borrow().peek().is_none_or(|timer| timer.at > end.as_micros() as u64) {
                self.now.set(end.as_micros() as u64);
                return true;
            }
            let Some(timer) = self.timers.borrow_mut().pop() else { return true };
            self.now.set(timer.at);
            self.steps.set(self.steps.get() + 1);
            match timer.due {
                Due::Wake(waker) => waker.wake(),
                Due::Act(act) => act(),
            }
            if stop() {
                return false;
            }
        }
    }

    fn next_ready(&self) -> Option<usize> {
        let mut ready = self.ready.0.lock().unwrap_or_else(PoisonError::into_inner);
        match ready.len() {
            0 => None,
            1 => ready.pop(),
            len => {
                let at = self.chance.borrow_mut().index(len);
                Some(ready.swap_remove(at))
            }
        }
    }

    fn poll(&self, index: usize) {
        let (mut job, waker) = {
            let mut tasks = self.tasks.borrow_mut();
            let Some(task) = tasks.get_mut(index) else { return };
            if task.job.is_some() && self.is_frozen(task.process) {
                self.stalled.borrow_mut().push(index);
                return;
            }
            task.waker.queued.store(false, Ordering::Relaxed);
            let Some(job) = task.job.take() else { return };
            (job, Waker::from(task.waker.clone()))
        };
        self.steps.set(self.steps.get() + 1);
        let ended = job.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        let mut kept = Some(job);
        if !ended && let Some(task) = self.tasks.borrow_mut().get_mut(index).filter(|task| !task.dead) {
            task.job = kept.take();
        }
        // Dropped here, with nothing borrowed.
        drop(kept);
    }

    /// Drops every task: what they hold holds them.
    pub fn end(&self) {
        let tasks = std::mem::take(&mut *self.tasks.borrow_mut());
        let timers = std::mem::take(&mut *self.timers.borrow_mut());
        drop(tasks);
        drop(timers);
    }
}

/// The earliest is the greatest, as the heap wants it.
impl Ord for Timer {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.at, other.nth).cmp(&(self.at, self.nth))
    }
}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        self.nth == other.nth
    }
}

impl Eq for Timer {}

/// One value from an act to a task.
pub struct Answer<T>(Rc<RefCell<(Option<T>, Option<Waker>)>>);

impl<T> Clone for Answer<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Answer<T> {
    fn default() -> Self {
        Self(Rc::new(RefCell::new((None, None))))
    }
}

impl<T> Answer<T> {
    pub fn give(&self, value: T) {
        let waker = {
            let mut inner = self.0.borrow_mut();
            inner.0 = Some(value);
            inner.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub fn take(&self) -> Option<T> {
        self.0.borrow_mut().0.take()
    }

    /// Whether somebody besides the giver still has it.
    pub fn is_awaited(&self) -> bool {
        Rc::strong_count(&self.0) > 1
    }

    pub async fn wait(&self) -> T {
        poll_fn(|context| {
            let mut inner = self.0.borrow_mut();
            match inner.0.take() {
                Some(value) => Poll::Ready(value),
                None => {
                    inner.1 = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

/// Rings for one listener; a ring that nobody hears is heard later.
#[derive(Default)]
pub struct Bell {
    rung: Cell<bool>,
    listener: RefCell<Option<Waker>>,
}

impl Bell {
    pub fn ring(&self) {
        self.rung.set(true);
        if let Some(waker) = self.listener.borrow_mut().take() {
            waker.wake();
        }
    }

    pub async fn heard(&self) {
        poll_fn(|context| {
            if self.rung.take() {
                return Poll::Ready(());
            }
            *self.listener.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}
