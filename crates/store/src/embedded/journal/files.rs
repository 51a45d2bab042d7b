//! The journal's files: preparing, naming, recycling.
//!
//! **Invariants.** A file is named `journal-<epoch>.hwj` only when it is completely prepared (filled,
//! header written, fsynced); until then it is `preparing-<n>.tmp`. Epochs rise and are never
//! reused, so they also number the openings of the store. Only the oldest file is ever recycled, so
//! the files that are left hold a contiguous stretch of LSNs.
//!
//! **Failure.** A crash while preparing or recycling leaves a `.tmp`, deleted at the next open.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use headwater_base::Chance;
use std::os::unix::fs::FileExt;

use crate::Lsn;
use crate::embedded::disk;
use crate::embedded::journal::format::{BLOCK_BYTES, FileHeader};

/// One journal file that is or was written to.
#[derive(Debug)]
pub(crate) struct JournalFile {
    /// Its epoch.
    pub epoch: u64,
    /// Its salt.
    pub salt: u64,
    /// Its size.
    pub size: u64,
    /// Where it is.
    pub path: PathBuf,
    /// Itself.
    pub file: File,
    /// The last LSN in it; 0 while there is none.
    pub last_lsn: AtomicU64,
    /// How far it is written.
    pub written: AtomicU64,
    /// Bytes of log payload in it.
    pub payload_bytes: AtomicU64,
    /// When its first batch was written, in the clock's monotonic milliseconds; 0 while there is none.
    pub first_batch_ms: AtomicU64,
}

impl JournalFile {
    /// The newest LSN in the file.
    pub fn last_lsn(&self) -> Lsn {
        Lsn(self.last_lsn.load(Ordering::Acquire))
    }
}

/// All journal files of a store.
#[derive(Debug)]
pub(crate) struct JournalFiles {
    dir: PathBuf,
    file_bytes: u64,
    chance: Chance,
    /// Numbers the names of files in preparation.
    scratch: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    next_epoch: u64,
    /// In order of epoch; the last one is being written to.
    live: Vec<Arc<JournalFile>>,
    /// Prepared, not yet written to.
    spare: Option<Arc<JournalFile>>,
    preparing: bool,
}

/// The name of a journal file.
pub(crate) fn journal_name(epoch: u64) -> String {
    format!("journal-{epoch:016x}.hwj")
}

/// The epoch in a journal file's name.
pub(crate) fn parse_journal_name(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("journal-")?.strip_suffix(".hwj")?;
    u64::from_str_radix(digits, 16).ok()
}

impl JournalFiles {
    /// The files of `dir`, none known yet. `next_epoch` is above every epoch seen.
    pub fn new(dir: &Path, file_bytes: u64, chance: Chance, next_epoch: u64) -> Self {
        let inner = Inner { next_epoch, ..Inner::default() };
        Self {
            dir: dir.to_path_buf(),
            file_bytes,
            chance,
            scratch: AtomicU64::new(0),
            inner: Mutex::new(inner),
        }
    }

    /// Takes the next file into use: the spare one, if it has `at_least` bytes. If there is none, one
    /// of `otherwise` bytes is prepared while the journal waits; small, so that it waits shortly.
    pub fn activate(&self, at_least: u64, otherwise: u64) -> io::Result<Arc<JournalFile>> {
        let ready = self.lock().spare.take_if(|spare| spare.size >= at_least);
        let file = match ready {
            Some(file) => file,
            None => Arc::new(self.prepare_new(otherwise.max(at_least))?),
        };
        let mut inner = self.lock();
        inner.live.push(Arc::clone(&file));
        // A spare prepared before an inline preparation would now be out of order.
        if let Some(spare) = inner.spare.take_if(|spare| spare.epoch < file.epoch) {
            drop(inner);
            std::fs::remove_file(&spare.path)?;
        }
        Ok(file)
    }

    /// Whether a file should be prepared now: a quarter of the active one is used.
    pub fn wants_spare(&self) -> bool {
        let inner = self.lock();
        let well_used = |file: &Arc<JournalFile>| file.written.load(Ordering::Relaxed) >= file.size / 4;
        inner.spare.is_none() && !inner.preparing && inner.live.last().is_some_and(well_used)
    }

    /// Says which files recovery found entries in, oldest first.
    pub fn recovered(&self, live: Vec<Arc<JournalFile>>) {
        self.lock().live = live;
    }

    /// Deletes the spare file, if there is one.
    pub fn discard_spare(&self) {
        if let Some(spare) = self.lock().spare.take() {
            // A file without entries that stays is deleted by the next opening.
            let _ = std::fs::remove_file(&spare.path);
        }
    }

