// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

#[tokio::test]
async fn what_was_written_is_read_back_also_by_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("made/for/it");
    let cache = FileCache::open(&dir).unwrap();
    assert_eq!(cache.read(Slot::Applied).await, Ok(None));
    cache.write(Slot::Applied, vec!["origin ".into(), "snapshot".into()]).await.unwrap();
    cache.write_state(Remembering::Importer, vec![1, 2]).await.unwrap();
    drop(cache);

    let cache = FileCache::open(&dir).unwrap();
    assert_eq!(cache.read(Slot::Applied).await, Ok(Some("origin snapshot".into())));
    assert_eq!(cache.read(Slot::Settled).await, Ok(None));
    assert_eq!(cache.read_state(Remembering::Importer).await, Ok(vec![1, 2]));
    assert_eq!(cache.read_state(Remembering::Exporter).await, Ok(vec![]));
}

#[tokio::test]
async fn nobody_else_may_read_the_folder_or_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("cache");
    let cache = FileCache::open(&dir).unwrap();
    cache.write(Slot::Applied, vec!["secret".into()]).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    for entry in fs::read_dir(&dir).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
}

#[tokio::test]
async fn two_nodes_do_not_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let _first = FileCache::open(folder.path()).unwrap();
    let sentence = FileCache::open(folder.path()).err().unwrap();
    assert!(sentence.starts_with("holdover_cache_dir = /"), "{sentence}");
    assert!(sentence.contains(&format!("process {}", std::process::id())), "{sentence}");
}

#[test]
fn a_folder_that_cannot_be_used_is_named_with_its_setting() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let sentence = FileCache::open(file.join("cache")).err().unwrap();
    assert!(sentence.starts_with("holdover_cache_dir = /") && sentence.contains("name a folder"), "{sentence}");
}

#[tokio::test]
async fn a_write_that_its_caller_gave_up_never_overtakes_a_later_one() {
    let folder = tempfile::tempdir().unwrap();
    let cache = FileCache::open(folder.path()).unwrap();
    cache.folder.write("attempts", 7, &["later".into()]).unwrap();
    cache.folder.write("attempts", 6, &["earlier".into()]).unwrap();
    assert_eq!(cache.read(Slot::Attempts).await, Ok(Some("later".into())));
}

#[tokio::test]
async fn what_is_set_aside_keeps_its_reason_and_only_the_newest_five_stay() {
    let folder = tempfile::tempdir().unwrap();
    let cache = FileCache::open(folder.path()).unwrap();
    cache.set_aside(Slot::Applied, "nothing there").await.unwrap();
    cache.write(Slot::Settled, vec!["bystander".into()]).await.unwrap();
    for nth in 0..7 {
        cache.write(Slot::Applied, vec![format!("{nth}").into()]).await.unwrap();
        cache.set_aside(Slot::Applied, "Torn: the digest/../differs!").await.unwrap();
    }
    assert_eq!(cache.read(Slot::Applied).await, Ok(None));
    assert_eq!(cache.read(Slot::Settled).await, Ok(Some("bystander".into())));
    let mut kept: Vec<String> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().contains("applied.snapshot.torn-the-digest-differs."))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    kept.sort();
    assert_eq!(kept, ["2", "3", "4", "5", "6"]);
}

#[tokio::test]
async fn what_a_dead_process_left_half_written_is_removed_and_never_read() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("applied.snapshot.tmp"), "half").unwrap();
    let cache = FileCache::open(folder.path()).unwrap();
    assert_eq!(cache.read(Slot::Applied).await, Ok(None));
    assert!(!folder.path().join("applied.snapshot.tmp").exists());
}

#[tokio::test]
async fn a_state_larger_than_what_is_kept_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let cache = FileCache::open(folder.path()).unwrap();
    assert!(cache.write_state(Remembering::Exporter, vec![0; STATE_BYTES_MAX + 1]).await.is_err());
    cache.write_state(Remembering::Exporter, vec![0; STATE_BYTES_MAX]).await.unwrap();
    assert_eq!(cache.read_state(Remembering::Exporter).await.unwrap().len(), STATE_BYTES_MAX);
}

#[tokio::test]
async fn the_operators_word_is_left_with_a_node_that_holds_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let cache = FileCache::open(folder.path()).unwrap();
    write_approval(folder.path(), b"first").unwrap();
    write_approval(folder.path(), b"second").unwrap();
    assert_eq!(cache.read(Slot::Approval).await, Ok(Some("second".into())));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "the approval and the lock");
    let sentence = write_approval(&folder.path().join("none"), b"x").unwrap_err();
    assert!(sentence.starts_with("holdover_cache_dir = /") && sentence.contains("approval"), "{sentence}");
}
