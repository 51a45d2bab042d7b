//! The streams engine: lifecycle, placement of records by hash key, ordered reads.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use headwater_base::{Arn, InvalidName, OnceToken, Scope, Seams, Timestamp};
use headwater_store::{Commit, CommitError, Key, LogId, Store, StoreError, StoredBatch};
use headwater_work::Work;

/// A stream's name: 1 to 128 of `A-Z a-z 0-9 _ . -`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct StreamName(Arc<str>);

impl StreamName {
    /// The name, if it is one.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
        if text.is_empty() || text.len() > 128 || !text.bytes().all(legal) {
            return Err(InvalidName::new("stream name", text, "1 to 128 of A-Z a-z 0-9 _ . -"));
        }
        Ok(Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where a stream is found: its scope and name.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct StreamKey {
    /// Account and region.
    pub scope: Scope,
    /// The name.
    pub name: StreamName,
}

impl StreamKey {
    /// `arn:aws:kinesis:…:stream/NAME`.
    pub fn arn(&self) -> Arn {
        Arn::new("kinesis", &self.scope, format!("stream/{}", self.name.as_str()))
    }
}

/// A position on the ring of 128-bit hash keys.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct HashKey(pub u128);

/// How capacity is managed. Stored and echoed; this node's disk is the capacity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StreamMode {
    /// A fixed number of shards.
    Provisioned,
    /// On demand.
    OnDemand,
}

/// Where a stream is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StreamStatus {
    /// Being made.
    Creating,
    /// In use.
    Active,
    /// Being resharded or changed.
    Updating,
    /// Being removed.
    Deleting,
}

/// Encryption flags, stored and echoed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Encryption {
    /// The KMS key id as given.
    pub key_id: String,
}

/// A stream as it is now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stream {
    /// Where it is found.
    pub key: StreamKey,
    /// Distinguishes streams that had the same name at different times; never reused (drawn from the same counter as log ids).
    pub incarnation: u64,
    /// Where it is in its life.
    pub status: StreamStatus,
    /// How capacity is managed.
    pub mode: StreamMode,
    /// When it was created.
    pub created: Timestamp,
    /// How long records are kept.
    pub retention: Duration,
    /// Every shard that still has records or can take some, by index.
    pub shards: Vec<Shard>,
    /// Encryption flags, if on.
    pub encryption: Option<Encryption>,
}

/// One shard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shard {
    /// Its number within the stream: `shardId-` + twelve digits. Never reused in an incarnation.
    pub index: u32,
    /// The log that holds its records.
    pub log: LogId,
    /// The first hash key it takes.
    pub hash_first: HashKey,
    /// The last hash key it takes.
    pub hash_last: HashKey,
    /// When it was created (whole seconds go into its sequence numbers).
    pub created: Timestamp,
    /// The shard it was split off or merged from.
    pub parent: Option<u32>,
    /// The second parent of a merge.
    pub adjacent_parent: Option<u32>,
    /// Set when the shard takes no more records: one past its last offset.
    pub closed_at: Option<i64>,
}

impl Shard {
    /// `shardId-000000000007`.
    pub fn id(&self) -> String {
        format!("shardId-{:012}", self.index)
    }
}

/// What a new stream should be.
#[derive(Clone, Debug)]
pub struct NewStream {
    /// How many shards, at least 1.
    pub shards: u32,
    /// How capacity is managed.
    pub mode: StreamMode,
    /// How long records are kept (24 h to 8760 h).
    pub retention: Duration,
    /// Tags.
    pub tags: Vec<(String, String)>,
}

/// One record to put.
#[derive(Clone, Debug)]
pub struct NewRecord {
    /// 1 to 256 characters.
    pub partition_key: String,
    /// Overrides the MD5 of the partition key.
    pub explicit_hash_key: Option<HashKey>,
    /// The data.
    pub data: Bytes,
}

/// Where a record went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Placed {
    /// Index of the shard.
    pub shard: u32,
    /// Its offset in the shard.
    pub offset: i64,
    /// When it was appended.
    pub append_time: Timestamp,
}

/// One record read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StreamRecord {
    /// Its offset in the shard.
    pub offset: i64,
    /// When it was appended.
    pub append_time: Timestamp,
    /// The partition key.
    pub partition_key: String,
    /// The data.
    pub data: Bytes,
}

