//! Big immutable bytes by id: checksummed blocks on a local disk (later: an object store).
//!
//! A blob is durable when [`BlobWriter::finish`] returns: its file and its directory entry are
//! fsynced. Only then may a commit name it. Nothing here knows who names a blob; `objects` keeps
//! the `blob_ref` facts and runs the sweep.
//!
//! **Invariants.** A blob never changes after [`BlobWriter::finish`]. An id is never reused. What a
//! reader returns was checked against the checksum taken when it was written.
//!
//! **Failure.** A crash before `finish` returns leaves a file nobody names, which the sweep
//! removes. A damaged block is an error ([`BlobError::Corrupt`]), never bytes. A full disk is
//! refused before writing, at a reserve that keeps room for the journal.
//!
//! **Layout.** `docs/formats/blob.md`.

pub mod conformance;
pub mod disk;
mod hold;
mod layout;
mod live;
pub mod memory;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

pub use hold::Hold;

/// A blob's identity: random, never reused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlobId(pub [u8; 16]);

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// The bytes in one checksummed block; a blob's last block may be shorter.
pub const BLOCK_BYTES: usize = 1 << 20;

/// Why a blob could not be written or read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BlobError {
    /// There is no such blob.
    #[error("no such blob: {0:?}")]
    NotFound(BlobId),
    /// A block's checksum does not match. Never served.
    #[error("blob {id:?} is corrupt in block {block}")]
    Corrupt {
        /// The blob.
        id: BlobId,
        /// The 1 MiB block.
        block: u64,
    },
    /// The blob's trailer, which says what its blocks must be, is damaged or missing. Never served.
    #[error("blob {0:?} has no valid trailer")]
    Damaged(BlobId),
    /// The disk has no room (decided before writing).
    #[error("no space left for new data")]
    Full,
    /// The disk failed.
    #[error("storage failed: {0}")]
    Io(String),
}

/// A place for blobs. Object-safe; share it as `Arc<dyn Blobs>`.
#[async_trait]
pub trait Blobs: Send + Sync + fmt::Debug {
    /// Begins a new blob. Dropping the writer unfinished discards what was written.
    async fn create(&self) -> Result<Box<dyn BlobWriter>, BlobError>;
    /// Opens a blob and pins it: while the reader lives, deletion waits.
    async fn open(&self, id: BlobId) -> Result<Arc<dyn BlobReader>, BlobError>;
    /// Removes a blob once nobody reads it. Nothing happens if it is not there.
    async fn delete(&self, id: BlobId) -> Result<(), BlobError>;
    /// Reads up to `blocks` blocks of a blob again, from number `first` on, and checks each; from the
    /// device, past caches, where that can be asked for.
    ///
    /// # Errors
    /// [`BlobError::NotFound`]; [`BlobError::Damaged`] when the trailer cannot be trusted. A block that
    /// is not what was written is a finding, not an error.
    async fn check(&self, id: BlobId, first: u64, blocks: u64) -> Result<Checked, BlobError> {
        let reader = self.open(id).await?;
        let mut checked = Checked::default();
        let end = layout::block_count(reader.len());
        for block in first..end.min(first.saturating_add(blocks)) {
            let start = block * BLOCK_BYTES as u64;
            let range = start..reader.len().min(start + BLOCK_BYTES as u64);
            checked.bytes += range.end - range.start;
            match reader.read(range).await {
                Ok(_) => {}
                Err(BlobError::Corrupt { .. }) => checked.damaged.push(block),
                Err(e) => return Err(e),
            }
        }
        checked.next = Some(first.saturating_add(blocks)).filter(|next| *next < end);
        Ok(checked)
    }
    /// Puts deletions off: until what this returns is dropped, every blob that is there stays, readable and
    /// listed. For who copies all of them.
    fn hold(&self) -> Hold;
    /// Every blob present, finished or not, except those with a live [`UploadHandle`].
    async fn list(&self) -> Result<Vec<BlobId>, BlobError>;
    /// Whether the blob is being written or an [`UploadHandle`] to it lives.
    fn is_live(&self, id: BlobId) -> bool;
    /// Free bytes, as far as known.
    fn free_bytes(&self) -> u64;
}

/// What checking some blocks of a blob found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Bytes read.
    pub bytes: u64,
    /// Blocks that are not what was written.
    pub damaged: Vec<u64>,
    /// Where to go on, if there is more.
    pub next: Option<u64>,
}

/// Writes one blob, front to back.
#[async_trait]
pub trait BlobWriter: Send + fmt::Debug {
    /// Appends bytes.
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError>;
    /// Makes the blob durable.
    async fn finish(self: Box<Self>) -> Result<UploadHandle, BlobError>;
}

/// A finished blob that no commit names yet. While it lives the sweep leaves the blob alone: drop
/// it only after the commit that names the blob was published.
#[derive(Debug, Clone)]
pub struct UploadHandle {
    /// The blob.
    pub id: BlobId,
    /// Its length in bytes.
    pub len: u64,
    /// Keeps the id out of [`Blobs::list`] while any clone lives.
    pub(crate) _live: Arc<live::Live>,
}

/// Reads one blob; every block's checksum is verified on every read.
#[async_trait]
pub trait BlobReader: Send + Sync + fmt::Debug {
    /// The blob's length in bytes.
    fn len(&self) -> u64;
    /// Whether the blob holds nothing.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The bytes of `range` at once; for small ranges.
    async fn read(&self, range: Range<u64>) -> Result<Bytes, BlobError>;
    /// The bytes of `range` in pieces of at most 1 MiB, read ahead by one.
    fn stream(self: Arc<Self>, range: Range<u64>) -> BoxStream<'static, Result<Bytes, BlobError>>;
}
