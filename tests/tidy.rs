//! What no compiler checks: that the code keeps to its own rules, and that the documents are true of the code.
//!
//! Reads the working tree as text. Each finding names the file and the rule, and a rule that is wrong is changed here, with its reason.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Long tables and prose are data; of code, nobody reads more at once.
const LINES_MAX: usize = 500;

/// What stands at the root and was written by people. Whatever else lies there (builds, editors' folders) is nobody's business.
const TOP_LEVEL: [&str; 16] = [
    ".ci",
    ".github",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "Cargo.toml",
    "README.md",
    "clippy.toml",
    "docs",
    "host",
    "packaging",
    "plugin",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "tests",
    "wit",
];

/// What only effects need, as it stands in code. Addresses (`std::net::IpAddr`) are values, sockets are not.
const EFFECTS: [&str; 17] = [
    "aws_sdk",
    "wasmtime",
    "hyper::",
    "reqwest",
    "tokio::",
    "tracing::",
    "std::fs",
    "std::process",
    "std::thread",
    "std::env",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "ToSocketAddrs",
    "SystemTime",
    "Instant::now",
    "println!",
];

/// Where the purity of `plugin/` ends on purpose.
const SHELLS: [&str; 2] = [
    // Runs cargo for build scripts and tests; no part of the policy.
    "plugin/build/",
    // What a VM has of its own, its clock first of all.
    "plugin/proxy-wasm/src/vm.rs",
];

/// Names that say nothing of what is behind them.
const NAMELESS: [&str; 8] = ["utils", "util", "helpers", "helper", "manager", "misc", "common", "base"];

/// World `common` of `wit/world.wit` has this name on both sides.
const NAMED_FOR_THE_WORLD: [&str; 1] = ["host/component/src/common.rs"];

/// Words of comments that are untrue in a year, and words for which DESIGN.md has another.
const WORDS: [(&str, &str); 10] = [
    ("for now", "say what is the case, and put what is missing into ARCHITECTURE.md, Not yet"),
    ("currently", "say what is the case"),
    ("previously", "the history is in git"),
    ("as of today", "say what is the case"),
    ("temporarily", "say until when"),
    ("dataplane", "node or gateway; Kong's role is a data plane"),
    ("controlplane", "control plane"),
    ("whitelist", "allowlist"),
    ("blacklist", "quarantine, or what is refused"),
    ("last known good", "generation, good or settled"),
];

/// What a build must not need: a C compiler is enough, and there is one TLS library.
const NOT_IN_THE_LOCK: [&str; 8] =
    ["cmake", "openssl-sys", "native-tls", "aws-lc-sys", "aws-lc-rs", "libz-ng-sys", "pingora-core", "bindgen"];

#[test]
fn every_rust_file_begins_by_saying_what_it_is_responsible_for() {
    let headless = rust_files().into_iter().filter(|file| {
        // A module's own tests stand under its head.
        let tests_of_a_module = file.name.ends_with("/tests.rs") && !file.name.starts_with("tests/");
        let first = file.text.lines().find(|line| !line.is_empty() && !line.starts_with("#!["));
        !tests_of_a_module && !first.is_some_and(|line| line.starts_with("//! "))
    });
    nothing("begins with no head comment (//!)", headless.map(|file| file.name));
}

#[test]
fn no_rust_file_is_too_long_to_be_read() {
    let long = rust_files().into_iter().filter(|file| file.text.lines().count() > LINES_MAX);
    nothing(&format!("has more than {LINES_MAX} lines"), long.map(|file| file.name));
}

#[test]
fn no_file_is_named_for_nothing() {
    let nameless = rust_files().into_iter().map(|file| file.name).filter(|name| {
        let parts = name.trim_end_matches(".rs").split('/');
        !NAMED_FOR_THE_WORLD.contains(&name.as_str()) && parts.into_iter().any(|part| NAMELESS.contains(&part))
    });
    nothing("has a name that says nothing", nameless);
}

