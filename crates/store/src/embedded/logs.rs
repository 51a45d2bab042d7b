//! Where every log's published batches are: in memory, in a journal file, or in a segment.
//!
//! ```text
//! offsets   start ───────────────────────────────────────► end
//! settled   ■■■■■■■■■■■■■■■■■ runs of segments
//! unsettled                  ▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪ batches in journal files
//! hot                               ▪▪▪▪▪▪▪▪ the newest ones, in memory (bounded over all logs)
//! ```
//! **Invariants.** Settled and unsettled never overlap and together hold everything from `start` to
//! `end`; hot repeats the end of it. Runs are sorted by offset. One lock guards all logs and is held
//! for looking things up only; bytes are read after it is let go, from files that are reference counted.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use headwater_base::Timestamp;

use crate::embedded::front::Unsettled;
use crate::embedded::journal::codec::Placed;
use crate::embedded::journal::files::JournalFile;
use crate::embedded::segment::format::Run;
use crate::embedded::segment::read::{RunPlace, Segment};
use crate::sequencer::{Effects, LogEffect, LogState};
use crate::{Bounds, LogId, StoreError, StoredBatch};

/// What a batch in memory costs beside its payload: its entries in two queues and the allocator's due.
const HOT_BATCH_BYTES: usize = size_of::<StoredBatch>() + size_of::<LogId>() + 64;
/// Entries of the hot order that may be of batches that are gone.
const HOT_ORDER_MAX: usize = 1 << 17;
/// A queue whose room is this many times what it holds gives it back.
const ROOMY: usize = 4;

/// All logs, as published.
#[derive(Debug, Default)]
pub(crate) struct LogTable {
    logs: HashMap<LogId, Log>,
    /// Journal files that hold unsettled batches, by epoch.
    files: BTreeMap<u64, Arc<JournalFile>>,
    /// Live segments.
    pub segments: BTreeMap<u64, Arc<Segment>>,
    /// Logs that changed since the last mark.
    dirty: HashMap<LogId, ()>,
    /// The logs of the batches in memory, oldest first.
    hot_order: VecDeque<LogId>,
    hot_bytes: usize,
    /// The bound of `hot_bytes`.
    pub hot_bytes_max: usize,
}

#[derive(Debug)]
struct Log {
    state: LogState,
    settled: VecDeque<SettledRun>,
    unsettled: VecDeque<Place>,
    hot: VecDeque<StoredBatch>,
}

/// A run of a live segment.
#[derive(Clone, Debug)]
pub(crate) struct SettledRun {
    /// The segment.
    pub segment: Arc<Segment>,
    /// The first batch's base offset.
    pub base_offset: i64,
    /// One past the last offset.
    pub next_offset: i64,
    /// When the first batch was appended.
    pub first_time: Timestamp,
    /// When the last batch was appended.
    pub last_time: Timestamp,
    /// Where it lies.
    pub place: RunPlace,
}

/// A batch in a journal file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The file's epoch.
    pub epoch: u64,
    /// The payload's first byte.
    pub position: u64,
    /// The payload's bytes.
    pub length: u32,
    /// The payload's checksum.
    pub crc: u32,
    /// The offset of the first record.
    pub base_offset: i64,
    /// How many offsets it spans.
    pub count: u32,
    /// When it was appended.
    pub append_time: Timestamp,
}

impl Place {
    /// One past the last offset.
    pub fn next_offset(&self) -> i64 {
        self.base_offset + i64::from(self.count)
    }
}

/// Where the batches of a read are.
#[derive(Debug)]
pub(crate) enum Found {
    /// Here.
    Hot(Vec<StoredBatch>),
    /// On the disk, in this order.
    Cold(Vec<Piece>),
}

/// A piece of a read that must come from the disk.
#[derive(Debug)]
pub(crate) enum Piece {
    /// One batch of a journal file.
    Journal(Arc<JournalFile>, Place),
    /// A run of a segment.
    Run(SettledRun),
}

