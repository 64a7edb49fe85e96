//! What the golden files are made of: every input a literal, so that whoever makes them again makes the same.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use holdover_keys::{Identity, KeyRing, SigningKey};
use holdover_plugin::config::{self, Format, Strictness};
use holdover_plugin::model::{Digest, Epoch, Generation, Lineage, Position, UnixMs};
use holdover_plugin::snapshot::break_glass::{Allowance, Token};
use holdover_plugin::snapshot::cached::{self, CachedOrigin, Found, Header};
use holdover_plugin::snapshot::head::{Entry, Head};
use holdover_plugin::snapshot::lease::Lease;
use holdover_plugin::snapshot::orders::{Act, Approval, Orders, Pin};
use holdover_plugin::snapshot::{self, About, Publication, Purpose, Snapshot, UnsignedLines};
use holdover_ports::Sealing;
use holdover_tests::virtual_world::keys::ring;

pub const CAPTURED_AT: UnixMs = UnixMs(1_795_305_600_000);
pub const SEALED_AT: UnixMs = UnixMs(1_795_305_601_234);
pub const FILE_BYTES_MAX: usize = 4096;

/// In the order in which they are made: the later hold what the earlier say.
pub const FILES: [&str; 12] = [
    "v1/snapshot-plain",
    "v1/snapshot-signed",
    "v1/snapshot-encrypted",
    "v1/snapshot-signed-encrypted",
    "v1/head-unsigned",
    "v1/head-signed",
    "v1/lease",
    "v1/orders",
    "v1/break-glass-token",
    "v1/cache-storage",
    "v1/cache-control-plane",
    "format-0-snapshot",
];

/// Made once for all tests of this process, where the operator of this run asked for it.
static MADE: LazyLock<()> = LazyLock::new(|| {
    if std::env::var_os("HOLDOVER_WRITE_GOLDEN").is_some_and(|value| value == "1") {
        for name in FILES {
            if !path(name).exists() {
                let file = make(name);
                assert!(file.len() <= FILE_BYTES_MAX, "{name}: {} bytes", file.len());
                fs::write(path(name), file).unwrap();
            }
        }
    }
});

pub fn file(name: &str) -> Vec<u8> {
    LazyLock::force(&MADE);
    fs::read(path(name)).unwrap_or_else(|error| panic!("tests/golden/{name}: {error}"))
}

/// The configuration inside every golden snapshot.
pub fn config() -> Vec<u8> {
    fs::read(path("config.json")).unwrap()
}

pub fn exporter() -> SigningKey {
    SigningKey::parse(&text("test-key-exporter.txt")).unwrap()
}

pub fn operator() -> SigningKey {
    SigningKey::parse(&text("test-key-operator.txt")).unwrap()
}

pub fn reader() -> Identity {
    let text = text("test-key-identity.txt");
    Identity::parse(text.lines().find(|line| !line.starts_with('#')).unwrap()).unwrap()
}

pub fn lineage() -> Lineage {
    "00112233445566778899aabbccddeeff".parse().unwrap()
}

pub fn position() -> Position {
    Position { epoch: Epoch(3), generation: Generation(41) }
}

pub fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(name)
}

/// As it would be written by this version. Encryption is never twice the same.
pub fn make(name: &str) -> Vec<u8> {
    match name {
        "v1/snapshot-plain" => sealed(&KeyRing::default()).into_bytes(),
        "v1/snapshot-signed" => sealed(&ring(Some(&exporter()), &[], None)).into_bytes(),
        "v1/snapshot-encrypted" => sealed(&ring(None, &[&reader()], None)).into_bytes(),
        "v1/snapshot-signed-encrypted" => sealed(&ring(Some(&exporter()), &[&reader()], None)).into_bytes(),
        "v1/head-unsigned" => head(&KeyRing::default()),
        "v1/head-signed" => head(&ring(Some(&exporter()), &[], None)),
        "v1/lease" => lease(),
        "v1/orders" => orders(),
        "v1/break-glass-token" => break_glass_token(),
        "v1/cache-storage" => cache_entry(CachedOrigin::Storage, fs::read(path("v1/snapshot-signed-encrypted")).unwrap()),
        "v1/cache-control-plane" => cache_entry(CachedOrigin::ControlPlane, sealed_for_the_cache().into_bytes()),
        "format-0-snapshot" => format_0(),
        other => panic!("no golden file is called {other}"),
    }
}

pub fn sealed(ring: &KeyRing) -> Snapshot {
    let Position { epoch, generation } = position();
    seal(ring, Some(Publication { lineage: lineage(), epoch, generation }))
}

/// What a node seals of its control plane's delivery.
pub fn sealed_for_the_cache() -> Snapshot {
    seal(&KeyRing::default(), None)
}

fn seal(ring: &KeyRing, publication: Option<Publication>) -> Snapshot {
    let valid = config::validate(config(), Format::Kong, Strictness::Delivered).unwrap();
    let about = About {
        cluster: "golden".parse().unwrap(),
        gateway_version: "3.9.1".parse().unwrap(),
        publication,
        captured_at: CAPTURED_AT,
        sealed_at: SEALED_AT,
        sealed_by: "exporter-1".into(),
    };
    let unsigned = snapshot::seal(valid, &about, ring.wrap().unwrap().as_ref()).unwrap();
    let signatures = ring.sign(Purpose::Snapshot, unsigned.digest()).unwrap();
    unsigned.sign(&signatures).unwrap()
}

