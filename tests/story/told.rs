//! Each story as three tests: on the native core, as a component, and with each of the broken rules that it names.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use holdover_plugin::mutants::Mutant;

use crate::player::play;
use crate::runner::Core;
use crate::script::Script;

macro_rules! stories {
    ($($story:ident = $file:literal,)+) => {
        const STORIES: &[&str] = &[$($file),+];

        $(
            mod $story {
                use super::*;

                #[test]
                fn on_the_native_core() {
                    plays($file, Core::Native);
                }

                #[test]
                fn as_a_component() {
                    plays($file, Core::Component);
                }

                #[test]
                fn its_mutants_are_noticed() {
                    notices($file);
                }
            }
        )+
    };
}

stories! {
    overwritten_last_known_good = "overwritten-last-known-good.story",
    empty_by_election_race = "empty-by-election-race.story",
    stale_over_newer = "stale-over-newer.story",
    blank_field_and_herd = "blank-field-and-herd.story",
    oversized_file = "oversized-file.story",
    grey_control_plane = "grey-control-plane.story",
    expired_certificate = "expired-certificate.story",
    credential_service_down = "credential-service-down.story",
    control_plane_restored_from_an_old_backup = "control-plane-restored-from-an-old-backup.story",
}

#[test]
fn every_file_in_the_folder_is_told() {
    let there: BTreeSet<String> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(there, STORIES.iter().map(ToString::to_string).collect());
}

fn plays(file: &str, core: Core) {
    play(&read(file), core, None).unwrap_or_else(|why| panic!("{why}"));
}

/// In each of them every rule holds but one.
fn notices(file: &str) {
    let script = read(file);
    for mutant in &script.mutants {
        assert!(Mutant::ALL.iter().any(|(name, _)| name == mutant), "{}: there is no mutant '{mutant}'", script.file);
        let noticed = play(&script, Core::Native, Some(mutant)).expect_err(&format!("{}: the mutant {mutant} survives", script.file));
        println!("{} ({}): {mutant} is noticed: {noticed}", script.title, script.file);
    }
}

fn read(file: &str) -> Script {
    let text = fs::read_to_string(folder().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    Script::read(&format!("tests/stories/{file}"), &text).unwrap_or_else(|why| panic!("{why}"))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("stories")
}
