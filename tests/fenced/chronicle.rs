//! The judge of heads: every head that was seen, in order, held against what must be true of any two that follow each other.
//!
//! - (epoch, generation) never falls, and each of them never falls by itself.
//! - One epoch, one writer.
//! - What one head listed, the next one lists, unless twenty newer ones pushed it out: nothing published is ever lost.
//! - One position names one snapshot, and one lineage is told.
//! - What stands later is not what the control plane said earlier.
//!
//! Knows no storage and no process; heads may have been missed between two that were seen.

use std::collections::BTreeMap;

use holdover_plugin::model::{Digest, Epoch, Position};
use holdover_plugin::snapshot::head::{Entry, HISTORY_MAX, Head, View};

#[derive(Default)]
pub struct Chronicle {
    last: Option<Head>,
    heads: u64,
    writers: BTreeMap<Epoch, String>,
    listed: BTreeMap<Position, Entry>,
    /// What the control plane said, numbered in the order in which it did.
    said: BTreeMap<Digest, u64>,
}

impl Chronicle {
    /// To be told before the control plane says it.
    pub fn control_plane_says(&mut self, number: u64, document: &[u8]) {
        self.said.insert(Digest::of(document), number);
    }

    /// Judges the head that was just read. Returns what no earlier one listed; `Err` is the violation, as a sentence.
    pub fn saw(&mut self, head: Head) -> Result<Vec<Entry>, String> {
        if self.last.as_ref() == Some(&head) {
            return Ok(Vec::new());
        }
        self.heads += 1;
        if let Some(last) = &self.last {
            follows(last, &head)?;
        }
        let writer = self.writers.entry(head.epoch).or_insert_with(|| head.writer.clone());
        if *writer != head.writer {
            return Err(format!("epoch {} has two writers: '{writer}' and '{}'", head.epoch.0, head.writer));
        }
        let mut fresh = Vec::new();
        for entry in head.views.values().flat_map(|view| &view.history) {
            match self.listed.get(&entry.position()) {
                Some(known) if known == entry => {}
                Some(known) => return Err(format!("{} names two snapshots: {} and {}", entry.position(), known.key, entry.key)),
                None => fresh.push(entry.clone()),
            }
        }
        self.listed.extend(fresh.iter().map(|entry| (entry.position(), entry.clone())));
        self.never_older()?;
        self.last = Some(head);
        Ok(fresh)
    }

    pub fn heads(&self) -> u64 {
        self.heads
    }

    pub fn last(&self) -> Option<&Head> {
        self.last.as_ref()
    }

    /// Whether any head ever listed it.
    pub fn lists(&self, position: Position) -> bool {
        self.listed.contains_key(&position)
    }

    /// Which of the control plane's documents a snapshot holds.
    pub fn number(&self, entry: &Entry) -> Option<u64> {
        entry.shown.as_ref().and_then(|shown| self.said.get(&shown.digest)).copied()
    }

    fn never_older(&self) -> Result<(), String> {
        let mut newest: Option<(u64, Position)> = None;
        for (position, entry) in &self.listed {
            let number = self.number(entry).ok_or_else(|| format!("{position} holds what the control plane never said"))?;
            if let Some((before, at)) = newest.filter(|(before, _)| *before > number) {
                return Err(format!("{position} holds document {number}, and {at} before it held document {before}"));
            }
            newest = Some((number, *position));
        }
        Ok(())
    }
}

fn follows(last: &Head, head: &Head) -> Result<(), String> {
    if head.lineage != last.lineage {
        return Err(format!("the lineage changed from {} to {}", last.lineage, head.lineage));
    }
    if head.position() < last.position() || head.generation < last.generation {
        return Err(format!("the head fell from {} ('{}') to {} ('{}')", last.position(), last.writer, head.position(), head.writer));
    }
    for (version, view) in &last.views {
        let Some(next) = head.view(version) else { return Err(format!("version {version} is gone from the head")) };
        if let Some(lost) = view.history.iter().find(|entry| !still_listed(entry, next)) {
            return Err(format!(
                "{} was published and is lost: head {} of '{}' listed it, and {} of '{}' does not",
                lost.position(),
                last.position(),
                last.writer,
                head.position(),
                head.writer
            ));
        }
    }
    for view in head.views.values() {
        let falls =
            |pair: &[Entry]| matches!(pair, [newer, older] if newer.position() <= older.position() || newer.generation <= older.generation);
        if view.history.windows(2).any(falls) {
            return Err(format!("the history of head {} is out of order", head.position()));
        }
    }
    Ok(())
}

fn still_listed(entry: &Entry, view: &View) -> bool {
    let pushed_out = || view.history.len() >= HISTORY_MAX && view.history.last().is_some_and(|oldest| entry.position() < oldest.position());
    view.entry(entry.position()).is_some() || pushed_out()
}

#[cfg(test)]
mod tests {
    use holdover_plugin::model::{Cluster, Generation, Lineage, UnixMs};
    use holdover_plugin::snapshot::head::Shown;

    use super::*;

