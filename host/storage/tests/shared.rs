//! One fetch per host: threads and processes on one folder, and every state that the folder can be found in.

// A test stops at the first thing that is not as it says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand_in;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use holdover_plugin::model::Digest;
use holdover_ports::StorageRead;
use holdover_storage::{Environment, StorageUrl, shared};
use stand_in::{Reply, StandIn};

const NODES: usize = 8;
const BYTES_MAX: u64 = 1024 * 1024;
const BODY: &str = "a sealed snapshot, for all that this folder knows";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_nodes_at_once_one_fetches() {
    let (server, home) = (serving(), tempfile::tempdir().unwrap());
    let nodes = (0..NODES).map(|_| {
        // Each with a decorator of its own, as each process has.
        let (reader, key) = (node(&server.address(), home.path()), key(BODY));
        tokio::spawn(async move { reader.await.get(&key, BYTES_MAX).await.unwrap().bytes })
    });
    for bytes in join_all(nodes).await {
        assert_eq!(bytes.unwrap(), BODY);
    }
    assert_eq!(server.asked().len(), 1);
    let file = only_file(home.path());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read(&file).unwrap(), BODY.as_bytes());
}

#[test]
fn of_many_processes_at_once_one_fetches() {
    let (server, home) = (serving(), tempfile::tempdir().unwrap());
    let children: Vec<_> = (0..NODES)
        .map(|_| {
            let mut child = Command::new(std::env::current_exe().unwrap());
            child.args(["--exact", "one_of_many_processes_reads", "--ignored"]).stdout(Stdio::null());
            child.env("HOLDOVER_TEST_STORE", server.address()).env("HOLDOVER_TEST_FOLDER", home.path()).spawn().unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
#[ignore = "run by of_many_processes_at_once_one_fetches, in eight processes"]
async fn one_of_many_processes_reads() {
    let (address, folder) = (std::env::var("HOLDOVER_TEST_STORE").unwrap(), std::env::var("HOLDOVER_TEST_FOLDER").unwrap());
    let reader = node(&address, Path::new(&folder)).await;
    assert_eq!(reader.get(&key(BODY), BYTES_MAX).await.unwrap().bytes, BODY);
}

#[tokio::test]
async fn what_is_torn_or_altered_in_the_folder_is_fetched_again_and_mended() {
    let (server, home) = (serving(), tempfile::tempdir().unwrap());
    let reader = node(&server.address(), home.path()).await;
    reader.get(&key(BODY), BYTES_MAX).await.unwrap();
    let file = only_file(home.path());
    let altered = BODY.replace("sealed", "forged");
    for (times, found) in [&BODY[..10], &altered, "", &format!("{BODY} and more")].into_iter().enumerate() {
        fs::write(&file, found).unwrap();
        assert_eq!(reader.get(&key(BODY), BYTES_MAX).await.unwrap().bytes, BODY);
        assert_eq!(fs::read(&file).unwrap(), BODY.as_bytes());
        assert_eq!(server.asked().len(), times + 2);
    }
    reader.get(&key(BODY), BYTES_MAX).await.unwrap();
    assert_eq!(server.asked().len(), 5);
}

#[tokio::test]
async fn what_does_not_fit_its_key_is_handed_on_and_never_kept() {
    let server = StandIn::start(|_| Reply::new(200, "another body"));
    let home = tempfile::tempdir().unwrap();
    let reader = node(&server.address(), home.path()).await;
    for times in 1..=2 {
        // The policy says what is wrong with it.
        assert_eq!(reader.get(&key(BODY), BYTES_MAX).await.unwrap().bytes, "another body");
        assert_eq!(server.asked().len(), times);
    }
    assert_eq!(files(home.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn the_head_and_every_other_object_are_asked_for_each_time() {
    let (server, home) = (serving(), tempfile::tempdir().unwrap());
    let reader = node(&server.address(), home.path()).await;
    let others = ["holdover/head", "holdover/snapshots/3.9.1/7-41", "holdover/snapshots/3.9.1/7-41-0123456789ABCDEF", "3.9.1/config.json"];
    for key in others {
        for _ in 0..2 {
            reader.get(key, BYTES_MAX).await.unwrap();
        }
    }
    assert_eq!(server.asked().len(), 2 * others.len());
    assert_eq!(files(home.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_failure_is_the_storages_own_and_a_bound_holds_for_the_folder_too() {
    let (server, home) = (serving(), tempfile::tempdir().unwrap());
    let reader = node(&server.address(), home.path()).await;
    reader.get(&key(BODY), BYTES_MAX).await.unwrap();
    let too_large = reader.get(&key(BODY), 10).await.unwrap_err();
    assert_eq!(too_large.kind, holdover_ports::StorageFailureKind::TooLarge);
    assert_eq!(server.asked().len(), 2);
    let absent = StandIn::start(|_| Reply::new(404, ""));
    let reader = node(&absent.address(), &home.path().join("other")).await;
    assert_eq!(reader.get(&key(BODY), BYTES_MAX).await.unwrap_err().kind, holdover_ports::StorageFailureKind::Absent);
}

#[tokio::test]
async fn the_folder_keeps_eight_and_drops_the_oldest() {
    let server = StandIn::start(|asked| Reply::new(200, asked.target.split("/v").nth(1).unwrap().split('/').next().unwrap()));
    let home = tempfile::tempdir().unwrap();
    let reader = node(&server.address(), home.path()).await;
    for number in 1..=10 {
        let body = number.to_string();
        let key = format!("holdover/snapshots/v{body}/7-{body}-{}", Digest::of(body.as_bytes()).short());
        assert_eq!(reader.get(&key, BYTES_MAX).await.unwrap().bytes, body);
        // Ages that differ, without waiting for them.
        let newest = files(home.path()).into_iter().find(|path| path.to_str().unwrap().contains(&format!("~v{body}~"))).unwrap();
        let age = Duration::from_secs(1000 - number);
        fs::File::options().write(true).open(newest).unwrap().set_modified(std::time::SystemTime::now() - age).unwrap();
    }
    let kept: Vec<_> = files(home.path()).iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    assert_eq!(kept.len(), 8);
    assert!(!kept.contains(&"1".into()) && !kept.contains(&"2".into()) && kept.contains(&"10".into()), "{kept:?}");
}

#[tokio::test]
async fn a_lock_that_is_held_for_long_keeps_nobody_from_the_storage() {
    let (server, home) = (serving(), tempfile::tempdir().unwrap());
    let reader = node(&server.address(), home.path()).await;
    let locks: Vec<_> = (0..16).map(|number| fs::File::create(home.path().join(format!(".lock-{number}"))).unwrap()).collect();
    for lock in &locks {
        lock.lock().unwrap();
    }
    // The clock is virtual from here on, and moves while nothing else does.
    tokio::time::pause();
    let (began, key) = (tokio::time::Instant::now(), key(BODY));
    let asked = reader.get(&key, BYTES_MAX);
    let waited = async {
        while began.elapsed() < Duration::from_secs(30) {
            assert!(server.asked().is_empty());
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        tokio::time::resume();
    };
    let (fetched, ()) = tokio::join!(asked, waited);
    assert_eq!(fetched.unwrap().bytes, BODY);
    assert_eq!((server.asked().len(), files(home.path()).len()), (1, 0));
}

#[tokio::test]
async fn a_folder_that_others_could_write_is_refused_and_one_that_is_not_there_is_made() {
    let home = tempfile::tempdir().unwrap();
    let made = home.path().join("made");
    let _reader = node("http://127.0.0.1:9", &made).await;
    assert_eq!(fs::metadata(&made).unwrap().permissions().mode() & 0o777, 0o700);
    for mode in [0o770, 0o707, 0o720, 0o702] {
        fs::set_permissions(&made, fs::Permissions::from_mode(mode)).unwrap();
        assert!(refused(&made).await.contains("chmod 700"), "{mode:o}");
    }
    fs::write(home.path().join("file"), "").unwrap();
    assert!(refused(&home.path().join("file")).await.contains("no folder"));
    assert!(refused(&home.path().join("not/there")).await.contains("cannot be made"));
    assert!(refused(Path::new("relative")).await.contains("not absolute"));
}

#[tokio::test]
async fn a_folder_that_goes_away_costs_a_fetch_and_nothing_else() {
    let (server, home) = (serving(), tempfile::tempdir().unwrap());
    let folder = home.path().join("gone");
    let reader = node(&server.address(), &folder).await;
    fs::remove_dir(&folder).unwrap();
    assert_eq!(reader.get(&key(BODY), BYTES_MAX).await.unwrap().bytes, BODY);
}

fn serving() -> StandIn {
    // Long enough for all to come while the first is being answered.
    StandIn::start(|_| Reply::new(200, BODY).after(Duration::from_millis(200)))
}

async fn direct(address: &str) -> Arc<dyn StorageRead> {
    let url = StorageUrl::parse(&format!("mirror+{address}")).unwrap();
    holdover_storage::open_reader(&url, &Environment::new()).await.unwrap()
}

fn node(address: &str, folder: &Path) -> impl Future<Output = Arc<dyn StorageRead>> + Send + 'static {
    let (address, folder) = (address.to_owned(), folder.to_owned());
    async move { shared(direct(&address).await, &folder).unwrap() }
}

async fn refused(folder: &Path) -> String {
    let sentence = shared(direct("http://127.0.0.1:9").await, folder).err().expect("a refusal");
    assert!(sentence.starts_with("holdover_shared_fetch_dir = "), "{sentence}");
    sentence
}

fn key(body: &str) -> String {
    format!("holdover/snapshots/3.9.1/7-41-{}", Digest::of(body.as_bytes()).short())
}

/// Without the folder's own.
fn files(folder: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    all.filter(|entry| !entry.file_name().to_str().unwrap().starts_with('.')).map(|entry| entry.path()).collect()
}

fn only_file(folder: &Path) -> PathBuf {
    let files = files(folder);
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}
