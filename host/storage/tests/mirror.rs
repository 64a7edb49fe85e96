//! A mirror against web servers that answer well, badly and not at all.

// A test stops at the first thing that is not as it says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand_in;

use std::sync::Arc;

use holdover_ports::{StorageFailure, StorageFailureKind as Kind, StorageRead};
use holdover_storage::{Environment, Options, PutConfig, StorageUrl};
use stand_in::{CA, Reply, StandIn};

#[tokio::test]
async fn a_mirror_is_asked_by_get_for_the_bytes_as_they_are_and_tells_mark_and_date() {
    let server = StandIn::start(|_| Reply::new(200, "a head").with("ETag", "\"m1\"").with("Date", "Sun, 06 Nov 1994 08:49:37 GMT"));
    let mirror = open(&format!("mirror+{}/prod/eu", server.address())).await.unwrap();
    assert_eq!(mirror.name(), format!("mirror+{}/prod/eu", server.address()));
    let fetched = mirror.get("holdover/head", 100).await.unwrap();
    assert_eq!(fetched.bytes, "a head");
    assert_eq!(fetched.etag.unwrap().0, "\"m1\"");
    assert_eq!(fetched.date.unwrap().0, 784_111_777_000);
    let asked = server.asked();
    assert_eq!((asked.len(), asked[0].method.as_str(), asked[0].target.as_str()), (1, "GET", "/prod/eu/holdover/head"));
    assert_eq!(asked[0].header("accept-encoding"), "identity");
    assert!(!asked[0].headers.contains_key("authorization") && !asked[0].headers.contains_key("referer"));
}

#[tokio::test]
async fn every_answer_that_is_not_the_file_has_its_name() {
    let answers = [
        (404, Kind::Absent),
        (410, Kind::Absent),
        (401, Kind::Forbidden),
        (403, Kind::AbsentOrForbidden),
        (429, Kind::SlowDown),
        (503, Kind::SlowDown),
        (500, Kind::Unreachable),
        (502, Kind::Unreachable),
        (204, Kind::Other),
        (206, Kind::Other),
        (304, Kind::Other),
        (400, Kind::Other),
    ];
    for (status, kind) in answers {
        let server = StandIn::start(move |_| Reply::new(status, "").with("Retry-After", "7"));
        let failure = refused(&server).await;
        expect(&failure, kind, &status.to_string());
        assert_eq!(failure.retry_after.map(|pause| pause.as_secs()), (kind == Kind::SlowDown).then_some(7), "{status}");
        assert_eq!(server.asked().len(), 1, "{status}: the policy retries, not the client");
    }
}

#[tokio::test]
async fn a_pause_may_be_told_as_a_date_by_the_mirrors_own_clock() {
    let server = StandIn::start(|_| {
        Reply::new(503, "").with("Date", "Sun, 06 Nov 1994 08:49:37 GMT").with("Retry-After", "Sun, 06 Nov 1994 08:50:07 GMT")
    });
    assert_eq!(refused(&server).await.retry_after.map(|pause| pause.as_secs()), Some(30));
}

#[tokio::test]
async fn no_redirect_is_followed_to_wherever_it_leads() {
    let other = Arc::new(StandIn::start(|_| Reply::new(200, "another head")));
    for status in [301, 302, 303, 307, 308] {
        for place in [format!("{}/head", other.address()), "/elsewhere/head".to_owned(), "https://127.0.0.1/head".to_owned()] {
            let server = StandIn::start(move |_| Reply::new(status, "").with("Location", &place));
            expect(&refused(&server).await, Kind::Other, "redirect");
            assert_eq!(server.asked().len(), 1);
        }
    }
    assert!(other.asked().is_empty());
}

#[tokio::test]
async fn a_body_that_is_encoded_is_neither_decoded_nor_taken() {
    for encoding in ["gzip", "br", "x-unheard-of"] {
        let server = StandIn::start(move |_| Reply::new(200, [0x1f, 0x8b, 8]).with("Content-Encoding", encoding));
        expect(&refused(&server).await, Kind::Other, encoding);
    }
    let server = StandIn::start(|_| Reply::new(200, "as it is").with("Content-Encoding", "identity"));
    assert_eq!(of(&server).await.get("holdover/head", 100).await.unwrap().bytes, "as it is");
}

#[tokio::test]
async fn a_body_has_a_bound_whether_its_length_is_announced_or_not() {
    let server = StandIn::start(|_| Reply::new(200, vec![7; 101]));
    expect(&refused(&server).await, Kind::TooLarge, "101 bytes");
    let server = StandIn::start(|_| Reply::new(200, vec![7; 5_000_000]).unannounced());
    expect(&refused(&server).await, Kind::TooLarge, "100 is the most");
    let server = StandIn::start(|_| Reply::new(200, vec![7; 100]).unannounced());
    assert_eq!(of(&server).await.get("holdover/head", 100).await.unwrap().bytes.len(), 100);
}

#[tokio::test]
async fn a_body_that_ends_early_is_never_taken_for_the_file() {
    for sent in [0, 1, 59] {
        let server = StandIn::start(move |_| Reply::new(200, vec![7; sent]).announcing(60));
        expect(&refused(&server).await, Kind::Unreachable, "of 60 bytes");
    }
}

