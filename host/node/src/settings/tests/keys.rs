//! Keys, and what is taken: read, held against each other, and never repeated when they are private.

use holdover_plugin::model::{Generation, VersionRule};
use holdover_plugin::policy::OnStale;
use holdover_plugin::snapshot::PublicKey;

use super::*;

/// Public keys of RFC 8032's test vectors: the first is the one that the judge finds in a file named `signing`.
pub const OWN: &str = "ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
const OTHERS: &str = "ed25519:3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
const EXPORT: &str = "cluster_fallback_config_export = on\n";
const IMPORT: &str = "cluster_fallback_config_import = on\n";

#[test]
fn without_a_word_of_keys_nobody_is_asked_for_a_signature() {
    let settings = Given::config(WHOLE).settings();
    assert_eq!(settings.keys, Keys::default());
    assert!(!settings.policy.trusted.is_configured() && !settings.policy.operators.is_configured());
    assert!(!settings.policy.has_identity && settings.policy.sealed_as.is_empty());
    assert_eq!(settings.policy.version_rule, VersionRule::Exact);
    assert_eq!((settings.policy.on_stale, settings.policy.head_age_max), (OnStale::Warn, Duration::from_secs(7 * 24 * 60 * 60)));
    assert_eq!((settings.policy.cache_age_max, settings.policy.min_generation), (None, Generation(0)));
    assert_eq!((settings.policy.accept_lineage, settings.policy.break_glass), (None, None));
}

#[test]
fn keys_and_bounds_arrive_as_they_are_written() {
    let lines = format!(
        "holdover_trusted_keys = {OWN}, {OTHERS}\nholdover_operator_keys = {OTHERS}\nholdover_signing_key = /keys/signing\n\
         holdover_recipients = age1one, age1two\nholdover_identity = /keys/identity\nholdover_cache_encryption = on\n\
         holdover_cache_max_age = 30d\nholdover_min_generation = 41\nholdover_accept_lineage = 00112233445566778899aabbccddeeff\n\
         holdover_on_stale = refuse\nholdover_head_max_age = 12h\nholdover_version_rule = minor\n"
    );
    let settings = Given::config(&format!("{WHOLE}{STORED}{EXPORT}{IMPORT}{lines}")).settings();
    let keys = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<PublicKey>>();
    assert_eq!(settings.policy.trusted.keys(), keys(&[OWN, OTHERS]));
    assert_eq!(settings.policy.operators.keys(), keys(&[OTHERS]));
    assert!(settings.policy.has_identity);
    let expected = Keys {
        signing_key: Some("/keys/signing".into()),
        recipients: vec!["age1one".into(), "age1two".into()],
        identity: Some("/keys/identity".into()),
        cache_encryption: true,
    };
    assert_eq!(settings.keys, expected);
    assert_eq!(settings.policy.cache_age_max, Some(Duration::from_secs(30 * 24 * 60 * 60)));
    assert_eq!(settings.policy.min_generation, Generation(41));
    assert_eq!(settings.policy.accept_lineage.unwrap().to_string(), "00112233445566778899aabbccddeeff");
    assert_eq!((settings.policy.on_stale, settings.policy.version_rule), (OnStale::Refuse, VersionRule::Minor));
    assert!(settings.notes.is_empty(), "{:?}", settings.notes);
}

