//! Which generation is meant: by its number, by its whole position, or by its standing.

use std::str::FromStr;

use holdover_plugin::model::{Epoch, Generation, Position};
use holdover_plugin::snapshot::head::{Entry, View};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// A generation's number is given once within a lineage.
    Numbered(Generation),
    At(Position),
    Newest,
    /// The one that a node born now takes first: the pinned one, else the good one.
    Good,
}

impl Which {
    pub fn of(self, view: &View) -> Option<&Entry> {
        match self {
            Self::Numbered(generation) => view.history.iter().find(|entry| entry.generation == generation),
            Self::At(position) => view.history.iter().find(|entry| entry.position() == position),
            Self::Newest => view.history.first(),
            Self::Good => view.offered().next(),
        }
    }
}

impl FromStr for Which {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const HOW: &str = "a generation is a number or a position as `holdover history` lists it (7 or 2-7), 'newest' or 'good'";
        let number = |digits: &str| digits.parse::<u64>().map_err(|_| HOW);
        Ok(match (text, text.split_once('-')) {
            ("newest", _) => Self::Newest,
            ("good", _) => Self::Good,
            (_, Some((epoch, generation))) => {
                Self::At(Position { epoch: Epoch(number(epoch)?), generation: Generation(number(generation)?) })
            }
            (_, None) => Self::Numbered(Generation(number(text)?)),
        })
    }
}

impl std::fmt::Display for Which {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Numbered(generation) => write!(f, "{}", generation.0),
            Self::At(position) => position.fmt(f),
            Self::Newest => f.write_str("newest"),
            Self::Good => f.write_str("good"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_is_read_as_it_is_written_and_nothing_else_is_one() {
        for text in ["7", "2-7", "newest", "good"] {
            assert_eq!(text.parse::<Which>().map(|which| which.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "-", "2-", "-7", "latest", "2-7-1", "+"] {
            assert!(text.parse::<Which>().is_err(), "{text}");
        }
    }
}
