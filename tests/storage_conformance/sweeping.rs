//! What every storage promises a janitor: listing page by page, and deleting. And that nobody else can do the latter.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures::future::{join_all, ready};
use futures::{StreamExt, stream};
use holdover_drill::store::{AccessKey, Operation};
use holdover_ports::{Etag, Listed, PutNew, StorageDelete, StorageFailureKind, Swap};
use holdover_storage::{Environment, Opened, Options, StorageUrl};

use super::{ADMIN, BYTES_MAX, READER, S3, WRITERS, admin_of, embedded, embedded_with, environment, expect, mark, open, read};

const JANITOR: (&str, &str) = ("AKIAHOLDOVERJANITOR1", "secret-of-the-janitor-31e0");
const EXPORTER: (&str, &str) = ("AKIAHOLDOVEREXPORT01", "secret-of-the-exporter-c40d");
/// Two full pages and a half.
const KEYS: usize = 2500;

/// In which order a listing comes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Order {
    OfKeys,
    /// Folder by folder, each sorted by itself: a service over a file system.
    OfFolders,
}

pub async fn keeps_every_promise(storage: &Opened, order: Order) {
    a_listing_has_what_begins_like_its_prefix_and_nothing_else(storage, order).await;
    a_listing_goes_on_behind_a_key(storage).await;
    what_is_deleted_is_gone_and_its_neighbours_are_not(storage).await;
    what_was_deleted_can_be_created_and_not_swapped(storage).await;
    no_prefix_or_key_leads_out_of_the_storage(storage).await;
}

async fn a_listing_has_what_begins_like_its_prefix_and_nothing_else(storage: &Opened, order: Order) {
    // A dot sorts before a slash, so these versions tell the order of keys from that of folders.
    let there = ["sweep/3.9.1.2/a", "sweep/3.9.1/a", "sweep/3.9.1/b", "sweep/4.0.0/a", "sweep/4.0.0/deep/er/b", "sweepings/a"];
    for key in there {
        assert_eq!(storage.writer.put_new(key, Bytes::from_static(b"listed")).await, Ok(PutNew::Created), "{key}");
    }
    let cases: [(&str, &[&str]); 8] = [
        ("sweep/", &there[..5]),
        ("sweep", &there),
        ("sweep/3.9.1/", &there[1..3]),
        ("sweep/3.9.1", &there[..3]),
        ("sweep/4.0.0/deep/", &there[4..5]),
        ("sweep/4.0.0/a", &there[3..4]),
        ("sweep/3.9.2", &[]),
        ("sweep/4.0.0/a/", &[]),
    ];
    for (prefix, expected) in cases {
        let listed = all(&*storage.deleter, prefix).await;
        let sorted: BTreeSet<&str> = listed.iter().map(|listed| listed.key.as_str()).collect();
        assert_eq!(sorted, BTreeSet::from_iter(expected.iter().copied()), "'{prefix}'");
        assert_eq!(sorted.len(), listed.len(), "'{prefix}': something is listed twice: {listed:?}");
        if order == Order::OfKeys {
            assert!(listed.is_sorted_by(|one, next| one.key < next.key), "'{prefix}': {listed:?}");
        }
        for listed in listed {
            assert!(listed.modified.0.abs_diff(now_ms()) < 60_000, "{listed:?} was written just now");
        }
    }
    let everything = all(&*storage.deleter, "").await;
    assert!(there.iter().all(|key| everything.iter().any(|listed| listed.key == *key)), "{everything:?}");
}

async fn a_listing_goes_on_behind_a_key(storage: &Opened) {
    for number in 0..5 {
        storage.writer.put_new(&format!("behind/{number}"), Bytes::new()).await.unwrap();
    }
    let behind = async |after: &str| {
        let listing = storage.deleter.list("behind/", Some(after)).await.unwrap();
        assert!(!listing.more);
        listing.objects.into_iter().map(|listed| listed.key).collect::<Vec<_>>()
    };
    assert_eq!(behind("behind/2").await, ["behind/3", "behind/4"]);
    assert_eq!(behind("behind/10").await, ["behind/2", "behind/3", "behind/4"], "a key need not be there to be gone on from");
    assert_eq!(behind("behind/4").await, [""; 0]);
}

