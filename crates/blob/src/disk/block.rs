//! The memory of one block on its way to the disk.
//!
//! **Invariants.** The bytes begin at an address the disk can take them from directly, and stay
//! there: a block never outgrows the memory it was made with.

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