#[test]
fn the_plugin_asks_for_every_effect_and_has_none_itself() {
    let core = rust_files().into_iter().filter(|file| file.name.starts_with("plugin/") && !is_shell(&file.name));
    let mut seen = 0;
    let mut impure = Vec::new();
    for file in core.filter(|file| !file.name.ends_with("/tests.rs")) {
        seen += 1;
        for (number, code) in code_lines(untested(&file.text)) {
            impure
                .extend(EFFECTS.iter().filter(|effect| code.contains(**effect)).map(|effect| format!("{}:{number}: {effect}", file.name)));
        }
    }
    assert!(seen > 50, "the plugin has more files than {seen}");
    nothing("is an effect within plugin/", impure);
}

#[test]
fn the_plugin_depends_on_nothing_of_the_host_and_adapters_know_only_the_ports() {
    let known = |manifest: &str| dependencies(manifest).into_iter().filter(|name| name.starts_with("holdover-")).collect::<BTreeSet<_>>();
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(known("plugin"), set(&[]));
    assert_eq!(known("plugin/build"), set(&[]));
    assert_eq!(known("plugin/proxy-wasm"), set(&["holdover-age", "holdover-plugin"]), "it has no host to keep its private key");
    for shell in ["plugin/age", "plugin/component", "host/ports"] {
        assert_eq!(known(shell), set(&["holdover-plugin"]), "{shell}");
    }
    assert_eq!(known("host/tls"), set(&[]));
    assert_eq!(known("host/hybrid"), set(&["holdover-plugin", "holdover-tls"]));
    assert_eq!(known("host/xds"), set(&["holdover-tls"]));
    for adapter in ["host/storage", "host/node"] {
        assert_eq!(known(adapter), set(&["holdover-plugin", "holdover-ports"]), "{adapter}");
    }
    // Kong's wire and xDS have two ends, and one adapter for each.
    let both_wires = ["holdover-hybrid", "holdover-plugin", "holdover-ports", "holdover-xds"];
    assert_eq!(known("host/gateway"), set(&both_wires));
    assert_eq!(known("host/control-plane"), &set(&both_wires) | &set(&["holdover-tls"]));
    assert_eq!(known("host/component"), set(&["holdover-plugin", "holdover-plugin-build", "holdover-ports"]));
    let adapters = ["holdover-control-plane", "holdover-gateway"];
    let knows_adapters = members().into_iter().filter(|member| adapters.iter().all(|adapter| known(member).contains(*adapter)));
    assert_eq!(knows_adapters.collect::<Vec<_>>(), ["host/cli", "tests"], "only wire.rs, and tests, know every adapter");
}

#[test]
fn a_build_needs_no_more_than_a_c_compiler() {
    let lock = read("Cargo.lock");
    let packages: BTreeSet<&str> = lock.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"')).collect();
    assert!(packages.contains("ring") && packages.contains("wasmtime"), "the lock is read");
    nothing("is in Cargo.lock", NOT_IN_THE_LOCK.iter().filter(|name| packages.contains(**name)));
}

#[test]
fn nothing_is_left_for_later() {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("unimpl", "emented!"), concat!("to", "do!(")];
    let mut left = Vec::new();
    for file in texts() {
        for (number, line) in numbered(&file.text) {
            left.extend(marks.iter().filter(|mark| line.contains(**mark)).map(|mark| format!("{}:{number}: {mark}", file.name)));
        }
    }
    nothing("is a mark of something left for later", left);
}

#[test]
fn no_path_of_one_machine_is_written_down() {
    let machines = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];
    let mut found = Vec::new();
    for file in texts() {
        for (number, line) in numbered(&file.text) {
            found.extend(machines.iter().filter(|path| line.contains(**path)).map(|path| format!("{}:{number}: {path}", file.name)));
        }
    }
    nothing("is a path of one machine", found);
}

#[test]
fn comments_and_documents_use_words_that_stay_true() {
    let mut found = Vec::new();
    for file in texts().into_iter().filter(|file| file.name != "tests/tidy.rs") {
        let is_prose = file.name.ends_with(".md");
        for (number, line) in numbered(&file.text) {
            let said = if is_prose { line } else { comment(line) };
            let words = WORDS.iter().filter(|(word, _)| has_word(said, word) || has_word(said, &capitalised(word)));
            found.extend(words.map(|(word, instead)| format!("{}:{number}: '{word}': {instead}", file.name)));
        }
    }
    nothing("is a word to be said otherwise", found);
}

