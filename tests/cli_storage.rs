//! The operator's commands on a real storage: a folder with a signed and encrypted history, one generation of it damaged.
//!
//! Whatever a command prints is searched for the configuration's secrets, in every test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail by panicking")]

#[path = "cli_storage/exported.rs"]
mod exported;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use exported::{CLUSTER, Flag, Lock, Site, VERSION, array, cache_entry, document, text};
use holdover_keys::{Identity, SigningKey};
use holdover_plugin::config::Format;
use holdover_plugin::model::Digest;
use holdover_plugin::snapshot::keys;
use serde_json::{Value, json};

#[test]
fn every_generation_of_a_storage_is_judged_and_each_says_why_not() {
    let site = Site::sealed();
    let judged = site.run(&["verify", "--json"], &[Flag::Storage, Flag::Trust, Flag::Identity]);
    assert_eq!(judged.code, 1, "{judged:?}");
    let judged = judged.json();
    let found: Vec<_> = array(&judged["snapshots"]).iter().map(|one| (one["position"].clone(), one["valid"].clone())).collect();
    assert_eq!(found, [("1-3", true), ("1-2", false), ("1-1", true)].map(|(position, valid)| (json!(position), json!(valid))));
    let [newest, damaged, _] = array(&judged["snapshots"]) else { panic!("{judged}") };
    assert_eq!((&damaged["reason"], &judged["valid"]), (&json!("corrupt"), &json!(false)));
    assert_eq!((&newest["opened"], &newest["counts"]["routes"]), (&json!(true), &json!(3)));
    assert_eq!((&newest["signer"], &judged["head"]["signer"]), (&json!(site.key_id()), &json!(site.key_id())));
    assert!(newest["needs"][0].as_str().unwrap().contains("rate-limiting"), "{newest}");

    let said = site.run(&["verify"], &[Flag::Storage, Flag::Trust]);
    let lines: Vec<&str> = said.stdout.lines().collect();
    assert_eq!(said.code, 1, "{said:?}");
    assert!(lines.iter().any(|line| line.contains("1-3") && line.contains("sealed") && line.contains("--identity")), "{said:?}");
    assert!(lines.iter().any(|line| line.contains("1-2") && line.contains("corrupt")), "{said:?}");
}

#[test]
fn a_sound_storage_passes_and_a_stranger_s_does_not() {
    let site = Site::new(Lock::Age);
    site.publish(1, 1);
    // Nobody can open it here, and that is no fault of the storage.
    let sound = site.run(&["verify", "--json"], &[Flag::Storage, Flag::Trust]);
    assert_eq!((sound.code, &sound.json()["snapshots"][0]["opened"]), (0, &json!(false)), "{sound:?}");
    assert_eq!(site.run(&["verify", &site.url()], &[]).code, 0);

    let stranger = SigningKey::generate().unwrap().public().to_string();
    let refused = site.run(&["verify", "--json", "--trusted-key", &stranger], &[Flag::Storage]);
    assert_eq!((refused.code, &refused.json()["reason"]), (1, &json!("untrusted-signer")), "{refused:?}");
    let foreign = site.run(&["verify", "--json", "--cluster", "other"], &[Flag::Storage]);
    assert_eq!((foreign.code, &foreign.json()["reason"]), (1, &json!("foreign-cluster")), "{foreign:?}");
    let others = site.file("others", &Identity::generate().unwrap().expose());
    let locked = site.run(&["verify", "--json", "--identity", &others], &[Flag::Storage]);
    assert_eq!((locked.code, &locked.json()["snapshots"][0]["reason"]), (1, &json!("for-others")), "{locked:?}");
}

