//! Creating, listing and deleting streams.
//!
//! A stream is a stream fact, a guard fact, a tags fact and a shard fact and a log for each shard.
//! One commit makes them all, one commit removes them all, so there is nothing in between to mend.
//!
//! **Failure.** A stream with more shards than one commit removes loses its oldest closed shards
//! first. A crash in between, or a consumer that registers meanwhile, leaves a whole stream without
//! these: delete it again.

use std::sync::Arc;

use headwater_base::{Scope, Timestamp};
use headwater_store::{Commit, CommitError, KeyRange, LogId, Watch, WatchTarget};

use crate::records::{
    ConsumersRow, EndedRow, PolicyRow, ShardRow, StreamRow, TagsRow, guard_key, record_size,
};
use crate::settings::{check_record_size, hours};
use crate::{
    ConsumerError, Distribution, HashKey, NewStream, SHARDS_MAX, Shard, Stream, StreamError, StreamKey,
    StreamMode, StreamName, StreamStatus, Streams, cache, tags,
};

/// How many closed shards the commit that removes a stream removes with it, beside the open ones;
/// more go before. The commit is far from the store's bound then.
const DELETED_SHARDS_MAX: usize = if cfg!(test) { 4 } else { 40_000 };

impl Streams {
    /// Creates a stream; it is active when this returns. Not safe to repeat: the second call finds
    /// the first one's stream.
    ///
    /// # Errors
    /// [`StreamError::Exists`], [`StreamError::Invalid`], or why the commit failed.
    pub async fn create(&self, key: &StreamKey, new: NewStream) -> Result<Arc<Stream>, StreamError> {
        check_shards(new.shards)?;
        check_record_size(new.record_bytes_max)?;
        let row = StreamRow {
            incarnation: self.store.new_log_id().0,
            on_demand: new.mode == StreamMode::OnDemand,
            created_ms: self.seams.clock.now().ms(),
            retention_hours: hours(new.retention)?,
            record_bytes_max: record_size(new.record_bytes_max),
            warm_mib: new.warm_mib,
            auto: Some(new.distribution == Distribution::Auto).filter(|auto| *auto),
            ..StreamRow::default()
        };
        let tags = tags::merged(TagsRow::default(), new.tags)?;
        let _change = self.changes.begin(key, StreamStatus::Creating)?;
        let commit = self.creation(key, &row, new.shards).put(TagsRow::key(row.incarnation), tags.encode());
        let outcome = self.store.commit(commit).await;
        self.cache.forget();
        match outcome {
            Ok(_) => self.get(key).await,
            Err(CommitError::Conflict(_)) => Err(StreamError::Exists(key.clone())),
            Err(error) => Err(StreamError::of_commit(key, error)),
        }
    }

