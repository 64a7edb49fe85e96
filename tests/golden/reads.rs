//! Each golden file, read and compared member by member with what it said when it was made. The literals are the promise: a reader of
//! any later version must still find them.

use holdover_plugin::config::Format;
use holdover_plugin::model::{Digest, Epoch, Generation, Position, UnixMs};
use holdover_plugin::snapshot::break_glass::Token;
use holdover_plugin::snapshot::cached::{self, CachedOrigin};
use holdover_plugin::snapshot::head::Head;
use holdover_plugin::snapshot::lease::Lease;
use holdover_plugin::snapshot::orders::Orders;
use holdover_plugin::snapshot::{self, Compression, Encryption, Particulars, Refusal, Trust, VerifiedSnapshot};
use holdover_ports::Unsealing;
use holdover_tests::virtual_world::keys::{ring, trust};

use crate::made::{config, exporter, file, operator, reader};

const LINEAGE: &str = "00112233445566778899aabbccddeeff";
const EXPORTER: &str = "98ba85304ac639f0";
const OPERATOR: &str = "2c77b6c81672148a";
const CONFIG_DIGEST: &str = "2591c9dea777f75c0e605380fcb01d00a296d17537f847623b21ed908e333213";
const CONFIG_BYTES: u64 = 365;
const SAMENESS: &str = "28d0621783f43d9fd7549490dcce3f16";

#[test]
fn the_test_keys_have_these_public_names() {
    assert_eq!(exporter().id().to_string(), EXPORTER);
    assert_eq!(exporter().public().to_string(), "ed25519:03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8");
    assert_eq!(operator().id().to_string(), OPERATOR);
    assert_eq!(reader().recipient().to_string(), "age1erlv4qd7r9kd7t9da2l383ys84mr9h8yj4d2dzmwtkddaa2wyctqn8r7dk");
}

#[test]
fn a_plain_snapshot_says_what_it_said() {
    let file = file("v1/snapshot-plain");
    let verified = snapshot::verify(&file, &Trust::unasked()).unwrap();
    assert_eq!(verified.signer(), None);
    assert_eq!(verified.file_digest().to_string(), "79811dee0919f857bbfbed6ea67446376133deee9ad658e0ad89b10916606d2c");
    says_its_manifest(&verified, Encryption::None);
    says_its_particulars(&verified.particulars(None).unwrap());
    assert_eq!(verified.open(None).unwrap().into_bytes(), config());
    assert_eq!(snapshot::verify(&file, &trust(&[&exporter()])).unwrap_err(), Refusal::Unsigned);
}

#[test]
fn a_signed_snapshot_says_what_it_said_and_who_signed_it() {
    let file = file("v1/snapshot-signed");
    let verified = snapshot::verify(&file, &trust(&[&operator(), &exporter()])).unwrap();
    assert_eq!(verified.signer().unwrap().to_string(), EXPORTER);
    assert_eq!(verified.file_digest().to_string(), "e4f319322340192cb7f4b20edbc77bedc8391a067334901d22e917e5213300ac");
    says_its_manifest(&verified, Encryption::None);
    assert_eq!(verified.open(None).unwrap().into_bytes(), config());
    let others = snapshot::verify(&file, &trust(&[&operator()])).unwrap_err();
    assert_eq!(others, Refusal::UntrustedSigner(vec![exporter().id()]));
}

#[test]
fn encrypted_snapshots_say_what_they_said_to_their_reader() {
    let reader = ring(None, &[], Some(&reader()));
    for (name, trusted) in [("v1/snapshot-encrypted", Trust::unasked()), ("v1/snapshot-signed-encrypted", trust(&[&exporter()]))] {
        let file = file(name);
        let verified = snapshot::verify(&file, &trusted).unwrap();
        says_its_manifest(&verified, Encryption::Age);
        assert_eq!(verified.open(None).unwrap_err(), Refusal::NoKey);
        let key = reader.unwrap(verified.wrapped().unwrap().unwrap()).unwrap();
        says_its_particulars(&verified.particulars(Some(&key)).unwrap());
        assert_eq!(verified.open(Some(&key)).unwrap().into_bytes(), config(), "{name}");
        assert!(!file.windows(8).any(|window| window == b"checkout"), "{name} shows nothing of what is inside");
    }
}

