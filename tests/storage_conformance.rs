//! One suite for every storage: a folder, the embedded store and SeaweedFS keep the same promises and fail in the same words. The
//! reading part (`reading.rs`) also holds for a mirror, and for identities that may only read; `sweeping.rs` is the janitor's part.
//!
//! What only a storage with faults on demand can show stands at the end.

// A test stops at the first thing that is not as it says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "storage_conformance/reading.rs"]
mod reading;
#[path = "storage_conformance/sweeping.rs"]
mod sweeping;

use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use holdover_drill::store::{AccessKey, Store, StoreOptions};
use holdover_ports::{Etag, PutNew, StorageFailure, StorageFailureKind, Swap};
use holdover_storage::{Environment, Opened, PutConfig, StorageUrl};
use holdover_tests::third_party::{Identity, SeaweedFs, free_ports};
use sweeping::Order;

const WRITERS: usize = 16;
const BYTES_MAX: u64 = 1024 * 1024;
const ADMIN: (&str, &str) = ("AKIAHOLDOVERADMIN001", "secret-of-the-admin-9f2c");
const READER: (&str, &str) = ("AKIAHOLDOVERREADER01", "secret-of-the-reader-77ab");
const SETTINGS: [&str; 3] = ["cluster_fallback_config_storage", "AWS_CONFIG_STORAGE_ENDPOINT", "cluster_fallback_export_s3_config"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_keeps_every_promise_of_a_storage() {
    let home = tempfile::tempdir().unwrap();
    let url = format!("file://{}", home.path().display());
    keeps_every_promise(&open(&url, &Environment::new()).await, Order::OfKeys).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_store_keeps_every_promise_of_a_storage() {
    let store = embedded().await;
    let s3 = S3 { endpoint: store.endpoint(), bucket: store.bucket().to_owned() };
    keeps_every_promise(&s3.open(ADMIN).await, Order::OfKeys).await;
    s3.refuses_who_may_not().await;
    reading::keeps_every_promise(&*s3.open(READER).await.reader, StorageFailureKind::Absent).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_may_only_get_reads_everything_and_hears_that_the_rest_is_absent_or_forbidden() {
    let store = embedded_with(vec![AccessKey::read_write(ADMIN.0, ADMIN.1), AccessKey::only_gets(READER.0, READER.1)]).await;
    let s3 = S3 { endpoint: store.endpoint(), bucket: store.bucket().to_owned() };
    place(&s3.open(ADMIN).await).await;
    let importer = s3.open(READER).await;
    reading::keeps_every_promise(&*importer.reader, StorageFailureKind::AbsentOrForbidden).await;
    let failure = importer.reader.get("holdover/head", BYTES_MAX).await.unwrap_err();
    expect(&failure, StorageFailureKind::AbsentOrForbidden, "s3:ListBucket");
    expect(&importer.writer.put_new("forged", Bytes::new()).await.unwrap_err(), StorageFailureKind::Forbidden, "s3:PutObject");
    let methods = store.requests().into_iter().filter(|request| request.access_key == READER.0 && request.status == Some(200));
    assert!(methods.map(|request| request.method).all(|method| method == "GET"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mirror_keeps_the_promises_of_reading() {
    let home = tempfile::tempdir().unwrap();
    place(&open(&format!("file://{}", home.path().display()), &Environment::new()).await).await;
    let server = reading::serve(home.path()).await;
    let url = StorageUrl::parse(&format!("mirror+{server}")).unwrap();
    let mirror = holdover_storage::open_reader(&url, &Environment::new()).await.unwrap();
    reading::keeps_every_promise(&*mirror, StorageFailureKind::Absent).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seaweedfs_keeps_every_promise_of_a_storage() {
    let identity = |(id, secret): (&str, &str), may_write| Identity { access_key: id.into(), secret_key: secret.into(), may_write };
    let seaweed = SeaweedFs::start(&[identity(ADMIN, true), identity(READER, false)]).await;
    let s3 = S3 { endpoint: seaweed.endpoint().to_owned(), bucket: SeaweedFs::BUCKET.to_owned() };
    let admin = s3.open(ADMIN).await;
    keeps_every_promise(&admin, Order::OfFolders).await;
    sweeping::goes_on_from_page_to_page(&admin, 1100).await;
    s3.refuses_who_may_not().await;
}

async fn keeps_every_promise(storage: &Opened, order: Order) {
    place(storage).await;
    reading::keeps_every_promise(&*storage.reader, StorageFailureKind::Absent).await;
    an_object_is_created_once(storage).await;
    a_swap_sees_what_it_replaces(storage).await;
    of_many_creators_one_wins(storage).await;
    of_many_swappers_one_wins(storage).await;
    sweeping::no_swap_undoes_another(storage).await;
    sweeping::keeps_every_promise(storage, order).await;
    no_key_leads_out_of_the_storage(storage).await;
}

/// What the reading part looks for.
async fn place(storage: &Opened) {
    for (key, body) in reading::objects() {
        assert_eq!(storage.writer.put_new(&key, body).await, Ok(PutNew::Created), "{key}");
    }
}

async fn an_object_is_created_once(storage: &Opened) {
    assert_eq!(storage.writer.put_new("once", Bytes::from_static(b"first")).await, Ok(PutNew::Created));
    assert_eq!(storage.writer.put_new("once", Bytes::from_static(b"second")).await, Ok(PutNew::Exists));
    assert_eq!(read(storage, "once").await, "first");
}

async fn a_swap_sees_what_it_replaces(storage: &Opened) {
    let body = |text: &'static str| Bytes::from_static(text.as_bytes());
    assert_eq!(storage.writer.swap("head", None, body("one")).await, Ok(Swap::Swapped));
    assert_eq!(storage.writer.swap("head", None, body("two")).await, Ok(Swap::Stale));
    let one = mark(storage, "head").await;
    assert_eq!(storage.writer.swap("head", Some(&one), body("two")).await, Ok(Swap::Swapped));
    assert_eq!(storage.writer.swap("head", Some(&one), body("three")).await, Ok(Swap::Stale));
    assert_eq!(read(storage, "head").await, "two");
    // Whatever it was that had the mark is gone: stale as well, and nothing comes into being.
    assert_eq!(storage.writer.swap("gone", Some(&one), body("x")).await, Ok(Swap::Stale));
    expect(&storage.reader.get("gone", BYTES_MAX).await.unwrap_err(), StorageFailureKind::Absent, "gone");
}

async fn of_many_creators_one_wins(storage: &Opened) {
    let all = (0..WRITERS).map(|number| {
        let writer = storage.writer.clone();
        tokio::spawn(async move { writer.put_new("race/create", Bytes::from(format!("writer {number}"))).await.unwrap() })
    });
    let outcomes: Vec<_> = join_all(all).await.into_iter().map(Result::unwrap).collect();
    let winners: Vec<_> = (0..WRITERS).filter(|number| outcomes[*number] == PutNew::Created).collect();
    assert_eq!(winners.len(), 1, "{outcomes:?}");
    assert_eq!(read(storage, "race/create").await, format!("writer {}", winners[0]));
}

async fn of_many_swappers_one_wins(storage: &Opened) {
    assert_eq!(storage.writer.put_new("race/swap", Bytes::from_static(b"before")).await, Ok(PutNew::Created));
    let before = mark(storage, "race/swap").await;
    let all = (0..WRITERS).map(|number| {
        let (writer, before) = (storage.writer.clone(), before.clone());
        tokio::spawn(async move { writer.swap("race/swap", Some(&before), Bytes::from(format!("writer {number}"))).await.unwrap() })
    });
    let outcomes: Vec<_> = join_all(all).await.into_iter().map(Result::unwrap).collect();
    let winners: Vec<_> = (0..WRITERS).filter(|number| outcomes[*number] == Swap::Swapped).collect();
    assert_eq!(winners.len(), 1, "{outcomes:?}");
    assert_eq!(read(storage, "race/swap").await, format!("writer {}", winners[0]));
}

async fn no_key_leads_out_of_the_storage(storage: &Opened) {
    for key in ["../head", "a/../../head", "/head", "a//b", ""] {
        assert_eq!(storage.writer.put_new(key, Bytes::new()).await.unwrap_err().kind, StorageFailureKind::Other, "{key}");
    }
}

/// An S3 service with one bucket, and the two identities of this file.
struct S3 {
    endpoint: String,
    bucket: String,
}

impl S3 {
    async fn open(&self, key: (&str, &str)) -> Opened {
        open(&format!("s3://{}/tests", self.bucket), &environment(&self.endpoint, key)).await
    }

    async fn refuses_who_may_not(&self) {
        self.a_key_that_only_reads_cannot_write().await;
        self.another_bucket_is_no_empty_storage().await;
        self.wrong_credentials_are_named().await;
        self.an_endpoint_that_is_away_is_unreachable().await;
        self.refuses_a_janitor_who_may_not().await;
        self.a_prefix_that_begins_alike_is_another_storage().await;
    }

    async fn a_key_that_only_reads_cannot_write(&self) {
        let (admin, reader) = (self.open(ADMIN).await, self.open(READER).await);
        assert_eq!(admin.writer.put_new("shared", Bytes::from_static(b"shared")).await, Ok(PutNew::Created));
        assert_eq!(read(&reader, "shared").await, "shared");
        let there = mark(&reader, "shared").await;
        let refused = [
            reader.writer.put_new("forged", Bytes::new()).await.unwrap_err(),
            reader.writer.swap("shared", Some(&there), Bytes::new()).await.unwrap_err(),
        ];
        for failure in refused {
            expect(&failure, StorageFailureKind::Forbidden, "s3:PutObject");
        }
        assert_eq!(read(&admin, "shared").await, "shared");
    }

    async fn another_bucket_is_no_empty_storage(&self) {
        let other = open("s3://no-such-bucket-here/tests", &environment(&self.endpoint, ADMIN)).await;
        let failure = other.reader.get("holdover/head", BYTES_MAX).await.unwrap_err();
        expect(&failure, StorageFailureKind::NoSuchStorage, "no-such-bucket-here");
    }

    async fn wrong_credentials_are_named(&self) {
        let unknown = self.open(("AKIAHOLDOVERNOBODY01", "secret-of-nobody-5500")).await;
        let failure = unknown.reader.get("holdover/head", BYTES_MAX).await.unwrap_err();
        expect(&failure, StorageFailureKind::Credentials, "AWS_ACCESS_KEY_ID");
        let wrong = self.open((ADMIN.0, "secret-of-nobody-5500")).await;
        let failures = [
            wrong.reader.get("holdover/head", BYTES_MAX).await.unwrap_err(),
            wrong.writer.put_new("forged", Bytes::new()).await.unwrap_err(),
        ];
        for failure in failures {
            expect(&failure, StorageFailureKind::Credentials, "AWS_SECRET_ACCESS_KEY");
        }
    }

    async fn an_endpoint_that_is_away_is_unreachable(&self) {
        let [closed] = free_ports();
        let away = open(&format!("s3://{}/tests", self.bucket), &environment(&format!("http://127.0.0.1:{closed}"), ADMIN)).await;
        let failures = [
            away.reader.get("holdover/head", BYTES_MAX).await.unwrap_err(),
            // Nothing was sent, so nothing is unknown.
            away.writer.put_new("holdover/head", Bytes::new()).await.unwrap_err(),
        ];
        for failure in failures {
            expect(&failure, StorageFailureKind::Unreachable, &format!("AWS_CONFIG_STORAGE_ENDPOINT = http://127.0.0.1:{closed}"));
        }
    }
}

#[tokio::test]
async fn an_answer_that_got_lost_is_an_unknown_outcome_and_no_failed_write() {
    let store = embedded().await;
    let storage = admin_of(&store).await;
    store.faults().lose_answers(2);
    let created = storage.writer.put_new("holdover/head", Bytes::from_static(b"one")).await.unwrap_err();
    expect(&created, StorageFailureKind::UnknownOutcome, "may or may not");
    assert_eq!(store.get("tests/holdover/head"), Some(Bytes::from_static(b"one")));
    let one = mark(&storage, "holdover/head").await;
    let swapped = storage.writer.swap("holdover/head", Some(&one), Bytes::from_static(b"two")).await.unwrap_err();
    expect(&swapped, StorageFailureKind::UnknownOutcome, "may or may not");
    assert_eq!(read(&storage, "holdover/head").await, "two");
}

#[tokio::test]
async fn a_body_that_ends_early_is_never_taken_for_the_object() {
    let store = embedded().await;
    let storage = admin_of(&store).await;
    storage.writer.put_new("body", Bytes::from(vec![5; 100_000])).await.unwrap();
    for bytes in [0, 1, 70_000, 99_999] {
        store.faults().truncate_next(1, bytes);
        let failure = storage.reader.get("body", BYTES_MAX).await.unwrap_err();
        expect(&failure, StorageFailureKind::Unreachable, "of 100000 bytes");
    }
    assert_eq!(storage.reader.get("body", BYTES_MAX).await.unwrap().bytes.len(), 100_000);
}

#[tokio::test]
async fn a_storage_that_asks_for_a_pause_is_not_asked_again_by_itself() {
    let store = embedded().await;
    let storage = admin_of(&store).await;
    store.faults().slow_down_next(2);
    expect(&storage.reader.get("head", 10).await.unwrap_err(), StorageFailureKind::SlowDown, "503 SlowDown");
    expect(&storage.writer.put_new("head", Bytes::new()).await.unwrap_err(), StorageFailureKind::SlowDown, "503 SlowDown");
    let statuses: Vec<_> = store.requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [Some(503), Some(503)]);
    for (header, seconds) in [("7", 7), ("86400", 300)] {
        store.faults().slow_down_next_for(2, header);
        let asked = [storage.reader.get("head", 10).await.unwrap_err(), storage.writer.put_new("head", Bytes::new()).await.unwrap_err()];
        assert!(asked.iter().all(|failure| failure.retry_after == Some(Duration::from_secs(seconds))), "{asked:?}");
    }
}

#[tokio::test]
async fn an_error_inside_the_storage_leaves_a_write_unknown_and_a_read_failed() {
    let store = embedded().await;
    let storage = admin_of(&store).await;
    store.faults().fail_next(2, 500, "InternalError");
    expect(&storage.reader.get("head", 10).await.unwrap_err(), StorageFailureKind::Unreachable, "500 InternalError");
    expect(&storage.writer.put_new("head", Bytes::new()).await.unwrap_err(), StorageFailureKind::UnknownOutcome, "500 InternalError");
}

#[tokio::test]
async fn codes_that_name_a_setting_are_answered_with_it() {
    let store = embedded().await;
    let storage = admin_of(&store).await;
    let codes = [
        (403, "RequestTimeTooSkewed", StorageFailureKind::Other, "clock"),
        (400, "ExpiredToken", StorageFailureKind::Credentials, "AWS_SESSION_TOKEN"),
        (400, "AuthorizationHeaderMalformed", StorageFailureKind::Other, "AWS_REGION"),
        (429, "TooManyRequests", StorageFailureKind::SlowDown, "pause"),
        (404, "SomethingElse", StorageFailureKind::Other, "S3 service"),
        (403, "AllAccessDisabled", StorageFailureKind::Forbidden, "AllAccessDisabled"),
        (501, "NotImplemented", StorageFailureKind::Unreachable, "501"),
    ];
    for (status, code, kind, named) in codes {
        store.faults().fail_next(1, status, code);
        expect(&storage.reader.get("head", 10).await.unwrap_err(), kind, named);
    }
    store.faults().fail_next(1, 501, "NotImplemented");
    expect(&storage.writer.put_new("head", Bytes::new()).await.unwrap_err(), StorageFailureKind::Other, "If-None-Match");
    for code in ["ConditionalRequestConflict", "OperationAborted"] {
        store.faults().fail_next(1, 409, code);
        assert_eq!(storage.writer.put_new("head", Bytes::new()).await, Ok(PutNew::Exists), "{code}");
    }
}

/// Takes as long as an answer is waited for.
#[tokio::test]
async fn a_storage_that_never_answers_is_given_up() {
    let store = embedded().await;
    let storage = admin_of(&store).await;
    store.faults().delay(Duration::from_secs(3600));
    let (read, write) = tokio::join!(storage.reader.get("head", 10), storage.writer.put_new("head", Bytes::new()));
    expect(&read.unwrap_err(), StorageFailureKind::Unreachable, "no answer in time");
    expect(&write.unwrap_err(), StorageFailureKind::UnknownOutcome, "no answer in time");
}

#[tokio::test]
async fn tls_that_fails_is_unreachable_and_nothing_was_sent() {
    let store = embedded().await;
    let https = store.endpoint().replace("http://", "https://");
    let storage = open(&format!("{https}/{}/tests", store.bucket()), &environment(&store.endpoint(), ADMIN)).await;
    expect(&storage.reader.get("head", 10).await.unwrap_err(), StorageFailureKind::Unreachable, &https);
    expect(&storage.writer.put_new("head", Bytes::new()).await.unwrap_err(), StorageFailureKind::Unreachable, &https);
    assert_eq!(store.requests(), []);
}

#[tokio::test]
async fn a_store_that_went_away_is_unreachable_and_has_everything_when_it_is_back() {
    let store = embedded().await;
    let storage = admin_of(&store).await;
    storage.writer.put_new("head", Bytes::from_static(b"one")).await.unwrap();
    store.stop().await;
    expect(&storage.reader.get("head", 10).await.unwrap_err(), StorageFailureKind::Unreachable, "AWS_CONFIG_STORAGE_ENDPOINT");
    expect(
        &storage.writer.put_new("other", Bytes::new()).await.unwrap_err(),
        StorageFailureKind::Unreachable,
        "AWS_CONFIG_STORAGE_ENDPOINT",
    );
    store.resume().await.unwrap();
    assert_eq!(read(&storage, "head").await, "one");
}

#[tokio::test]
async fn the_storages_clock_comes_with_what_is_read() {
    let store = embedded().await;
    let storage = admin_of(&store).await;
    storage.writer.put_new("head", Bytes::new()).await.unwrap();
    let date = storage.reader.get("head", 10).await.unwrap().date.expect("a Date header");
    let here = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    assert!(u128::from(date.0).abs_diff(here) < 60_000, "{date:?} is not near {here}");
}

#[tokio::test]
async fn a_reader_sends_gets_and_nothing_else() {
    let store = embedded().await;
    let url = StorageUrl::parse(&format!("{}/{}/tests", store.endpoint(), store.bucket())).unwrap();
    let reader = holdover_storage::open_reader(&url, &environment(&store.endpoint(), READER)).await.unwrap();
    assert_eq!(reader.name(), format!("{}/{}/tests", store.endpoint(), store.bucket()));
    let failure = reader.get("holdover/head", 10).await.unwrap_err();
    expect(&failure, StorageFailureKind::Absent, &store.endpoint());
    let requests = store.requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert_eq!((requests[0].method.as_str(), requests[0].key.as_str()), ("GET", "tests/holdover/head"));
    assert_eq!((requests[0].access_key.as_str(), requests[0].status), (READER.0, Some(404)));
}

#[tokio::test]
async fn without_any_credentials_nothing_is_asked_and_the_variables_are_named() {
    let store = embedded().await;
    let mut environment = environment(&store.endpoint(), ADMIN);
    environment.retain(|name, _| !name.contains("KEY"));
    // The instance role is off, or this would leave the machine.
    environment.insert("AWS_EC2_METADATA_DISABLED".into(), "true".into());
    let storage = open(&format!("s3://{}/tests", store.bucket()), &environment).await;
    expect(&storage.reader.get("head", 10).await.unwrap_err(), StorageFailureKind::Credentials, "AWS_ACCESS_KEY_ID");
    expect(&storage.writer.put_new("head", Bytes::new()).await.unwrap_err(), StorageFailureKind::Credentials, "AWS_ACCESS_KEY_ID");
    assert_eq!(store.requests(), []);
}

#[tokio::test]
async fn what_rots_in_the_store_and_conditions_that_are_ignored_show_as_they_would() {
    let store = embedded().await;
    let storage = admin_of(&store).await;
    storage.writer.put_new("head", Bytes::from_static(b"one")).await.unwrap();
    assert!(store.corrupt("tests/head", 0) && !store.corrupt("tests/head", 3) && !store.corrupt("other", 0));
    assert_eq!(read(&storage, "head").await, "nne");
    store.faults().ignore_if_none_match(true);
    assert_eq!(storage.writer.put_new("head", Bytes::from_static(b"two")).await, Ok(PutNew::Created));
    store.faults().ignore_if_none_match(false);
    store.faults().ignore_if_match(true);
    let other = Etag("\"00000000000000000000000000000000\"".into());
    assert_eq!(storage.writer.swap("head", Some(&other), Bytes::from_static(b"three")).await, Ok(Swap::Swapped));
    store.faults().ignore_if_match(false);
    assert_eq!(storage.writer.swap("head", Some(&other), Bytes::from_static(b"four")).await, Ok(Swap::Stale));
    assert_eq!(read(&storage, "head").await, "three");
}

#[tokio::test]
async fn put_parameters_go_with_every_write_as_headers_and_a_folder_refuses_them() {
    let parameters = r#"{"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alias/holdover", "BucketKeyEnabled": true,
        "StorageClass": "STANDARD_IA", "Metadata": {"team": "edge"}, "Tagging": "cluster=prod&kind=snapshot"}"#;
    let put = PutConfig::parse(parameters).unwrap();
    let store = embedded().await;
    let url = StorageUrl::parse(&format!("s3://{}/tests", store.bucket())).unwrap();
    let Opened { reader, writer, .. } = holdover_storage::open(&url, &environment(&store.endpoint(), ADMIN), put.clone()).await.unwrap();
    let body = |text: &'static str| Bytes::from_static(text.as_bytes());
    let snapshot = "holdover/snapshots/3.9.1/7-41-0123456789abcdef";
    assert_eq!(writer.put_new(snapshot, body("sealed")).await, Ok(PutNew::Created));
    assert_eq!(writer.swap("holdover/head", None, body("one")).await, Ok(Swap::Swapped));
    let one = reader.get("holdover/head", BYTES_MAX).await.unwrap().etag;
    assert_eq!(writer.swap("holdover/head", one.as_ref(), body("two")).await, Ok(Swap::Swapped));
    let expected = [
        ("x-amz-server-side-encryption", "aws:kms"),
        ("x-amz-server-side-encryption-aws-kms-key-id", "alias/holdover"),
        ("x-amz-server-side-encryption-bucket-key-enabled", "true"),
        ("x-amz-storage-class", "STANDARD_IA"),
        ("x-amz-meta-team", "edge"),
        ("x-amz-tagging", "cluster=prod&kind=snapshot"),
    ];
    let writes = store.writes();
    assert_eq!(writes.len(), 3, "{writes:?}");
    for write in &writes {
        for (name, value) in expected {
            assert_eq!(write.headers.get(name).map(String::as_str), Some(value), "{name} at {}", write.key);
        }
    }
    let read = store.requests().into_iter().find(|request| request.method == "GET").unwrap();
    assert!(!read.headers.keys().any(|name| name.starts_with("x-amz-server-side") || name == "authorization"), "{read:?}");
    let home = tempfile::tempdir().unwrap();
    let folder = StorageUrl::parse(&format!("file://{}", home.path().display())).unwrap();
    let sentence = holdover_storage::open_writer(&folder, &Environment::new(), put).await.err().expect("a refusal");
    assert!(sentence.contains("cluster_fallback_export_s3_config"), "{sentence}");
}

async fn embedded() -> Store {
    embedded_with(vec![AccessKey::read_write(ADMIN.0, ADMIN.1), AccessKey::read_only(READER.0, READER.1)]).await
}

async fn embedded_with(keys: Vec<AccessKey>) -> Store {
    Store::start(StoreOptions { bucket: "holdover-tests".into(), keys }).await.unwrap()
}

async fn admin_of(store: &Store) -> Opened {
    open(&format!("s3://{}/tests", store.bucket()), &environment(&store.endpoint(), ADMIN)).await
}

async fn open(url: &str, environment: &Environment) -> Opened {
    holdover_storage::open(&StorageUrl::parse(url).unwrap(), environment, PutConfig::default()).await.unwrap()
}

fn environment(endpoint: &str, (id, secret): (&str, &str)) -> Environment {
    let variables = [("AWS_CONFIG_STORAGE_ENDPOINT", endpoint), ("AWS_ACCESS_KEY_ID", id), ("AWS_SECRET_ACCESS_KEY", secret)];
    variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

async fn read(storage: &Opened, key: &str) -> String {
    let fetched = storage.reader.get(key, BYTES_MAX).await.unwrap();
    String::from_utf8(fetched.bytes.to_vec()).unwrap()
}

async fn mark(storage: &Opened, key: &str) -> Etag {
    storage.reader.get(key, BYTES_MAX).await.unwrap().etag.expect("a mark")
}

/// The kind, and a sentence an operator can use: one line that names a setting and the matter, and holds no secret.
#[track_caller]
fn expect(failure: &StorageFailure, kind: StorageFailureKind, named: &str) {
    assert_eq!(failure.kind, kind, "{failure:?}");
    let sentence = &failure.detail;
    assert!(SETTINGS.iter().any(|setting| sentence.contains(setting)), "no setting in: {sentence}");
    assert!(sentence.contains(named), "'{named}' is not in: {sentence}");
    assert!(!sentence.contains('\n') && sentence.len() < 500, "no sentence: {sentence}");
    let secrets = [ADMIN.1, READER.1, "secret-of-nobody-5500"];
    assert!(!secrets.iter().any(|secret| sentence.contains(secret)), "a secret in: {sentence}");
}