#[test]
fn a_head_a_cache_entry_and_a_snapshot_are_known_by_themselves() {
    let site = Site::new(Lock::None);
    let entry = site.publish(2, 1);
    let snapshot = site.storage().join(&entry.key);
    let head = site.run(&["verify", text(&site.storage().join(keys::HEAD)), "--json"], &[Flag::Trust]);
    assert_eq!((head.code, &head.json()["kind"], &head.json()["position"]), (0, &json!("head"), &json!("1-1")), "{head:?}");

    let cache = site.file_bytes("cache", &cache_entry(&entry, &fs::read(&snapshot).unwrap(), &document(2)));
    let judged = site.run(&["verify", &cache, "--json"], &[Flag::Trust]);
    let judged = (judged.code, judged.json());
    assert_eq!((judged.0, &judged.1["kind"], &judged.1["origin"]), (0, &json!("cache entry"), &json!("storage")), "{judged:?}");

    let piped = site.piped(&["verify", "-", "--json"], &fs::read(&snapshot).unwrap());
    assert_eq!((piped.code, &piped.json()["kind"], &piped.json()["counts"]["routes"]), (0, &json!("snapshot"), &json!(2)), "{piped:?}");

    for (name, file) in [("head", site.storage().join(keys::HEAD)), ("cache entry", PathBuf::from(cache))] {
        let whole = fs::read(&file).unwrap();
        let torn = site.file_bytes("torn", &whole[..whole.len() - 9]);
        let refused = site.run(&["verify", &torn, "--json"], &[]);
        assert_eq!((refused.code, &refused.json()["kind"]), (1, &json!(name)), "{refused:?}");
        assert!(["torn", "corrupt"].contains(&refused.json()["reason"].as_str().unwrap()), "{refused:?}");
    }
}

#[test]
fn the_history_lists_what_the_heads_say_newest_first() {
    let site = Site::sealed();
    let listed = site.run(&["history", "--json"], &[Flag::Storage, Flag::Trust]);
    assert_eq!(listed.code, 0, "{listed:?}");
    let listed = listed.json();
    let view = &listed["versions"][VERSION];
    let positions: Vec<&Value> = array(&view["history"]).iter().map(|entry| &entry["position"]).collect();
    assert_eq!((positions, &view["good"]), (vec![&json!("1-3"), &json!("1-2"), &json!("1-1")], &json!("1-3")));
    let newest = &view["history"][0];
    assert_eq!((&newest["signed_by"], &newest["encrypted"], &newest["standing"]), (&json!(site.key_id()), &json!(true), &json!(["good"])));
    assert_eq!((newest["file_digest"].as_str().unwrap().len(), &newest["storages"]), (64, &json!([site.url()])));
    assert_eq!((&listed["head"]["lineage"], &listed["head"]["writer"]), (&json!(site.lineage.to_string()), &json!("backup-1")));

    let said = site.run(&["history"], &[Flag::Storage]);
    let newest = said.stdout.lines().find(|line| line.contains("1-3") && line.contains("good")).unwrap_or_else(|| panic!("{said:?}"));
    assert!(newest.contains("1 h 0 min ago") && newest.contains(&site.key_id()) && newest.contains("encrypted"), "{newest}");
    assert!(said.stdout.contains("nobody was asked for a signature"), "{said:?}");
}

#[test]
fn two_lineages_are_named_and_a_storage_that_is_away_is_said() {
    let (site, other) = (Site::new(Lock::None), Site::new(Lock::None));
    site.publish(1, 1);
    other.publish(1, 1);
    let ended = site.run(&["history", "--storage", &other.url()], &[Flag::Storage]);
    assert_eq!(ended.code, 1, "{ended:?}");
    for lineage in [site.lineage, other.lineage] {
        assert!(ended.stderr.contains(&lineage.to_string()), "{ended:?}");
    }
    let away = format!("file://{}/none", site.folder.path().display());
    let ended = site.run(&["history", "--json", "--storage", &away], &[Flag::Storage]);
    assert_eq!((ended.code, &ended.json()["unread"][0]["storage"]), (0, &json!(away)), "{ended:?}");
    let nothing = site.run(&["history", "--storage", &away], &[]);
    assert!((nothing.code == 1 || nothing.code == 3) && nothing.stderr.contains(&away), "{nothing:?}");
}