async fn what_is_deleted_is_gone_and_its_neighbours_are_not(storage: &Opened) {
    for key in ["litter/a", "litter/a-b", "litter/ab"] {
        storage.writer.put_new(key, Bytes::from_static(b"litter")).await.unwrap();
    }
    assert_eq!(storage.deleter.delete("litter/a").await, Ok(()));
    expect(&storage.reader.get("litter/a", BYTES_MAX).await.unwrap_err(), StorageFailureKind::Absent, "litter/a");
    let left: Vec<_> = all(&*storage.deleter, "litter/").await.into_iter().map(|listed| listed.key).collect();
    assert_eq!(left, ["litter/a-b", "litter/ab"]);
    for absent in ["litter/a", "litter/never", "no/such/folder/at/all"] {
        assert_eq!(storage.deleter.delete(absent).await, Ok(()), "{absent} is gone already");
    }
    assert_eq!(read(storage, "litter/ab").await, "litter");
}

async fn what_was_deleted_can_be_created_and_not_swapped(storage: &Opened) {
    storage.writer.put_new("deleted", Bytes::from_static(b"one")).await.unwrap();
    let one = mark(storage, "deleted").await;
    assert_eq!(storage.deleter.delete("deleted").await, Ok(()));
    assert_eq!(storage.writer.swap("deleted", Some(&one), Bytes::from_static(b"two")).await, Ok(Swap::Stale));
    assert_eq!(storage.writer.put_new("deleted", Bytes::from_static(b"three")).await, Ok(PutNew::Created));
    assert_eq!(read(storage, "deleted").await, "three");
}

async fn no_prefix_or_key_leads_out_of_the_storage(storage: &Opened) {
    for prefix in ["../", "/", "a/../../", "a//", ".", "a/."] {
        assert_eq!(storage.deleter.list(prefix, None).await.unwrap_err().kind, StorageFailureKind::Other, "{prefix}");
    }
    for key in ["../head", "a/../../head", "/head", "a//b", "", "sweep/"] {
        assert_eq!(storage.deleter.delete(key).await.unwrap_err().kind, StorageFailureKind::Other, "{key}");
    }
}

/// Sixteen writers that each read, add one and swap: what is there at last is as many as swaps were said to be done.
pub async fn no_swap_undoes_another(storage: &Opened) {
    const SWAPS_EACH: usize = 3;
    assert_eq!(storage.writer.put_new("race/count", Bytes::from_static(b"0")).await, Ok(PutNew::Created));
    let all = (0..WRITERS).map(|_| {
        let (reader, writer) = (storage.reader.clone(), storage.writer.clone());
        tokio::spawn(async move {
            let mut done = 0;
            while done < SWAPS_EACH {
                let there = reader.get("race/count", BYTES_MAX).await.unwrap();
                let count: usize = std::str::from_utf8(&there.bytes).unwrap().parse().unwrap();
                let next = Bytes::from((count + 1).to_string());
                if writer.swap("race/count", there.etag.as_ref(), next).await.unwrap() == Swap::Swapped {
                    done += 1;
                }
            }
        })
    });
    join_all(all).await.into_iter().for_each(Result::unwrap);
    assert_eq!(read(storage, "race/count").await, (WRITERS * SWAPS_EACH).to_string());
}

/// An object that is swapped by many and deleted by one: it is gone, or one swap came first or none did.
async fn a_deletion_among_swappers_is_a_step_of_its_own(storage: &Opened) {
    for round in 0..20 {
        let key = format!("race/deleted-{round}");
        assert_eq!(storage.writer.put_new(&key, Bytes::from_static(b"before")).await, Ok(PutNew::Created));
        let before = mark(storage, &key).await;
        let swaps = (0..WRITERS).map(|number| {
            let (writer, before, key) = (storage.writer.clone(), before.clone(), key.clone());
            tokio::spawn(async move { writer.swap(&key, Some(&before), Bytes::from(format!("writer {number}"))).await.unwrap() })
        });
        let swaps: Vec<_> = swaps.collect();
        assert_eq!(storage.deleter.delete(&key).await, Ok(()));
        let swapped = join_all(swaps).await.into_iter().filter(|swap| *swap.as_ref().unwrap() == Swap::Swapped).count();
        assert!(swapped <= 1, "round {round}: {swapped} swaps of one state");
        let failure = storage.reader.get(&key, BYTES_MAX).await.expect_err("nothing comes back after a deletion");
        assert_eq!(failure.kind, StorageFailureKind::Absent);
    }
}