/// The result of a read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShardRead {
    /// The records, in order.
    pub records: Vec<StreamRecord>,
    /// The offset to read next.
    pub next: i64,
    /// One past the shard's last offset.
    pub end: i64,
    /// How far the last record (or the position) lies behind the shard's newest record.
    pub behind: Duration,
}

/// Why a stream operation did not happen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StreamError {
    /// There is no such stream.
    #[error("stream {0:?} does not exist")]
    NoSuchStream(StreamKey),
    /// There is one already.
    #[error("stream {0:?} exists already")]
    Exists(StreamKey),
    /// Not in a state for this.
    #[error("stream {0:?} is not active")]
    NotActive(StreamKey),
    /// The offset has been trimmed away or was never there.
    #[error("offset {0} is out of range")]
    OffsetOutOfRange(i64),
    /// A parameter is out of its bounds.
    #[error("{0}")]
    Invalid(String),
    /// The node is behind or full: retry later.
    #[error("throttled: {0}")]
    Throttled(&'static str),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// A commit failed in a way the engine can't mend.
    #[error("the commit failed")]
    Commit(#[source] CommitError),
}

/// The engine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Streams {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) seams: Seams,
}

impl Streams {
    /// The engine over a store. Registers its reconcilers (retention, deletion) with `work`.
    pub fn new(store: Arc<dyn Store>, seams: Seams, work: &Work) -> Self {
        let _ = work;
        Self { store, seams }
    }

    /// Creates a stream.
    pub async fn create(&self, key: &StreamKey, new: NewStream) -> Result<Arc<Stream>, StreamError> {
        let _ = (&self.store, &self.seams, key, new);
        todo!("streams owner")
    }

    /// The stream as it is now (cached; always as fresh as the last published commit).
    pub async fn get(&self, key: &StreamKey) -> Result<Arc<Stream>, StreamError> {
        let _ = key;
        todo!("streams owner")
    }

    /// Streams of a scope in name order, after `after`.
    pub async fn list(
        &self,
        scope: &Scope,
        after: Option<&StreamName>,
        limit: usize,
    ) -> Result<Vec<Arc<Stream>>, StreamError> {
        let _ = (scope, after, limit);
        todo!("streams owner")
    }

    /// Removes a stream and its records.
    pub async fn delete(&self, key: &StreamKey) -> Result<(), StreamError> {
        let _ = key;
        todo!("streams owner")
    }

    /// Appends records, durable on return; placed in the order given. With a token a repeated
    /// call returns the first call's placements.
    pub async fn put(
        &self,
        stream: &Stream,
        records: Vec<NewRecord>,
        once: Option<OnceToken>,
    ) -> Result<Vec<Placed>, StreamError> {
        let _ = (stream, records, once);
        todo!("streams owner")
    }

    /// Reads up to `max_records` / `max_bytes` records of a shard from offset `from`.
    pub async fn read(
        &self,
        shard: &Shard,
        from: i64,
        max_records: usize,
        max_bytes: usize,
    ) -> Result<ShardRead, StreamError> {
        let _ = (shard, from, max_records, max_bytes);
        todo!("streams owner")
    }

    /// The first offset appended at or after `time`.
    pub async fn offset_at(&self, shard: &Shard, time: Timestamp) -> Result<i64, StreamError> {
        let _ = (shard, time);
        todo!("streams owner")
    }

    /// Raw batches of a log, for deliveries that decode in bulk (see [`crate::batch::decode`]).
    pub async fn read_batches(&self, log: LogId, from: i64, max_bytes: usize) -> Result<Vec<StoredBatch>, StreamError> {
        Ok(self.store.read(log, from, max_bytes).await?)
    }

    /// Adds to `commit` the check that this incarnation of the stream is still there.
    pub fn stage_expect_alive(&self, commit: &mut Commit, stream: &Stream) {
        let key = Self::guard_key(&stream.key, stream.incarnation);
        commit.stage(|c| c.expect_present(key));
    }

    /// The guard fact of an incarnation: written at creation, removed at deletion.
    pub fn guard_key(key: &StreamKey, incarnation: u64) -> Key {
        let _ = (key, incarnation);
        todo!("streams owner")
    }
}
