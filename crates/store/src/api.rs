//! The verbs of the store, and the small types they speak in.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use headwater_base::Timestamp;

use crate::{Commit, CommitError, Committed, Key, StoreError};

/// The number of a commit: strictly increasing, never reused, also the version of what it wrote.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Lsn(pub u64);

impl fmt::Debug for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lsn {}", self.0)
    }
}

/// A log's identity. Ids come from [`Store::new_log_id`] and are never reused, so a log dropped and
/// "recreated" is another log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct LogId(pub u64);

/// A durable fact: a value and the commit that wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The bytes as they were put.
    pub value: Bytes,
    /// The commit that last wrote this fact.
    pub version: Lsn,
}

/// One row of a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// The fact's key.
    pub key: Key,
    /// The fact.
    pub fact: Fact,
}

/// The keys `start <= key < end`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// The first key that may be in the range.
    pub start: Key,
    /// The first key past the range; `None` means no end.
    pub end: Option<Key>,
}

impl KeyRange {
    /// Every key that begins with `prefix`.
    pub fn prefix(prefix: &Key) -> Self {
        Self { start: prefix.clone(), end: prefix.successor_of_prefix() }
    }

    /// The keys of this range that come strictly after `key`.
    pub fn after(mut self, key: &Key) -> Self {
        let next = key.next();
        if next > self.start {
            self.start = next;
        }
        self
    }

    /// Whether `key` lies in the range.
    pub fn contains(&self, key: &Key) -> bool {
        *key >= self.start && self.end.as_ref().is_none_or(|end| key < end)
    }
}

/// Which end of a range a scan begins at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Ascending keys.
    Forward,
    /// Descending keys.
    Backward,
}

/// Where a log begins and ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// The first offset still there (moves on by trimming).
    pub start: i64,
    /// One past the last offset.
    pub end: i64,
    /// The append time of the newest batch ever appended; never goes backwards.
    pub last_append_time: Timestamp,
}

/// A record batch as it was appended, with what the commit assigned to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBatch {
    /// The offset of the batch's first record. The batch's own header still says what its writer
    /// put there; who serves it patches this in.
    pub base_offset: i64,
    /// How many records (offsets) the batch spans; at least 1.
    pub count: u32,
    /// When it was appended; never goes backwards within a log.
    pub append_time: Timestamp,
    /// The Kafka RecordBatch v2, byte for byte as appended.
    pub payload: Bytes,
}

impl StoredBatch {
    /// One past the last offset of the batch.
    pub fn next_offset(&self) -> i64 {
        self.base_offset + i64::from(self.count)
    }
}

/// What a watch waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchTarget {
    /// Any fact whose key begins with this.
    Prefix(Key),
    /// Appends to (or the end of) this log.
    Log(LogId),
}

/// A level-triggered wait: create it, then read, then [`Watch::changed`]. It returns at once if
/// anything was published since it was created or last returned; wake-ups coalesce and carry no
/// data, so read again after each.
#[derive(Debug)]
pub struct Watch {
    pub(crate) receiver: tokio::sync::watch::Receiver<u64>,
}

impl Watch {
    /// Waits until something was published to the target. Returns `false` when the store has
    /// closed and nothing will ever be published again.
    pub async fn changed(&mut self) -> bool {
        self.receiver.changed().await.is_ok()
    }

    /// Whether anything was published to the target since the watch was created or last asked;
    /// does not wait. Always `true` once the store has closed.
    pub fn take_changed(&mut self) -> bool {
        if matches!(self.receiver.has_changed(), Ok(false)) {
            return false;
        }
        self.receiver.mark_unchanged();
        true
    }
}

/// A consistent view over all facts at one LSN. Drop it soon: it holds old versions alive.
#[async_trait]
pub trait Snapshot: Send + Sync + fmt::Debug {
    /// The commit up to which this snapshot sees.
    fn lsn(&self) -> Lsn;
    /// The fact at `key`.
    async fn get(&self, key: &Key) -> Result<Option<Fact>, StoreError>;
    /// Up to `limit` facts of `range`, in key order from the given end.
    async fn scan(
        &self,
        range: &KeyRange,
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<Scanned>, StoreError>;
}

/// Durable facts and logs. Object-safe; share it as `Arc<dyn Store>`.
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// Applies everything in `commit` or nothing. When it returns `Ok`, the commit is durable and
    /// visible to every reader. Once polled it runs to its end even if the future is dropped.
    /// Safe to repeat only with a [`Commit::once`] token or with expects.
    async fn commit(&self, commit: Commit) -> Result<Committed, CommitError>;

    /// The committed fact at `key`.
    async fn get(&self, key: &Key) -> Result<Option<Fact>, StoreError>;

    /// Up to `limit` committed facts of `range`, consistent among themselves.
    async fn scan(
        &self,
        range: &KeyRange,
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<Scanned>, StoreError>;

    /// A view that is consistent across all keys.
    async fn snapshot(&self) -> Result<Arc<dyn Snapshot>, StoreError>;

    /// A log id nobody has had before, also across restarts.
    fn new_log_id(&self) -> LogId;

    /// Batches of `log` from the one that holds `offset` on, until `max_bytes` of payload are
    /// gathered (at least one batch if there is any). Empty at the log's end. An offset below the
    /// start reads from the start; the caller compares the first batch's base with what it asked.
    ///
    /// # Errors
    /// [`StoreError::NoSuchLog`] when the log never was or has been dropped.
    async fn read(&self, log: LogId, offset: i64, max_bytes: usize) -> Result<Vec<StoredBatch>, StoreError>;

    /// Where the log begins and ends.
    async fn bounds(&self, log: LogId) -> Result<Bounds, StoreError>;

    /// The first offset whose batch was appended at or after `time`; the log's end if none was.
    async fn offset_at(&self, log: LogId, time: Timestamp) -> Result<i64, StoreError>;

    /// Begins to watch. Create the watch before the read whose result it guards.
    fn watch(&self, target: WatchTarget) -> Watch;

    /// Forgets every fact and every log in one journalled step and raises the generation; commits
    /// begun before it are refused. Facts whose key begins with one of `keep` survive. Wakes every
    /// watch. At most 50 ms. For test suites (`serve --dev`).
    async fn wipe(&self, keep: &[Key]) -> Result<(), CommitError>;

    /// Figures for metrics and `headwater status`.
    fn status(&self) -> StoreStatus;

    /// Finishes what is queued, persists the index and writes the end mark. Later commits fail.
    async fn close(&self) -> Result<(), StoreError>;
}

/// Figures about a store at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreStatus {
    /// The newest published commit.
    pub published: Lsn,
    /// How often the store was wiped.
    pub generation: u64,
    /// Bytes of log payload in the journal that no segment holds yet.
    pub unsettled_bytes: u64,
    /// Bytes waiting in the commit queue.
    pub queued_bytes: u64,
    /// Number of live segments and their bytes.
    pub segments: u64,
    /// See `segments`.
    pub segment_bytes: u64,
    /// Number of logs.
    pub logs: u64,
    /// Whether ordinary commits are refused for want of space.
    pub full: bool,
}
