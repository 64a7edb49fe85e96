//! A Python program beside the tests that takes commands and tells events, a line of JSON each.
//!
//! It ends with its stdin, which only this process holds open, so it ends with this process, however that ends. Knows no command and no
//! event by name.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};

use holdover_drill::{OFTEN, until};
use holdover_tests::site::BOUND;
use holdover_tests::third_party;
use serde_json::Value;

pub struct Python {
    script: &'static str,
    child: Child,
    events: Arc<Mutex<Vec<Value>>>,
    complaints: PathBuf,
}

impl Python {
    /// The script stands in `tests/xds/`; what it complains of goes into a file of this folder.
    pub fn start(script: &'static str, arguments: &[&str], environment: &[(&str, &str)], folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let complaints = folder.join("complaints");
        let mut command = Command::new("python3");
        command
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("xds").join(script))
            .args(arguments)
            .env("PYTHONPATH", third_party::grpc_python())
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&complaints).unwrap());
        let mut child = command.spawn().expect("python3 is there");
        let events = Arc::new(Mutex::new(Vec::new()));
        let told = child.stdout.take().unwrap();
        std::thread::spawn({
            let events = events.clone();
            move || collect(told, &events)
        });
        Self { script, child, events, complaints }
    }

    pub fn command(&mut self, command: &Value) {
        let line = format!("{command}\n");
        let written = self.child.stdin.as_mut().unwrap().write_all(line.as_bytes());
        written.unwrap_or_else(|failure| panic!("{} takes no command ({failure}): {}", self.script, self.complaints()));
    }

    pub fn events(&self) -> Vec<Value> {
        self.events.lock().unwrap().clone()
    }

    /// Waits for an event that is not among the first `seen` ones.
    pub async fn event_after(&mut self, seen: usize, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let what = format!("{what}, by {},", self.script);
        let told = until(BOUND, OFTEN, &what, async || {
            let told = self.events.lock().unwrap().iter().skip(seen).find(|event| is_it(event)).cloned();
            let ended = self.child.try_wait()?;
            anyhow::ensure!(told.is_some() || ended.is_none(), "{} ended by itself", self.script);
            Ok(told)
        });
        match told.await {
            Ok(event) => event,
            Err(failure) => panic!("{failure:#}; it told {:?} and complained: {}", self.last_events(), self.complaints()),
        }
    }

    pub async fn event(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        self.event_after(0, what, is_it).await
    }

    fn last_events(&self) -> Vec<Value> {
        let events = self.events();
        events[events.len().saturating_sub(10)..].to_vec()
    }

    fn complaints(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.complaints).unwrap_or_default()).into_owned()
    }
}

/// As if killed: no handler runs, and its sockets are the kernel's to close.
impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(told: ChildStdout, events: &Mutex<Vec<Value>>) {
    for line in BufReader::new(told).lines().map_while(Result::ok) {
        let event = serde_json::from_str(&line).unwrap_or(Value::String(line));
        events.lock().unwrap().push(event);
    }
}
