//! Writes a segment: batches in, one sequential file out.
//!
//! **Failure.** Until [`SegmentWriter::finish`] returns, the file has a temporary name; a crash leaves
//! a `.tmp`, deleted at the next open. After it the file is durable but not live: a fact must name it.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::LogId;
use crate::embedded::disk::{self, crc32c};
use crate::embedded::segment::format::{BatchHeader, HEADER, Run, encode_footer};

/// A run is closed when it has this many bytes: what one point read has to check.
const RUN_BYTES_MAX: usize = 256 << 10;
/// The writer's buffer.
const BUFFER_BYTES: usize = 1 << 20;

/// Writes one segment.
#[derive(Debug)]
pub(crate) struct SegmentWriter {
    out: BufWriter<File>,
    dir: PathBuf,
    beside: PathBuf,
    id: u64,
    position: u64,
    runs: Vec<Run>,
    open: Option<Run>,
    bytes: Vec<u8>,
}

/// The name of a segment's file.
pub(crate) fn segment_name(id: u64) -> String {
    format!("segment-{id:016x}.hws")
}

/// The id in a segment file's name.
pub(crate) fn parse_segment_name(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("segment-")?.strip_suffix(".hws")?;
    u64::from_str_radix(digits, 16).ok()
}

impl SegmentWriter {
    /// Begins segment `id` in `dir`.
    pub fn create(dir: &Path, id: u64) -> io::Result<Self> {
        let beside = dir.join(format!("segment-{id:016x}.tmp"));
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, File::create(&beside)?);
        out.write_all(HEADER)?;
        let position = HEADER.len() as u64;
        Ok(Self {
            out,
            dir: dir.to_path_buf(),
            beside,
            id,
            position,
            runs: Vec::new(),
            open: None,
            bytes: Vec::new(),
        })
    }

    /// Adds a batch. Batches come sorted by log and offset.
    pub fn push(&mut self, log: LogId, batch: BatchHeader, payload: &[u8]) -> io::Result<()> {
        let fits = self.bytes.is_empty() || self.bytes.len() + payload.len() <= RUN_BYTES_MAX;
        if !fits || self.open.is_none_or(|run| run.log != log) {
            self.close_run()?;
        }
        let run = self.open.get_or_insert(Run {
            log,
            base_offset: batch.base_offset,
            next_offset: batch.base_offset,
            first_time: batch.append_time,
            last_time: batch.append_time,
            position: self.position,
            length: 0,
            batches: 0,
            crc: 0,
        });
        run.next_offset = batch.next_offset();
        run.last_time = batch.append_time;
        run.batches += 1;
        self.bytes.extend_from_slice(&batch.encode());
        self.bytes.extend_from_slice(payload);
        Ok(())
    }

    /// Makes the file durable under its name. Returns its path and size.
    pub fn finish(mut self) -> io::Result<(PathBuf, u64)> {
        self.close_run()?;
        let footer = encode_footer(&self.runs, self.position);
        self.out.write_all(&footer)?;
        let file = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        let path = self.dir.join(segment_name(self.id));
        std::fs::rename(&self.beside, &path)?;
        disk::sync_dir(&self.dir)?;
        Ok((path, self.position + footer.len() as u64))
    }

    fn close_run(&mut self) -> io::Result<()> {
        let Some(run) = self.open.take() else { return Ok(()) };
        let length = u32::try_from(self.bytes.len()).expect("a run is one batch or at most 256 KiB");
        self.out.write_all(&self.bytes)?;
        self.runs.push(Run { length, crc: crc32c(&self.bytes), ..run });
        self.position += u64::from(length);
        self.bytes.clear();
        Ok(())
    }
}
