//! The VM's root: reads the settings, owns the node, and passes the gateway's callbacks on.

use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{BufferType, ContextType, LogLevel};

use crate::executor::Task;
use crate::filter::Filter;
use crate::node;
use crate::settings::Settings;
use crate::vm::Vm;
use crate::world::{World, log};

/// How late an answer or a time that has come may be noticed.
const TICK: Duration = Duration::from_millis(20);

#[derive(Default)]
pub struct Root {
    vm: Rc<Vm>,
    node: Option<Task>,
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body_bytes: usize, _: usize) {
        self.vm.calls.answered(token, headers, body_bytes);
    }
}

impl RootContext for Root {
    /// `false` keeps Envoy from starting: settings that are wrong are better known before the outage.
    fn on_configure(&mut self, _: usize) -> bool {
        let json = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, usize::MAX).ok().flatten().unwrap_or_default();
        let settings = match Settings::read(&json) {
            Ok(settings) => settings,
            Err(wrong) => {
                wrong.iter().for_each(|sentence| log(LogLevel::Critical, sentence));
                return false;
            }
        };
        let policy = settings.policy.clone();
        self.node = Some(Task::new(node::live(World::new(settings, Rc::clone(&self.vm)), policy)));
        hostcalls::set_tick_period(TICK).is_ok()
    }

    fn on_tick(&mut self) {
        if let Some(node) = &mut self.node {
            node.advance();
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Filter::new(Rc::clone(&self.vm))))
    }
}
