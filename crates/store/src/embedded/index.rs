//! The index: the home of facts older than the journal, and how far it is. fjall behind our journal.
//!
//! Two keyspaces. `facts`: generation u32 (big-endian) and key → version u64 (little-endian), counter
//! u8, value; values over 4 KiB lie apart from the tree. `state`: the store's own rows (kinds
//! 0x0002–0x0004), written only at a *mark*.
//!
//! **Invariants.** One batch per group or more, never less, and with it `applied`, among the facts: the engine
//! keeps a batch whole, so facts always say how far they are, as the mark says of the state. What has no
//! facts (most appends) writes nothing: `applied` then stays where it was until the next facts or the next
//! mark, and replaying from there changes nothing. Readers look through a snapshot that is
//! swapped at publish ([`View`]), so they see whole commits and only published ones. A mark says
//! where logs and tokens stood when everything up to its LSN was applied; only a *persisted* mark
//! lets journal files go.
//!
//! **Failure.** The engine writes no fsync of its own between persists; what a crash takes from it is
//! replayed from the journal, and what a crash tears in it is cut off first ([`wal`]), or left out altogether
//! ([`flush`]). An error of the engine ends the process: the next start replays.

pub(crate) mod flush;
mod wal;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use fjall::{
    Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, OwnedWriteBatch, PersistMode, Readable,
    Snapshot,
};
use headwater_base::{OnceToken, Timestamp};

use crate::embedded::disk::{self, io_error};
use crate::embedded::{OpenError, StoreOptions};
use crate::sequencer::{Effects, LogState, Remembered, State, Stored};
use crate::{Appended, Direction, Fact, Key, KeyRange, Kind, LogId, Lsn, Scanned, StoreError, kinds};

/// Values larger than this lie in blob files, so that compaction does not rewrite them.
const SEPARATE_BYTES: u32 = 4096;
/// When the engine's own journals are larger together, it flushes what keeps the oldest from going. The least it
/// takes: `state` is small and would never be flushed by itself, and every start reads all of them through.
const ENGINE_JOURNALS_BYTES_MAX: u64 = 64 << 20;
/// Bytes of a row before its value.
const ROW_HEADER_BYTES: usize = 9;
/// A file in the index's directory that says it was completely made.
const COMPLETE: &str = "COMPLETE";
/// The key among the facts of the row that says how far they are: after every generation.
const FACTS_APPLIED: [u8; 4] = [0xff; 4];
/// Tokens in one row.
const ONCE_CHUNK: usize = 1000;

/// The engine and its keyspaces. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Index {
    db: Database,
    facts: Keyspace,
    state: Keyspace,
    /// Rows of `once` chunks are numbered on from here.
    once_next: Arc<AtomicU64>,
    /// Bytes of rows since the last flush began.
    unflushed: Arc<AtomicU64>,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Index")
    }
}

/// How far an index is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Applied {
    /// Facts are as of this commit.
    pub lsn: Lsn,
    /// The generation of the facts.
    pub generation: u64,
}

/// Where logs and tokens stood at a commit.
#[derive(Debug, Default)]
pub(crate) struct Mark {
    /// The commit.
    pub lsn: Lsn,
    /// The newest append time.
    pub time: Timestamp,
    /// The generation.
    pub generation: u64,
    /// Logs that changed since the last mark; `None` for dropped ones.
    pub logs: Vec<(LogId, Option<LogState>)>,
    /// Tokens remembered since the last mark.
    pub once: Vec<(OnceToken, Remembered)>,
}

/// What readers look through: all facts as of one published commit.
pub(crate) struct View {
    index: Index,
    snapshot: Arc<Snapshot>,
    /// Which commit that is.
    pub applied: Applied,
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("applied", &self.applied).finish_non_exhaustive()
    }
}

impl Index {
    /// Opens or begins the index in `dir`. The engine does not survive a crash while it makes its
    /// files for the first time; a directory that was never completed is set aside and made anew. (If
    /// it did hold something, the journal does not reach back to the beginning, and recovery refuses.)
    pub fn open(dir: &Path, options: &StoreOptions) -> Result<Self, OpenError> {
        Self::open_behind(dir, options, None)
    }

