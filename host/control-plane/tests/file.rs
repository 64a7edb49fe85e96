//! The watched file on a real file system.
// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use holdover_control_plane::FileControlPlane;
use holdover_ports::{Answer, Dial, Session};

#[tokio::test]
async fn dialling_reads_the_file_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    fs::write(&path, "routes: []\n").unwrap();
    assert_eq!(open(&path).await.next().await.unwrap().bytes(), "routes: []\n");
}

#[tokio::test]
async fn a_missing_an_empty_and_an_unfit_file_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    let missing = plane(&path).dial().await.err().unwrap();
    assert_eq!(missing.answer, Answer::Unexpected);
    assert!(missing.detail.contains("holdover_control_plane = file:///") && missing.detail.contains("no such file"), "{}", missing.detail);

    fs::write(&path, "").unwrap();
    assert_eq!(plane(&path).dial().await.err().unwrap().answer, Answer::NotConfigured);

    let unfit = plane(folder.path()).dial().await.err().unwrap();
    assert!(unfit.detail.contains("no regular file"), "{}", unfit.detail);
}

#[tokio::test]
async fn a_file_renamed_over_it_is_delivered_long_before_the_slow_poll() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    fs::write(&path, "one").unwrap();
    let mut session = open(&path).await;
    session.next().await.unwrap();

    let other = folder.path().join("other");
    fs::write(&other, "two").unwrap();
    fs::rename(&other, &path).unwrap();
    assert_eq!(soon(&mut session).await, "two");
}

#[tokio::test]
async fn kubernetes_swap_of_a_link_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    for (version, text) in [("v1", "one"), ("v2", "two")] {
        fs::create_dir(folder.path().join(version)).unwrap();
        fs::write(folder.path().join(version).join("config.yaml"), text).unwrap();
    }
    symlink("v1", folder.path().join("..data")).unwrap();
    symlink("..data/config.yaml", folder.path().join("config.yaml")).unwrap();
    let mut session = open(&folder.path().join("config.yaml")).await;
    session.next().await.unwrap();

    symlink("v2", folder.path().join("..data_tmp")).unwrap();
    fs::rename(folder.path().join("..data_tmp"), folder.path().join("..data")).unwrap();
    assert_eq!(soon(&mut session).await, "two");
}

#[tokio::test]
async fn a_file_that_is_being_written_is_delivered_once_and_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    fs::write(&path, "one").unwrap();
    let mut session = open(&path).await;
    session.next().await.unwrap();

    let writing = path.clone();
    let writer = tokio::spawn(async move {
        let mut file = fs::File::create(&writing).unwrap();
        for piece in 0..20 {
            write!(file, "{piece},").unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let delivered = soon(&mut session).await;
    writer.await.unwrap();
    assert_eq!(delivered, fs::read_to_string(&path).unwrap());
}

#[tokio::test]
async fn a_touched_file_and_its_neighbours_deliver_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    fs::write(&path, "one").unwrap();
    let mut session = open(&path).await;
    session.next().await.unwrap();

    fs::write(&path, "one").unwrap();
    fs::write(folder.path().join("neighbour"), "x").unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(400), session.next()).await.is_err());
    fs::write(&path, "two").unwrap();
    assert_eq!(soon(&mut session).await, "two");
}

#[tokio::test]
async fn a_removed_file_ends_the_session() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    fs::write(&path, "one").unwrap();
    let mut session = open(&path).await;
    session.next().await.unwrap();
    fs::remove_file(&path).unwrap();
    let lost = tokio::time::timeout(Duration::from_secs(3), session.next()).await.unwrap().unwrap_err();
    assert!(lost.detail.contains("no such file"), "{}", lost.detail);
}

fn plane(path: &Path) -> FileControlPlane {
    FileControlPlane::new(path.to_owned())
}

async fn open(path: &Path) -> Box<dyn Session> {
    plane(path).dial().await.unwrap()
}

/// Sooner than the slow poll would find it.
async fn soon(session: &mut Box<dyn Session>) -> String {
    let config = tokio::time::timeout(Duration::from_secs(3), session.next()).await.expect("no notification").unwrap();
    String::from_utf8(config.bytes().to_vec()).unwrap()
}
