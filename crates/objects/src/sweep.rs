//! The sweep: removes bodies that no fact names.
//!
//! ```text
//! full pass   uploads, page by page ─► list blobs (live uploads left out) ─► those of the cold tier
//!             every few of them: snapshot ─► per blob: its references
//!                 none true: delete references, then the file
//! hints       what deletes and overwrites let go of, looked at soon
//! ```
//! A reference `(blob, namer)` is true when the namer's fact names the blob in the snapshot. Stale
//! ones (left when two writers of one key cross) are removed with an expect on their version.
//! Uploads are handled the same way, one level up: parts are named by their upload, an upload by
//! the `UPLOAD` fact while it is under way and by the objects' facts once completed. An object's fact
//! is `CURRENT` of a plain key and the `VERSION` row of one with versions, whose `CURRENT` is but a
//! copy and names nothing.
//!
//! **Why nothing that is needed goes.** A blob's first namer is committed while its upload handle
//! lives, and the handle keeps it off the list; the snapshot is taken after the list. A later namer
//! is a copy, which expects its source unchanged. So what no fact names in the snapshot will never
//! be named. Readers hold blobs open, and pin uploads before they look at the fact again.
//!
//! **Memory.** Uploads are read in pages. Blobs are listed as the body store lists them, all of one tier at a
//! time: 17 bytes a blob, twice that while the list is made (34 MB for a million).

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use headwater_blob::BlobId;
use headwater_store::{Commit, CommitError, Direction, Key, KeyRange, Kind, Scanned, Snapshot, StoreError};
use headwater_work::{Pass, Reconciler, Signal, TaskResult};

use crate::put::release;
use crate::records::object::{ObjectRecord, PlaceRecord};
use crate::records::upload::PartRecord;
use crate::records::{decode, keys};
use crate::tier::Tier;
use crate::{ObjectError, Objects};

/// How many blobs or uploads a pass looks at.
const PASS_TARGETS: usize = 256;

/// How many hints are kept; more are dropped and found by the next full pass.
const HINTS_MAX: usize = 10_000;

/// How many facts of an upload are removed by one commit.
const COMMIT_FACTS: usize = 1000;

/// How long after a full pass the next one begins.
const FULL_PASS_EVERY: Duration = Duration::from_secs(600);

/// Something that may no longer be named.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Target {
    Blob(BlobId),
    /// A blob of the cold tier.
    Cold(BlobId),
    Upload([u8; 16]),
}

/// What deletes and overwrites let go of.
#[derive(Debug, Default)]
pub(crate) struct Doomed {
    queue: Mutex<VecDeque<Target>>,
    signal: OnceLock<Signal>,
}

impl Doomed {
    pub(crate) fn wake_with(&self, signal: Signal) {
        // Set once, by the engine's constructor.
        let _ = self.signal.set(signal);
    }

    pub(crate) fn wake(&self) {
        if let Some(signal) = self.signal.get() {
            signal.notify();
        }
    }

    /// Hands a target to the sweep; nothing if there is none.
    pub(crate) fn push(&self, target: Option<Target>) {
        let Some(target) = target else { return };
        let mut queue = self.queue.lock().expect("no holder of this lock panics");
        if queue.len() < HINTS_MAX {
            queue.push_back(target);
        }
        drop(queue);
        self.wake();
    }

    fn take(&self, limit: usize) -> Vec<Target> {
        let mut queue = self.queue.lock().expect("no holder of this lock panics");
        let count = queue.len().min(limit);
        queue.drain(..count).collect()
    }
}

/// How many readers hold each upload's parts.
#[derive(Debug, Default)]
pub(crate) struct Pins(Mutex<HashMap<[u8; 16], usize>>);

impl Pins {
    /// Pins an upload's parts while the returned pin lives.
    pub(crate) fn pin(self: &Arc<Self>, upload: [u8; 16]) -> Pin {
        *self.0.lock().expect("no holder of this lock panics").entry(upload).or_default() += 1;
        Pin { pins: self.clone(), upload }
    }

    pub(crate) fn holds(&self, upload: &[u8; 16]) -> bool {
        self.0.lock().expect("no holder of this lock panics").contains_key(upload)
    }
}

