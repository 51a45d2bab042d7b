//! The sequencer: decides what a commit does. A pure state machine.
//!
//! `apply(&mut State, Entry) -> Outcome` does no I/O, reads no clock and rolls no dice: the time and
//! the versions of the facts a commit looks at are inputs. So the same function runs under the
//! in-memory backend, the embedded journal, a simulation and (later) a cluster leader, and the same
//! entries always give the same outcomes.
//!
//! The versions are *pre-read*: whoever submits reads them from the published state at LSN `s`
//! before it enters. What was written after `s` is in the [`Overlay`], which must therefore keep
//! every write newer than the oldest outstanding pre-read ([`State::forget`]).
//!
//! **Invariants.** LSNs rise by one per journalled entry. A log's offsets have no gaps. Append times
//! never go backwards, in any log or across logs. An entry that is refused changes nothing.
//! Effects say *what is now so*, never what was asked: replaying them never checks and never
//! decides, and replaying twice equals replaying once.

mod effects;
mod once;
mod overlay;
mod plan;
#[cfg(test)]
mod property;

use std::collections::HashMap;

use bytes::Bytes;
use headwater_base::Timestamp;

pub(crate) use effects::{Effects, FactEffect, LogEffect, Stored, Wiped};
pub(crate) use once::{OnceTable, Remembered};
use overlay::Overlay;

use crate::{Commit, CommitError, Committed, Expect, FactOp, Key, LogId, LogOp, Lsn};

/// Everything the sequencer knows. Rebuilt from the index and the journal at open.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// The newest LSN given out.
    pub last_lsn: Lsn,
    /// The newest append time given out.
    pub last_time: Timestamp,
    /// How often everything was wiped.
    pub generation: u64,
    /// Every log that is there.
    pub logs: HashMap<LogId, LogState>,
    /// Every log id that ever was.
    pub used: crate::ids::IdSet,
    /// The outcomes of recent commits that carried a token.
    pub once: OnceTable,
    overlay: Overlay,
}

/// Where a log stands, counting everything sequenced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogState {
    /// The first offset that is still there.
    pub start: i64,
    /// One past the last offset.
    pub end: i64,
    /// When the newest batch was appended.
    pub last_append_time: Timestamp,
}

impl LogState {
    /// A log that nothing was ever appended to.
    pub const EMPTY: Self = Self { start: 0, end: 0, last_append_time: Timestamp::EPOCH };
}

/// What a pre-read found at one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Nothing is there, or nobody needs to know.
    Absent,
    /// A fact is there.
    Present {
        /// The commit that last wrote it.
        version: Lsn,
        /// Whether it was last written by an `add`.
        counter: bool,
        /// Its value, if it is eight bytes long.
        number: Option<i64>,
    },
}

impl Seen {
    /// What a stored fact looks like to the sequencer.
    pub fn fact(version: Lsn, counter: bool, value: &[u8]) -> Self {
        let number = value.try_into().ok().map(i64::from_le_bytes);
        Self::Present { version, counter, number }
    }
}

/// One thing to sequence.
#[derive(Debug)]
pub(crate) enum Entry {
    /// A commit, with one [`Seen`] per key of [`keys_to_read`], in that order.
    Commit {
        /// What is asked.
        commit: Commit,
        /// The time.
        now: Timestamp,
        /// The generation the pre-reads were made in.
        generation: u64,
        /// The pre-reads.
        seen: Vec<Seen>,
    },
    /// Forget everything but these facts, whose stored forms are the current ones. Only valid when
    /// everything sequenced has been published.
    Wipe {
        /// The facts that survive.
        kept: Vec<(Key, Lsn, Stored)>,
        /// The time.
        now: Timestamp,
    },
}

/// What became of an entry.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What the caller is told, once `release` is published.
    pub result: Result<Committed, CommitError>,
    /// The highest LSN the outcome rests on.
    pub release: Lsn,
    /// What is to be journalled and applied; nothing for a refusal, a duplicate or a commit that
    /// changes nothing.
    pub effects: Option<Effects>,
}

/// The keys a commit's outcome depends on: one per expect, then one per fact operation. A plain put
/// depends on nothing (`None`).
pub(crate) fn keys_to_read(commit: &Commit) -> impl Iterator<Item = Option<&Key>> {
    let expects = commit.expects.iter().map(|(key, _)| Some(key));
    let facts = commit.facts.iter().map(|(key, op)| match op {
        FactOp::Put(_) => None,
        FactOp::PutIfAbsent(_) | FactOp::Delete | FactOp::Add(_) => Some(key),
    });
    expects.chain(facts)
}

/// Decides one entry and, if it happens, moves the state on.
pub(crate) fn apply(state: &mut State, entry: Entry) -> Outcome {
    match entry {
        Entry::Commit { commit, now, generation, seen } => state.commit(&commit, now, generation, &seen),
        Entry::Wipe { kept, now } => state.wipe(kept, now),
    }
}

impl State {
    /// Forgets overlay entries no pre-read at or after `floor` needs. Only for a `floor` that is
    /// published and not newer than the oldest outstanding pre-read.
    pub fn forget(&mut self, floor: Lsn) {
        self.overlay.forget(floor);
    }

