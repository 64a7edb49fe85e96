//! The polled control plane against real sockets on loopback.
// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use holdover_control_plane::{Authorization, HttpControlPlane, HttpSettings};
use holdover_ports::{Answer, Dial, Random, Session, Unanswered};
use rustls::AlertDescription;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

#[tokio::test]
async fn dialling_brings_the_body_byte_for_byte() {
    let (address, _) = serve(|_, _| ok("a1", "  {\"routes\": []}\n")).await;
    let mut session = dial(address).await.unwrap();
    assert_eq!(session.next().await.unwrap().bytes(), "  {\"routes\": []}\n");
}

#[tokio::test]
async fn an_unchanged_configuration_is_asked_for_by_its_etag_and_not_delivered_again() {
    let (address, mut requests) = serve(|nth, _| match nth {
        0 => ok("a1", "one"),
        1..=3 => "HTTP/1.1 304 Not Modified\r\n\r\n".into(),
        _ => ok("a2", "two"),
    })
    .await;
    let mut session = dial(address).await.unwrap();
    session.next().await.unwrap();
    assert_eq!(session.next().await.unwrap().bytes(), "two");
    assert!(!requests.recv().await.unwrap().contains("if-none-match"));
    assert!(requests.recv().await.unwrap().contains("if-none-match: \"a1\""));
}

#[tokio::test]
async fn the_same_bytes_under_another_etag_are_not_delivered_again() {
    let (address, _) = serve(|nth, _| if nth < 4 { ok(&nth.to_string(), "one") } else { ok("x", "two") }).await;
    let mut session = dial(address).await.unwrap();
    session.next().await.unwrap();
    assert_eq!(session.next().await.unwrap().bytes(), "two");
}

#[tokio::test]
async fn two_failed_polls_in_a_row_lose_no_session() {
    let (address, _) = serve(|nth, _| match nth {
        0 => ok("a", "one"),
        1 | 2 => status("503 Service Unavailable"),
        3 => ok("a", "one"),
        4 | 5 => status("503 Service Unavailable"),
        _ => ok("b", "two"),
    })
    .await;
    let mut session = dial(address).await.unwrap();
    session.next().await.unwrap();
    assert_eq!(session.next().await.unwrap().bytes(), "two");
}

#[tokio::test]
async fn the_third_failed_poll_in_a_row_ends_the_session() {
    let (address, _) = serve(|nth, _| if nth == 0 { ok("a", "one") } else { status("502 Bad Gateway") }).await;
    let mut session = dial(address).await.unwrap();
    session.next().await.unwrap();
    assert_eq!(session.next().await.unwrap_err().answer, Answer::ServerError);
}

