//! Drives one future by polling: a gateway calls us, nothing wakes us.
//!
//! Polled from `on_tick` only. A call that is dispatched from within another call's answer makes an Envoy crash at its end, when the VM
//! is a bootstrap extension.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// A future that never ends.
pub struct Task(Pin<Box<dyn Future<Output = Infallible>>>);

impl Task {
    pub fn new(future: impl Future<Output = Infallible> + 'static) -> Self {
        Self(Box::pin(future))
    }

    /// Goes as far as it can: everything it awaits looks anew whether its answer or its time has come.
    pub fn advance(&mut self) {
        let Poll::Pending = self.0.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }
}
