//! The ways to a bucket: proxies, certificates, addressing; and what S3's answers say besides their code.

// A test stops at the first thing that is not as it says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand_in;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use holdover_ports::{StorageFailure, StorageFailureKind as Kind, StorageRead};
use holdover_storage::{Addressing, Environment, Options, PutConfig, StorageUrl};
use stand_in::{Asked, CA, Reply, StandIn};

const SECRET: &str = "secret-of-the-key-41ad";

#[tokio::test]
async fn a_plain_request_goes_through_the_http_proxy_with_the_proxys_own_credentials() {
    let proxy = StandIn::start(|_| Reply::s3(404, "NoSuchKey"));
    let url = format!("http://me:hunter2@127.0.0.1:{}", proxy.port());
    for name in ["HTTP_PROXY", "http_proxy"] {
        let failure = get("http://storage.test:9000/bucket/p", &[(name, &url)]).await.unwrap_err();
        assert_eq!(failure.kind, Kind::Absent, "{failure:?}");
    }
    for asked in proxy.asked() {
        assert!(asked.target.starts_with("http://storage.test:9000/bucket/p/holdover/head"), "{}", asked.target);
        assert_eq!(asked.header("proxy-authorization"), "Basic bWU6aHVudGVyMg==");
    }
    assert_eq!(proxy.asked().len(), 2);
}

#[tokio::test]
async fn a_request_over_tls_goes_through_a_tunnel_and_the_proxy_sees_nothing_of_it() {
    let store = StandIn::start_tls(|_| Reply::s3(404, "NoSuchKey"));
    let port = store.port();
    let proxy = StandIn::start(move |_| Reply::tunnel(port));
    let variables = [("HTTPS_PROXY", &*proxy.address()), ("AWS_CA_BUNDLE", CA)];
    let failure = get("https://storage.test/bucket/p", &variables).await.unwrap_err();
    assert_eq!(failure.kind, Kind::Absent, "{failure:?}");
    let (tunnels, requests) = (proxy.asked(), store.asked());
    assert_eq!((tunnels[0].method.as_str(), tunnels[0].target.as_str()), ("CONNECT", "storage.test:443"));
    assert!(tunnels.iter().all(|asked| !asked.headers.contains_key("authorization")));
    assert!(requests[0].target.starts_with("/bucket/p/holdover/head"), "{}", requests[0].target);
    assert!(!requests[0].headers.contains_key("proxy-authorization"));
}

#[tokio::test]
async fn this_machine_and_the_hosts_of_no_proxy_are_asked_directly() {
    let proxy = StandIn::start(|_| Reply::s3(404, "NoSuchKey"));
    let store = StandIn::start(|_| Reply::s3(404, "NoSuchKey"));
    let here = format!("{}/bucket", store.address());
    assert_eq!(get(&here, &[("HTTP_PROXY", &proxy.address())]).await.unwrap_err().kind, Kind::Absent);
    // Another name of this machine, which no exception is made for by itself.
    let any = format!("http://0.0.0.0:{}/bucket", store.port());
    for name in ["NO_PROXY", "no_proxy"] {
        let failure = get(&any, &[("HTTP_PROXY", &proxy.address()), (name, "example.com,0.0.0.0/8")]).await.unwrap_err();
        assert_eq!(failure.kind, Kind::Absent, "{failure:?}");
    }
    assert_eq!((store.asked().len(), proxy.asked().len()), (3, 0));
    assert_eq!(get(&any, &[("HTTP_PROXY", &proxy.address())]).await.unwrap_err().kind, Kind::Absent);
    assert_eq!((store.asked().len(), proxy.asked().len()), (3, 1));
}

#[tokio::test]
async fn a_proxy_that_is_away_or_refuses_is_named_without_its_password() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://me:hunter2@127.0.0.1:{closed}");
    let away = get("http://storage.test:9000/bucket", &[("HTTP_PROXY", &url)]).await.unwrap_err();
    expect(&away, Kind::Unreachable, &format!("(proxy http://127.0.0.1:{closed})"));
    let refusing = StandIn::start(|_| Reply::new(407, ""));
    let url = format!("http://me:hunter2@127.0.0.1:{}", refusing.port());
    expect(&get("http://storage.test:9000/bucket", &[("HTTP_PROXY", &url)]).await.unwrap_err(), Kind::Other, "user and password");
    expect(&get("https://storage.test/bucket", &[("HTTPS_PROXY", &url)]).await.unwrap_err(), Kind::Unreachable, "(proxy http://");
}

#[tokio::test]
async fn a_store_with_a_certificate_of_ones_own_needs_the_ca_bundle() {
    let store = StandIn::start_tls(|_| Reply::s3(404, "NoSuchKey"));
    let url = format!("https://localhost:{}/bucket", store.port());
    expect(&get(&url, &[]).await.unwrap_err(), Kind::Unreachable, "ertificate");
    assert!(store.asked().is_empty());
    assert_eq!(get(&url, &[("AWS_CA_BUNDLE", CA)]).await.unwrap_err().kind, Kind::Absent);
}