    /// The same behind a journal that begins with the entry `oldest`: what only the engine's own journals hold
    /// may be missing then. The caller replays all of its journal, and then calls [`flush::discard`].
    pub fn open_behind(dir: &Path, options: &StoreOptions, oldest: Option<Lsn>) -> Result<Self, OpenError> {
        let complete = dir.join(COMPLETE);
        if complete.exists() {
            flush::restore(dir).map_err(io_error("mend", dir))?;
            if let Some(oldest) = oldest {
                flush::set_aside(dir, oldest).map_err(io_error("set journals aside in", dir))?;
            }
            wal::cut_torn_end(dir).map_err(io_error("mend", dir))?;
            return Self::open_engine(dir, options);
        }
        if dir.exists() {
            let aside = dir.with_extension("incomplete");
            if aside.exists() {
                std::fs::remove_dir_all(&aside).map_err(io_error("delete", &aside))?;
            }
            std::fs::rename(dir, &aside).map_err(io_error("set aside", dir))?;
        }
        let index = Self::open_engine(dir, options)?;
        disk::write_durably(&complete, b"").map_err(io_error("write", &complete))?;
        disk::sync_dir(dir.parent().unwrap_or(Path::new("."))).map_err(io_error("sync", dir))?;
        Ok(index)
    }

    fn open_engine(dir: &Path, options: &StoreOptions) -> Result<Self, OpenError> {
        let refuse = |error: fjall::Error| OpenError::Index(error.to_string());
        let db = Database::builder(dir)
            .cache_size(options.index_cache.bytes())
            .max_journaling_size(ENGINE_JOURNALS_BYTES_MAX)
            .worker_threads(1)
            .open()
            .map_err(refuse)?;
        let memtable = (options.index_write_buffer.bytes() / 2).max(1 << 20);
        let facts = db
            .keyspace("facts", || {
                let separation = KvSeparationOptions::default().separation_threshold(SEPARATE_BYTES);
                KeyspaceCreateOptions::default()
                    .max_memtable_size(memtable)
                    .with_kv_separation(Some(separation))
            })
            .map_err(refuse)?;
        let state = db
            .keyspace("state", || KeyspaceCreateOptions::default().max_memtable_size(memtable))
            .map_err(refuse)?;
        let (once_next, unflushed) = (Arc::new(AtomicU64::new(1)), Arc::default());
        Ok(Self { db, facts, state, once_next, unflushed })
    }

