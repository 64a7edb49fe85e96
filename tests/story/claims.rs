//! What is the case: looked at after every step, so that what was so for a moment only is noticed too.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use holdover_plugin::model::{Epoch, Position};
use holdover_plugin::policy::{Office, Standing};
use holdover_plugin::snapshot::head::Head;
use holdover_tests::virtual_world::documents;

use crate::cast::{Cast, is_there, newest};
use crate::gateway_node::served;
use crate::vocabulary::Claim;

/// What only somebody knows who was there all the time.
#[derive(Default)]
pub struct Witness {
    highest: Option<Position>,
    head_fell: bool,
    leaders: BTreeMap<Epoch, BTreeSet<String>>,
    /// When each read reached the storage.
    pub reads: Vec<Duration>,
    calls: usize,
}

impl Witness {
    /// To be called after every step.
    pub fn looks(&mut self, cast: &Cast) {
        let position = cast.head().map(|head| head.position());
        self.head_fell |= position < self.highest;
        self.highest = self.highest.max(position);
        for (name, backup) in &cast.backups {
            if let Office::Leader(epoch) = &backup.office {
                self.leaders.entry(*epoch).or_default().insert(name.clone());
            }
        }
        self.counts(cast);
    }

    fn counts(&mut self, cast: &Cast) {
        let calls = cast.hub.trace.since(self.calls);
        self.calls += calls.len();
        self.reads.extend(calls.iter().filter(|call| call.act.is_get()).map(|call| call.at));
    }

    fn most_within(&self, within: Duration) -> usize {
        let in_window = |(nth, end): (usize, &Duration)| nth + 1 - self.reads.partition_point(|at| *at + within <= *end);
        self.reads.iter().enumerate().map(in_window).max().unwrap_or_default()
    }

    /// Whether it is so. `Err`: nobody can know, for the story names something that it has not.
    pub fn finds(&self, cast: &Cast, claim: &Claim) -> Result<bool, String> {
        Ok(match claim {
            Claim::Serves { name, config, from } => {
                let sameness = cast.sameness(config)?;
                let serves = cast.node(name)?.serves();
                serves.is_some_and(|(serves, origin)| serves == sameness && from.is_none_or(|from| from == origin))
            }
            Claim::AllServe { group, config } => {
                let sameness = cast.sameness(config)?;
                cast.group(group)?.iter().all(|standing| served(standing.as_ref()).is_some_and(|(serves, _)| serves == sameness))
            }
            Claim::AllServeNothing { group } => cast.group(group)?.iter().all(|standing| served(standing.as_ref()).is_none()),
            Claim::ServesNothing { name } => cast.node(name)?.serves().is_none(),
            Claim::IsRefused { name } => matches!(cast.node(name)?.standing, Some(Standing::Refused(_))),
            Claim::AsksTheStorage { name } => cast.node(name)?.asked_at.is_some(),
            Claim::AsksTheStorageWithin { name, time } => cast.node(name)?.asked_within(*time),
            Claim::NodeSaysWhatIsNotSo => cast.nodes.values().any(|node| node.says_what_is_not_so()),
            Claim::GatewayIsEmptied => cast.nodes.values().any(|node| node.is_emptied()),
            Claim::Leads { name } => matches!(cast.backup(name)?.office, Office::Leader(_)),
            Claim::StandsBy { name } => matches!(cast.backup(name)?.office, Office::Standby(_)),
            Claim::HoldsItsExport { name } => cast.backup(name)?.held.is_some(),
            Claim::Said { name, event } => match cast.backups.get(name) {
                Some(backup) => !backup.world.trace.events(*event).is_empty(),
                None => !cast.node(name)?.world.trace.events(*event).is_empty(),
            },
            Claim::HeadNames { config } => {
                let sameness = cast.sameness(config)?;
                cast.head().is_some_and(|head| names(&head, &sameness))
            }
            Claim::HeadLists { config } => lists(cast, &cast.sameness(config)?),
            Claim::GivenToNewNodes { config } => given(cast, &cast.sameness(config)?),
            Claim::HeadFalls => self.head_fell,
            Claim::HeadNamesWhatIsNotThere => names_what_is_not_there(cast),
            Claim::TwoLeadInOneEpoch => self.leaders.values().any(|leaders| leaders.len() > 1),
            Claim::MoreReads { count, within } => self.most_within(*within) as u64 > *count,
        })
    }
}

fn names(head: &Head, sameness: &str) -> bool {
    newest(head).and_then(|entry| entry.shown.as_ref()).is_some_and(|shown| shown.sameness == sameness)
}

fn lists(cast: &Cast, sameness: &str) -> bool {
    let Some(head) = cast.head() else { return false };
    let entries = head.views.values().flat_map(|view| &view.history);
    let same: Vec<_> = entries.filter(|entry| entry.shown.as_ref().is_some_and(|shown| shown.sameness == sameness)).collect();
    !same.is_empty() && same.into_iter().all(|entry| is_there(&cast.hub, entry))
}

/// A new node takes what is pinned, else what is good, else what else the head offers, in the head's own order.
fn given(cast: &Cast, sameness: &str) -> bool {
    let Some(head) = cast.head() else { return false };
    let version = documents::VERSION.parse().unwrap();
    let offered = head.view(&version).and_then(|view| view.offered().next());
    offered.and_then(|entry| entry.shown.as_ref()).is_some_and(|shown| shown.sameness == sameness)
}

fn names_what_is_not_there(cast: &Cast) -> bool {
    let Some(head) = cast.head() else { return false };
    head.views.values().flat_map(|view| &view.history).any(|entry| !is_there(&cast.hub, entry))
}
