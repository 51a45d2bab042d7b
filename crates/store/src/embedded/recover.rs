//! Opening: from what is on the disk to a store that goes on where it stopped.
//!
//! ```text
//! lock ─► index: facts as of `applied`, logs and tokens as of the last mark; its own journals aside if ours
//!         will do
//!      ─► journal files, oldest first: check every group; replay what is newer, but for the tail
//!      ─► segments that facts name; the batches that only the journal holds
//!      ─► fresh file, the tail written into it again, fdatasync
//!      ─► the tail into the index; what nothing names deleted ─► the first answer
//! ```
//! The *tail* is the last group. It is written again because its bytes may be in the page cache and not
//! on the disk: it is the only one nobody synced after. Groups before it were synced, or it would not
//! exist; unless they hold the same entries, written again by a recovery that was itself cut short.
//!
//! **Invariants.** Replay never decides. A gap, or damage before the end, stops the opening. Until the
//! tail is durable nothing that outlives the process rests on it: the index does not hold it, no file
//! that it gave up is deleted, and nobody is told of it.
//!
//! **Failure.** A crash while recovering changes nothing that the next recovery relies on.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use crate::embedded::disk::{self, io_error};
use crate::embedded::front::Unsettled;
use crate::embedded::index::{Applied, INDEX_DIR, Index, flush};
use crate::embedded::journal::codec;
use crate::embedded::journal::files::{JournalFile, parse_journal_name};
use crate::embedded::journal::format::{BadHeader, JOURNAL_VERSION};
use crate::embedded::journal::scan::{Group, Scanner, Step};
use crate::embedded::logs::{LogTable, Place, Replaces};
use crate::embedded::segment::read::Segment;
use crate::embedded::segment::write::segment_name;
use crate::embedded::settle::segment_size;
use crate::embedded::verify::GAPS_FILE;
use crate::embedded::{OpenError, Recovered, StoreOptions};
use crate::sequencer::{Effects, LogEffect, State};
use crate::{Key, KeyRange, Kind, LogId, Lsn, StoreError, kinds};

/// Entries whose facts are applied to the index in one batch.
const REPLAY_BATCH: usize = 1000;
/// Bytes of journal whose entries wait for that: they are pieces of the buffers it was read into.
const REPLAY_BYTES: u64 = 8 << 20;

/// Everything recovery found.
#[derive(Debug)]
pub(crate) struct Recovery {
    /// The sequencer's state.
    pub state: State,
    /// The index, with every entry applied but those of the tail.
    pub index: Index,
    /// How far it is.
    pub applied: Applied,
    /// The last mark in the index.
    pub marked: Lsn,
    /// What of the index was there before anything was replayed into it, and so is durable.
    pub persisted: Lsn,
    /// Logs that changed after that mark, also those that are gone since: the next mark must say so.
    pub changed: HashSet<LogId>,
    /// Journal files that hold entries, oldest first.
    pub files: Vec<Arc<JournalFile>>,
    /// The last group, unless the store was closed cleanly: to be written again, and then to be applied
    /// ([`Recovery::apply_tail`]).
    pub tail: Vec<Effects>,
    /// Where batches lie in the journal, in order.
    pub places: Vec<(LogId, Place)>,
    /// Journal files without entries: prepared and never used.
    pub unused: Vec<PathBuf>,
    /// For the report.
    pub report: Recovered,
}

/// The journal files of `dir` by epoch, oldest first.
pub(crate) fn journal_files(dir: &Path) -> Result<Vec<(u64, PathBuf)>, OpenError> {
    disk::list(dir, parse_journal_name).map_err(io_error("list", dir))
}