#[test]
fn bad_keys_and_bounds_are_refused_with_what_to_write() {
    let many = ["age1x"; 21].join(",");
    for (line, setting, sentence) in [
        ("holdover_trusted_keys = me", "holdover_trusted_keys", "'ed25519:' and 64 hexadecimal digits"),
        (&format!("holdover_operator_keys = {OWN}, {}", &OTHERS[..70]), "holdover_operator_keys", "number 2 of 2: a public key is"),
        ("holdover_recipients = age1x, ssh-ed25519", "holdover_recipients", "number 2 of 2: a recipient is 'age1'"),
        (&format!("holdover_recipients = {many}"), "holdover_recipients", "name at most 20"),
        ("holdover_signing_key = /keys/other", "holdover_signing_key", "it cannot be read"),
        ("holdover_identity = /keys/other", "holdover_identity", "it cannot be read"),
        ("holdover_cache_encryption = on", "holdover_identity", "holdover_cache_encryption = on needs it"),
        ("holdover_cache_encryption = aes", "holdover_cache_encryption", "write one of on, off"),
        ("holdover_cache_max_age = never", "holdover_cache_max_age", "a bare number is seconds"),
        ("holdover_min_generation = -1", "holdover_min_generation", "invalid digit"),
        ("holdover_accept_lineage = mine", "holdover_accept_lineage", "32 hexadecimal digits"),
        ("holdover_on_stale = panic", "holdover_on_stale", "write one of warn, refuse"),
        ("holdover_head_max_age = 0", "holdover_head_max_age", "write at least 1s"),
        ("holdover_version_rule = major", "holdover_version_rule", "write one of exact, patch, minor"),
        ("holdover_kong_layout = yes", "holdover_kong_layout", "write one of auto, on, off"),
        ("holdover_break_glass = /no/such/file", "holdover_break_glass", "holdover break-glass --out"),
        (r#"holdover_break_glass = {"format":1}"#, "holdover_break_glass", "not the token itself"),
    ] {
        assert_problem(&format!("{WHOLE}{line}\n"), setting, sentence);
    }
}

#[test]
fn a_private_key_in_the_wrong_place_is_refused_and_never_repeated() {
    let digits = "0123456789abcdef".repeat(4);
    let (signing, identity) = (format!("ed25519-private:{digits}"), format!("AGE-SECRET-KEY-1{}", digits.to_uppercase()));
    for (setting, key, sentence) in [
        ("holdover_signing_key", &signing, "names a file, not the key itself"),
        ("holdover_signing_key", &digits, "names a file, not the key itself"),
        ("holdover_identity", &identity, "names a file, not the key itself"),
        ("holdover_trusted_keys", &signing, "it is a private key"),
        ("holdover_operator_keys", &format!("{OWN}, {signing}"), "number 2 of 2: it is a private key"),
        ("holdover_recipients", &identity, "a recipient is 'age1'"),
    ] {
        let problems = Given::config(&format!("{WHOLE}{setting} = {key}\n")).problems();
        let found = problems.iter().any(|problem| problem.setting == setting && problem.fix.contains(sentence));
        assert!(found, "no problem with {setting} says '{sentence}': {problems:?}");
        let printed = format!("{problems:?} {}", Problems(problems.clone())).to_lowercase();
        assert!(!printed.contains(&digits), "{printed}");
    }
    // What a reference fetched is no more repeated than what was written.
    let problems = Given::config(&format!("{WHOLE}holdover_identity = $KEY\n")).variable("KEY", &identity).problems();
    assert!(!format!("{problems:?}").to_lowercase().contains(&digits), "{problems:?}");
}

#[test]
fn kongs_documented_place_is_written_only_where_nothing_is_sealed() {
    let layout = |lines: &str| Given::config(&format!("{WHOLE}{STORED}{lines}")).settings().policy.kong_layout;
    let (signed, encrypted) = ("holdover_signing_key = /keys/signing\n", "holdover_recipients = age1one\n");
    let on = "holdover_kong_layout = on\n";
    for (lines, written) in [
        (EXPORT.to_owned(), true),
        (IMPORT.to_owned(), false),
        (format!("{EXPORT}{signed}"), false),
        (format!("{EXPORT}{encrypted}"), false),
        (format!("{EXPORT}{signed}{on}"), true),
        (format!("{EXPORT}holdover_kong_layout = off\n"), false),
        (format!("{EXPORT}holdover_format = document\nholdover_gateway = none\n"), false),
        (format!("{IMPORT}{on}"), false),
    ] {
        assert_eq!(layout(&lines), written, "{lines}");
    }
    let problems = Given::config(&format!("{WHOLE}{STORED}{EXPORT}{encrypted}{on}")).problems();
    let named = problems.iter().any(|problem| problem.setting == "holdover_kong_layout" && problem.fix.contains("holdover_recipients"));
    assert!(named, "{problems:?}");
    let document = format!("{WHOLE}{STORED}{EXPORT}holdover_format = document\nholdover_gateway = none\n{on}");
    assert_problem(&document, "holdover_kong_layout", "only the format kong");
}

#[test]
fn keys_without_effect_or_with_a_surprising_one_are_noted() {
    let notes = |lines: String| Given::config(&format!("{WHOLE}{STORED}{lines}")).settings().notes.join("\n");
    let signing = "holdover_signing_key = /keys/signing\n";
    let of_a_stranger = format!("holdover_trusted_keys = {OTHERS}\n");
    for (lines, note) in [
        (format!("{IMPORT}{signing}"), "holdover_signing_key ("),
        (format!("{IMPORT}holdover_recipients = age1x\n"), "holdover_recipients ("),
        (format!("{EXPORT}holdover_identity = /keys/identity\n"), "holdover_identity ("),
        (format!("{EXPORT}{of_a_stranger}"), "holdover_trusted_keys ("),
        (format!("{EXPORT}holdover_min_generation = 3\n"), "holdover_min_generation ("),
        (format!("{EXPORT}{IMPORT}{signing}{of_a_stranger}"), OWN),
        (format!("{EXPORT}{IMPORT}{of_a_stranger}"), "set holdover_signing_key"),
        (format!("{EXPORT}{IMPORT}holdover_recipients = age1x\n"), "could not open what it publishes"),
        (EXPORT.to_owned(), "counts as secret"),
    ] {
        let notes = notes(lines.clone());
        assert!(notes.contains(note), "{lines}: {notes}");
    }
    let silent = format!("{EXPORT}{IMPORT}{signing}holdover_trusted_keys = {OTHERS}, {OWN}\nholdover_recipients = age1x\n");
    assert_eq!(notes(format!("{silent}holdover_identity = /keys/identity\n")), "");
    let cache = format!("{EXPORT}holdover_recipients = age1x\nholdover_identity = /keys/identity\nholdover_cache_encryption = on\n");
    assert_eq!(notes(cache), "");
    let document = format!("{EXPORT}holdover_format = document\nholdover_gateway = none\n");
    assert_eq!(notes(document), "");
}

#[test]
fn a_token_needs_operators_and_one_that_allows_nothing_stops_nothing() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("token");
    fs::write(&path, "{}\n").unwrap();
    let token = format!("{WHOLE}{STORED}{IMPORT}holdover_break_glass = {}\n", path.display());
    assert_problem(&token, "holdover_operator_keys", "holdover_break_glass needs it");
    let settings = Given::config(&format!("{token}holdover_operator_keys = {OWN}\n")).settings();
    assert_eq!(settings.policy.break_glass.as_deref(), Some("{}\n"));
    assert!(settings.notes.iter().any(|note| note.contains("the token allows nothing")), "{:?}", settings.notes);
    fs::write(&path, "x".repeat(17 * 1024)).unwrap();
    assert_problem(&token, "holdover_break_glass", "more than 16384 bytes");
}
