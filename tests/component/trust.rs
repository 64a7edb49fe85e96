//! Rules boot-06 with keys, boot-07, boot-13 and boot-16: whom a node believes, how far back it goes, and what it says of it.

use std::time::Duration;

use holdover_keys::{Identity, SigningKey};
use holdover_plugin::model::{Digest, Generation, Lineage, UnixMs};
use holdover_plugin::policy::{OnStale, Origin, Settings, Standing};
use holdover_plugin::snapshot::Purpose;
use holdover_plugin::snapshot::break_glass::{Allowance, Token};
use holdover_plugin::snapshot::head::Entry;
use holdover_ports::{Name, Severity, Slot, StorageFailureKind};
use holdover_tests::virtual_world::keys::{ring, signing_key};
use holdover_tests::virtual_world::{BEGINNING_UNIX_MS, Published, World, documents, lineage};

use crate::node::{Stage, VERSION, world_with};
use crate::rules::{cases, rule};

const HOUR: Duration = Duration::from_secs(3600);
const SETTLED: Duration = Duration::from_secs(61);

cases! {
    boot_06_what_an_exporter_signed_and_encrypted_serves_and_serves_again_from_the_cache,
    boot_06_what_nobody_trusted_signed_is_refused_before_anything_of_it_is_opened,
    boot_06_a_node_that_is_no_recipient_says_so_and_serves_nothing,
    boot_06_any_of_several_trusted_keys_is_enough_and_a_retired_one_is_not,
}

async fn boot_06_what_an_exporter_signed_and_encrypted_serves_and_serves_again_from_the_cache(stage: Stage) {
    let (exporter, reader) = (signing_key(), Identity::generate().unwrap());
    let document = documents::kong("sealed");
    let world = World::new(1);
    world.keys.has(ring(None, &[], Some(&reader)));
    world.keys.trusts(&[&exporter]);
    let mut published = Published::nothing().with(ring(Some(&exporter), &[&reader], None));
    let entry = published.generation(VERSION, &document);
    assert_eq!(entry.shown, None, "the head tells nothing of what is encrypted");
    published.put_on(world.storage());
    let mut node = stage.start(&world).await;
    node.assert_serves(&document, Origin::Storage);
    assert_eq!(world.trace.gets().len(), 2, "a cold boot is two GETs");
    node.run_for(SETTLED).await;
    node.stop().await;
    world.storage().is_down(StorageFailureKind::Unreachable);
    let node = stage.start(&world).await;
    node.assert_serves(&document, Origin::Cache);
}

/// With whom it is that sealed, and the word that says why not.
async fn boot_06_what_nobody_trusted_signed_is_refused_before_anything_of_it_is_opened(stage: Stage) {
    let (trusted, stranger, reader) = (signing_key(), signing_key(), Identity::generate().unwrap());
    for (signer, reason) in [(None, "unsigned"), (Some(&stranger), "untrusted-signer")] {
        let world = World::new(1);
        world.keys.has(ring(None, &[], Some(&reader)));
        world.keys.trusts(&[&trusted]);
        let mut published = Published::nothing().with(ring(signer, &[&reader], None));
        published.generation(VERSION, &documents::kong("foreign"));
        published.put_on(world.storage());
        let node = stage.start(&world).await;
        assert!(matches!(node.standing, Standing::Stranded(_)), "{reason}: {:?}", node.standing);
        assert_eq!(world.trace.said(Name::HeadRefused, "reason"), [reason]);
        assert_eq!(world.trace.events(Name::HeadRefused)[0].severity, Severity::Alarm);
        // A head of the right signer over a body of the wrong one.
        let published = published.with(ring(Some(&trusted), &[], None));
        published.put_on(world.storage());
        world.trace.forget();
        let node = stage.start(&world).await;
        assert!(matches!(node.standing, Standing::Stranded(_)), "{reason}: {:?}", node.standing);
        assert_eq!(world.trace.said(Name::SnapshotSkipped, "reason"), [reason]);
        assert_eq!(world.keys.unwraps(), 0, "{reason}: nothing is opened before its seal holds");
    }
}

