//! Prometheus' own judge of rules: the one on the PATH, else the one in Debian's package `prometheus`, fetched once with `apt-get` (which
//! checks the archive's signature) and unpacked without being installed, so that no service begins.
//!
//! A machine that has neither fails the tests with a sentence; they are never skipped.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub fn promtool() -> PathBuf {
    if Command::new("promtool").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return "promtool".into();
    }
    let folder = target().join("third-party");
    fs::create_dir_all(&folder).unwrap();
    let lock = File::create(folder.join(".promtool.lock")).unwrap();
    lock.lock().unwrap();
    let ready = folder.join("prometheus-deb");
    if !ready.is_dir() {
        fetch(&folder, &ready);
    }
    ready.join("usr/bin/promtool")
}

fn fetch(folder: &Path, ready: &Path) {
    let work = tempfile::tempdir_in(folder).unwrap();
    let download = || run(Command::new("apt-get").args(["download", "prometheus"]).current_dir(work.path()));
    // A machine that has never looked has no list of packages.
    let downloaded = download().or_else(|_| run(Command::new("apt-get").arg("update")).and_then(|_| download()));
    let unpacked = work.path().join("unpacked");
    let fetched = downloaded.and_then(|_| {
        let packages = fs::read_dir(work.path()).map_err(|error| error.to_string())?;
        let package = packages.flatten().map(|entry| entry.path()).find(|path| path.extension().is_some_and(|kind| kind == "deb"));
        run(Command::new("dpkg-deb").arg("--extract").arg(package.ok_or("apt-get left no package")?).arg(&unpacked))
    });
    if let Err(why) = fetched {
        panic!("the alert rules are judged by promtool: put Prometheus' promtool on the PATH (apt-get download prometheus failed: {why})");
    }
    fs::rename(&unpacked, ready).unwrap();
}

fn run(command: &mut Command) -> Result<Output, String> {
    match command.output() {
        Ok(output) if output.status.success() => Ok(output),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// This test is `<target>/<profile>/deps/alerts-…`.
fn target() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(3).expect("a test lies three floors under the target folder").to_owned()
}
