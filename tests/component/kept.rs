//! Rule boot-03 by what it spares: a restart from an unchanged cache looks through nothing again. Counted at the stations themselves,
//! so on the native core only.

use std::time::Duration;

use holdover_plugin::policy::Origin;
use holdover_plugin::witness;
use holdover_ports::Slot;
use holdover_tests::virtual_world::documents;

use crate::node::settled_once;
use crate::rules;
use crate::runner::Core;

#[test]
fn boot_03_what_this_validator_found_of_this_file_is_not_looked_for_again() {
    rules::play(rules::stage(Core::Native), async |stage| {
        let document = documents::kong("kept");
        let world = settled_once(&stage, &document).await;
        let _ = witness::take();
        let mut node = stage.start(&world).await;
        let passed = witness::take();
        node.assert_serves(&document, Origin::Cache);
        assert_eq!(world.trace.gets(), []);
        assert_eq!((passed.validate, passed.open), (0, 1), "the host's own gate opens it, and nobody validates it: {passed:?}");
        node.run_for(Duration::from_secs(61)).await;
        node.stop().await;

        // Another validator's word does not count.
        let file = world.cache.file(Slot::Applied).unwrap();
        world.cache.hold(Slot::Applied, found_by_another_validator(&file));
        let _ = witness::take();
        let node = stage.start(&world).await;
        let passed = witness::take();
        node.assert_serves(&document, Origin::Cache);
        assert_eq!((passed.validate, passed.open), (1, 2), "{passed:?}");
    });
}

fn found_by_another_validator(file: &[u8]) -> Vec<u8> {
    use holdover_plugin::snapshot::cached;
    let kept = cached::unwrap(file).unwrap();
    let json = serde_json::to_string(&kept.header).unwrap();
    let mine = format!("\"validator\":\"{}\"", holdover_plugin::config::VALIDATOR);
    assert!(json.contains(&mine), "{json}");
    let theirs = serde_json::from_str(&json.replace(&mine, "\"validator\":\"0.0.9/1\"")).unwrap();
    [cached::wrap(&theirs).unwrap().as_slice(), kept.snapshot].concat()
}
