//! The embedded backend: one directory on a local disk.
//!
//! ```text
//! callers ─► front: admission, sequencer ─► journal thread ─► apply thread ─► answers, watches
//!                                            1 write, 1 sync   index + logs
//! keeper: room, persist, journal files        settler: segments, merging, sweeping
//! ```
//! **Layout** of the directory: `LOCK`, `FORMAT`, `journal-<epoch>.hwj`, `segment-<id>.hws`, `index/`.
//! The formats are in `docs/formats/`.
//!
//! **Failure.** See each module; `recover` says how every crash is mended.

mod apply;
mod backup;
mod disk;
mod engine;
mod front;
mod index;
mod journal;
mod keeper;
mod logs;
mod options;
mod recover;
mod segment;
mod settle;
mod start;
mod verify;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::BoxFuture;
use headwater_base::Seams;

pub use options::StoreOptions;

use crate::{Key, KeyRange, Lsn, Store, StoreError};

/// An open store, and the loops that must run for it to stay healthy.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Arc<dyn Store>,
    /// What settles, merges, recycles and sweeps. Without them the store works until its bound of
    /// unsettled bytes is reached. Each ends when the store is closed.
    pub loops: Vec<StoreLoop>,
    /// Makes consistent copies while the store runs.
    pub backup: Backup,
    /// What recovery found.
    pub recovered: Recovered,
}

/// A loop to be run by `work`.
pub struct StoreLoop {
    /// Its name in status pages.
    pub name: &'static str,
    /// The loop. An error means that the store can't be trusted to free space any more: stop the node.
    pub run: BoxFuture<'static, Result<(), StoreError>>,
}

impl fmt::Debug for StoreLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreLoop").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What opening found on the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Whether the directory was new.
    pub fresh: bool,
    /// Whether the last shutdown left its end mark.
    pub clean: bool,
    /// The newest commit recovered.
    pub last: Lsn,
    /// Entries replayed into the index.
    pub replayed: u64,
    /// Bytes of a torn last write that were given up: a commit nobody was told of, or a flipped
    /// bit in the very last write.
    pub torn_tail_bytes: u64,
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has the directory open.
    #[error("the data directory {0} is in use by another process")]
    InUse(PathBuf),
    /// What is on the disk is not what was written, and going on would lose acknowledged data.
    /// `headwater repair` shows what would be lost.
    #[error("the data directory is damaged: {what} (in {file}, at byte {position}); see `headwater repair`")]
    Corrupt {
        /// What is wrong.
        what: String,
        /// The file.
        file: PathBuf,
        /// Where in it.
        position: u64,
    },
    /// The directory was written by a version this one does not know.
    #[error("the data directory has format {found}, this program knows {known}")]
    Format {
        /// What the file says.
        found: u32,
        /// What we know.
        known: u32,
    },
    /// The options contradict one another.
    #[error("store options: {0}")]
    Options(&'static str),
    /// The disk refused.
    #[error("cannot {doing} {path}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The index engine refused.
    #[error("the index cannot be opened: {0}")]
    Index(String),
}

/// Opens (or begins) the store in `dir`, recovering whatever a crash left there.
///
/// # Errors
/// See [`OpenError`]. Nothing is changed on the disk before the journal has been checked.
pub fn open(dir: &Path, options: StoreOptions, seams: Seams) -> Result<Opened, OpenError> {
    start::open(dir, options, seams)
}

/// Makes consistent copies of a running store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Backup {
    shared: Arc<engine::Shared>,
}

/// What a backup holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupReport {
    /// The commit up to which the copy goes.
    pub lsn: Lsn,
    /// Facts copied.
    pub facts: u64,
    /// Batches copied.
    pub batches: u64,
    /// Bytes written.
    pub bytes: u64,
}

impl Backup {
    /// Writes a copy of the store, as it is at one commit, to `to`, which must be empty or absent.
    /// The copy opens like any data directory. Blocking; run it on the blocking pool.
    pub fn copy_to(&self, to: &Path) -> Result<BackupReport, StoreError> {
        backup::copy(&self.shared, to)
    }
}

/// What reading everything back found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// The newest commit.
    pub last: Lsn,
    /// Facts read.
    pub facts: u64,
    /// Journal groups read and checked.
    pub journal_groups: u64,
    /// Segments read and checked.
    pub segments: u64,
    /// Batches whose bytes were checked.
    pub batches: u64,
    /// Bytes read.
    pub bytes: u64,
    /// What is wrong; empty when all is well.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// Where in it, if that means anything.
    pub position: u64,
    /// What is wrong, in words for an operator.
    pub what: String,
}

/// Reads everything in a directory that no process has open, and changes nothing (the index engine may
/// tidy up its own files when it is opened). Blocking.
///
/// # Errors
/// When the directory is in use or can't be read at all; damage is reported, not an error.
pub fn verify(dir: &Path) -> Result<VerifyReport, OpenError> {
    verify::verify(dir, Vec::new(), |_| Vec::new())
}

/// The same, for a store whose facts name things that lie elsewhere: while the directory is still locked,
/// `also` is shown every key that begins with one of `listed`, and its problems join the report. Blocking.
///
/// # Errors
/// As [`verify`].
pub fn verify_also(
    dir: &Path,
    listed: &[Key],
    also: impl FnOnce(&BTreeSet<Key>) -> Vec<Problem>,
) -> Result<VerifyReport, OpenError> {
    verify::verify(dir, listed.iter().map(KeyRange::prefix).collect(), also)
}

/// What a repair would lose, or has lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepairPlan {
    /// Damage that repair can step over, and what that costs.
    pub losses: Vec<Problem>,
    /// The first commit that is given up, if any.
    pub first_lost: Option<Lsn>,
    /// Commits that are given up.
    pub lost_commits: u64,
}

/// Shows what [`repair`] would lose. Changes nothing. Blocking.
pub fn plan_repair(dir: &Path) -> Result<RepairPlan, OpenError> {
    verify::plan(dir)
}

/// Makes a directory with a damaged journal openable again: damaged writes become empty commits, so
/// that what came before and after them is kept. The damaged files are kept in `damaged/`. Damage to
/// segments, to the index or to a journal file's header is not mended here: restore a backup. Blocking.
pub fn repair(dir: &Path) -> Result<RepairPlan, OpenError> {
    verify::repair(dir)
}
