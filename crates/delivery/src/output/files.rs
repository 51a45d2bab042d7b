//! Open files by group; when to end one.

use std::collections::BTreeMap;
use std::io::Write as _;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use flate2::Compression as GzipLevel;
use flate2::write::GzEncoder;
use headwater_base::Timestamp;
use headwater_tables::write::{FileWriter, Format, WriteError};

/// Finished bytes of a file are handed on in pieces of about this size.
const PIECE_BYTES: usize = 1 << 20;

/// Which files rows may share: one group's rows never meet another's in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Group {
    /// Why the group is apart from delivered data (`format-conversion-failed`, …), if it is.
    pub(crate) error: Option<&'static str>,
    /// The partition's values.
    pub(crate) values: Vec<String>,
}

impl Group {
    /// The group of delivered rows with these partition values.
    pub(crate) fn data(values: Vec<String>) -> Self {
        Self { error: None, values }
    }

    /// The group of records that failed for this reason.
    pub(crate) fn error(kind: &'static str) -> Self {
        Self { error: Some(kind), values: Vec::new() }
    }
}

/// How files are written.
#[derive(Clone, Debug)]
pub(crate) enum Form {
    /// Rows of a schema.
    Rows {
        /// The rows' schema.
        schema: SchemaRef,
        /// The file's form.
        format: Format,
    },
    /// Records one after another as they are, with gzip around them or not.
    Raw {
        /// Whether they are compressed.
        gzip: bool,
    },
}

/// Bounds of a set of files.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// What all open files together may hold in memory; past it the largest is ended early.
    pub(crate) memory_bytes: u64,
    /// A file that reaches this size is ended.
    pub(crate) file_bytes: u64,
}

/// What a file turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClosedFile {
    /// Its group.
    pub(crate) group: Group,
    /// Its number among the group's files, from 0.
    pub(crate) ordinal: u32,
    /// Rows (or raw records) in it.
    pub(crate) rows: u64,
    /// Arrival of the oldest record in it.
    pub(crate) oldest: Timestamp,
}

/// Something for the uploader.
#[derive(Debug)]
pub(crate) enum Emit {
    /// The next bytes of a file.
    Bytes {
        /// The file's number in this set.
        file: u32,
        /// The bytes.
        bytes: Bytes,
    },
    /// The last bytes of a file.
    End {
        /// The file's number in this set.
        file: u32,
        /// The bytes; may be empty.
        bytes: Bytes,
        /// What it turned out to be.
        closed: ClosedFile,
    },
}

/// The open files of one plan or write.
#[derive(Debug)]
pub(crate) struct FileSet {
    data: Form,
    errors_gzip: bool,
    limits: Limits,
    open: BTreeMap<Group, OpenFile>,
    ordinals: BTreeMap<Group, u32>,
    files: u32,
    emits: Vec<Emit>,
}

#[derive(Debug)]
struct OpenFile {
    file: u32,
    ordinal: u32,
    writer: Writer,
    rows: u64,
    /// Bytes that left the writer and are not handed on yet: too few to be worth it.
    pending: Vec<u8>,
    /// Bytes handed on.
    taken: u64,
    oldest: Timestamp,
}

#[derive(Debug)]
enum Writer {
    Rows(Box<FileWriter>),
    Plain(Vec<u8>),
    Gzip(Box<GzEncoder<Vec<u8>>>),
}

impl FileSet {
    /// No files yet. Error groups are always raw, compressed if `errors_gzip`.
    pub(crate) fn new(data: Form, errors_gzip: bool, limits: Limits) -> Self {
        Self {
            data,
            errors_gzip,
            limits,
            open: BTreeMap::new(),
            ordinals: BTreeMap::new(),
            files: 0,
            emits: Vec::new(),
        }
    }

    /// How many files were begun.
    pub(crate) fn files(&self) -> u32 {
        self.files
    }

    /// Adds rows to a data group; `oldest` is when the oldest of them arrived.
    pub(crate) fn rows(
        &mut self,
        group: &Group,
        batch: &RecordBatch,
        oldest: Timestamp,
    ) -> Result<(), WriteError> {
        let file = self.file(group, oldest)?;
        if let Writer::Rows(writer) = &mut file.writer {
            writer.write(batch)?;
            file.rows += batch.num_rows() as u64;
        }
        Ok(())
    }

