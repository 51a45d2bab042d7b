//! The scrub: reads stored bodies again, at a bounded pace, and says what the disk has lost.
//!
//! ```text
//! round    blobs (by reference) ─► those of the cold tier ─► inline bodies ─► inline parts ─► rests until the next is due
//! blob     every block past the page cache, against the trailer's CRC32C
//! inline   out of the index (which checks its own blocks), against the object's own checksum or MD5
//! ```
//! What it finds stays listed (fact, gauge, status) until the body is no longer named or reads back well.
//!
//! **Invariants.** A pass reads no more than its pace allows. Damage is reported with every object whose
//! body it is. Nothing is changed but the scrub's own facts: one copy can be checked, not repaired.
//!
//! **Failure.** A round goes on where its cursor was last written down (at most [`WRITE_EVERY`] earlier).
//! A body that cannot be read at all is damage like any other.

mod inline;
mod owner;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use headwater_base::Timestamp;
use headwater_blob::{BLOCK_BYTES, BlobError, BlobId};
use headwater_store::{Commit, Direction, Key, KeyRange, StoreError};
use headwater_work::{Pass, Reconciler, TaskResult};

use crate::records::scrub::{DamageRecord, ScrubRecord, Stage};
use crate::records::{decode, encode, keys};
use crate::tier::Tier;
use crate::{ObjectError, Objects};

/// How often the cursor is written down.
const WRITE_EVERY: Duration = Duration::from_secs(10);
/// The most time whose reading one pass makes up for.
const CATCH_UP_MAX: Duration = Duration::from_secs(5);
/// What a row costs of the pace, however short: the page it lies on.
const ROW_BYTES_MIN: u64 = 4096;
/// How many inline bodies are read at a time.
const PAGE_BODIES: usize = 16;
/// How many damaged bodies are listed; more are logged and counted, round by round.
const FINDINGS_MAX: usize = 1000;
/// How often what is listed is looked at again, beside the end of each round.
const RECHECK_EVERY: Duration = Duration::from_secs(60);

/// How stored bodies are read again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ScrubOptions {
    /// The pace; 0 reads nothing.
    pub bytes_per_second: u64,
    /// How long after the beginning of a round the next one begins.
    pub every: Duration,
}

impl Default for ScrubOptions {
    fn default() -> Self {
        Self { bytes_per_second: 8 << 20, every: Duration::from_secs(7 * 24 * 3600) }
    }
}

/// A body that is not what was stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damage {
    /// When it was found.
    pub found: Timestamp,
    /// What is wrong, in words for an operator.
    pub what: String,
    /// `bucket/key` of every object whose body it is (the first hundred).
    pub objects: Vec<String>,
}

/// How far the scrub is and what it found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ScrubReport {
    /// Whether a round is under way.
    pub is_reading: bool,
    /// When this round (or the last one) began.
    pub begun: Option<Timestamp>,
    /// What it has read so far.
    pub bytes: u64,
    /// How many bodies.
    pub bodies: u64,
    /// When the last whole round ended.
    pub ended: Option<Timestamp>,
    /// What that one read.
    pub ended_bytes: u64,
    /// How many bodies.
    pub ended_bodies: u64,
    /// What is damaged and still there.
    pub damage: Vec<Damage>,
}

/// What the scrub knows, shared with who asks.
#[derive(Debug, Default)]
pub(crate) struct Findings(Mutex<Known>);

#[derive(Clone, Debug, Default)]
struct Known {
    round: ScrubRecord,
    damage: BTreeMap<Vec<u8>, DamageRecord>,
    unlisted: Unlisted,
}

/// Damage that the list has no room for. Each round counts it anew; a restart forgets it until the next.
#[derive(Clone, Debug, Default)]
struct Unlisted {
    /// What was counted last: a body read in pieces may be found in each.
    last: Vec<u8>,
    this_round: usize,
    last_round: usize,
}

