//! What may befall a process at any of its calls, and how a request travels: out, and back, with whatever happens in between.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use super::super::coverage::Situation;
use super::super::executor::Answer;
use super::super::faults::Fault;
use super::super::world::World;
use super::{Caps, Role};

/// What an episode is lost with.
pub struct Trapped;

/// What happens to the process once its request is on its way.
#[derive(Default)]
pub struct Hazard {
    /// It dies when the request has arrived.
    dies: Option<Duration>,
    stands_still: Option<Duration>,
}

const LONGEST_DOWN: Duration = Duration::from_secs(300);

impl<R: Role> Caps<R> {
    /// At the beginning of every call of the policy.
    pub async fn hazard(&self, situation: impl Fn() -> Situation) -> Hazard {
        self.trap(&situation);
        self.befall(situation).await
    }

    /// The episode ends here, as in a component that traps.
    pub fn trap(&self, situation: impl Fn() -> Situation) {
        if self.world.strikes(Fault::Trap, &self.node, situation).is_some() {
            std::panic::resume_unwind(Box::new(Trapped));
        }
    }

    /// What may befall the process, whether the policy runs or the host.
    pub async fn befall(&self, situation: impl Fn() -> Situation) -> Hazard {
        let mut hazard = Hazard::default();
        let strikes = |fault| self.world.strikes(fault, &self.node, &situation);
        if let Some(mut chance) = strikes(Fault::ClockJump) {
            let jump = chance.magnitude(Duration::from_secs(1), Duration::from_secs(10 * 24 * 3600)).as_millis() as i64;
            self.node.clock_off.set(self.node.clock_off.get() + if chance.percent(50) { jump } else { -jump });
        }
        if let Some(mut chance) = strikes(Fault::Pause) {
            let still = chance.magnitude(Duration::from_secs(5), Duration::from_secs(400));
            if chance.percent(50) {
                self.stand_still(still);
                self.world.executor.sleep(Duration::from_micros(1)).await;
            } else {
                hazard.stands_still = Some(still);
            }
        }
        if let Some(mut chance) = strikes(Fault::CrashBefore) {
            self.node.kill(&self.world, "it crashed at a call", chance.magnitude(Duration::from_millis(100), LONGEST_DOWN));
            pending::<()>().await;
        }
        if let Some(mut chance) = strikes(Fault::CrashAfter) {
            hazard.dies = Some(chance.magnitude(Duration::from_millis(100), LONGEST_DOWN));
        }
        hazard
    }

    /// Sends something that arrives after `out`, whatever becomes of this process by then, and whose answer takes `back`.
    pub async fn ask<T: 'static>(&self, hazard: Hazard, out: Duration, back: Duration, land: impl FnOnce(&Rc<World>) -> T + 'static) -> T {
        let answer = Answer::default();
        let cut = Rc::new(Cell::new(false));
        self.node.under_way.borrow_mut().push(cut.clone());
        let (node, process, told) = (self.node.clone(), self.node.process(), answer.clone());
        self.world.after(out, move |world| {
            node.under_way.borrow_mut().retain(|request| !Rc::ptr_eq(request, &cut));
            if cut.get() {
                return;
            }
            let value = land(world);
            match hazard.dies.filter(|_| node.process() == process) {
                Some(down) => node.kill(world, "it crashed with its request carried out", down),
                None => world.after(back, move |_| told.give(value)),
            }
        });
        if let Some(still) = hazard.stands_still {
            self.stand_still(still);
        }
        answer.wait().await
    }

    fn stand_still(&self, still: Duration) {
        let Some(process) = self.node.process() else { return };
        self.world.note(self.node.actor(), "stands still", 0, || format!("for {:.3} s", still.as_secs_f64()));
        self.world.executor.freeze(process);
        self.world.after(still, move |world| world.executor.thaw(process));
    }
}
