//! What a drill is asked to do, checked before anything is started.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

const ROUTES_MAX: usize = 50_000;

/// One drill.
#[derive(Clone, Debug)]
pub struct DrillOptions {
    /// The `holdover` to be drilled.
    pub exe: PathBuf,
    /// 1 to 50,000. Default 100.
    pub routes: usize,
    pub storage: StorageChoice,
    /// A Kong configuration to carry, as JSON, with or without the reconfigure message around it. The drill adds its own routes
    /// to it and sends its traffic there. `holdover control-plane` must take it: what Kong would refuse ends the drill at its first
    /// step, with its sentence.
    pub document: Option<Vec<u8>>,
    /// Leaves the files and logs of all processes where they are, the cluster's key among them.
    pub keep: bool,
    pub show: Show,
}

/// Where snapshots go.
#[derive(Clone, Debug)]
pub enum StorageChoice {
    /// An S3 server within the drill, whose request log is part of what is checked.
    Embedded,
    /// Somebody else's. Its requests cannot be counted, and the report says so.
    External(ExternalStorage),
}

/// An S3 service with a bucket that exists.
#[derive(Clone, Debug)]
pub struct ExternalStorage {
    /// `http://host:port`.
    pub endpoint: String,
    pub bucket: String,
    /// Must be unused: a drill begins with an empty storage.
    pub prefix: String,
    /// May read and write.
    pub exporter: KeyPair,
    /// May read.
    pub importer: KeyPair,
}

/// S3 credentials. Their secret half is never printed.
#[derive(Clone)]
pub struct KeyPair {
    pub access_key: String,
    pub secret_key: String,
}

/// How the drill speaks on stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// A line per step as it happens.
    Lines,
    /// One JSON document at the end.
    Json,
    Nothing,
}

impl DrillOptions {
    /// 100 routes on embedded parts, with the running binary, silently.
    pub fn of_this_binary() -> anyhow::Result<Self> {
        Ok(Self::of(std::env::current_exe().context("the drill cannot find its own binary")?))
    }

    pub fn of(exe: impl Into<PathBuf>) -> Self {
        Self { exe: exe.into(), routes: 100, storage: StorageChoice::Embedded, document: None, keep: false, show: Show::Nothing }
    }

    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let routes = self.routes;
        anyhow::ensure!((1..=ROUTES_MAX).contains(&routes), "--routes {routes}: a drill has 1 to {ROUTES_MAX} routes");
        anyhow::ensure!(self.exe.is_file(), "there is no binary at {}: build holdover first", self.exe.display());
        Ok(())
    }

    /// The bound of each wait that a node's work decides: for the usual drill a minute, for a large one more.
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(60) + Duration::from_millis(2) * u32::try_from(self.routes).unwrap_or(u32::MAX)
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPair({}, ***)", self.access_key)
    }
}