impl Known {
    /// How many bodies are damaged, as far as known.
    fn damaged(&self) -> usize {
        self.damage.len() + self.unlisted.this_round.max(self.unlisted.last_round)
    }

    /// Lists damage, if there is room.
    fn list(&mut self, subject: &[u8], record: DamageRecord) -> bool {
        let has_room = self.damage.len() < FINDINGS_MAX || self.damage.contains_key(subject);
        if has_room {
            if self.damage.insert(subject.to_vec(), record).is_none() {
                // It may be one that there was no room for before.
                self.unlisted.last_round = self.unlisted.last_round.saturating_sub(1);
            }
        } else if self.unlisted.last != subject {
            self.unlisted.last = subject.to_vec();
            self.unlisted.this_round += 1;
        }
        has_room
    }

    fn begin_round(&mut self) {
        self.unlisted = Unlisted { last_round: self.unlisted.this_round, ..Unlisted::default() };
    }

    /// What this round did not find is there no more.
    fn end_round(&mut self) {
        self.unlisted.last_round = self.unlisted.this_round;
    }
}

impl Objects {
    /// How far the scrub is, and which bodies are damaged.
    pub fn scrub_report(&self) -> ScrubReport {
        let known = self.findings.known().clone();
        let round = known.round;
        let damage = |record: DamageRecord| Damage {
            found: Timestamp::from_ms(record.found_ms),
            what: record.what,
            objects: record.objects,
        };
        ScrubReport {
            is_reading: round.stage != Stage::Resting,
            begun: (round.begun_ms > 0).then(|| Timestamp::from_ms(round.begun_ms)),
            bytes: round.bytes,
            bodies: round.bodies,
            ended: round.ended_ms.map(Timestamp::from_ms),
            ended_bytes: round.ended_bytes,
            ended_bodies: round.ended_bodies,
            damage: known.damage.into_values().map(damage).collect(),
        }
    }
}

impl Findings {
    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

/// Reads stored bodies again; run by `work`.
#[derive(Debug)]
pub struct Scrub {
    objects: Objects,
    options: ScrubOptions,
    state: Mutex<State>,
}

/// Times are of the monotonic clock.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// Of the store that the rest is about; `None` before anything was read.
    generation: Option<u64>,
    last_pass: Duration,
    written: Duration,
    rechecked: Duration,
}

#[async_trait]
impl Reconciler for Scrub {
    fn name(&self) -> String {
        "objects: scrub stored bodies".to_owned()
    }

    async fn pass(&self) -> TaskResult<Pass> {
        self.step().await?;
        // There may be more to read, but not at once.
        Ok(Pass::Done)
    }
}

impl Scrub {
    /// How often a pass is due.
    pub(crate) const EVERY: Duration = Duration::from_secs(1);

    pub(crate) fn new(objects: Objects, options: ScrubOptions) -> Self {
        Self { objects, options, state: Mutex::default() }
    }

    /// Reads as much as the time since the last step allows.
    ///
    /// # Errors
    /// The store's; the step can be repeated.
    pub async fn step(&self) -> Result<(), ObjectError> {
        let mut state = *self.state.lock().expect("no holder of this lock panics");
        let outcome = self.step_of(&mut state).await;
        *self.state.lock().expect("no holder of this lock panics") = state;
        outcome
    }

    /// Begins a round and reads everything at once, whatever the pace.
    ///
    /// # Errors
    /// The store's.
    pub async fn read_all(&self) -> Result<ScrubReport, ObjectError> {
        self.step().await?;
        let mut round = self.begin(self.round());
        while round.stage != Stage::Resting {
            self.read(&mut round, u64::MAX).await?;
        }
        self.recheck().await?;
        self.write_down(&round).await?;
        Ok(self.objects.scrub_report())
    }

