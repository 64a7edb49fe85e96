//! `holdover drill`: an outage on embedded parts, with this very binary as its control plane and its nodes.

use holdover_drill::{DrillOptions, Show};

use crate::args::DrillArguments;
use crate::exit::{Exit, Failure};

pub async fn drill(arguments: &DrillArguments) -> Result<Exit, Failure> {
    let failed = |error: anyhow::Error| Failure::not_opened(format!("the drill could not begin: {error:#}"));
    let show = if arguments.json { Show::Json } else { Show::Lines };
    let options = DrillOptions { routes: arguments.routes, keep: arguments.keep, show, ..DrillOptions::of_this_binary().map_err(failed)? };
    let report = holdover_drill::run(options).await.map_err(failed)?;
    Ok(if report.ok() { Exit::Done } else { Exit::Invalid })
}