    #[test]
    fn heads_that_follow_each_other_pass_and_each_entry_is_handed_out_once() {
        let mut chronicle = chronicle();
        let (first, second) = (head("a", 1, &[(1, 1)]), head("a", 1, &[(1, 2), (1, 1)]));
        assert_eq!(chronicle.saw(first.clone()).unwrap().len(), 1);
        assert_eq!(chronicle.saw(first).unwrap().len(), 0);
        assert_eq!(chronicle.saw(second).unwrap().len(), 1);
        let raised = head("b", 2, &[(1, 2), (1, 1)]);
        assert_eq!(chronicle.saw(raised).unwrap().len(), 0);
        assert_eq!((chronicle.heads(), chronicle.lists(at(1, 2)), chronicle.lists(at(2, 3))), (3, true, false));
    }

    #[test]
    fn a_head_that_falls_is_seen() {
        refused(head("a", 2, &[(2, 2), (1, 1)]), head("b", 1, &[(1, 1)]), "fell");
        let (mut before, mut after) = (head("a", 1, &[(1, 5)]), head("b", 2, &[(1, 5)]));
        (before.generation, after.generation) = (Generation(5), Generation(4));
        refused(before, after, "fell");
    }

    #[test]
    fn two_writers_of_one_epoch_are_seen() {
        refused(head("a", 1, &[(1, 1)]), head("b", 1, &[(1, 2), (1, 1)]), "two writers");
    }

    #[test]
    fn an_update_that_was_written_over_is_seen() {
        refused(head("a", 1, &[(1, 2), (1, 1)]), head("a", 1, &[(1, 3), (1, 1)]), "1-2 was published and is lost");
    }

    #[test]
    fn a_position_that_names_another_snapshot_is_seen() {
        let mut other = head("a", 1, &[(1, 2), (1, 1)]);
        let entry = &mut other.views.values_mut().next().unwrap().history[1];
        entry.key = "another".into();
        refused(head("a", 1, &[(1, 1)]), other, "two snapshots");
    }

    #[test]
    fn another_lineage_is_seen() {
        let mut other = head("a", 1, &[(1, 1)]);
        other.lineage = Lineage::from_random(3, 4);
        refused(head("a", 1, &[(1, 1)]), other, "lineage");
    }

    #[test]
    fn what_the_control_plane_said_earlier_or_never_is_seen() {
        let mut chronicle = chronicle();
        chronicle.saw(head_of("a", 1, &[(1, 1, 7)])).unwrap();
        let older = chronicle.saw(head_of("a", 1, &[(1, 2, 6), (1, 1, 7)])).unwrap_err();
        assert!(older.contains("holds document 6"), "{older}");
        let foreign = Chronicle::default().saw(head("a", 1, &[(1, 1)])).unwrap_err();
        assert!(foreign.contains("never said"), "{foreign}");
    }

    #[test]
    fn the_twenty_first_may_go_and_no_younger_one() {
        let generations = |range: std::ops::RangeInclusive<u64>| range.rev().map(|nth| (1, nth)).collect::<Vec<_>>();
        let mut chronicle = chronicle();
        chronicle.saw(head("a", 1, &generations(1..=20))).unwrap();
        chronicle.saw(head("a", 1, &generations(2..=21))).unwrap();
        let mut gap = generations(3..=23);
        gap.remove(10);
        assert!(chronicle.saw(head("a", 1, &gap)).unwrap_err().contains("lost"));
    }

    fn refused(before: Head, after: Head, part: &str) {
        let mut chronicle = chronicle();
        chronicle.saw(before).unwrap();
        let violation = chronicle.saw(after).unwrap_err();
        assert!(violation.contains(part), "{violation}");
    }

    fn chronicle() -> Chronicle {
        let mut chronicle = Chronicle::default();
        (0..30).for_each(|number| chronicle.control_plane_says(number, &document(number)));
        chronicle
    }

    fn head(writer: &str, epoch: u64, listed: &[(u64, u64)]) -> Head {
        head_of(writer, epoch, &listed.iter().map(|(epoch, generation)| (*epoch, *generation, *generation)).collect::<Vec<_>>())
    }

    /// Epoch, generation and document of each, newest first.
    fn head_of(writer: &str, epoch: u64, listed: &[(u64, u64, u64)]) -> Head {
        let mut head = Head::first("fenced".parse::<Cluster>().unwrap(), Lineage::from_random(1, 2));
        head.writer = writer.into();
        for (epoch, generation, number) in listed.iter().rev() {
            head.publish("3.9.1".parse().unwrap(), entry(*epoch, *generation, *number));
            head.generation = Generation(*generation);
        }
        let history = &mut head.views.values_mut().next().unwrap().history;
        history.sort_by_key(|entry| std::cmp::Reverse(entry.position()));
        head.epoch = Epoch(epoch);
        head
    }

    fn entry(epoch: u64, generation: u64, number: u64) -> Entry {
        let digest = Digest::of(&document(number));
        Entry {
            epoch: Epoch(epoch),
            generation: Generation(generation),
            key: format!("{epoch}-{generation}"),
            file_digest: digest,
            file_bytes: 1,
            sealed_at: UnixMs(1),
            sealed_as: String::new(),
            shown: Some(Shown { digest, sameness: number.to_string(), counts: BTreeMap::new() }),
            sameness_tag: None,
        }
    }

    fn document(number: u64) -> Vec<u8> {
        format!("document {number}").into_bytes()
    }

    fn at(epoch: u64, generation: u64) -> Position {
        Position { epoch: Epoch(epoch), generation: Generation(generation) }
    }
}
