//! The file gateway against real files and real reload commands.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed unwrap is a failed test.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use holdover_gateway::{FileGateway, NoGateway};
use holdover_ports::{Config, Gateway, NotApplied};

#[tokio::test]
async fn the_file_is_written_for_its_owner_only_and_nothing_is_left_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    FileGateway::new(&path, None).apply(&config("one")).await.unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "one");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(names(folder.path()), ["config.json"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_never_sees_half_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    let gateway = FileGateway::new(&path, None);
    let (long, short) = (config(&"a".repeat(300_000)), config(&"b".repeat(1_000)));
    gateway.apply(&long).await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let reader = std::thread::spawn({
        let (path, done) = (path.clone(), Arc::clone(&done));
        move || {
            let mut seen = 0;
            while !done.load(Ordering::Relaxed) || seen == 0 {
                let text = fs::read(&path).unwrap();
                assert!(matches!((text.len(), text[0]), (300_000, b'a') | (1_000, b'b')), "{}", text.len());
                seen += 1;
            }
        }
    });
    for _ in 0..50 {
        gateway.apply(&short).await.unwrap();
        gateway.apply(&long).await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    reader.join().unwrap();
}

#[tokio::test]
async fn equal_bytes_are_neither_written_nor_reloaded() {
    let folder = tempfile::tempdir().unwrap();
    let (path, reloads) = (folder.path().join("config.json"), folder.path().join("reloads"));
    let gateway = FileGateway::new(&path, Some(format!("echo reloaded >> '{}'", reloads.display())));
    gateway.apply(&config("one")).await.unwrap();
    let written = fs::metadata(&path).unwrap().modified().unwrap();
    gateway.apply(&config("one")).await.unwrap();
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), written);
    assert_eq!(fs::read_to_string(&reloads).unwrap().lines().count(), 1);
    gateway.apply(&config("two")).await.unwrap();
    assert_eq!(fs::read_to_string(&reloads).unwrap().lines().count(), 2);
}

#[tokio::test]
async fn a_reload_that_says_no_brings_the_previous_file_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    let command = format!("if grep -q bad '{}'; then echo 'line 7 is wrong' >&2; exit 3; fi", path.display());
    let gateway = FileGateway::new(&path, Some(command));
    let Err(NotApplied::Rejected(why)) = gateway.apply(&config("bad")).await else { panic!("not rejected") };
    assert!(why.contains("line 7 is wrong") && why.contains('3'), "{why}");
    assert_eq!(names(folder.path()), Vec::<String>::new());
    gateway.apply(&config("good")).await.unwrap();
    assert!(matches!(gateway.apply(&config("bad again")).await, Err(NotApplied::Rejected(_))));
    assert_eq!(fs::read_to_string(&path).unwrap(), "good");
    assert_eq!(names(folder.path()), ["config.json"]);
}

#[tokio::test]
async fn a_reload_that_hangs_is_ended_and_a_chatty_one_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    let hanging = FileGateway::with_reload_limit(&path, Some("exec sleep 60".into()), Duration::from_millis(200));
    let started = Instant::now();
    let Err(NotApplied::Failed(why)) = hanging.apply(&config("one")).await else { panic!("not failed") };
    assert!(why.contains("did not end within 0.2 s"), "{why}");
    assert!(started.elapsed() < Duration::from_secs(30));
    assert!(!path.exists());
    let chatty = FileGateway::new(&path, Some("head -c 1000000 /dev/zero | tr '\\0' x >&2; echo the end >&2; false".into()));
    let Err(NotApplied::Rejected(why)) = chatty.apply(&config("one")).await else { panic!("not rejected") };
    assert!(why.ends_with("the end") && why.len() < 700, "{}", why.len());
}

#[tokio::test]
async fn a_reload_that_a_dead_process_left_undone_is_made_up_for() {
    let folder = tempfile::tempdir().unwrap();
    let (path, reloads) = (folder.path().join("config.json"), folder.path().join("reloads"));
    fs::write(&path, "one").unwrap();
    fs::write(folder.path().join(".config.json.reload-owed"), "").unwrap();
    let gateway = FileGateway::new(&path, Some(format!("echo reloaded >> '{}'", reloads.display())));
    gateway.apply(&config("one")).await.unwrap();
    gateway.apply(&config("one")).await.unwrap();
    assert_eq!(fs::read_to_string(&reloads).unwrap().lines().count(), 1);
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing").join("config.json");
    let Err(NotApplied::Failed(why)) = FileGateway::new(&path, None).apply(&config("one")).await else { panic!("not failed") };
    assert!(why.contains(&path.display().to_string()), "{why}");
}

#[tokio::test]
async fn no_gateway_takes_everything() {
    NoGateway.apply(&config("anything")).await.unwrap();
    assert_eq!(NoGateway.status().kind, "none");
}

fn config(text: &str) -> Config {
    Config::delivered(Bytes::copy_from_slice(text.as_bytes()))
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