    /// Adds one raw record, followed by `delimiter`.
    pub(crate) fn record(
        &mut self,
        group: &Group,
        data: &[u8],
        delimiter: &[u8],
        arrived: Timestamp,
    ) -> Result<(), WriteError> {
        let file = self.file(group, arrived)?;
        file.writer
            .raw(data)
            .and_then(|()| file.writer.raw(delimiter))
            .map_err(|e| WriteError(e.to_string()))?;
        file.rows += 1;
        Ok(())
    }

    /// Collects bytes that are ready and ends files until the bounds hold again. Call it after
    /// each input, always at the same points of it: where files end depends on it.
    pub(crate) fn settle(&mut self) -> Result<Vec<Emit>, WriteError> {
        let mut ended = Vec::new();
        let mut total = 0;
        let mut sizes = Vec::with_capacity(self.open.len());
        for (group, file) in &mut self.open {
            file.take_ready(&mut self.emits);
            let held = file.held();
            if file.size() >= self.limits.file_bytes {
                ended.push(group.clone());
            } else {
                total += held;
                sizes.push((held, group.clone()));
            }
        }
        // Largest first, the group's order deciding between equals.
        sizes.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        for (held, group) in sizes {
            if total <= self.limits.memory_bytes {
                break;
            }
            total -= held;
            ended.push(group);
        }
        for group in ended {
            self.end(&group)?;
        }
        Ok(std::mem::take(&mut self.emits))
    }

    /// Ends every file, in the order of their groups.
    pub(crate) fn finish(mut self) -> Result<Vec<Emit>, WriteError> {
        let groups: Vec<Group> = self.open.keys().cloned().collect();
        for group in groups {
            self.end(&group)?;
        }
        Ok(self.emits)
    }

    fn file(&mut self, group: &Group, oldest: Timestamp) -> Result<&mut OpenFile, WriteError> {
        if !self.open.contains_key(group) {
            let ordinal = self.ordinals.entry(group.clone()).or_insert(0);
            let opened = OpenFile {
                file: self.files,
                ordinal: *ordinal,
                writer: Writer::open(group, &self.data, self.errors_gzip)?,
                rows: 0,
                pending: Vec::new(),
                taken: 0,
                oldest,
            };
            *ordinal += 1;
            self.files += 1;
            self.open.insert(group.clone(), opened);
        }
        let file = self.open.get_mut(group).expect("inserted above");
        file.oldest = file.oldest.min(oldest);
        Ok(file)
    }

    fn end(&mut self, group: &Group) -> Result<(), WriteError> {
        let Some(file) = self.open.remove(group) else { return Ok(()) };
        let closed =
            ClosedFile { group: group.clone(), ordinal: file.ordinal, rows: file.rows, oldest: file.oldest };
        let mut bytes = file.pending;
        bytes.extend_from_slice(&file.writer.finish()?);
        self.emits.push(Emit::End { file: file.file, bytes: bytes.into(), closed });
        Ok(())
    }
}

impl OpenFile {
    fn take_ready(&mut self, emits: &mut Vec<Emit>) {
        self.pending.extend_from_slice(&self.writer.take_ready());
        if self.pending.len() >= PIECE_BYTES {
            self.taken += self.pending.len() as u64;
            emits.push(Emit::Bytes { file: self.file, bytes: std::mem::take(&mut self.pending).into() });
        }
    }

    /// Bytes of memory held.
    fn held(&self) -> u64 {
        self.pending.len() as u64 + self.writer.held()
    }

    /// The file's size were it ended now, about.
    fn size(&self) -> u64 {
        match &self.writer {
            Writer::Rows(writer) => writer.estimated_size(),
            Writer::Plain(_) | Writer::Gzip(_) => self.taken + self.held(),
        }
    }
}

impl Writer {
    fn open(group: &Group, data: &Form, errors_gzip: bool) -> Result<Self, WriteError> {
        let raw = |gzip: bool| {
            if gzip {
                // Level 1: gzip is by far the dearest step of raw delivery, and level 6 costs
                // twice as much for a tenth of the size. The header carries no time.
                Self::Gzip(Box::new(GzEncoder::new(Vec::new(), GzipLevel::fast())))
            } else {
                Self::Plain(Vec::new())
            }
        };
        Ok(match data {
            _ if group.error.is_some() => raw(errors_gzip),
            Form::Raw { gzip } => raw(*gzip),
            Form::Rows { schema, format } => Self::Rows(Box::new(FileWriter::new(schema.clone(), *format)?)),
        })
    }

