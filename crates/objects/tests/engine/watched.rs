//! A store that counts what is read of it, and whose commits fail when told to: before they took
//! effect, or after, when nobody hears of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use headwater_store::layered::{Layer, Layered};
use headwater_store::{
    Commit, CommitError, Committed, Direction, Fact, Key, KeyRange, Lsn, Scanned, Snapshot, Store, StoreError,
};

/// How a commit fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Failure {
    Before,
    After,
}

/// A store that is watched.
pub(crate) type WatchedStore = Layered<Watched>;

#[derive(Debug)]
pub(crate) struct Watched {
    inner: Arc<dyn Store>,
    reads: Arc<AtomicUsize>,
    failure: std::sync::Mutex<Option<(usize, Failure)>>,
}

impl Watched {
    pub(crate) fn over(inner: Arc<dyn Store>) -> Arc<WatchedStore> {
        Arc::new(Layered(Self { inner, reads: Arc::default(), failure: std::sync::Mutex::default() }))
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
impl Layer for Watched {
    fn beneath(&self) -> &dyn Store {
        &*self.inner
    }

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
}
