//! Retention: a reconciler that trims records older than their stream keeps them.
//!
//! Old is what was appended longer ago than the retention; the append time is the store's, so a
//! producer's clock plays no part. Trimming is a commit of the class that frees space.
//!
//! **Failure.** A pass that ends early costs time only: the next one finds the same records.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use headwater_base::{Seams, Timestamp};
use headwater_store::{Commit, CommitError, Direction, Key, KeyRange, Store, StoreError};
use headwater_work::{Pass, Reconciler, TaskResult};

use crate::records::StreamRow;
use crate::{Stream, cache};

/// How many streams one pass looks at.
const STREAMS_PER_PASS: usize = 256;

#[derive(Debug)]
pub(crate) struct Trimmer {
    store: Arc<dyn Store>,
    seams: Seams,
    /// The last stream looked at; the next pass goes on after it.
    cursor: Mutex<Option<Key>>,
}

impl Trimmer {
    pub(crate) fn new(store: Arc<dyn Store>, seams: Seams) -> Self {
        Self { store, seams, cursor: Mutex::new(None) }
    }

    async fn trim(&self, stream: &Stream) -> TaskResult<()> {
        let horizon = self.seams.clock.now().minus(stream.retention);
        let mut commit = Commit::new().freeing();
        for shard in &stream.shards {
            match self.stale_until(shard.log, horizon).await {
                Ok(Some(offset)) => commit = commit.trim(shard.log, offset),
                Ok(None) => {}
                Err(StoreError::NoSuchLog(_)) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        if commit.is_empty() {
            return Ok(());
        }
        match self.store.commit(commit).await {
            // Gone meanwhile: nothing is left to trim.
            Ok(_) | Err(CommitError::NoSuchLog(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The offset before which the log's records are older than `horizon`, if there are any.
    async fn stale_until(
        &self,
        log: headwater_store::LogId,
        horizon: Timestamp,
    ) -> Result<Option<i64>, StoreError> {
        let bounds = self.store.bounds(log).await?;
        if bounds.start == bounds.end {
            return Ok(None);
        }
        let offset = self.store.offset_at(log, horizon).await?;
        Ok((offset > bounds.start).then_some(offset))
    }
}

#[async_trait]
impl Reconciler for Trimmer {
    fn name(&self) -> String {
        "streams: retention".to_owned()
    }

    async fn pass(&self) -> TaskResult<Pass> {
        let mut range = KeyRange::prefix(&StreamRow::prefix());
        if let Some(last) = self.cursor.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            range = range.after(last);
        }
        let snapshot = self.store.snapshot().await?;
        let rows = snapshot.scan(&range, STREAMS_PER_PASS, Direction::Forward).await?;
        for row in &rows {
            let key = StreamRow::parse_key(&row.key)?;
            if let Some(stream) = cache::load(snapshot.as_ref(), &key).await? {
                self.trim(&stream).await?;
            }
        }
        let more = rows.len() == STREAMS_PER_PASS;
        let cursor = rows.last().filter(|_| more).map(|row| row.key.clone());
        *self.cursor.lock().unwrap_or_else(PoisonError::into_inner) = cursor;
        Ok(if more { Pass::More } else { Pass::Done })
    }
}