async fn boot_06_a_node_that_is_no_recipient_says_so_and_serves_nothing(stage: Stage) {
    let (reader, other) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    for (identity, reason) in [(None, "no-key"), (Some(&other), "for-others")] {
        let world = World::new(1);
        world.keys.has(ring(None, &[], identity));
        let mut published = Published::nothing().with(ring(None, &[&reader], None));
        published.generation(VERSION, &documents::kong("sealed"));
        published.put_on(world.storage());
        let node = stage.start(&world).await;
        assert!(matches!(node.standing, Standing::Stranded(_)), "{:?}", node.standing);
        assert_eq!(world.trace.said(Name::SnapshotSkipped, "reason"), [reason]);
    }
}

async fn boot_06_any_of_several_trusted_keys_is_enough_and_a_retired_one_is_not(stage: Stage) {
    let (old, new) = (signing_key(), signing_key());
    let document = documents::kong("signed");
    for (signer, trusted, serves) in [(&old, vec![&old, &new], true), (&new, vec![&old, &new], true), (&old, vec![&new], false)] {
        let world = World::new(1);
        world.keys.trusts(&trusted);
        let mut published = Published::nothing().with(ring(Some(signer), &[], None));
        published.generation(VERSION, &document);
        published.put_on(world.storage());
        let node = stage.start(&world).await;
        assert_eq!(node.serves(&document, Origin::Storage), serves, "{:?}", node.standing);
        let refused = if serves { vec![] } else { vec!["untrusted-signer".to_owned()] };
        assert_eq!(world.trace.said(Name::HeadRefused, "reason"), refused);
    }
}

rule! { boot_07, "boot-07":
    boot_07_a_replayed_older_head_and_its_snapshots_are_refused,
    boot_07_an_older_snapshot_under_the_same_head_is_refused,
    boot_07_another_lineage_is_refused_until_the_operator_accepts_it,
    boot_07_a_new_node_goes_below_neither_its_floor_nor_its_bundle,
    boot_07_a_pin_may_go_back,
    boot_07_a_token_is_accepted_once_and_audited,
    boot_07_a_token_that_is_not_for_this_is_not_used,
    boot_07_marks_that_cannot_be_read_are_said_to_be_lost,
}

async fn boot_07_a_replayed_older_head_and_its_snapshots_are_refused(stage: Stage) {
    let (older, newer) = (documents::kong("older"), documents::kong("newer"));
    let mut published = Published::nothing();
    published.generation(VERSION, &older);
    let replayed = published.clone();
    published.generation(VERSION, &newer);
    let world = marked(&stage, &published).await;
    replayed.put_on(world.storage());
    let node = stage.start(&world).await;
    assert!(matches!(node.standing, Standing::Stranded(_)), "{:?}", node.standing);
    assert_eq!(world.trace.said(Name::SnapshotSkipped, "reason"), ["below-mark"]);
    assert_eq!(world.trace.gets().len(), 1, "what is refused is not fetched");
}

async fn boot_07_an_older_snapshot_under_the_same_head_is_refused(stage: Stage) {
    let (older, newer) = (documents::kong("older"), documents::kong("newer"));
    let mut published = Published::nothing();
    published.generation(VERSION, &older);
    let newest = published.generation(VERSION, &newer);
    let world = marked(&stage, &published).await;
    world.storage().hold(&newest.key, b"<html>gone</html>".to_vec());
    let node = stage.start(&world).await;
    assert!(matches!(node.standing, Standing::Stranded(_)), "{:?}", node.standing);
    assert_eq!(world.trace.said(Name::SnapshotSkipped, "reason"), ["not-ours", "below-mark"]);
}

