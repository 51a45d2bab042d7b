//! A consistent copy of a running store, as it is at one commit.
//!
//! The copy is logical: facts out of a snapshot, batches out of wherever they are, into a directory
//! that looks as if a store had just been closed cleanly there.
//!
//! **Invariants.** Facts and logs of the copy are of the same commit. The store goes on meanwhile; the
//! journal files and segments that the copy reads stay until it has read them.
//!
//! **Failure.** A copy that was cut short has no `FORMAT` file and does not open as a store with data
//! in it: `FORMAT` is written last.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use headwater_base::Timestamp;

use crate::embedded::disk;
use crate::embedded::engine::Shared;
use crate::embedded::index::{Applied, INDEX_DIR, Index, Mark};
use crate::embedded::journal::files::journal_name;
use crate::embedded::journal::format::{
    BLOCK_BYTES, FileHeader, GROUP_HEADER_BYTES, GroupHeader, seal_group,
};
use crate::embedded::logs::{Piece, read_place};
use crate::embedded::segment::format::BatchHeader;
use crate::embedded::segment::write::SegmentWriter;
use crate::embedded::settle::{segment_key, segment_value};
use crate::embedded::{BackupReport, start};
use crate::sequencer::{LogState, Stored};
use crate::{Key, KeyRange, Kind, LogId, Lsn, StoreError, StoredBatch, kinds};

/// Rows put into the copy's index at a time.
const ROWS_AT_A_TIME: usize = 1000;
/// The copy's journal file: a header, an end mark, and nothing else.
const JOURNAL_BYTES: u64 = 8 * BLOCK_BYTES;

/// Copies the store to `to`.
pub(crate) fn copy(shared: &Shared, to: &Path) -> Result<BackupReport, StoreError> {
    std::fs::create_dir_all(to).map_err(failed)?;
    if std::fs::read_dir(to).map_err(failed)?.next().is_some() {
        return Err(StoreError::Io(format!("{} is not empty", to.display())));
    }
    // Logs and facts are swapped in under both locks, so these are of the same commit.
    let (everything, view) = {
        let logs = shared.logs();
        (logs.everything(), shared.view())
    };
    let applied = view.applied;
    let mut report = BackupReport { lsn: applied.lsn, ..BackupReport::default() };
    let index = Index::open(&to.join(INDEX_DIR), &shared.options)
        .map_err(|error| StoreError::Io(error.to_string()))?;
    let segment = copy_batches(shared, to, &everything, &mut report)?;
    let own = KeyRange::prefix(&Key::of(Kind(kinds::SEGMENT)).build());
    let everywhere = KeyRange { start: Key::from_bytes(bytes::Bytes::new()), end: None };
    let mut rows = Vec::with_capacity(ROWS_AT_A_TIME);
    for row in view.rows(&everywhere) {
        let row = row?;
        if own.contains(&row.0) {
            continue;
        }
        report.facts += 1;
        rows.push(row);
        if rows.len() == ROWS_AT_A_TIME {
            index.load(applied, &rows)?;
            rows.clear();
        }
    }
    if let Some((id, size)) = segment {
        rows.push((
            segment_key(id),
            applied.lsn,
            Stored { value: segment_value(size).into(), counter: false },
        ));
    }
    index.load(applied, &rows)?;
    index.mark(&mark(shared, applied, &everything))?;
    index.persist()?;
    drop(index);
    let epoch = shared.files.live().last().map_or(1, |active| active.epoch);
    end_journal(to, epoch, applied.lsn, shared.seams.chance.u64()).map_err(failed)?;
    start::check_format(to).map_err(|error| StoreError::Io(error.to_string()))?;
    report.bytes = disk::used_bytes(to);
    Ok(report)
}

/// Every log as it is, the ids of those that are gone, and the remembered tokens.
fn mark(shared: &Shared, applied: Applied, everything: &[(LogId, LogState, Vec<Piece>)]) -> Mark {
    let mut logs: Vec<_> = everything.iter().map(|(id, state, _)| (*id, Some(*state))).collect();
    shared.front.with_state(|state| {
        let live: std::collections::HashSet<u64> = logs.iter().map(|(id, _)| id.0).collect();
        logs.extend(state.used.iter().filter(|id| !live.contains(id)).map(|id| (LogId(id), None)));
        let known = state.once.after(Lsn(0)).filter(|(_, outcome)| outcome.lsn <= applied.lsn);
        let once = known.map(|(token, outcome)| (*token, outcome.clone())).collect();
        let time: Timestamp = state.last_time;
        Mark { lsn: applied.lsn, time, generation: applied.generation, logs, once }
    })
}

/// All batches into one segment. Returns its id and size, if there are any.
fn copy_batches(
    shared: &Shared,
    to: &Path,
    everything: &[(LogId, LogState, Vec<Piece>)],
    report: &mut BackupReport,
) -> Result<Option<(u64, u64)>, StoreError> {
    let id = shared.new_id();
    let mut writer = SegmentWriter::create(to, id).map_err(failed)?;
    for (log, state, pieces) in everything {
        for piece in pieces {
            let batches: Vec<StoredBatch> = match piece {
                Piece::Journal(file, place) => vec![read_place(file, place)?],
                Piece::Run(run) => run.segment.read_run(&run.place, state.start)?,
            };
            for batch in batches {
                let StoredBatch { base_offset, count, append_time, payload } = batch;
                let header = BatchHeader { base_offset, append_time, count, length: payload.len() as u32 };
                writer.push(*log, header, &payload).map_err(failed)?;
                report.batches += 1;
            }
        }
    }
    let (path, size) = writer.finish().map_err(failed)?;
    if report.batches == 0 {
        std::fs::remove_file(path).map_err(failed)?;
        return Ok(None);
    }
    Ok(Some((id, size)))
}

/// A journal that was closed cleanly after `last`.
pub(crate) fn end_journal(dir: &Path, epoch: u64, last: Lsn, salt: u64) -> io::Result<()> {
    let path = dir.join(journal_name(epoch));
    let file = disk::open_rw(&path)?;
    disk::zero_fill(&file, JOURNAL_BYTES)?;
    file.write_all_at(&FileHeader { epoch, salt, size: JOURNAL_BYTES }.encode(), 0)?;
    let mut mark = vec![0; GROUP_HEADER_BYTES];
    let first_lsn = Lsn(last.0 + 1);
    let header = GroupHeader { end: true, epoch, previous: 0, count: 0, first_lsn, length: 0, crc: 0 };
    seal_group(&mut mark, &header, salt);
    file.write_all_at(&mark, BLOCK_BYTES)?;
    file.sync_all()?;
    disk::sync_dir(dir)
}

fn failed(error: io::Error) -> StoreError {
    StoreError::Io(format!("backup: {error}"))
}
