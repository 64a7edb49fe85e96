//! A command of the binary as a child process: its surroundings, its log, its secrets, its end.
//!
//! A child gets exactly the arguments and credentials it is given. Nothing of the caller's `AWS_*`, `KONG_*`, `HOLDOVER_*` or
//! proxy variables reaches it, and it is killed when its [`Child`] is dropped. However it is ended, what it wrote is held against
//! the secrets it was given (all-04). Knows no command.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::process::Command;
use tokio::time::timeout;

use crate::telling::tail;

const FOREIGN_PREFIXES: [&str; 3] = ["AWS_", "KONG_", "HOLDOVER_"];
/// What is told of the log of a child that went wrong.
const LAST_LINES: usize = 20;

/// What a process knows and must not say.
#[derive(Clone)]
pub(crate) struct Secret {
    pub what: String,
    pub text: String,
}

/// What a child is started with.
pub(crate) struct Start<'a> {
    /// As sentences name it.
    pub name: &'a str,
    pub exe: &'a Path,
    /// Where its log is; made if it is not there.
    pub folder: &'a Path,
    pub arguments: Vec<OsString>,
    pub environment: &'a [(String, String)],
    pub secrets: Vec<Secret>,
}

pub(crate) struct Child {
    name: String,
    folder: PathBuf,
    process: tokio::process::Child,
    began: Instant,
    secrets: Vec<Secret>,
    /// How long the log was when it was started: what stands before is of processes before it.
    log_from: usize,
}

impl Child {
    pub fn spawn(start: Start<'_>) -> anyhow::Result<Self> {
        let Start { name, exe, folder, arguments, environment, secrets } = start;
        fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let log = File::options().create(true).append(true).open(folder.join("log"))?;
        let log_from = usize::try_from(log.metadata()?.len())?;

        let mut command = Command::new(exe);
        command.args(arguments);
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_foreign(name)) {
            command.env_remove(name);
        }
        // The only credentials are those given: no metadata service is asked, no profile is read.
        command.env("AWS_EC2_METADATA_DISABLED", "true");
        command.env("AWS_CONFIG_FILE", folder.join("none")).env("AWS_SHARED_CREDENTIALS_FILE", folder.join("none"));
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);

        let began = Instant::now();
        let process = command.spawn().with_context(|| format!("cannot start {} for the {name}", exe.display()))?;
        Ok(Self { name: name.to_owned(), folder: folder.to_owned(), process, began, secrets, log_from })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Since it was spawned.
    pub fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// `Err` with the log's end once the process has ended.
    pub fn still_runs(&mut self) -> anyhow::Result<()> {
        match self.process.try_wait()? {
            None => Ok(()),
            Some(status) => {
                anyhow::bail!("the {} ended by itself ({status}); its log ends with:\n{}", self.name, tail(&self.log(), LAST_LINES))
            }
        }
    }

    /// Waits for a process that is to end by itself.
    pub async fn ended(&mut self, bound: Duration) -> anyhow::Result<ExitStatus> {
        let ended = timeout(bound, self.process.wait()).await;
        let ended = ended.with_context(|| {
            format!("the {} still runs after {bound:?}; its log ends with:\n{}", self.name, tail(&self.log(), LAST_LINES))
        })??;
        self.kept_its_secrets()?;
        Ok(ended)
    }

    /// SIGKILL: no handler runs, nothing is flushed. When this returns, the process is gone.
    pub async fn kill_9(&mut self) -> anyhow::Result<()> {
        self.process.kill().await.with_context(|| format!("cannot kill the {}", self.name))?;
        self.kept_its_secrets()
    }

    /// SIGTERM, then its exit status.
    pub async fn terminate(&mut self, bound: Duration) -> anyhow::Result<ExitStatus> {
        if let Some(pid) = self.process.id().and_then(|pid| libc::pid_t::try_from(pid).ok()) {
            // SAFETY: kill(2) takes no memory of ours. The pid is our child's own: it was not waited for, so it names no other.
            let sent = unsafe { libc::kill(pid, libc::SIGTERM) };
            anyhow::ensure!(sent == 0, "cannot send SIGTERM to the {}: {}", self.name, std::io::Error::last_os_error());
        }
        let ended = timeout(bound, self.process.wait()).await;
        let ended = ended.with_context(|| format!("the {} did not end within {bound:?} of SIGTERM", self.name))??;
        self.kept_its_secrets()?;
        Ok(ended)
    }

    /// `Err` names the secret that stands in what the process wrote, and does not repeat it.
    pub fn kept_its_secrets(&self) -> anyhow::Result<()> {
        let log = self.log();
        let said = self.secrets.iter().find(|secret| !secret.text.is_empty() && log.contains(&secret.text));
        said.map_or(Ok(()), |secret| Err(anyhow::anyhow!("the {} wrote a secret into its log: {}", self.name, secret.what)))
    }

    /// How much of the machine's memory the process holds.
    pub fn resident_bytes(&self) -> anyhow::Result<u64> {
        let pid = self.process.id().with_context(|| format!("the {} has ended", self.name))?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("the kernel tells no VmRSS")?;
        let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kilobytes * 1024)
    }

    /// What the process wrote, both streams in order, behind what processes before it wrote there.
    pub fn log(&self) -> String {
        as_text(&self.written())
    }

    /// What this very process wrote.
    pub fn said(&self) -> String {
        as_text(self.written().get(self.log_from..).unwrap_or_default())
    }

    fn written(&self) -> Vec<u8> {
        fs::read(self.folder.join("log")).unwrap_or_default()
    }
}

