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

/// After which generation something was held: the newest one then, if there was one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Base(pub Option<Position>);

impl FromStr for Which {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const HOW: &str = "a generation is a number or a position as `holdover history` lists it (7 or 2-7), 'newest' or 'good'";
        match text {
            "newest" => Ok(Self::Newest),
            "good" => Ok(Self::Good),
            _ => position(text).map(Self::At).or_else(|| Some(Self::Numbered(Generation(text.parse().ok()?)))).ok_or(HOW),
        }
    }
}

impl FromStr for Base {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self(None)),
            _ => position(text).map(Some).map(Self).ok_or("write a position as `holdover history` lists it (2-7), or 'none'"),
        }
    }
}

/// Epoch and generation, as in `2-7`.
fn position(text: &str) -> Option<Position> {
    let (epoch, generation) = text.split_once('-')?;
    Some(Position { epoch: Epoch(epoch.parse().ok()?), generation: Generation(generation.parse().ok()?) })
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
