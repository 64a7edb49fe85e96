//! The form of a story is strict: what the parser does not know names its file and line, and never passes for a test.

use crate::player::play;
use crate::runner::Core;
use crate::script::Script;

const WHOLE: &str = "# Title

It happened.

mutant boot-01

given shop has 3 services
given node edge

when edge starts
expect edge serves nothing
never edge serves shop
";

#[test]
fn a_whole_story_is_read_and_played() {
    let script = read(WHOLE).unwrap();
    assert_eq!((script.title.as_str(), script.prose.trim()), ("Title", "It happened."));
    assert_eq!((script.mutants.len(), script.givens.len(), script.steps.len(), script.nevers.len()), (1, 2, 2, 1));
    play(&script, Core::Native, None).unwrap();
}

#[test]
fn a_line_that_nobody_knows_names_its_file_and_its_place() {
    for (line, what) in [
        ("suddenly edge stops", "begins with mutant, given, when, expect or never"),
        ("when edge dances", "no sentence after 'when'"),
        ("expect edge serves", "no sentence after 'expect and never'"),
        ("never edge said cheese", "no event"),
        ("when 10 passes", "no time"),
        ("given shop has many services", "no number"),
        ("when the control plane of edge answers no", "no answer"),
        ("expect edge serves shop from heaven", "no rung"),
    ] {
        let text = WHOLE.replace("given node edge", line);
        let said = read(&text).err().unwrap_or_default();
        assert!(said.starts_with("tests/stories/a.story:8: ") && said.contains(what) && said.contains(line), "{line}: {said}");
    }
}

#[test]
fn what_is_given_stands_before_what_happens() {
    let said = read(&format!("{WHOLE}given node late\n")).err().unwrap_or_default();
    assert!(said.starts_with("tests/stories/a.story:13: ") && said.contains("before the first"), "{said}");
}

#[test]
fn a_story_that_could_not_fail_is_none() {
    for (line, lacks) in [
        ("It happened.", "a paragraph"),
        ("mutant boot-01", "'mutant …'"),
        ("expect edge serves nothing", "'expect …'"),
        ("never edge serves shop", "'never …'"),
    ] {
        let said = read(&WHOLE.replace(line, "")).err().unwrap_or_default();
        assert!(said.starts_with("tests/stories/a.story: ") && said.contains(lacks), "without '{line}': {said}");
    }
}

#[test]
fn a_name_that_was_never_given_is_an_error_where_it_is_said() {
    for line in ["expect door serves nothing", "expect edge serves bread", "when door starts", "expect all doors serve shop"] {
        let text = WHOLE.replace("expect edge serves nothing", &format!("expect edge serves nothing\n{line}"));
        let said = play(&read(&text).unwrap(), Core::Native, None).unwrap_err();
        assert!(said.starts_with("tests/stories/a.story:12: ") && said.contains("there "), "{line}: {said}");
    }
}

#[test]
fn what_is_expected_and_not_so_and_what_is_never_and_is_so_end_the_story_where_they_stand() {
    let not_so = WHOLE.replace("expect edge serves nothing", "expect edge serves shop");
    assert!(play(&read(&not_so).unwrap(), Core::Native, None).unwrap_err().starts_with("tests/stories/a.story:11: "));
    let is_so = WHOLE.replace("never edge serves shop", "never edge serves nothing");
    assert!(play(&read(&is_so).unwrap(), Core::Native, None).unwrap_err().starts_with("tests/stories/a.story:12: "));
}

/// A moment is enough: what is never so is looked at after every step, not where the line stands.
#[test]
fn what_was_so_in_between_is_noticed_afterwards() {
    let text = WHOLE.replace("when edge starts", "when the control plane of edge delivers shop\nwhen edge starts\nwhen edge is killed");
    let said = play(&read(&text).unwrap(), Core::Native, None).unwrap_err();
    assert!(said.contains("never edge serves shop") && said.contains("it is so"), "{said}");
}

fn read(text: &str) -> Result<Script, String> {
    Script::read("tests/stories/a.story", text)
}