impl LogTable {
    /// A table of recovered logs without batches.
    pub fn new(states: &HashMap<LogId, LogState>, hot_bytes_max: usize) -> Self {
        let log = |state: &LogState| Log::new(*state);
        let logs = states.iter().map(|(id, state)| (*id, log(state))).collect();
        Self { logs, hot_bytes_max, ..Self::default() }
    }

    /// Makes a commit's changes visible.
    pub fn publish(
        &mut self,
        effects: &Effects,
        placed: &[Placed],
        file: &Arc<JournalFile>,
        unsettled: &Unsettled,
    ) {
        if effects.wiped.is_some() {
            self.clear(unsettled);
        }
        let mut placed = placed.iter();
        for change in &effects.logs {
            self.dirty.insert(change.log(), ());
            match change {
                LogEffect::Created(log) => {
                    self.logs.insert(*log, Log::new(LogState::EMPTY));
                }
                LogEffect::Dropped(log) => {
                    if let Some(log) = self.logs.remove(log) {
                        count_out(unsettled, log.unsettled.iter());
                        self.hot_bytes -= log.hot.iter().map(hot_cost).sum::<usize>();
                    }
                }
                LogEffect::Trimmed(log, start) => self.trim(*log, *start, unsettled),
                LogEffect::Appended { log, base_offset, count, payload } => {
                    let place = placed.next().expect("every append was placed by the writer");
                    let batch = StoredBatch {
                        base_offset: *base_offset,
                        count: *count,
                        append_time: effects.time,
                        payload: payload.clone(),
                    };
                    self.append(*log, batch, *place, file, unsettled);
                }
            }
        }
    }

    fn append(
        &mut self,
        id: LogId,
        batch: StoredBatch,
        placed: Placed,
        file: &Arc<JournalFile>,
        unsettled: &Unsettled,
    ) {
        let Some(log) = self.logs.get_mut(&id) else { return };
        let length = batch.payload.len();
        let place = Place {
            epoch: file.epoch,
            position: placed.position as u64,
            length: length as u32,
            crc: placed.crc,
            base_offset: batch.base_offset,
            count: batch.count,
            append_time: batch.append_time,
        };
        log.state.end = batch.next_offset();
        log.state.last_append_time = batch.append_time;
        log.unsettled.push_back(place);
        self.files.entry(file.epoch).or_insert_with(|| Arc::clone(file));
        unsettled.bytes.fetch_add(length as u64, Ordering::Relaxed);
        unsettled.batches.fetch_add(1, Ordering::Relaxed);
        self.hot_bytes += hot_cost(&batch);
        log.hot.push_back(batch);
        self.hot_order.push_back(id);
        self.cool();
    }

    /// Lets the oldest batches go until the rest fits.
    fn cool(&mut self) {
        // Entries of dropped and trimmed batches linger in the order; bound them, too.
        while self.hot_bytes > self.hot_bytes_max || self.hot_order.len() > HOT_ORDER_MAX {
            let Some(id) = self.hot_order.pop_front() else { return };
            let Some(log) = self.logs.get_mut(&id) else { continue };
            if let Some(oldest) = log.hot.pop_front() {
                self.hot_bytes -= hot_cost(&oldest);
                give_back(&mut log.hot);
            }
        }
    }

    fn trim(&mut self, id: LogId, start: i64, unsettled: &Unsettled) {
        let Some(log) = self.logs.get_mut(&id) else { return };
        log.state.start = log.state.start.max(start);
        while log.settled.front().is_some_and(|run| run.next_offset <= start) {
            log.settled.pop_front();
        }
        let gone = log.unsettled.partition_point(|place| place.next_offset() <= start);
        count_out(unsettled, log.unsettled.drain(..gone));
        while log.hot.front().is_some_and(|batch| batch.next_offset() <= start) {
            self.hot_bytes -= log.hot.pop_front().as_ref().map_or(0, hot_cost);
        }
        give_back(&mut log.hot);
        give_back(&mut log.unsettled);
    }

