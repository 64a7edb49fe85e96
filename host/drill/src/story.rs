//! The story, from top to bottom: a backup node publishes, the control plane goes, a node is born, the control plane returns
//! changed and goes again. What each step looks at is in `steps.rs`; the first that fails ends the story.

use std::path::Path;

use anyhow::Context;

use crate::load::Load;
use crate::options::DrillOptions;
use crate::report::Report;
use crate::steps;
use crate::telling::{Stopped, Telling};

/// Tells the whole story. `Err` is a drill that could not begin; a step that failed is in the report.
pub async fn run(options: DrillOptions) -> anyhow::Result<Report> {
    options.check()?;
    let folder = tempfile::Builder::new().prefix("holdover-drill-").tempdir().context("the drill cannot make a temporary folder")?;
    let mut telling = Telling::begin(&options);
    let told = tell(&mut telling, &options, folder.path()).await;
    Ok(telling.end(told, folder, options.keep))
}

async fn tell(telling: &mut Telling, options: &DrillOptions, folder: &Path) -> Result<(), Stopped> {
    let mut parts = telling.step("parts", steps::parts(options, folder)).await?;
    telling.report.config_bytes = parts.documents.first.len();
    telling.step("policy", steps::policy(&parts)).await?;
    let (mut backup, first) = telling.step("backup-node", steps::backup_node(&parts)).await?;
    telling.step("outage", steps::outage(&mut parts, &mut backup)).await?;
    let mut node = telling.step("new-node", steps::new_node(&parts)).await?;
    telling.report.rto_ms = Some(node.first_answer_ms);

    let load = Load::start(node.proxy, parts.expectations());
    telling.watch = Some(load.watch());
    telling.step("serving", steps::serving(load.watch())).await?;
    telling.step("storage-read-once", steps::storage_read_once(&parts, &first)).await?;
    let restart_ms = telling.step("restart-from-cache", steps::restart_from_cache(&parts, &node)).await?;
    telling.report.restart_ms = Some(restart_ms);
    let rejoin_ms = telling.step("rejoin", steps::rejoin(&mut parts, &mut node)).await?;
    telling.report.rejoin_ms = Some(rejoin_ms);
    telling.step("export-after-return", steps::export_after_return(&parts, &mut backup, &first)).await?;
    telling.step("control-plane-lost-again", steps::lost_again(&mut parts, &mut node)).await?;
    telling.step("shutdown", steps::shutdown(load, backup, node)).await
}

#[cfg(test)]
mod tests {
    // A test that cannot go on says so by panicking.
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn a_binary_that_is_no_holdover_ends_the_story_at_its_control_plane_with_its_last_words() {
        let report = run(DrillOptions::of("/bin/sh")).await.unwrap();
        let steps: Vec<_> = report.steps.iter().map(|step| (step.name, step.ok)).collect();
        assert_eq!(steps, [("parts", false)]);
        assert!(report.steps.iter().any(|step| step.note.contains("the control plane ended by itself")), "{report:#?}");
        assert!(report.logs.iter().any(|log| log.node == "control-plane" && log.tail.contains("control-plane")), "{report:#?}");
        assert!(!report.ok());
    }

    #[tokio::test]
    async fn what_cannot_be_drilled_is_said_before_anything_starts() {
        let none = run(DrillOptions { routes: 0, ..DrillOptions::of("/bin/sh") }).await.unwrap_err();
        assert!(none.to_string().contains("--routes 0"), "{none}");
        let absent = run(DrillOptions::of("/nowhere/holdover")).await.unwrap_err();
        assert!(absent.to_string().contains("/nowhere/holdover"), "{absent}");
    }
}