impl Secret {
    /// The lines of a private key's file that are the key. A file that cannot be read is the child's to complain of.
    pub fn lines_of(what: &str, path: &Path) -> Vec<Self> {
        let text = fs::read_to_string(path).unwrap_or_default();
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#') && !line.starts_with("-----"));
        lines.map(|line| Self { what: format!("the key in {what}"), text: line.to_owned() }).collect()
    }
}

fn as_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// For settings, keys and configurations, none of which are everybody's business. A node refuses settings that everybody may read.
pub(crate) fn write_private(path: &Path, content: impl AsRef<[u8]>) -> anyhow::Result<()> {
    let opened = File::options().write(true).create(true).truncate(true).mode(0o600).open(path);
    opened.and_then(|mut file| file.write_all(content.as_ref())).with_context(|| format!("cannot write {}", path.display()))
}

fn is_foreign(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_ascii_uppercase();
    name.ends_with("_PROXY") || FOREIGN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    // A test that cannot go on says so by panicking.
    #![allow(clippy::unwrap_used)]

    use super::*;

    const BOUND: Duration = Duration::from_secs(10);

    #[test]
    fn the_callers_credentials_settings_and_proxies_are_foreign() {
        for name in ["AWS_PROFILE", "KONG_ROLE", "HOLDOVER_CLUSTER", "https_proxy", "HTTP_PROXY"] {
            assert!(is_foreign(OsStr::new(name)), "{name}");
        }
        for name in ["PATH", "HOME", "RUST_BACKTRACE", "MY_AWS_KEY"] {
            assert!(!is_foreign(OsStr::new(name)), "{name}");
        }
    }

    #[tokio::test]
    async fn what_a_child_said_is_told_from_what_one_before_it_said_in_the_same_log() {
        let folder = tempfile::tempdir().unwrap();
        for (word, log) in [("one", "one\n"), ("two", "one\ntwo\n")] {
            let mut child = shell(folder.path(), &format!("echo {word}"), Vec::new());
            assert!(child.ended(BOUND).await.unwrap().success());
            assert_eq!((child.said(), child.log()), (format!("{word}\n"), log.to_owned()));
        }
    }

    #[tokio::test]
    async fn the_frame_of_a_private_key_is_no_secret_and_its_lines_are() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key.pem");
        write_private(&key, "-----BEGIN PRIVATE KEY-----\nMIGabc\n-----END PRIVATE KEY-----\n").unwrap();
        let secrets = || Secret::lines_of("cluster_cert_key", &key);
        let mut frame = shell(folder.path(), "echo -----BEGIN PRIVATE KEY-----", secrets());
        frame.ended(BOUND).await.unwrap();
        let mut line = shell(folder.path(), "echo give MIGabc", secrets());
        let failure = line.ended(BOUND).await.unwrap_err().to_string();
        assert!(failure.ends_with("the key in cluster_cert_key") && !failure.contains("MIGabc"), "{failure}");
    }

    fn shell(folder: &Path, script: &str, secrets: Vec<Secret>) -> Child {
        let arguments = ["-c", script].map(OsString::from).into();
        Child::spawn(Start { name: "shell", exe: Path::new("/bin/sh"), folder, arguments, environment: &[], secrets }).unwrap()
    }
}