    fn raw(&mut self, data: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Plain(buffer) => {
                buffer.extend_from_slice(data);
                Ok(())
            }
            Self::Gzip(encoder) => encoder.write_all(data),
            Self::Rows(_) => Err(std::io::Error::other("a raw record for a file of rows")),
        }
    }

    fn held(&self) -> u64 {
        match self {
            Self::Rows(writer) => writer.memory_size() as u64,
            Self::Plain(buffer) => buffer.len() as u64,
            Self::Gzip(encoder) => encoder.get_ref().len() as u64 + GZIP_STATE_BYTES,
        }
    }

    fn take_ready(&mut self) -> Bytes {
        let buffer = match self {
            Self::Rows(writer) => return writer.take_ready(),
            Self::Plain(buffer) => buffer,
            Self::Gzip(encoder) => encoder.get_mut(),
        };
        if buffer.len() < PIECE_BYTES { Bytes::new() } else { std::mem::take(buffer).into() }
    }

    fn finish(self) -> Result<Bytes, WriteError> {
        match self {
            Self::Rows(writer) => writer.finish(),
            Self::Plain(buffer) => Ok(buffer.into()),
            Self::Gzip(encoder) => encoder.finish().map(Bytes::from).map_err(|e| WriteError(e.to_string())),
        }
    }
}

/// What a deflate encoder keeps besides its output.
const GZIP_STATE_BYTES: u64 = 300 << 10;

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn bodies(emits: Vec<Emit>) -> Vec<(ClosedFile, Vec<u8>)> {
        let mut open: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
        let mut closed = Vec::new();
        for emit in emits {
            match emit {
                Emit::Bytes { file, bytes } => open.entry(file).or_default().extend_from_slice(&bytes),
                Emit::End { file, bytes, closed: what } => {
                    let mut body = open.remove(&file).unwrap_or_default();
                    body.extend_from_slice(&bytes);
                    closed.push((what, body));
                }
            }
        }
        assert!(open.is_empty());
        closed
    }

    fn write(gzip: bool, limits: Limits) -> Vec<(ClosedFile, Vec<u8>)> {
        let mut set = FileSet::new(Form::Raw { gzip }, false, limits);
        let mut emits = Vec::new();
        for n in 0..5000u32 {
            let group = Group::data(vec![(n % 3).to_string()]);
            let arrived = Timestamp::from_ms(i64::from(10_000 - n));
            set.record(&group, format!("record {n} {}", "x".repeat(500)).as_bytes(), b"\n", arrived).unwrap();
            if n % 100 == 0 {
                emits.extend(set.settle().unwrap());
            }
        }
        emits.extend(set.finish().unwrap());
        bodies(emits)
    }

    #[test]
    fn every_record_is_in_exactly_one_file_of_its_group() {
        let all = write(false, Limits { memory_bytes: 1 << 30, file_bytes: 1 << 30 });
        assert_eq!(all.len(), 3);
        assert_eq!(all.iter().map(|(closed, _)| closed.rows).sum::<u64>(), 5000);
        let first = String::from_utf8(all[0].1.clone()).unwrap();
        assert_eq!(first.lines().count(), 1667);
        assert!(first.starts_with("record 0 ") && first.contains("record 4998 "));
        assert_eq!(all[0].0.oldest, Timestamp::from_ms(10_000 - 4998));
    }

    #[test]
    fn files_end_when_they_or_memory_grow_too_large_and_always_alike() {
        for limits in [
            Limits { memory_bytes: 1 << 30, file_bytes: 200_000 },
            Limits { memory_bytes: 300_000, file_bytes: 1 << 30 },
        ] {
            let all = write(false, limits);
            assert!(all.len() > 3, "{limits:?}");
            assert_eq!(all.iter().map(|(closed, _)| closed.rows).sum::<u64>(), 5000);
            assert_eq!(all, write(false, limits));
        }
    }

    #[test]
    fn gzip_reads_back_and_carries_no_time() {
        let limits = Limits { memory_bytes: 1 << 30, file_bytes: 1 << 30 };
        let all = write(true, limits);
        let mut text = String::new();
        flate2::read::GzDecoder::new(&all[1].1[..]).read_to_string(&mut text).unwrap();
        assert!(text.starts_with("record 1 "));
        assert_eq!(all[0].1[4..8], [0; 4]);
        assert_eq!(all, write(true, limits));
    }
}
