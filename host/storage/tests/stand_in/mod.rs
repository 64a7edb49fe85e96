//! A service on loopback that answers what a test says: plain or over TLS, one thread per connection, one request per connection.
//!
//! Stands in for web servers, proxies and credential services. Knows just enough HTTP/1.1; remembers what it was asked.

// A test stops at the first thing that is not as it says; and no test file uses all of this.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

pub const CA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/ca.crt.pem");

pub struct StandIn {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub target: String,
    /// Names in small letters.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    announced: Option<usize>,
    /// Ends with the connection, without a length.
    unannounced: bool,
    pause: Duration,
    /// Becomes a tunnel to this port of 127.0.0.1.
    tunnel: Option<u16>,
}

impl StandIn {
    pub fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::serve(None, answer)
    }

    /// For the names localhost, storage.test and *.storage.test, by an issuer whose certificate is in [`CA`].
    pub fn start_tls(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let certificate = CertificateDer::from_pem_slice(include_bytes!("../fixtures/storage.crt.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_slice(include_bytes!("../fixtures/storage.key.pem")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
        Self::serve(Some(Arc::new(config)), answer)
    }

    fn serve(tls: Option<Arc<ServerConfig>>, answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (asked.clone(), Arc::new(answer));
        // Ends with the test's process.
        thread::spawn(move || {
            while let Ok((connection, _)) = listener.accept() {
                let (seen, answer, tls) = (seen.clone(), answer.clone(), tls.clone());
                thread::spawn(move || match tls {
                    None => converse(connection.try_clone().unwrap(), Some(connection), &seen, &*answer),
                    Some(config) => converse(StreamOwned::new(ServerConnection::new(config).unwrap(), connection), None, &seen, &*answer),
                });
            }
        });
        Self { port, asked }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Asked {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

impl Reply {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let (headers, body) = (Vec::new(), body.into());
        Self { status, headers, body, announced: None, unannounced: false, pause: Duration::ZERO, tunnel: None }
    }

    /// S3's way to say no.
    pub fn s3(status: u16, code: &str) -> Self {
        Self::new(status, format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>as asked</Message></Error>"))
            .with("content-type", "application/xml")
    }

    pub fn tunnel(port: u16) -> Self {
        Self { tunnel: Some(port), ..Self::new(200, "") }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn announcing(self, bytes: usize) -> Self {
        Self { announced: Some(bytes), ..self }
    }

    pub fn unannounced(self) -> Self {
        Self { unannounced: true, ..self }
    }

    pub fn after(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    fn head(&self) -> String {
        let mut head = format!("HTTP/1.1 {} As-Asked\r\n", self.status);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        if self.tunnel.is_none() {
            head += "connection: close\r\n";
            if !self.unannounced && self.status != 204 {
                head += &format!("content-length: {}\r\n", self.announced.unwrap_or(self.body.len()));
            }
        }
        head + "\r\n"
    }
}

fn converse<S: Read + Write>(mut stream: S, raw: Option<TcpStream>, seen: &Mutex<Vec<Asked>>, answer: &dyn Fn(&Asked) -> Reply) {
    // Who does not trust our certificate hangs up here.
    let Some(asked) = read(&mut stream) else { return };
    seen.lock().unwrap().push(asked.clone());
    let reply = answer(&asked);
    thread::sleep(reply.pause);
    // Whoever stopped listening does not get the rest.
    let _ = stream.write_all(reply.head().as_bytes()).and_then(|()| stream.write_all(&reply.body)).and_then(|()| stream.flush());
    if let (Some(port), Some(raw)) = (reply.tunnel, raw) {
        tunnel(raw, TcpStream::connect(("127.0.0.1", port)).unwrap());
    }
}

fn read(stream: &mut impl Read) -> Option<Asked> {
    let mut bytes = Vec::new();
    let mut one = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut one).ok()?;
        bytes.push(one[0]);
    }
    let head = String::from_utf8(bytes).unwrap();
    let (first, rest) = head.split_once("\r\n").unwrap();
    let mut first = first.split(' ').map(str::to_owned);
    let headers = rest.lines().filter_map(|line| line.split_once(": "));
    let headers: BTreeMap<_, _> = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    let mut body = vec![0; headers.get("content-length").map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).ok()?;
    let body = String::from_utf8_lossy(&body).into_owned();
    Some(Asked { method: first.next().unwrap(), target: first.next().unwrap(), headers, body })
}

fn tunnel(client: TcpStream, server: TcpStream) {
    let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(std::net::Shutdown::Write);
    });
    let (mut from_server, mut to_client) = (server, client);
    let _ = std::io::copy(&mut from_server, &mut to_client);
    let _ = to_client.shutdown(std::net::Shutdown::Write);
}