    async fn step_of(&self, state: &mut State) -> Result<(), ObjectError> {
        let now = self.objects.seams.clock.monotonic();
        let generation = self.objects.store.status().generation;
        if state.generation != Some(generation) {
            self.load().await?;
            *state = State { generation: Some(generation), last_pass: now, written: now, rechecked: now };
        }
        let since = now.saturating_sub(state.last_pass).clamp(Self::EVERY, CATCH_UP_MAX);
        state.last_pass = now;
        let (mut round, mut is_over) = (self.round(), false);
        if round.stage == Stage::Resting && self.is_due(&round) {
            round = self.begin(round);
        }
        if round.stage != Stage::Resting {
            let budget = (self.options.bytes_per_second as f64 * since.as_secs_f64()) as u64;
            let read = self.read(&mut round, budget).await;
            if now.saturating_sub(state.written) >= WRITE_EVERY || round.stage == Stage::Resting {
                state.written = now;
                self.write_down(&round).await?;
            }
            self.objects.findings.known().round = round.clone();
            read?;
            is_over = round.stage == Stage::Resting;
        }
        if is_over || now.saturating_sub(state.rechecked) >= RECHECK_EVERY {
            state.rechecked = now;
            self.recheck().await?;
        }
        Ok(())
    }

    fn round(&self) -> ScrubRecord {
        self.objects.findings.known().round.clone()
    }

    fn is_due(&self, round: &ScrubRecord) -> bool {
        let since = self.objects.seams.clock.now().since(Timestamp::from_ms(round.begun_ms));
        round.ended_ms.is_none() || since >= self.options.every
    }

    fn begin(&self, round: ScrubRecord) -> ScrubRecord {
        let begun_ms = self.objects.seams.clock.now().ms();
        self.objects.findings.known().begin_round();
        ScrubRecord {
            stage: Stage::Blobs,
            begun_ms,
            after: Vec::new(),
            block: 0,
            bytes: 0,
            bodies: 0,
            ..round
        }
    }

    /// What an earlier run wrote down.
    async fn load(&self) -> Result<(), ObjectError> {
        let key = keys::scrub_round();
        let fact = self.objects.store.get(&key).await?;
        let round = fact.map(|fact| decode::<ScrubRecord>(&key, &fact.value)).transpose()?;
        let range = KeyRange::prefix(&keys::all_scrub_damage());
        let rows = self.objects.store.scan(&range, FINDINGS_MAX, Direction::Forward).await?;
        let mut known = Known { round: round.unwrap_or_default(), ..Known::default() };
        for row in rows {
            if let Some(subject) = keys::scrub_damage_of(&row.key) {
                known.damage.insert(subject, decode(&row.key, &row.fact.value)?);
            }
        }
        *self.objects.findings.known() = known;
        self.gauge();
        Ok(())
    }

    async fn write_down(&self, round: &ScrubRecord) -> Result<(), ObjectError> {
        self.objects.findings.known().round = round.clone();
        self.objects.store.commit(Commit::new().put(keys::scrub_round(), encode(round))).await?;
        Ok(())
    }

    /// Reads about `budget` bytes from where the round is.
    async fn read(&self, round: &mut ScrubRecord, budget: u64) -> Result<(), ObjectError> {
        let end = round.bytes.saturating_add(budget);
        while round.stage != Stage::Resting && round.bytes < end {
            let before = round.bytes;
            let more = match round.stage {
                Stage::Blobs => self.read_blob(round, end - before, Tier::Hot).await?,
                Stage::ColdBlobs => self.read_blob(round, end - before, Tier::Cold).await?,
                Stage::Bodies => self.read_inline(round, &keys::all_bodies()).await?,
                Stage::PartBodies => self.read_inline(round, &keys::all_part_bodies()).await?,
                Stage::Resting => true,
            };
            metrics::counter!("headwater_objects_scrubbed_bytes_total").increment(round.bytes - before);
            if !more {
                self.next_stage(round);
            }
        }
        Ok(())
    }

