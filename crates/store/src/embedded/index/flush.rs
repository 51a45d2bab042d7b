//! What lies in the engine's tables, and the engine's own journals, which a start can do without then.
//!
//! The engine reads its journals row by row, about 3 µs each, whether or not the rows are in its tables: a start
//! with 100 MiB of them takes a second and a half. Our journal holds the same commits and is read anyway. So
//! the keeper has the index flushed into tables now and then, and the file `FLUSHED` says up to which mark. A
//! start whose journal reaches back to that mark sets the engine's journals aside, unread, and replays from ours.
//!
//! ```text
//! mark M ─► memtables sealed ─► … ─► all written ─► FLUSHED = M, durable
//! start: journal begins at M + 1 or before? ─► engine's journals aside ─► open ─► replay ─► those deleted
//! ```
//! **Invariants.** `FLUSHED` is never ahead of the tables. The engine's journals are deleted only once what
//! they held has been replayed.
//!
//! **Failure.** A crash, or a journal of ours that turns out damaged, before that: the next opening puts them
//! back first, in place of what has been replayed since.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::wal::journal_number;
use super::{Index, engine};
use crate::embedded::disk;
use crate::{Lsn, StoreError};

/// The file that says how far the tables are.
const FLUSHED: &str = "FLUSHED";
/// Where journals are while they are moved, and where they are once all of them have been.
const MOVING: &str = "aside.moving";
const ASIDE: &str = "aside";
/// Where they are while they are deleted.
const REPLAYED: &str = "aside.replayed";

impl Index {
    /// Bytes of rows since the last flush began.
    pub fn unflushed_bytes(&self) -> u64 {
        self.unflushed.load(Ordering::Relaxed)
    }

    /// Begins to write everything applied so far into tables.
    pub fn begin_flush(&self) -> Result<(), StoreError> {
        self.unflushed.store(0, Ordering::Relaxed);
        // Whether there was anything to seal does not matter: nothing is left in between.
        self.facts.rotate_memtable().map_err(engine)?;
        self.state.rotate_memtable().map_err(engine)?;
        Ok(())
    }

    /// Whether all that was sealed has been written.
    pub fn is_flushed(&self) -> bool {
        self.facts.sealed_memtable_count() == 0 && self.state.sealed_memtable_count() == 0
    }

    /// Writes down, durably, that the tables hold everything up to the mark `lsn`.
    pub fn note_flushed(&self, dir: &Path, lsn: Lsn) -> Result<(), StoreError> {
        let text = format!("{}\n", lsn.0);
        disk::write_durably(&dir.join(FLUSHED), text.as_bytes())
            .map_err(|error| StoreError::Io(format!("index: cannot write how far it is flushed: {error}")))
    }
}

/// Has the next opening read the engine's journals, because ours will not tell all that they do.
pub(crate) fn keep_journals(dir: &Path) -> io::Result<()> {
    match std::fs::remove_file(dir.join(FLUSHED)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => disk::sync_dir(dir),
    }
}