    fn clear(&mut self, unsettled: &Unsettled) {
        for (id, log) in self.logs.drain() {
            self.dirty.insert(id, ());
            count_out(unsettled, log.unsettled.iter());
        }
        self.hot_order.clear();
        self.hot_bytes = 0;
        self.segments.clear();
    }

    /// Where the log begins and ends.
    pub fn bounds(&self, log: LogId) -> Result<Bounds, StoreError> {
        let state = self.logs.get(&log).ok_or(StoreError::NoSuchLog(log))?.state;
        Ok(Bounds { start: state.start, end: state.end, last_append_time: state.last_append_time })
    }

    /// Where the batches from the one that holds `offset` on are, up to `max_bytes`, at least one.
    pub fn find(&self, id: LogId, offset: i64, max_bytes: usize) -> Result<Found, StoreError> {
        let log = self.logs.get(&id).ok_or(StoreError::NoSuchLog(id))?;
        let offset = offset.max(log.state.start);
        if offset >= log.state.end {
            return Ok(Found::Hot(Vec::new()));
        }
        if log.hot.front().is_some_and(|batch| batch.base_offset <= offset) {
            return Ok(Found::Hot(log.hot_from(offset, max_bytes)));
        }
        Ok(Found::Cold(self.cold_from(log, offset, max_bytes)))
    }