/// Reads the journal files `names` and the index in `dir`, whose lock is held, and brings the index
/// up to date.
pub(crate) fn recover(
    dir: &Path,
    names: &[(u64, PathBuf)],
    options: &StoreOptions,
) -> Result<Recovery, OpenError> {
    let index_dir = dir.join(INDEX_DIR);
    let fresh = names.is_empty() && !index_dir.exists();
    let index = Index::open_behind(&index_dir, options, oldest_entry(names)?)?;
    let mut state = State::default();
    let marked = index.load_mark(&mut state).map_err(index_error)?;
    let applied = index.applied().map_err(index_error)?;
    let mut recovery = Recovery {
        state,
        index,
        applied,
        marked,
        persisted: marked.min(applied.lsn),
        changed: HashSet::new(),
        files: Vec::new(),
        tail: Vec::new(),
        places: Vec::new(),
        unused: Vec::new(),
        report: Recovered { fresh, ..Recovered::default() },
    };
    let mut replay = Replay { recovery: &mut recovery, next: None, pending: Vec::new(), pending_bytes: 0 };
    for (epoch, path) in names {
        replay.file(*epoch, path)?;
    }
    replay.finish(dir)?;
    flush::discard(&index_dir).map_err(io_error("delete journals in", &index_dir))?;
    Ok(recovery)
}

/// The first entry of the journal. Whether all of it can be read is seen when it is.
fn oldest_entry(names: &[(u64, PathBuf)]) -> Result<Option<Lsn>, OpenError> {
    for (_, path) in names {
        let Ok(mut scanner) = Scanner::open(path).map_err(io_error("read", path))? else { return Ok(None) };
        match scanner.next().map_err(io_error("read", path))? {
            Step::Group(group) => return Ok(Some(group.header.first_lsn)),
            Step::End { .. } => {}
            Step::Damaged { .. } => return Ok(None),
        }
    }
    Ok(None)
}

struct Replay<'a> {
    recovery: &'a mut Recovery,
    /// The LSN the next entry must have; `None` before the first.
    next: Option<Lsn>,
    /// Entries not yet applied to the index.
    pending: Vec<Effects>,
    /// Bytes of journal read since it was last empty.
    pending_bytes: u64,
}

