//! A store and a place for blobs that fail, and a node that crashes, at moments drawn from the seed.
//!
//! Each call draws its fate: it happens; it fails and leaves no trace, as the store promises of its errors; or
//! the node crashes, before the call or right after it. A crash is a call that never returns: whoever runs
//! the node waits for [`Fate::crashed`] and drops everything that was under way.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use headwater_base::{Seams, Timestamp};
use headwater_blob::{BlobError, BlobId, BlobReader, BlobWriter, Blobs, Hold, UploadHandle};
use headwater_store::layered::Layer;
use headwater_store::{
    Bounds, Commit, CommitError, Committed, Direction, Fact, Key, KeyRange, LogId, Scanned, Snapshot, Store,
    StoreError, StoredBatch,
};
use tokio::sync::Notify;

/// What happens to calls, shared by everything of one life of the node.
#[derive(Debug)]
pub struct Fate {
    seams: Seams,
    /// One call in so many fails; 0: none.
    failures: AtomicU64,
    /// One call in so many crashes the node; 0: none.
    crashes: AtomicU64,
    is_dead: AtomicBool,
    death: Notify,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Drawn {
    Happens,
    Fails,
    CrashesAfter,
}

impl Fate {
    /// A life in which nothing happens yet.
    pub fn new(seams: Seams) -> Arc<Self> {
        Arc::new(Self {
            seams,
            failures: AtomicU64::new(0),
            crashes: AtomicU64::new(0),
            is_dead: AtomicBool::new(false),
            death: Notify::new(),
        })
    }

    /// From now on one call in `failures` fails and one in `crashes` is the last.
    pub fn set(&self, failures: u64, crashes: u64) {
        self.failures.store(failures, Ordering::Relaxed);
        self.crashes.store(crashes, Ordering::Relaxed);
    }

    /// Returns once the node has crashed.
    pub async fn crashed(&self) {
        while !self.is_dead.load(Ordering::Acquire) {
            self.death.notified().await;
        }
    }

    fn hits(&self, one_in: &AtomicU64) -> bool {
        let one_in = one_in.load(Ordering::Relaxed);
        one_in > 0 && self.seams.chance.below(one_in) == 0
    }

    async fn die(&self) {
        self.is_dead.store(true, Ordering::Release);
        self.death.notify_one();
        std::future::pending().await
    }

    async fn draw(&self) -> Drawn {
        if self.is_dead.load(Ordering::Acquire) {
            std::future::pending::<()>().await;
        }
        if self.hits(&self.crashes) {
            if self.seams.chance.below(2) == 0 {
                self.die().await;
            }
            return Drawn::CrashesAfter;
        }
        if self.hits(&self.failures) { Drawn::Fails } else { Drawn::Happens }
    }

    /// Runs a call to whatever is drawn for it.
    async fn of<T, E>(&self, call: impl Future<Output = Result<T, E>>, failure: E) -> Result<T, E> {
        match self.draw().await {
            Drawn::Happens => call.await,
            Drawn::Fails => Err(failure),
            Drawn::CrashesAfter => {
                drop(call.await);
                self.die().await;
                Err(failure)
            }
        }
    }
}

fn io() -> StoreError {
    StoreError::Io("as drawn".to_owned())
}

fn blob_io() -> BlobError {
    BlobError::Io("as drawn".to_owned())
}

/// Gives the calls of a store a fate.
#[derive(Debug)]
pub struct FaultyStore {
    /// What lies beneath, and outlives the node.
    pub inner: Arc<dyn Store>,
    /// What happens.
    pub fate: Arc<Fate>,
}

#[async_trait]
impl Layer for FaultyStore {
    fn beneath(&self) -> &dyn Store {
        &*self.inner
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        self.fate.of(self.inner.commit(commit), CommitError::Busy).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Fact>, StoreError> {
        self.fate.of(self.inner.get(key), io()).await
    }

    async fn scan(
        &self,
        range: &KeyRange,
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<Scanned>, StoreError> {
        self.fate.of(self.inner.scan(range, limit, direction), io()).await
    }

    async fn snapshot(&self) -> Result<Arc<dyn Snapshot>, StoreError> {
        self.fate.of(self.inner.snapshot(), io()).await
    }

    async fn read(&self, log: LogId, offset: i64, max_bytes: usize) -> Result<Vec<StoredBatch>, StoreError> {
        self.fate.of(self.inner.read(log, offset, max_bytes), io()).await
    }

    async fn bounds(&self, log: LogId) -> Result<Bounds, StoreError> {
        self.fate.of(self.inner.bounds(log), io()).await
    }

    async fn offset_at(&self, log: LogId, time: Timestamp) -> Result<i64, StoreError> {
        self.fate.of(self.inner.offset_at(log, time), io()).await
    }
}

/// A place for blobs whose calls have a fate.
#[derive(Debug)]
pub struct FaultyBlobs {
    /// What lies beneath, and outlives the node.
    pub inner: Arc<dyn Blobs>,
    /// What happens.
    pub fate: Arc<Fate>,
}

#[derive(Debug)]
struct FaultyWriter {
    inner: Box<dyn BlobWriter>,
    fate: Arc<Fate>,
}

#[derive(Debug)]
struct FaultyReader {
    inner: Arc<dyn BlobReader>,
    fate: Arc<Fate>,
}

#[async_trait]
impl Blobs for FaultyBlobs {
    async fn create(&self) -> Result<Box<dyn BlobWriter>, BlobError> {
        let inner = self.fate.of(self.inner.create(), BlobError::Full).await?;
        Ok(Box::new(FaultyWriter { inner, fate: self.fate.clone() }))
    }

    async fn open(&self, id: BlobId) -> Result<Arc<dyn BlobReader>, BlobError> {
        let inner = self.fate.of(self.inner.open(id), blob_io()).await?;
        Ok(Arc::new(FaultyReader { inner, fate: self.fate.clone() }))
    }

    async fn delete(&self, id: BlobId) -> Result<(), BlobError> {
        self.fate.of(self.inner.delete(id), blob_io()).await
    }

    fn hold(&self) -> Hold {
        self.inner.hold()
    }

    async fn list(&self) -> Result<Vec<BlobId>, BlobError> {
        // In an order that does not depend on how the place keeps them.
        let mut ids = self.fate.of(self.inner.list(), blob_io()).await?;
        ids.sort_unstable();
        Ok(ids)
    }

    fn is_live(&self, id: BlobId) -> bool {
        self.inner.is_live(id)
    }

    fn free_bytes(&self) -> u64 {
        self.inner.free_bytes()
    }
}

#[async_trait]
impl BlobWriter for FaultyWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        self.fate.of(self.inner.write(bytes), BlobError::Full).await
    }

    async fn finish(self: Box<Self>) -> Result<UploadHandle, BlobError> {
        let Self { inner, fate } = *self;
        fate.of(inner.finish(), blob_io()).await
    }
}

#[async_trait]
impl BlobReader for FaultyReader {
    fn len(&self) -> u64 {
        self.inner.len()
    }

    async fn read(&self, range: Range<u64>) -> Result<Bytes, BlobError> {
        self.fate.of(self.inner.read(range), blob_io()).await
    }

    fn stream(self: Arc<Self>, range: Range<u64>) -> BoxStream<'static, Result<Bytes, BlobError>> {
        self.inner.clone().stream(range)
    }
}
