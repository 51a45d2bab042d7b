//! What was written since the oldest outstanding pre-read.

use std::collections::{HashMap, VecDeque};

use crate::sequencer::{FactEffect, Seen};
use crate::{Key, Lsn};

/// Recent writes by key. Bounded by what is in flight: [`Overlay::forget`] is called at each publish.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    newest: HashMap<Key, (Lsn, Seen)>,
    order: VecDeque<(Lsn, Key)>,
}

impl Overlay {
    /// What is at `key` now, when a pre-read saw `seen` there.
    pub fn newest(&self, key: &Key, seen: Seen) -> Seen {
        self.newest.get(key).map_or(seen, |(_, newest)| *newest)
    }

    /// Records a write.
    pub fn write(&mut self, lsn: Lsn, fact: &FactEffect) {
        let seen = match &fact.stored {
            Some(stored) => Seen::fact(lsn, stored.counter, &stored.value),
            None => Seen::Absent,
        };
        self.newest.insert(fact.key.clone(), (lsn, seen));
        self.order.push_back((lsn, fact.key.clone()));
    }

    /// Forgets every write at or before `floor`.
    pub fn forget(&mut self, floor: Lsn) {
        while let Some((lsn, key)) = self.order.front() {
            if *lsn > floor {
                break;
            }
            if self.newest.get(key).is_some_and(|(newest, _)| newest == lsn) {
                self.newest.remove(key);
            }
            self.order.pop_front();
        }
    }
}