    fn cold_from(&self, log: &Log, offset: i64, max_bytes: usize) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut gathered = 0;
        let first = log.settled.partition_point(|run| run.next_offset <= offset);
        for run in log.settled.range(first..) {
            if gathered >= max_bytes && !pieces.is_empty() {
                return pieces;
            }
            gathered += run.place.length as usize;
            pieces.push(Piece::Run(run.clone()));
        }
        let first = log.unsettled.partition_point(|place| place.next_offset() <= offset);
        for place in log.unsettled.range(first..) {
            if gathered + place.length as usize > max_bytes && !pieces.is_empty() {
                return pieces;
            }
            gathered += place.length as usize;
            if let Some(file) = self.files.get(&place.epoch) {
                pieces.push(Piece::Journal(Arc::clone(file), *place));
            }
        }
        pieces
    }

    /// The first offset appended at or after `time`, or the piece to look into for it.
    pub fn find_time(&self, id: LogId, time: Timestamp) -> Result<Result<i64, SettledRun>, StoreError> {
        let log = self.logs.get(&id).ok_or(StoreError::NoSuchLog(id))?;
        let run = log.settled.partition_point(|run| run.last_time < time);
        if let Some(run) = log.settled.get(run) {
            let at_once = run.first_time >= time;
            return Ok(if at_once { Ok(run.base_offset.max(log.state.start)) } else { Err(run.clone()) });
        }
        let place = log.unsettled.partition_point(|place| place.append_time < time);
        Ok(Ok(log.unsettled.get(place).map_or(log.state.end, |place| place.base_offset.max(log.state.start))))
    }

    /// The number of logs.
    pub fn len(&self) -> usize {
        self.logs.len()
    }

    /// The logs that changed since this was last asked, as they are.
    pub fn take_dirty(&mut self) -> Vec<(LogId, Option<LogState>)> {
        let dirty = std::mem::take(&mut self.dirty);
        dirty.into_keys().map(|id| (id, self.logs.get(&id).map(|log| log.state))).collect()
    }

    /// Says that logs must be in the next mark (after replaying commits newer than the last one).
    pub fn mark_dirty(&mut self, logs: impl Iterator<Item = LogId>) {
        self.dirty.extend(logs.map(|log| (log, ())));
    }

    /// The unsettled batches of a file, sorted by log and offset.
    pub fn in_file(&self, epoch: u64) -> Vec<(LogId, Place)> {
        let mut found: Vec<(LogId, Place)> = Vec::new();
        for (id, log) in &self.logs {
            let first = log.unsettled.partition_point(|place| place.epoch < epoch);
            let end = log.unsettled.partition_point(|place| place.epoch <= epoch);
            found.extend(log.unsettled.range(first..end).map(|place| (*id, *place)));
        }
        found.sort_unstable_by_key(|(id, place)| (*id, place.base_offset));
        found
    }

    /// Takes a recovered batch in, unless a segment holds it; a later copy of the same batch wins.
    pub fn recover_batch(&mut self, id: LogId, place: Place, file: &Arc<JournalFile>, unsettled: &Unsettled) {
        let Some(log) = self.logs.get_mut(&id) else { return };
        let settled = log.settled.back().is_some_and(|run| place.base_offset < run.next_offset);
        if settled || place.next_offset() <= log.state.start {
            return;
        }
        while log.unsettled.back().is_some_and(|last| last.base_offset >= place.base_offset) {
            let last = log.unsettled.pop_back();
            count_out(unsettled, last.iter());
        }
        log.unsettled.push_back(place);
        unsettled.bytes.fetch_add(u64::from(place.length), Ordering::Relaxed);
        unsettled.batches.fetch_add(1, Ordering::Relaxed);
        self.files.entry(file.epoch).or_insert_with(|| Arc::clone(file));
    }

    /// Puts a segment in place of the journal file `epoch`, or of other segments, or adds a recovered
    /// one. Runs of logs that are gone or trimmed past them are left out.
    pub fn install(
        &mut self,
        segment: &Arc<Segment>,
        runs: &[Run],
        replaces: &Replaces<'_>,
        unsettled: &Unsettled,
    ) {
        match replaces {
            Replaces::File(epoch) => self.forget_file(*epoch, unsettled),
            Replaces::Segments(ids) => self.forget_segments(ids),
            Replaces::Nothing => {}
        }
        for run in runs {
            let Some(log) = self.logs.get_mut(&run.log) else { continue };
            if run.next_offset > log.state.start {
                log.insert(SettledRun {
                    segment: Arc::clone(segment),
                    base_offset: run.base_offset,
                    next_offset: run.next_offset,
                    first_time: run.first_time,
                    last_time: run.last_time,
                    place: run.into(),
                });
            }
        }
        self.segments.insert(segment.id, Arc::clone(segment));
    }

    /// Forgets a journal file whose batches are all settled.
    pub fn forget_file(&mut self, epoch: u64, unsettled: &Unsettled) {
        for log in self.logs.values_mut() {
            let gone = log.unsettled.partition_point(|place| place.epoch <= epoch);
            count_out(unsettled, log.unsettled.drain(..gone));
            give_back(&mut log.unsettled);
        }
        self.files.remove(&epoch);
    }

    /// Forgets segments.
    pub fn forget_segments(&mut self, ids: &[u64]) {
        for log in self.logs.values_mut() {
            log.settled.retain(|run| !ids.contains(&run.segment.id));
        }
        for id in ids {
            self.segments.remove(id);
        }
    }

    /// The live bytes of every segment.
    pub fn live_bytes(&self) -> BTreeMap<u64, u64> {
        let mut live: BTreeMap<u64, u64> = self.segments.keys().map(|id| (*id, 0)).collect();
        for run in self.logs.values().flat_map(|log| &log.settled) {
            *live.entry(run.segment.id).or_default() += u64::from(run.place.length);
        }
        live
    }

    /// The runs of some segments, sorted by log and offset, each with its log's start.
    pub fn runs_of(&self, ids: &[u64]) -> Vec<(LogId, SettledRun, i64)> {
        let mut found = Vec::new();
        for (id, log) in &self.logs {
            let runs = log.settled.iter().filter(|run| ids.contains(&run.segment.id));
            found.extend(runs.map(|run| (*id, run.clone(), log.state.start)));
        }
        found.sort_unstable_by_key(|(id, run, _)| (*id, run.base_offset));
        found
    }

    /// The first offsets between a log's start and end that are in no place.
    pub fn first_gap(&self, id: LogId) -> Option<(i64, i64)> {
        let log = self.logs.get(&id)?;
        let mut at = log.state.start;
        let settled = log.settled.iter().map(|run| (run.base_offset, run.next_offset));
        let unsettled = log.unsettled.iter().map(|place| (place.base_offset, place.next_offset()));
        for (base, next) in settled.chain(unsettled) {
            if base > at {
                return Some((at, base));
            }
            at = at.max(next);
        }
        (at < log.state.end).then_some((at, log.state.end))
    }

    /// Whether any batch of the file is still needed.
    pub fn needs_file(&self, epoch: u64) -> bool {
        self.logs.values().any(|log| log.unsettled.front().is_some_and(|place| place.epoch <= epoch))
    }

    /// Lets go of a file nobody needs.
    pub fn release_file(&mut self, epoch: u64) {
        self.files.remove(&epoch);
    }

    /// Every log's state and all of its pieces, for a copy.
    pub fn everything(&self) -> Vec<(LogId, LogState, Vec<Piece>)> {
        let all = |log: &Log| self.cold_from(log, log.state.start, usize::MAX);
        let mut found: Vec<_> = self.logs.iter().map(|(id, log)| (*id, log.state, all(log))).collect();
        found.sort_unstable_by_key(|(id, ..)| *id);
        found
    }
}

