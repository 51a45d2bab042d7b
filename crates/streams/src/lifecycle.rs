//! Creating, listing, changing and deleting streams.
//!
//! A stream is a stream fact, a guard fact, a tags fact and a shard fact and a log for each shard.
//! One commit makes them all, one commit removes them all, so there is nothing in between to mend.

use std::sync::Arc;
use std::time::Duration;

use headwater_base::Scope;
use headwater_store::{Commit, CommitError, Direction, KeyRange, LogId};

use crate::records::{ConsumersRow, ShardRow, StreamRow, TagsRow, guard_key};
use crate::{
    ConsumerError, HashKey, NewStream, RETENTION_MAX, RETENTION_MIN, SHARDS_MAX, Shard, Stream, StreamError,
    StreamKey, StreamMode, StreamName, Streams, cache, tags,
};

/// The most streams one page of a list holds.
const LIST_MAX: usize = 10_000;

impl Streams {
    /// Creates a stream; it is active when this returns. Not safe to repeat: the second call finds
    /// the first one's stream.
    ///
    /// # Errors
    /// [`StreamError::Exists`], [`StreamError::Invalid`], or why the commit failed.
    pub async fn create(&self, key: &StreamKey, new: NewStream) -> Result<Arc<Stream>, StreamError> {
        check_shards(new.shards)?;
        let row = StreamRow {
            incarnation: self.store.new_log_id().0,
            on_demand: new.mode == StreamMode::OnDemand,
            created_ms: self.seams.clock.now().ms(),
            retention_hours: hours(new.retention)?,
            key_id: None,
        };
        let tags = tags::merged(TagsRow::default(), new.tags)?;
        let commit = self.creation(key, &row, new.shards).put(TagsRow::key(row.incarnation), tags.encode());
        let outcome = self.store.commit(commit).await;
        self.cache.forget();
        match outcome {
            Ok(_) => self.get(key).await,
            Err(CommitError::Conflict(_)) => Err(StreamError::Exists(key.clone())),
            Err(error) => Err(StreamError::of_commit(key, error)),
        }
    }

    /// Streams of a scope in name order, after `after`, at most `limit` (and at most 10,000).
    ///
    /// # Errors
    /// The store's.
    pub async fn list(
        &self,
        scope: &Scope,
        after: Option<&StreamName>,
        limit: usize,
    ) -> Result<Vec<Arc<Stream>>, StreamError> {
        let mut range = KeyRange::prefix(&StreamRow::scope_prefix(scope));
        if let Some(name) = after {
            range = range.after(&StreamRow::key(&StreamKey { scope: scope.clone(), name: name.clone() }));
        }
        let snapshot = self.store.snapshot().await?;
        let rows = snapshot.scan(&range, limit.min(LIST_MAX), Direction::Forward).await?;
        let mut streams = Vec::with_capacity(rows.len());
        for row in rows {
            let key = StreamRow::parse_key(&row.key)?;
            streams.extend(cache::load(snapshot.as_ref(), &key).await?.map(Arc::new));
        }
        Ok(streams)
    }

    /// Removes a stream that has no consumers, and its records.
    ///
    /// # Errors
    /// [`ConsumerError::HasConsumers`], or those of [`Streams::delete`].
    pub async fn delete_unconsumed(&self, key: &StreamKey) -> Result<(), ConsumerError> {
        let stream = self.get(key).await?;
        if !self.consumers(&stream).await?.is_empty() {
            return Err(ConsumerError::HasConsumers);
        }
        let commit = deletion(&stream, Commit::new().expect_absent(ConsumersRow::key(stream.incarnation)));
        Ok(self.commit_change(key, commit).await?)
    }