    /// Applies the facts of `entries`, in order, in one batch; `applied` becomes their end, which is written
    /// down only if there were any.
    ///
    /// Of several writes to one key only the last is made: the engine would keep the others as older
    /// versions, and every scan over the key would walk them.
    pub fn apply<'a>(
        &self,
        before: Applied,
        entries: impl Iterator<Item = &'a Effects>,
    ) -> Result<Applied, StoreError> {
        let mut rows = BTreeMap::new();
        let mut applied = before;
        for effects in entries {
            if let Some(wiped) = &effects.wiped {
                applied.generation = wiped.generation;
                for (key, version, stored) in &wiped.kept {
                    rows.insert((applied.generation, key), Some((*version, stored)));
                }
            }
            for fact in &effects.facts {
                let stored = fact.stored.as_ref().map(|stored| (effects.lsn, stored));
                rows.insert((applied.generation, &fact.key), stored);
            }
            applied.lsn = effects.lsn;
        }
        if rows.is_empty() && applied.generation == before.generation {
            return Ok(applied);
        }
        let (mut batch, mut bytes) = (self.db.batch(), 0);
        for ((generation, key), stored) in rows {
            let key = row_key(generation, key);
            bytes += key.len();
            match stored {
                Some((version, stored)) => {
                    let row = row(version, stored);
                    bytes += row.len();
                    batch.insert(&self.facts, key, row);
                }
                None => batch.remove(&self.facts, key),
            }
        }
        self.insert_applied(&mut batch, applied);
        batch.commit().map_err(engine)?;
        self.unflushed.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(applied)
    }

    /// Puts rows as they are (into a copy), and says how far that is.
    pub fn load(&self, applied: Applied, rows: &[(Key, Lsn, Stored)]) -> Result<(), StoreError> {
        let mut batch = self.db.batch();
        for (key, version, stored) in rows {
            batch.insert(&self.facts, row_key(applied.generation, key), row(*version, stored));
        }
        self.insert_applied(&mut batch, applied);
        batch.commit().map_err(engine)
    }

    fn insert_applied(&self, batch: &mut OwnedWriteBatch, applied: Applied) {
        batch.insert(&self.facts, FACTS_APPLIED, applied.encode());
    }

    /// Writes a mark, of what is applied. Durable only after [`Index::persist`].
    pub fn mark(&self, mark: &Mark) -> Result<(), StoreError> {
        let mut batch = self.db.batch();
        for (log, state) in &mark.logs {
            batch.insert(&self.state, state_key(kinds::LOG, log.0), encode_log(state.as_ref()));
        }
        for chunk in mark.once.chunks(ONCE_CHUNK) {
            let number = self.once_next.fetch_add(1, Ordering::Relaxed);
            batch.insert(&self.state, state_key(kinds::ONCE, number), encode_once(mark.generation, chunk));
        }
        for stale in self.stale_once_chunks(mark)? {
            batch.remove(&self.state, stale);
        }
        batch.insert(&self.state, state_key(kinds::APPLIED, 1), encode_mark(mark));
        self.insert_applied(&mut batch, Applied { lsn: mark.lsn, generation: mark.generation });
        batch.commit().map_err(engine)
    }

    /// Makes everything applied so far durable.
    pub fn persist(&self) -> Result<(), StoreError> {
        self.db.persist(PersistMode::SyncData).map_err(engine)
    }

    /// A view of everything applied, which the caller says is `applied`.
    pub fn view(&self, applied: Applied) -> View {
        View { index: self.clone(), snapshot: Arc::new(self.db.snapshot()), applied }
    }

    /// How far the facts are.
    pub fn applied(&self) -> Result<Applied, StoreError> {
        let decode = |row: Option<fjall::UserValue>| {
            let row = row.map(|row| Applied::decode(&row).ok_or_else(|| corrupt("an applied row")));
            row.transpose()
        };
        if let Some(facts) = decode(self.facts.get(FACTS_APPLIED).map_err(engine)?)? {
            return Ok(facts);
        }
        // Directories of early versions have it among the state.
        Ok(decode(self.state.get(state_key(kinds::APPLIED, 0)).map_err(engine)?)?.unwrap_or_default())
    }

    /// Loads logs and tokens as of the last mark, and returns its LSN.
    pub fn load_mark(&self, state: &mut State) -> Result<Lsn, StoreError> {
        let Some(row) = self.state.get(state_key(kinds::APPLIED, 1)).map_err(engine)? else {
            return Ok(Lsn(0));
        };
        let mark = decode_mark(&row).ok_or_else(|| corrupt("the mark row"))?;
        state.last_lsn = mark.lsn;
        state.last_time = mark.time;
        state.generation = mark.generation;
        for guard in self.state.prefix(kinds::LOG.to_be_bytes()) {
            let (key, row) = guard.into_inner().map_err(engine)?;
            let (log, found) = decode_log(&key, &row).ok_or_else(|| corrupt("a log row"))?;
            state.used.insert(log.0);
            if let Some(found) = found {
                state.logs.insert(log, found);
            }
        }
        for guard in self.state.prefix(kinds::ONCE.to_be_bytes()) {
            let (key, row) = guard.into_inner().map_err(engine)?;
            let number = state_number(&key).ok_or_else(|| corrupt("a token row"))?;
            self.once_next.fetch_max(number + 1, Ordering::Relaxed);
            let (generation, tokens) = decode_once(&row).ok_or_else(|| corrupt("a token row"))?;
            for (token, outcome) in tokens.into_iter().filter(|_| generation == mark.generation) {
                state.once.remember(token, outcome);
            }
        }
        Ok(mark.lsn)
    }

    /// Removes up to `limit` facts of generations before `current`. Returns whether there may be more.
    pub fn sweep_generations(&self, current: u64, limit: usize) -> Result<bool, StoreError> {
        let mut batch = self.db.batch();
        for guard in self.facts.range(..generation_prefix(current)).take(limit) {
            batch.remove(&self.facts, guard.key().map_err(engine)?);
        }
        let more = batch.len() == limit;
        batch.commit().map_err(engine)?;
        Ok(more)
    }

    /// The rows of chunks whose tokens have all expired or were wiped.
    fn stale_once_chunks(&self, mark: &Mark) -> Result<Vec<fjall::UserKey>, StoreError> {
        let mut stale = Vec::new();
        for guard in self.state.prefix(kinds::ONCE.to_be_bytes()) {
            let (key, row) = guard.into_inner().map_err(engine)?;
            let (newest, generation) = once_header(&row).ok_or_else(|| corrupt("a token row"))?;
            if generation == mark.generation && mark.time.ms() - newest < crate::limits::ONCE_MS {
                break;
            }
            stale.push(key);
        }
        Ok(stale)
    }

    /// Checks that every row of the facts can be read, and counts them.
    pub fn read_all(
        &self,
        generation: u64,
        mut each: impl FnMut(Key, Lsn, Stored),
    ) -> Result<(), StoreError> {
        let prefix = generation_prefix(generation);
        for guard in self.facts.prefix(prefix) {
            let (key, value) = guard.into_inner().map_err(engine)?;
            let (version, stored) = decode_row(&value)?;
            each(Key::from_bytes(Bytes::copy_from_slice(&key[prefix.len()..])), version, stored);
        }
        Ok(())
    }
}

