//! Writes one blob file: blocks go to the disk while the next one is gathered.
//!
//! The first blocks go through the page cache, where a small blob is likely to be read again soon. A
//! large blob's further blocks go to the disk directly: copying gibibytes into pages that are read
//! much later, if ever, costs more CPU time than hashing them, and drives out what is being read.
//!
//! **Bounds.** Two blocks of memory per writer: one gathered, one in flight. Dirty bytes are handed
//! to the disk every [`SYNC_EVERY_BYTES`], so `finish` has little left to wait for.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::task::JoinHandle;

use super::block::{Block, open_direct};
use super::{Disk, failed, joined};
use crate::layout::{self, Trailer};
use crate::live::Live;
use crate::{BlobError, BlobId, BlobWriter, UploadHandle};

/// How many bytes may be written before the disk is asked to keep them.
const SYNC_EVERY_BYTES: u64 = 32 << 20;

/// From here on a blob's blocks bypass the page cache.
const DIRECT_FROM: u64 = 4 << 20;

/// A blob being written.
#[derive(Debug)]
pub(super) struct DiskWriter {
    disk: Arc<Disk>,
    id: BlobId,
    live: Arc<Live>,
    /// The block being gathered; not full between calls.
    block: Block,
    /// Bytes handed to the blocking pool so far.
    sent_bytes: u64,
    checksums: Vec<u32>,
    file: Option<Arc<NewFile>>,
    writing: Option<JoinHandle<Result<Written, BlobError>>>,
    syncing: Option<JoinHandle<Result<(), BlobError>>>,
    unsynced_bytes: u64,
}

/// What writing one block gave.
#[derive(Debug)]
struct Written {
    file: Arc<NewFile>,
    checksum: u32,
    spare: Block,
}

impl DiskWriter {
    pub(super) fn new(disk: Arc<Disk>, id: BlobId) -> Self {
        let live = disk.live.mark(id);
        Self {
            disk,
            id,
            live,
            block: Block::default(),
            sent_bytes: 0,
            checksums: Vec::new(),
            file: None,
            writing: None,
            syncing: None,
            unsynced_bytes: 0,
        }
    }

    /// Waits for the block in flight and takes what it gave; its buffer comes back empty.
    async fn settle(&mut self) -> Result<Block, BlobError> {
        let Some(writing) = self.writing.as_mut() else {
            return Ok(Block::default());
        };
        let outcome = writing.await;
        self.writing = None;
        let written = joined(outcome)?;
        self.file = Some(written.file);
        self.checksums.push(written.checksum);
        Ok(written.spare)
    }

    /// Sends the gathered block on its way.
    async fn send_block(&mut self) -> Result<(), BlobError> {
        let spare = self.settle().await?;
        let block = std::mem::replace(&mut self.block, spare);
        let (disk, id, file, offset) = (self.disk.clone(), self.id, self.file.clone(), self.sent_bytes);
        self.sent_bytes += block.len() as u64;
        self.unsynced_bytes += block.len() as u64;
        self.writing = Some(tokio::task::spawn_blocking(move || write_block(&disk, id, file, block, offset)));
        self.sync_behind().await
    }

    /// Every now and then has the disk keep what was written, beside the writing.
    async fn sync_behind(&mut self) -> Result<(), BlobError> {
        let Some(file) = self.file.clone().filter(|_| self.unsynced_bytes >= SYNC_EVERY_BYTES) else {
            return Ok(());
        };
        self.synced().await?;
        self.unsynced_bytes = 0;
        self.syncing =
            Some(tokio::task::spawn_blocking(move || file.file.sync_data().map_err(|e| failed(&e))));
        Ok(())
    }

    async fn synced(&mut self) -> Result<(), BlobError> {
        let Some(syncing) = self.syncing.as_mut() else {
            return Ok(());
        };
        let outcome = syncing.await;
        self.syncing = None;
        joined(outcome)
    }
}

#[async_trait]
impl BlobWriter for DiskWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            rest = self.block.take(rest);
            if self.block.is_full() {
                self.send_block().await?;
            }
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<UploadHandle, BlobError> {
        self.settle().await?;
        self.synced().await?;
        let this = *self;
        let (id, len) = (this.id, this.sent_bytes + this.block.len() as u64);
        let mut trailer = Trailer { len, checksums: this.checksums };
        let (disk, file, block, offset) = (this.disk, this.file, this.block, this.sent_bytes);
        super::blocking(move || {
            let file = match file {
                Some(file) => file,
                None => NewFile::create(&disk, id)?,
            };
            let mut tail = block.bytes().to_vec();
            if !tail.is_empty() {
                disk.claim(tail.len() as u64)?;
                trailer.checksums.push(layout::checksum(&tail));
            }
            tail.extend_from_slice(&trailer.encode(id));
            file.file.write_all_at(&tail, offset).map_err(|e| failed(&e))?;
            file.keep(&disk, id)
        })
        .await?;
        Ok(UploadHandle { id, len, _live: this.live })
    }
}

fn write_block(
    disk: &Arc<Disk>,
    id: BlobId,
    file: Option<Arc<NewFile>>,
    block: Block,
    offset: u64,
) -> Result<Written, BlobError> {
    disk.claim(block.len() as u64)?;
    let file = match file {
        Some(file) => file,
        None => NewFile::create(disk, id)?,
    };
    let checksum = layout::checksum(block.bytes());
    file.write(&block, offset).map_err(|e| failed(&e))?;
    Ok(Written { file, checksum, spare: block.emptied() })
}

/// A file that goes away again unless it is kept. Shared with work in flight, so it never goes
/// away under a write and never comes back after it.
#[derive(Debug)]
struct NewFile {
    file: File,
    /// The same file without the page cache, once a block asked for it; `None` where the file
    /// system has no such thing.
    direct: OnceLock<Option<File>>,
    path: PathBuf,
    kept: AtomicBool,
}

impl NewFile {
    fn create(disk: &Disk, id: BlobId) -> Result<Arc<Self>, BlobError> {
        let path = disk.path_of(id);
        let file = File::options().write(true).create_new(true).open(&path).map_err(|e| failed(&e))?;
        Ok(Arc::new(Self { file, direct: OnceLock::new(), path, kept: AtomicBool::new(false) }))
    }

    fn write(&self, block: &Block, offset: u64) -> io::Result<()> {
        if offset >= DIRECT_FROM
            && block.is_aligned()
            && let Some(direct) =
                self.direct.get_or_init(|| open_direct(File::options().write(true), &self.path))
        {
            match direct.write_all_at(block.bytes(), offset) {
                // A disk that wants other alignment than any we know: the page cache takes it.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
                done => return done,
            }
        }
        self.file.write_all_at(block.bytes(), offset)
    }

    /// Makes file and name durable.
    fn keep(&self, disk: &Disk, id: BlobId) -> Result<(), BlobError> {
        let sync = || -> io::Result<()> {
            self.file.sync_all()?;
            File::open(disk.folder_of(id))?.sync_all()
        };
        sync().map_err(|e| failed(&e))?;
        self.kept.store(true, Ordering::Release);
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if self.kept.load(Ordering::Acquire) {
            return;
        }
        let path = std::mem::take(&mut self.path);
        // Should this fail, the sweep removes the file later: no fact names it.
        let remove = move || {
            let _ = fs::remove_file(path);
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}
