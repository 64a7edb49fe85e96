//! A VM's root: becomes what the plugin's configuration says it is, and passes the gateway's callbacks on.

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{BufferType, ContextType, LogLevel};
use serde::Deserialize;

use crate::filter::Filter;
use crate::log::log;
use crate::node::Node;

#[derive(Default)]
pub struct Root(Role);

#[derive(Default)]
enum Role {
    #[default]
    NotConfigured,
    Node(Node),
    Filter(Filter),
}

/// The one setting that both roles have.
#[derive(Deserialize)]
struct Named {
    role: Option<String>,
}

impl Role {
    fn read(json: &[u8]) -> Result<Self, Vec<String>> {
        let Named { role } = serde_json::from_slice(json).map_err(|error| {
            vec![format!("the plugin's configuration cannot be read: {error}; write it as one JSON object of its settings")]
        })?;
        match role.as_deref() {
            Some("node") => Node::configured(json).map(Self::Node),
            Some("filter") => Filter::configured(json).map(Self::Filter),
            Some(other) => Err(vec![format!("role = {other} is neither 'node' (in bootstrap_extensions) nor 'filter' (in http_filters)")]),
            None => Err(vec!["role is not set: set it to 'node' in bootstrap_extensions, and to 'filter' in http_filters".into()]),
        }
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body_bytes: usize, _: usize) {
        match &self.0 {
            Role::Node(node) => node.answered(token, headers, body_bytes),
            Role::Filter(_) | Role::NotConfigured => {}
        }
    }
}

impl RootContext for Root {
    /// `false` keeps Envoy from starting: settings that are wrong are better known before the outage.
    fn on_configure(&mut self, _: usize) -> bool {
        let json = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, usize::MAX).ok().flatten().unwrap_or_default();
        self.0 = match Role::read(&json) {
            Ok(role) => role,
            Err(wrong) => {
                wrong.iter().for_each(|sentence| log(LogLevel::Critical, sentence));
                return false;
            }
        };
        let tick = match &mut self.0 {
            Role::Node(_) => Node::TICK,
            Role::Filter(filter) => {
                // A VM that is made anew for a request is to know what it serves before that.
                filter.tick();
                Filter::TICK
            }
            Role::NotConfigured => return false,
        };
        hostcalls::set_tick_period(tick).is_ok()
    }

    fn on_tick(&mut self) {
        match &mut self.0 {
            Role::Node(node) => node.tick(),
            Role::Filter(filter) => filter.tick(),
            Role::NotConfigured => {}
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, context: u32) -> Option<Box<dyn HttpContext>> {
        match &self.0 {
            Role::Filter(filter) => Some(filter.exchange(context)),
            // Nobody sends requests to a bootstrap extension.
            Role::Node(_) | Role::NotConfigured => None,
        }
    }
}