impl View {
    /// The same facts as of a later commit, none of which has come since.
    pub fn advanced(&self, applied: Applied) -> Self {
        Self { index: self.index.clone(), snapshot: self.snapshot.clone(), applied }
    }

    /// The fact at `key` with all that is stored about it.
    pub fn row(&self, key: &Key) -> Result<Option<(Lsn, Stored)>, StoreError> {
        let row =
            self.snapshot.get(&self.index.facts, row_key(self.applied.generation, key)).map_err(engine)?;
        row.map(|row| decode_row(&row)).transpose()
    }

    /// The fact at `key`.
    pub fn get(&self, key: &Key) -> Result<Option<Fact>, StoreError> {
        Ok(self.row(key)?.map(|(version, stored)| Fact { value: stored.value, version }))
    }

    /// Up to `limit` facts of the range.
    pub fn scan(
        &self,
        range: &KeyRange,
        limit: usize,
        direction: Direction,
    ) -> Result<Vec<Scanned>, StoreError> {
        let limit = limit.min(crate::limits::SCAN_ROWS_MAX);
        let row = |(key, version, stored): (Key, Lsn, Stored)| Scanned {
            key,
            fact: Fact { value: stored.value, version },
        };
        let rows = self.rows(range);
        match direction {
            Direction::Forward => rows.take(limit).map(|found| found.map(row)).collect(),
            Direction::Backward => rows.rev().take(limit).map(|found| found.map(row)).collect(),
        }
    }

    /// The rows of a range, with all that is stored about them.
    pub fn rows(
        &self,
        range: &KeyRange,
    ) -> impl DoubleEndedIterator<Item = Result<(Key, Lsn, Stored), StoreError>> + use<> {
        let prefix = generation_prefix(self.applied.generation);
        let start = row_key(self.applied.generation, &range.start);
        let (start, end) = match &range.end {
            Some(end) => {
                let end = row_key(self.applied.generation, end);
                // An inverted range is empty, and the engine would panic on it.
                (start.min(end.clone()), Bound::Excluded(end))
            }
            // For an end the engine would look in each of its tables.
            None => (start, Bound::Unbounded),
        };
        self.snapshot.range(&self.index.facts, (Bound::Included(start), end)).filter_map(move |guard| {
            let row = guard.into_inner().map_err(engine).and_then(|(key, value)| {
                // What follows the newest generation is no fact.
                let Some(key) = key.strip_prefix(&prefix) else { return Ok(None) };
                let (version, stored) = decode_row(&value)?;
                Ok(Some((Key::from_bytes(Bytes::copy_from_slice(key)), version, stored)))
            });
            row.transpose()
        })
    }
}

