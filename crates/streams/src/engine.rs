//! The streams engine: the handle that every face and delivery shares.
//!
//! Its verbs stand in the modules that do the work: `lifecycle` (create, list, delete), `settings`,
//! `reshard`, `put`, `read`, `tags`, `retention`, `consumers`, `fanout`.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use headwater_base::Seams;
use headwater_store::{Commit, Key, Store};
use headwater_work::{Running, Work};

use crate::cache::Cache;
use crate::changes::Changes;
use crate::fanout::Fanout;
use crate::memory::Memory;
use crate::read::ANSWERS_BYTES_MAX;
use crate::retention::Trimmer;
use crate::token::Sealer;
use crate::{Stream, StreamError, StreamKey, records};

/// How often records past their retention are looked for.
const TRIM_EVERY: Duration = Duration::from_secs(60);

/// The engine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Streams {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) seams: Seams,
    pub(crate) cache: Arc<Cache>,
    pub(crate) changes: Arc<Changes>,
    /// How many records were distributed evenly since the start.
    pub(crate) spread: Arc<AtomicU64>,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) trimmer: Running,
    pub(crate) fanout: Arc<Fanout>,
    /// Memory for the answers to reads.
    pub(crate) answers: Memory,
    pub(crate) work: Work,
}

impl Streams {
    /// The engine over a store. Registers its reconciler (retention) with `work`.
    pub fn new(store: Arc<dyn Store>, seams: Seams, work: &Work) -> Self {
        let trimmer = Arc::new(Trimmer::new(Arc::clone(&store), seams.clone()));
        Self {
            cache: Arc::new(Cache::new(store.as_ref())),
            changes: Arc::default(),
            spread: Arc::default(),
            sealer: Arc::new(Sealer::new(store.as_ref(), seams.chance.clone())),
            trimmer: work.reconcile(trimmer, TRIM_EVERY),
            fanout: Arc::new(Fanout::new()),
            answers: Memory::new(ANSWERS_BYTES_MAX),
            work: work.clone(),
            store,
            seams,
        }
    }

    /// The stream as it is now (cached; always as fresh as the last published commit).
    ///
    /// # Errors
    /// [`StreamError::NoSuchStream`], or the store's.
    pub async fn get(&self, key: &StreamKey) -> Result<Arc<Stream>, StreamError> {
        self.cache.get(self.store.as_ref(), key).await?.ok_or_else(|| StreamError::NoSuchStream(key.clone()))
    }

    /// Adds to `commit` the check that this incarnation of the stream is still there.
    pub fn stage_expect_alive(&self, commit: &mut Commit, stream: &Stream) {
        let key = Self::guard_key(&stream.key, stream.incarnation);
        commit.stage(|c| c.expect_present(key));
    }

    /// The guard fact of an incarnation: written at creation and whenever its shards change, removed
    /// at deletion.
    pub fn guard_key(key: &StreamKey, incarnation: u64) -> Key {
        records::guard_key(key, incarnation)
    }
}

#[cfg(test)]
mod tests;
