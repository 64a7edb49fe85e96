//! What is recorded: the situations that a node with a control plane and one storage can be born into, and live through.
//!
//! No cache, no bundle, no encryption: the module has none of them. Every document, key and seed is the same at every recording.

use holdover_keys::SigningKey;
use holdover_plugin::model::{Epoch, Generation, UnixMs};
use holdover_plugin::snapshot::keys;
use holdover_ports::{Answer, StorageFailureKind as Kind};
use holdover_tests::virtual_world::documents::{self, VERSION, kong};
use holdover_tests::virtual_world::keys::ring;
use holdover_tests::virtual_world::{BEGINNING_UNIX_MS, Published, lineage};
use serde_json::json;

use crate::script::{Does, Holds, Scenario};
use crate::trace::Told;

const CLUSTER: &str = "test";
const DAY_MS: u64 = 24 * 3_600_000;
/// A key of tests/golden, which signs what these traces hold as well.
const EXPORTER: &str = include_str!("../golden/test-key-exporter.txt");

pub fn all() -> Vec<Scenario> {
    [started(), refused(), unheard(), heads(), snapshots(), trusted(), storages(), returned(), followed()].into_iter().flatten().collect()
}

fn started() -> Vec<Scenario> {
    vec![
        scenario("control-plane-up", "The control plane delivers at once: the storage is not asked.", 12_007)
            .control_plane(0, delivers("live"))
            .storage(0, published(&["stored"])),
        scenario("control-plane-slow-to-start", "The control plane fails, and delivers before it is given up.", 4_007)
            .control_plane(0, Does::Answers(Answer::ServerError))
            .control_plane(1_200, delivers("live"))
            .storage(0, published(&["stored"])),
        scenario("refused-then-storage", "The control plane refuses connections twice: the storage serves.", 9_007)
            .storage(0, published(&["stored"])),
        scenario("black-holed", "The control plane swallows what it is sent: it is given up, and the storage serves.", 14_007)
            .control_plane(0, Does::Hangs)
            .storage(0, published(&["stored"])),
        scenario("not-configured", "The control plane has nothing to say yet.", 7_007)
            .control_plane(0, Does::Answers(Answer::NotConfigured))
            .storage(0, published(&["stored"])),
        scenario("broken-off", "The control plane's answers break off.", 7_007)
            .control_plane(0, Does::Answers(Answer::ConnectionReset))
            .storage(0, published(&["stored"])),
        scenario("delivered-what-is-none", "The control plane's proxy answers with a page: the storage serves.", 7_007)
            .control_plane(0, Does::Delivers(b"<html>502 Bad Gateway</html>".to_vec()))
            .storage(0, published(&["stored"])),
        scenario("delivered-unroutable", "The gateway rejects what the control plane delivers: the storage serves.", 7_007)
            .control_plane(0, Does::Delivers(unroutable("live")))
            .storage(0, published(&["stored"])),
    ]
}

fn refused() -> Vec<Scenario> {
    let forbidden = || Does::Answers(Answer::Forbidden);
    vec![
        scenario("forbidden-waits", "The control plane refuses this node, which waits: the storage is not asked.", 20_007)
            .control_plane(0, forbidden())
            .storage(0, published(&["stored"]))
            .by_chance(),
        scenario("forbidden-waits-until-allowed", "The control plane refuses this node, and then takes it.", 20_007)
            .control_plane(0, forbidden())
            .control_plane(9_000, delivers("live"))
            .storage(0, published(&["stored"]))
            .by_chance(),
        scenario("forbidden-falls-back", "The control plane refuses this node, which goes on as in an outage.", 7_007)
            .control_plane(0, forbidden())
            .storage(0, published(&["stored"]))
            .told(|told| told.on_refusal = "fallback".into()),
        scenario("upgrade-required-falls-back", "The control plane wants another node, which goes on as in an outage.", 7_007)
            .control_plane(0, Does::Answers(Answer::UpgradeRequired))
            .storage(0, published(&["stored"]))
            .told(|told| told.on_refusal = "fallback".into()),
    ]
}