/// See [`Pins::pin`].
#[derive(Debug)]
pub(crate) struct Pin {
    pins: Arc<Pins>,
    upload: [u8; 16],
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut pins = self.pins.0.lock().expect("no holder of this lock panics");
        if let Some(count) = pins.get_mut(&self.upload) {
            *count -= 1;
            if *count == 0 {
                pins.remove(&self.upload);
            }
        }
    }
}

/// Removes bodies that no fact names; run by `work`.
#[derive(Debug)]
pub struct Sweep {
    objects: Objects,
    full: Mutex<FullPass>,
}

/// How far the pass over everything is.
#[derive(Debug, Default)]
struct FullPass {
    /// What is left to look at of what was read last.
    left: VecDeque<Target>,
    /// What is read when nothing is left.
    next: Next,
    /// When the last one began, by the monotonic clock.
    begun: Option<Duration>,
}

/// What a full pass reads next.
#[derive(Clone, Debug, Default)]
enum Next {
    /// The uploads whose references lie in this range.
    Uploads(KeyRange),
    Blobs,
    ColdBlobs,
    #[default]
    Nothing,
}

#[async_trait]
impl Reconciler for Sweep {
    fn name(&self) -> String {
        "objects: sweep bodies nobody names".to_owned()
    }

    async fn pass(&self) -> TaskResult<Pass> {
        Ok(self.step().await?)
    }
}

impl Sweep {
    pub(crate) fn new(objects: Objects) -> Self {
        Self { objects, full: Mutex::default() }
    }

    /// One bounded step: hints first, then a piece of the full pass.
    ///
    /// # Errors
    /// The store's or the disk's; the step can be repeated.
    pub async fn step(&self) -> Result<Pass, ObjectError> {
        let mut targets = self.objects.doomed.take(PASS_TARGETS);
        if targets.is_empty() {
            if self.full_pass_due() {
                self.begin_full_pass();
            }
            targets = self.take_from_full_pass().await?;
        } else {
            // A commit may yet name a blob whose upload handle lives; the full pass comes back to it.
            targets.retain(|target| !self.is_live(target));
            if targets.is_empty() {
                return Ok(Pass::More);
            }
        }
        if targets.is_empty() {
            return Ok(Pass::Done);
        }
        // Before the snapshot: who copies an upload pins it until the commit that names it is published.
        targets.retain(|target| !matches!(target, Target::Upload(id) if self.objects.pins.holds(id)));
        let snapshot = self.objects.store.snapshot().await?;
        let mut failed = None;
        for target in targets {
            let outcome = match target {
                Target::Blob(id) => self.sweep_blob(&*snapshot, Tier::Hot, id).await,
                Target::Cold(id) => self.sweep_blob(&*snapshot, Tier::Cold, id).await,
                Target::Upload(upload) => self.sweep_upload(&*snapshot, upload).await,
            };
            // One damaged fact must not keep the rest from being swept.
            failed = failed.or(outcome.err());
        }
        failed.map_or(Ok(Pass::More), Err)
    }

    fn is_live(&self, target: &Target) -> bool {
        match target {
            Target::Blob(id) => self.objects.blobs.is_live(*id),
            Target::Cold(id) => self.objects.cold.as_ref().is_some_and(|cold| cold.is_live(*id)),
            Target::Upload(_) => false,
        }
    }

    /// Begins a full pass at the next step, whenever the last one was.
    pub fn start_over(&self) {
        self.full().begun = None;
    }

    fn full_pass_due(&self) -> bool {
        let now = self.objects.seams.clock.monotonic();
        let full = self.full();
        let is_over = full.left.is_empty() && matches!(full.next, Next::Nothing);
        is_over && full.begun.is_none_or(|begun| now.saturating_sub(begun) >= FULL_PASS_EVERY)
    }

    fn begin_full_pass(&self) {
        let next = Next::Uploads(KeyRange::prefix(&keys::all_upload_refs()));
        let begun = Some(self.objects.seams.clock.monotonic());
        *self.full() = FullPass { left: VecDeque::new(), next, begun };
    }