/// Sets the engine's journals aside if the tables hold everything before `oldest`, where our journal begins.
pub(super) fn set_aside(dir: &Path, oldest: Lsn) -> io::Result<()> {
    let flushed = match std::fs::read_to_string(dir.join(FLUSHED)) {
        Ok(text) => text.trim().parse::<u64>().map_err(io::Error::other)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if oldest.0 > flushed + 1 {
        return Ok(());
    }
    let journals = disk::list(dir, journal_number)?;
    let Some((_, newest)) = journals.last() else { return Ok(()) };
    let moving = dir.join(MOVING);
    std::fs::create_dir(&moving)?;
    move_all(&journals, &moving)?;
    disk::sync_dir(dir)?;
    std::fs::rename(&moving, dir.join(ASIDE))?;
    // Without one the engine would begin to number its writes anew.
    File::create_new(newest)?;
    disk::sync_dir(dir)
}

/// Puts back what an opening that did not come to its end set aside.
pub(super) fn restore(dir: &Path) -> io::Result<()> {
    remove(&dir.join(REPLAYED))?;
    let (moving, aside) = (dir.join(MOVING), dir.join(ASIDE));
    if aside.exists() {
        for (_, replayed) in disk::list(dir, journal_number)? {
            std::fs::remove_file(replayed)?;
        }
        disk::sync_dir(dir)?;
        std::fs::rename(&aside, &moving)?;
    }
    if moving.exists() {
        move_all(&disk::list(&moving, journal_number)?, dir)?;
        std::fs::remove_dir(&moving)?;
        disk::sync_dir(dir)?;
    }
    Ok(())
}

/// Deletes what was set aside, now that it has been replayed.
pub(crate) fn discard(dir: &Path) -> io::Result<()> {
    let aside = dir.join(ASIDE);
    if aside.exists() {
        std::fs::rename(aside, dir.join(REPLAYED))?;
        disk::sync_dir(dir)?;
    }
    remove(&dir.join(REPLAYED))
}

/// Deletes a directory of journals, if there is one.
fn remove(dir: &Path) -> io::Result<()> {
    if !dir.exists() {
        return Ok(());
    }
    for (_, path) in disk::list(dir, journal_number)? {
        std::fs::remove_file(path)?;
    }
    std::fs::remove_dir(dir)
}

fn move_all(journals: &[(u64, PathBuf)], to: &Path) -> io::Result<()> {
    for (_, path) in journals {
        std::fs::rename(path, to.join(path.file_name().unwrap_or_default()))?;
    }
    disk::sync_dir(to)
}

#[cfg(test)]
mod tests {
    use headwater_base::Timestamp;

    use super::*;
    use crate::embedded::StoreOptions;
    use crate::embedded::index::{Applied, INDEX_DIR, Mark};
    use crate::embedded::journal::codec;
    use crate::embedded::journal::files::journal_name;
    use crate::embedded::journal::format::{FileHeader, group_for_tests};
    use crate::embedded::recover::recover;
    use crate::sequencer::{Effects, FactEffect, Stored};
    use crate::{Key, Kind};

    fn key(n: u64) -> Key {
        Key::of(Kind(0x0f00)).u64(n).build()
    }

    fn stored(n: u64) -> Stored {
        Stored { value: vec![n as u8; 100].into(), counter: false }
    }

    fn put(index: &Index, lsn: u64) {
        index.load(Applied { lsn: Lsn(lsn), generation: 0 }, &[(key(lsn), Lsn(lsn), stored(lsn))]).unwrap();
    }

    /// Which of the rows 1 to 4 are there, and how far the index says it is.
    fn held(index: &Index) -> (Vec<u64>, u64) {
        let applied = index.applied().unwrap();
        let view = index.view(applied);
        let there = (1..=4).filter(|n| view.row(&key(*n)).unwrap().is_some()).collect();
        (there, applied.lsn.0)
    }

    /// An index with rows 1 and 2 in tables and row 3 in the engine's journal only, closed; and its directory.
    fn prepared() -> (tempfile::TempDir, PathBuf) {
        let store = tempfile::tempdir().unwrap();
        let dir = store.path().join(INDEX_DIR);
        let index = open(&dir, None);
        put(&index, 1);
        put(&index, 2);
        index.begin_flush().unwrap();
        while !index.is_flushed() {
            std::thread::yield_now();
        }
        index.note_flushed(&dir, Lsn(2)).unwrap();
        put(&index, 3);
        index.persist().unwrap();
        (store, dir)
    }

    fn open(dir: &Path, oldest: Option<u64>) -> Index {
        Index::open_behind(dir, &StoreOptions::small(), oldest.map(Lsn)).unwrap()
    }

    #[test]
    fn what_the_tables_lack_is_left_to_our_journal() {
        let (_store, dir) = prepared();
        let index = open(&dir, Some(3));
        assert_eq!(held(&index), (vec![1, 2], 2));
        // As recovery does.
        put(&index, 3);
        discard(&dir).unwrap();
        put(&index, 4);
        drop(index);
        assert_eq!(held(&open(&dir, None)), (vec![1, 2, 3, 4], 4));
    }

    #[test]
    fn a_journal_that_begins_too_late_needs_the_engines() {
        let (_store, dir) = prepared();
        assert_eq!(held(&open(&dir, Some(4))), (vec![1, 2, 3], 3));
    }

    #[test]
    fn an_opening_that_did_not_end_is_undone() {
        let (_store, dir) = prepared();
        assert_eq!(held(&open(&dir, Some(1))), (vec![1, 2], 2));
        assert_eq!(held(&open(&dir, None)), (vec![1, 2, 3], 3));
        // In the middle of setting aside.
        std::fs::create_dir(dir.join(MOVING)).unwrap();
        move_all(&disk::list(&dir, journal_number).unwrap(), &dir.join(MOVING)).unwrap();
        assert_eq!(held(&open(&dir, None)), (vec![1, 2, 3], 3));
        assert!(!dir.join(MOVING).exists());
    }

    /// The engine may have written a mark into a table and the facts it speaks of not: they are not persisted.
    #[test]
    fn a_mark_does_not_vouch_for_facts_that_were_set_aside() {
        let (store, dir) = prepared();
        let index = open(&dir, None);
        index.mark(&Mark { lsn: Lsn(3), ..Mark::default() }).unwrap();
        index.state.rotate_memtable().unwrap();
        while !index.is_flushed() {
            std::thread::yield_now();
        }
        index.persist().unwrap();
        drop(index);
        let life = (1, 9);
        let mut journal = FileHeader { epoch: life.0, salt: life.1, size: 8192 }.encode().to_vec();
        let mut previous = 0;
        for lsn in 2..=4 {
            let fact = FactEffect { key: key(lsn), stored: Some(stored(lsn)) };
            let time = Timestamp::from_ms(0);
            let effects =
                Effects { lsn: Lsn(lsn), time, once: None, facts: vec![fact], logs: Vec::new(), wiped: None };
            let mut entry = Vec::new();
            codec::encode(&effects, &mut entry, &mut Vec::new());
            let (group, crc) = group_for_tests(life, previous, lsn, &[&entry]);
            journal.extend(group);
            previous = crc;
        }
        journal.resize(8192, 0);
        let path = store.path().join(journal_name(life.0));
        std::fs::write(&path, journal).unwrap();
        let recovery = recover(store.path(), &[(life.0, path)], &StoreOptions::small()).unwrap();
        assert_eq!((recovery.marked, recovery.persisted), (Lsn(3), Lsn(2)));
        // The last group is applied later, once it is durable.
        assert_eq!(held(&recovery.index), (vec![1, 2, 3], 3));
    }
}
