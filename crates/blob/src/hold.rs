//! Deletions that wait until whoever copies the blobs is done.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::BlobId;

/// Who holds, and what was to be deleted meanwhile.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    holds: usize,
    ids: HashSet<BlobId>,
}

impl Held {
    /// Begins to hold; `delete` removes, at the end of the last hold, each blob that was to be deleted.
    pub(crate) fn hold(&self, delete: impl Fn(BlobId) + Send + Sync + 'static) -> Hold {
        self.lock().holds += 1;
        Hold { held: self.clone(), delete: Box::new(delete) }
    }

    /// Remembers a deletion if somebody holds; otherwise it is to be done now.
    pub(crate) fn remembers(&self, id: BlobId) -> bool {
        let mut waiting = self.lock();
        if waiting.holds > 0 {
            waiting.ids.insert(id);
        }
        waiting.holds > 0
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

/// While one lives, no blob goes ([`crate::Blobs::hold`]). Dropping the last one deletes what was to be
/// deleted meanwhile, which is file work: drop it on the blocking pool.
pub struct Hold {
    held: Held,
    delete: Box<dyn Fn(BlobId) + Send + Sync>,
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold").finish_non_exhaustive()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut waiting = self.held.lock();
        waiting.holds -= 1;
        if waiting.holds > 0 {
            return;
        }
        let ids = std::mem::take(&mut waiting.ids);
        drop(waiting);
        ids.into_iter().for_each(&self.delete);
    }
}
