//! The engine's handle. Its verbs are spread over the modules beside this one.

use std::sync::Arc;
use std::time::Duration;

use headwater_base::Seams;
use headwater_blob::Blobs;
use headwater_store::Store;
use headwater_work::Work;

use crate::Keyring;
use crate::checksum::HashPool;
use crate::scrub::{Findings, Scrub, ScrubOptions};
use crate::sweep::{Doomed, Pins, Sweep};
use crate::tries::Turns;
use crate::usage::{Books, Count, Quotas, SharedBooks};

/// How often everything is swept, beside the sweeps that deletions ask for.
const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// What the engine may be told.
#[derive(Clone, Debug, Default)]
pub struct ObjectOptions {
    /// What buckets may hold.
    pub quotas: Quotas,
    /// How stored bodies are read again.
    pub scrub: ScrubOptions,
}

/// The engine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Objects {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) seams: Seams,
    /// What bodies are sealed with.
    pub(crate) keyring: Arc<Keyring>,
    /// What the sweep should look at soon.
    pub(crate) doomed: Arc<Doomed>,
    /// Uploads whose parts are being read.
    pub(crate) pins: Arc<Pins>,
    /// Where those wait who lost a race for a key.
    pub(crate) turns: Turns,
    /// What buckets hold and may hold.
    pub(crate) books: SharedBooks,
    /// What the scrub found.
    pub(crate) findings: Arc<Findings>,
    /// Hashes bodies on their way in.
    pub(crate) hashing: Arc<HashPool>,
    scrub: ScrubOptions,
}

impl Objects {
    /// The engine over a store and a place for bodies. Registers its reconcilers with `work`.
    pub fn new(
        store: Arc<dyn Store>,
        blobs: Arc<dyn Blobs>,
        seams: Seams,
        work: &Work,
        options: ObjectOptions,
    ) -> Self {
        let objects = Self::unattended(store, blobs, seams, options);
        let running = work.reconcile(Arc::new(objects.sweep()), SWEEP_EVERY);
        objects.doomed.wake_with(running.signal);
        work.reconcile(Arc::new(objects.count()), Count::EVERY);
        if objects.scrub.bytes_per_second > 0 {
            work.reconcile(Arc::new(objects.scrub()), Scrub::EVERY);
        }
        objects
    }

    /// The engine alone, as it comes: nothing is swept unless [`Objects::sweep`] is run. For tests and
    /// tools.
    pub fn without_sweep(store: Arc<dyn Store>, blobs: Arc<dyn Blobs>, seams: Seams) -> Self {
        Self::unattended(store, blobs, seams, ObjectOptions::default())
    }

    /// The engine without its reconcilers. For tests and tools.
    pub fn unattended(
        store: Arc<dyn Store>,
        blobs: Arc<dyn Blobs>,
        seams: Seams,
        options: ObjectOptions,
    ) -> Self {
        let books = Arc::new(Books::with_quotas(options.quotas));
        let (doomed, pins, findings) = (Arc::default(), Arc::default(), Arc::default());
        let (hashing, scrub) = (Arc::default(), options.scrub);
        let keyring = Arc::new(Keyring::in_memory(seams.clone()));
        let turns = Turns::default();
        Self { store, blobs, seams, keyring, doomed, pins, books, findings, hashing, scrub, turns }
    }

    /// The same with a keyring that outlives the process.
    pub fn with_keyring(mut self, keyring: Arc<Keyring>) -> Self {
        self.keyring = keyring;
        self
    }

    /// The reconciler that removes bodies no fact names.
    pub fn sweep(&self) -> Sweep {
        Sweep::new(self.clone())
    }

    /// The reconciler that reads stored bodies again.
    pub fn scrub(&self) -> Scrub {
        Scrub::new(self.clone(), self.scrub)
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
