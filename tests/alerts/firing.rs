//! promtool's verdict: on the rules as a file, and on when each of them fires (`holdover.rules.test.yml`).

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::promtool::promtool;
use crate::rules::{RULES, TESTS, alerts, read, root};

#[test]
fn prometheus_takes_the_rules() {
    promised(&["check", "rules"], &root().join(RULES)).unwrap();
}

#[test]
fn each_alert_fires_when_it_should_and_not_when_it_looks_alike() {
    promised(&["test", "rules"], &root().join(TESTS)).unwrap();
}

/// Otherwise the test file could say nothing.
#[test]
fn a_rule_that_is_changed_fails_its_test() {
    let rules = read(RULES);
    for (right, wrong) in [
        ("> 7200", "> 86400"),
        ("office=\"leader\"}) == 0", "office=\"leader\"}) == 2"),
        ("office=\"leader\"}) > 1", "office=\"leader\"}) > 2"),
        ("> 0) > 600", "> 0) > 6000"),
        ("name=\"soak-failed\"", "name=\"soak-began\""),
        ("holdover_serving_generation <", "holdover_serving_generation >"),
    ] {
        assert_eq!(rules.matches(right).count(), 1, "{right}");
        let folder = tempfile::tempdir().unwrap();
        let keep = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        keep(RULES, &rules.replace(right, wrong));
        keep(TESTS, &read(TESTS));
        assert!(promised(&["test", "rules"], &folder.path().join(TESTS)).is_err(), "nobody noticed {wrong}");
    }
}

#[test]
fn every_alert_is_tried() {
    let tests = read(TESTS);
    let untried: Vec<_> = alerts().into_iter().map(|alert| alert.name).filter(|name| !tests.contains(name.as_str())).collect();
    assert!(untried.is_empty(), "{TESTS} never fires {untried:?}");
}

fn promised(command: &[&str], file: &Path) -> Result<(), String> {
    let output = Command::new(promtool()).args(command).arg(file).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&said).into_owned()) }
}
