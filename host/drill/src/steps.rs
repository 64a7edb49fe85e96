//! One function per step: does it, and looks at what the processes really did. Each failure is a sentence, each wait has a bound.

use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use holdover_plugin::snapshot::head::Entry;
use holdover_plugin::snapshot::keys;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::client::get;
use crate::load::{Expectation, Load, Watch};
use crate::options::DrillOptions;
use crate::parts::{Parts, Seen};
use crate::process::Node;
use crate::report::whole_ms;
use crate::telling::Done;
use crate::wait::{OFTEN, SELDOM, until};

/// One request of the drill's own, on a connection of its own.
const ANSWER_BOUND: Duration = Duration::from_secs(5);
/// How long a node that serves must leave the storage alone to be believed.
const QUIET: Duration = Duration::from_secs(2);
/// Long enough for a node to notice that its control plane is gone, and for whatever it would do then.
const LOST: Duration = Duration::from_secs(3);
const SERVING_REQUESTS: u64 = 200;
const SHUTDOWN_BOUND: Duration = Duration::from_secs(20);

/// A node that carries traffic.
pub(crate) struct ServingNode {
    pub proxy: SocketAddr,
    /// From its start to its first right answer.
    pub first_answer_ms: u64,
    process: Node,
    cache: PathBuf,
}

pub(crate) async fn parts(options: &DrillOptions, folder: &Path) -> anyhow::Result<Done<Parts>> {
    let parts = Parts::start(options, folder).await?;
    let kilobytes = parts.documents.first.len() / 1000;
    Ok(Done::new(parts, format!("storage, upstream and a hybrid control plane with {} routes ({kilobytes} kB) are up", options.routes)))
}

/// As an image's build does it, so that the nodes start as they would from one.
pub(crate) async fn policy(parts: &Parts) -> anyhow::Result<Done<()>> {
    let ended = tokio::time::timeout(parts.patience, parts.precompile().output()).await.context("compiling the policy takes too long")?;
    let output = ended.context("the binary cannot be started to compile the policy")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "the policy was not compiled ({}): {}", output.status, said.trim());
    Ok(Done::new((), "the policy's native code is kept, as in an image"))
}

pub(crate) async fn backup_node(parts: &Parts) -> anyhow::Result<Done<(Node, Entry)>> {
    let mut backup = Node::spawn(&parts.backup_node()?)?;
    let first = until(parts.patience, SELDOM, "the first export of the backup node", async || {
        backup.still_runs()?;
        parts.storage.newest().await
    })
    .await?;
    let file_bytes = parts.storage.hold_against(&first, &parts.documents.first).await?;
    let note = format!("generation {} is published, {} kB, and holds what the control plane said", first.position(), file_bytes / 1000);
    Ok(Done::new((backup, first), note))
}

pub(crate) async fn outage(parts: &mut Parts, backup: &mut Node) -> anyhow::Result<Done<()>> {
    parts.control_plane.kill().await?;
    let refused = TcpStream::connect(parts.control_plane.address()).await.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused);
    ensure!(refused, "the control plane was killed and its port still takes connections");
    backup.still_runs()?;
    Ok(Done::new((), "the control plane is killed: connections are refused"))
}

pub(crate) async fn new_node(parts: &Parts) -> anyhow::Result<Done<ServingNode>> {
    let node = serve_first(parts, "new-node", "new-node", |_| Ok(())).await?;
    let note = format!("with an empty cache and no control plane it served its first request after {} ms", node.first_answer_ms);
    Ok(Done::new(node, note))
}

/// A node without a cache begins, serves and ends. Returns when its first right answer came.
pub(crate) async fn birth(parts: &Parts, name: &str) -> anyhow::Result<u64> {
    let mut node = serve_first(parts, name, name, |_| Ok(())).await?;
    end(&mut node.process).await?;
    Ok(node.first_answer_ms)
}

