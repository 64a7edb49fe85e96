//! Log lines on stderr: for people, coloured only on a terminal, or as JSON.

use std::io::{self, IsTerminal};

use holdover_node::settings::LogLevel;
use tracing_subscriber::EnvFilter;

use crate::args::LogForm;

/// Called once, by a command that runs on.
pub fn start(level: LogLevel, form: LogForm) {
    // The libraries' own talk only when it is bad.
    let filter = EnvFilter::new(format!("{},holdover={}", library_level(level), level.as_tracing()));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match form {
        LogForm::Human => {
            let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            let _first_call = lines.with_ansi(io::stderr().is_terminal() && !plain).with_target(false).try_init();
        }
        LogForm::Json => {
            let _first_call = lines.json().flatten_event(true).with_target(false).try_init();
        }
    }
}

fn library_level(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Debug | LogLevel::Info | LogLevel::Notice | LogLevel::Warn => "warn",
        LogLevel::Error | LogLevel::Crit | LogLevel::Alert | LogLevel::Emerg => "error",
    }
}
