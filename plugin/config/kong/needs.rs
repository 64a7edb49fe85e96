//! What a Kong configuration still needs from its control plane (boot-16), gathered while the survey walks the document.
//!
//! Not needs: credentials and consumers, which travel in the configuration; counters and sessions in Redis, which nodes reach by
//! themselves; whatever hangs on a plugin that is switched off. Of plugins only the bundled ones, and the commonest of Enterprise, are
//! known.

use std::collections::BTreeMap;

use super::super::certificates;
use super::super::needs::Need;
use super::super::tree::{Member, Node, member};
use super::{text, walk};
use crate::model::UnixMs;

#[derive(Default)]
pub struct Needs {
    vault_references: u64,
    vaults: u64,
    cluster_counters: BTreeMap<&'static str, u64>,
    stored_tokens: BTreeMap<&'static str, u64>,
    acme_state: u64,
    certificates: u64,
    first_end: Option<UnixMs>,
}

/// What of a plugin lies in the control plane's database.
#[derive(Clone, Copy)]
enum Kept {
    Counters,
    Tokens,
    Acme,
}

struct Keeper {
    plugin: &'static str,
    kept: Kept,
    /// The field of its configuration that says so, and the value with which it does; `None`: always. No plugin does so by default.
    when: Option<(&'static str, &'static str)>,
}

const KEEPERS: [Keeper; 6] = [
    Keeper { plugin: "rate-limiting", kept: Kept::Counters, when: Some(("policy", "cluster")) },
    Keeper { plugin: "response-ratelimiting", kept: Kept::Counters, when: Some(("policy", "cluster")) },
    Keeper { plugin: "rate-limiting-advanced", kept: Kept::Counters, when: Some(("strategy", "cluster")) },
    Keeper { plugin: "oauth2", kept: Kept::Tokens, when: None },
    Keeper { plugin: "session", kept: Kept::Tokens, when: Some(("storage", "kong")) },
    Keeper { plugin: "acme", kept: Kept::Acme, when: Some(("storage", "kong")) },
];

