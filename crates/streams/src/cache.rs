//! Streams in memory, so that a put asks the index nothing.
//!
//! The cache is emptied by two things: this engine's own commits, before their caller hears of
//! them, and the store's watch over stream facts, which also sees other writers and a wipe. What
//! was read before either is not put in afterwards (the epoch says so).
//!
//! **Invariants.** After a change was acknowledged, `get` never returns what was before it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use headwater_base::Timestamp;
use headwater_store::{Direction, Key, KeyRange, Scanned, Snapshot, Store, StoreError, Watch, WatchTarget};

use crate::records::{EndedRow, PolicyRow, ShardRow, StreamRow, guard_key};
use crate::stream::Ring;
use crate::{Encryption, Stream, StreamKey, StreamMode};

/// How many streams are held; beyond it the cache starts anew.
const STREAMS_MAX: usize = 10_000;

/// How many facts are scanned at once, fewer than the store's own bound. In tests so few that most
/// scans have several pages.
const PAGE: usize = if cfg!(test) { 3 } else { 10_000 };

#[derive(Debug)]
pub(crate) struct Cache {
    known: RwLock<Known>,
    watch: Mutex<Watch>,
}

#[derive(Debug, Default)]
struct Known {
    epoch: u64,
    streams: HashMap<StreamKey, Arc<Stream>>,
}

impl Cache {
    pub(crate) fn new(store: &dyn Store) -> Self {
        let watch = store.watch(WatchTarget::Prefix(StreamRow::prefix()));
        Self { known: RwLock::default(), watch: Mutex::new(watch) }
    }

    /// The stream, from memory if it is there.
    pub(crate) async fn get(
        &self,
        store: &dyn Store,
        key: &StreamKey,
    ) -> Result<Option<Arc<Stream>>, StoreError> {
        let epoch = match self.look(key) {
            Ok(stream) => return Ok(Some(stream)),
            Err(epoch) => epoch,
        };
        let snapshot = store.snapshot().await?;
        let Some(stream) = load(store, snapshot.as_ref(), key).await? else { return Ok(None) };
        let stream = Arc::new(stream);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.epoch == epoch {
            if known.streams.len() >= STREAMS_MAX {
                known.streams.clear();
            }
            known.streams.insert(key.clone(), Arc::clone(&stream));
        }
        Ok(Some(stream))
    }

    /// Forgets everything. Called after each commit that changes a stream, whatever its outcome.
    pub(crate) fn forget(&self) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.epoch += 1;
        known.streams.clear();
    }

    /// The stream, or the epoch in which it was not there.
    fn look(&self, key: &StreamKey) -> Result<Arc<Stream>, u64> {
        let changed = self.watch.lock().unwrap_or_else(PoisonError::into_inner).take_changed();
        if changed {
            self.forget();
        }
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.streams.get(key).cloned().ok_or(known.epoch)
    }
}

/// Reads a stream and its shards as they are in one snapshot. A closed shard's log ends with the
/// commit that closed it, so its end is the same whenever it is read.
pub(crate) async fn load(
    store: &dyn Store,
    snapshot: &dyn Snapshot,
    key: &StreamKey,
) -> Result<Option<Stream>, StoreError> {
    let Some(fact) = snapshot.get(&StreamRow::key(key)).await? else { return Ok(None) };
    let row = StreamRow::decode(&fact.value)?;
    let Some(guard) = snapshot.get(&guard_key(key, row.incarnation)).await? else { return Ok(None) };
    let scanned = scan_all(snapshot, &ShardRow::prefix(row.incarnation)).await?;
    let mut shards = Vec::with_capacity(scanned.len());
    for found in &scanned {
        let mut shard = ShardRow::decode(&found.key, &found.fact.value)?;
        if shard.closed.is_some() && shard.closed_at.is_none() {
            match store.bounds(shard.log).await {
                Ok(bounds) => shard.closed_at = Some(bounds.end),
                // Its retention has passed since the snapshot was taken.
                Err(StoreError::NoSuchLog(_)) => continue,
                Err(error) => return Err(error),
            }
        }
        shards.push(shard);
    }
    let ended = scan_all(snapshot, &EndedRow::prefix(row.incarnation)).await?;
    let ended = ended.iter().map(|s| EndedRow::decode(&s.key, &s.fact.value));
    let policies = scan_all(snapshot, &PolicyRow::prefix(row.incarnation)).await?;
    let policies = policies
        .iter()
        .map(|s| Ok((PolicyRow::parse_key(&s.key)?, PolicyRow::decode(&s.fact.value)?.text.into())));
    Ok(Some(Stream {
        policies: policies.collect::<Result<_, StoreError>>()?,
        key: key.clone(),
        incarnation: row.incarnation,
        mode: if row.on_demand { StreamMode::OnDemand } else { StreamMode::Provisioned },
        created: Timestamp::from_ms(row.created_ms),
        retention: row.retention(),
        ended: ended.collect::<Result<Vec<_>, StoreError>>()?,
        record_bytes_max: row.record_bytes_max(),
        distribution: row.distribution(),
        monitoring: row.monitoring(),
        warm_mib: row.warm_mib,
        scaled: row.scaled_ms.iter().flatten().map(|ms| Timestamp::from_ms(*ms)).collect(),
        encryption: row.key_id.map(|key_id| Encryption { key_id }),
        version: fact.version,
        guard: guard.version,
        ring: Ring::of(&shards),
        shards,
    }))
}

async fn scan_all(snapshot: &dyn Snapshot, prefix: &Key) -> Result<Vec<Scanned>, StoreError> {
    scan(snapshot, KeyRange::prefix(prefix), usize::MAX).await
}

/// The first facts of a range, `limit` of them if there are so many; scanned page by page, since the
/// store returns no more than its own bound at once.
pub(crate) async fn scan(
    snapshot: &dyn Snapshot,
    mut range: KeyRange,
    limit: usize,
) -> Result<Vec<Scanned>, StoreError> {
    let mut found = Vec::new();
    loop {
        let wanted = PAGE.min(limit - found.len());
        let page = snapshot.scan(&range, wanted, Direction::Forward).await?;
        let is_last = page.len() < wanted;
        if let Some(last) = page.last() {
            range = range.after(&last.key);
        }
        found.extend(page);
        if is_last || found.len() == limit {
            return Ok(found);
        }
    }
}