#[test]
fn functions_have_no_get_in_front() {
    let mut found = Vec::new();
    for file in rust_files() {
        let mut implements_a_trait = false;
        for (number, line) in numbered(&file.text) {
            // The names of a foreign trait are not ours to choose. An `impl` block begins and ends at the margin.
            if line.starts_with("impl") || line == "}" {
                implements_a_trait = line.contains(" for ");
            }
            if line.contains(concat!("fn g", "et_")) && !implements_a_trait {
                found.push(format!("{}:{number}", file.name));
            }
        }
    }
    nothing("is a function that is called get_…", found);
}

#[test]
fn every_path_that_a_document_names_is_there() {
    let tops = top_level();
    let (mut named, mut absent) = (BTreeSet::new(), Vec::new());
    for document in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"] {
        let prose = prose(&read(document));
        for span in prose.split('`').skip(1).step_by(2) {
            let is_path = !span.contains(char::is_whitespace)
                && (tops.contains(span) || span.split_once('/').is_some_and(|(top, _)| tops.contains(top)));
            if is_path {
                named.insert(span.to_owned());
                absent.extend((!root().join(span).exists()).then(|| format!("{document}: `{span}`")));
            }
        }
        for target in prose.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let is_ours = !path.contains("://") && !path.is_empty();
            absent.extend((is_ours && !root().join(path).exists()).then(|| format!("{document}: ({target})")));
            let headed = |text: &str| text.lines().any(|line| line.starts_with('#') && slug(line) == anchor);
            absent.extend((is_ours && !anchor.is_empty() && !headed(&read(path))).then(|| format!("{document}: ({target})")));
        }
    }
    assert!(named.len() > 50, "paths in backticks are found: {named:?}");
    nothing("is named by a document and not there", absent);
}

#[test]
fn the_architecture_knows_every_crate_and_every_file_of_the_policy() {
    let text = read("ARCHITECTURE.md");
    let unknown: Vec<String> = members().into_iter().filter(|member| !text.contains(&format!("`{member}/`"))).collect();
    nothing("is a crate that ARCHITECTURE.md does not know", unknown);
    let tests_and_tables = ["plugin/policy/mod.rs", "plugin/policy/backoff.rs", "plugin/policy/export/state.rs"];
    let policy = rust_files().into_iter().map(|file| file.name).filter(|name| name.starts_with("plugin/policy/"));
    let unknown = policy.filter(|name| !tests_and_tables.contains(&name.as_str()) && !text.contains(&format!("`{name}`")));
    nothing("is a file of the policy that ARCHITECTURE.md does not know", unknown);
}

#[test]
fn what_the_readme_tells_to_run_is_what_ci_runs() {
    let (readme, ci) = (read("README.md"), read(".ci/run"));
    for command in ["cargo run -- drill", "cargo test"] {
        assert!(readme.lines().any(|line| line == command), "README.md does not tell to run: {command}");
        assert!(ci.lines().any(|line| line == format!("step {command}")), ".ci/run does not run: {command}");
    }
    let add_targets = "rustup target add wasm32-wasip2 wasm32-wasip1";
    assert!(readme.contains(add_targets) && ci.contains(add_targets), "both name the wasm targets");
}

#[test]
fn the_readme_lists_the_exit_codes_that_the_binary_has() {
    let code = read("host/cli/src/exit.rs");
    let of_binary = code.lines().skip_while(|line| !line.contains("Exit codes:")).skip(1).take_while(|line| line.starts_with("  "));
    let of_binary: Vec<String> = of_binary.map(|line| line.trim().trim_end_matches("\";").to_owned()).collect();
    let readme = read("README.md");
    assert!(of_binary.len() > 4, "the codes are read: {of_binary:?}");
    nothing(
        "is not in README.md",
        of_binary.iter().filter(|line| {
            let (code, meaning) = line.split_once("  ").expect("a code and what it means");
            !readme.contains(&format!("| {code} | {meaning} |"))
        }),
    );
}

