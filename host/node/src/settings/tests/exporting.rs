//! What exporters share and hold back: lease, guards, soak, janitor; and the rejoin guard.

use holdover_plugin::policy::{Guard, RejoinGuard};

use super::*;

const EXPORT: &str = "cluster_fallback_config_export = on\n";

#[test]
fn without_a_word_exporters_elect_guard_and_sweep_and_do_not_soak() {
    let settings = Given::config(&format!("{WHOLE}{STORED}{EXPORT}")).settings();
    let policy = &settings.policy;
    assert!(!policy.single_exporter);
    assert_eq!((policy.lease_renew, policy.lease_expire), (Duration::from_secs(10), Duration::from_secs(30)));
    assert_eq!(policy.guard, Guard::default());
    assert_eq!((policy.soak, policy.soak_watch.len(), policy.rejoin_guard), (Duration::ZERO, 0, RejoinGuard::Empty));
    assert!(settings.export.unwrap().janitor);
}

#[test]
fn what_is_written_for_an_exporter_arrives() {
    let lines = "holdover_lease_renew = 200ms\nholdover_lease_expire = 1s\nholdover_guard_shrink = 0\nholdover_guard_growth = 1000\n\
                 holdover_soak = 5m\nholdover_soak_watch = http://10.0.0.7:8108, http://[::1]:9/\nholdover_rejoin_guard = shrink\n\
                 holdover_janitor = off\n";
    let settings = Given::config(&format!("{WHOLE}{STORED}{EXPORT}{lines}")).settings();
    let policy = &settings.policy;
    assert_eq!((policy.lease_renew, policy.lease_expire), (Duration::from_millis(200), Duration::from_secs(1)));
    assert_eq!(policy.guard, Guard { shrink_percent: 0, growth_percent: 1000 });
    assert_eq!((policy.soak, policy.rejoin_guard), (Duration::from_secs(300), RejoinGuard::Shrink));
    let watched = ["http://10.0.0.7:8108".to_owned(), "http://[::1]:9".to_owned()];
    assert_eq!(policy.soak_watch, watched);
    assert_eq!(settings.export, Some(Export { s3_config: None, soak_watch: watched.to_vec(), janitor: false }));
    let single = Given::config(&format!("{WHOLE}{STORED}{EXPORT}holdover_single_exporter = on\n")).settings();
    assert!(single.policy.single_exporter);
}

#[test]
fn a_lease_outlives_three_renewals() {
    let lease =
        |renew: &str, expire: &str| format!("{WHOLE}{STORED}{EXPORT}holdover_lease_renew = {renew}\nholdover_lease_expire = {expire}\n");
    let _ = Given::config(&lease("10s", "30s")).settings();
    assert_problem(&lease("10s", "29s"), "holdover_lease_expire", "renewed every 10s (holdover_lease_renew)");
    // The one that was written need not be the one that is wrong: the default is named as such.
    let problems = Given::config(&format!("{WHOLE}{STORED}{EXPORT}holdover_lease_renew = 20s\n")).problems();
    let problem = problems.first().unwrap();
    assert_eq!((problem.setting.as_str(), problem.origin.as_deref()), ("holdover_lease_expire", Some("default")));
    assert!(problem.fix.contains("write at least 1m"), "{problem:?}");
}

#[test]
fn a_bad_value_of_an_exporter_is_refused_with_what_to_write() {
    let many: Vec<String> = (1..=51).map(|port| format!("http://10.0.0.1:{port}")).collect();
    let many = format!("holdover_soak = 1m\nholdover_soak_watch = {}", many.join(","));
    for (line, setting, sentence) in [
        ("holdover_single_exporter = yes", "holdover_single_exporter", "write one of on, off"),
        ("holdover_lease_renew = 10ms", "holdover_lease_renew", "write at least 100ms"),
        ("holdover_lease_expire = soon", "holdover_lease_expire", "a bare number is seconds"),
        ("holdover_guard_shrink = 40%", "holdover_guard_shrink", "without a sign"),
        ("holdover_guard_shrink = 101", "holdover_guard_shrink", "write 0 to 100"),
        ("holdover_guard_growth = -1", "holdover_guard_growth", "a whole number"),
        ("holdover_soak = long", "holdover_soak", "a bare number is seconds"),
        ("holdover_soak_watch = http://a:1", "holdover_soak_watch", "set holdover_soak"),
        ("holdover_soak = 1m\nholdover_soak_watch = http://a", "holdover_soak_watch", "http://10.0.0.7:8108"),
        ("holdover_soak = 1m\nholdover_soak_watch = a:8108", "holdover_soak_watch", "http://10.0.0.7:8108"),
        ("holdover_soak = 1m\nholdover_soak_watch = https://a:8108", "holdover_soak_watch", "http://10.0.0.7:8108"),
        ("holdover_soak = 1m\nholdover_soak_watch = http://a:1, http://a:2/status", "holdover_soak_watch", "number 2 of 2"),
        ("holdover_soak = 1m\nholdover_soak_watch = http://a:1, http://a:1/", "holdover_soak_watch", "named twice"),
        (&many, "holdover_soak_watch", "name at most 50"),
        ("holdover_rejoin_guard = on", "holdover_rejoin_guard", "write one of empty, shrink, off"),
        ("holdover_janitor = daily", "holdover_janitor", "write one of on, off"),
    ] {
        assert_problem(&format!("{WHOLE}{STORED}{EXPORT}{line}\n"), setting, sentence);
    }
}

#[test]
fn a_password_in_a_watched_address_is_not_repeated() {
    let problems =
        Given::config(&format!("{WHOLE}{STORED}{EXPORT}holdover_soak = 1m\nholdover_soak_watch = http://me:hunter2@a:1\n")).problems();
    assert!(problems.first().unwrap().fix.contains("in the clear"), "{problems:?}");
    assert!(!format!("{problems:?}").contains("hunter2"), "{problems:?}");
}

#[test]
fn what_only_an_exporter_has_is_without_effect_elsewhere_and_that_is_said() {
    let lines = "holdover_single_exporter = on\nholdover_lease_renew = 1s\nholdover_lease_expire = 9s\nholdover_soak = 1m\n\
                 holdover_soak_watch = http://a:1\nholdover_janitor = off\n";
    let settings = Given::config(&format!("{WHOLE}{lines}")).settings();
    let noted = |name: &str| settings.notes.iter().any(|note| note.starts_with(&format!("{name} (")) && note.contains("export is off"));
    for line in lines.lines() {
        let name = line.split(' ').next().unwrap();
        assert!(noted(name), "{name} is not in {:?}", settings.notes);
    }
    // An importer has guards as well: for a control plane that comes back.
    let guards = "holdover_guard_shrink = 60\nholdover_guard_growth = 0\nholdover_rejoin_guard = shrink\n";
    assert!(Given::config(&format!("{WHOLE}{guards}")).settings().notes.is_empty());
}