impl Replay<'_> {
    fn file(&mut self, epoch: u64, path: &Path) -> Result<(), OpenError> {
        let opened = Scanner::open(path).map_err(io_error("read", path))?;
        let mut scanner = opened.map_err(|bad| bad_header(bad, path))?;
        if scanner.header.epoch != epoch {
            return Err(damaged("the file belongs elsewhere", path, 0));
        }
        let file = disk::open_rw(path).map_err(io_error("open", path))?;
        let file = Arc::new(JournalFile::new(scanner.header, path.to_path_buf(), file));
        let mut groups = 0;
        loop {
            match scanner.next().map_err(io_error("read", path))? {
                Step::Group(group) => {
                    self.group(&file, group, groups == 0)?;
                    groups += 1;
                }
                Step::End { torn_bytes } => {
                    // A file that was prepared and never used does not say how the one before it ended.
                    if groups > 0 || torn_bytes > 0 {
                        self.recovery.report.torn_tail_bytes = torn_bytes;
                    }
                    break;
                }
                Step::Damaged { position, next_good } => {
                    let what = format!("a damaged write, with good ones from byte {next_good} on");
                    return Err(damaged(&what, path, position));
                }
            }
        }
        if groups == 0 {
            self.recovery.unused.push(path.to_path_buf());
        } else {
            self.recovery.files.push(file);
        }
        Ok(())
    }

    fn group(&mut self, file: &Arc<JournalFile>, group: Group, first_of_file: bool) -> Result<(), OpenError> {
        let first = group.header.first_lsn;
        let position = group.position;
        match self.next {
            None if first.0 > self.recovery.marked.min(self.recovery.applied.lsn).0 + 1 => {
                return Err(damaged("the journal begins after what the index holds", &file.path, position));
            }
            // A file begins with the last group of the one before it, written again.
            Some(next) if first > next || (first < next && !first_of_file) => {
                let what = format!("a gap: entry {} where {} was due", first.0, next.0);
                return Err(damaged(&what, &file.path, position));
            }
            None | Some(_) => {}
        }
        self.recovery.report.clean = group.header.end;
        let mut entries = Vec::with_capacity(group.entries.len());
        for (n, (at, bytes)) in group.entries.iter().enumerate() {
            let lsn = Lsn(first.0 + n as u64);
            let effects = self.entry(file, lsn, *at, bytes);
            entries
                .push(effects.ok_or_else(|| damaged("an entry that does not read back", &file.path, *at))?);
        }
        self.pending_bytes += group.header.span();
        let before = std::mem::take(&mut self.recovery.tail);
        for effects in before.into_iter().filter(|effects| effects.lsn < first) {
            self.apply(effects).map_err(index_error)?;
        }
        let next = self.next.map_or(group.header.next_lsn(), |next| next.max(group.header.next_lsn()));
        for effects in &entries {
            if self.next.is_none_or(|next| effects.lsn >= next) {
                self.recovery.replay(effects);
            }
        }
        self.recovery.tail = entries;
        file.last_lsn.store(next.0.saturating_sub(1), Ordering::Relaxed);
        self.next = Some(next);
        Ok(())
    }

    /// Decodes an entry and notes where its batches lie.
    fn entry(&mut self, file: &Arc<JournalFile>, lsn: Lsn, at: u64, bytes: &Bytes) -> Option<Effects> {
        let mut placed = Vec::new();
        let effects = codec::decode(lsn, bytes, &mut placed)?;
        if effects.wiped.is_some() {
            self.recovery.places.clear();
        }
        let mut placed = placed.into_iter();
        for change in &effects.logs {
            let LogEffect::Appended { log, base_offset, count, payload } = change else { continue };
            let placed = placed.next()?;
            let place = Place {
                epoch: file.epoch,
                position: at + placed.position as u64,
                length: payload.len() as u32,
                crc: placed.crc,
                base_offset: *base_offset,
                count: *count,
                append_time: effects.time,
            };
            self.recovery.places.push((*log, place));
            file.payload_bytes.fetch_add(payload.len() as u64, Ordering::Relaxed);
        }
        Some(effects)
    }

    /// Has the entry applied to the index, if that lacks it.
    fn apply(&mut self, effects: Effects) -> Result<(), StoreError> {
        if effects.lsn > self.recovery.applied.lsn {
            self.recovery.report.replayed += 1;
            self.pending.push(effects);
            if self.pending.len() >= REPLAY_BATCH || self.pending_bytes >= REPLAY_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        if !self.pending.is_empty() {
            self.recovery.applied = self.recovery.index.apply(self.recovery.applied, self.pending.iter())?;
            self.pending.clear();
            self.pending_bytes = 0;
        }
        Ok(())
    }

    fn finish(mut self, dir: &Path) -> Result<(), OpenError> {
        self.flush().map_err(index_error)?;
        let recovery = self.recovery;
        let last = self.next.map_or(Lsn(0), |next| Lsn(next.0 - 1));
        if last < recovery.applied.lsn || last < recovery.marked {
            let what = format!(
                "the journal ends at entry {}, but the index already holds entry {}",
                last.0,
                recovery.applied.lsn.max(recovery.marked).0
            );
            return Err(damaged(&what, dir, 0));
        }
        recovery.report.last = last;
        recovery.state.last_lsn = last;
        Ok(())
    }
}

impl Recovery {
    /// Moves the sequencer's state on, if the mark was before the entry.
    fn replay(&mut self, effects: &Effects) {
        if effects.lsn <= self.marked {
            return;
        }
        if effects.wiped.is_some() {
            self.changed.extend(self.state.logs.keys());
        }
        self.changed.extend(effects.logs.iter().map(LogEffect::log));
        self.state.replay(effects);
    }

    /// Brings the index up to the tail. Only once the tail is durable.
    pub fn apply_tail(&mut self) -> Result<(), OpenError> {
        let tail = std::mem::take(&mut self.tail);
        let lacking: Vec<_> = tail.iter().filter(|effects| effects.lsn > self.applied.lsn).collect();
        if !lacking.is_empty() {
            self.report.replayed += lacking.len() as u64;
            self.applied = self.index.apply(self.applied, lacking.into_iter()).map_err(index_error)?;
        }
        Ok(())
    }

