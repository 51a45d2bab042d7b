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
use headwater_store::{Direction, KeyRange, Snapshot, Store, StoreError, Watch, WatchTarget};

use crate::records::{ShardRow, StreamRow};
use crate::stream::Ring;
use crate::{Encryption, SHARDS_MAX, Stream, StreamKey, StreamMode, StreamStatus};

/// How many streams are held; beyond it the cache starts anew.
const STREAMS_MAX: usize = 10_000;

/// How many shards are read at once.
const SHARD_PAGE: usize = SHARDS_MAX as usize;

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
        let Some(stream) = load(snapshot.as_ref(), key).await? else { return Ok(None) };
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

/// Reads a stream and its shards as they are in one snapshot.
pub(crate) async fn load(snapshot: &dyn Snapshot, key: &StreamKey) -> Result<Option<Stream>, StoreError> {
    let Some(fact) = snapshot.get(&StreamRow::key(key)).await? else { return Ok(None) };
    let row = StreamRow::decode(&fact.value)?;
    let range = KeyRange::prefix(&ShardRow::prefix(row.incarnation));
    let scanned = snapshot.scan(&range, SHARD_PAGE, Direction::Forward).await?;
    let shards = scanned
        .iter()
        .map(|s| ShardRow::decode(&s.key, &s.fact.value))
        .collect::<Result<Vec<_>, StoreError>>()?;
    Ok(Some(Stream {
        key: key.clone(),
        incarnation: row.incarnation,
        status: StreamStatus::Active,
        mode: if row.on_demand { StreamMode::OnDemand } else { StreamMode::Provisioned },
        created: Timestamp::from_ms(row.created_ms),
        retention: row.retention(),
        encryption: row.key_id.map(|key_id| Encryption { key_id }),
        version: fact.version,
        ring: Ring::of(&shards),
        shards,
    }))
}
