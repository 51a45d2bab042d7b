//! The outcomes of recent commits that carried a token, so that a retry gets the first answer.
//!
//! **Invariants.** At most `ONCE_TOKENS_MAX` outcomes, none older than `ONCE_MS`; the oldest are
//! forgotten first. Expiry depends on the entries' times alone, so replay forgets the same ones.

use std::collections::{HashMap, VecDeque};

use headwater_base::{OnceToken, Timestamp};

use crate::limits::{ONCE_MS, ONCE_TOKENS_MAX};
use crate::sequencer::Effects;
use crate::{Appended, Committed, Lsn};

/// Remembered outcomes by token.
#[derive(Debug, Default)]
pub(crate) struct OnceTable {
    outcomes: HashMap<OnceToken, Remembered>,
    order: VecDeque<(Timestamp, Lsn, OnceToken)>,
}

/// One remembered outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remembered {
    /// The commit's number.
    pub lsn: Lsn,
    /// Its append time.
    pub time: Timestamp,
    /// Where its batches went.
    pub appended: Box<[Appended]>,
}

impl Remembered {
    /// The outcome these effects came from.
    pub fn of(effects: &Effects) -> Self {
        let committed = effects.committed();
        Self { lsn: committed.lsn, time: committed.append_time, appended: committed.appended.into() }
    }

    /// The answer a retry is given.
    pub fn committed(&self) -> Committed {
        Committed { lsn: self.lsn, append_time: self.time, appended: self.appended.to_vec(), duplicate: true }
    }
}

impl OnceTable {
    /// The outcome of the commit that carried `token`, if it is remembered.
    pub fn get(&self, token: &OnceToken) -> Option<&Remembered> {
        self.outcomes.get(token)
    }

    /// Remembers an outcome. Outcomes arrive in LSN order.
    pub fn remember(&mut self, token: OnceToken, outcome: Remembered) {
        if self.outcomes.get(&token).is_some_and(|known| known.lsn >= outcome.lsn) {
            return;
        }
        self.order.push_back((outcome.time, outcome.lsn, token));
        self.outcomes.insert(token, outcome);
        while self.outcomes.len() > ONCE_TOKENS_MAX {
            self.forget_oldest();
        }
    }

    /// Forgets what is too old at `now`.
    pub fn expire(&mut self, now: Timestamp) {
        while self.order.front().is_some_and(|(time, _, _)| now.ms() - time.ms() >= ONCE_MS) {
            self.forget_oldest();
        }
    }

    /// The outcomes of commits after `lsn`, oldest first.
    pub fn after(&self, lsn: Lsn) -> impl Iterator<Item = (&OnceToken, &Remembered)> {
        let first = self.order.partition_point(|(_, at, _)| *at <= lsn);
        self.order.range(first..).filter_map(|(_, at, token)| {
            self.outcomes.get(token).filter(|outcome| outcome.lsn == *at).map(|outcome| (token, outcome))
        })
    }

    fn forget_oldest(&mut self) {
        let Some((_, lsn, token)) = self.order.pop_front() else { return };
        if self.outcomes.get(&token).is_some_and(|outcome| outcome.lsn == lsn) {
            self.outcomes.remove(&token);
        }
    }
}
