//! What a commit may ask for, and what it gets.

use bytes::Bytes;
use headwater_base::{OnceToken, Timestamp};

use crate::{Key, LogId, Lsn};

/// A set of checks and effects that happen together or not at all. Built by chaining; an engine's
/// staged verbs (`stage_…(&mut Commit, …)`) add their own checks and facts to a caller's commit.
///
/// At most 8 MiB, or 11 MiB for one append alone; values at most 128 KiB (+ a little for headers); larger is `TooLarge`.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    pub(crate) expects: Vec<(Key, Expect)>,
    pub(crate) facts: Vec<(Key, FactOp)>,
    pub(crate) logs: Vec<LogOp>,
    pub(crate) once: Option<OnceToken>,
    pub(crate) class: Class,
}

/// What a checked fact must be for the commit to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// It exists, last written by this commit.
    Version(Lsn),
    /// It does not exist.
    Absent,
    /// It exists, whatever its version.
    Present,
}

/// A change of one fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FactOp {
    /// Writes the value, whatever was there.
    Put(Bytes),
    /// Writes the value unless something is there. Never conflicts.
    PutIfAbsent(Bytes),
    /// Removes the fact; nothing happens if it is not there.
    Delete,
    /// Adds to a counter fact (8 bytes, little-endian i64; absent counts as 0). Merges with other
    /// adds without conflict; a counter cannot be expected.
    Add(i64),
}

/// A change of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogOp {
    /// Begins an empty log. Refused as a conflict if the id was ever used.
    Create(LogId),
    /// Ends a log and forgets its records.
    Drop(LogId),
    /// Forgets the records before this offset; an offset past the end trims to the end.
    Trim(LogId, i64),
    /// Appends a Kafka RecordBatch v2 whose header says how many records it holds.
    Append(LogId, Bytes),
}

/// Who may go first when room is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Class {
    /// Throttled under back-pressure, refused with `Full` when the disk is.
    #[default]
    Ordinary,
    /// Work that frees space (settle, trim, delete, positions): neither throttled nor refused.
    Freeing,
}

impl Commit {
    /// An empty commit of the ordinary class.
    pub fn new() -> Self {
        Self::default()
    }

    /// Expects that the fact was last written by `version`.
    #[must_use]
    pub fn expect(mut self, key: Key, version: Lsn) -> Self {
        self.expects.push((key, Expect::Version(version)));
        self
    }

    /// Expects that there is no such fact.
    #[must_use]
    pub fn expect_absent(mut self, key: Key) -> Self {
        self.expects.push((key, Expect::Absent));
        self
    }

    /// Expects that there is such a fact, at any version.
    #[must_use]
    pub fn expect_present(mut self, key: Key) -> Self {
        self.expects.push((key, Expect::Present));
        self
    }

    /// Writes a fact.
    #[must_use]
    pub fn put(mut self, key: Key, value: impl Into<Bytes>) -> Self {
        self.facts.push((key, FactOp::Put(value.into())));
        self
    }

    /// Writes a fact unless it exists.
    #[must_use]
    pub fn put_if_absent(mut self, key: Key, value: impl Into<Bytes>) -> Self {
        self.facts.push((key, FactOp::PutIfAbsent(value.into())));
        self
    }

    /// Removes a fact.
    #[must_use]
    pub fn delete(mut self, key: Key) -> Self {
        self.facts.push((key, FactOp::Delete));
        self
    }

    /// Adds `n` to a counter fact.
    #[must_use]
    pub fn add(mut self, key: Key, n: i64) -> Self {
        self.facts.push((key, FactOp::Add(n)));
        self
    }

    /// Begins a log.
    #[must_use]
    pub fn create_log(mut self, log: LogId) -> Self {
        self.logs.push(LogOp::Create(log));
        self
    }

    /// Ends a log.
    #[must_use]
    pub fn drop_log(mut self, log: LogId) -> Self {
        self.logs.push(LogOp::Drop(log));
        self
    }

    /// Forgets a log's records before `offset`.
    #[must_use]
    pub fn trim(mut self, log: LogId, offset: i64) -> Self {
        self.logs.push(LogOp::Trim(log, offset));
        self
    }

    /// Appends a record batch; its offset is assigned by the commit.
    ///
    /// To a log that was dropped it is refused ([`crate::CommitError::NoSuchLog`]). To one that is there but
    /// takes no more (a shard that was split, a delivery that is being deleted) it is refused by a guard:
    /// keep a fact beside the log that goes, or is written again, when the log is closed, and
    /// [`Commit::expect`] it, or [`Commit::expect_present`], in the commit that appends. Checks and appends
    /// of all commits are decided in one order, so nothing is appended after the guard moved, also
    /// by a commit that read the guard before.
    #[must_use]
    pub fn append(mut self, log: LogId, batch: Bytes) -> Self {
        self.logs.push(LogOp::Append(log, batch));
        self
    }

    /// Makes the commit recognisable: if one with the same token was committed in the last ten
    /// minutes (bounded; see `StoreOptions`), nothing happens and that one's outcome is returned,
    /// with [`Committed::duplicate`] set.
    #[must_use]
    pub fn once(mut self, token: OnceToken) -> Self {
        self.once = Some(token);
        self
    }

    /// Marks the commit as work that frees space.
    #[must_use]
    pub fn freeing(mut self) -> Self {
        self.class = Class::Freeing;
        self
    }

    /// Moves all of `other`'s checks and effects into this commit, after its own.
    pub fn merge(&mut self, other: Self) {
        self.expects.extend(other.expects);
        self.facts.extend(other.facts);
        self.logs.extend(other.logs);
        self.once = self.once.or(other.once);
        if other.class == Class::Freeing {
            self.class = Class::Freeing;
        }
    }

    /// In-place forms of the builder verbs, for staged verbs that hold `&mut Commit`.
    pub fn stage(&mut self, build: impl FnOnce(Self) -> Self) {
        *self = build(std::mem::take(self));
    }

    /// An upper bound of the journalled size in bytes.
    pub fn size(&self) -> usize {
        let facts: usize = self
            .facts
            .iter()
            .map(|(key, op)| {
                key.len()
                    + 32
                    + match op {
                        FactOp::Put(value) | FactOp::PutIfAbsent(value) => value.len(),
                        FactOp::Delete | FactOp::Add(_) => 8,
                    }
            })
            .sum();
        let logs: usize = self
            .logs
            .iter()
            .map(|op| match op {
                LogOp::Append(_, batch) => batch.len() + 48,
                LogOp::Create(_) | LogOp::Drop(_) | LogOp::Trim(..) => 24,
            })
            .sum();
        facts + logs + 64
    }

    /// Whether the commit would change nothing.
    pub fn is_empty(&self) -> bool {
        self.facts.is_empty() && self.logs.is_empty()
    }
}

/// What a commit was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The commit's number.
    pub lsn: Lsn,
    /// When it was sequenced: the append time of its batches.
    pub append_time: Timestamp,
    /// One entry per append, in the order of the appends.
    pub appended: Vec<Appended>,
    /// Whether this is the remembered outcome of an earlier commit with the same token.
    pub duplicate: bool,
}

/// Where one appended batch went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The log.
    pub log: LogId,
    /// The offset of the batch's first record.
    pub base_offset: i64,
    /// How many records it holds.
    pub count: u32,
}