#[test]
fn what_is_damaged_in_one_storage_is_had_from_another_and_one_that_lags_lowers_nothing() {
    let site = Site::new(Lock::None);
    site.publish(1, 1);
    let (copy, out) = (site.folder.path().join("copy"), site.folder.path().join("out"));
    fs::create_dir(&copy).unwrap();
    assert!(Command::new("cp").args(["-r", text(&site.storage().join("holdover")), text(&copy)]).status().unwrap().success());
    let copy = format!("file://{}", copy.display());
    site.damage(1);
    let alone = site.run(&["fetch", "--out", text(&out)], &[Flag::Storage]);
    assert_eq!(alone.code, 1, "{alone:?}");
    let both = site.run(&["fetch", "--out", text(&out), "--storage", &site.url(), "--storage", &copy], &[Flag::Trust]);
    assert_eq!(both.code, 0, "{both:?}");
    site.publish(2, 2);
    let listed = site.run(&["history", "--storage", &copy], &[Flag::Storage]).stdout;
    assert!(listed.contains(&format!("{copy}, behind at 1-1")) && listed.contains(&format!("only in {}", site.url())), "{listed}");
    let judged = site.run(&["verify", "--json", "--storage", &copy], &[Flag::Storage]);
    assert_eq!(judged.code, 1, "{judged:?}");
    let judged = judged.json();
    let valid: Vec<&Value> = array(&judged["storages"]).iter().map(|storage| &storage["valid"]).collect();
    assert_eq!(valid, [&json!(true), &json!(false)], "{judged}");
}

#[test]
fn a_generation_shows_what_it_says_of_itself_and_no_value() {
    let site = Site::sealed();
    let shown = site.run(&["show", "--json"], &[Flag::Storage, Flag::Trust, Flag::Identity]);
    assert_eq!(shown.code, 0, "{shown:?}");
    let shown = shown.json();
    assert_eq!((&shown["position"], &shown["signer"], &shown["opened"]), (&json!("1-3"), &json!(site.key_id()), &json!(true)));
    assert_eq!((&shown["particulars"]["counts"]["routes"], &shown["manifest"]["cluster"]), (&json!(3), &json!(CLUSTER)));
    let said = site.run(&["show", "1"], &[Flag::Storage, Flag::Identity]);
    assert!(said.code == 0 && said.stdout.contains("needs") && said.stdout.contains("1 routes"), "{said:?}");
    let closed = site.run(&["show"], &[Flag::Storage]);
    assert!(closed.code == 0 && closed.stdout.contains("not opened") && closed.stdout.contains("--identity"), "{closed:?}");
    let damaged = site.run(&["show", "1-2"], &[Flag::Storage]);
    assert!(damaged.code == 1 && damaged.stderr.contains("corrupt"), "{damaged:?}");
    let none = site.run(&["show", "9"], &[Flag::Storage]);
    assert!(none.code == 1 && none.stderr.contains("holdover history"), "{none:?}");
    assert_eq!(site.run(&["show", "latest"], &[Flag::Storage]).code, 2);
}

