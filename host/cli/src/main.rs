//! `holdover`: one binary. Parses, dispatches, and turns what came of it into an exit code.

mod args;
mod commands;
mod exit;
mod logging;
mod schema;
mod wire;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command};
use exit::{Exit, Failure};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match start(arguments) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            // Whether anybody reads it changes nothing about how this ended.
            let _ = writeln!(std::io::stderr(), "holdover: {failure}");
            failure.exit.into()
        }
    }
}

fn start(arguments: Arguments) -> Result<Exit, Failure> {
    // One provider for every client; a second call in one process is the only way this fails.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::not_opened(format!("the process cannot start its threads: {error}")))?;
    let ended = runtime.block_on(dispatch(arguments));
    // A name lookup or a compilation that nobody waits for any more must not hold the exit up.
    runtime.shutdown_background();
    ended
}

async fn dispatch(arguments: Arguments) -> Result<Exit, Failure> {
    match arguments.command {
        Command::Run(files) => commands::run::run(&files, arguments.log).await,
        Command::Check(check) => commands::check::check(&check).await,
        Command::Verify(verify) => commands::verify::verify(&verify).await,
        Command::History(history) => commands::history::history(&history).await,
        Command::Show(show) => commands::show::show(&show).await,
        Command::Diff(diff) => commands::diff::diff(&diff).await,
        Command::Fetch(fetch) => commands::fetch::fetch(&fetch).await,
        Command::Pin(order) => commands::orders::pin(&order).await,
        Command::Unpin(order) => commands::orders::unpin(&order).await,
        Command::Restore(order) => commands::orders::restore(&order).await,
        Command::Freeze(order) => commands::orders::freeze(&order).await,
        Command::Unfreeze(order) => commands::orders::unfreeze(&order).await,
        Command::Approve(order) => commands::approve::approve(&order).await,
        Command::Publish(publish) => commands::publish::publish(&publish).await,
        Command::Status(ask) => commands::status::status(&ask).await,
        Command::Why(ask) => commands::why::why(&ask).await,
        Command::Keygen(keygen) => commands::keygen::keygen(&keygen),
        Command::BreakGlass(allow) => commands::break_glass::break_glass(&allow),
        Command::ControlPlane(served) => commands::control_plane::control_plane(&served, arguments.log).await,
        Command::Envoy(envoy) => commands::envoy::envoy(envoy),
        Command::Policy(policy) => commands::policy::policy(policy).await,
        Command::Drill(drill) => commands::drill::drill(&drill).await,
    }
}