    async fn take_from_full_pass(&self) -> Result<Vec<Target>, ObjectError> {
        loop {
            let next = {
                let mut full = self.full();
                let count = full.left.len().min(PASS_TARGETS);
                if count > 0 {
                    return Ok(full.left.drain(..count).collect());
                }
                full.next.clone()
            };
            let (left, next) = match next {
                Next::Uploads(range) => self.uploads(range).await?,
                Next::Blobs => {
                    let blobs = self.objects.blobs.list().await?;
                    (blobs.into_iter().map(Target::Blob).collect(), Next::ColdBlobs)
                }
                Next::ColdBlobs => {
                    let cold = match &self.objects.cold {
                        Some(cold) => cold.list().await?,
                        None => Vec::new(),
                    };
                    (cold.into_iter().map(Target::Cold).collect(), Next::Nothing)
                }
                Next::Nothing => return Ok(Vec::new()),
            };
            let mut full = self.full();
            (full.left, full.next) = (left, next);
        }
    }

    fn full(&self) -> MutexGuard<'_, FullPass> {
        self.full.lock().expect("no holder of this lock panics")
    }

    /// A page of the uploads that somebody names, truly or not.
    async fn uploads(&self, range: KeyRange) -> Result<(VecDeque<Target>, Next), ObjectError> {
        let rows = self.objects.store.scan(&range, COMMIT_FACTS, Direction::Forward).await?;
        let mut found: Vec<[u8; 16]> =
            rows.iter().filter_map(|row| keys::ref_of(&row.key)).map(|(upload, _)| upload).collect();
        found.dedup();
        let next = match rows.last() {
            Some(last) if rows.len() == COMMIT_FACTS => Next::Uploads(range.after(&last.key)),
            _ => Next::Blobs,
        };
        Ok((found.into_iter().map(Target::Upload).collect(), next))
    }

    async fn sweep_blob(&self, snapshot: &dyn Snapshot, tier: Tier, id: BlobId) -> Result<(), ObjectError> {
        let (references, place) = match tier {
            Tier::Hot => (keys::blob_refs(id), PlaceRecord::Blob(id.0.into())),
            Tier::Cold => (keys::cold_refs(id), PlaceRecord::Cold(id.0.into())),
        };
        let references = rows(snapshot, &references).await?;
        let mut stale = Vec::new();
        for reference in &references {
            if !names_blob(snapshot, &reference.key, &place).await? {
                stale.push(reference);
            }
        }
        let named = stale.len() < references.len();
        self.remove_references(&stale).await?;
        if !named {
            metrics::counter!("headwater_objects_swept_blobs_total").increment(1);
            self.objects.place_for(tier)?.delete(id).await?;
        }
        Ok(())
    }

    /// Removes stale references, unless a copy made one true meanwhile.
    async fn remove_references(&self, stale: &[&Scanned]) -> Result<(), ObjectError> {
        for reference in stale {
            let commit = Commit::new()
                .expect(reference.key.clone(), reference.fact.version)
                .delete(reference.key.clone())
                .freeing();
            match self.objects.store.commit(commit).await {
                Ok(_) | Err(CommitError::Conflict(_)) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    async fn sweep_upload(&self, snapshot: &dyn Snapshot, upload: [u8; 16]) -> Result<(), ObjectError> {
        let references = rows(snapshot, &keys::upload_refs(upload)).await?;
        let mut stale = Vec::new();
        for reference in &references {
            if !names_upload(snapshot, &reference.key, upload).await? {
                stale.push(reference);
            }
        }
        // Pins are looked at after the snapshot: who pins later reads the fact later, too.
        if stale.len() == references.len() {
            if self.objects.pins.holds(&upload) {
                return Ok(());
            }
            self.remove_upload(snapshot, upload).await?;
        }
        self.remove_namers(&stale).await?;
        self.remove_references(&stale).await
    }

    /// Removes an upload's parts; their blobs become targets themselves.
    async fn remove_upload(&self, snapshot: &dyn Snapshot, upload: [u8; 16]) -> Result<(), ObjectError> {
        let mut range = KeyRange::prefix(&keys::parts(upload));
        loop {
            let parts = snapshot.scan(&range, COMMIT_FACTS, Direction::Forward).await?;
            let mut commit = Commit::new().freeing().delete(keys::layout(upload));
            let mut targets = Vec::new();
            for part in &parts {
                let record: PartRecord = decode(&part.key, &part.fact.value)?;
                release(&mut commit, &record.place, &part.key);
                let number = keys::part_number_of(&part.key).unwrap_or_default();
                commit.stage(|c| c.delete(part.key.clone()).delete(keys::part_body(upload, number)));
                targets.push(crate::put::target_of_place(&record.place));
            }
            self.objects.store.commit(commit).await?;
            targets.into_iter().for_each(|target| self.objects.doomed.push(target));
            match parts.last() {
                Some(last) if parts.len() == COMMIT_FACTS => range = range.after(&last.key),
                _ => return Ok(()),
            }
        }
    }

    /// Removes the `UPLOAD` facts of buckets that are gone.
    async fn remove_namers(&self, stale: &[&Scanned]) -> Result<(), ObjectError> {
        let mut commit = Commit::new().freeing();
        for reference in stale {
            let namer = keys::ref_of(&reference.key).map(|(_, namer)| namer);
            if let Some(namer) = namer.filter(|namer| namer.reader().kind() == Some(keys::UPLOAD)) {
                commit.stage(|c| c.delete(namer));
            }
        }
        if !commit.is_empty() {
            self.objects.store.commit(commit).await?;
        }
        Ok(())
    }
}

async fn rows(snapshot: &dyn Snapshot, prefix: &Key) -> Result<Vec<Scanned>, StoreError> {
    let mut range = KeyRange::prefix(prefix);
    let mut found = Vec::new();
    loop {
        let rows = snapshot.scan(&range, COMMIT_FACTS, Direction::Forward).await?;
        let more = rows.len() == COMMIT_FACTS;
        found.extend(rows);
        match found.last() {
            Some(last) if more => range = range.after(&last.key),
            _ => return Ok(found),
        }
    }
}

/// Whether the fact that a reference points to names the blob.
pub(crate) async fn names_blob(
    snapshot: &dyn Snapshot,
    reference: &Key,
    place: &PlaceRecord,
) -> Result<bool, StoreError> {
    let Some((_, namer)) = keys::ref_of(reference) else {
        return Ok(false);
    };
    let Some(fact) = snapshot.get(&namer).await? else {
        return Ok(false);
    };
    match namer.reader().kind() {
        Some(kind @ (keys::CURRENT | keys::VERSION)) => object_names(kind, &namer, &fact.value, place),
        Some(keys::PART) => Ok(decode::<PartRecord>(&namer, &fact.value)?.place == *place),
        // A namer of a kind this program does not know: leave the blob alone.
        _ => Ok(true),
    }
}

/// Whether the fact that a reference points to names the upload.
pub(crate) async fn names_upload(
    snapshot: &dyn Snapshot,
    reference: &Key,
    upload: [u8; 16],
) -> Result<bool, StoreError> {
    let Some((_, namer)) = keys::ref_of(reference) else {
        return Ok(false);
    };
    let Some(fact) = snapshot.get(&namer).await? else {
        return Ok(false);
    };
    match namer.reader().kind() {
        Some(kind @ (keys::CURRENT | keys::VERSION)) => {
            object_names(kind, &namer, &fact.value, &PlaceRecord::Parts(upload.into()))
        }
        // Under way, as long as its bucket stands.
        Some(keys::UPLOAD) => match keys::incarnation_of(&namer) {
            Some(incarnation) => Ok(snapshot.get(&keys::alive(incarnation)).await?.is_some()),
            None => Ok(false),
        },
        _ => Ok(true),
    }
}

/// Whether an object's fact names what lies there; a copy of a row names nothing.
fn object_names(kind: Kind, namer: &Key, value: &[u8], place: &PlaceRecord) -> Result<bool, StoreError> {
    let record: ObjectRecord = decode(namer, value)?;
    let is_copy = kind == keys::CURRENT && record.seq.is_some();
    Ok(!is_copy && record.places().any(|named| named == place))
}