impl S3 {
    /// A listing and a deletion say no in the same words as reading and writing.
    pub async fn refuses_a_janitor_who_may_not(&self) {
        let (admin, reader) = (self.open(ADMIN).await, self.open(READER).await);
        admin.writer.put_new("kept", Bytes::from_static(b"kept")).await.unwrap();
        for key in ["kept", "absent"] {
            expect(&reader.deleter.delete(key).await.unwrap_err(), StorageFailureKind::Forbidden, "s3:DeleteObject");
        }
        assert_eq!(read(&admin, "kept").await, "kept");
        let other = open("s3://no-such-bucket-here/tests", &environment(&self.endpoint, ADMIN)).await.deleter;
        let unknown = self.open(("AKIAHOLDOVERNOBODY01", "secret-of-nobody-5500")).await.deleter;
        for (deleter, kind, named) in [
            (other, StorageFailureKind::NoSuchStorage, "no-such-bucket-here"),
            (unknown, StorageFailureKind::Credentials, "AWS_ACCESS_KEY_ID"),
        ] {
            expect(&deleter.list("sweep/", None).await.unwrap_err(), kind, named);
            expect(&deleter.delete("kept").await.unwrap_err(), kind, named);
        }
    }

    pub async fn a_prefix_that_begins_alike_is_another_storage(&self) {
        let beside = open(&format!("s3://{}/tests-beside", self.bucket), &environment(&self.endpoint, ADMIN)).await;
        beside.writer.put_new("beside", Bytes::new()).await.unwrap();
        let own = all(&*self.open(ADMIN).await.deleter, "").await;
        assert!(!own.is_empty() && own.iter().all(|listed| !listed.key.contains("beside")), "{own:?}");
        let keys: Vec<_> = all(&*beside.deleter, "").await.into_iter().map(|listed| listed.key).collect();
        assert_eq!(keys, ["beside"]);
    }
}

/// Some more than a page, written side by side.
pub async fn goes_on_from_page_to_page(storage: &Opened, keys: usize) {
    let names: BTreeSet<String> = (0..keys).map(|number| format!("many/{}/{number:05}", number % 3)).collect();
    let writes = stream::iter(names.clone()).map(|key| {
        let writer = storage.writer.clone();
        async move { writer.put_new(&key, Bytes::new()).await.unwrap() }
    });
    assert!(writes.buffer_unordered(WRITERS).all(|put| ready(put == PutNew::Created)).await);
    comes_in_pages(&*storage.deleter, &names).await;
}