#[test]
fn a_diff_names_what_differs_between_generations_and_files() {
    let site = Site::sealed();
    let differs = site.run(&["diff", "1", "3", "--json"], &[Flag::Storage, Flag::Identity]);
    assert_eq!(differs.code, 0, "{differs:?}");
    let differs = differs.json();
    let routes = array(&differs["added"]).iter().filter(|entity| entity["kind"] == "routes").map(|entity| &entity["name"]);
    assert_eq!((routes.collect::<Vec<_>>(), &differs["equal"]), (vec![&json!("route-1"), &json!("route-2")], &json!(false)), "{differs}");
    // The secrets of each generation are others, and that is said without them.
    assert!(differs["changed"].to_string().contains("config.redis.password"), "{differs}");

    let same = site.run(&["diff", "3", "newest"], &[Flag::Storage, Flag::Identity]);
    assert!(same.code == 0 && same.stdout.contains("no difference"), "{same:?}");
    let closed = site.run(&["diff", "1", "3"], &[Flag::Storage]);
    assert!(closed.code == 1 && closed.stderr.contains("--identity"), "{closed:?}");
    // Without more words: the generation behind the newest, which is damaged here.
    let damaged = site.run(&["diff"], &[Flag::Storage, Flag::Identity]);
    assert!(damaged.code == 1 && damaged.stderr.contains("1-2") && damaged.stderr.contains("corrupt"), "{damaged:?}");

    let (old, new) = (site.file_bytes("old.json", &document(2)), site.file_bytes("new.json", &document(1)));
    let files = site.run(&["diff", "--files", &old, &new], &[]);
    assert!(files.code == 0 && files.stdout.contains("- routes/route-1"), "{files:?}");
}