pub(crate) async fn serving(watch: Watch) -> anyhow::Result<Done<()>> {
    let what = format!("request {SERVING_REQUESTS} of the load");
    until(ANSWER_BOUND * 2, OFTEN, &what, async || Ok((watch.counts().requests >= SERVING_REQUESTS).then_some(()))).await?;
    Ok(Done::new((), "a steady load runs; each answer is the right upstream's"))
}

pub(crate) async fn storage_read_once(parts: &Parts, first: &Entry) -> anyhow::Result<Done<()>> {
    let Some(before) = parts.storage.seen_of_importers() else {
        return Ok(Done::skipped((), "not looked at: the requests of an external storage cannot be counted"));
    };
    let wanted = [keys::HEAD, first.key.as_str()].map(|key| Seen { method: "GET".to_owned(), key: parts.storage.key(key) });
    ensure!(before == wanted, "the new node was to read the head and the snapshot, each once, and asked for {before:?}");
    sleep(QUIET).await;
    ensure_untouched(parts, Some(before))?;
    Ok(Done::new((), "the new node read the head and the snapshot, each once, wrote nothing, and has not asked since"))
}

pub(crate) async fn restart_from_cache(parts: &Parts, node: &ServingNode) -> anyhow::Result<Done<u64>> {
    let before = parts.storage.seen_of_importers();
    let counted = before.is_some();
    let mut restarted = serve_first(parts, "restarted-node", "new-node", |cache| copy_folder(&node.cache, cache)).await?;
    ensure_untouched(parts, before)?;
    end(&mut restarted.process).await?;
    let served = format!("with the new node's cache a process served after {} ms", restarted.first_answer_ms);
    Ok(match counted {
        true => Done::new(restarted.first_answer_ms, format!("{served}, with no request to the storage")),
        false => Done::skipped(restarted.first_answer_ms, format!("{served}; the requests of an external storage cannot be counted")),
    })
}

pub(crate) async fn rejoin(parts: &mut Parts, node: &mut ServingNode) -> anyhow::Result<Done<u64>> {
    let added = parts.added();
    let answer = get(node.proxy, &added.path, ANSWER_BOUND).await?;
    ensure!(answer.status == 404, "the added route was answered with {} before the control plane knew it", answer.status);

    parts.control_plane.serve(&parts.documents.changed, parts.patience).await?;
    let back = Instant::now();
    until(parts.patience, OFTEN, "the first answer on the added route", async || {
        node.process.still_runs()?;
        right_answer(node.proxy, &added, 404).await
    })
    .await?;
    let rejoin_ms = whole_ms(back.elapsed());
    Ok(Done::new(rejoin_ms, format!("the control plane is back with one route more, and the node served it after {rejoin_ms} ms")))
}

pub(crate) async fn export_after_return(parts: &Parts, backup: &mut Node, first: &Entry) -> anyhow::Result<Done<()>> {
    let entry = until(parts.patience, SELDOM, "the export of the changed configuration", async || {
        backup.still_runs()?;
        Ok(parts.storage.newest().await?.filter(|entry| entry.position() != first.position()))
    })
    .await?;
    ensure!(entry.position() > first.position(), "generation {} was published after {}", entry.position(), first.position());
    parts.storage.hold_against(&entry, &parts.documents.changed).await?;
    Ok(Done::new((), format!("generation {} follows {} and holds the change", entry.position(), first.position())))
}

pub(crate) async fn lost_again(parts: &mut Parts, node: &mut ServingNode) -> anyhow::Result<Done<()>> {
    parts.control_plane.kill().await?;
    let added = parts.added();
    let gone = Instant::now();
    while gone.elapsed() < LOST {
        let ready = node.process.status_page("/ready").await?;
        ensure!(
            ready.status == 200,
            "the node answered {} to /ready {} ms after it lost the control plane",
            ready.status,
            gone.elapsed().as_millis()
        );
        ensure!(right_answer(node.proxy, &added, 404).await?.is_some(), "the node stopped serving the added route");
        sleep(SELDOM).await;
    }
    node.process.still_runs()?;
    let status = node.process.status().await?;
    let noticed = status.get("connected").and_then(Value::as_bool) == Some(false);
    ensure!(noticed, "the control plane is gone for {LOST:?} and the node still counts it as connected");
    Ok(Done::new((), "the control plane is gone again; the node serves the newest configuration and stays ready"))
}