#[test]
fn heads_say_what_they_said() {
    let (head, signer) = Head::read_signed(&file("v1/head-signed"), &trust(&[&exporter()])).unwrap();
    assert_eq!(signer.unwrap().to_string(), EXPORTER);
    says_its_head(&head);
    let unsigned = Head::read(&file("v1/head-unsigned"), &Trust::unasked()).unwrap();
    says_its_head(&unsigned);
    let newest = unsigned.newest(&"3.9.1".parse().unwrap()).unwrap();
    assert_eq!(newest.key, "holdover/snapshots/3.9.1/3-41-79811dee0919f857");
    assert_eq!(newest.file_digest, Digest::of(&file("v1/snapshot-plain")));
    assert_eq!(newest.sealed_as, "");
    assert_eq!(head.newest(&"3.9.1".parse().unwrap()).unwrap().sealed_as, format!("ed25519:{EXPORTER}"));
    assert_eq!(Head::read(&file("v1/head-unsigned"), &trust(&[&exporter()])), Err(Refusal::Unsigned));
}

#[test]
fn a_lease_says_what_it_said() {
    let lease = Lease::read(&file("v1/lease"), &trust(&[&exporter()])).unwrap();
    assert_eq!((lease.cluster.as_str(), lease.lineage.to_string().as_str(), lease.epoch), ("golden", LINEAGE, Epoch(3)));
    assert_eq!((lease.holder.as_str(), lease.process), ("exporter-1", 0x1122_3344_5566_7788));
    assert_eq!((lease.renewals, lease.renewed_at, lease.released), (17, UnixMs(1_795_305_610_000), false));
}

#[test]
fn orders_say_what_they_said() {
    let orders = Orders::read(&file("v1/orders"), &trust(&[&operator()])).unwrap();
    assert_eq!((orders.cluster.as_str(), orders.lineage.to_string().as_str(), orders.number), ("golden", LINEAGE, 5));
    let pin = &orders.pins[&"3.9.1".parse().unwrap()];
    assert_eq!((pin.position, pin.act.why.as_str()), (at(3, 41), "41 is the one that was tried"));
    let freeze = orders.freeze.unwrap();
    assert_eq!((freeze.by.as_str(), freeze.at, freeze.why.as_str()), ("alice", UnixMs(1_795_305_601_234), "a migration is under way"));
    let [approval] = orders.approvals.as_slice() else { panic!("{:?}", orders.approvals) };
    assert_eq!((approval.gateway_version.as_str(), approval.base), ("3.9.1", Some(at(3, 41))));
    assert_eq!((approval.sameness.as_str(), approval.not_after), ("0123456789abcdef0123456789abcdef", UnixMs(1_795_309_201_234)));
    assert_eq!((approval.act.by.as_str(), approval.act.why.as_str()), ("alice", "the shop closes its old routes"));
}

#[test]
fn a_break_glass_token_says_what_it_said() {
    let signed = Token::read(&file("v1/break-glass-token"), &trust(&[&operator()])).unwrap();
    assert_eq!(signed.signer().to_string(), OPERATOR);
    let token = signed.token();
    assert_eq!((token.lineage.to_string().as_str(), token.gateway_version.as_str()), (LINEAGE, "3.9.1"));
    assert_eq!(token.file_digest, Digest::of(b"the snapshot that may be used"));
    assert_eq!((token.issued_at, token.not_after), (UnixMs(1_795_305_601_234), UnixMs(1_795_320_001_234)));
    assert_eq!((token.node.as_deref(), token.nonce), (Some("edge-7"), 0x0102_0304_0506_0708));
    assert_eq!(token.why, "the newest breaks the checkout");
    assert_eq!(Token::read(&file("v1/break-glass-token"), &Trust::unasked()), Err(Refusal::NoOperatorKeys));
}

