//! A running Envoy, and what it answers.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use holdover_tests::third_party::{self, Tied, free_ports};
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::bootstrap::Bootstrap;
use crate::storage::ENVOY;

/// How many requests the storage got.
pub const STORAGE_REQUESTS: &str = "cluster.holdover-storage.upstream_rq_total";

pub const PATIENCE: Duration = Duration::from_secs(60);

/// Ends with this value, and with the test process, however that ends.
pub struct Envoy {
    pub process: Tied,
    admin: u16,
    pub listen: u16,
    _home: TempDir,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Envoy {
    /// With one worker.
    pub fn start(bootstrap: &Bootstrap<'_>) -> Self {
        Self::start_with(bootstrap, 1)
    }

    pub fn start_with(bootstrap: &Bootstrap<'_>, workers: u32) -> Self {
        Self::start_written(|admin, listen| bootstrap.write(admin, listen), workers)
    }

    /// By a bootstrap that is written for these two ports.
    pub fn start_written(bootstrap: impl FnOnce(u16, u16) -> String, workers: u32) -> Self {
        let home = tempfile::tempdir().unwrap();
        let [admin, listen] = free_ports();
        let config = home.path().join("bootstrap.yaml");
        fs::write(&config, bootstrap(admin, listen)).unwrap();
        // `env` and `sh` become Envoy, so that its environment holds a key that the module is never told. Without `sh`, `env` would
        // take the path, which holds an '=', for a variable.
        let environment = [
            format!("AWS_ACCESS_KEY_ID={}", ENVOY.0),
            format!("AWS_SECRET_ACCESS_KEY={}", ENVOY.1),
            "AWS_EC2_METADATA_DISABLED=true".to_owned(),
        ];
        let mut arguments = Vec::from(environment);
        arguments.extend(["sh", "-c", r#"exec "$@""#, "sh"].map(str::to_owned));
        arguments.extend([third_party::envoy().display().to_string(), "--config-path".into(), config.display().to_string()]);
        arguments.extend(["--disable-hot-restart", "--log-level", "info", "--concurrency"].map(str::to_owned));
        arguments.push(workers.to_string());
        let process = Tied::start(Path::new("env"), &arguments, home.path());
        Self { process, admin, listen, _home: home }
    }

    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let answer = self.try_get(path, headers).await;
        answer.unwrap_or_else(|| panic!("Envoy did not answer a GET of {path}; it said: {}", self.process.said()))
    }

    pub async fn try_get(&self, path: &str, headers: &[(&str, &str)]) -> Option<Answer> {
        exchange("GET", self.listen, path, headers).await
    }

    /// The same over HTTP/2, without TLS.
    pub async fn by_http2(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let stream = TcpStream::connect(("127.0.0.1", self.listen)).await.unwrap();
        let (mut requests, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        let request =
            headers.iter().fold(Request::get(format!("http://shop.example{path}")), |request, (name, value)| request.header(*name, *value));
        let answer = requests.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
        let (status, fields) = (answer.status().as_u16(), answer.headers().clone());
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        connection.abort();
        let headers = fields.iter().map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        Answer { status, headers: headers.collect(), body: String::from_utf8_lossy(&body).into_owned() }
    }

    /// Waits until its port is open: a request that is sent then has come before its configuration.
    pub async fn listens(&self) {
        self.comes("an open port", async || TcpStream::connect(("127.0.0.1", self.listen)).await.is_ok()).await;
    }

    /// Waits for an answer with this status.
    pub async fn until(&self, status: u16, path: &str) {
        self.until_answer(path, |answer| answer.status == status).await;
    }

    pub async fn until_answer(&self, path: &str, is_it: impl Fn(&Answer) -> bool) -> Answer {
        let end = Instant::now() + PATIENCE;
        loop {
            assert!(!self.process.said().contains("] exiting"), "Envoy has ended; it said: {}", self.process.said());
            match self.try_get(path, &[]).await {
                Some(answer) if is_it(&answer) => return answer,
                Some(_) | None if Instant::now() < end => tokio::time::sleep(Duration::from_millis(50)).await,
                last => panic!("not the answer to a GET of {path} within {PATIENCE:?}: {last:?}; Envoy said: {}", self.process.said()),
            }
        }
    }

    pub async fn until_log(&self, words: &str) {
        self.comes(words, async || self.process.said().contains(words)).await;
    }

    /// One of its statistics.
    pub async fn statistic(&self, name: &str) -> u64 {
        let answer = exchange("GET", self.admin, &format!("/stats?filter={name}"), &[]).await.unwrap();
        let lines = answer.body.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(other, _)| other.ends_with(name)).filter_map(|(_, value)| value.parse::<u64>().ok()).sum()
    }

    /// Ends it in an orderly way, with calls of the module still on their way: Envoy must not crash over them.
    pub async fn end(self) {
        let asked = exchange("POST", self.admin, "/quitquitquit", &[]).await;
        assert_eq!(asked.map(|answer| answer.status), Some(200), "{}", self.process.said());
        self.has_ended().await;
    }

    pub async fn terminate(self) {
        self.process.terminate();
        self.terminated().await;
    }

    /// Waits for its end after a SIGTERM.
    pub async fn terminated(&self) {
        self.has_ended().await;
        assert!(self.process.said().contains("ENVOY_SIGTERM"), "{}", self.process.said());
    }

    async fn has_ended(&self) {
        self.comes("its end", async || TcpStream::connect(("127.0.0.1", self.admin)).await.is_err()).await;
        self.until_log("exiting").await;
        let said = self.process.said();
        assert!(!said.contains("Caught Segmentation fault") && !said.contains("Caught Aborted"), "{said}");
    }

    pub async fn comes(&self, what: &str, is_it: impl AsyncFn() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !is_it().await {
            assert!(Instant::now() < end, "'{what}' did not come within {PATIENCE:?}; Envoy said: {}", self.process.said());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn exchange(method: &str, port: u16, path: &str, headers: &[(&str, &str)]) -> Option<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!("{method} {path} HTTP/1.1\r\nhost: shop.example\r\ncontent-length: 0\r\nconnection: close\r\n{more}\r\n");
    // One byte a character: what is not ASCII goes out as no UTF-8.
    let bytes: Vec<u8> = request.chars().map(|character| character as u8).collect();
    stream.write_all(&bytes).await.ok()?;
    let mut received = Vec::new();
    stream.read_to_end(&mut received).await.ok()?;
    let received = String::from_utf8_lossy(&received);
    let (head, body) = received.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    Some(Answer { status, headers, body: body.to_owned() })
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}