#[tokio::test]
async fn a_mirror_that_is_away_is_unreachable() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mirror = open(&format!("mirror+http://127.0.0.1:{closed}")).await.unwrap();
    expect(&mirror.get("holdover/head", 100).await.unwrap_err(), Kind::Unreachable, "cannot be reached");
}

#[tokio::test]
async fn over_tls_only_who_is_trusted_is_asked() {
    let server = StandIn::start_tls(|_| Reply::new(200, "a head"));
    let url = format!("mirror+https://localhost:{}", server.port());
    let stranger = open(&url).await.unwrap().get("holdover/head", 100).await.unwrap_err();
    expect(&stranger, Kind::Unreachable, "ertificate");
    assert!(server.asked().is_empty());
    let trusting = open_in(&url, &[("AWS_CA_BUNDLE", CA)]).await;
    assert_eq!(trusting.get("holdover/head", 100).await.unwrap().bytes, "a head");
}

#[tokio::test]
async fn a_proxy_stands_before_a_mirror_as_a_tunnel_and_its_password_is_not_told() {
    let server = StandIn::start_tls(|_| Reply::new(200, "a head"));
    let port = server.port();
    let proxy = StandIn::start(move |_| Reply::tunnel(port));
    let address = format!("http://me:hunter2@127.0.0.1:{}", proxy.port());
    let variables = [("AWS_CA_BUNDLE", CA), ("HTTPS_PROXY", &*address)];
    let mirror = open_in("mirror+https://storage.test/prod", &variables).await;
    assert_eq!(mirror.get("holdover/head", 100).await.unwrap().bytes, "a head");
    let asked = proxy.asked();
    assert_eq!((asked[0].method.as_str(), asked[0].target.as_str()), ("CONNECT", "storage.test:443"));
    assert_eq!(asked[0].header("proxy-authorization"), "Basic bWU6aHVudGVyMg==");

    let refusing = StandIn::start(|_| Reply::new(407, ""));
    let address = format!("http://me:hunter2@127.0.0.1:{}", refusing.port());
    let mirror = open_in("mirror+https://storage.test/prod", &[("https_proxy", &*address)]).await;
    let failure = mirror.get("holdover/head", 100).await.unwrap_err();
    expect(&failure, Kind::Unreachable, &refusing.address());
    assert!(!failure.detail.contains("hunter2"), "{}", failure.detail);
}

#[tokio::test]
async fn a_mirror_is_not_opened_for_writing_or_deleting() {
    let url = StorageUrl::parse("mirror+https://cdn.example.com/prod").unwrap();
    assert!(url.is_read_only() && !StorageUrl::parse("file:///var/lib/x").unwrap().is_read_only());
    let sentence = holdover_storage::open(&url, &Environment::new(), PutConfig::default()).await.err().expect("a refusal");
    assert!(sentence.starts_with("cluster_fallback_config_storage = mirror+https://cdn.example.com/prod"), "{sentence}");
    assert!(holdover_storage::open_writer(&url, &Environment::new(), PutConfig::default()).await.is_err());
    let sentence = holdover_storage::open_deleter_with(&url, &Environment::new(), &Options::default()).await.err().expect("a refusal");
    assert!(sentence.starts_with("cluster_fallback_config_storage = mirror+https://cdn.example.com/prod"), "{sentence}");
    assert!(sentence.contains("a mirror is only read"), "{sentence}");
}

/// Takes as long as an answer is waited for.
#[tokio::test]
async fn a_mirror_that_never_answers_is_given_up() {
    let server = StandIn::start(|_| Reply::new(200, "").after(std::time::Duration::from_secs(3600)));
    let began = std::time::Instant::now();
    expect(&refused(&server).await, Kind::Unreachable, "no answer in time");
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}

async fn open(url: &str) -> Result<Arc<dyn StorageRead>, String> {
    holdover_storage::open_reader(&StorageUrl::parse(url).unwrap(), &Environment::new()).await
}

async fn open_in(url: &str, variables: &[(&str, &str)]) -> Arc<dyn StorageRead> {
    let environment: Environment = variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let options = Options::from_environment(&environment).unwrap();
    holdover_storage::open_reader_with(&StorageUrl::parse(url).unwrap(), &environment, &options).await.unwrap()
}

async fn of(server: &StandIn) -> Arc<dyn StorageRead> {
    open(&format!("mirror+{}/prod", server.address())).await.unwrap()
}

async fn refused(server: &StandIn) -> StorageFailure {
    of(server).await.get("holdover/head", 100).await.unwrap_err()
}

/// The kind, and one line that names the setting and the matter.
#[track_caller]
fn expect(failure: &StorageFailure, kind: Kind, named: &str) {
    assert_eq!(failure.kind, kind, "{failure:?}");
    assert!(failure.detail.starts_with("cluster_fallback_config_storage = mirror+http"), "{}", failure.detail);
    assert!(failure.detail.contains(named) && !failure.detail.contains('\n'), "'{named}' is not in: {}", failure.detail);
}
