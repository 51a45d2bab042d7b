//! The engine's handle. Its verbs are spread over the modules beside this one.

use std::sync::Arc;
use std::time::Duration;

use headwater_base::Seams;
use headwater_blob::Blobs;
use headwater_store::Store;
use headwater_work::Work;

use crate::Keyring;
use crate::checksum::HashPool;
use crate::lifecycle::{Day, Lifecycles, Rulebook};
use crate::restore;
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
    /// Where bodies of the colder classes lie, if there is such a place.
    pub(crate) cold: Option<Arc<dyn Blobs>>,
    /// How long a day of rules and of restored copies is.
    pub(crate) day: Day,
    pub(crate) seams: Seams,
    /// What bodies are sealed with.
    pub(crate) keyring: Arc<Keyring>,
    /// What the sweep should look at soon.
    pub(crate) doomed: Arc<Doomed>,
    /// Uploads whose parts are being read.
    pub(crate) pins: Arc<Pins>,
    /// Where those wait who lost a race for a key.
    pub(crate) turns: Turns,
    /// Rules that were read, and who acts on them.
    pub(crate) rulebook: Arc<Rulebook>,
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
        Self::unattended(store, blobs, seams, options).attended(work)
    }

    /// Registers its reconcilers with `work`.
    pub fn attended(self, work: &Work) -> Self {
        let running = work.reconcile(Arc::new(self.sweep()), SWEEP_EVERY);
        self.doomed.wake_with(running.signal);
        work.reconcile(Arc::new(self.count()), Count::EVERY);
        if self.scrub.bytes_per_second > 0 {
            work.reconcile(Arc::new(self.scrub()), Scrub::EVERY);
        }
        let lifecycles = work.reconcile(Arc::new(self.lifecycles()), self.look_every());
        let restores = work.reconcile(Arc::new(self.restores()), restore::LOOK_EVERY);
        self.rulebook.wake_with(lifecycles.signal, restores.signal);
        self
    }

    /// With a second place for bodies, where those of the colder classes lie.
    pub fn with_cold(self, cold: Option<Arc<dyn Blobs>>) -> Self {
        Self { cold, ..self }
    }

    /// With days of another length, for trying rules out.
    pub fn with_day(self, day: Day) -> Self {
        Self { day, ..self }
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
        Self {
            store,
            blobs,
            cold: None,
            day: Day::default(),
            keyring: Arc::new(Keyring::in_memory(seams.clone())),
            seams,
            doomed,
            pins,
            turns: Turns::default(),
            rulebook: Arc::default(),
            books,
            findings,
            hashing,
            scrub,
        }
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

    /// The reconciler that does what rules ask for.
    pub fn lifecycles(&self) -> Lifecycles {
        Lifecycles::new(self.clone())
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