    /// Moves the state on as the entry did that left these effects behind. For recovery.
    pub fn replay(&mut self, effects: &Effects) {
        self.last_lsn = self.last_lsn.max(effects.lsn);
        self.last_time = self.last_time.max(effects.time);
        if let Some(wiped) = &effects.wiped {
            self.generation = wiped.generation;
            self.logs.clear();
            self.once = OnceTable::default();
        }
        for effect in &effects.logs {
            effect.replay(effects.time, &mut self.logs, &mut self.used);
        }
        if let Some(token) = effects.once {
            self.once.remember(token, Remembered::of(effects));
        }
    }

    fn commit(&mut self, commit: &Commit, now: Timestamp, generation: u64, seen: &[Seen]) -> Outcome {
        let time = self.last_time.max(now);
        self.once.expire(time);
        match self.decide(commit, time, generation, seen) {
            Ok(Decided::Happens(effects)) => self.happened(effects),
            Ok(Decided::Duplicate(committed)) => {
                Outcome { result: Ok(committed), release: self.last_lsn, effects: None }
            }
            Err(error) => Outcome { result: Err(error), release: self.last_lsn, effects: None },
        }
    }

    fn decide(
        &self,
        commit: &Commit,
        time: Timestamp,
        generation: u64,
        seen: &[Seen],
    ) -> Result<Decided, CommitError> {
        if generation != self.generation {
            return Err(CommitError::Closed);
        }
        if let Some(remembered) = commit.once.and_then(|token| self.once.get(&token)) {
            return Ok(Decided::Duplicate(remembered.committed()));
        }
        let (expected, written) = seen.split_at(commit.expects.len());
        for ((key, expect), seen) in commit.expects.iter().zip(expected) {
            self.check(key, *expect, self.overlay.newest(key, *seen))?;
        }
        let facts = plan::facts(commit, written, &self.overlay)?;
        let logs = plan::logs(commit, &self.logs, &self.used)?;
        let lsn = Lsn(self.last_lsn.0 + 1);
        Ok(Decided::Happens(Effects { lsn, time, once: commit.once, facts, logs, wiped: None }))
    }

    fn check(&self, key: &Key, expect: Expect, seen: Seen) -> Result<(), CommitError> {
        let holds = match (expect, seen) {
            (_, Seen::Present { counter: true, .. }) => {
                return Err(CommitError::Malformed("a counter cannot be expected"));
            }
            (Expect::Version(wanted), Seen::Present { version, .. }) => wanted == version,
            (Expect::Present, Seen::Present { .. }) | (Expect::Absent, Seen::Absent) => true,
            (Expect::Version(_) | Expect::Present, Seen::Absent) | (Expect::Absent, Seen::Present { .. }) => {
                false
            }
        };
        if holds { Ok(()) } else { Err(CommitError::Conflict(key.clone())) }
    }

    fn happened(&mut self, effects: Effects) -> Outcome {
        let committed = effects.committed();
        if effects.changes_nothing() {
            let committed = Committed { lsn: self.last_lsn, ..committed };
            return Outcome { result: Ok(committed), release: self.last_lsn, effects: None };
        }
        self.replay(&effects);
        for fact in &effects.facts {
            self.overlay.write(effects.lsn, fact);
        }
        Outcome { result: Ok(committed), release: effects.lsn, effects: Some(effects) }
    }

    fn wipe(&mut self, kept: Vec<(Key, Lsn, Stored)>, now: Timestamp) -> Outcome {
        let wiped = Wiped { generation: self.generation + 1, kept };
        let lsn = Lsn(self.last_lsn.0 + 1);
        let time = self.last_time.max(now);
        self.overlay = Overlay::default();
        self.happened(Effects {
            lsn,
            time,
            once: None,
            facts: Vec::new(),
            logs: Vec::new(),
            wiped: Some(wiped),
        })
    }
}

enum Decided {
    Happens(Effects),
    Duplicate(Committed),
}

/// Refuses a commit that no state could ever accept.
///
/// # Errors
/// `TooLarge` and `Malformed`.
pub(crate) fn check_bounds(commit: &Commit) -> Result<(), CommitError> {
    let refuse = |size, limit| Err(CommitError::TooLarge { size, limit });
    let size = commit.size();
    let limit = match (&commit.facts[..], &commit.logs[..]) {
        ([], [LogOp::Append(..)]) => crate::limits::APPEND_BYTES_MAX,
        _ => crate::limits::COMMIT_BYTES_MAX,
    };
    if size > limit {
        return refuse(size, limit);
    }
    let keys = commit.expects.iter().map(|(key, _)| key).chain(commit.facts.iter().map(|(key, _)| key));
    for key in keys {
        if key.len() > crate::limits::KEY_BYTES_MAX {
            return refuse(key.len(), crate::limits::KEY_BYTES_MAX);
        }
        if key.is_empty() {
            return Err(CommitError::Malformed("an empty key"));
        }
    }
    let value = |op: &FactOp| match op {
        FactOp::Put(value) | FactOp::PutIfAbsent(value) => value.len(),
        FactOp::Delete | FactOp::Add(_) => 0,
    };
    match commit.facts.iter().map(|(_, op)| value(op)).max() {
        Some(size) if size > crate::limits::VALUE_BYTES_MAX => refuse(size, crate::limits::VALUE_BYTES_MAX),
        _ => Ok(()),
    }
}

/// The bytes of a counter.
pub(crate) fn counter_bytes(n: i64) -> Bytes {
    Bytes::copy_from_slice(&n.to_le_bytes())
}
