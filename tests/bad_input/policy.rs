//! A policy that loads and then misbehaves: it costs episodes, never the node (all-02).

use std::fs;

use holdover_drill::control_plane::HttpControlPlane;
use holdover_drill::{SELDOM, fixture, get, until};
use holdover_tests::mutants;
use holdover_tests::site::{BOUND, Site, says, target, why};

use crate::undisturbed::Undisturbed;

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_traps_loses_its_episode_and_the_node_goes_on() {
    loses_its_ticks("trap", "wasm trap: wasm `unreachable` instruction executed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_loops_loses_its_episode_and_the_node_goes_on() {
    loses_its_ticks("loop", "it computed for more than ").await;
}

/// Every tick of this policy is lost. Its other episodes are not: the control plane's next configuration is served as ever.
async fn loses_its_ticks(mutant: &str, reason: &str) {
    let site = Site::start().await;
    let policy = site.folder().join("mutants.wasm");
    {
        let _alone = mutants::alone(&target());
        fs::copy(mutants::build(&target()), &policy).unwrap();
    }
    let control_plane = HttpControlPlane::start(site.document()).await.unwrap();
    let spec = site.importer("node", &control_plane).with_builtin_gateway().unwrap();
    let spec = spec.set("holdover_policy", policy.display()).set("holdover_node_name", format!("mutant:{mutant}"));
    let mut serving = Undisturbed::start(&site, &spec).await;

    let lost = format!("the policy's episode 'tick' was lost: {reason}");
    let line = says(&mut serving.node, &[&lost, "; what is served goes on being served, and it is tried again in "]).await;
    assert!(line.contains(" WARN "), "{line}");
    let node = &mut serving.node;
    until(BOUND, SELDOM, "a second loss", async || Ok((node.log().matches(&lost).count() > 1).then_some(()))).await.unwrap();
    let status = node.status().await.unwrap();
    let failure = status["last_failures"]["policy"]["sentence"].as_str().unwrap();
    assert!(failure.starts_with(&lost) && failure.contains("it is tried again in "), "{failure}");
    assert_eq!(status["standing"], "serving");
    assert!(status["next_wake_unix_ms"].is_u64(), "{status:#}");
    let why = why(node).await;
    assert!(why.iter().any(|said| said.starts_with("The last failure of policy, ") && said.contains(&lost)), "{why:#?}");
    assert!(why.iter().any(|said| said.starts_with("The policy looks again in ")), "{why:#?}");

    control_plane.set_document(site.document_changed());
    let proxy = node.proxy().unwrap();
    until(BOUND, SELDOM, "the added route", async || {
        let added = get(proxy, fixture::ADDED_PATH, BOUND).await?;
        Ok((added.status == 200).then_some(()))
    })
    .await
    .unwrap();
    serving.end().await;
}
