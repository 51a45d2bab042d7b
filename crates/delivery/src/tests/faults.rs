//! A store that fails when told to: conflicts, back-pressure, and crashes before and after a
//! commit took effect.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use headwater_store::{
    Bounds, Commit, CommitError, Committed, Direction, Fact, Key, KeyRange, LogId, Scanned, Snapshot, Store,
    StoreError, StoreStatus, StoredBatch, Watch, WatchTarget,
};
use tokio::sync::Notify;

use crate::records::keys;

/// What happens at a commit of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing happens and it says so.
    Conflict,
    /// The store is behind.
    Busy,
    /// The process ends before the commit.
    CrashBefore,
    /// The process ends after the commit, before anyone hears of it.
    CrashAfter,
}

/// Wraps a store; faults strike commits made by work that runs under [`FaultyStore::until_crash`].
#[derive(Debug)]
pub(super) struct FaultyStore {
    inner: Arc<dyn Store>,
    script: Mutex<VecDeque<Fault>>,
    armed: AtomicBool,
    crashed: Notify,
}

impl FaultyStore {
    pub(super) fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, script: Mutex::default(), armed: AtomicBool::new(false), crashed: Notify::new() }
    }

    /// Adds a fault to those that strike one commit each.
    pub(super) fn next(&self, fault: Fault) {
        self.script.lock().unwrap().push_back(fault);
    }

    /// No more faults.
    pub(super) fn clear(&self) {
        self.script.lock().unwrap().clear();
    }

    /// Runs `work` until it ends, or until the process "crashes": then it is dropped.
    pub(super) async fn until_crash<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.armed.store(true, Ordering::Release);
        let ended = tokio::select! {
            biased;
            () = self.crashed.notified() => None,
            done = work => Some(done),
        };
        self.armed.store(false, Ordering::Release);
        ended
    }

    async fn crash(&self) -> ! {
        self.crashed.notify_one();
        std::future::pending().await
    }
}

#[async_trait]
impl Store for FaultyStore {
    async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        let armed = self.armed.load(Ordering::Acquire);
        let fault = if armed { self.script.lock().unwrap().pop_front() } else { None };
        match fault {
            None => self.inner.commit(commit).await,
            Some(Fault::Conflict) => Err(CommitError::Conflict(keys::head(0))),
            Some(Fault::Busy) => Err(CommitError::Busy),
            Some(Fault::CrashBefore) => self.crash().await,
            Some(Fault::CrashAfter) => {
                let _ = self.inner.commit(commit).await;
                self.crash().await
            }
        }
    }

    async fn get(&self, key: &Key) -> Result<Option<Fact>, StoreError> {
        self.inner.get(key).await
    }

    async fn scan(
        &self,
        range: &KeyRange,
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<Scanned>, StoreError> {
        self.inner.scan(range, limit, direction).await
    }

    async fn snapshot(&self) -> Result<Arc<dyn Snapshot>, StoreError> {
        self.inner.snapshot().await
    }

    fn new_log_id(&self) -> LogId {
        self.inner.new_log_id()
    }

    async fn read(&self, log: LogId, offset: i64, max_bytes: usize) -> Result<Vec<StoredBatch>, StoreError> {
        self.inner.read(log, offset, max_bytes).await
    }

    async fn bounds(&self, log: LogId) -> Result<Bounds, StoreError> {
        self.inner.bounds(log).await
    }

    async fn offset_at(&self, log: LogId, time: headwater_base::Timestamp) -> Result<i64, StoreError> {
        self.inner.offset_at(log, time).await
    }

    fn watch(&self, target: WatchTarget) -> Watch {
        self.inner.watch(target)
    }

    async fn wipe(&self, keep: &[Key]) -> Result<(), CommitError> {
        self.inner.wipe(keep).await
    }

    fn status(&self) -> StoreStatus {
        self.inner.status()
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.inner.close().await
    }
}