async fn boot_07_another_lineage_is_refused_until_the_operator_accepts_it(stage: Stage) {
    let (ours, theirs) = (documents::kong("ours"), documents::kong("theirs"));
    let mut published = Published::nothing();
    published.generation(VERSION, &ours);
    let world = marked(&stage, &published).await;
    let other = Lineage::from_random(8, 8);
    let mut begun_anew = Published::of("test", other);
    begun_anew.generation(VERSION, &theirs);
    begun_anew.put_on(world.storage());
    let node = stage.start(&world).await;
    assert!(matches!(&node.standing, Standing::Stranded(why) if why.contains(&other.to_string())), "{:?}", node.standing);
    assert_eq!(world.trace.said(Name::HeadRefused, "reason"), ["foreign-lineage"]);
    let accepting = Settings { accept_lineage: Some(other), ..stage.settings(&world) };
    let node = stage.start_with(&world, accepting).await;
    node.assert_serves(&theirs, Origin::Storage);
}

async fn boot_07_a_new_node_goes_below_neither_its_floor_nor_its_bundle(stage: Stage) {
    let (first, second) = (documents::kong("first"), documents::kong("second"));
    let mut published = Published::nothing();
    published.generation(VERSION, &first);
    let old = published.clone();
    let entry = published.generation(VERSION, &second);
    let floor = |generation| move |settings| Settings { min_generation: Generation(generation), ..settings };

    let world = World::new(1);
    old.put_on(world.storage());
    let node = stage.start_with(&world, floor(2)(stage.settings(&world))).await;
    assert!(matches!(node.standing, Standing::Stranded(_)), "{:?}", node.standing);
    assert_eq!(world.trace.said(Name::SnapshotSkipped, "reason"), ["below-floor"]);

    let world = World::new(1);
    old.put_on(world.storage());
    world.bundle.hold(published.file(&entry));
    let node = stage.start(&world).await;
    node.assert_serves(&second, Origin::Bundle);
    assert_eq!(world.trace.said(Name::SnapshotSkipped, "reason"), ["below-floor"]);
}

async fn boot_07_a_pin_may_go_back(stage: Stage) {
    let (older, newer) = (documents::kong("older"), documents::kong("newer"));
    let mut published = Published::nothing();
    let wanted = published.generation(VERSION, &older);
    published.generation(VERSION, &newer);
    let world = marked(&stage, &published).await;
    published.head.views.get_mut(&VERSION.parse().unwrap()).unwrap().pinned = Some(wanted.position());
    published.put_on(world.storage());
    let node = stage.start(&world).await;
    node.assert_serves(&older, Origin::Storage);
}

async fn boot_07_a_token_is_accepted_once_and_audited(stage: Stage) {
    let operator = signing_key();
    let (older, newer) = (documents::kong("older"), documents::kong("newer"));
    let mut published = Published::nothing();
    let wanted = published.generation(VERSION, &older);
    let replayed = published.clone();
    published.generation(VERSION, &newer);
    let world = marked(&stage, &published).await;
    world.keys.obeys(&[&operator]);
    replayed.put_on(world.storage());
    let settings = Settings { break_glass: Some(token(&operator, &wanted, |_| {})), ..stage.settings(&world) };
    let node = stage.start_with(&world, settings.clone()).await;
    node.assert_serves(&older, Origin::Storage);
    let audit = world.trace.events(Name::BreakGlassUsed);
    assert_eq!(audit.iter().map(|event| event.severity).collect::<Vec<_>>(), [Severity::Alarm]);
    assert_eq!(world.trace.said(Name::BreakGlassUsed, "operator_key"), [operator.id().to_string()]);
    let spent = world.trace.first(|act| act.says(Name::BreakGlassUsed)).unwrap();
    let applied = world.trace.first(|act| matches!(act, holdover_tests::virtual_world::Act::Applied(_))).unwrap();
    assert!(spent < applied, "it is used up before what it allows is applied");

    // The node moves on, and is given the old head and the old token once more.
    published.put_on(world.storage());
    forget_cache(&world);
    stage.start_with(&world, settings.clone()).await.assert_serves(&newer, Origin::Storage);
    replayed.put_on(world.storage());
    forget_cache(&world);
    world.trace.forget();
    let node = stage.start_with(&world, settings).await;
    assert!(matches!(node.standing, Standing::Stranded(_)), "{:?}", node.standing);
    assert_eq!(world.trace.said(Name::BreakGlassRefused, "reason"), ["used"]);
}

