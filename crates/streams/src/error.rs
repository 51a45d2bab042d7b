//! How the engine says no, sorted by what the caller can do about it.

use headwater_store::{CommitError, StoreError};

use crate::{HashKey, Shard, StreamKey, StreamStatus};

/// Why a stream operation did not happen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StreamError {
    /// There is no such stream.
    #[error("stream {0:?} does not exist")]
    NoSuchStream(StreamKey),
    /// There is one already.
    #[error("stream {0:?} exists already")]
    Exists(StreamKey),
    /// Not in a state for this, or changed by somebody else meanwhile: look again.
    #[error("stream {0:?} is not active but {1:?}")]
    NotActive(StreamKey, StreamStatus),
    /// The stream has no such shard.
    #[error("there is no shard {0}")]
    NoSuchShard(u32),
    /// The shard was split or merged before.
    #[error("shard {0} is closed")]
    ShardClosed(u32),
    /// The second shard's range does not follow the first's.
    #[error("shards {0} and {1} are not adjacent")]
    NotAdjacent(u32, u32),
    /// A shard can't be split at this key.
    #[error("shard {index} can't be split at {1:?}", index = .0.index)]
    BadSplit(Box<Shard>, HashKey),
    /// The shard count may at most double or be halved.
    #[error("{open} shards are open, {target} are asked for")]
    ScaledTooFar {
        /// Open shards.
        open: u32,
        /// What was asked for.
        target: u32,
    },
    /// The shard's records are gone with its stream.
    #[error("the shard was deleted with its stream")]
    Gone,
    /// The offset has been trimmed away or was never there.
    #[error("offset {0} is out of range")]
    OffsetOutOfRange(i64),
    /// A parameter is out of its bounds.
    #[error("{0}")]
    Invalid(String),
    /// More of something than the engine keeps.
    #[error("at most {limit} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// The node is behind: retry later.
    #[error("throttled: {0}")]
    Throttled(&'static str),
    /// The node's disk has no room: retry when there is some.
    #[error("no space left for new data")]
    Full,
    /// The store failed.
    #[error("the store failed")]
    Store(#[source] StoreError),
    /// A commit failed in a way the engine can't mend.
    #[error("the commit failed")]
    Commit(#[source] CommitError),
}

impl StreamError {
    /// The error of a commit about `key` in which a missing log means a missing stream.
    pub(crate) fn of_commit(key: &StreamKey, error: CommitError) -> Self {
        match error {
            CommitError::NoSuchLog(_) => Self::NoSuchStream(key.clone()),
            CommitError::Conflict(_) => Self::NotActive(key.clone(), StreamStatus::Updating),
            CommitError::Busy => Self::Throttled("too many bytes wait to be stored already"),
            CommitError::Full => Self::Full,
            error @ (CommitError::TooLarge { .. } | CommitError::Malformed(_) | CommitError::Closed) => {
                Self::Commit(error)
            }
        }
    }
}

impl From<StoreError> for StreamError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoSuchLog(_) => Self::Gone,
            error @ (StoreError::Corrupt(_) | StoreError::Io(_) | StoreError::Closed) => Self::Store(error),
        }
    }
}
