//! Reads one blob file. Every block is checked against the trailer each time it leaves the disk.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::task::JoinHandle;

use super::block::Aligned;
use super::{blocking, failed, joined};
use crate::layout::{self, FOOTER_BYTES, Trailer};
use crate::{BLOCK_BYTES, BlobError, BlobId, BlobReader, Checked};

/// How much of a file's end is read at first: the whole trailer of blobs up to 16 GiB.
const TAIL_BYTES: u64 = 64 << 10;

/// An open blob.
#[derive(Debug)]
pub(super) struct DiskReader(Arc<OpenFile>);

#[derive(Debug)]
struct OpenFile {
    id: BlobId,
    file: File,
    trailer: Trailer,
    /// The block read last, for many small reads that follow one another.
    latest: Mutex<Option<(u64, Bytes)>>,
}

impl DiskReader {
    /// Opens the file and checks its trailer.
    pub(super) fn open(id: BlobId, path: &Path) -> Result<Self, BlobError> {
        let file = match File::open(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(BlobError::NotFound(id)),
            other => other.map_err(|e| failed(&e))?,
        };
        let file_len = file.metadata().map_err(|e| failed(&e))?.len();
        let trailer = read_trailer(id, &file, file_len)?.ok_or(BlobError::Damaged(id))?;
        Ok(Self(Arc::new(OpenFile { id, file, trailer, latest: Mutex::new(None) })))
    }
}

impl DiskReader {
    /// The blob's length.
    pub(super) fn bytes(&self) -> u64 {
        self.0.trailer.len
    }

    /// Reads up to `blocks` blocks from number `first` on through `file`, which is this blob's,
    /// opened past the page cache.
    pub(super) fn check_through(&self, file: &File, first: u64, blocks: u64) -> io::Result<Checked> {
        let mut checked = Checked::default();
        let end = layout::block_count(self.bytes());
        let until = end.min(first.saturating_add(blocks));
        let mut memory = Aligned::default();
        for block in first..until {
            let start = block * BLOCK_BYTES as u64;
            let len = (self.bytes() - start).min(BLOCK_BYTES as u64) as usize;
            let bytes = memory.read(file, start, len)?;
            checked.bytes += len as u64;
            if layout::checksum(bytes) != self.0.trailer.checksums[block as usize] {
                checked.damaged.push(block);
            }
        }
        checked.next = Some(until).filter(|next| *next < end);
        Ok(checked)
    }

    /// Reads every block; an error for each that is not sound.
    pub(super) fn damage(&self) -> impl Iterator<Item = BlobError> {
        (0..layout::block_count(self.bytes())).filter_map(|block| self.0.block(block).err())
    }
}

fn read_trailer(id: BlobId, file: &File, file_len: u64) -> Result<Option<Trailer>, BlobError> {
    if file_len < FOOTER_BYTES as u64 {
        return Ok(None);
    }
    let tail = read_exact_at(file, file_len - file_len.min(TAIL_BYTES)..file_len)?;
    let claimed = Trailer::claimed_blocks(&tail[tail.len() - FOOTER_BYTES..]).map(layout::trailer_bytes);
    let Some(wanted) = claimed.filter(|wanted| *wanted <= file_len) else {
        return Ok(None);
    };
    if wanted <= tail.len() as u64 {
        return Ok(Trailer::decode(id, file_len, &tail[tail.len() - wanted as usize..]));
    }
    let whole = read_exact_at(file, file_len - wanted..file_len)?;
    Ok(Trailer::decode(id, file_len, &whole))
}

fn read_exact_at(file: &File, range: Range<u64>) -> Result<Vec<u8>, BlobError> {
    let mut bytes = vec![0; (range.end - range.start) as usize];
    file.read_exact_at(&mut bytes, range.start).map_err(|e| failed(&e))?;
    Ok(bytes)
}

impl OpenFile {
    /// A whole block, checked.
    fn block(&self, block: u64) -> Result<Bytes, BlobError> {
        if let Some((number, bytes)) = &*self.latest.lock().expect("no holder of this lock panics")
            && *number == block
        {
            return Ok(bytes.clone());
        }
        let start = block * BLOCK_BYTES as u64;
        let end = self.trailer.len.min(start + BLOCK_BYTES as u64);
        let bytes = Bytes::from(read_exact_at(&self.file, start..end)?);
        if layout::checksum(&bytes) != self.trailer.checksums[block as usize] {
            return Err(BlobError::Corrupt { id: self.id, block });
        }
        Ok(bytes)
    }

    /// The part of `range` that lies in `block`.
    fn piece(&self, block: u64, range: &Range<u64>) -> Result<Bytes, BlobError> {
        let bytes = self.block(block)?;
        let start = block * BLOCK_BYTES as u64;
        let from = range.start.max(start) - start;
        let to = (range.end - start).min(bytes.len() as u64);
        Ok(bytes.slice(from as usize..to as usize))
    }

    fn read(&self, range: &Range<u64>) -> Result<Bytes, BlobError> {
        let blocks = blocks_of(range);
        if blocks.end - blocks.start == 1 {
            let bytes = self.block(blocks.start)?;
            *self.latest.lock().expect("no holder of this lock panics") = Some((blocks.start, bytes));
            return self.piece(blocks.start, range);
        }
        let mut all = Vec::with_capacity((range.end - range.start) as usize);
        for block in blocks {
            all.extend_from_slice(&self.piece(block, range)?);
        }
        Ok(all.into())
    }

    fn clamp(&self, range: Range<u64>) -> Range<u64> {
        let end = range.end.min(self.trailer.len);
        range.start.min(end)..end
    }
}

/// The blocks that hold `range`.
fn blocks_of(range: &Range<u64>) -> Range<u64> {
    if range.is_empty() {
        return 0..0;
    }
    range.start / BLOCK_BYTES as u64..layout::block_count(range.end)
}

#[async_trait]
impl BlobReader for DiskReader {
    fn len(&self) -> u64 {
        self.0.trailer.len
    }

    async fn read(&self, range: Range<u64>) -> Result<Bytes, BlobError> {
        let range = self.0.clamp(range);
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let open = self.0.clone();
        blocking(move || open.read(&range)).await
    }

    fn stream(self: Arc<Self>, range: Range<u64>) -> BoxStream<'static, Result<Bytes, BlobError>> {
        let range = self.0.clamp(range);
        let blocks = blocks_of(&range);
        let ahead = Ahead { open: self.0.clone(), range, blocks, next: None };
        stream::unfold(ahead, Ahead::step).boxed()
    }
}

/// A stream in progress: one block is read while the one before it is consumed.
struct Ahead {
    open: Arc<OpenFile>,
    range: Range<u64>,
    blocks: Range<u64>,
    next: Option<JoinHandle<Result<Bytes, BlobError>>>,
}

impl Ahead {
    fn start(&mut self) {
        self.next = self.blocks.next().map(|block| {
            let (open, range) = (self.open.clone(), self.range.clone());
            tokio::task::spawn_blocking(move || open.piece(block, &range))
        });
    }

    async fn step(mut self) -> Option<(Result<Bytes, BlobError>, Self)> {
        if self.next.is_none() {
            self.start();
        }
        let piece = joined(self.next.take()?.await);
        match piece {
            Ok(_) => self.start(),
            Err(_) => self.blocks = 0..0,
        }
        Some((piece, self))
    }
}
