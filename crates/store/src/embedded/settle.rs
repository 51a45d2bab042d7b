//! The settler: moves batches from journal files into segments, merges segments, sweeps garbage.
//!
//! ```text
//! closed journal file ─► segment file, fsynced ─► commit: "it is live" ─► reads move over ─► recycle
//! several segments    ─► one segment file      ─► commit: "it instead of them"        ─► unlink
//! ```
//! **Failure.** For want of room a pass stops, its half segment is deleted, and ordinary commits are
//! refused until there is room. Before the commit, a crash leaves a segment file no fact names: swept at open. After it
//! the batches are in both places, and recovery prefers the segment.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use headwater_base::ByteSize;

use crate::embedded::disk;
use crate::embedded::engine::Shared;
use crate::embedded::journal::files::JournalFile;
use crate::embedded::logs::{Replaces, read_place};
use crate::embedded::segment::format::BatchHeader;
use crate::embedded::segment::read::Segment;
use crate::embedded::segment::write::{SegmentWriter, parse_segment_name};
use crate::{Commit, CommitError, Key, Kind, StoreError, StoredBatch, kinds};

/// How often the settler looks, unless it is woken.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Segments of about one size are merged when there are this many.
const MERGE_AT: usize = 8;
/// Rows of wiped generations removed in one pass.
const SWEPT_ROWS_MAX: usize = 20_000;

/// Runs passes until the store is closed.
pub(crate) async fn run(shared: Arc<Shared>) -> Result<(), StoreError> {
    let mut swept = 0;
    while !shared.front.is_closing() {
        let pass = Arc::clone(&shared);
        let settling = tokio::task::spawn_blocking(move || settle_pass(&pass, swept));
        match settling.await.map_err(|error| StoreError::Io(error.to_string()))? {
            Ok(upto) => swept = upto,
            Err(Stopped::NoRoom) => shared.front.set_full(true),
            Err(Stopped::Failed(error)) => return Err(error),
        }
        tokio::select! {
            () = shared.seams.clock.sleep(LOOK_EVERY) => {}
            () = shared.wake.notified() => {}
        }
    }
    Ok(())
}

/// Why a pass ended early.
#[derive(Debug)]
enum Stopped {
    /// The disk has no room for a segment: ordinary commits are refused until it has.
    NoRoom,
    /// The store can't be trusted to free space any more.
    Failed(StoreError),
}

impl From<std::io::Error> for Stopped {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull => Self::NoRoom,
            _ => Self::Failed(StoreError::Io(format!("settling: {error}"))),
        }
    }
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

/// One pass. Takes and returns the generation up to which garbage is swept.
fn settle_pass(shared: &Shared, swept: u64) -> Result<u64, Stopped> {
    let _pass = shared.passes[1].lock().map_err(|_| StoreError::Closed)?;
    let live = shared.files.live();
    let Some((active, closed)) = live.split_last() else { return Ok(swept) };
    for file in closed {
        if shared.front.is_closing() {
            return Ok(swept);
        }
        // Its last groups may be durable and not yet published; the logs do not know of them then.
        if shared.view().applied.lsn < file.last_lsn() {
            break;
        }
        if file.payload_bytes.load(Ordering::Relaxed) > 0 {
            settle(shared, file)?;
            shared.front.unpark(shared);
        }
    }
    close_old(shared, active);
    drop(live);
    drop_dead(shared)?;
    merge_one(shared)?;
    sweep(shared, swept)
}

/// Ends the active file if it has held batches for long, or if appends wait for it to be settled.
fn close_old(shared: &Shared, active: &JournalFile) {
    let first = active.first_batch_ms.load(Ordering::Relaxed);
    let now = shared.seams.clock.monotonic().as_millis() as u64;
    let old = first > 0 && now.saturating_sub(first) >= shared.options.settle_after.as_millis() as u64;
    let unsettled = &shared.front.unsettled;
    let behind = unsettled.bytes.load(Ordering::Relaxed) >= shared.options.unsettled.bytes()
        || unsettled.batches.load(Ordering::Relaxed) >= shared.options.unsettled_batches();
    if old || (behind && first > 0) {
        active.first_batch_ms.store(0, Ordering::Relaxed);
        shared.front.request_roll();
    }
}

