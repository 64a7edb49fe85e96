//! Which entities of a delivered configuration Kong would not take. Delivery only warns of them (export-02), for the tables may be older
//! than the control plane; a gateway that serves without Kong must still not serve what Kong would refuse.

use std::collections::{BTreeMap, BTreeSet};

use super::super::tree::{self, Node};
use super::super::{Invalid, yaml};
use super::envelope;
use super::gateway::{Reading, Role};
use super::survey::Survey;
use super::walk::{Parent, Prepared};

/// Entities by type and id, as they stand in the flat form.
#[derive(Debug, Default)]
pub struct Rejected {
    types: BTreeMap<&'static str, BTreeSet<String>>,
    /// Upstreams that have a target among them.
    upstreams_of_targets: BTreeSet<String>,
}

impl Rejected {
    fn add(&mut self, entity: &'static str, prepared: &Prepared<'_>, parent: Option<&Parent<'_>>) {
        let Some(id) = &prepared.id else { return };
        self.types.entry(entity).or_default().insert(id.clone().into_owned());
        if entity == "targets" {
            let own = || tree::member(&prepared.members, "upstream").and_then(Node::as_str);
            let upstream = parent.map(|parent| parent.id).or_else(own);
            self.upstreams_of_targets.extend(upstream.map(str::to_owned));
        }
    }

    /// `entity` as in the document: plural.
    pub fn contains(&self, entity: &str, id: &str) -> bool {
        self.types.get(entity).is_some_and(|ids| ids.contains(id))
    }

    /// Of a flat document, in which a target names its upstream by id.
    pub fn contains_target_of(&self, upstream: &str) -> bool {
        self.upstreams_of_targets.contains(upstream)
    }

    pub fn is_empty(&self) -> bool {
        self.types.is_empty()
    }
}

/// Read as a data plane of the current version reads it. Structural failures refuse the whole.
pub fn rejected(bytes: &[u8]) -> Result<Rejected, Invalid> {
    let text = yaml::as_json(bytes)?;
    let document = envelope::open(&text)?;
    let mut rejected = Rejected::default();
    let mut told = |entity: &'static str, prepared: &Prepared<'_>, parent: Option<&Parent<'_>>| rejected.add(entity, prepared, parent);
    let mut survey = Survey::new(Reading::delivered(Role::DataPlane));
    survey.rejected = Some(&mut told);
    survey.read(&document)?.reports.structural.into_result()?;
    Ok(rejected)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn entities_with_findings_are_rejected_wherever_they_stand_and_no_others() {
        let yaml = "
_format_version: '3.0'
services:
- {id: 11111111-1111-4111-8111-000000000001, host: a.test}
- id: 11111111-1111-4111-8111-000000000002
  host: b.test
  routes:
  - {id: 21111111-1111-4111-8111-000000000001, paths: [/a%20b]}
  - {id: 21111111-1111-4111-8111-000000000002, paths: [/b]}
- {id: 11111111-1111-4111-8111-000000000003, host: c.test, tls_sans: {dnsnames: [c]}}
- {id: 11111111-1111-4111-8111-000000000004, host: d.test, novel: null}
upstreams:
- {name: a, targets: [{target: 'x:99999'}]}
";
        let rejected = rejected(yaml.as_bytes()).unwrap();
        let services: Vec<bool> =
            (1..=4).map(|number| rejected.contains("services", &format!("11111111-1111-4111-8111-00000000000{number}"))).collect();
        assert_eq!(services, [false, false, true, false]);
        assert!(rejected.contains("routes", "21111111-1111-4111-8111-000000000001"));
        assert!(!rejected.contains("routes", "21111111-1111-4111-8111-000000000002"));
        assert!(!rejected.contains("upstreams", "4b943877-0328-56fd-abab-a80c5e07ecdb"));
        assert!(rejected.contains_target_of("4b943877-0328-56fd-abab-a80c5e07ecdb"));
    }

    #[test]
    fn more_findings_than_are_kept_still_reject_their_entities() {
        let routes: Vec<String> = (0..80).map(|number| format!("- {{id: r{number}, paths: [x]}}")).collect();
        let yaml = format!("_format_version: '3.0'\nroutes:\n{}\n", routes.join("\n"));
        let rejected = rejected(yaml.as_bytes()).unwrap();
        assert!(rejected.contains("routes", "r0") && rejected.contains("routes", "r79"));
    }

    #[test]
    fn what_nobody_could_run_is_refused_whole() {
        assert!(rejected(b"_format_version: '3.0'\nroutes: [{paths: [/], service: a}]\n").is_err());
    }
}