    fn next_stage(&self, round: &mut ScrubRecord) {
        (round.after, round.block) = (Vec::new(), 0);
        round.stage = match round.stage {
            Stage::Blobs if self.objects.has_cold_tier() => Stage::ColdBlobs,
            Stage::Blobs | Stage::ColdBlobs => Stage::Bodies,
            Stage::Bodies => Stage::PartBodies,
            Stage::PartBodies | Stage::Resting => {
                round.ended_ms = Some(self.objects.seams.clock.now().ms());
                (round.ended_bytes, round.ended_bodies) = (round.bytes, round.bodies);
                self.objects.findings.known().end_round();
                self.gauge();
                let damaged = self.objects.findings.known().damaged();
                tracing::info!(
                    bytes = round.bytes,
                    bodies = round.bodies,
                    damaged,
                    "every stored body was read again"
                );
                Stage::Resting
            }
        };
    }

    /// Reads on in the next blob that is named. Returns whether there was one.
    async fn read_blob(&self, round: &mut ScrubRecord, budget: u64, tier: Tier) -> Result<bool, ObjectError> {
        let all = match tier {
            Tier::Hot => keys::all_blob_refs(),
            Tier::Cold => keys::all_cold_refs(),
        };
        let range = after(KeyRange::prefix(&all), &round.after);
        let rows = self.objects.store.scan(&range, 1, Direction::Forward).await?;
        let Some((id, _)) = rows.first().and_then(|row| keys::ref_of(&row.key)) else { return Ok(false) };
        let blocks = (budget / BLOCK_BYTES as u64).max(1);
        let checked = self.objects.place_for(tier)?.check(BlobId(id), round.block, blocks).await;
        round.bytes += checked.as_ref().map_or(ROW_BYTES_MIN, |checked| checked.bytes.max(ROW_BYTES_MIN));
        let is_first = round.block == 0;
        let (next, found) = match checked {
            Ok(checked) => {
                let blocks = checked.damaged;
                let found =
                    (!blocks.is_empty()).then(|| format!("blocks {blocks:?} of its file are damaged"));
                (checked.next, found)
            }
            Err(BlobError::NotFound(_)) => (None, Some("its file is missing".to_owned())),
            Err(error) => (None, Some(error.to_string())),
        };
        match found {
            Some(what) => {
                self.found(id.to_vec(), what, owner::of_blob(&self.objects, BlobId(id)).await?).await?
            }
            None if is_first && next.is_none() => self.reads_well(&id).await?,
            None => {}
        }
        round.block = next.unwrap_or_default();
        if next.is_none() {
            round.bodies += 1;
            // Past every reference to this blob.
            let refs = match tier {
                Tier::Hot => keys::blob_refs(BlobId(id)),
                Tier::Cold => keys::cold_refs(BlobId(id)),
            };
            round.after = [refs.as_bytes(), &[0xff]].concat();
        }
        Ok(true)
    }

    /// Reads the next bodies (or parts) that lie inline. Returns whether there were any.
    async fn read_inline(&self, round: &mut ScrubRecord, all: &Key) -> Result<bool, ObjectError> {
        let snapshot = self.objects.store.snapshot().await?;
        let range = after(KeyRange::prefix(all), &round.after);
        let rows = match snapshot.scan(&range, PAGE_BODIES, Direction::Forward).await {
            Ok(rows) => rows,
            Err(StoreError::Closed) => return Err(StoreError::Closed.into()),
            Err(error) => return self.unreadable(round, all, &error).await,
        };
        for row in &rows {
            round.bytes += (row.fact.value.len() as u64).max(ROW_BYTES_MIN);
            round.bodies += 1;
            let subject = row.key.as_bytes();
            match inline::damage(&*snapshot, row).await? {
                Some(what) => {
                    let objects = owner::of_inline(&self.objects, &row.key).await?;
                    self.found(subject.to_vec(), what, objects).await?;
                }
                None => self.reads_well(subject).await?,
            }
        }
        let Some(last) = rows.last() else { return Ok(false) };
        round.after = last.key.as_bytes().to_vec();
        Ok(rows.len() == PAGE_BODIES)
    }