/// Rewrites a closed file's batches as a segment.
fn settle(shared: &Shared, file: &Arc<JournalFile>) -> Result<(), Stopped> {
    let places = shared.logs().in_file(file.epoch);
    if places.is_empty() {
        shared.logs().forget_file(file.epoch, &shared.front.unsettled);
        file.payload_bytes.store(0, Ordering::Relaxed);
        return Ok(());
    }
    let id = shared.new_id();
    let mut writer = SegmentWriter::create(&shared.dir, id)?;
    for (log, place) in &places {
        let batch = read_place(file, place)?;
        writer.push(*log, header_of(&batch), &batch.payload)?;
    }
    let batches = places.len();
    drop(places);
    let (path, size) = writer.finish()?;
    let commit = Commit::new().put(segment_key(id), segment_value(size)).freeing();
    if !committed(shared, commit)? {
        return Ok(());
    }
    let (segment, runs) = Segment::open(&path, id)?;
    let replaces = Replaces::File(file.epoch);
    shared.logs().install(&segment, &runs, &replaces, &shared.front.unsettled);
    file.payload_bytes.store(0, Ordering::Relaxed);
    metrics::counter!("headwater_store_settled_batches_total").increment(batches as u64);
    metrics::counter!("headwater_store_settled_bytes_total").increment(size);
    tracing::debug!(epoch = file.epoch, segment = id, batches, size, "settled a journal file");
    Ok(())
}

/// Deletes segments in which nothing is live any more.
fn drop_dead(shared: &Shared) -> Result<(), Stopped> {
    let live = shared.logs().live_bytes();
    let dead: Vec<u64> = live.into_iter().filter(|(_, bytes)| *bytes == 0).map(|(id, _)| id).collect();
    if dead.is_empty() {
        return Ok(());
    }
    let commit = dead.iter().fold(Commit::new().freeing(), |commit, id| commit.delete(segment_key(*id)));
    if committed(shared, commit)? {
        forget(shared, &dead)?;
    }
    Ok(())
}

/// Merges the segments that most need it, if any do.
fn merge_one(shared: &Shared) -> Result<(), Stopped> {
    let sizes: Vec<(u64, u64, u64)> = {
        let logs = shared.logs();
        let live = logs.live_bytes();
        logs.segments.values().map(|segment| (segment.id, segment.size, live[&segment.id])).collect()
    };
    let chosen = choose(&sizes, shared.options.segment);
    if chosen.is_empty() || shared.front.is_closing() {
        return Ok(());
    }
    let id = shared.new_id();
    let mut writer = SegmentWriter::create(&shared.dir, id)?;
    // Bound first: a guard in the loop's head would lock the logs for the whole merge.
    let runs = shared.logs().runs_of(&chosen);
    for (log, run, start) in runs {
        for batch in run.segment.read_run(&run.place, start)? {
            writer.push(log, header_of(&batch), &batch.payload)?;
        }
    }
    let (path, size) = writer.finish()?;
    let commit = Commit::new().freeing().put(segment_key(id), segment_value(size));
    let commit = chosen.iter().fold(commit, |commit, id| commit.delete(segment_key(*id)));
    if !committed(shared, commit)? {
        return Ok(());
    }
    let (segment, runs) = Segment::open(&path, id)?;
    let old = paths_of(shared, &chosen);
    let replaces = Replaces::Segments(&chosen);
    shared.logs().install(&segment, &runs, &replaces, &shared.front.unsettled);
    metrics::counter!("headwater_store_merged_bytes_total").increment(size);
    unlink(&old)
}

/// Which segments to rewrite: one that is more dead than alive, or many of about one size.
fn choose(sizes: &[(u64, u64, u64)], largest: ByteSize) -> Vec<u64> {
    let wasteful = |(_, size, live): &&(u64, u64, u64)| *size > 64 << 10 && live * 2 < *size;
    if let Some((id, ..)) = sizes.iter().find(wasteful) {
        return vec![*id];
    }
    let mut tiers: std::collections::BTreeMap<u32, Vec<(u64, u64)>> = std::collections::BTreeMap::new();
    for (id, size, _) in sizes {
        tiers.entry(size.max(&1).ilog2() / 2).or_default().push((*id, *size));
    }
    for tier in tiers.values().filter(|tier| tier.len() >= MERGE_AT) {
        let mut total = 0;
        let fitting = tier.iter().take_while(|(_, size)| {
            total += size;
            total <= largest.bytes()
        });
        let chosen: Vec<u64> = fitting.map(|(id, _)| *id).collect();
        if chosen.len() > 1 {
            return chosen;
        }
    }
    Vec::new()
}

