//! The catalog engine: what its verbs share. The verbs themselves stand in `databases`, `tables`
//! and `partitions`.

use std::sync::Arc;

use headwater_base::{Seams, Timestamp};
use headwater_store::{Commit, Committed, Direction, Key, KeyRange, Scanned, Store};

use crate::CatalogError;
use crate::storages::StorageCache;

/// How often an update that lost a race is tried again.
pub(crate) const RACES_MAX: usize = 16;
/// The most facts read at once.
pub(crate) const PAGE_ROWS: usize = 1000;

/// The engine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Catalog {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) seams: Seams,
    pub(crate) storages: Arc<StorageCache>,
}

impl Catalog {
    /// The engine over a store.
    pub fn new(store: Arc<dyn Store>, seams: Seams) -> Self {
        Self { store, seams, storages: Arc::default() }
    }

    /// The time, for what is created now.
    pub(crate) fn now(&self) -> Timestamp {
        self.seams.clock.now()
    }

    /// Commits; a conflict means that `what` was changed meanwhile.
    pub(crate) async fn commit(&self, commit: Commit, what: &str) -> Result<Committed, CatalogError> {
        self.store.commit(commit).await.map_err(|error| CatalogError::of_commit(error, what))
    }

    /// Up to `limit` facts whose key begins with `prefix`, after `after`.
    pub(crate) async fn page(
        &self,
        prefix: &Key,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<Scanned>, CatalogError> {
        let range = KeyRange::prefix(prefix);
        let range = match after {
            Some(key) => range.after(key),
            None => range,
        };
        Ok(self.store.scan(&range, limit, Direction::Forward).await?)
    }
}
