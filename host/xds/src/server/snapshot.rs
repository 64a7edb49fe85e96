//! What there is to serve, by type and name, and by which version an answer goes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use sha2::{Digest, Sha256};

use crate::wanted::Wanted;
use crate::{CLUSTER, LISTENER, Resource};

/// Of a digest that stands for versions. Enough that two never meet by chance.
const DIGEST_BYTES: usize = 16;

/// One set of resources. There is none without clusters or without listeners, so that none can be served.
pub struct Snapshot {
    /// Sorted, types are in the order in which a node wants them changed: clusters, endpoints, listeners, routes, then secrets.
    types: BTreeMap<String, BTreeMap<String, Resource>>,
}

impl Snapshot {
    pub fn new(resources: Vec<Resource>) -> Result<Self, String> {
        let mut types: BTreeMap<String, BTreeMap<String, Resource>> = BTreeMap::new();
        for resource in resources {
            let of_type = types.entry(resource.type_url.clone()).or_default();
            if let Some(twice) = of_type.insert(resource.name.clone(), resource) {
                return Err(format!("the set has {} of {} twice", twice.name, twice.type_url));
            }
        }
        match [CLUSTER, LISTENER].into_iter().find(|type_url| !types.contains_key(*type_url)) {
            Some(type_url) => Err(format!("the set has nothing of {type_url}, and a node that was sent it would serve nothing")),
            None => Ok(Self { types }),
        }
    }

    pub(super) fn one(&self, type_url: &str, name: &str) -> Option<&Resource> {
        self.types.get(type_url)?.get(name)
    }

    pub(super) fn all(&self, type_url: &str) -> impl Iterator<Item = &Resource> {
        self.types.get(type_url).into_iter().flat_map(BTreeMap::values)
    }

    pub(super) fn wanted<'a>(&'a self, type_url: &str, wanted: &'a Wanted) -> impl Iterator<Item = &'a Resource> {
        self.all(type_url).filter(move |resource| wanted.includes(&resource.name))
    }

    /// The version that an answer goes by: that of its resources, or where they differ, or there are none, a digest of them.
    pub(super) fn version(&self, type_url: &str, wanted: &Wanted) -> String {
        let versions: BTreeSet<&str> = self.wanted(type_url, wanted).map(|resource| resource.version.as_str()).collect();
        if let (Some(version), 1) = (versions.first(), versions.len())
            && !version.is_empty()
        {
            return (*version).to_owned();
        }
        let mut digest = Sha256::new();
        for Resource { name, version, .. } in self.wanted(type_url, wanted) {
            for text in [name, version] {
                digest.update((text.len() as u64).to_le_bytes());
                digest.update(text);
            }
        }
        let digest = digest.finalize();
        digest.iter().take(DIGEST_BYTES).fold("mixed-".to_owned(), |text, byte| format!("{text}{byte:02x}"))
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.types.iter().map(|(type_url, resources)| (type_url, resources.len()))).finish()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_set_without_clusters_or_without_listeners_is_none() {
        for type_url in [CLUSTER, LISTENER] {
            let error = Snapshot::new(vec![of(type_url, "one", "1")]).unwrap_err();
            assert!(error.contains("has nothing of"), "{error}");
        }
        let error = Snapshot::new(vec![of(CLUSTER, "one", "1"), of(CLUSTER, "one", "2")]).unwrap_err();
        assert!(error.contains("twice"), "{error}");
        Snapshot::new(vec![of(CLUSTER, "one", "1"), of(LISTENER, "one", "1")]).unwrap();
    }

    #[test]
    fn an_answer_has_the_version_of_its_resources_or_a_digest_where_they_differ() {
        let set = |second: &str| {
            Snapshot::new(vec![of(CLUSTER, "a", "7"), of(CLUSTER, "b", second), of(LISTENER, "l", "9"), of("e", "e", "")]).unwrap()
        };
        let named = |name: &str| Wanted::Named([name.to_owned()].into());
        assert_eq!(set("7").version(CLUSTER, &Wanted::All), "7");
        let mixed = set("8").version(CLUSTER, &Wanted::All);
        assert!(mixed.starts_with("mixed-") && mixed.len() == 38, "{mixed}");
        assert_eq!(mixed, set("8").version(CLUSTER, &Wanted::All));
        assert_ne!(mixed, set("9").version(CLUSTER, &Wanted::All));
        assert_eq!(set("8").version(CLUSTER, &named("b")), "8");
        assert!(set("8").version("e", &Wanted::All).starts_with("mixed-"), "a node that has no version counts as fresh");
    }

    fn of(type_url: &str, name: &str, version: &str) -> Resource {
        Resource { type_url: type_url.into(), name: name.into(), version: version.into(), value: Bytes::new() }
    }
}
