//! Reads segments. Every run is checked against its checksum before a byte of it is served.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::embedded::disk::crc32c;
use crate::embedded::segment::format::{
    BATCH_HEADER_BYTES, BatchHeader, HEADER, Run, TRAILER_BYTES, decode_footer, locate_footer,
};
use crate::{StoreError, StoredBatch};

/// An open segment file.
#[derive(Debug)]
pub(crate) struct Segment {
    /// Its id.
    pub id: u64,
    /// Its bytes.
    pub size: u64,
    /// Where it is.
    pub path: PathBuf,
    file: File,
}

impl Segment {
    /// Opens a segment and reads its footer.
    pub fn open(path: &Path, id: u64) -> Result<(Arc<Self>, Vec<Run>), StoreError> {
        let failed = |error: std::io::Error| StoreError::Io(format!("{}: {error}", path.display()));
        let damaged = |what: &str| StoreError::Corrupt(format!("{}: {what}", path.display()));
        let file = File::open(path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        let mut header = [0; HEADER.len()];
        let mut trailer = [0; TRAILER_BYTES];
        let at = size.checked_sub(TRAILER_BYTES as u64).ok_or_else(|| damaged("too short"))?;
        file.read_exact_at(&mut header, 0).map_err(failed)?;
        file.read_exact_at(&mut trailer, at).map_err(failed)?;
        if &header != HEADER {
            return Err(damaged("not a segment of a version this program knows"));
        }
        let (position, length) =
            locate_footer(&trailer, size).ok_or_else(|| damaged("the trailer is damaged"))?;
        let mut footer = vec![0; length + TRAILER_BYTES];
        file.read_exact_at(&mut footer, position).map_err(failed)?;
        let runs = decode_footer(&footer).ok_or_else(|| damaged("the footer is damaged"))?;
        if runs.iter().any(|run| run.position + u64::from(run.length) > position) {
            return Err(damaged("a run lies outside the file"));
        }
        Ok((Arc::new(Self { id, size, path: path.to_path_buf(), file }), runs))
    }

    /// The batches of a run that end after `offset`, checked.
    pub fn read_run(&self, run: &RunPlace, offset: i64) -> Result<Vec<StoredBatch>, StoreError> {
        let mut bytes = vec![0; run.length as usize];
        let failed = |error: std::io::Error| StoreError::Io(format!("{}: {error}", self.path.display()));
        self.file.read_exact_at(&mut bytes, run.position).map_err(failed)?;
        let damaged = || {
            StoreError::Corrupt(format!(
                "{}: the run at byte {} is damaged",
                self.path.display(),
                run.position
            ))
        };
        if crc32c(&bytes) != run.crc {
            return Err(damaged());
        }
        let bytes = Bytes::from(bytes);
        let mut batches = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let header = BatchHeader::decode(&bytes[at..]).ok_or_else(damaged)?;
            let start = at + BATCH_HEADER_BYTES;
            at = start + header.length as usize;
            if at > bytes.len() {
                return Err(damaged());
            }
            if header.next_offset() > offset {
                let BatchHeader { base_offset, count, append_time, .. } = header;
                batches.push(StoredBatch {
                    base_offset,
                    count,
                    append_time,
                    payload: bytes.slice(start..at),
                });
            }
        }
        Ok(batches)
    }
}

/// Where a run lies in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunPlace {
    /// Where it begins.
    pub position: u64,
    /// Its bytes.
    pub length: u32,
    /// Its checksum.
    pub crc: u32,
}

impl From<&Run> for RunPlace {
    fn from(run: &Run) -> Self {
        Self { position: run.position, length: run.length, crc: run.crc }
    }
}
