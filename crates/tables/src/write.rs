//! Arrow to files in memory-bounded fashion.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;

/// The form of an output file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Parquet.
    Parquet(ParquetCompression),
    /// One JSON object a line.
    JsonLines,
    /// Comma-separated with a header line.
    Csv,
}

/// Compression inside Parquet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParquetCompression {
    /// zstd level 1: our default.
    Zstd,
    /// What AWS does by default.
    Snappy,
    /// gzip.
    Gzip,
    /// None.
    None,
}

/// Why writing failed.
#[derive(Debug, thiserror::Error)]
#[error("can't write the file: {0}")]
pub struct WriteError(pub String);

/// Writes one file. The same batches in the same order give the same bytes.
#[derive(Debug)]
pub struct FileWriter {
    rows: u64,
}

impl FileWriter {
    /// Begins a file.
    pub fn new(schema: SchemaRef, format: Format) -> Result<Self, WriteError> {
        let _ = (schema, format);
        todo!("tables owner")
    }

    /// Adds rows. CPU-bound.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), WriteError> {
        let _ = batch;
        todo!("tables owner")
    }

    /// Bytes that can be taken already (finished row groups).
    pub fn take_ready(&mut self) -> Bytes {
        todo!("tables owner")
    }

    /// An estimate of the file's size were it finished now.
    pub fn estimated_size(&self) -> u64 {
        todo!("tables owner")
    }

    /// Rows written so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Ends the file and gives the bytes not taken yet.
    pub fn finish(self) -> Result<Bytes, WriteError> {
        todo!("tables owner")
    }
}