    /// The segments that facts name once the tail is applied, and their sizes.
    fn segments(&self) -> Result<BTreeMap<u64, u64>, OpenError> {
        let own = KeyRange::prefix(&Key::of(Kind(kinds::SEGMENT)).build());
        let mut named = BTreeMap::new();
        let view = self.index.view(self.applied);
        for row in view.rows(&own) {
            let (key, _, stored) = row.map_err(index_error)?;
            let (id, size) = named_segment(&key, &stored.value)?;
            named.insert(id, size);
        }
        for effects in self.tail.iter().filter(|effects| effects.lsn > self.applied.lsn) {
            if effects.wiped.is_some() {
                named.clear();
            }
            for fact in effects.facts.iter().filter(|fact| own.contains(&fact.key)) {
                let value = fact.stored.as_ref().map(|stored| &stored.value);
                match value.map(|value| named_segment(&fact.key, value)).transpose()? {
                    Some((id, size)) => named.insert(id, size),
                    None => segment_id(&fact.key).and_then(|id| named.remove(&id)),
                };
            }
        }
        Ok(named)
    }
}

/// The id and the size in the fact that names a segment.
pub(crate) fn named_segment(key: &Key, value: &[u8]) -> Result<(u64, u64), OpenError> {
    let named = segment_id(key).zip(segment_size(value));
    named.ok_or_else(|| OpenError::Index("a segment's fact does not read back".into()))
}

/// The table of recovered logs: segments that facts name, then what only the journal holds.
pub(crate) fn recover_logs(
    dir: &Path,
    options: &StoreOptions,
    recovery: &Recovery,
    unsettled: &Unsettled,
) -> Result<LogTable, OpenError> {
    let hot = usize::try_from(options.hot_tail.bytes()).unwrap_or(usize::MAX);
    let mut table = LogTable::new(&recovery.state.logs, hot);
    for (id, size) in recovery.segments()? {
        let path = dir.join(segment_name(id));
        let (segment, runs) =
            Segment::open(&path, id).map_err(|error| damaged(&error.to_string(), &path, 0))?;
        if segment.size != size {
            return Err(damaged("the segment is not as long as it was", &path, segment.size));
        }
        table.install(&segment, &runs, &Replaces::Nothing, unsettled);
    }
    for file in &recovery.files {
        let places = recovery.places.iter().filter(|(_, place)| place.epoch == file.epoch);
        for (log, place) in places {
            table.recover_batch(*log, *place, file, unsettled);
        }
    }
    if !dir.join(GAPS_FILE).exists() {
        check_whole(&table, &recovery.state, dir)?;
    }
    table.mark_dirty(recovery.changed.iter().copied());
    Ok(table)
}

/// Every log must have all of its offsets somewhere.
fn check_whole(table: &LogTable, state: &State, dir: &Path) -> Result<(), OpenError> {
    for (log, known) in &state.logs {
        if let Some((from, to)) = table.first_gap(*log) {
            let what =
                format!("log {} lacks offsets {from} to {to} of [{}, {})", log.0, known.start, known.end);
            return Err(damaged(&what, dir, 0));
        }
    }
    Ok(())
}

/// The id in a segment's key.
fn segment_id(key: &Key) -> Option<u64> {
    let mut reader = key.reader();
    reader.kind()?;
    reader.u64().filter(|_| reader.is_done())
}

/// Says what is wrong and where.
pub(crate) fn damaged(what: &str, file: &Path, position: u64) -> OpenError {
    OpenError::Corrupt { what: what.to_owned(), file: file.to_path_buf(), position }
}

fn bad_header(bad: BadHeader, path: &Path) -> OpenError {
    match bad {
        BadHeader::Damaged => damaged("the file's header is damaged", path, 0),
        BadHeader::Version(found) => OpenError::Format { found, known: JOURNAL_VERSION },
    }
}

fn index_error(error: StoreError) -> OpenError {
    OpenError::Index(error.to_string())
}
