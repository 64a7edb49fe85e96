//! What Holdover's speed rests on, measured in one run: `docs/performance.md` says what it found.
//!
//! ```text
//! cargo build --release --bin holdover
//! cargo bench --bench pipeline [-- --quick] [episodes] [sealed] [publishing] [ready] [recovery] [routing]
//! ```
//! A harness of our own: a document of 100 MB needs few rounds, both sides must take turns, and processes are part of it. It prints
//! Markdown. An aim that is missed is said and does not fail the run; what does not work at all does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark that cannot go on ends by panicking")]
#![allow(clippy::indexing_slicing, reason = "every list here has as many elements as was asked for")]

#[path = "pipeline/document.rs"]
mod document;
#[path = "pipeline/episodes.rs"]
mod episodes;
#[path = "pipeline/measure.rs"]
mod measure;
#[path = "../component/native.rs"]
mod native;
#[path = "pipeline/office.rs"]
mod office;
#[path = "pipeline/publishing.rs"]
mod publishing;
#[path = "pipeline/ready.rs"]
mod ready;
#[path = "pipeline/recovery.rs"]
mod recovery;
#[path = "pipeline/routing.rs"]
mod routing;
#[path = "pipeline/sealed.rs"]
mod sealed;
#[path = "pipeline/telling.rs"]
mod telling;

use std::process::ExitCode;

use telling::{aim, machine};

const SECTIONS: [&str; 6] = ["episodes", "sealed", "publishing", "ready", "routing", "recovery"];

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let (options, sections): (Vec<_>, Vec<_>) = arguments.iter().map(String::as_str).partition(|argument| argument.starts_with("--"));
    let unknown = options.iter().find(|option| **option != "--quick").or(sections.iter().find(|section| !SECTIONS.contains(section)));
    if let Some(unknown) = unknown {
        eprintln!("'{unknown}' is nothing to measure: give --quick, or any of {}", SECTIONS.join(", "));
        return ExitCode::from(2);
    }
    let quick = !options.is_empty();
    let wanted = |section: &&str| sections.is_empty() || sections.contains(section);
    machine("pipeline");
    let folder = ready::folder();
    let compiled_dir = ready::compiled_dir(&folder);
    let mut whole = true;
    for section in SECTIONS.iter().filter(|section| wanted(section)) {
        match *section {
            "episodes" => episodes::bench(if quick { &episodes::QUICK } else { &episodes::WHOLE }, &compiled_dir),
            "sealed" => sealed::bench(if quick { &episodes::QUICK } else { &episodes::WHOLE }, &compiled_dir),
            "publishing" => publishing::bench(if quick { &episodes::QUICK } else { &episodes::WHOLE }, &compiled_dir),
            "ready" => ready::bench(),
            "routing" => routing::bench(if quick { routing::QUICK } else { routing::WHOLE }),
            _recovery => whole = recovery::bench(if quick { &recovery::QUICK } else { &recovery::WHOLE }),
        }
    }
    if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
