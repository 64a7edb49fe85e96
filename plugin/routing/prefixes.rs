//! The known prefixes of paths, of all hosts in one row: texts beside texts, and what stands under each beside that of its neighbours.
//!
//! A path's longest prefix is found by halving, where there are very many by asking a table once for each length that they have; the others by
//! following the longest one that each begins with. What is looked at on the way lies together, and is little: memory that no cache holds is
//! what a request waits for. Knows no host, no matcher and no order.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::index::Rank;

#[derive(Default)]
pub(super) struct Prefixes {
    text: String,
    nodes: Vec<Node>,
    ranks: Vec<Rank>,
    tables: Vec<Table>,
}

/// Some neighbours in the row, which are sorted among themselves.
#[derive(Clone, Copy, Default)]
pub(super) struct Stretch {
    start: usize,
    end: usize,
    /// The place of its table, if it has one.
    table: Option<u32>,
}

/// Every prefix of a stretch, by its text.
struct Table {
    places: HashMap<Box<str>, u32>,
    /// Which lengths there are, the longest first.
    lengths: Vec<usize>,
}

/// From here on halving costs more than a table's questions.
const TABLE_MIN: usize = 256;
/// Prefixes of more lengths than this are halved: each length is a question.
const LENGTHS_MAX: usize = 24;

struct Node {
    text_start: usize,
    text_len: u32,
    /// The longest other prefix of the stretch that this one begins with, counted from its start.
    parent: Option<u32>,
    ranks_start: usize,
    ranks_len: u32,
}

impl Prefixes {
    /// Of each prefix the ranks, in ascending order.
    pub(super) fn add(&mut self, known: BTreeMap<String, Vec<Rank>>) -> Stretch {
        let start = self.nodes.len();
        let mut parent: Option<u32> = None;
        for (place, (prefix, ranks)) in known.into_iter().enumerate() {
            while let Some(above) = parent {
                let node = usize::try_from(above).ok().and_then(|above| self.nodes.get(start + above));
                if node.is_some_and(|node| prefix.starts_with(self.text_of(node))) {
                    break;
                }
                parent = node.and_then(|node| node.parent);
            }
            self.nodes.push(Node {
                text_start: self.text.len(),
                text_len: small(prefix.len()),
                parent,
                ranks_start: self.ranks.len(),
                ranks_len: small(ranks.len()),
            });
            self.text.push_str(&prefix);
            self.ranks.extend(ranks);
            parent = Some(small(place));
        }
        let end = self.nodes.len();
        Stretch { start, end, table: self.table_of(start, end) }
    }

    fn table_of(&mut self, start: usize, end: usize) -> Option<u32> {
        let nodes = self.nodes.get(start..end).unwrap_or_default();
        let lengths: BTreeSet<usize> = nodes.iter().map(|node| wide(node.text_len)).collect();
        if nodes.len() < TABLE_MIN || lengths.len() > LENGTHS_MAX {
            return None;
        }
        let places = nodes.iter().zip(0..).map(|(node, place)| (self.text_of(node).into(), place)).collect();
        self.tables.push(Table { places, lengths: lengths.into_iter().rev().collect() });
        Some(small(self.tables.len() - 1))
    }

    /// The prefixes of a path, the longest first: each one's length, and its ranks.
    pub(super) fn of_path<'p>(&'p self, stretch: Stretch, path: &'p str) -> impl Iterator<Item = (usize, &'p [Rank])> {
        let nodes = self.nodes.get(stretch.start..stretch.end).unwrap_or_default();
        let table = stretch.table.and_then(|table| self.tables.get(wide(table)));
        let mut at = match table {
            Some(table) => table.longest_of(path),
            None => nodes.partition_point(|node| self.text_of(node) <= path).checked_sub(1),
        };
        std::iter::from_fn(move || {
            let node = nodes.get(at?)?;
            at = node.parent.and_then(|parent| usize::try_from(parent).ok());
            Some(node)
        })
        .filter(move |node| path.starts_with(self.text_of(node)))
        .map(move |node| (wide(node.text_len), self.slice_of(node)))
    }

    fn text_of(&self, node: &Node) -> &str {
        self.text.get(node.text_start..node.text_start + wide(node.text_len)).unwrap_or_default()
    }

    fn slice_of(&self, node: &Node) -> &[Rank] {
        self.ranks.get(node.ranks_start..node.ranks_start + wide(node.ranks_len)).unwrap_or_default()
    }
}

impl Table {
    fn longest_of(&self, path: &str) -> Option<usize> {
        let prefixes = self.lengths.iter().filter_map(|length| path.get(..*length));
        prefixes.filter_map(|prefix| self.places.get(prefix)).next().map(|place| wide(*place))
    }
}

/// A configuration has 256 MiB at most, so none of its texts and lists is longer than this can say.
fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn wide(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_prefixes_of_a_path_are_found_the_longest_first_and_those_of_one_stretch_only() {
        let known = |prefixes: &[&str]| prefixes.iter().zip(0..).map(|(prefix, rank)| ((*prefix).to_owned(), vec![rank])).collect();
        let mut all = Prefixes::default();
        let first = all.add(known(&["", "/a", "/a/b", "/a/b/c", "/a/bc", "/b"]));
        let second = all.add(known(&["/a/x", "/a/b/y"]));
        let of = |stretch, path| all.of_path(stretch, path).map(|(length, _)| path[..length].to_owned()).collect::<Vec<_>>();
        assert_eq!(of(first, "/a/b/cd"), ["/a/b/c", "/a/b", "/a", ""]);
        assert_eq!(of(first, "/a/bb"), ["/a/b", "/a", ""]);
        assert_eq!(of(first, "/c"), [""]);
        assert_eq!(of(second, "/a/b/y/z"), ["/a/b/y"]);
        assert_eq!(of(second, "/a/b/c"), Vec::<String>::new());
        assert_eq!(of(Stretch::default(), "/a"), Vec::<String>::new());
        assert_eq!(all.of_path(first, "/b/1").map(|(_, ranks)| ranks.to_vec()).collect::<Vec<_>>(), [vec![5], vec![0]]);
    }

    /// Each way is another one's witness.
    #[test]
    fn a_table_finds_what_halving_finds() {
        let known: BTreeMap<String, Vec<Rank>> =
            (0..3_000_u32).map(|n| (format!("/{}", n.to_string().chars().map(|c| format!("{c}/")).collect::<String>()), vec![n])).collect();
        let mut all = Prefixes::default();
        let tabled = all.add(known);
        assert!(tabled.table.is_some());
        let halved = Stretch { table: None, ..tabled };
        for path in ["/1/2/3/4/5/6", "/1/2/3/", "/9/9/9/x", "/2/9/9/9", "/", "", "/ä/1/", "/1ä", "/3/0/0/0/"] {
            let of = |stretch| all.of_path(stretch, path).map(|(length, ranks)| (length, ranks.to_vec())).collect::<Vec<_>>();
            assert_eq!(of(tabled), of(halved), "{path}");
        }
        assert_eq!(all.of_path(tabled, "/1/2/3/4").count(), 3);
    }
}
