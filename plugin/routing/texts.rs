//! Very many texts, and the way to what they name, in few and small arrays: a request waits for memory more than for anything else.
//!
//! Each text that has a heap allocation of its own lies on a page that nobody has touched since the last request for it. Here they stand in
//! one row, and a look-up reads one slot on its way to the thing. Knows nothing of hosts, paths and routes.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

/// Texts, one behind the other.
#[derive(Default)]
pub(super) struct Texts {
    row: String,
}

/// Where one of them stands.
#[derive(Clone, Copy)]
pub(super) struct Text {
    start: u32,
    len: u32,
}

/// The places that things have in a list of the caller's, by the things' texts. The things keep their texts themselves.
#[derive(Default)]
pub(super) struct Lookup {
    /// With the text's hash, so that hardly ever another thing's text is compared.
    places: HashTable<(u64, u32)>,
    /// Seeded: nobody can choose texts that get into each other's way.
    hashes: RandomState,
}

impl Texts {
    pub(super) fn add(&mut self, text: &str) -> Text {
        let start = small(self.row.len());
        self.row.push_str(text);
        Text { start, len: small(text.len()) }
    }

    pub(super) fn of(&self, text: Text) -> &str {
        let start = wide(text.start);
        self.row.get(start..start + wide(text.len)).unwrap_or_default()
    }
}

impl Text {
    pub(super) fn len(self) -> usize {
        wide(self.len)
    }
}

impl Lookup {
    /// Of texts that differ, with the place of what each names.
    pub(super) fn of<'t>(named: impl ExactSizeIterator<Item = (&'t str, u32)>) -> Self {
        let hashes = RandomState::new();
        let mut places = HashTable::with_capacity(named.len());
        for (text, place) in named {
            let hash = hashes.hash_one(text);
            places.insert_unique(hash, (hash, place), |(hash, _)| *hash);
        }
        Self { places, hashes }
    }

    /// `is_named` says whether what stands at a place has this text.
    pub(super) fn find(&self, text: &str, is_named: impl Fn(u32) -> bool) -> Option<u32> {
        let hash = self.hashes.hash_one(text);
        let found = self.places.find(hash, |(other, place)| *other == hash && is_named(*place));
        found.map(|(_, place)| *place)
    }
}

/// A configuration has 256 MiB at most, so none of its texts and lists is longer than this can say.
pub(super) fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

pub(super) fn wide(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_named_is_found_at_its_place_and_nothing_else_is() {
        let names: Vec<String> = (0..5_000).map(|n| format!("n{n}")).collect();
        let lookup = Lookup::of(names.iter().map(String::as_str).zip(0..5_000));
        let find = |text: &str| lookup.find(text, |place| names[wide(place)] == text);
        for (name, place) in names.iter().zip(0..) {
            assert_eq!(find(name), Some(place));
            assert_eq!(find(&format!("{name}x")), None);
        }
        assert_eq!(find(""), None);
        assert_eq!(Lookup::default().find("", |_| true), None);
        assert_eq!(Lookup::of([("", 7)].into_iter()).find("", |place| place == 7), Some(7));
    }

    #[test]
    fn things_with_one_hash_are_told_apart_by_their_texts() {
        let lookup = Lookup::of((0..8).map(|place| ("same", place)));
        for wanted in 0..8 {
            assert_eq!(lookup.find("same", |place| place == wanted), Some(wanted));
        }
        assert_eq!(lookup.find("same", |_| false), None);
    }

    #[test]
    fn texts_are_read_as_they_were_added() {
        let mut texts = Texts::default();
        let added = ["a", "", "é/b"].map(|text| texts.add(text));
        assert_eq!(added.map(|text| (texts.of(text), text.len())), [("a", 1), ("", 0), ("é/b", 4)]);
    }
}
