//! How the catalog says no, sorted by what the caller can do about it.

use headwater_store::{CommitError, StoreError};

/// Why a catalog operation did not happen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CatalogError {
    /// There is no such database, table or partition.
    #[error("{0} not found")]
    NotFound(String),
    /// It exists already.
    #[error("{0} already exists")]
    Exists(String),
    /// It was changed meanwhile (wrong version id, or a race).
    #[error("{0} was changed meanwhile")]
    Changed(String),
    /// A parameter is wrong.
    #[error("{0}")]
    Invalid(String),
    /// The node is full or behind: retry later.
    #[error("throttled: {0}")]
    Throttled(&'static str),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// A commit failed in a way the engine can't mend.
    #[error("the commit failed")]
    Commit(#[source] CommitError),
}

impl CatalogError {
    /// The refusal of a commit, where a conflict means that `what` was changed meanwhile.
    pub(crate) fn of_commit(error: CommitError, what: &str) -> Self {
        match error {
            CommitError::Conflict(_) => Self::Changed(what.to_owned()),
            CommitError::Full => Self::Throttled("no space left for new data"),
            CommitError::Busy => Self::Throttled("the store is behind"),
            CommitError::TooLarge { size, limit } => {
                Self::Invalid(format!("{what} is too large: {size} of at most {limit} bytes"))
            }
            error @ (CommitError::NoSuchLog(_) | CommitError::Malformed(_) | CommitError::Closed) => {
                Self::Commit(error)
            }
        }
    }
}