async fn boot_07_a_token_that_is_not_for_this_is_not_used(stage: Stage) {
    let (operator, stranger) = (signing_key(), signing_key());
    let mut published = Published::nothing();
    let wanted = published.generation(VERSION, &documents::kong("older"));
    let replayed = published.clone();
    published.generation(VERSION, &documents::kong("newer"));
    let tokens = [
        (token(&stranger, &wanted, |_| {}), Some("untrusted-signer")),
        (token(&operator, &wanted, |allowance| allowance.node = Some("another".into())), Some("other-node")),
        (token(&operator, &wanted, |allowance| allowance.issued_at = UnixMs(0)), Some("expired")),
        (token(&operator, &wanted, |_| {}).replace("\"nonce\":7", "\"nonce\":8"), Some("corrupt")),
        // Good in itself, and of another snapshot.
        (token(&operator, &wanted, |allowance| allowance.file_digest = Digest::of(b"another")), None),
        (token(&operator, &wanted, |allowance| allowance.lineage = Lineage::from_random(9, 9)), None),
    ];
    for (text, reason) in tokens {
        let world = marked(&stage, &published).await;
        world.keys.obeys(&[&operator]);
        replayed.put_on(world.storage());
        let node = stage.start_with(&world, Settings { break_glass: Some(text), ..stage.settings(&world) }).await;
        assert!(matches!(node.standing, Standing::Stranded(_)), "{reason:?}: {:?}", node.standing);
        assert_eq!(world.trace.said(Name::BreakGlassRefused, "reason"), reason.into_iter().collect::<Vec<_>>());
        assert_eq!(world.trace.events(Name::BreakGlassUsed), []);
    }
    assert!(Token::new(Allowance { life_ms: 25 * 3_600_000, ..allowance(&wanted) }).is_err(), "a day at most");
}

async fn boot_07_marks_that_cannot_be_read_are_said_to_be_lost(stage: Stage) {
    let document = documents::kong("any");
    let mut published = Published::nothing();
    published.generation(VERSION, &document);
    let world = marked(&stage, &published).await;
    let mut marks = world.cache.file(Slot::Marks).unwrap().to_vec();
    marks[20] ^= 1;
    world.cache.hold(Slot::Marks, marks);
    let node = stage.start(&world).await;
    node.assert_serves(&document, Origin::Storage);
    assert_eq!(world.trace.events(Name::MarksLost)[0].severity, Severity::Alarm);
    assert_eq!(world.cache.aside(), [(Slot::Marks, "unreadable".to_owned())]);
}

rule! { boot_13, "boot-13":
    boot_13_a_head_older_than_the_maximum_is_refused_only_if_asked,
    boot_13_age_is_judged_by_the_later_clock_and_a_head_from_the_future_has_none,
    boot_13_a_cache_older_than_the_operator_wants_comes_after_the_storages,
}

async fn boot_13_a_head_older_than_the_maximum_is_refused_only_if_asked(stage: Stage) {
    let document = documents::kong("stored");
    for (days, on_stale, serves, events) in
        [(0, OnStale::Refuse, true, 0), (2, OnStale::Refuse, true, 1), (8, OnStale::Warn, true, 1), (8, OnStale::Refuse, false, 0)]
    {
        let world = World::new(1);
        let mut published = Published::nothing();
        published.generation(VERSION, &document);
        published.head.confirmed_at = UnixMs(BEGINNING_UNIX_MS - days * 24 * 3_600_000);
        published.put_on(world.storage());
        let node = stage.start_with(&world, Settings { on_stale, ..stage.settings(&world) }).await;
        assert_eq!(node.serves(&document, Origin::Storage), serves, "{days} days: {:?}", node.standing);
        assert_eq!(world.trace.events(Name::Stale).len(), events, "{days} days, {on_stale:?}");
        let refused = if serves { vec![] } else { vec!["stale".to_owned()] };
        assert_eq!(world.trace.said(Name::HeadRefused, "reason"), refused);
    }
}