/// Nothing to start from.
fn unheard() -> Vec<Scenario> {
    vec![
        scenario("no-head", "Nothing was ever published: the node is stranded, and takes the first head that comes.", 20_007)
            .storage(0, Holds::nothing())
            .storage(9_000, published(&["stored"]))
            .by_chance(),
        scenario("no-head-but-kongs-place", "There is no head, but what Kong's own exporter left.", 7_007)
            .storage(0, Holds::nothing().with(&keys::kong_place(&VERSION.parse().unwrap()), &kong("legacy"))),
        scenario("no-head-and-a-trusted-key", "There is no head, and what nobody sealed is not looked at by a node with a key.", 3_007)
            .storage(0, Holds::nothing().with(&keys::kong_place(&VERSION.parse().unwrap()), &kong("legacy")))
            .trusting()
            .by_chance(),
        scenario("no-bucket-then-control-plane", "The bucket does not exist; the control plane comes back.", 30_007)
            .control_plane(12_000, delivers("live"))
            .storage(0, Holds::Fails(Kind::NoSuchStorage))
            .by_chance(),
    ]
}

fn heads() -> Vec<Scenario> {
    let mut foreign = Published::of("another", lineage());
    foreign.generation(VERSION, &kong("foreign"));
    let mut stale = Published::nothing();
    stale.generation(VERSION, &kong("stored"));
    stale.head.confirmed_at = UnixMs(BEGINNING_UNIX_MS - 8 * DAY_MS);
    let mut early = Published::nothing();
    early.generation(VERSION, &kong("stored"));
    early.head.confirmed_at = UnixMs(BEGINNING_UNIX_MS + DAY_MS);
    let mut other = Published::nothing();
    other.generation("3.8.0", &kong("older-gateway"));
    let mut both = other.clone();
    both.generation(VERSION, &kong("stored"));
    vec![
        scenario("head-of-another-cluster", "The head is another cluster's.", 6_007).storage(0, Holds::published(&foreign)).by_chance(),
        scenario("head-torn", "The head is cut short.", 6_007)
            .storage(0, published(&["stored"]).with(keys::HEAD, b"holdover-head"))
            .by_chance(),
        scenario("head-stale", "The head was confirmed eight days ago: it serves, and somebody is told.", 7_007)
            .storage(0, Holds::published(&stale)),
        scenario("head-of-tomorrow", "The head was confirmed tomorrow: a clock is wrong, and it serves.", 7_007)
            .storage(0, Holds::published(&early)),
        scenario("for-another-gateway-version", "There is nothing for this gateway's version; then there is.", 20_007)
            .storage(0, Holds::published(&other))
            .storage(9_000, Holds::published(&both))
            .by_chance(),
        scenario("beside-another-gateway-version", "This gateway's version stands beside another one's.", 7_007)
            .storage(0, Holds::published(&both)),
    ]
}

fn snapshots() -> Vec<Scenario> {
    let mut tampered = Published::nothing();
    tampered.generation(VERSION, &kong("older"));
    tampered.damaged(VERSION, &kong("newest"), |mut file| {
        let middle = file.len() / 2;
        file[middle] ^= 1;
        file
    });
    let mut torn = Published::nothing();
    torn.generation(VERSION, &kong("older"));
    torn.damaged(VERSION, &kong("newest"), |file| file[..file.len() / 2].to_vec());
    let mut swapped = Published::nothing();
    let older = swapped.generation(VERSION, &kong("older"));
    let intact = swapped.file(&older);
    swapped.damaged(VERSION, &kong("newest"), |_| intact);
    let mut rejected = Published::nothing();
    rejected.generation(VERSION, &kong("older"));
    rejected.generation(VERSION, &unroutable("newest"));
    let mut epochs = Published::nothing();
    epochs.generation(VERSION, &kong("older-epoch"));
    epochs.head.epoch = Epoch(2);
    let newest = epochs.generation(VERSION, &kong("newer-epoch"));
    let mut forged = Published::nothing();
    forged.generation(VERSION, &kong("older"));
    forged.forged(VERSION, &kong("newest"), |forgery| {
        let publication = forgery.manifest.publication.as_mut().unwrap();
        publication.generation = Generation(77);
    });
    vec![
        scenario("snapshot-tampered", "The newest snapshot's digest does not hold: the one before it serves.", 7_007)
            .storage(0, Holds::published(&tampered)),
        scenario("snapshot-torn", "The newest snapshot is cut short: the one before it serves.", 7_007).storage(0, Holds::published(&torn)),
        scenario("snapshot-swapped", "An older snapshot stands in the newest one's place.", 7_007).storage(0, Holds::published(&swapped)),
        scenario("snapshot-forged", "The newest snapshot says another generation than its head.", 7_007)
            .storage(0, Holds::published(&forged)),
        scenario("snapshot-unroutable", "The gateway rejects the newest snapshot: the one before it serves.", 7_007)
            .storage(0, Holds::published(&rejected)),
        scenario("two-epochs", "A newer epoch stands beside an older one, and serves.", 7_007).storage(0, Holds::published(&epochs)),
        scenario("two-epochs-newer-lost", "Of two epochs, the newer one's snapshot is gone: the older one serves.", 7_007)
            .storage(0, Holds::published(&epochs).without(&newest.key)),
    ]
}