    /// Prepares a full-size file in advance.
    pub fn prepare_spare(&self) -> io::Result<()> {
        self.prepare(self.file_bytes)
    }

    /// Prepares a file of `size` bytes in advance.
    pub fn prepare(&self, size: u64) -> io::Result<()> {
        self.lock().preparing = true;
        let prepared = self.prepare_new(size);
        self.offer_spare(prepared)
    }

    /// Keeps a prepared file as the spare one, unless there is one, or the journal has moved past its
    /// epoch meanwhile: epochs rise along the journal.
    fn offer_spare(&self, prepared: io::Result<JournalFile>) -> io::Result<()> {
        let mut inner = self.lock();
        inner.preparing = false;
        let file = Arc::new(prepared?);
        let too_late = inner.live.last().is_some_and(|active| active.epoch > file.epoch);
        if too_late || inner.spare.is_some() {
            drop(inner);
            return std::fs::remove_file(&file.path);
        }
        inner.spare = Some(file);
        Ok(())
    }

    /// The files that hold entries, oldest first; the last is being written to.
    pub fn live(&self) -> Vec<Arc<JournalFile>> {
        self.lock().live.clone()
    }

    /// Gives up the oldest file, whose entries are no longer needed, if nobody reads it. Its bytes
    /// become the spare file if one is wanted. Returns whether it is gone.
    pub fn retire_oldest(&self, epoch: u64) -> io::Result<bool> {
        let mut inner = self.lock();
        let oldest = match inner.live.first() {
            // The list holds one reference; the caller must hold none.
            Some(file) if file.epoch == epoch && inner.live.len() > 1 && Arc::strong_count(file) == 1 => {
                inner.live.remove(0)
            }
            _ => return Ok(false),
        };
        let reuse = inner.spare.is_none() && !inner.preparing && oldest.size == self.file_bytes;
        inner.preparing |= reuse;
        drop(inner);
        if !reuse {
            std::fs::remove_file(&oldest.path)?;
            return disk::sync_dir(&self.dir).map(|()| true);
        }
        let recycled = self.recycle(&oldest);
        self.offer_spare(recycled).map(|()| true)
    }

    /// The entry of an old file under a new epoch and salt.
    fn recycle(&self, old: &JournalFile) -> io::Result<JournalFile> {
        let beside = self.beside();
        std::fs::rename(&old.path, &beside)?;
        disk::sync_dir(&self.dir)?;
        self.finish(&beside, disk::open_rw(&beside)?, old.size)
    }

    fn prepare_new(&self, size: u64) -> io::Result<JournalFile> {
        let beside = self.beside();
        let filled = File::options().read(true).write(true).create(true).truncate(true).open(&beside);
        let finished = filled.and_then(|file| {
            disk::zero_fill(&file, size)?;
            file.sync_all()?;
            self.finish(&beside, file, size)
        });
        if finished.is_err() {
            // Half a file is of no use, and its room may be needed.
            let _ = std::fs::remove_file(&beside);
        }
        finished
    }

    /// The epoch is chosen last: while a large file is filled, the journal may go on to smaller ones.
    fn finish(&self, beside: &Path, file: File, size: u64) -> io::Result<JournalFile> {
        let epoch = self.next_epoch();
        let salt = self.chance.u64();
        file.write_all_at(&FileHeader { epoch, salt, size }.encode(), 0)?;
        file.sync_all()?;
        let path = self.dir.join(journal_name(epoch));
        std::fs::rename(beside, &path)?;
        disk::sync_dir(&self.dir)?;
        let header = FileHeader { epoch, salt, size };
        Ok(JournalFile::new(header, path, file))
    }

    fn beside(&self) -> PathBuf {
        let n = self.scratch.fetch_add(1, Ordering::Relaxed);
        self.dir.join(format!("preparing-{n}.tmp"))
    }

    fn next_epoch(&self) -> u64 {
        let mut inner = self.lock();
        inner.next_epoch += 1;
        inner.next_epoch - 1
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no holder of this lock panics")
    }
}

impl JournalFile {
    /// A file nothing was written to yet.
    pub fn new(header: FileHeader, path: PathBuf, file: File) -> Self {
        Self {
            epoch: header.epoch,
            salt: header.salt,
            size: header.size,
            path,
            file,
            last_lsn: AtomicU64::new(0),
            written: AtomicU64::new(BLOCK_BYTES),
            payload_bytes: AtomicU64::new(0),
            first_batch_ms: AtomicU64::new(0),
        }
    }

    /// Where the first group goes.
    pub const FIRST_GROUP_AT: u64 = BLOCK_BYTES;
}