/// A file of the tree, its path from the root with `/` between the parts.
struct File {
    name: String,
    text: String,
}

fn nothing(what: &str, found: impl IntoIterator<Item = impl std::fmt::Display>) {
    let found: Vec<String> = found.into_iter().map(|one| format!("\n  {one}")).collect();
    assert!(found.is_empty(), "{} {what}:{}", found.len(), found.concat());
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Rust that people wrote.
fn rust_files() -> Vec<File> {
    texts().into_iter().filter(|file| file.name.ends_with(".rs") && !file.name.contains("/generated/")).collect()
}

/// Everything that people wrote, without what others made (fixtures, licence) and what is made from it (lock, generated code).
fn texts() -> Vec<File> {
    let mut files = Vec::new();
    for top in top_level() {
        collect(&root().join(&top), &top, &mut files);
    }
    assert!(files.len() > 150, "the tree is read: {}", files.len());
    files
}

/// Of the project's own names those that are there.
fn top_level() -> BTreeSet<String> {
    TOP_LEVEL.into_iter().filter(|name| root().join(name).exists()).map(str::to_owned).collect()
}

fn collect(path: &Path, name: &str, files: &mut Vec<File>) {
    if path.is_dir() {
        if name.ends_with("/fixtures") || name.ends_with("/generated") || name.ends_with("/target") {
            return;
        }
        let mut entries: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        entries.sort();
        for entry in entries {
            collect(&path.join(&entry), &format!("{name}/{entry}"), files);
        }
    } else if let Ok(text) = fs::read_to_string(path) {
        files.push(File { name: name.to_owned(), text });
    }
}

fn is_shell(name: &str) -> bool {
    SHELLS.iter().any(|shell| name.starts_with(shell))
}

/// What comes before a module's tests, which stand at its end.
fn untested(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or_default()
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    numbered(text).map(|(number, line)| (number, line.split("//").next().unwrap_or_default()))
}

/// From `//` or `#` on. A string that holds one of them is taken for a comment, which only makes the rule stricter.
fn comment(line: &str) -> &str {
    let start = line.find("//").or_else(|| line.trim_start().starts_with('#').then_some(0));
    start.and_then(|start| line.get(start..)).unwrap_or_default()
}

/// The word as such, not as a part of another.
fn has_word(text: &str, word: &str) -> bool {
    let edge = |character: Option<char>| character.is_none_or(|character| !character.is_alphanumeric());
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (text.get(..at).unwrap_or_default(), text.get(at + word.len()..).unwrap_or_default());
        edge(before.chars().next_back()) && edge(after.chars().next())
    })
}

/// As at the beginning of a sentence. Names of types, such as `ControlPlane`, are written otherwise.
fn capitalised(word: &str) -> String {
    let mut characters = word.chars();
    characters.next().into_iter().flat_map(char::to_uppercase).chain(characters).collect()
}

/// A document without its blocks of code.
fn prose(text: &str) -> String {
    let outside = text.split("```").step_by(2);
    outside.collect::<Vec<_>>().join("\n")
}

/// As GitHub makes anchors of headings.
fn slug(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars()
        .filter(|character| character.is_alphanumeric() || " -_".contains(*character))
        .map(|character| if character == ' ' { '-' } else { character })
        .collect()
}

/// The workspace's members, by their folders.
fn members() -> Vec<String> {
    let manifest = read("Cargo.toml");
    let list = manifest.split("\nmembers = [").nth(1).and_then(|rest| rest.split(']').next()).expect("members are listed");
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// What a crate needs to be built, by name; what only its tests need is not asked.
fn dependencies(member: &str) -> Vec<String> {
    let manifest = read(&format!("{member}/Cargo.toml"));
    let mut names = Vec::new();
    let mut counts = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            counts = line == "[dependencies]" || line == "[build-dependencies]";
        } else if counts {
            let name = line.split([' ', '=', '.']).next().unwrap_or_default();
            names.extend((!name.is_empty() && !name.starts_with('#')).then(|| name.to_owned()));
        }
    }
    names
}
