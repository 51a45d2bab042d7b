//! A store that counts what is read of it, and whose commits fail when told to: before they took
//! effect, or after, when nobody hears of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use headwater_base::Timestamp;
use headwater_store::{
    Bounds, Commit, CommitError, Committed, Direction, Fact, Key, KeyRange, LogId, Lsn, Scanned, Snapshot,
    Store, StoreError, StoreStatus, StoredBatch, Watch, WatchTarget,
};

/// How a commit fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Failure {
    Before,
    After,
}

#[derive(Debug)]
pub(crate) struct WatchedStore {
    inner: Arc<dyn Store>,
    reads: Arc<AtomicUsize>,
    failure: std::sync::Mutex<Option<(usize, Failure)>>,
}

impl WatchedStore {
    pub(crate) fn over(inner: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self { inner, reads: Arc::default(), failure: std::sync::Mutex::default() })
    }

    /// How many facts were asked for and rows read since it was last asked.
    pub(crate) fn take_reads(&self) -> usize {
        self.reads.swap(0, Ordering::Relaxed)
    }

    /// The commit after `commits` more fails, and no other.
    pub(crate) fn fail(&self, commits: usize, failure: Failure) {
        *self.failure.lock().unwrap() = Some((commits, failure));
    }

    /// No commit fails any more.
    pub(crate) fn heal(&self) {
        *self.failure.lock().unwrap() = None;
    }

    fn due(&self) -> Option<Failure> {
        let mut failure = self.failure.lock().unwrap();
        match *failure {
            Some((0, due)) => {
                *failure = None;
                Some(due)
            }
            Some((left, due)) => {
                *failure = Some((left - 1, due));
                None
            }
            None => None,
        }
    }
}

#[derive(Debug)]
struct WatchedSnapshot {
    inner: Arc<dyn Snapshot>,
    reads: Arc<AtomicUsize>,
}

#[async_trait]
impl Snapshot for WatchedSnapshot {
    fn lsn(&self) -> Lsn {
        self.inner.lsn()
    }

    async fn get(&self, key: &Key) -> Result<Option<Fact>, StoreError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.inner.get(key).await
    }

    async fn scan(
        &self,
        range: &KeyRange,
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<Scanned>, StoreError> {
        let rows = self.inner.scan(range, limit, direction).await?;
        self.reads.fetch_add(rows.len(), Ordering::Relaxed);
        Ok(rows)
    }
}

#[async_trait]
impl Store for WatchedStore {
    async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        match self.due() {
            None => self.inner.commit(commit).await,
            Some(Failure::Before) => Err(CommitError::Closed),
            Some(Failure::After) => {
                let _ = self.inner.commit(commit).await;
                Err(CommitError::Closed)
            }
        }
    }

    async fn get(&self, key: &Key) -> Result<Option<Fact>, StoreError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.inner.get(key).await
    }

    async fn scan(
        &self,
        range: &KeyRange,
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<Scanned>, StoreError> {
        let rows = self.inner.scan(range, limit, direction).await?;
        self.reads.fetch_add(rows.len(), Ordering::Relaxed);
        Ok(rows)
    }

    async fn snapshot(&self) -> Result<Arc<dyn Snapshot>, StoreError> {
        let inner = self.inner.snapshot().await?;
        Ok(Arc::new(WatchedSnapshot { inner, reads: self.reads.clone() }))
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

    async fn offset_at(&self, log: LogId, time: Timestamp) -> Result<i64, StoreError> {
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