#[tokio::test]
async fn the_bucket_stands_in_the_path_or_before_the_host_as_the_setting_says() {
    let proxy = StandIn::start(|_| Reply::s3(404, "NoSuchKey"));
    let variables = environment(&[("HTTP_PROXY", &proxy.address())]);
    let addressings = [(Addressing::Auto, "path"), (Addressing::Path, "path"), (Addressing::Virtual, "host")];
    for (addressing, _) in addressings {
        let options = Options::from_environment(&variables).unwrap().with_addressing(addressing);
        let url = StorageUrl::parse("http://storage.test:9000/bucket/p").unwrap();
        let reader = holdover_storage::open_reader_with(&url, &variables, &options).await.unwrap();
        assert_eq!(reader.get("holdover/head", 10).await.unwrap_err().kind, Kind::Absent);
    }
    let targets = proxy.asked().into_iter().map(|asked| asked.target);
    for ((_, place), target) in addressings.into_iter().zip(targets) {
        let begins = if place == "path" { "http://storage.test:9000/bucket/p/" } else { "http://bucket.storage.test:9000/p/" };
        assert!(target.starts_with(begins), "{place}: {target}");
    }
    assert!("sideways".parse::<Addressing>().unwrap_err().contains("holdover_s3_addressing"));
    assert_eq!("virtual".parse(), Ok(Addressing::Virtual));
}

#[tokio::test]
async fn a_pause_that_the_storage_asks_for_is_handed_on() {
    type Answer = fn(&Asked) -> Reply;
    let answers: [(Answer, Option<u64>); 5] = [
        (|_| Reply::s3(503, "SlowDown").with("Retry-After", "7"), Some(7)),
        (|_| Reply::s3(429, "TooManyRequests").with("Retry-After", "86400"), Some(300)),
        (
            |_| {
                Reply::s3(503, "SlowDown")
                    .with("Date", "Sun, 06 Nov 1994 08:49:37 GMT")
                    .with("Retry-After", "Sun, 06 Nov 1994 08:49:57 GMT")
            },
            Some(20),
        ),
        (|_| Reply::s3(503, "SlowDown"), None),
        (|_| Reply::s3(404, "NoSuchKey").with("Retry-After", "7"), None),
    ];
    for (answer, seconds) in answers {
        let store = StandIn::start(answer);
        let failure = get(&format!("{}/bucket", store.address()), &[]).await.unwrap_err();
        assert_eq!(failure.retry_after.map(|pause| pause.as_secs()), seconds, "{failure:?}");
        assert_eq!(store.asked().len(), 1);
    }
    let store = StandIn::start(|_| Reply::s3(503, "SlowDown").with("Retry-After", "9"));
    let (url, variables) = (format!("{}/bucket", store.address()), environment(&[]));
    let writer = holdover_storage::open_writer(&StorageUrl::parse(&url).unwrap(), &variables, PutConfig::default()).await.unwrap();
    assert_eq!(writer.put_new("head", Bytes::new()).await.unwrap_err().retry_after, Some(Duration::from_secs(9)));
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_named_with_how_much_and_which_way() {
    let answer = |ahead: i64| {
        move |_: &Asked| {
            let there = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() as i64 - ahead;
            let date = aws_smithy_types::DateTime::from_secs(there).fmt(aws_smithy_types::date_time::Format::HttpDate).unwrap();
            Reply::s3(403, "RequestTimeTooSkewed").with("Date", &date)
        }
    };
    for (ahead, way) in [(4000_i64, "ahead"), (-4000, "behind")] {
        let store = StandIn::start(answer(ahead));
        let failure = get(&format!("{}/bucket", store.address()), &[]).await.unwrap_err();
        expect(&failure, Kind::Other, &format!(" s, being {way} (RequestTimeTooSkewed): set the clock (NTP)"));
        let number = failure.detail.split("storage's by ").nth(1).and_then(|rest| rest.split(' ').next());
        let number: u64 = number.unwrap().parse().unwrap();
        assert!(number.abs_diff(4000) < 30, "{}", failure.detail);
    }
}

async fn get(url: &str, variables: &[(&str, &str)]) -> Result<(), StorageFailure> {
    let reader: Arc<dyn StorageRead> =
        holdover_storage::open_reader(&StorageUrl::parse(url).unwrap(), &environment(variables)).await.unwrap();
    reader.get("holdover/head", 1000).await.map(|_| ())
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    let keys = [("AWS_ACCESS_KEY_ID", "AKIAHOLDOVERTEST0001"), ("AWS_SECRET_ACCESS_KEY", SECRET)];
    keys.iter().chain(variables).map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

#[track_caller]
fn expect(failure: &StorageFailure, kind: Kind, named: &str) {
    assert_eq!(failure.kind, kind, "{failure:?}");
    assert!(failure.detail.contains(named), "'{named}' is not in: {}", failure.detail);
    assert!(!failure.detail.contains("hunter2") && !failure.detail.contains(SECRET), "{}", failure.detail);
}