/// With both of its entries' forms: one that shows what is inside, and one of an encrypted snapshot, which does not.
fn head(ring: &KeyRing) -> Vec<u8> {
    let mut head = Head::first("golden".parse().unwrap(), lineage());
    (head.epoch, head.generation, head.confirmed_at) = (position().epoch, position().generation, UnixMs(1_795_309_200_000));
    (head.writer, head.nonce) = ("exporter-1".into(), 0xfedc_ba98_7654_3210);
    let shown = Entry::of(&sealed(ring), ring.sealed_as()).unwrap();
    let mut hidden = shown.clone();
    hidden.generation = Generation(40);
    hidden.key = "holdover/snapshots/3.9.1/3-40-0123456789abcdef".into();
    hidden.file_digest = Digest::of(b"an encrypted snapshot");
    (hidden.shown, hidden.sameness_tag) = (None, Some(Digest::of(b"a tag that only the signer can make")));
    hidden.sealed_as = "ed25519:0123456789abcdef age:fedcba9876543210".into();
    for entry in [hidden, shown] {
        head.publish("3.9.1".parse().unwrap(), entry);
    }
    let view = head.views.get_mut(&"3.9.1".parse().unwrap()).unwrap();
    view.pinned = Some(Position { epoch: Epoch(3), generation: Generation(40) });
    let lines = head.lines().unwrap();
    let signatures = ring.sign(Purpose::Head, lines.digest()).unwrap();
    lines.sign(&signatures)
}

fn lease() -> Vec<u8> {
    let mut lease = Lease::first("golden".parse().unwrap(), lineage(), Epoch(3), "exporter-1".into(), 0x1122_3344_5566_7788);
    (lease.renewals, lease.renewed_at) = (17, UnixMs(1_795_305_610_000));
    signed(lease.lines().unwrap(), &exporter(), Purpose::Lease)
}

fn orders() -> Vec<u8> {
    let mut orders = Orders::none("golden".parse().unwrap(), lineage());
    let act = |why: &str| Act { by: "alice".into(), at: SEALED_AT, why: why.into() };
    orders.number = 5;
    orders.pins.insert("3.9.1".parse().unwrap(), Pin { position: position(), act: act("41 is the one that was tried") });
    orders.freeze = Some(act("a migration is under way"));
    orders.approvals.push(Approval {
        gateway_version: "3.9.1".parse().unwrap(),
        base: Some(position()),
        sameness: "0123456789abcdef0123456789abcdef".into(),
        not_after: UnixMs(1_795_309_201_234),
        act: act("the shop closes its old routes"),
    });
    signed(orders.lines().unwrap(), &operator(), Purpose::Orders)
}

fn break_glass_token() -> Vec<u8> {
    let token = Token::new(Allowance {
        lineage: lineage(),
        gateway_version: "3.9.1".parse().unwrap(),
        file_digest: Digest::of(b"the snapshot that may be used"),
        issued_at: SEALED_AT,
        life_ms: 4 * 60 * 60 * 1000,
        node: Some("edge-7".into()),
        nonce: 0x0102_0304_0506_0708,
        why: "the newest breaks the checkout".into(),
    });
    signed(token.unwrap().lines().unwrap(), &operator(), Purpose::BreakGlass)
}

fn signed(lines: UnsignedLines, key: &SigningKey, purpose: Purpose) -> Vec<u8> {
    let signature = key.sign(purpose, lines.digest());
    lines.sign(&[signature])
}

fn cache_entry(origin: CachedOrigin, snapshot: Vec<u8>) -> Vec<u8> {
    let proof = config::validate(config(), Format::Kong, Strictness::Delivered).unwrap().into_proof();
    let found = Found::now(Digest::of(&snapshot), proof);
    let front = cached::wrap(&Header { origin, kept_at: SEALED_AT, found }).unwrap();
    [front, snapshot].concat()
}

/// The layout before v1, which no released version wrote: a manifest of its own, LZ4 without particulars, no signatures.
fn format_0() -> Vec<u8> {
    let config = config();
    let manifest = format!(
        r#"{{"cluster":"golden","format":"kong","gateway_version":"3.9.1","digest":"{}","plain_bytes":{},"compression":"lz4"}}"#,
        Digest::of(&config),
        config.len()
    );
    let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
    std::io::Write::write_all(&mut encoder, &config).unwrap();
    let body = encoder.finish().unwrap();
    let mut file = b"HOLDOVER\x00\x00".to_vec();
    file.extend_from_slice(&(manifest.len() as u32).to_le_bytes());
    file.extend_from_slice(&(body.len() as u64).to_le_bytes());
    file.extend_from_slice(manifest.as_bytes());
    file.extend_from_slice(&body);
    file.extend_from_slice(&0u32.to_le_bytes());
    let digest = Digest::of(&file);
    file.extend_from_slice(digest.as_bytes());
    file
}

fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap()
}
