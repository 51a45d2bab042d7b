//! How the store says no, sorted by what the caller can do about it.

use crate::{Key, LogId};

/// Why a commit did not happen. None of these leaves a trace.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// An expected fact was not as expected: read again and decide anew.
    #[error("the fact {0:?} changed meanwhile")]
    Conflict(Key),
    /// The commit names a log that is not there.
    #[error("no such log: {0:?}")]
    NoSuchLog(LogId),
    /// The disk has no room for ordinary commits: free space, or wait until it is freed.
    #[error("no space left for new data")]
    Full,
    /// Too many bytes wait already: slow down and retry.
    #[error("the store is behind; try again")]
    Busy,
    /// The commit exceeds a bound; it can never succeed as it is.
    #[error("the commit is too large: {size} of at most {limit} bytes")]
    TooLarge {
        /// Bytes asked for.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The commit makes no sense (a batch whose header lies, a counter that is not one).
    #[error("malformed commit: {0}")]
    Malformed(&'static str),
    /// The store was closed or wiped while the commit was under way.
    #[error("the store was closed or reset")]
    Closed,
}

/// Why a read did not succeed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The log never was or has been dropped.
    #[error("no such log: {0:?}")]
    NoSuchLog(LogId),
    /// What is on the disk is not what was written. Never served.
    #[error("corrupt data: {0}")]
    Corrupt(String),
    /// The disk failed.
    #[error("storage failed: {0}")]
    Io(String),
    /// The store was closed.
    #[error("the store was closed")]
    Closed,
}