impl Applied {
    fn encode(self) -> Vec<u8> {
        [self.lsn.0.to_le_bytes(), self.generation.to_le_bytes()].concat()
    }

    fn decode(row: &[u8]) -> Option<Self> {
        let (lsn, generation) = row.split_first_chunk()?;
        let generation = u64::from_le_bytes(generation.try_into().ok()?);
        Some(Self { lsn: Lsn(u64::from_le_bytes(*lsn)), generation })
    }
}

fn generation_prefix(generation: u64) -> [u8; 4] {
    let generation = u32::try_from(generation).ok().filter(|generation| *generation < u32::MAX);
    generation.expect("a store is wiped less than four billion times").to_be_bytes()
}

fn row_key(generation: u64, key: &Key) -> Vec<u8> {
    [&generation_prefix(generation)[..], key.as_bytes()].concat()
}

fn state_key(kind: u16, number: u64) -> Vec<u8> {
    Key::of(Kind(kind)).u64(number).build().as_bytes().to_vec()
}

fn state_number(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(*key.get(2..)?.first_chunk()?))
}

fn row(version: Lsn, stored: &Stored) -> Vec<u8> {
    let mut row = Vec::with_capacity(ROW_HEADER_BYTES + stored.value.len());
    row.extend_from_slice(&version.0.to_le_bytes());
    row.push(u8::from(stored.counter));
    row.extend_from_slice(&stored.value);
    row
}