#[tokio::test]
async fn each_status_is_its_own_answer() {
    let expected = [
        ("400 Bad Request", Answer::BadRequest),
        ("401 Unauthorized", Answer::Unauthorised),
        ("403 Forbidden", Answer::Forbidden),
        ("426 Upgrade Required", Answer::UpgradeRequired),
        ("500 Internal Server Error", Answer::ServerError),
        ("404 Not Found", Answer::Unexpected),
        ("304 Not Modified", Answer::Unexpected),
        ("200 OK", Answer::NotConfigured),
    ];
    for (line, answer) in expected {
        let (address, _) = serve(move |_, _| status(line)).await;
        assert_eq!(refusal(dial(address).await).answer, answer, "{line}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_never_delivered() {
    let (address, _) = serve(|_, _| "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".into()).await;
    assert_eq!(refusal(dial(address).await).answer, Answer::ConnectionReset);
}

#[tokio::test]
async fn a_body_larger_than_what_is_taken_is_refused_by_its_announcement() {
    let (address, _) = serve(|_, _| "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\nx".into()).await;
    let refusal = refusal(dial(address).await);
    assert_eq!(refusal.answer, Answer::Unexpected);
    assert!(refusal.detail.contains("268435456 bytes"), "{}", refusal.detail);
}

#[tokio::test]
async fn a_redirection_is_followed_within_the_host_and_nowhere_else() {
    let (address, mut requests) = serve(|_, request| {
        if request.starts_with("GET /config") {
            "HTTP/1.1 302 Found\r\nlocation: /moved\r\ncontent-length: 0\r\n\r\n".into()
        } else {
            ok("a", "one")
        }
    })
    .await;
    dial(address).await.unwrap();
    assert!(requests.recv().await.unwrap().starts_with("GET /config"));

    let (elsewhere, mut stolen) = serve(|_, _| ok("a", "two")).await;
    let location = format!("HTTP/1.1 302 Found\r\nlocation: http://{elsewhere}/x\r\ncontent-length: 0\r\n\r\n");
    let (address, _) = serve(move |_, _| location.clone()).await;
    assert_eq!(refusal(dial(address).await).answer, Answer::Unexpected);
    assert!(stolen.try_recv().is_err());
}

#[tokio::test]
async fn credentials_are_sent_and_never_printed() {
    let token = Authorization::bearer("s3cret".into()).unwrap();
    assert!(!format!("{token:?}").contains("s3cret"));
    let (address, mut requests) = serve(|_, _| status("401 Unauthorized")).await;

    let refused = refusal(plane(&format!("http://{address}/config?key=s3cret"), Some(token)).unwrap().dial().await);
    assert!(requests.recv().await.unwrap().contains("authorization: bearer s3cret"));
    assert!(!refused.detail.contains("s3cret"), "{}", refused.detail);
    assert!(refused.detail.starts_with("holdover_control_plane = http://127.0.0.1:"), "{}", refused.detail);

    let named = plane(&format!("http://node:s3cret@{address}/config"), None).unwrap();
    assert!(!named.name().contains("s3cret"));
    refusal(named.dial().await);
    assert!(requests.recv().await.unwrap().contains("authorization: basic bm9kztpzm2nyzxq="));
    assert!(Authorization::bearer("line\nbreak".into()).is_err());
}

#[tokio::test]
async fn a_port_that_nobody_listens_on_is_a_refused_connection() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert_eq!(refusal(dial(address).await).answer, Answer::ConnectionRefused);
    let by_name = plane(&format!("http://localhost:{}/config", address.port()), None).unwrap();
    assert_eq!(refusal(by_name.dial().await).answer, Answer::ConnectionRefused);
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_said_to() {
    // A label of more than 63 bytes: refused by the resolver itself, without a question to the network.
    let refused = refusal(plane(&format!("http://{}.invalid/", "a".repeat(64)), None).unwrap().dial().await);
    assert_eq!(refused.answer, Answer::NameNotResolved, "{}", refused.detail);
}

#[tokio::test]
async fn a_connection_that_closes_without_an_answer_is_told_apart_by_tls() {
    let (address, _) = serve(|_, _| String::new()).await;
    assert_eq!(refusal(dial(address).await).answer, Answer::ConnectionReset);

    let address = serve_tls(String::new());
    assert_eq!(refusal(tls_plane(address, true).dial().await).answer, Answer::ClosedAfterTls);
}

#[tokio::test]
async fn a_certificate_is_theirs_to_mend_until_its_issuer_is_trusted() {
    let address = serve_tls(ok("a", "one"));
    let refused = refusal(tls_plane(address, false).dial().await);
    assert_eq!(refused.answer, Answer::TheirCertificate, "{}", refused.detail);
    let mut session = tls_plane(address, true).dial().await.unwrap();
    assert_eq!(session.next().await.unwrap().bytes(), "one");
}

#[tokio::test]
async fn an_alert_about_certificates_is_a_word_against_this_node_and_no_other_alert_is() {
    for (alert, answer) in [
        (AlertDescription::CertificateRequired, Answer::OurCertificate),
        (AlertDescription::AccessDenied, Answer::OurCertificate),
        (AlertDescription::DecryptError, Answer::Unexpected),
        (AlertDescription::HandshakeFailure, Answer::Unexpected),
    ] {
        let refused = refusal(tls_plane(serve_alert(alert).await, true).dial().await);
        assert_eq!(refused.answer, answer, "{alert:?}: {}", refused.detail);
    }
}

#[test]
fn an_address_that_is_no_http_url_is_refused_with_a_sentence() {
    for url in ["", "ftp://host/x", "https://", "/etc/config"] {
        let sentence = plane(url, None).err().unwrap();
        assert!(sentence.contains("holdover_control_plane"), "{sentence}");
    }
}

struct Fixed;

impl Random for Fixed {
    fn random(&self) -> u64 {
        u64::MAX / 2
    }
}

fn plane(url: &str, authorization: Option<Authorization>) -> Result<HttpControlPlane, String> {
    HttpControlPlane::new(
        HttpSettings { url: url.into(), authorization, ca_pem: None, poll_interval: Duration::from_millis(5) },
        Arc::new(Fixed),
    )
}

fn tls_plane(address: SocketAddr, trusting: bool) -> HttpControlPlane {
    // Another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let ca_pem = trusting.then(|| include_bytes!("fixtures/ca.crt.pem").to_vec());
    let url = format!("https://localhost:{}/config", address.port());
    HttpControlPlane::new(HttpSettings { url, authorization: None, ca_pem, poll_interval: Duration::from_millis(5) }, Arc::new(Fixed))
        .unwrap()
}

async fn dial(address: SocketAddr) -> Result<Box<dyn Session>, Unanswered> {
    plane(&format!("http://{address}/config"), None).unwrap().dial().await
}

fn refusal(dialled: Result<Box<dyn Session>, Unanswered>) -> Unanswered {
    dialled.err().expect("a session where none was expected")
}

fn ok(etag: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\netag: \"{etag}\"\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn status(line: &str) -> String {
    format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\n\r\n")
}

/// Answers each request, on a connection of its own, with what `answer` makes of its number and text; then closes. The
/// requests come back in lower case, but for their first line.
async fn serve(answer: impl Fn(usize, &str) -> String + Send + Sync + 'static) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (seen, requests) = mpsc::unbounded_channel();
    let nth = AtomicUsize::new(0);
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let request = head_of(&mut connection).await;
            let reply = answer(nth.fetch_add(1, Ordering::SeqCst), &request);
            let (line, headers) = request.split_once("\r\n").unwrap();
            let _ = seen.send(format!("{line}\r\n{}", headers.to_lowercase()));
            let reply = reply.replacen("\r\n", "\r\nconnection: close\r\n", 1);
            connection.write_all(reply.as_bytes()).await.unwrap();
        }
    });
    (address, requests)
}

