//! Why a verb of the engine did not happen.

use headwater_objects::{CommitError, ObjectError, StoreError};

/// Why a notification configuration was not read or set.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// Some destinations are not known to the node, or did not take the test message: fix the input.
    #[error("Unable to validate the following destination configurations")]
    Unvalidated(Vec<String>),
    /// The bucket is gone, or its facts could not be read.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store did not take the commit.
    #[error(transparent)]
    Commit(#[from] CommitError),
}
