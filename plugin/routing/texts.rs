//! Very many texts, and the way to what they name, in few and small arrays: a request waits for memory more than for anything else.
//!
//! Each text that has a heap allocation of its own lies on a page that nobody has touched since the last request for it. Here they stand in
//! one row, and a look-up reads one slot of eight bytes on its way to the thing. Knows nothing of hosts, paths and routes.

use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU32;

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
    /// A power of two of them, at most half of them taken, so that every search comes to an end, and soon.
    slots: Vec<Option<Slot>>,
    /// Seeded: nobody can choose texts that begin their searches at the same slot.
    hashes: RandomState,
}

#[derive(Clone, Copy)]
struct Slot {
    /// Enough of the hash that hardly ever another thing's text is compared.
    mark: NonZeroU32,
    place: u32,
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
        let mut lookup = Self::default();
        if named.len() > 0 {
            lookup.slots.resize((named.len() * 2).next_power_of_two(), None);
        }
        for (text, place) in named {
            let (mark, first) = lookup.begin(text);
            let free = lookup.from(first).find(|at| matches!(lookup.slots.get(*at), Some(None)));
            if let Some(slot) = free.and_then(|at| lookup.slots.get_mut(at)) {
                *slot = Some(Slot { mark, place });
            }
        }
        lookup
    }

    /// `is_named` says whether what stands at a place has this text.
    pub(super) fn find(&self, text: &str, is_named: impl Fn(u32) -> bool) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        let (mark, first) = self.begin(text);
        let taken = self.from(first).map_while(|at| *self.slots.get(at)?);
        taken.filter(|slot| slot.mark == mark).map(|slot| slot.place).find(|place| is_named(*place))
    }

    /// The mark of a text, and the slot at which its search begins.
    fn begin(&self, text: &str) -> (NonZeroU32, usize) {
        let hash = self.hashes.hash_one(text);
        let [low, high] = [hash, hash >> 32].map(|half| u32::try_from(half & u64::from(u32::MAX)).unwrap_or_default());
        (NonZeroU32::new(high).unwrap_or(NonZeroU32::MAX), wide(low))
    }

    /// All slots, in the order of a search.
    fn from(&self, first: usize) -> impl Iterator<Item = usize> + use<> {
        let count = self.slots.len();
        (0..count).map(move |step| first.wrapping_add(step) & (count - 1))
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