async fn head_of(connection: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// Answers each client's greeting with nothing but this alert.
async fn serve_alert(alert: AlertDescription) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            // A record's type, its version and its length.
            let mut head = [0; 5];
            connection.read_exact(&mut head).await.unwrap();
            let mut greeting = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
            connection.read_exact(&mut greeting).await.unwrap();
            connection.write_all(&[21, 3, 3, 0, 2, 2, u8::from(alert)]).await.unwrap();
        }
    });
    address
}

/// One thread with a plain rustls server: after each handshake it reads something, writes the reply and closes.
fn serve_tls(reply: String) -> SocketAddr {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use std::io::{Read, Write};

    let _ = rustls::crypto::ring::default_provider().install_default();
    let certificate = CertificateDer::from_pem_slice(include_bytes!("fixtures/localhost.crt.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("fixtures/localhost.key.pem")).unwrap();
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let config = Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let reply = reply.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    std::thread::spawn(move || {
        while let Ok((connection, _)) = listener.accept() {
            let mut stream = rustls::StreamOwned::new(rustls::ServerConnection::new(config.clone()).unwrap(), connection);
            // A client that does not trust us ends the handshake, and there is nobody to answer.
            if stream.read(&mut [0; 4096]).is_ok() {
                let _ = stream.write_all(reply.as_bytes());
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    address
}
