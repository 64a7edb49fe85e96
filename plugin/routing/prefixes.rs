//! The known prefixes of paths, of all hosts in one row: what stands under each beside that of its neighbours, and every text once.
//!
//! A path's longest prefix is found by halving, where there are very many by a look-up for each length that they have; the others by following
//! the longest one that each begins with. What is looked at on the way lies together, and is little: memory that no cache holds is what a
//! request waits for. Knows no host, no matcher and no order.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::slice;

use super::index::Candidate;
use super::texts::{Lookup, Text, Texts, small, wide};

#[derive(Default)]
pub(super) struct Prefixes {
    texts: Texts,
    nodes: Vec<Node>,
    candidates: Vec<Candidate>,
    tables: Vec<Table>,
}

/// Adds stretches. Very many hosts have the same prefixes, whose texts are to stay in the processor's caches: they stand in the row once.
#[derive(Default)]
pub(super) struct Adding {
    prefixes: Prefixes,
    added: HashMap<String, Text>,
}

/// The prefixes of one host.
#[derive(Clone, Copy)]
pub(super) enum Stretch {
    /// A single one, as most hosts have, is kept here: nothing else need be looked at.
    One(Node),
    /// Neighbours in the row, which are sorted among themselves.
    Several {
        start: u32,
        end: u32,
        /// The place of its table, if it has one.
        table: Option<u32>,
    },
}

/// Every prefix of a stretch, by its text.
struct Table {
    /// Counted from the stretch's start.
    places: Lookup,
    /// Which lengths there are, the longest first.
    lengths: Vec<usize>,
}

/// From here on halving costs more than a table's questions.
const TABLE_MIN: usize = 256;
/// Prefixes of more lengths than this are halved: each length is a question.
const LENGTHS_MAX: usize = 24;

#[derive(Clone, Copy)]
pub(super) struct Node {
    text: Text,
    /// The longest other prefix of the stretch that this one begins with, counted from its start.
    parent: Option<u32>,
    under: Under,
}

/// What stands under a prefix.
#[derive(Clone, Copy)]
enum Under {
    One(Candidate),
    Several { start: u32, end: u32 },
}

impl Adding {
    /// Of each prefix what stands under it, in order.
    pub(super) fn add(&mut self, known: BTreeMap<String, Vec<Candidate>>) -> Stretch {
        let mut nodes: Vec<Node> = Vec::with_capacity(known.len());
        for (prefix, candidates) in known {
            let above = nodes.len().checked_sub(1).map(small);
            let begins_with = |node: &Node| prefix.starts_with(self.prefixes.texts.of(node.text));
            let parent = std::iter::successors(above, |above| nodes.get(wide(*above))?.parent)
                .find(|above| nodes.get(wide(*above)).is_some_and(begins_with));
            nodes.push(Node { text: self.text(prefix), parent, under: self.under(candidates) });
        }
        if let [node] = nodes.as_slice() {
            return Stretch::One(*node);
        }
        let table = self.table(&nodes);
        let start = small(self.prefixes.nodes.len());
        self.prefixes.nodes.extend(nodes);
        Stretch::Several { start, end: small(self.prefixes.nodes.len()), table }
    }

    pub(super) fn finish(self) -> Prefixes {
        self.prefixes
    }

    fn text(&mut self, prefix: String) -> Text {
        let texts = &mut self.prefixes.texts;
        *self.added.entry(prefix).or_insert_with_key(|prefix| texts.add(prefix))
    }

    fn under(&mut self, candidates: Vec<Candidate>) -> Under {
        if let [candidate] = candidates.as_slice() {
            return Under::One(*candidate);
        }
        let start = small(self.prefixes.candidates.len());
        self.prefixes.candidates.extend(candidates);
        Under::Several { start, end: small(self.prefixes.candidates.len()) }
    }

    fn table(&mut self, nodes: &[Node]) -> Option<u32> {
        let lengths: BTreeSet<usize> = nodes.iter().map(|node| node.text.len()).collect();
        if nodes.len() < TABLE_MIN || lengths.len() > LENGTHS_MAX {
            return None;
        }
        let texts = &self.prefixes.texts;
        let places = (0..small(nodes.len())).zip(nodes).map(|(place, node)| (texts.of(node.text), place));
        self.prefixes.tables.push(Table { places: Lookup::of(places), lengths: lengths.into_iter().rev().collect() });
        Some(small(self.prefixes.tables.len() - 1))
    }
}

