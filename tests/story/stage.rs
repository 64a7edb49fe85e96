//! Who plays, as `component/runner.rs` asks for it: on which runner, and under which name. A name may break a rule.

use holdover_plugin::policy::Settings;
use holdover_tests::virtual_world::World;

use crate::runner::Core;

#[derive(Clone, Debug)]
pub struct Stage {
    pub core: Core,
    pub node: String,
}

impl Stage {
    pub fn settings(&self, world: &World) -> Settings {
        Settings { node: self.node.clone(), ..world.settings() }
    }
}
