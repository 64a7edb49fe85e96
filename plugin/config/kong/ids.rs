//! Ids for entities that have none: the same as Kong would make, so that references and findings agree with a gateway's own.
//!
//! `uuid5(uuid5(Kong's namespace, entity name), key)`. Where Kong would roll dice, the key is the entity's place in the document:
//! the same document always gives the same ids.

use sha1::{Digest, Sha1};

use super::super::tree::{Member, Node, member};
use super::place::Place;
use super::schema::Entity;
use super::walk::Parent;

/// fd02801f-0957-4a15-a55a-c8d9606f30b5
const NAMESPACE: [u8; 16] = [0xfd, 0x02, 0x80, 0x1f, 0x09, 0x57, 0x4a, 0x15, 0xa5, 0x5a, 0xc8, 0xd9, 0x60, 0x6f, 0x30, 0xb5];

pub fn generate(entity: &Entity, members: &[Member<'_>], parent: Option<&Parent<'_>>, place: &Place<'_>) -> String {
    let key = key(entity, members, parent).unwrap_or_else(|| format!("place:{}", place.path()));
    text(uuid5(uuid5(NAMESPACE, entity.name), &key))
}

fn key(entity: &Entity, members: &[Member<'_>], parent: Option<&Parent<'_>>) -> Option<String> {
    if entity.cache_key.is_empty() {
        return entity.endpoint_key.and_then(|name| part(name, members, None)).map(str::to_owned);
    }
    let parts: Vec<&str> = entity.cache_key.iter().map(|name| part(name, members, parent).unwrap_or_default()).collect();
    if parts.iter().all(|part| part.is_empty()) {
        return None;
    }
    Some(format!("{}:*:{}", entity.name, parts.join(":")))
}

fn part<'m>(name: &str, members: &'m [Member<'_>], parent: Option<&'m Parent<'_>>) -> Option<&'m str> {
    if let Some(parent) = parent.filter(|parent| parent.link == name) {
        return Some(parent.id);
    }
    let value = member(members, name)?;
    value.as_str().or_else(|| value.member("id").and_then(Node::as_str))
}

fn uuid5(namespace: [u8; 16], name: &str) -> [u8; 16] {
    let hash = Sha1::new().chain_update(namespace).chain_update(name).finalize();
    let mut uuid = [0; 16];
    for (byte, hashed) in uuid.iter_mut().zip(hash.iter()) {
        *byte = *hashed;
    }
    uuid[6] = (uuid[6] & 0x0f) | 0x50;
    uuid[8] = (uuid[8] & 0x3f) | 0x80;
    uuid
}

fn text(uuid: [u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in uuid.into_iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::super::entities;
    use super::*;

    #[test]
    fn generated_ids_are_the_ones_kong_generates() {
        let upstream = generate(entities::find("upstreams").unwrap(), &texts([("name", "a")]), None, &Place::Root);
        assert_eq!(upstream, "4b943877-0328-56fd-abab-a80c5e07ecdb");
        let parent = Parent { entity: entities::find("upstreams").unwrap(), link: "upstream", id: &upstream, key: Some("a") };
        let target = generate(entities::find("targets").unwrap(), &texts([("target", "1.2.3.4:80")]), Some(&parent), &Place::Root);
        assert_eq!(target, "59379622-e44c-5498-8d2b-f8c7ff8f7c72");
        let plugin = generate(entities::find("plugins").unwrap(), &texts([("name", "cors")]), None, &Place::Root);
        assert_eq!(plugin, "48ee727e-8b90-5faa-bda1-a3c6bc3c9daa");
    }

    #[test]
    fn entities_without_a_key_get_ids_by_their_place() {
        let service = entities::find("services").unwrap();
        let at = |index| generate(service, &[], None, &Place::Element(&Place::Member(&Place::Root, "services"), index));
        assert_ne!(at(0), at(1));
        assert_eq!(at(0), at(0));
    }

    fn texts<const N: usize>(members: [(&'static str, &'static str); N]) -> Vec<Member<'static>> {
        members.map(|(key, value)| (key.into(), Node::String(value.into()))).to_vec()
    }
}
