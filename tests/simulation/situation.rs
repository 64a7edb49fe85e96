//! Which situation a write of an exporter is: told by what it writes.

use holdover_plugin::snapshot::head::Head;
use holdover_plugin::snapshot::{Trust, keys};

use super::coverage::Situation;
use super::node::Node;
use super::world::World;

/// Of a write that is about to be sent.
pub fn of_write(world: &World, node: &Node, storage: u32, key: &str, body: &[u8]) -> Situation {
    if storage > 0 {
        return Situation::Copying;
    }
    if key.starts_with(keys::SNAPSHOTS) {
        return Situation::PublishingBody;
    }
    match key {
        keys::HEAD => of_head(world, body),
        keys::LEASE if matches!(node.office(), Situation::Leader | Situation::Held) => node.office(),
        keys::LEASE => Situation::TakingOffice,
        _ => Situation::Probing,
    }
}

/// Of a request of an exporter.
pub fn of_read(node: &Node, storage: u32, key: &str) -> Situation {
    let leads = matches!(node.office(), Situation::Leader | Situation::Held);
    match key {
        _ if key.starts_with(keys::PROBES) => Situation::Probing,
        _ if storage > 0 => Situation::Copying,
        _ if key.starts_with(keys::SNAPSHOTS) => Situation::PublishingBody,
        keys::LEASE if !leads => Situation::TakingOffice,
        _ => node.office(),
    }
}

fn of_head(world: &World, body: &[u8]) -> Situation {
    let Ok(next) = Head::read(body, &Trust::unasked()) else { return Situation::PublishingHead };
    let model = world.model.borrow();
    let Some(head) = model.heads.first().and_then(Option::as_ref) else { return Situation::PublishingHead };
    if next.generation > head.generation {
        return Situation::PublishingHead;
    }
    if next.epoch > head.epoch {
        return Situation::TakingOffice;
    }
    let promotes = next.views.iter().any(|(version, view)| head.view(version).is_some_and(|before| before.good != view.good));
    if promotes { Situation::Soaking } else { Situation::Confirming }
}
