//! A store over another: what tests count with, and have fail and crash.
//!
//! A [`Layer`] says what it does differently; everything else goes to the store beneath.

use std::ops::Deref;
use std::sync::Arc;

use async_trait::async_trait;
use headwater_base::Timestamp;

use crate::{
    Bounds, Commit, CommitError, Committed, Direction, Fact, Key, KeyRange, LogId, Scanned, Snapshot, Store,
    StoreError, StoreStatus, StoredBatch, Watch, WatchTarget,
};

/// What happens between a caller and a store. Each call is handed on unless the layer has its own.
#[async_trait]
pub trait Layer: std::fmt::Debug + Send + Sync + 'static {
    /// What lies beneath.
    fn beneath(&self) -> &dyn Store;

    /// [`Store::commit`].
    async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        self.beneath().commit(commit).await
    }

    /// [`Store::get`].
    async fn get(&self, key: &Key) -> Result<Option<Fact>, StoreError> {
        self.beneath().get(key).await
    }

    /// [`Store::scan`].
    async fn scan(
        &self,
        range: &KeyRange,
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<Scanned>, StoreError> {
        self.beneath().scan(range, limit, direction).await
    }

    /// [`Store::snapshot`].
    async fn snapshot(&self) -> Result<Arc<dyn Snapshot>, StoreError> {
        self.beneath().snapshot().await
    }

    /// [`Store::read`].
    async fn read(&self, log: LogId, offset: i64, max_bytes: usize) -> Result<Vec<StoredBatch>, StoreError> {
        self.beneath().read(log, offset, max_bytes).await
    }

    /// [`Store::bounds`].
    async fn bounds(&self, log: LogId) -> Result<Bounds, StoreError> {
        self.beneath().bounds(log).await
    }

    /// [`Store::offset_at`].
    async fn offset_at(&self, log: LogId, time: Timestamp) -> Result<i64, StoreError> {
        self.beneath().offset_at(log, time).await
    }
}

/// A layer with what lies beneath it, as a store.
#[derive(Debug)]
pub struct Layered<L>(pub L);

impl<L> Deref for Layered<L> {
    type Target = L;

    fn deref(&self) -> &L {
        &self.0
    }
}

#[async_trait]
impl<L: Layer> Store for Layered<L> {
    async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        self.0.commit(commit).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Fact>, StoreError> {
        self.0.get(key).await
    }

    async fn scan(
        &self,
        range: &KeyRange,
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<Scanned>, StoreError> {
        self.0.scan(range, limit, direction).await
    }

    async fn snapshot(&self) -> Result<Arc<dyn Snapshot>, StoreError> {
        self.0.snapshot().await
    }

    fn new_log_id(&self) -> LogId {
        self.0.beneath().new_log_id()
    }

    async fn read(&self, log: LogId, offset: i64, max_bytes: usize) -> Result<Vec<StoredBatch>, StoreError> {
        self.0.read(log, offset, max_bytes).await
    }

    async fn bounds(&self, log: LogId) -> Result<Bounds, StoreError> {
        self.0.bounds(log).await
    }

    async fn offset_at(&self, log: LogId, time: Timestamp) -> Result<i64, StoreError> {
        self.0.offset_at(log, time).await
    }

    fn watch(&self, target: WatchTarget) -> Watch {
        self.0.beneath().watch(target)
    }

    async fn wipe(&self, keep: &[Key]) -> Result<(), CommitError> {
        self.0.beneath().wipe(keep).await
    }

    fn status(&self) -> StoreStatus {
        self.0.beneath().status()
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.0.beneath().close().await
    }
}