impl Needs {
    pub fn entity(&mut self, name: &str, members: &[Member<'_>]) {
        match name {
            "plugins" if matches!(member(members, "enabled"), Some(Node::Bool(false))) => return,
            "plugins" => self.plugin(members),
            "vaults" => self.vaults += 1,
            "certificates" => self.certificates(members, &["cert", "cert_alt"]),
            "ca_certificates" => self.certificates(members, &["cert"]),
            _ => {}
        }
        let configured = members.iter().filter(|(key, _)| !walk::is_remark(key));
        self.vault_references += configured.map(|(_, value)| references(value)).sum::<u64>();
    }

    /// An entity of a type that the tables do not know.
    pub fn unknown(&mut self, entity: &Node<'_>) {
        self.vault_references += references(entity);
    }

    fn plugin(&mut self, members: &[Member<'_>]) {
        let Some(name) = member(members, "name").and_then(Node::as_str) else { return };
        let Some(keeper) = KEEPERS.iter().find(|keeper| keeper.plugin == name) else { return };
        let configured = |field| member(members, "config").and_then(|config| config.member(field)).and_then(Node::as_str);
        if keeper.when.is_some_and(|(field, value)| configured(field) != Some(value)) {
            return;
        }
        match keeper.kept {
            Kept::Counters => *self.cluster_counters.entry(keeper.plugin).or_default() += 1,
            Kept::Tokens => *self.stored_tokens.entry(keeper.plugin).or_default() += 1,
            Kept::Acme => self.acme_state += 1,
        }
    }

    fn certificates(&mut self, members: &[Member<'_>], fields: &[&str]) {
        for pem in fields.iter().filter_map(|field| member(members, field)).filter_map(Node::as_str) {
            for end in certificates::ends(pem) {
                self.certificates += 1;
                self.first_end = Some(self.first_end.map_or(end, |first| first.min(end)));
            }
        }
    }

    /// In the order of [`Need`]'s kinds; plugins by name.
    pub fn into_list(self) -> Vec<Need> {
        let some = |count: u64| (count > 0).then_some(count);
        let mut needs = Vec::new();
        needs.extend(some(self.vault_references).map(|count| Need::VaultReferences { count }));
        needs.extend(some(self.vaults).map(|count| Need::Vaults { count }));
        needs.extend(self.cluster_counters.into_iter().map(|(plugin, count)| Need::ClusterCounters { plugin: plugin.to_owned(), count }));
        needs.extend(self.stored_tokens.into_iter().map(|(plugin, count)| Need::StoredTokens { plugin: plugin.to_owned(), count }));
        needs.extend(some(self.acme_state).map(|count| Need::AcmeState { count }));
        needs.extend(self.first_end.map(|ends_at| Need::Certificates { count: self.certificates, ends_at }));
        needs
    }
}

/// Every value of a document is asked, and nearly none begins like a reference: more than the first byte is looked at only then.
fn references(value: &Node<'_>) -> u64 {
    match value {
        Node::String(value) => u64::from(value.as_bytes().first() == Some(&b'{') && text::is_vault_reference(value)),
        Node::Array(elements) => elements.iter().map(references).sum(),
        Node::Object(members) => members.iter().map(|(_, value)| references(value)).sum(),
        Node::Null | Node::Bool(_) | Node::Number(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::super::super::Strictness;
    use super::*;

    const SMALL_CAPTURE: &[u8] = include_bytes!("../../../tests/fixtures/kong-captures/small.reconfigure.json");

    #[test]
    fn boot_16_what_a_real_control_plane_sent_says_what_it_needs() {
        let needs = super::super::validate(SMALL_CAPTURE, Strictness::Delivered).unwrap().needs;
        // 2036-11-19T06:48:32Z
        assert_eq!(needs, [Need::Vaults { count: 1 }, Need::Certificates { count: 2, ends_at: UnixMs(2_110_690_112_000) }]);
    }

    #[test]
    fn boot_16_plugins_that_keep_something_in_the_database_are_named_wherever_they_stand() {
        let nested = "
services:
- name: a
  host: a.test
  plugins:
  - {name: rate-limiting, config: {minute: 5, policy: cluster}}
  routes:
  - paths: [/]
    plugins:
    - {name: rate-limiting, config: {minute: 5, policy: cluster}}
    - {name: session, config: {storage: kong}}
    - {name: oauth2, config: {scopes: [a]}}
plugins:
- {name: acme, config: {storage: kong, account_email: a@b.test}}
- {name: response-ratelimiting, config: {policy: cluster, limits: {a: {minute: 1}}}}
";
        let expected = [
            Need::ClusterCounters { plugin: "rate-limiting".into(), count: 2 },
            Need::ClusterCounters { plugin: "response-ratelimiting".into(), count: 1 },
            Need::StoredTokens { plugin: "oauth2".into(), count: 1 },
            Need::StoredTokens { plugin: "session".into(), count: 1 },
            Need::AcmeState { count: 1 },
        ];
        assert_eq!(of(nested), expected);
        let written = format!("_format_version: '3.0'\n{nested}");
        let flat = super::super::flatten(written.as_bytes()).unwrap();
        assert_eq!(super::super::validate(&flat, Strictness::HandWritten).unwrap().needs, expected);
    }

    #[test]
    fn plugins_that_keep_nothing_there_are_no_needs() {
        for plugin in [
            "{name: rate-limiting, config: {minute: 5}}",
            "{name: rate-limiting, config: {minute: 5, policy: redis}}",
            "{name: rate-limiting, enabled: false, config: {policy: cluster, redis: {password: '{vault://env/p}'}}}",
            "{name: rate-limiting, config: {policy: null}}",
            "{name: response-ratelimiting, config: {policy: local}}",
            "{name: session}",
            "{name: session, config: {storage: cookie}}",
            "{name: acme, config: {account_email: a@b.test}}",
            "{name: key-auth}",
        ] {
            assert_eq!(
                of(&format!("plugins: [{plugin}]\nconsumers: [{{username: a, keyauth_credentials: [{{key: k}}]}}]\n")),
                [],
                "{plugin}"
            );
        }
    }

    #[test]
    fn vault_references_are_counted_in_every_value_and_in_no_remark() {
        let text = "
vaults:
- {name: env, prefix: my-env, description: 'see {vault://env/x}', _comment: '{vault://env/x}'}
certificates:
- {cert: '{vault://env/c}', key: '{vault://env/k}'}
plugins:
- name: http-log
  config: {http_endpoint: 'http://a.test', headers: {authorization: '{vault://env/t}', x: ['{vault://env/u}', '{vault', '{vault://env/v} ']}}
consumers:
- username: a
  basicauth_credentials: [{username: u, password: '{vault://env/p}'}]
";
        assert_eq!(of(text), [Need::VaultReferences { count: 5 }, Need::Vaults { count: 1 }]);
    }

    #[test]
    fn references_in_entities_that_only_enterprise_has_count_too() {
        let text = r#"{"_format_version":"3.0","services":[{"host":"h"}],"partials":[{"config":{"password":"{vault:\/\/env\/p}"}}]}"#;
        assert_eq!(super::super::validate(text.as_bytes(), Strictness::Delivered).unwrap().needs, [Need::VaultReferences { count: 1 }]);
    }

    fn of(yaml: &str) -> Vec<Need> {
        super::super::validate(format!("_format_version: '3.0'\n{yaml}").as_bytes(), Strictness::HandWritten).unwrap().needs
    }
}