/// What a new segment stands in for.
#[derive(Debug)]
pub(crate) enum Replaces<'a> {
    /// A journal file.
    File(u64),
    /// Other segments.
    Segments(&'a [u64]),
    /// Nothing: it was found at open.
    Nothing,
}

impl Log {
    fn new(state: LogState) -> Self {
        Self { state, settled: VecDeque::new(), unsettled: VecDeque::new(), hot: VecDeque::new() }
    }

    fn insert(&mut self, run: SettledRun) {
        let at = self.settled.partition_point(|known| known.base_offset < run.base_offset);
        self.settled.insert(at, run);
    }

    fn hot_from(&self, offset: i64, max_bytes: usize) -> Vec<StoredBatch> {
        let first = self.hot.partition_point(|batch| batch.next_offset() <= offset);
        let mut gathered = 0;
        let mut batches = Vec::new();
        for batch in self.hot.range(first..) {
            if gathered + batch.payload.len() > max_bytes && !batches.is_empty() {
                break;
            }
            gathered += batch.payload.len();
            batches.push(batch.clone());
        }
        batches
    }
}

/// What a batch in memory is counted as.
fn hot_cost(batch: &StoredBatch) -> usize {
    batch.payload.len() + HOT_BATCH_BYTES
}

/// Lets a queue that once was long shrink; seldom, so that it costs little per entry.
fn give_back<T>(queue: &mut VecDeque<T>) {
    if queue.capacity() > 64 && queue.len() < queue.capacity() / ROOMY {
        queue.shrink_to(queue.len() * 2);
    }
}

/// Takes batches off the account of what is unsettled.
fn count_out(unsettled: &Unsettled, places: impl Iterator<Item = impl std::borrow::Borrow<Place>>) {
    let (mut bytes, mut batches) = (0, 0);
    for place in places {
        bytes += u64::from(place.borrow().length);
        batches += 1;
    }
    unsettled.bytes.fetch_sub(bytes, Ordering::Relaxed);
    unsettled.batches.fetch_sub(batches, Ordering::Relaxed);
}

/// Reads one batch of a journal file, checked.
pub(crate) fn read_place(file: &JournalFile, place: &Place) -> Result<StoredBatch, StoreError> {
    use std::os::unix::fs::FileExt;
    let mut bytes = vec![0; place.length as usize];
    let failed = |error: std::io::Error| StoreError::Io(format!("{}: {error}", file.path.display()));
    file.file.read_exact_at(&mut bytes, place.position).map_err(failed)?;
    if crate::embedded::disk::crc32c(&bytes) != place.crc {
        let what = format!("{}: the batch at byte {} is damaged", file.path.display(), place.position);
        return Err(StoreError::Corrupt(what));
    }
    let Place { base_offset, count, append_time, .. } = *place;
    Ok(StoredBatch { base_offset, count, append_time, payload: Bytes::from(bytes) })
}
