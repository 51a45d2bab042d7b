//! The engine's handle. Its verbs are spread over the modules beside this one.

use std::sync::Arc;
use std::time::Duration;

use headwater_base::Seams;
use headwater_blob::Blobs;
use headwater_store::Store;
use headwater_work::Work;

use crate::sweep::{Doomed, Pins, Sweep};
use crate::tries::Turns;

/// How often everything is swept, beside the sweeps that deletions ask for.
const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// The engine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Objects {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) seams: Seams,
    /// What the sweep should look at soon.
    pub(crate) doomed: Arc<Doomed>,
    /// Uploads whose parts are being read.
    pub(crate) pins: Arc<Pins>,
    /// Where those wait who lost a race for a key.
    pub(crate) turns: Turns,
}

impl Objects {
    /// The engine over a store and a place for bodies. Registers its sweep with `work`.
    pub fn new(store: Arc<dyn Store>, blobs: Arc<dyn Blobs>, seams: Seams, work: &Work) -> Self {
        let objects = Self::without_sweep(store, blobs, seams);
        let running = work.reconcile(Arc::new(objects.sweep()), SWEEP_EVERY);
        objects.doomed.wake_with(running.signal);
        objects
    }

    /// The engine alone: nothing is swept unless [`Objects::sweep`] is run. For tests and tools.
    pub fn without_sweep(store: Arc<dyn Store>, blobs: Arc<dyn Blobs>, seams: Seams) -> Self {
        Self { store, blobs, seams, doomed: Arc::default(), pins: Arc::default(), turns: Turns::default() }
    }

    /// The reconciler that removes bodies no fact names.
    pub fn sweep(&self) -> Sweep {
        Sweep::new(self.clone())
    }

    /// The store the objects' facts live in, for engines whose commits span several engines.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Time and chance, as given to the engine.
    pub fn seams(&self) -> &Seams {
        &self.seams
    }
}