pub(crate) async fn shutdown(load: Load, mut backup: Node, mut node: ServingNode) -> anyhow::Result<Done<()>> {
    load.stop().await;
    end(&mut backup).await?;
    end(&mut node.process).await?;
    Ok(Done::new((), "both nodes ended in order on SIGTERM"))
}

/// Starts a node in an outage, after `prepare` has had its cache folder, and waits for its first right answer. Until then it may
/// refuse connections or answer 503, and nothing else (boot-10).
async fn serve_first(
    parts: &Parts,
    folder: &str,
    node_name: &str,
    prepare: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<ServingNode> {
    let spec = parts.new_node(folder)?.set("holdover_node_name", node_name);
    let cache = spec.cache_folder();
    prepare(&cache)?;
    let expectation = parts.expectations().into_iter().next().context("a drill needs a route")?;
    let mut process = Node::spawn(&spec)?;
    let proxy = process.proxy()?;
    let what = format!("the first answer of the {folder}");
    until(parts.patience, OFTEN, &what, async || {
        process.still_runs()?;
        right_answer(proxy, &expectation, 503).await
    })
    .await?;
    let first_answer_ms = whole_ms(process.age());
    Ok(ServingNode { proxy, first_answer_ms, process, cache })
}

/// Whether the right answer is there. No connection and `unready` are "not yet"; any other answer is a failure.
async fn right_answer(proxy: SocketAddr, expectation: &Expectation, unready: u16) -> anyhow::Result<Option<()>> {
    let path = &expectation.path;
    match get(proxy, path, ANSWER_BOUND).await {
        Ok(answer) if answer.status == 200 => {
            ensure!(answer.body == expectation.body, "GET {path} was answered by the wrong upstream path");
            Ok(Some(()))
        }
        Ok(answer) => {
            ensure!(answer.status == unready, "GET {path} was answered with {}; 200 or {unready} was expected", answer.status);
            Ok(None)
        }
        Err(_) => Ok(None),
    }
}

/// Nobody with the read-only key asked the storage for anything since.
fn ensure_untouched(parts: &Parts, before: Option<Vec<Seen>>) -> anyhow::Result<()> {
    let (Some(before), Some(after)) = (before, parts.storage.seen_of_importers()) else { return Ok(()) };
    let since = after.get(before.len()..).unwrap_or_default();
    ensure!(since.is_empty(), "a node that had its configuration went on to ask the storage for {since:?}");
    Ok(())
}

pub(crate) async fn end(node: &mut Node) -> anyhow::Result<()> {
    node.still_runs()?;
    let status = node.terminate(SHUTDOWN_BOUND).await?;
    ensure!(status.success(), "the {} ended with {status} on SIGTERM", node.name());
    Ok(())
}

/// The files of a node's cache, for a second process: neither the lock, which is the first one's, nor a write under way.
fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    let copying = || -> std::io::Result<()> {
        fs::create_dir_all(to)?;
        fs::set_permissions(to, fs::Permissions::from_mode(0o700))?;
        for file in fs::read_dir(from)? {
            let file = file?;
            let name = file.file_name();
            let is_theirs = name == "lock" || name.to_string_lossy().ends_with(".tmp");
            if file.file_type()?.is_file() && !is_theirs {
                fs::copy(file.path(), to.join(name))?;
            }
        }
        Ok(())
    };
    copying().with_context(|| format!("cannot copy the cache {} to {}", from.display(), to.display()))
}
