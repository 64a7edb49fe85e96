//! Watched nodes that say of themselves what a test wants.

use std::sync::Mutex;

use async_trait::async_trait;
use holdover_ports::{Health, Watching};

#[derive(Default)]
pub struct VirtualWatched {
    nodes: Mutex<Vec<Health>>,
}

impl VirtualWatched {
    /// One answer per watched node, from now on.
    pub fn say(&self, healths: &[Health]) {
        *self.nodes.lock().unwrap() = healths.to_vec();
    }

    pub(super) fn names(&self) -> Vec<String> {
        (0..self.nodes.lock().unwrap().len()).map(|index| format!("watched-{index}")).collect()
    }
}

#[async_trait]
impl Watching for VirtualWatched {
    async fn health(&self, watched: u32) -> Health {
        let nodes = self.nodes.lock().unwrap();
        nodes.get(watched as usize).cloned().unwrap_or_else(|| Health::Silent("there is no such node".into()))
    }
}