async fn boot_13_age_is_judged_by_the_later_clock_and_a_head_from_the_future_has_none(stage: Stage) {
    let document = documents::kong("stored");
    let world = World::new(1);
    let mut published = Published::nothing();
    published.generation(VERSION, &document);
    published.put_on(world.storage());
    // This node's clock stands still; the storage's shows ten days more.
    world.storage().date_is(UnixMs(BEGINNING_UNIX_MS + 10 * 24 * 3_600_000));
    let refusing = Settings { on_stale: OnStale::Refuse, ..stage.settings(&world) };
    let node = stage.start_with(&world, refusing.clone()).await;
    assert!(matches!(node.standing, Standing::Stranded(_)), "{:?}", node.standing);
    published.head.confirmed_at = UnixMs(BEGINNING_UNIX_MS + 20 * 24 * 3_600_000);
    published.put_on(world.storage());
    let node = stage.start_with(&world, refusing).await;
    node.assert_serves(&document, Origin::Storage);
    assert!(world.trace.events(Name::Stale).iter().any(|event| event.sentence.contains("in the future")));
}

async fn boot_13_a_cache_older_than_the_operator_wants_comes_after_the_storages(stage: Stage) {
    let (cached, newer) = (documents::kong("cached"), documents::kong("newer"));
    let mut published = Published::nothing();
    published.generation(VERSION, &cached);
    let world = World::new(1);
    published.put_on(world.storage());
    stage.start(&world).await.stop().await;
    published.generation(VERSION, &newer);
    published.put_on(world.storage());
    tokio::time::sleep(2 * HOUR).await;
    let impatient = Settings { cache_age_max: Some(HOUR), ..stage.settings(&world) };
    world.storage().is_down(StorageFailureKind::Unreachable);
    let node = stage.start_with(&world, impatient.clone()).await;
    node.assert_serves(&cached, Origin::Cache);
    node.stop().await;
    world.storage().is_back();
    let node = stage.start_with(&world, impatient).await;
    node.assert_serves(&newer, Origin::Storage);
    assert_eq!(world.cache.aside(), [], "what is only old is not set aside");
}

rule! { boot_16, "boot-16":
    boot_16_what_the_fallback_cannot_give_is_said,
}

async fn boot_16_what_the_fallback_cannot_give_is_said(stage: Stage) {
    let document = br#"{"_format_version":"3.0","services":[{"name":"a","host":"upstream.internal"}],
        "plugins":[{"name":"rate-limiting","config":{"minute":5,"policy":"cluster"}}]}"#;
    let world = world_with(&[document]);
    let node = stage.start(&world).await;
    node.assert_serves(document, Origin::Storage);
    let said = world.trace.events(Name::NeedsControlPlane);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].sentence.contains("rate-limiting") && said[0].severity == Severity::Warning, "{said:?}");
}

/// A node that ran the newest of these until it settled, and then lost its cache, but not its marks.
async fn marked(stage: &Stage, published: &Published) -> World {
    let world = World::new(1);
    published.put_on(world.storage());
    let mut node = stage.start(&world).await;
    node.run_for(SETTLED).await;
    node.stop().await;
    forget_cache(&world);
    world.trace.forget();
    world
}

fn forget_cache(world: &World) {
    world.cache.lose(Slot::Applied);
    world.cache.lose(Slot::Settled);
}

fn allowance(entry: &Entry) -> Allowance {
    Allowance {
        lineage: lineage(),
        gateway_version: VERSION.parse().unwrap(),
        file_digest: entry.file_digest,
        issued_at: UnixMs(BEGINNING_UNIX_MS),
        life_ms: 4 * 3_600_000,
        node: None,
        nonce: 7,
        why: "the newest breaks the checkout".into(),
    }
}

fn token(operator: &SigningKey, entry: &Entry, change: impl FnOnce(&mut Allowance)) -> String {
    let mut allowance = allowance(entry);
    change(&mut allowance);
    let lines = Token::new(allowance).unwrap().lines().unwrap();
    let signature = operator.sign(Purpose::BreakGlass, lines.digest());
    String::from_utf8(lines.sign(&[signature])).unwrap()
}
