//! Retention: a reconciler that trims records older than their stream keeps them, and removes
//! closed shards when the last of theirs are.
//!
//! Old is what was appended longer ago than the retention; the append time is the store's, so a
//! producer's clock plays no part. Trimming is a commit of the class that frees space. A closed
//! shard leaves the stream when it has been closed for longer than the retention: what remains is
//! an [`EndedShard`], so that its end stays known.
//!
//! **Failure.** A pass that ends early costs time only: the next one finds the same records.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use headwater_base::{Seams, Timestamp};
use headwater_store::{Commit, CommitError, Direction, Key, KeyRange, Store, StoreError};
use headwater_work::{Pass, Reconciler, TaskResult};

use crate::lifecycle::rewriting;
use crate::records::{EndedRow, ShardRow, StreamRow};
use crate::{ENDED_MAX, EndedShard, Shard, Stream, cache};

/// How many streams one pass looks at.
const STREAMS_PER_PASS: usize = 256;

/// How many shards of a stream one commit trims.
const TRIMS_MAX: usize = 10_000;

/// How many shards of a stream one pass ends, which is one commit: the next passes end the others.
/// No more than a stream remembers.
const ENDS_MAX: usize = if cfg!(test) { 4 } else { ENDED_MAX };

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
        for shards in stream.shards.chunks(TRIMS_MAX) {
            self.trim_shards(shards, horizon).await?;
        }
        Ok(())
    }

    async fn trim_shards(&self, shards: &[Shard], horizon: Timestamp) -> TaskResult<()> {
        let mut commit = Commit::new().freeing();
        for shard in shards {
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

    /// Removes the shards that have been closed for longer than their records are kept.
    async fn end_shards(&self, stream: &Stream) -> TaskResult<()> {
        let horizon = self.seams.clock.now().minus(stream.retention);
        let old = |shard: &&Shard| shard.closed.is_some_and(|closed| closed < horizon);
        let ended = stream.shards.iter().filter(old).filter_map(ended_of).take(ENDS_MAX);
        let ended: Vec<EndedShard> = ended.collect();
        if ended.is_empty() {
            return Ok(());
        }
        let mut commit = rewriting(Commit::new(), stream, StreamRow::of(stream)).freeing();
        for shard in &ended {
            commit = commit
                .put(EndedRow::key(stream.incarnation, shard.index), EndedRow::encode(shard))
                .delete(ShardRow::key(stream.incarnation, shard.index))
                .drop_log(shard.log);
        }
        let too_many = (stream.ended.len() + ended.len()).saturating_sub(ENDED_MAX);
        for shard in stream.ended.iter().take(too_many) {
            commit = commit.delete(EndedRow::key(stream.incarnation, shard.index));
        }
        match self.store.commit(commit).await {
            // Changed or gone meanwhile: the next pass looks again.
            Ok(_) | Err(CommitError::Conflict(_) | CommitError::NoSuchLog(_)) => Ok(()),
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

fn ended_of(shard: &Shard) -> Option<EndedShard> {
    let (index, log) = (shard.index, shard.log);
    let (parent, adjacent_parent) = (shard.parent, shard.adjacent_parent);
    Some(EndedShard { index, log, parent, adjacent_parent, end: shard.closed_at?, closed: shard.closed? })
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
            if let Some(stream) = cache::load(self.store.as_ref(), snapshot.as_ref(), &key).await? {
                self.trim(&stream).await?;
                self.end_shards(&stream).await?;
            }
        }
        let more = rows.len() == STREAMS_PER_PASS;
        let cursor = rows.last().filter(|_| more).map(|row| row.key.clone());
        *self.cursor.lock().unwrap_or_else(PoisonError::into_inner) = cursor;
        Ok(if more { Pass::More } else { Pass::Done })
    }
}
