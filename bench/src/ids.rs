//! Sets of record ids: what was accepted, what was seen, what was seen twice.
//!
//! Lost and doubled are computed from these, never from counts: two errors that cancel out in a
//! count do not cancel out here.

use std::sync::atomic::{AtomicU64, Ordering};

/// A set of ids in `0..len`, filled by many threads at once. One bit each.
#[derive(Debug)]
pub struct IdSet {
    words: Vec<AtomicU64>,
    len: u64,
}

impl IdSet {
    /// An empty set over `0..len`.
    pub fn new(len: u64) -> Self {
        let words = (0..len.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Self { words, len }
    }

    /// Adds an id; `false` if it was there already. Ids outside the range are never in a set.
    pub fn insert(&self, id: u64) -> bool {
        let Some(word) = self.word(id) else { return true };
        let bit = 1 << (id % 64);
        word.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }

    /// Whether the id is in the set.
    pub fn contains(&self, id: u64) -> bool {
        self.word(id).is_some_and(|word| word.load(Ordering::Relaxed) & (1 << (id % 64)) != 0)
    }

    /// How many ids are in the set.
    pub fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.load(Ordering::Relaxed).count_ones())).sum()
    }

    /// How many ids are in this set and not in `other`.
    pub fn count_without(&self, other: &Self) -> u64 {
        let pairs = self.words.iter().zip(&other.words);
        pairs
            .map(|(a, b)| u64::from((a.load(Ordering::Relaxed) & !b.load(Ordering::Relaxed)).count_ones()))
            .sum()
    }

    /// The ids in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        (0..self.len).filter(|id| self.contains(*id))
    }

    fn word(&self, id: u64) -> Option<&AtomicU64> {
        if id < self.len { self.words.get((id / 64) as usize) } else { None }
    }
}

/// Where every record went, id by id.
#[derive(Debug)]
pub struct Reconciliation {
    /// Acknowledged.
    pub accepted: IdSet,
    /// Sent, and the answer was lost: they may or may not be stored.
    pub ambiguous: IdSet,
    /// Found in the table.
    pub delivered: IdSet,
    /// Found under the error prefix.
    pub dead_lettered: IdSet,
    doubled: AtomicU64,
    unknown: AtomicU64,
}

impl Reconciliation {
    /// Nothing seen yet, of ids in `0..len`.
    pub fn new(len: u64) -> Self {
        let set = || IdSet::new(len);
        Self {
            accepted: set(),
            ambiguous: set(),
            delivered: set(),
            dead_lettered: set(),
            doubled: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
        }
    }

    /// A row of the table with this id was read.
    pub fn saw_delivered(&self, id: u64) {
        self.saw(id, &self.delivered);
    }

    /// A record with this id was read from the error prefix.
    pub fn saw_dead_letter(&self, id: u64) {
        self.saw(id, &self.dead_lettered);
    }

    fn saw(&self, id: u64, place: &IdSet) {
        if !self.accepted.contains(id) && !self.ambiguous.contains(id) {
            self.unknown.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let is_elsewhere = self.delivered.contains(id) || self.dead_lettered.contains(id);
        if !place.insert(id) || is_elsewhere {
            self.doubled.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many acknowledged ids are nowhere.
    pub fn lost(&self) -> u64 {
        self.accepted
            .iter()
            .filter(|id| !self.delivered.contains(*id) && !self.dead_lettered.contains(*id))
            .count() as u64
    }

    /// How many times an id was seen that had been seen before.
    pub fn doubled(&self) -> u64 {
        self.doubled.load(Ordering::Relaxed)
    }

    /// How many ids were seen that nobody sent.
    pub fn unknown(&self) -> u64 {
        self.unknown.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_counted_once() {
        let set = IdSet::new(130);
        assert!(set.insert(0) && set.insert(64) && set.insert(129));
        assert!(!set.insert(64));
        assert_eq!(set.count(), 3);
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 64, 129]);
        assert!(!set.contains(130) && !set.contains(u64::MAX));
    }

    #[test]
    fn errors_that_cancel_out_in_a_count_are_seen() {
        let all = Reconciliation::new(10);
        for id in 0..3 {
            all.accepted.insert(id);
        }
        all.saw_delivered(0);
        all.saw_delivered(0);
        all.saw_dead_letter(1);
        assert_eq!((all.lost(), all.doubled(), all.unknown()), (1, 1, 0));
        all.saw_delivered(1);
        all.saw_delivered(9);
        assert_eq!((all.lost(), all.doubled(), all.unknown()), (1, 2, 1));
    }

    #[test]
    fn an_ambiguous_record_is_neither_lost_nor_unknown() {
        let all = Reconciliation::new(10);
        all.ambiguous.insert(4);
        assert_eq!(all.lost(), 0);
        all.saw_delivered(4);
        assert_eq!((all.doubled(), all.unknown()), (0, 0));
    }
}