#[test]
fn a_generation_is_fetched_as_it_is_sealed_and_only_then_written() {
    let site = Site::sealed();
    let out = site.folder.path().join("snapshot");
    let fetched = site.run(&["fetch", "--out", text(&out), "--json"], &[Flag::Storage, Flag::Trust]);
    assert_eq!((fetched.code, &fetched.json()["position"]), (0, &json!("1-3")), "{fetched:?}");
    assert_eq!(fs::read(&out).unwrap(), fs::read(site.storage().join(&site.newest().key)).unwrap());
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);

    let again = site.run(&["fetch", "1", "--out", text(&out)], &[Flag::Storage]);
    assert!(again.code == 3 && again.stderr.contains("--force"), "{again:?}");
    let refused = site.run(&["fetch", "2", "--out", text(&out), "--force"], &[Flag::Storage]);
    assert!(refused.code == 1 && refused.stderr.contains("corrupt"), "{refused:?}");
    assert_eq!(Digest::of(&fs::read(&out).unwrap()), site.newest().file_digest, "what was there is as it was");
    assert_eq!(site.run(&["fetch", "1", "--out", text(&out), "--force"], &[Flag::Storage]).code, 0);

    let plain = site.folder.path().join("plain");
    let closed = site.run(&["fetch", "--plain", "--out", text(&plain)], &[Flag::Storage]);
    assert!(closed.code == 1 && closed.stderr.contains("--identity") && !plain.exists(), "{closed:?}");
    let opened = site.run(&["fetch", "--plain", "--out", text(&plain)], &[Flag::Storage, Flag::Identity]);
    assert!(opened.code == 0 && opened.stderr.contains("secrets included"), "{opened:?}");
    assert_eq!(fs::read(&plain).unwrap(), document(3));
    assert_eq!(fs::metadata(&plain).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn the_check_restores_the_backup_as_a_node_born_in_an_outage_would() {
    let site = Site::sealed();
    site.publish(4, 4);
    site.damage(4);
    let version = ["--cluster", CLUSTER, "--gateway-version", VERSION];
    let arguments = [&["check", "--as", "importer", "--json"], &version[..]].concat();
    let restored = site.run(&arguments, &[Flag::Storage, Flag::Trust, Flag::Identity]);
    assert_eq!(restored.code, 0, "{restored:?}");
    let restored = restored.json();
    assert_eq!((&restored["serves"], &restored["origin"], &restored["position"]), (&json!(true), &json!("storage"), &json!("1-3")));
    assert_eq!((&restored["sealed"]["signer"], &restored["counts"]["routes"]), (&json!(site.key_id()), &json!(3)));
    let read: Vec<&str> = array(&restored["stations"]["reads"]).iter().map(|read| read["key"].as_str().unwrap()).collect();
    assert!(read.len() == 3 && read[0] == keys::HEAD && read[1].contains("1-4") && read[2].contains("1-3"), "{read:?}");
    assert_eq!(restored["unenforced_plugins"], json!(["key-auth", "rate-limiting"]));
    assert!(restored["needs"][0].as_str().unwrap().contains("rate-limiting"), "{restored}");

    // An operator who forgot the key learns which rung said what.
    let arguments = [&["check", "--as", "importer"], &version[..]].concat();
    let stranded = site.run(&arguments, &[Flag::Storage, Flag::Trust]);
    assert_eq!(stranded.code, 1, "{stranded:?}");
    for part in ["would not serve", "generation 1-4", "generation 1-3", "generation 1-1", "holdover_identity"] {
        assert!(stranded.stdout.contains(part), "{part} is not in {stranded:?}");
    }
    assert_eq!(site.run(&["check", "--as", "importer"], &[Flag::Storage]).code, 2, "nobody said which gateways");
    assert_eq!(site.run(&["check", "--cluster", CLUSTER], &[]).code, 2, "the settings alone are checked");
}

#[test]
fn a_document_is_restored_without_a_routing_table_and_only_as_a_document() {
    let site = Site::new(Lock::Age);
    site.publish_config(br#"{"port": 80, "hosts": ["a"]}"#.to_vec(), Format::Document, 1);
    let arguments = ["check", "--as", "importer", "--json", "--cluster", CLUSTER, "--gateway-version", VERSION];
    let flags = [Flag::Storage, Flag::Trust, Flag::Identity];
    let restored = site.run(&[&arguments[..], &["--format", "document"]].concat(), &flags);
    assert_eq!((restored.code, &restored.json()["position"]), (0, &json!("1-1")), "{restored:?}");
    let foreign = site.run(&arguments, &flags);
    assert_eq!((foreign.code, &foreign.json()["serves"]), (1, &json!(false)), "{foreign:?}");
    assert!(foreign.json()["why"].as_str().unwrap().contains("holdover_format"), "{foreign:?}");
}

#[test]
fn a_fetched_snapshot_is_a_bundle_and_the_settings_say_the_rest() {
    let site = Site::sealed();
    let bundle = site.folder.path().join("bundle");
    assert_eq!(site.run(&["fetch", "--out", text(&bundle)], &[Flag::Storage]).code, 0);
    let cache = site.folder.path().join("cache");
    let settings = site.settings(&format!("holdover_bundle = {}\nholdover_cache_dir = {}\n", bundle.display(), cache.display()));
    fs::remove_dir_all(site.storage().join("holdover")).unwrap();
    let restored = site.run(&["check", "--as", "importer", "--config", &settings], &[]);
    assert_eq!(restored.code, 0, "{restored:?}");
    assert!(restored.stdout.contains("would serve: generation 1-3, from the bundle"), "{restored:?}");
    assert!(restored.stdout.contains("503") && restored.stdout.contains("key-auth"), "{restored:?}");
    assert!(!cache.exists(), "the node's own cache is not touched");
}

#[test]
fn the_settings_of_a_node_are_enough_for_every_command() {
    let site = Site::sealed();
    let settings = site.settings("");
    for arguments in [&["history"][..], &["show"], &["diff", "1"], &["history", "--json"]] {
        let ended = site.run(&[arguments, &["--config", &settings]].concat(), &[]);
        assert_eq!(ended.code, 0, "{arguments:?} {ended:?}");
    }
    let judged = site.run(&["verify", "--config", &settings, "--json", "--storage"], &[]);
    assert_eq!((judged.code, &judged.json()["snapshots"][0]["opened"]), (1, &json!(true)), "{judged:?}");
    let nowhere = site.run(&["history"], &[]);
    assert_eq!(nowhere.code, 2, "{nowhere:?}");
}

#[test]
fn a_private_key_where_a_public_one_belongs_is_not_repeated() {
    let site = Site::new(Lock::None);
    site.publish(1, 1);
    let key = fs::read_to_string(site.folder.path().join("signing")).unwrap();
    let ended = site.run(&["history", "--trusted-key", key.trim()], &[Flag::Storage]);
    assert!(ended.code == 2 && ended.stderr.contains("--trusted-key"), "{ended:?}");
}