    /// Streams of a scope in name order, after `after`, at most `limit`.
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
        self.in_range(range, limit).await
    }

    /// The streams of every account and region.
    ///
    /// # Errors
    /// The store's.
    pub async fn all(&self) -> Result<Vec<Arc<Stream>>, StreamError> {
        self.in_range(KeyRange::prefix(&StreamRow::prefix()), usize::MAX).await
    }

    async fn in_range(&self, range: KeyRange, limit: usize) -> Result<Vec<Arc<Stream>>, StreamError> {
        let snapshot = self.store.snapshot().await?;
        let rows = cache::scan(snapshot.as_ref(), range, limit).await?;
        let mut streams = Vec::with_capacity(rows.len());
        for row in rows {
            let key = StreamRow::parse_key(&row.key)?;
            let found = cache::load(self.store.as_ref(), snapshot.as_ref(), &key).await?;
            streams.extend(found.map(Arc::new));
        }
        Ok(streams)
    }

    /// Removes a stream that has no consumers, and its records.
    ///
    /// # Errors
    /// [`ConsumerError::HasConsumers`], or those of [`Streams::delete`].
    pub async fn delete_unconsumed(&self, key: &StreamKey) -> Result<(), ConsumerError> {
        let stream = self.get(key).await?;
        let _change = self.changes.begin(key, StreamStatus::Deleting)?;
        if !self.consumers(&stream).await?.is_empty() {
            return Err(ConsumerError::HasConsumers);
        }
        let unconsumed = Commit::new().expect_absent(ConsumersRow::key(stream.incarnation));
        let stream = self.shed(stream, &unconsumed).await?;
        let commit = deletion(&stream, unconsumed);
        Ok(self.commit_change(key, commit).await?)
    }

    /// Removes a stream, its consumers and its records. Not there any more when this returns.
    ///
    /// # Errors
    /// [`StreamError::NoSuchStream`], [`StreamError::NotActive`] when it changed at the same time,
    /// or why the commit failed.
    pub async fn delete(&self, key: &StreamKey) -> Result<(), StreamError> {
        let stream = self.get(key).await?;
        let _change = self.changes.begin(key, StreamStatus::Deleting)?;
        let stream = self.shed(stream, &Commit::new()).await?;
        let commit = self.stage_forget_consumers(&stream, Commit::new()).await?;
        self.commit_change(key, deletion(&stream, commit)).await
    }

    /// Removes closed shards, oldest first, until one commit can remove what is left of the stream; each time as
    /// `when` says.
    async fn shed(&self, mut stream: Arc<Stream>, when: &Commit) -> Result<Arc<Stream>, StreamError> {
        loop {
            let closed: Vec<&Shard> = stream.shards.iter().filter(|shard| shard.closed.is_some()).collect();
            if closed.len() <= DELETED_SHARDS_MAX {
                return Ok(stream);
            }
            let mut commit = rewriting(when.clone(), &stream, StreamRow::of(&stream)).freeing();
            for shard in &closed[..DELETED_SHARDS_MAX] {
                commit = commit.delete(ShardRow::key(stream.incarnation, shard.index)).drop_log(shard.log);
            }
            self.commit_change(&stream.key, commit).await?;
            stream = self.get(&stream.key).await?;
        }
    }

    fn creation(&self, key: &StreamKey, row: &StreamRow, shards: u32) -> Commit {
        let stream = StreamRow::key(key);
        let mut commit = Commit::new()
            .expect_absent(stream.clone())
            .put(stream, row.encode())
            .put(guard_key(key, row.incarnation), StreamRow::GUARD_VALUE);
        for (index, (hash_first, hash_last)) in (0..).zip(HashKey::split_evenly(shards)) {
            let created = Timestamp::from_ms(row.created_ms);
            let shard = Shard {
                index,
                log: self.store.new_log_id(),
                hash_first,
                hash_last,
                created,
                opened: created,
                parent: None,
                adjacent_parent: None,
                closed: None,
                closed_at: None,
            };
            commit = commit
                .create_log(shard.log)
                .put(ShardRow::key(row.incarnation, index), ShardRow::encode(&shard));
        }
        commit
    }

    /// Commits a change of a stream and forgets what was known of it.
    pub(crate) async fn commit_change(&self, key: &StreamKey, commit: Commit) -> Result<(), StreamError> {
        let outcome = self.store.commit(commit).await;
        self.cache.forget();
        outcome.map(|_| ()).map_err(|error| StreamError::of_commit(key, error))
    }

    /// Where the stream is in its life: anything but active while a change of it is under way.
    pub fn status(&self, key: &StreamKey) -> StreamStatus {
        self.changes.status(key)
    }

    /// Waits for appends to a shard (or the end of its log). Create it, read, then wait.
    pub fn watch(&self, log: LogId) -> Watch {
        self.store.watch(WatchTarget::Log(log))
    }

    /// Waits for a change of the stream's shards (or its deletion). Create it, read, then wait.
    pub fn watch_shards(&self, stream: &Stream) -> Watch {
        self.store.watch(WatchTarget::Prefix(guard_key(&stream.key, stream.incarnation)))
    }
}

/// Adds to a commit that changes the stream's shards: it writes the stream's fact, if that is as it was
/// read, and its guard.
pub(crate) fn rewriting(commit: Commit, stream: &Stream, row: StreamRow) -> Commit {
    let key = StreamRow::key(&stream.key);
    commit
        .expect(key.clone(), stream.version)
        .put(key, row.encode())
        .put(guard_key(&stream.key, stream.incarnation), StreamRow::GUARD_VALUE)
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
    for consumer in stream.policies.keys() {
        commit = commit.delete(PolicyRow::key(stream.incarnation, consumer));
    }
    for shard in &stream.ended {
        commit = commit.delete(EndedRow::key(stream.incarnation, shard.index));
    }
    commit
}

fn check_shards(shards: u32) -> Result<(), StreamError> {
    if (1..=SHARDS_MAX).contains(&shards) {
        return Ok(());
    }
    Err(StreamError::TooMany { what: "shards in a stream", limit: SHARDS_MAX as usize })
}