impl Prefixes {
    /// The prefixes of a path, the longest first: each one's length, and what stands under it.
    pub(super) fn of_path<'p>(&'p self, stretch: &'p Stretch, path: &'p str) -> impl Iterator<Item = (usize, &'p [Candidate])> {
        let (nodes, table) = match stretch {
            Stretch::One(node) => (slice::from_ref(node), None),
            Stretch::Several { start, end, table } => {
                (self.nodes.get(wide(*start)..wide(*end)).unwrap_or_default(), table.and_then(|table| self.tables.get(wide(table))))
            }
        };
        let mut at = match table {
            Some(table) => self.longest(table, nodes, path),
            None => nodes.partition_point(|node| self.texts.of(node.text) <= path).checked_sub(1).map(small),
        };
        std::iter::from_fn(move || {
            let node = nodes.get(wide(at?))?;
            at = node.parent;
            Some(node)
        })
        .filter(move |node| path.starts_with(self.texts.of(node.text)))
        .map(move |node| (node.text.len(), self.under(node)))
    }

    fn longest(&self, table: &Table, nodes: &[Node], path: &str) -> Option<u32> {
        let prefixes = table.lengths.iter().filter_map(|length| path.get(..*length));
        let is_named = |place: u32, prefix: &str| nodes.get(wide(place)).is_some_and(|node| self.texts.of(node.text) == prefix);
        prefixes.filter_map(|prefix| table.places.find(prefix, |place| is_named(place, prefix))).next()
    }

    fn under<'p>(&'p self, node: &'p Node) -> &'p [Candidate] {
        match &node.under {
            Under::One(candidate) => slice::from_ref(candidate),
            Under::Several { start, end } => self.candidates.get(wide(*start)..wide(*end)).unwrap_or_default(),
        }
    }
}

impl Default for Stretch {
    fn default() -> Self {
        Self::Several { start: 0, end: 0, table: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_prefixes_of_a_path_are_found_the_longest_first_and_those_of_one_stretch_only() {
        let known =
            |prefixes: &[&str]| prefixes.iter().zip(0..).map(|(prefix, rank)| ((*prefix).to_owned(), candidates(&[rank]))).collect();
        let mut adding = Adding::default();
        let first = adding.add(known(&["", "/a", "/a/b", "/a/b/c", "/a/bc", "/b"]));
        let second = adding.add(known(&["/a/x", "/a/b/y"]));
        let third = adding.add(known(&["/a/b"]));
        let all = adding.finish();
        let of = |stretch, path| all.of_path(&stretch, path).map(|(length, _)| path[..length].to_owned()).collect::<Vec<_>>();
        assert_eq!(of(first, "/a/b/cd"), ["/a/b/c", "/a/b", "/a", ""]);
        assert_eq!(of(first, "/a/bb"), ["/a/b", "/a", ""]);
        assert_eq!(of(first, "/c"), [""]);
        assert_eq!(of(second, "/a/b/y/z"), ["/a/b/y"]);
        assert_eq!(of(second, "/a/b/c"), Vec::<String>::new());
        assert_eq!(of(third, "/a/b/c"), ["/a/b"]);
        assert_eq!(of(third, "/a"), Vec::<String>::new());
        assert_eq!(of(Stretch::default(), "/a"), Vec::<String>::new());
        assert_eq!(ranks(all.of_path(&first, "/b/1")), [5, 0]);
    }

    #[test]
    fn hosts_with_one_prefix_have_its_text_in_common_and_nothing_else() {
        let mut adding = Adding::default();
        let stretches = [[1, 4].as_slice(), &[2], &[3, 5]].map(|ranks| adding.add(BTreeMap::from([("/a".to_owned(), candidates(ranks))])));
        let all = adding.finish();
        assert_eq!(stretches.each_ref().map(|stretch| ranks(all.of_path(stretch, "/a/b"))), [vec![1, 4], vec![2], vec![3, 5]]);
    }

    /// Each way is another one's witness.
    #[test]
    fn a_table_finds_what_halving_finds() {
        let prefix = |n: u32| format!("/{}", n.to_string().chars().map(|c| format!("{c}/")).collect::<String>());
        let known: BTreeMap<_, _> = (0..3_000).map(|n| (prefix(n), candidates(&[n]))).collect();
        let mut adding = Adding::default();
        let tabled = adding.add(known);
        let all = adding.finish();
        let Stretch::Several { start, end, table: Some(_) } = tabled else { panic!("no table") };
        let halved = Stretch::Several { start, end, table: None };
        for path in ["/1/2/3/4/5/6", "/1/2/3/", "/9/9/9/x", "/2/9/9/9", "/", "", "/ä/1/", "/1ä", "/3/0/0/0/"] {
            let of = |stretch| all.of_path(stretch, path).map(|(length, under)| (length, under.to_vec())).collect::<Vec<_>>();
            assert_eq!(of(&tabled), of(&halved), "{path}");
        }
        assert_eq!(all.of_path(&tabled, "/1/2/3/4").count(), 3);
    }
    fn candidates(ranks: &[u32]) -> Vec<Candidate> {
        ranks.iter().map(|rank| Candidate { rank: *rank, route: 0, is_plain: true }).collect()
    }

    fn ranks<'c>(found: impl Iterator<Item = (usize, &'c [Candidate])>) -> Vec<u32> {
        found.flat_map(|(_, candidates)| candidates).map(|candidate| candidate.rank).collect()
    }
}
