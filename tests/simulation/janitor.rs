//! The janitor beside a leader, as host/node's sweep worker drives it.

use std::rc::Rc;
use std::time::Duration;

use holdover_plugin::policy::janitor;

use super::capabilities::{Caps, JanitorRole};
use super::importer::{bounded, wake_after};
use super::node::Node;
use super::world::World;

const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Of the hour that it asks for: the storage's clock is as much faster.
const HASTE: u32 = 60;

/// Until the process ends.
pub async fn run(world: Rc<World>, node: Rc<Node>) {
    let caps = Caps::<JanitorRole>::new(world.clone(), node.clone());
    loop {
        let mut pause = LOOK_EVERY;
        if node.leads() {
            let facts = node.facts(&world);
            if let Ok(swept) = bounded(&world, janitor::sweep(&caps, &facts)).await {
                world.note(node.actor(), "swept", swept.removed, || format!("{} objects", swept.removed));
                pause = wake_after(swept.wake_after).unwrap_or(LOOK_EVERY) / HASTE;
            }
        }
        world.executor.sleep(pause).await;
    }
}
