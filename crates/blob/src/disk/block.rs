//! The memory of one block on its way to the disk, and back.
//!
//! **Invariants.** The bytes begin at an address the disk can take them from directly, and stay
//! there: a block never outgrows the memory it was made with.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::BLOCK_BYTES;

/// What direct writes want memory, position and length to be multiples of. Disks ask for their
/// sector size, at most a page.
const ALIGNMENT: usize = 4096;

/// Up to [`BLOCK_BYTES`] bytes, aligned.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// Empty until the first byte arrives.
    memory: Vec<u8>,
    start: usize,
}

impl Block {
    /// Takes as much of `bytes` as fits and gives the rest.
    pub(super) fn take<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        if self.memory.capacity() == 0 {
            self.memory.reserve_exact(BLOCK_BYTES + ALIGNMENT);
            self.start = self.memory.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
            self.memory.resize(self.start, 0);
        }
        let (now, later) = bytes.split_at(bytes.len().min(BLOCK_BYTES - self.len()));
        self.memory.extend_from_slice(now);
        later
    }

    /// How many bytes it holds.
    pub(super) fn len(&self) -> usize {
        self.memory.len() - self.start
    }

    /// Whether nothing more fits.
    pub(super) fn is_full(&self) -> bool {
        self.len() == BLOCK_BYTES
    }

    /// The bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.memory[self.start..]
    }

    /// Whether the disk can take it without a copy.
    pub(super) fn is_aligned(&self) -> bool {
        self.is_full() && self.bytes().as_ptr().align_offset(ALIGNMENT) == 0
    }

    /// The same memory without bytes.
    pub(super) fn emptied(mut self) -> Self {
        self.memory.truncate(self.start);
        self
    }
}

/// Memory for reading blocks past the page cache, one at a time.
#[derive(Debug, Default)]
pub(super) struct Aligned(Vec<u8>);

impl Aligned {
    /// The `len` bytes (at most a block) at `start`, which must be a multiple of a block.
    pub(super) fn read(&mut self, file: &File, start: u64, len: usize) -> io::Result<&[u8]> {
        if self.0.is_empty() {
            self.0 = vec![0; BLOCK_BYTES + ALIGNMENT];
        }
        let from = self.0.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        // Direct reads want whole sectors; at the file's end they get what there is.
        let asked = len.next_multiple_of(ALIGNMENT).min(BLOCK_BYTES);
        let mut read = 0;
        while read < len {
            match file.read_at(&mut self.0[from + read..from + asked], start + read as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => read += count,
            }
        }
        Ok(&self.0[from..from + len])
    }
}

/// Opens a file past the page cache; `None` where the system or the file system has no such thing.
#[cfg(target_os = "linux")]
pub(super) fn open_direct(options: &mut OpenOptions, path: &Path) -> Option<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = i32::try_from(rustix::fs::OFlags::DIRECT.bits()).ok()?;
    options.custom_flags(flags).open(path).ok()
}

/// Other systems have other ways, none of them needed for correctness.
#[cfg(not(target_os = "linux"))]
pub(super) fn open_direct(_options: &mut OpenOptions, _path: &Path) -> Option<File> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_aligned_and_stays_so() {
        let mut block = Block::default();
        assert_eq!((block.len(), block.is_full(), block.is_aligned()), (0, false, false));
        let bytes = vec![7; BLOCK_BYTES + 5];
        assert!(block.take(&bytes[..100]).is_empty());
        let at = block.bytes().as_ptr();
        assert_eq!(block.take(&bytes), &bytes[..105]);
        assert!(block.is_aligned());
        assert_eq!((block.bytes().as_ptr(), block.bytes()), (at, &bytes[..BLOCK_BYTES]));
        let mut again = block.emptied();
        assert_eq!(again.len(), 0);
        assert!(again.take(b"abc").is_empty());
        assert_eq!((again.bytes().as_ptr(), again.bytes()), (at, &b"abc"[..]));
    }
}
