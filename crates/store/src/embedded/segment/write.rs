//! Writes a segment: batches in, one sequential file out.
//!
//! **Failure.** Until [`SegmentWriter::finish`] returns, the file has a temporary name; a crash leaves
//! a `.tmp`, deleted at the next open. After it the file is durable but not live: a fact must name it.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::LogId;
use crate::embedded::disk::{self, WriteBack, crc32c};
use crate::embedded::segment::format::{BatchHeader, HEADER, Run, encode_footer};

/// A run is closed when it has this many bytes: what one point read has to check.
const RUN_BYTES_MAX: usize = 256 << 10;
/// The writer's buffer.
const BUFFER_BYTES: usize = 1 << 20;

/// Writes one segment.
#[derive(Debug)]
pub(crate) struct SegmentWriter {
    out: BufWriter<File>,
    written_back: WriteBack,
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
            written_back: WriteBack::default(),
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
        // A run never spans offsets it does not hold: another segment may hold them.
        let follows = self.open.is_some_and(|run| run.log == log && run.next_offset == batch.base_offset);
        if !fits || !follows {
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
        self.out.flush()?;
        self.out.get_ref().sync_all()?;
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
        self.written_back.wrote(self.out.get_ref(), u64::from(length))?;
        self.bytes.clear();
        Ok(())
    }
}

impl Drop for SegmentWriter {
    /// Half a segment is of no use, and its room may be needed. After [`SegmentWriter::finish`] the
    /// temporary name is gone already.
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.beside);
    }
}

#[cfg(test)]
mod tests {
    use headwater_base::Timestamp;

    use super::*;
    use crate::embedded::segment::read::Segment;

    #[test]
    fn runs_end_with_the_log_at_a_gap_and_when_they_are_large() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = SegmentWriter::create(dir.path(), 7).unwrap();
        let large = vec![3; 200 << 10];
        let batches =
            [(1, 0, &b"a"[..]), (1, 2, b"b"), (1, 8, b"c"), (2, 0, b"d"), (2, 2, &large), (2, 4, &large)];
        for (log, base_offset, payload) in batches {
            let append_time = Timestamp::from_ms(base_offset);
            let header = BatchHeader { base_offset, append_time, count: 2, length: payload.len() as u32 };
            writer.push(LogId(log), header, payload).unwrap();
        }
        let (path, size) = writer.finish().unwrap();
        let (segment, runs) = Segment::open(&path, 7).unwrap();
        assert_eq!(segment.size, size);
        let spans: Vec<_> =
            runs.iter().map(|run| (run.log.0, run.base_offset, run.next_offset, run.batches)).collect();
        assert_eq!(spans, [(1, 0, 4, 2), (1, 8, 10, 1), (2, 0, 4, 2), (2, 4, 6, 1)]);
        let read: Vec<_> =
            runs.iter().flat_map(|run| segment.read_run(&run.into(), i64::MIN).unwrap()).collect();
        for (batch, (_, base_offset, payload)) in read.iter().zip(batches) {
            assert_eq!((batch.base_offset, batch.payload.as_ref()), (base_offset, payload));
        }
        assert!(segment.read_run(&(&runs[0]).into(), 2).unwrap().len() == 1);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
