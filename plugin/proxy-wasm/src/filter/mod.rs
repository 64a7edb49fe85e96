//! The filter of one worker: does with its requests what the node says.
//!
//! ```text
//! tick ────► vm: what the node says, and its table ──► held: the requests that waited for it
//! request ─► request: held, left to Envoy, or decided ──► way, upstream, respond
//! ```
//!
//! Knows no control plane and no storage.

mod correlation;
mod held;
mod metrics;
mod received;
mod request;
mod respond;
mod settings;
mod upstream;
mod way;
mod worker;

use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::traits::HttpContext;

use request::Exchange;
use settings::Settings;
use worker::Worker;

pub struct Filter {
    worker: Rc<Worker>,
}

impl Filter {
    /// How late a word of the node's may be noticed.
    pub const TICK: Duration = Duration::from_millis(50);

    /// By the plugin's configuration. Every mistake in it is a sentence.
    pub fn configured(json: &[u8]) -> Result<Self, Vec<String>> {
        Ok(Self { worker: Rc::new(Worker::new(&Settings::read(json)?)) })
    }

    pub fn tick(&mut self) {
        self.worker.listen();
        self.worker.held.release(&self.worker);
    }

    /// Of one request.
    pub fn exchange(&self, context: u32) -> Box<dyn HttpContext> {
        Box::new(Exchange::new(Rc::clone(&self.worker), context))
    }
}
