//! How tables say no, sorted by what the caller can do about it.

use headwater_store::{CommitError, StoreError};

use super::{KeyError, TableKey};
use crate::expression::UpdateError;
use crate::item::Item;

/// Why an operation on tables did not happen.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum TableError {
    /// There is no such table.
    #[error("no such table: {0:?}")]
    NoSuchTable(TableKey),
    /// It exists already.
    #[error("the table {0:?} exists")]
    Exists(TableKey),
    /// It was protected against deletion.
    #[error("the table {0:?} is protected")]
    Protected(TableKey),
    /// A bound of the node; `Display` is for the client.
    #[error("{0}")]
    TooMany(String),
    /// The input makes no sense; in the service's words.
    #[error("{0}")]
    Invalid(String),
    /// The condition was not met; the item as it is.
    #[error("the condition was not met")]
    ConditionFailed(Option<Item>),
    /// Some condition of a transaction was not met: a reason for each of its actions.
    #[error("the transaction was cancelled")]
    Cancelled(Vec<Reason>),
    /// The transaction's token was used for another one.
    #[error("the token was used for another transaction")]
    TokenReused,
    /// Others changed the same items too often meanwhile: retry.
    #[error("too many writers at once")]
    Contended,
    /// The node is full or behind: retry later.
    #[error("throttled: {0}")]
    Throttled(&'static str),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// A commit failed in a way that can't be mended.
    #[error("the commit failed")]
    Commit(#[source] CommitError),
}

/// What one action of a transaction had to do with its cancellation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Nothing.
    None,
    /// Its condition was not met; the item as it is.
    ConditionFailed(Option<Item>),
    /// What it asked for can't be done to the item; in the service's words.
    Invalid(String),
}

impl From<KeyError> for TableError {
    fn from(error: KeyError) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<UpdateError> for TableError {
    fn from(error: UpdateError) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl TableError {
    /// The refusal of a commit. A conflict is the caller's to mend, by reading again.
    pub(crate) fn of_commit(error: CommitError) -> Self {
        match error {
            CommitError::Conflict(_) => Self::Contended,
            CommitError::Full => Self::Throttled("no space left for new data"),
            CommitError::Busy => Self::Throttled("the store is behind"),
            CommitError::TooLarge { size, limit } => {
                Self::Invalid(format!("The request is too large: {size} of at most {limit} bytes"))
            }
            error @ (CommitError::NoSuchLog(_) | CommitError::Malformed(_) | CommitError::Closed) => {
                Self::Commit(error)
            }
        }
    }
}