fn decode_row(row: &[u8]) -> Result<(Lsn, Stored), StoreError> {
    let (header, value) =
        row.split_first_chunk::<ROW_HEADER_BYTES>().ok_or_else(|| corrupt("a fact's row"))?;
    let [a, b, c, d, e, f, g, h, counter] = *header;
    let version = Lsn(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    Ok((version, Stored { value: Bytes::copy_from_slice(value), counter: counter == 1 }))
}

fn encode_mark(mark: &Mark) -> Vec<u8> {
    [mark.lsn.0.to_le_bytes(), mark.time.ms().to_le_bytes(), mark.generation.to_le_bytes()].concat()
}

fn decode_mark(row: &[u8]) -> Option<Mark> {
    let (numbers, []) = row.as_chunks::<8>() else { return None };
    let [lsn, time, generation] = *numbers else { return None };
    Some(Mark {
        lsn: Lsn(u64::from_le_bytes(lsn)),
        time: Timestamp::from_ms(i64::from_le_bytes(time)),
        generation: u64::from_le_bytes(generation),
        ..Mark::default()
    })
}

fn encode_log(state: Option<&LogState>) -> Vec<u8> {
    let Some(state) = state else { return Vec::new() };
    [state.start.to_le_bytes(), state.end.to_le_bytes(), state.last_append_time.ms().to_le_bytes()].concat()
}

fn decode_log(key: &[u8], row: &[u8]) -> Option<(LogId, Option<LogState>)> {
    let log = LogId(state_number(key)?);
    if row.is_empty() {
        return Some((log, None));
    }
    let (numbers, []) = row.as_chunks::<8>() else { return None };
    let [start, end, time] = *numbers else { return None };
    let (start, end) = (i64::from_le_bytes(start), i64::from_le_bytes(end));
    let last_append_time = Timestamp::from_ms(i64::from_le_bytes(time));
    Some((log, Some(LogState { start, end, last_append_time })))
}

/// Newest time i64, generation u64, then per token: token 16, LSN u64, time i64, appends u32 × (log u64, base i64,
/// count u32).
fn encode_once(generation: u64, chunk: &[(OnceToken, Remembered)]) -> Vec<u8> {
    let newest = chunk.last().map_or(0, |(_, outcome)| outcome.time.ms());
    let mut row = newest.to_le_bytes().to_vec();
    row.extend_from_slice(&generation.to_le_bytes());
    for (token, outcome) in chunk {
        row.extend_from_slice(&token.0);
        row.extend_from_slice(&outcome.lsn.0.to_le_bytes());
        row.extend_from_slice(&outcome.time.ms().to_le_bytes());
        row.extend_from_slice(&(outcome.appended.len() as u32).to_le_bytes());
        for appended in &outcome.appended {
            row.extend_from_slice(&appended.log.0.to_le_bytes());
            row.extend_from_slice(&appended.base_offset.to_le_bytes());
            row.extend_from_slice(&appended.count.to_le_bytes());
        }
    }
    row
}

fn once_header(row: &[u8]) -> Option<(i64, u64)> {
    let mut rest = row;
    Some((i64::from_le_bytes(take(&mut rest)?), u64::from_le_bytes(take(&mut rest)?)))
}

/// The generation and the tokens of a chunk.
fn decode_once(row: &[u8]) -> Option<(u64, Vec<(OnceToken, Remembered)>)> {
    let (_, generation) = once_header(row)?;
    let mut rest = &row[16..];
    let mut found = Vec::new();
    while !rest.is_empty() {
        let token = OnceToken(take(&mut rest)?);
        let lsn = Lsn(u64::from_le_bytes(take(&mut rest)?));
        let time = Timestamp::from_ms(i64::from_le_bytes(take(&mut rest)?));
        let count = u32::from_le_bytes(take(&mut rest)?) as usize;
        let mut appended = Vec::with_capacity(count.min(rest.len() / 20));
        for _ in 0..count {
            let log = LogId(u64::from_le_bytes(take(&mut rest)?));
            let base_offset = i64::from_le_bytes(take(&mut rest)?);
            let count = u32::from_le_bytes(take(&mut rest)?);
            appended.push(Appended { log, base_offset, count });
        }
        found.push((token, Remembered { lsn, time, appended: appended.into() }));
    }
    Some((generation, found))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(*head)
}

fn engine(error: fjall::Error) -> StoreError {
    StoreError::Io(format!("index: {error}"))
}

fn corrupt(what: &str) -> StoreError {
    StoreError::Corrupt(format!("{what} of the index does not read back"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sequencer::{FactEffect, Wiped};

    #[test]
    fn the_bytes_of_version_1() {
        let stored = Stored { value: "hi".into(), counter: true };
        assert_eq!(row(Lsn(0x0102), &stored), b"\x02\x01\0\0\0\0\0\0\x01hi");
        assert_eq!(row_key(3, &Key::of(Kind(0x0f00)).u32(1).build()), b"\0\0\0\x03\x0f\0\0\0\0\x01");
        assert_eq!(state_key(kinds::LOG, 5), b"\0\x02\0\0\0\0\0\0\0\x05");
        let log = LogState { start: 1, end: 2, last_append_time: Timestamp::from_ms(3) };
        assert_eq!(encode_log(Some(&log)), b"\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0");
        let mark = Mark { lsn: Lsn(9), time: Timestamp::from_ms(4), generation: 2, ..Mark::default() };
        assert_eq!(encode_mark(&mark), b"\x09\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0");
        assert_eq!(Applied { lsn: Lsn(9), generation: 1 }.encode(), b"\x09\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0");
    }

    #[test]
    fn the_facts_say_how_far_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let index = Index::open(&dir.path().join("index"), &StoreOptions::small()).unwrap();
        let at = |lsn| Applied { lsn: Lsn(lsn), generation: 3 };
        assert_eq!(index.applied().unwrap(), Applied::default());
        // As early versions wrote it.
        index.state.insert(state_key(kinds::APPLIED, 0), at(9).encode()).unwrap();
        assert_eq!(index.applied().unwrap(), at(9));
        index.load(at(5), &[]).unwrap();
        assert_eq!(index.applied().unwrap(), at(5));
        // What has no facts is applied without a word; the next mark tells.
        let appended = Effects { lsn: Lsn(6), ..entry(6, &[]) };
        assert_eq!(index.apply(at(5), [appended].iter()).unwrap(), at(6));
        assert_eq!(index.applied().unwrap(), at(5));
        index.mark(&Mark { lsn: Lsn(6), generation: 3, ..Mark::default() }).unwrap();
        assert_eq!(index.applied().unwrap(), at(6));
    }

    /// An entry that writes `text` to the key `number`, or deletes it.
    fn entry(lsn: u64, writes: &[(u32, Option<&'static str>)]) -> Effects {
        let stored = |text: &'static str| Stored { value: text.into(), counter: false };
        let fact = |&(number, text): &(u32, Option<&'static str>)| FactEffect {
            key: Key::of(Kind(0x0f00)).u32(number).build(),
            stored: text.map(stored),
        };
        Effects {
            lsn: Lsn(lsn),
            time: Timestamp::from_ms(0),
            once: None,
            facts: writes.iter().map(fact).collect(),
            logs: Vec::new(),
            wiped: None,
        }
    }

    #[test]
    fn of_several_writes_to_a_key_in_a_batch_the_last_stands() {
        let dir = tempfile::tempdir().unwrap();
        let index = Index::open(&dir.path().join("index"), &StoreOptions::small()).unwrap();
        let mut wipe = entry(4, &[]);
        let kept = Stored { value: "kept".into(), counter: false };
        wipe.wiped =
            Some(Wiped { generation: 1, kept: vec![(Key::of(Kind(0x0f00)).u32(5).build(), Lsn(2), kept)] });
        let entries = [
            entry(1, &[(1, Some("old")), (2, Some("old")), (3, None)]),
            entry(2, &[(1, Some("new")), (2, None), (3, Some("new"))]),
        ];
        let applied = index.apply(Applied::default(), entries.iter()).unwrap();
        assert_eq!(applied, Applied { lsn: Lsn(2), generation: 0 });
        let shown = |applied: Applied| {
            let mut rows = Vec::new();
            let shown = |_, lsn: Lsn, stored: Stored| rows.push((lsn.0, stored.value));
            index.read_all(applied.generation, shown).unwrap();
            rows
        };
        assert_eq!(shown(applied), [(2, "new".into()), (2, "new".into())]);
        // Written before a wipe and after it is written twice.
        let entries = [entry(3, &[(1, Some("before"))]), wipe, entry(5, &[(1, Some("after"))])];
        let wiped = index.apply(applied, entries.iter()).unwrap();
        assert_eq!(wiped, Applied { lsn: Lsn(5), generation: 1 });
        assert_eq!(shown(wiped), [(5, "after".into()), (2, "kept".into())]);
        assert_eq!(shown(applied), [(3, "before".into()), (2, "new".into())]);
    }

    proptest! {
        #[test]
        fn rows_read_back(version: u64, counter: bool, value: Vec<u8>) {
            let stored = Stored { value: value.into(), counter };
            prop_assert_eq!(decode_row(&row(Lsn(version), &stored)).unwrap(), (Lsn(version), stored));
        }

        #[test]
        fn tokens_read_back(tokens in proptest::collection::vec(any::<([u8; 16], u64, i64, Vec<(u64, i64, u32)>)>(), 0..5)) {
            let chunk: Vec<_> = tokens.into_iter().map(|(token, lsn, time, appended)| {
                let place = |(log, base_offset, count)| Appended { log: LogId(log), base_offset, count };
                let appended = appended.into_iter().map(place).collect();
                (OnceToken(token), Remembered { lsn: Lsn(lsn), time: Timestamp::from_ms(time), appended })
            }).collect();
            prop_assert_eq!(decode_once(&encode_once(7, &chunk)), Some((7, chunk)));
        }

        #[test]
        fn logs_read_back(log: u64, state: Option<(i64, i64, i64)>) {
            let state = state.map(|(start, end, time)| {
                LogState { start, end, last_append_time: Timestamp::from_ms(time) }
            });
            let row = encode_log(state.as_ref());
            prop_assert_eq!(decode_log(&state_key(kinds::LOG, log), &row), Some((LogId(log), state)));
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = (decode_row(&bytes).is_ok(), decode_once(&bytes), decode_log(&bytes, &bytes));
            let _ = (decode_mark(&bytes).is_some(), Applied::decode(&bytes));
        }
    }
}
