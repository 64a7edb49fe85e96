//! The known prefixes of paths, of all hosts in one row: texts beside texts, and what stands under each beside that of its neighbours.
//!
//! A path's own place is found by halving, and its other prefixes by following the longest one that each begins with. What is looked at on
//! the way lies together: with very many routes a request would else wait for memory at every step. Knows no host, no matcher and no order.

use std::collections::BTreeMap;

use super::index::Rank;

#[derive(Default)]
pub(super) struct Prefixes {
    text: String,
    nodes: Vec<Node>,
    ranks: Vec<Rank>,
}

/// Some neighbours in the row, which are sorted among themselves.
#[derive(Clone, Copy, Default)]
pub(super) struct Stretch {
    start: usize,
    end: usize,
}

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
        Stretch { start, end: self.nodes.len() }
    }

    /// The prefixes of a path, the longest first: each one's length, and its ranks.
    pub(super) fn of_path<'p>(&'p self, stretch: Stretch, path: &'p str) -> impl Iterator<Item = (usize, &'p [Rank])> {
        let nodes = self.nodes.get(stretch.start..stretch.end).unwrap_or_default();
        let mut at = nodes.partition_point(|node| self.text_of(node) <= path).checked_sub(1);
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
}