/// Removes what a wipe left behind: rows of old generations, segment files no fact names.
fn sweep(shared: &Shared, swept: u64) -> Result<u64, Stopped> {
    let generation = shared.view().applied.generation;
    if generation == swept {
        return Ok(swept);
    }
    while shared.index.sweep_generations(generation, SWEPT_ROWS_MAX)? {
        if shared.front.is_closing() {
            return Ok(swept);
        }
    }
    sweep_files(shared)?;
    Ok(generation)
}

/// Deletes segment files that are not live. Only the settler makes them, so none is in the making.
fn sweep_files(shared: &Shared) -> Result<(), Stopped> {
    let files = disk::list(&shared.dir, parse_segment_name)?;
    let dead: Vec<PathBuf> = {
        let logs = shared.logs();
        files.into_iter().filter(|(id, _)| !logs.segments.contains_key(id)).map(|(_, path)| path).collect()
    };
    unlink(&dead)
}

fn forget(shared: &Shared, ids: &[u64]) -> Result<(), Stopped> {
    let paths = paths_of(shared, ids);
    shared.logs().forget_segments(ids);
    unlink(&paths)
}

fn paths_of(shared: &Shared, ids: &[u64]) -> Vec<PathBuf> {
    let logs = shared.logs();
    ids.iter().filter_map(|id| logs.segments.get(id)).map(|segment| segment.path.clone()).collect()
}

/// Readers that have the file open go on reading it.
fn unlink(paths: &[PathBuf]) -> Result<(), Stopped> {
    for path in paths {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Commits and waits. `false` when the store is closing.
fn committed(shared: &Shared, commit: Commit) -> Result<bool, StoreError> {
    match shared.enter(commit).blocking_recv() {
        Ok(Ok(_)) => Ok(true),
        Ok(Err(CommitError::Closed)) | Err(_) => Ok(false),
        Ok(Err(error)) => Err(StoreError::Io(format!("the settler's commit was refused: {error}"))),
    }
}

fn header_of(batch: &StoredBatch) -> BatchHeader {
    let StoredBatch { base_offset, count, append_time, .. } = *batch;
    BatchHeader { base_offset, append_time, count, length: batch.payload.len() as u32 }
}

/// The key of the fact that makes a segment live.
pub(crate) fn segment_key(id: u64) -> Key {
    Key::of(Kind(kinds::SEGMENT)).u64(id).build()
}

/// Version u8 = 1 and size u64 (little-endian).
pub(crate) fn segment_value(size: u64) -> Vec<u8> {
    let mut value = vec![1];
    value.extend_from_slice(&size.to_le_bytes());
    value
}

/// The size in a segment's fact.
pub(crate) fn segment_size(value: &[u8]) -> Option<u64> {
    let (version, size) = value.split_first()?;
    (*version == 1).then(|| size.try_into().ok().map(u64::from_le_bytes))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segments_fact_reads_back() {
        assert_eq!(segment_value(0x0102), b"\x01\x02\x01\0\0\0\0\0\0");
        assert_eq!(segment_size(&segment_value(77)), Some(77));
        assert_eq!(segment_size(b"\x02\0\0\0\0\0\0\0\0"), None);
        assert_eq!(segment_size(b""), None);
    }

    #[test]
    fn merging_takes_the_wasteful_and_the_many() {
        let gib = ByteSize::gib(1);
        assert!(choose(&[(1, 1 << 20, 1 << 20), (2, 1 << 20, 1 << 20)], gib).is_empty());
        assert_eq!(choose(&[(1, 1 << 20, 1 << 20), (2, 1 << 20, 1 << 18)], gib), vec![2]);
        let many: Vec<_> = (0..8).map(|id| (id, 1 << 20, 1 << 20)).collect();
        assert_eq!(choose(&many, gib).len(), 8);
        assert_eq!(choose(&many, ByteSize::mib(4)).len(), 4);
        let large: Vec<_> = (0..8).map(|id| (id, 1 << 30, 1 << 30)).collect();
        assert!(choose(&large, gib).is_empty());
    }
}