fn trusted() -> Vec<Scenario> {
    let key = exporter();
    let mut signed = Published::nothing().with(ring(Some(&key), &[], None));
    signed.generation(VERSION, &kong("signed"));
    let mut half = Published::nothing();
    half.generation(VERSION, &kong("unsigned"));
    let half = half.with(ring(Some(&key), &[], None));
    let mut mixed = Published::nothing().with(ring(Some(&key), &[], None));
    mixed.generation(VERSION, &kong("signed"));
    let mut mixed = mixed.with(ring(None, &[], None));
    mixed.generation(VERSION, &kong("unsigned"));
    let mixed = mixed.with(ring(Some(&key), &[], None));
    vec![
        scenario("signed-and-trusted", "Head and snapshot are signed by whom this node trusts.", 7_007)
            .storage(0, Holds::published(&signed))
            .trusting(),
        scenario("signed-and-nobody-asked", "Head and snapshot are signed, and this node knows no key.", 7_007)
            .storage(0, Holds::published(&signed)),
        scenario("unsigned-and-a-key-trusted", "Nobody signed the head, and this node has a key.", 6_007)
            .storage(0, published(&["unsigned"]))
            .trusting()
            .by_chance(),
        scenario("snapshot-unsigned", "The head is signed, its snapshot is not.", 6_007)
            .storage(0, Holds::published(&half))
            .trusting()
            .by_chance(),
        scenario("newest-unsigned", "The newest snapshot is not signed: the one before it serves.", 7_007)
            .storage(0, Holds::published(&mixed))
            .trusting(),
    ]
}

fn storages() -> Vec<Scenario> {
    let fails = |name, says, kind| scenario(name, says, 30_007).storage(0, Holds::Fails(kind)).storage(12_000, published(&["stored"]));
    vec![
        fails("storage-slow-down", "The storage asks for a pause, and recovers.", Kind::SlowDown).by_chance(),
        fails("storage-away", "The storage cannot be reached, and comes back.", Kind::Unreachable).by_chance(),
        fails("storage-wrong-credentials", "The credentials are wrong, and put right.", Kind::Credentials).by_chance(),
        fails("storage-forbids", "The storage forbids reading, until it is told otherwise.", Kind::Forbidden).by_chance(),
        fails("storage-tells-nothing", "The storage says neither absent nor forbidden.", Kind::AbsentOrForbidden).by_chance(),
        scenario("storage-odd", "The storage is none, by its answers; the control plane comes back.", 30_007)
            .control_plane(12_000, delivers("live"))
            .storage(0, Holds::Fails(Kind::Other))
            .by_chance(),
        scenario("storage-slow-down-within", "The head is read, its snapshot meets a pause, and the older one serves.", 7_007)
            .storage(0, published(&["older", "newest"]))
            .storage(56, Holds::Fails(Kind::SlowDown))
            .storage(60, published(&["older", "newest"])),
    ]
}

/// The control plane comes back to a node that serves from the storage.
fn returned() -> Vec<Scenario> {
    let outage = |name, says, lasts_ms| scenario(name, says, lasts_ms).storage(0, published(&["stored"]));
    vec![
        outage("returns", "The control plane returns with another configuration, which takes over.", 20_007)
            .control_plane(3_000, delivers("live")),
        outage("returns-with-the-same", "The control plane returns with what is served, written otherwise.", 20_007)
            .control_plane(3_000, Does::Delivers(documents::written_otherwise(&kong("stored")))),
        outage("returns-empty", "The control plane returns with nothing in it: it is held.", 14_007)
            .control_plane(3_000, Does::Delivers(documents::kong_empty())),
        outage(
            "returns-empty-and-means-it",
            "The control plane returns with nothing in it, again and again, until it is believed.",
            1_000_007,
        )
        .control_plane(3_000, Does::Delivers(documents::kong_empty()))
        .by_chance(),
        outage("returns-unroutable", "The gateway rejects what the control plane returns with.", 14_007)
            .control_plane(3_000, Does::Delivers(unroutable("live"))),
        outage("returns-invalid", "What the control plane returns with is none.", 14_007)
            .control_plane(3_000, Does::Delivers(documents::kong_dangling())),
    ]
}

