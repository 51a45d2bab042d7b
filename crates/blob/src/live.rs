//! Which blobs are being written or wait for the commit that names them: the sweep must not see
//! those.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use crate::BlobId;

/// The ids that [`crate::Blobs::list`] leaves out.
#[derive(Clone, Debug, Default)]
pub(crate) struct LiveIds(Arc<Mutex<HashSet<BlobId>>>);

impl LiveIds {
    /// Marks `id` as live until the returned mark is dropped. Ids are random, so nobody else marks
    /// the same one.
    pub(crate) fn mark(&self, id: BlobId) -> Arc<Live> {
        self.0.lock().expect("no holder of this lock panics").insert(id);
        Arc::new(Live { id, ids: self.clone() })
    }

    /// Whether `id` is marked.
    pub(crate) fn contains(&self, id: BlobId) -> bool {
        self.0.lock().expect("no holder of this lock panics").contains(&id)
    }

    /// Takes the live ids out of `ids`.
    pub(crate) fn remove_from(&self, ids: &mut Vec<BlobId>) {
        let live = self.0.lock().expect("no holder of this lock panics");
        ids.retain(|id| !live.contains(id));
    }
}

/// A mark; dropping the last clone of its `Arc` ends it.
#[derive(Debug)]
pub(crate) struct Live {
    id: BlobId,
    ids: LiveIds,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.ids.0.lock().expect("no holder of this lock panics").remove(&self.id);
    }
}
