//! The keeper: watches the room on the disk, persists the index, prepares and recycles journal files.
//!
//! **Failure.** A crash between any two steps loses nothing: a mark that is not persisted is replayed
//! over, a prepared file is found or deleted, and a file is recycled only when nothing in it is needed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::embedded::disk;
use crate::embedded::engine::Shared;
use crate::{Lsn, StoreError};

/// How often the keeper looks, unless it is woken.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Of what makes a flush of the index due, the part that only the engine's own journals may hold when our file
/// with it is given up: so little that a start reads it through in no time.
const UNFLUSHED_PART: u64 = 16;
/// The most old journal files given up in one pass.
const RETIRED_MAX: usize = 16;

/// Runs passes until the store is closed.
pub(crate) async fn run(shared: Arc<Shared>) -> Result<(), StoreError> {
    let last_persist = shared.seams.clock.monotonic();
    let mut kept = Kept { last_persist, flushing: None, wants_flush: false };
    while !shared.front.is_closing() {
        let pass = Arc::clone(&shared);
        let keeping = tokio::task::spawn_blocking(move || keep(&pass, kept));
        kept = keeping.await.map_err(|error| StoreError::Io(error.to_string()))??;
        tokio::select! {
            () = shared.seams.clock.sleep(LOOK_EVERY) => {}
            () = shared.wake.notified() => {}
        }
    }
    Ok(())
}

/// What a pass leaves to the next.
#[derive(Clone, Copy, Debug)]
struct Kept {
    /// When the index was last persisted.
    last_persist: Duration,
    /// The mark that a flush of the index under way will make good.
    flushing: Option<Lsn>,
    /// Whether a journal file waits for one.
    wants_flush: bool,
}

/// One pass.
fn keep(shared: &Shared, kept: Kept) -> Result<Kept, StoreError> {
    let _pass = shared.passes[0].lock().map_err(|_| StoreError::Closed)?;
    if shared.front.is_closing() {
        return Ok(kept);
    }
    look_at_room(shared);
    let last_persist = persist(shared, kept.last_persist)?;
    let flushing = flush(shared, &kept)?;
    if shared.files.wants_spare() && !shared.front.is_full() {
        // For want of room the journal goes on without; it is refused to callers before it hurts.
        if let Err(error) = shared.files.prepare_spare() {
            tracing::warn!(%error, "cannot prepare a journal file");
            look_at_room(shared);
        }
    }
    let wants_flush = retire(shared)?;
    figures(shared);
    Ok(Kept { last_persist, flushing, wants_flush })
}

/// Has the index written into tables from time to time, and notes when that is done, so that a start need
/// not read the engine's own journals.
fn flush(shared: &Shared, kept: &Kept) -> Result<Option<Lsn>, StoreError> {
    let is_due = shared.index.unflushed_bytes() >= shared.options.index_flush.bytes();
    match kept.flushing {
        Some(mark) if shared.index.is_flushed() => {
            shared.flushed(mark)?;
            Ok(None)
        }
        None if is_due || kept.wants_flush => {
            // What was marked by now was applied by then.
            let mark = shared.last_mark();
            shared.index.begin_flush()?;
            Ok(Some(mark))
        }
        under_way => Ok(under_way),
    }
}

/// Decides whether ordinary commits are refused, before the disk would refuse them.
pub(crate) fn look_at_room(shared: &Shared) {
    let needed = reserve(shared);
    match disk::room(&shared.dir, shared.options.quota) {
        Ok(room) => {
            let full = room < needed;
            if full != shared.front.is_full() {
                tracing::warn!(full, room, needed, "room on the disk");
            }
            shared.front.set_full(full);
            if !full {
                shared.front.unpark(shared);
            }
        }
        Err(error) => tracing::warn!(%error, "cannot ask how much room is left"),
    }
}

/// What the store needs to go on working: two journal files, a settler's output, an index flush.
fn reserve(shared: &Shared) -> u64 {
    let options = &shared.options;
    options.reserve.bytes() + 3 * options.journal_file.bytes() + 2 * options.index_write_buffer.bytes()
}

fn persist(shared: &Shared, last: Duration) -> Result<Duration, StoreError> {
    let now = shared.seams.clock.monotonic();
    if !shared.mark_wanted() && shared.last_mark() > shared.persisted() {
        shared.persist()?;
        return Ok(now);
    }
    let due = now.saturating_sub(last) >= shared.options.persist_every;
    let heavy = shared.published_bytes.load(Ordering::Relaxed) >= shared.options.persist_bytes.bytes();
    if (due || heavy) && shared.view().applied.lsn > shared.last_mark() {
        shared.published_bytes.store(0, Ordering::Relaxed);
        shared.want_mark();
    }
    Ok(last)
}

/// Gives up the oldest files that nothing needs. Returns whether the next one waits for a flush of the index.
fn retire(shared: &Shared) -> Result<bool, StoreError> {
    for _ in 0..RETIRED_MAX {
        let Some((epoch, last_lsn)) = oldest_closed(shared) else { return Ok(false) };
        if shared.logs().needs_file(epoch) {
            return Ok(false);
        }
        if last_lsn > shared.persisted() {
            shared.want_mark();
            return Ok(false);
        }
        let unflushed = shared.index.unflushed_bytes();
        if last_lsn > shared.flushed_to() && unflushed > shared.options.index_flush.bytes() / UNFLUSHED_PART {
            return Ok(true);
        }
        shared.logs().release_file(epoch);
        let gone = shared.files.retire_oldest(epoch);
        if !gone.map_err(|error| StoreError::Io(format!("cannot recycle a journal file: {error}")))? {
            return Ok(false);
        }
    }
    Ok(false)
}

/// The oldest journal file that is no longer written to. None while the newest holds nothing yet: without
/// the file before it a crash would leave a journal that does not say how far it was.
fn oldest_closed(shared: &Shared) -> Option<(u64, Lsn)> {
    let live = shared.files.live();
    let has_begun = live.last().is_some_and(|active| active.last_lsn() > Lsn(0));
    let oldest = live.first().filter(|_| live.len() > 1 && has_begun)?;
    Some((oldest.epoch, oldest.last_lsn()))
}

fn figures(shared: &Shared) {
    let unsettled = shared.front.unsettled.bytes.load(Ordering::Relaxed);
    metrics::gauge!("headwater_store_unsettled_bytes").set(unsettled as f64);
    metrics::gauge!("headwater_store_queued_bytes").set(shared.front.queued_bytes() as f64);
    metrics::gauge!("headwater_store_full").set(f64::from(u8::from(shared.front.is_full())));
    metrics::gauge!("headwater_store_published_lsn").set(shared.view().applied.lsn.0 as f64);
}
