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
mod rows;
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
use crate::{Direction, Fact, Key, KeyRange, LogId, Lsn, Scanned, StoreError, kinds};
use rows::{
    decode_log, decode_mark, decode_once, decode_row, encode_log, encode_mark, encode_once,
    generation_prefix, once_header, row, row_key, state_key, state_number,
};

/// Values larger than this lie in blob files, so that compaction does not rewrite them.
const SEPARATE_BYTES: u32 = 4096;
/// When the engine's own journals are larger together, it flushes what keeps the oldest from going. The least it
/// takes: `state` is small and would hardly be flushed by itself, and a start that needs them reads all of them.
const ENGINE_JOURNALS_BYTES_MAX: u64 = 64 << 20;
/// Its directory in the store's.
pub(crate) const INDEX_DIR: &str = "index";
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

fn engine(error: fjall::Error) -> StoreError {
    StoreError::Io(format!("index: {error}"))
}

fn corrupt(what: &str) -> StoreError {
    StoreError::Corrupt(format!("{what} of the index does not read back"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;
    use crate::sequencer::{FactEffect, Wiped};

    #[test]
    fn the_facts_say_how_far_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let index = Index::open(&dir.path().join(INDEX_DIR), &StoreOptions::small()).unwrap();
        let at = |lsn| Applied { lsn: Lsn(lsn), generation: 3 };
        assert_eq!(index.applied().unwrap(), Applied::default());
        // As early versions wrote it.
        index.state.insert(state_key(kinds::APPLIED, 0), at(9).encode()).unwrap();
        assert_eq!(index.applied().unwrap(), at(9));
        index.load(at(5), &[]).unwrap();
        assert_eq!(index.applied().unwrap(), at(5));
        // What has no facts is applied without a word; the next mark tells.
        assert_eq!(index.apply(at(5), [entry(6, &[])].iter()).unwrap(), at(6));
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
        let index = Index::open(&dir.path().join(INDEX_DIR), &StoreOptions::small()).unwrap();
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
}
