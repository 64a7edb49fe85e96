//! The recovery time alone, for benchmarks: the story up to the outage, then one node after the other is born into it.

use anyhow::Context;

use crate::options::DrillOptions;
use crate::steps;

/// What nodes without a cache needed while the control plane refused connections.
#[derive(Clone, Debug)]
pub struct Recovery {
    pub config_bytes: usize,
    /// From the start of each process to its first right answer, in the order of their births.
    pub first_answers_ms: Vec<u64>,
}

/// Lets `nodes` nodes be born, each after the one before has ended. What the drill itself looks at besides is not looked at here.
pub async fn recovery(options: DrillOptions, nodes: usize) -> anyhow::Result<Recovery> {
    options.check()?;
    let folder = tempfile::Builder::new().prefix("holdover-recovery-").tempdir().context("there is no room for a temporary folder")?;
    let mut parts = steps::parts(&options, folder.path()).await?.into_value();
    steps::policy(&parts).await?;
    let (mut backup, _) = steps::backup_node(&parts).await?.into_value();
    steps::outage(&mut parts, &mut backup).await?;
    let mut first_answers_ms = Vec::with_capacity(nodes);
    for number in 1..=nodes {
        first_answers_ms.push(steps::birth(&parts, &format!("new-node-{number}")).await?);
    }
    steps::end(&mut backup).await?;
    Ok(Recovery { config_bytes: parts.documents.first.len(), first_answers_ms })
}