    /// A page of the index cannot be read: which of its rows is not known, so the stage is given up.
    async fn unreadable(
        &self,
        round: &ScrubRecord,
        all: &Key,
        error: &StoreError,
    ) -> Result<bool, ObjectError> {
        let from = if round.after.is_empty() { all.as_bytes() } else { &round.after[..] };
        let from = Key::from_bytes(from.to_vec().into());
        let what = format!("inline bodies after {from:?} cannot be read: {error}; run headwater verify");
        self.found(from.as_bytes().to_vec(), what, Vec::new()).await?;
        Ok(false)
    }

    /// Lists damage, and says so once.
    async fn found(&self, subject: Vec<u8>, what: String, objects: Vec<String>) -> Result<(), ObjectError> {
        // Nobody's body: being removed.
        let is_named = !objects.is_empty() || subject.len() != 16;
        if !is_named {
            return Ok(());
        }
        let record = DamageRecord { found_ms: self.objects.seams.clock.now().ms(), what, objects };
        {
            let mut known = self.objects.findings.known();
            let same = |listed: &DamageRecord| listed.what == record.what && listed.objects == record.objects;
            if known.damage.get(&subject).is_some_and(same) {
                return Ok(());
            }
            tracing::error!(objects = ?record.objects, what = record.what, "a stored body is damaged");
            metrics::counter!("headwater_objects_damage_found_total").increment(1);
            if !known.list(&subject, record.clone()) {
                drop(known);
                self.gauge();
                return Ok(());
            }
        }
        self.gauge();
        let commit = Commit::new().put(keys::scrub_damage(&subject), encode(&record)).freeing();
        self.objects.store.commit(commit).await?;
        Ok(())
    }

    /// What was listed about it holds no more.
    async fn reads_well(&self, subject: &[u8]) -> Result<(), ObjectError> {
        if self.objects.findings.known().damage.remove(subject).is_none() {
            return Ok(());
        }
        self.gauge();
        let commit = Commit::new().delete(keys::scrub_damage(subject)).freeing();
        self.objects.store.commit(commit).await?;
        Ok(())
    }

    /// Takes what is no longer named off the list, and what reads back well again.
    async fn recheck(&self) -> Result<(), ObjectError> {
        let listed: Vec<Vec<u8>> = self.objects.findings.known().damage.keys().cloned().collect();
        for subject in listed {
            let is_gone = match <[u8; 16]>::try_from(&subject[..]) {
                Ok(id) => owner::of_blob(&self.objects, BlobId(id)).await?.is_empty(),
                Err(_) => inline::is_sound(&self.objects, &Key::from_bytes(subject.clone().into())).await?,
            };
            if is_gone {
                self.reads_well(&subject).await?;
            }
        }
        Ok(())
    }

    fn gauge(&self) {
        let damaged = self.objects.findings.known().damaged();
        metrics::gauge!("headwater_objects_damaged_bodies").set(damaged as f64);
    }
}

/// The rest of a range after the row whose key this is; all of it at the beginning.
fn after(range: KeyRange, key: &[u8]) -> KeyRange {
    if key.is_empty() { range } else { range.after(&Key::from_bytes(key.to_vec().into())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_beyond_the_list_is_counted() {
        let mut known = Known::default();
        let find = |known: &mut Known, n: usize| {
            let record = DamageRecord { found_ms: 1, what: "lost".into(), objects: Vec::new() };
            known.list(format!("{n:04}").as_bytes(), record)
        };
        known.begin_round();
        for n in 0..FINDINGS_MAX + 3 {
            assert_eq!(find(&mut known, n), n < FINDINGS_MAX);
            find(&mut known, n);
        }
        assert_eq!((known.damage.len(), known.damaged()), (FINDINGS_MAX, FINDINGS_MAX + 3));
        known.end_round();
        known.begin_round();
        find(&mut known, FINDINGS_MAX);
        assert_eq!(known.damaged(), FINDINGS_MAX + 3, "the round has not come to the others yet");
        known.end_round();
        assert_eq!(known.damaged(), FINDINGS_MAX + 1);
    }
}