async fn comes_in_pages(deleter: &dyn StorageDelete, names: &BTreeSet<String>) {
    let first = deleter.list("many/", None).await.unwrap();
    assert!(first.more && !first.objects.is_empty() && first.objects.len() <= 1000, "{}", first.objects.len());
    let listed = all(deleter, "many/").await;
    assert_eq!(listed.len(), names.len());
    assert_eq!(listed.into_iter().map(|listed| listed.key).collect::<BTreeSet<_>>(), *names);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_listing_comes_in_pages_also_while_it_is_being_deleted() {
    let store = embedded().await;
    let storage = admin_of(&store).await;
    goes_on_from_page_to_page(&storage, KEYS).await;
    let before = store.answered(Operation::List).done;
    let (mut after, mut removed) = (None, 0);
    loop {
        let listing = storage.deleter.list("many/", after.as_deref()).await.unwrap();
        let deletions = listing.objects.iter().map(|listed| storage.deleter.delete(&listed.key));
        removed += stream::iter(deletions).buffer_unordered(WRITERS).filter(|deleted| ready(deleted.is_ok())).count().await;
        after = listing.objects.last().map(|listed| listed.key.clone());
        if !listing.more {
            break;
        }
    }
    assert_eq!(removed, KEYS);
    assert_eq!(store.answered(Operation::List).done - before, 3);
    assert_eq!(store.answered(Operation::Delete).done, KEYS as u64);
    assert!(store.keys().iter().all(|key| !key.contains("many/")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_listing_of_a_folder_comes_in_pages() {
    let home = tempfile::tempdir().unwrap();
    let names: BTreeSet<String> = (0..KEYS).map(|number| format!("many/{}/{number:05}", number % 3)).collect();
    for name in &names {
        let path = home.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"").unwrap();
    }
    let storage = open(&format!("file://{}", home.path().display()), &Environment::new()).await;
    comes_in_pages(&*storage.deleter, &names).await;
    let pages = [storage.deleter.list("", None).await.unwrap(), storage.deleter.list("", Some("many/1/02000")).await.unwrap()];
    assert_eq!((pages[0].objects.len(), pages[0].objects[999].key.as_str(), pages[0].more), (1000, "many/1/00496", true));
    assert_eq!((pages[1].objects[0].key.as_str(), pages[1].objects.len(), pages[1].more), ("many/1/02002", 999, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_among_swappers_is_one_step_on_the_embedded_store_and_in_a_folder() {
    let store = embedded().await;
    a_deletion_among_swappers_is_a_step_of_its_own(&admin_of(&store).await).await;
    let home = tempfile::tempdir().unwrap();
    a_deletion_among_swappers_is_a_step_of_its_own(&open(&format!("file://{}", home.path().display()), &Environment::new()).await).await;
}

#[tokio::test]
async fn who_may_publish_cannot_delete_and_who_may_sweep_cannot_write() {
    let getter = AccessKey::only_gets(READER.0, READER.1);
    let (janitor, exporter) = (AccessKey::read_delete(JANITOR.0, JANITOR.1), AccessKey::read_put(EXPORTER.0, EXPORTER.1));
    let store = embedded_with(vec![janitor, exporter.without_list(), getter]).await;
    let s3 = S3 { endpoint: store.endpoint(), bucket: store.bucket().to_owned() };
    let (janitor, exporter, importer) = (s3.open(JANITOR).await, s3.open(EXPORTER).await, s3.open(READER).await);

    assert_eq!(exporter.writer.put_new("holdover/snapshots/a", Bytes::from_static(b"a")).await, Ok(PutNew::Created));
    for nobody in [&exporter, &importer] {
        let listing = nobody.deleter.list("holdover/snapshots/", None).await.unwrap_err();
        expect(&listing, StorageFailureKind::Forbidden, "s3:ListBucket");
        expect(&listing, StorageFailureKind::Forbidden, "'holdover/snapshots/*'");
        let deletion = nobody.deleter.delete("holdover/snapshots/a").await.unwrap_err();
        expect(&deletion, StorageFailureKind::Forbidden, "s3:DeleteObject");
    }
    let forged = [
        janitor.writer.put_new("forged", Bytes::new()).await.unwrap_err(),
        janitor.writer.swap("holdover/snapshots/a", Some(&mark(&janitor, "holdover/snapshots/a").await), Bytes::new()).await.unwrap_err(),
    ];
    for failure in forged {
        expect(&failure, StorageFailureKind::Forbidden, "s3:PutObject");
    }
    let url = StorageUrl::parse(&format!("s3://{}/tests", store.bucket())).unwrap();
    let deleter = holdover_storage::open_deleter_with(&url, &environment(&store.endpoint(), JANITOR), &Options::default()).await.unwrap();
    assert_eq!(all(&*deleter, "holdover/").await.len(), 1);
    assert_eq!(deleter.delete("holdover/snapshots/a").await, Ok(()));
    assert_eq!(store.keys(), [""; 0]);
    let answered = store.answered(Operation::Delete);
    assert_eq!((answered.done, answered.refused), (1, 2));
}

#[tokio::test]
async fn a_deletion_whose_answer_got_lost_is_made_good_by_asking_again() {
    let store = embedded().await;
    let storage = admin_of(&store).await;
    storage.writer.put_new("litter", Bytes::new()).await.unwrap();
    store.faults().lose_answers(1);
    expect(&storage.deleter.delete("litter").await.unwrap_err(), StorageFailureKind::Unreachable, "may or may not have been done");
    assert_eq!(store.keys(), [""; 0]);
    assert_eq!(storage.deleter.delete("litter").await, Ok(()));
}

#[tokio::test]
async fn what_goes_wrong_in_a_sweep_has_the_readers_names() {
    let store = embedded().await;
    let deleter = admin_of(&store).await.deleter;
    store.faults().slow_down_next_for(2, "7");
    let slowed = [deleter.list("a/", None).await.unwrap_err(), deleter.delete("a").await.unwrap_err()];
    for failure in slowed {
        expect(&failure, StorageFailureKind::SlowDown, "503 SlowDown");
        assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
    }
    for (status, code, kind) in [
        (500, "InternalError", StorageFailureKind::Unreachable),
        (503, "Unknown", StorageFailureKind::SlowDown),
        (405, "MethodNotAllowed", StorageFailureKind::Other),
    ] {
        store.faults().fail_next(2, status, code);
        expect(&deleter.list("a/", None).await.unwrap_err(), kind, code);
        expect(&deleter.delete("a").await.unwrap_err(), kind, code);
    }
    store.stop().await;
    let away = [deleter.list("a/", None).await.unwrap_err(), deleter.delete("a").await.unwrap_err()];
    for failure in away {
        expect(&failure, StorageFailureKind::Unreachable, "AWS_CONFIG_STORAGE_ENDPOINT");
    }
}

#[tokio::test]
async fn beyond_its_budget_the_store_asks_for_a_pause() {
    let store = embedded().await;
    let storage = admin_of(&store).await;
    storage.writer.put_new("head", Bytes::from_static(b"one")).await.unwrap();
    // One request in a second: the one that is saved up at first.
    store.faults().budget(1);
    let asked = join_all((0..8).map(|_| storage.reader.get("head", BYTES_MAX))).await;
    let granted = asked.iter().filter(|answer| answer.is_ok()).count();
    for refused in asked.into_iter().filter_map(Result::err) {
        expect(&refused, StorageFailureKind::SlowDown, "503 SlowDown");
    }
    let answered = store.answered(Operation::Get);
    assert_eq!((answered.done, answered.slowed, answered.total()), (granted as u64, 8 - granted as u64, 8));
    assert!((1..8).contains(&granted), "{granted} of 8 at once");
    store.faults().budget(0);
    assert!(join_all((0..8).map(|_| storage.reader.get("head", BYTES_MAX))).await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_stale_read_has_the_mark_of_what_was_overwritten_and_no_swap_believes_it() {
    let store = embedded().await;
    let storage = admin_of(&store).await;
    storage.writer.put_new("head", Bytes::from_static(b"one")).await.unwrap();
    storage.writer.put_new("other", Bytes::from_static(b"other")).await.unwrap();
    let one = mark(&storage, "head").await;
    assert_eq!(storage.writer.swap("head", Some(&one), Bytes::from_static(b"two")).await, Ok(Swap::Swapped));
    store.faults().stale_reads(2);
    assert_eq!(read(&storage, "other").await, "other", "what was never overwritten is as it is, and does not count");
    let stale: Etag = mark(&storage, "head").await;
    assert_eq!(stale, one);
    assert_eq!(storage.writer.swap("head", Some(&stale), Bytes::from_static(b"three")).await, Ok(Swap::Stale));
    assert_eq!([read(&storage, "head").await, read(&storage, "head").await], ["one", "two"]);
}

/// Page after page.
async fn all(deleter: &dyn StorageDelete, prefix: &str) -> Vec<Listed> {
    let mut all: Vec<Listed> = Vec::new();
    loop {
        let after = all.last().map(|listed| listed.key.as_str());
        let listing = deleter.list(prefix, after).await.unwrap();
        assert!(!listing.objects.is_empty() || !listing.more, "a page without objects is the last");
        all.extend(listing.objects);
        if !listing.more {
            return all;
        }
    }
}

fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}