/// The control plane is there, and goes on speaking.
fn followed() -> Vec<Scenario> {
    let up = |name, says, lasts_ms| scenario(name, says, lasts_ms).control_plane(0, delivers("first")).storage(0, published(&["stored"]));
    vec![
        up("changes", "The control plane delivers changed bytes.", 24_007).control_plane(11_000, delivers("second")),
        up("changes-nothing", "The control plane delivers the same, written otherwise.", 24_007)
            .control_plane(11_000, Does::Delivers(documents::written_otherwise(&kong("first")))),
        up("empties", "The control plane empties the configuration in a session that was never lost.", 24_007)
            .control_plane(11_000, Does::Delivers(documents::kong_empty())),
        up("hiccup", "The control plane fails once: no session is lost.", 34_007)
            .control_plane(9_000, Does::Answers(Answer::ServerError))
            .control_plane(11_000, delivers("first")),
        up("lost-and-regained", "The session is lost and regained, with other bytes.", 60_007)
            .control_plane(11_000, Does::Answers(Answer::ConnectionRefused))
            .control_plane(40_000, delivers("second"))
            .by_chance(),
        up("lost-and-regained-empty", "The session is lost and regained with nothing in it: it is held.", 60_007)
            .control_plane(11_000, Does::Answers(Answer::ConnectionRefused))
            .control_plane(40_000, Does::Delivers(documents::kong_empty()))
            .by_chance(),
        up("lost-in-silence", "The session is lost to a control plane that hangs, and stays lost.", 60_007)
            .control_plane(11_000, Does::Hangs)
            .by_chance(),
    ]
}

fn delivers(name: &str) -> Does {
    Does::Delivers(kong(name))
}

fn published(names: &[&str]) -> Holds {
    let mut published = Published::nothing();
    for name in names {
        published.generation(VERSION, &kong(name));
    }
    Holds::published(&published)
}

/// A control plane may deliver it, and no routing table here can be made of it.
fn unroutable(name: &str) -> Vec<u8> {
    let route = json!({ "name": format!("{name}-route"), "expression": "http.path == \"/x\"" });
    let service = json!({ "name": name, "protocol": "http", "host": "upstream.internal", "port": 80, "routes": [route] });
    serde_json::to_vec(&json!({ "_format_version": "3.0", "services": [service] })).unwrap()
}

fn exporter() -> SigningKey {
    SigningKey::parse(EXPORTER).unwrap()
}

/// With a control plane that refuses every connection, and an empty storage, until it is told more.
fn scenario(name: &'static str, says: &'static str, lasts_ms: u64) -> Scenario {
    let told = Told {
        cluster: CLUSTER.into(),
        gateway_version: VERSION.into(),
        on_refusal: "wait".into(),
        give_up_ms: 2_000,
        trusted_keys: Vec::new(),
    };
    let control_plane = vec![(0, Does::Answers(Answer::ConnectionRefused))];
    Scenario { name, says, told, lasts_ms, is_ordered_by_chance: false, control_plane, storage: Vec::new() }
}

impl Scenario {
    fn control_plane(mut self, from_ms: u64, does: Does) -> Self {
        self.control_plane.push((from_ms, does));
        self
    }

    fn storage(mut self, from_ms: u64, holds: Holds) -> Self {
        self.storage.push((from_ms, holds));
        self
    }

    fn told(mut self, change: impl FnOnce(&mut Told)) -> Self {
        change(&mut self.told);
        self
    }

    fn trusting(self) -> Self {
        self.told(|told| told.trusted_keys.push(exporter().public().to_string()))
    }

    fn by_chance(mut self) -> Self {
        self.is_ordered_by_chance = true;
        self
    }
}