#[test]
fn cache_entries_say_what_they_said() {
    let entry = file("v1/cache-storage");
    let kept = cached::unwrap(&entry).unwrap();
    assert_eq!((kept.header.origin, kept.header.kept_at), (CachedOrigin::Storage, UnixMs(1_795_305_601_234)));
    assert_eq!(kept.header.found.digest().to_string(), CONFIG_DIGEST);
    assert_eq!(kept.snapshot, file("v1/snapshot-signed-encrypted"));

    let entry = file("v1/cache-control-plane");
    let kept = cached::unwrap(&entry).unwrap();
    assert_eq!((kept.header.origin, kept.header.kept_at), (CachedOrigin::ControlPlane, UnixMs(1_795_305_601_234)));
    let verified = snapshot::verify(kept.snapshot, &Trust::unasked()).unwrap();
    assert_eq!(verified.manifest().publication, None, "it was never published");
    assert_eq!(verified.open(None).unwrap().into_bytes(), config());
}

#[test]
fn format_0_is_refused_with_what_to_do() {
    let refusal = snapshot::verify(&file("format-0-snapshot"), &Trust::unasked()).unwrap_err();
    assert_eq!(refusal, Refusal::UnknownFormat(0));
    assert_eq!(
        refusal.to_string(),
        "it has format 0, which no released version wrote or reads: let the backup node publish into an empty prefix once more"
    );
}

fn says_its_manifest(verified: &VerifiedSnapshot<'_>, encryption: Encryption) {
    let manifest = verified.manifest();
    assert_eq!((manifest.cluster.as_str(), manifest.format, manifest.gateway_version.as_str()), ("golden", Format::Kong, "3.9.1"));
    let publication = manifest.publication.unwrap();
    assert_eq!((publication.lineage.to_string().as_str(), publication.position()), (LINEAGE, at(3, 41)));
    assert_eq!((manifest.sealed_at, manifest.sealed_by.as_str()), (UnixMs(1_795_305_601_234), "exporter-1"));
    assert_eq!(manifest.encryption, encryption);
}

fn says_its_particulars(particulars: &Particulars) {
    assert_eq!(particulars.digest.to_string(), CONFIG_DIGEST);
    assert_eq!((particulars.sameness.as_str(), particulars.plain_bytes), (SAMENESS, CONFIG_BYTES));
    assert_eq!(particulars.counts, [("routes".to_owned(), 2), ("services".to_owned(), 2)].into());
    assert_eq!(particulars.captured_at, UnixMs(1_795_305_600_000));
    assert_eq!((particulars.warnings.len(), particulars.needs_control_plane.len()), (0, 0));
    assert_eq!(particulars.compression, Compression::Lz4);
}

fn says_its_head(head: &Head) {
    assert_eq!((head.cluster.as_str(), head.lineage.to_string().as_str()), ("golden", LINEAGE));
    assert_eq!((head.position(), head.confirmed_at), (at(3, 41), UnixMs(1_795_309_200_000)));
    assert_eq!((head.writer.as_str(), head.nonce), ("exporter-1", 0xfedc_ba98_7654_3210));
    let view = &head.views[&"3.9.1".parse().unwrap()];
    assert_eq!((view.good, view.candidate, view.pinned), (Some(at(3, 41)), None, Some(at(3, 40))));
    let [newest, hidden] = view.history.as_slice() else { panic!("{:?}", view.history) };
    assert_eq!((newest.position(), newest.sealed_at, newest.sameness_tag), (at(3, 41), UnixMs(1_795_305_601_234), None));
    let shown = newest.shown.as_ref().unwrap();
    assert_eq!((shown.digest.to_string().as_str(), shown.sameness.as_str()), (CONFIG_DIGEST, SAMENESS));
    assert_eq!(shown.counts, [("routes".to_owned(), 2), ("services".to_owned(), 2)].into());
    assert_eq!((hidden.position(), &hidden.shown), (at(3, 40), &None));
    assert_eq!(hidden.key, "holdover/snapshots/3.9.1/3-40-0123456789abcdef");
    assert_eq!(hidden.file_digest, Digest::of(b"an encrypted snapshot"));
    assert_eq!(hidden.sameness_tag, Some(Digest::of(b"a tag that only the signer can make")));
    assert_eq!(hidden.sealed_as, "ed25519:0123456789abcdef age:fedcba9876543210");
}

fn at(epoch: u64, generation: u64) -> Position {
    Position { epoch: Epoch(epoch), generation: Generation(generation) }
}
