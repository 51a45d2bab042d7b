//! The few things we ask of a file system, with errors that say what was being done.
//!
//! **Failure.** [`fatal`] ends the process: after a failed write or fsync nobody knows what is on
//! the disk, and going on would acknowledge what may be lost. The next start finds out.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use headwater_base::ByteSize;

use crate::embedded::OpenError;

/// Zeroes written at a time when a file is filled.
const ZEROES_BYTES: usize = 1 << 20;
/// How much of a large file is written before it is taken to the disk.
const WRITTEN_BACK_BYTES: u64 = 4 << 20;

/// CRC32C, the checksum of everything the store writes.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

/// Ends the process because what is on the disk is no longer known.
pub(crate) fn fatal(doing: &str, path: &Path, error: &dyn std::fmt::Display) -> ! {
    tracing::error!(doing, path = %path.display(), %error, "the disk failed; stopping so that nothing false is acknowledged");
    eprintln!(
        "headwater: cannot {doing} {}: {error}; stopping so that nothing false is acknowledged",
        path.display()
    );
    std::process::exit(74)
}

/// Wraps an error for [`OpenError`].
pub(crate) fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_path_buf();
    move |source| OpenError::Io { doing, path, source }
}

/// Makes the directory's entries durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Creates a directory and those above it that are missing, all with durable names.
pub(crate) fn create_dir_durably(dir: &Path) -> io::Result<()> {
    let dir = std::path::absolute(dir)?;
    let mut made: Vec<&Path> = dir.ancestors().take_while(|above| !above.exists()).collect();
    if made.is_empty() {
        // Whoever made it may have crashed before its name was durable.
        made.push(&dir);
    }
    std::fs::create_dir_all(&dir)?;
    made.iter().rev().try_for_each(|made| sync_dir(made.parent().unwrap_or(made)))
}

/// Opens for reading and writing, creating it if need be.
pub(crate) fn open_rw(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// Fills the file's first `size` bytes with zeroes, so that later writes change no metadata.
pub(crate) fn zero_fill(file: &File, size: u64) -> io::Result<()> {
    let zeroes = vec![0; ZEROES_BYTES];
    let (mut at, mut pacer) = (0, WriteBack::default());
    while at < size {
        let step = (size - at).min(ZEROES_BYTES as u64);
        file.write_all_at(&zeroes[..step as usize], at)?;
        at += step;
        pacer.wrote(file, step)?;
    }
    Ok(())
}

/// Takes a large file to the disk as it is written. Left to the fsync at its end, hundreds of mebibytes
/// would stand in the disk's queue at once, and the journal's next fdatasync behind them: a pause of
/// 100 ms for everyone who waits for a commit.
#[derive(Debug, Default)]
pub(crate) struct WriteBack {
    waiting: u64,
}

impl WriteBack {
    /// Says that so many bytes were given to the file.
    pub fn wrote(&mut self, file: &File, bytes: u64) -> io::Result<()> {
        self.waiting += bytes;
        if self.waiting < WRITTEN_BACK_BYTES {
            return Ok(());
        }
        self.waiting = 0;
        file.sync_data()
    }
}

/// Writes a small file durably: beside, then renamed over.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let file = File::create(&beside)?;
    file.write_all_at(bytes, 0)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    sync_dir(path.parent().unwrap_or(Path::new(".")))
}

/// Bytes an ordinary user may still write on the file system that holds `dir`.
pub(crate) fn free_bytes(dir: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(dir)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Bytes of all files below `dir`. Files that vanish meanwhile count as nothing.
pub(crate) fn used_bytes(dir: &Path) -> u64 {
    let mut total = 0;
    let mut dirs = vec![dir.to_path_buf()];
    while let Some(dir) = dirs.pop() {
        let Ok(entries) = std::fs::read_dir(&dir) else { continue };
        for entry in entries.flatten() {
            match entry.metadata() {
                Ok(meta) if meta.is_dir() => dirs.push(entry.path()),
                Ok(meta) => total += std::os::unix::fs::MetadataExt::blocks(&meta) * 512,
                Err(_) => {}
            }
        }
    }
    total
}

/// How much room there is: the file system's answer, cut down to the quota if there is one.
pub(crate) fn room(dir: &Path, quota: Option<ByteSize>) -> io::Result<u64> {
    let free = free_bytes(dir)?;
    Ok(quota.map_or(free, |quota| free.min(quota.bytes().saturating_sub(used_bytes(dir)))))
}

/// The names in a directory that `parse` understands, with what it made of them, sorted by it.
pub(crate) fn list<T: Ord>(dir: &Path, parse: impl Fn(&str) -> Option<T>) -> io::Result<Vec<(T, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if let Some(name) = entry.file_name().to_str().and_then(&parse) {
            found.push((name, entry.path()));
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(found)
}

/// Holds a data directory for one process.
#[derive(Debug)]
pub(crate) struct DirLock(File);

impl DirLock {
    /// Takes the lock, or says that another process has it.
    pub fn take(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join("LOCK");
        let file = open_rw(&path).map_err(io_error("open", &path))?;
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(OpenError::InUse(dir.to_path_buf())),
            Err(error) => Err(io_error("lock", &path)(error.into())),
        }
    }
}

impl Drop for DirLock {
    /// Says so explicitly: a child process that is just being started holds the same open file, and
    /// closing ours would leave it locked until that one executes its program.
    fn drop(&mut self) {
        let _ = rustix::fs::flock(&self.0, rustix::fs::FlockOperation::Unlock);
    }
}
