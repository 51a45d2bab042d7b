//! Bookmarks: how far a job has read its incremental input.
//!
//! **Invariants.** A bookmark moves only in the commit that makes the run's output visible, and
//! only from where the run found it: two runs of one job can't both count.

use std::sync::Arc;

use headwater_base::Timestamp;
use headwater_store::{Commit, CommitError, Lsn, Store, StoreError};

use crate::records::write::BookmarkRecord;
use crate::records::{BadRecord, Record as _, keys};
use crate::table_write::{Bookmark, TableWriteError};

/// Where the bookmark stands; `Lsn(0)` if it never moved.
pub async fn bookmark(store: &Arc<dyn Store>, name: &str) -> Result<Lsn, BookmarkError> {
    match store.get(&keys::bookmark(name)).await? {
        None => Ok(Lsn(0)),
        Some(fact) => Ok(Lsn(BookmarkRecord::from_value(&fact.value)?.lsn)),
    }
}

/// Puts the bookmark back to the beginning: the next run reads its whole input again. May be
/// repeated.
pub async fn reset_bookmark(store: &Arc<dyn Store>, name: &str) -> Result<(), BookmarkError> {
    store.commit(Commit::new().delete(keys::bookmark(name)).freeing()).await?;
    Ok(())
}

/// Why a bookmark could not be read or reset.
#[derive(Debug, thiserror::Error)]
pub enum BookmarkError {
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// The commit failed.
    #[error("the commit failed")]
    Commit(#[from] CommitError),
    /// What is stored can't be read.
    #[error("{0}")]
    Unreadable(String),
}

impl From<BadRecord> for BookmarkError {
    fn from(error: BadRecord) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// What [`stage`] found.
pub(crate) enum BookmarkStep {
    /// The commit now moves it.
    Staged,
    /// It is not where the run found it.
    Moved,
}

/// Adds to `commit`: the bookmark is still at `from`, and goes to `to`.
pub(crate) async fn stage(
    store: &Arc<dyn Store>,
    commit: &mut Commit,
    bookmark: &Bookmark,
    now: Timestamp,
) -> Result<BookmarkStep, TableWriteError> {
    let key = keys::bookmark(&bookmark.name);
    let fact = store.get(&key).await?;
    let at = match &fact {
        None => 0,
        Some(fact) => BookmarkRecord::from_value(&fact.value)?.lsn,
    };
    if at != bookmark.from.0 {
        return Ok(BookmarkStep::Moved);
    }
    let value = BookmarkRecord { lsn: bookmark.to.0, at_ms: now.ms() }.to_value();
    commit.stage(|c| {
        let c = match fact {
            None => c.expect_absent(key.clone()),
            Some(fact) => c.expect(key.clone(), fact.version),
        };
        c.put(key, value)
    });
    Ok(BookmarkStep::Staged)
}