    /// Removes a stream, its consumers and its records. Not there any more when this returns.
    ///
    /// # Errors
    /// [`StreamError::NoSuchStream`], [`StreamError::NotActive`] when it changed at the same time,
    /// or why the commit failed.
    pub async fn delete(&self, key: &StreamKey) -> Result<(), StreamError> {
        let stream = self.get(key).await?;
        let commit = self.stage_forget_consumers(&stream, Commit::new()).await?;
        self.commit_change(key, deletion(&stream, commit)).await
    }

    /// Sets how long the stream's records are kept, if it is still as `stream` says. Records that
    /// are older than that go within a minute or so.
    ///
    /// # Errors
    /// [`StreamError::Invalid`] outside 24 h to 8760 h, [`StreamError::NotActive`] when the stream
    /// changed meanwhile, or why the commit failed.
    pub async fn set_retention(&self, stream: &Stream, retention: Duration) -> Result<(), StreamError> {
        let row = StreamRow {
            incarnation: stream.incarnation,
            on_demand: stream.mode == StreamMode::OnDemand,
            created_ms: stream.created.ms(),
            retention_hours: hours(retention)?,
            key_id: stream.encryption.as_ref().map(|e| e.key_id.clone()),
        };
        let key = StreamRow::key(&stream.key);
        let commit = Commit::new().expect(key.clone(), stream.version).put(key, row.encode());
        self.commit_change(&stream.key, commit).await?;
        self.trimmer.signal.notify();
        Ok(())
    }

    fn creation(&self, key: &StreamKey, row: &StreamRow, shards: u32) -> Commit {
        let stream = StreamRow::key(key);
        let mut commit = Commit::new()
            .expect_absent(stream.clone())
            .put(stream, row.encode())
            .put(guard_key(key, row.incarnation), StreamRow::GUARD_VALUE);
        for (index, (hash_first, hash_last)) in (0..).zip(HashKey::split_evenly(shards)) {
            let shard = Shard {
                index,
                log: self.store.new_log_id(),
                hash_first,
                hash_last,
                created: headwater_base::Timestamp::from_ms(row.created_ms),
                parent: None,
                adjacent_parent: None,
                closed_at: None,
            };
            commit = commit
                .create_log(shard.log)
                .put(ShardRow::key(row.incarnation, index), ShardRow::encode(&shard));
        }
        commit
    }

    /// Commits a change of a stream and forgets what was known of it.
    async fn commit_change(&self, key: &StreamKey, commit: Commit) -> Result<(), StreamError> {
        let outcome = self.store.commit(commit).await;
        self.cache.forget();
        outcome.map(|_| ()).map_err(|error| StreamError::of_commit(key, error))
    }

    /// Waits for appends to a shard (or its end). Create it, read, then wait.
    pub fn watch(&self, log: LogId) -> headwater_store::Watch {
        self.store.watch(headwater_store::WatchTarget::Log(log))
    }
}

/// Adds to a commit the removal of a stream and its shards.
fn deletion(stream: &Stream, commit: Commit) -> Commit {
    let key = &stream.key;
    let mut commit = commit
        .freeing()
        .expect(StreamRow::key(key), stream.version)
        .delete(StreamRow::key(key))
        .delete(guard_key(key, stream.incarnation))
        .delete(TagsRow::key(stream.incarnation));
    for shard in &stream.shards {
        commit = commit.delete(ShardRow::key(stream.incarnation, shard.index)).drop_log(shard.log);
    }
    commit
}

fn check_shards(shards: u32) -> Result<(), StreamError> {
    if (1..=SHARDS_MAX).contains(&shards) {
        return Ok(());
    }
    Err(StreamError::TooMany { what: "shards in a stream", limit: SHARDS_MAX as usize })
}

fn hours(retention: Duration) -> Result<u32, StreamError> {
    if !(RETENTION_MIN..=RETENTION_MAX).contains(&retention) {
        return Err(StreamError::Invalid("records are kept for 24 to 8760 hours".to_owned()));
    }
    Ok(u32::try_from(retention.as_secs() / 3600).expect("at most 8760"))
}
