//! What the three may differ in by design, each with its reason, and everything else they may not: a divergence names the trace, the
//! step, what was recorded, what was seen, and who it was.

use std::fmt;

use crate::trace::{Act, Step, Trace};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Player {
    NativeCore,
    Component,
    Module,
}

/// Whether the module's random numbers are its host's (`random_get`, 8 bytes each), so that a trace can say them. While they are not,
/// its pauses have lengths of their own: then orders are compared and not times, and only where no pauses decide the order.
pub const MODULE_DRAWS_FROM_ITS_HOST: bool = true;

/// What a trace holds and the module does not show.
pub struct Difference {
    pub why: &'static str,
    /// Whether it is one as things are.
    pub holds: bool,
    hides: fn(&Act) -> bool,
}

pub const OF_THE_MODULE: [Difference; 4] = [
    Difference {
        why: "it has no cache, so keeping a configuration is no news there (plugin/proxy-wasm/src/node/world.rs)",
        holds: true,
        hides: |act| matches!(act, Act::Says(said) if said.event == "cache-kept"),
    },
    Difference {
        why: "episodes, and the sleeps of the policy, begin and end within it: it sleeps by looking at a clock",
        holds: true,
        hides: |act| matches!(act, Act::Begins(_) | Act::Ends(_) | Act::Sleeps { .. }),
    },
    Difference {
        why: "its gateway is within it, too: what was handed to it shows in the events config-applied and config-rejected",
        holds: true,
        hides: |act| matches!(act, Act::Applies(_) | Act::Applied(_)),
    },
    Difference {
        why: "its random numbers are its own (MODULE_DRAWS_FROM_ITS_HOST)",
        holds: !MODULE_DRAWS_FROM_ITS_HOST,
        hides: |act| matches!(act, Act::Draws(_)),
    },
];

impl Difference {
    pub fn hides(&self, act: &Act) -> bool {
        self.holds && (self.hides)(act)
    }
}

pub fn is_shown_by_the_module(act: &Act) -> bool {
    !OF_THE_MODULE.iter().any(|difference| difference.hides(act))
}

#[derive(Debug, PartialEq, Eq)]
pub struct Divergence {
    pub trace: String,
    pub player: Player,
    /// By its number in the trace, from 1; one more than there are for what comes after the end.
    pub step: usize,
    pub expected: Option<Step>,
    pub seen: Option<Step>,
}

/// The first difference that no design explains.
pub fn compare(trace: &Trace, player: Player, seen: &[Step]) -> Result<(), Box<Divergence>> {
    let is_shown = |act: &Act| match player {
        Player::NativeCore | Player::Component => true,
        Player::Module => is_shown_by_the_module(act),
    };
    let are_timed = player != Player::Module || MODULE_DRAWS_FROM_ITS_HOST;
    let mut expected = (1..).zip(&trace.steps).filter(|(_, step)| is_shown(&step.act));
    let mut seen = seen.iter();
    loop {
        let (expected, seen) = (expected.next(), seen.next());
        let is_same = match (expected, seen) {
            (None, None) => return Ok(()),
            (Some((_, expected)), Some(seen)) => expected.act == seen.act && (expected.at_ms == seen.at_ms || !are_timed),
            (Some(_), None) | (None, Some(_)) => false,
        };
        if !is_same {
            return Err(Box::new(Divergence {
                trace: trace.head.name.clone(),
                player,
                step: expected.map_or(trace.steps.len() + 1, |(number, _)| number),
                expected: expected.map(|(_, step)| step.clone()),
                seen: seen.cloned(),
            }));
        }
    }
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = |step: &Option<Step>| step.as_ref().map_or_else(|| "nothing more".to_owned(), ToString::to_string);
        let Self { trace, player, step, expected, seen } = self;
        write!(f, "{trace}, step {step}: {player}\n  expected {}\n  seen     {}", told(expected), told(seen))
    }
}

impl fmt::Display for Player {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NativeCore => "the native core",
            Self::Component => "the component",
            Self::Module => "the proxy-wasm module",
        })
    }
}
