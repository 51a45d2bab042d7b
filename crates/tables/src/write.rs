//! Arrow to files in memory-bounded fashion.
//!
//! **Invariants.** A file is a pure function of its schema, its format and its batches: no times,
//! no versions of ours, no hash order go into it. Exactly-once delivery rests on that: a plan that
//! is run twice writes the same bytes under the same name.
//!
//! **Layout.** Parquet: row groups of at most [`ROW_GROUP_BYTES_MAX`] encoded bytes, timestamps in
//! microseconds (nanoseconds can't be read by Spark, Athena and DuckDB), page statistics for
//! pruning; columns whose first rows look unique (ids, amounts) do without a dictionary, which
//! would only cost time and then be thrown away.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

/// Encoded bytes at which a row group is closed.
pub const ROW_GROUP_BYTES_MAX: usize = 64 << 20;
/// Rows at which a row group is closed.
const ROW_GROUP_ROWS_MAX: usize = 1 << 20;
/// How many rows are looked at to tell whether a column looks unique.
const UNIQUE_SAMPLE_ROWS: usize = 1024;
/// Fewer rows tell nothing.
const UNIQUE_SAMPLE_ROWS_MIN: usize = 128;
/// What files say wrote them. Fixed, so that an upgrade does not change a file's bytes.
const CREATED_BY: &str = "headwater version 1.0.0 (build 1)";

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

impl Format {
    /// The usual extension with its dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Parquet(_) => ".parquet",
            Self::JsonLines => ".json",
            Self::Csv => ".csv",
        }
    }
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

impl WriteError {
    fn of(error: &dyn std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// Writes one file. The same batches in the same order give the same bytes.
#[derive(Debug)]
pub struct FileWriter {
    /// The schema as given.
    given: SchemaRef,
    rows: u64,
    taken: u64,
    encoder: Encoder,
}

#[derive(Debug)]
enum Encoder {
    Parquet(Box<Parquet>),
    Text { format: TextFormat, buffer: Vec<u8>, begun: bool },
}

#[derive(Debug, Clone, Copy)]
enum TextFormat {
    Json,
    Csv,
}

#[derive(Debug)]
struct Parquet {
    /// The schema as written.
    schema: SchemaRef,
    compression: ParquetCompression,
    /// Opened with the first rows, which decide about dictionaries.
    writer: Option<ArrowWriter<Vec<u8>>>,
}

impl FileWriter {
    /// Begins a file.
    pub fn new(schema: SchemaRef, format: Format) -> Result<Self, WriteError> {
        let text = |format| Encoder::Text { format, buffer: Vec::new(), begun: false };
        let encoder = match format {
            Format::JsonLines => text(TextFormat::Json),
            Format::Csv => text(TextFormat::Csv),
            Format::Parquet(compression) => {
                let written = Arc::new(written_schema(&schema));
                let parquet = Parquet { schema: written, compression, writer: None };
                parquet.open(None)?; // Refuses types that Parquet can't hold now, not later.
                Encoder::Parquet(Box::new(parquet))
            }
        };
        Ok(Self { given: schema, rows: 0, taken: 0, encoder })
    }

    /// Adds rows. CPU-bound.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), WriteError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        if batch.num_columns() != self.given.fields().len() {
            let (have, want) = (batch.num_columns(), self.given.fields().len());
            return Err(WriteError(format!("the rows have {have} columns, the file {want}")));
        }
        match &mut self.encoder {
            Encoder::Parquet(parquet) => parquet.write(batch)?,
            Encoder::Text { format, buffer, begun } => {
                write_text(*format, buffer, batch, !*begun)?;
                *begun = true;
            }
        }
        self.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Bytes that can be taken already (finished row groups).
    pub fn take_ready(&mut self) -> Bytes {
        let ready = match &mut self.encoder {
            Encoder::Parquet(parquet) => parquet.writer.as_mut().map(|w| std::mem::take(w.inner_mut())),
            Encoder::Text { buffer, .. } => Some(std::mem::take(buffer)),
        };
        let ready = Bytes::from(ready.unwrap_or_default());
        self.taken += ready.len() as u64;
        ready
    }

    /// An estimate of the file's size were it finished now.
    pub fn estimated_size(&self) -> u64 {
        match &self.encoder {
            Encoder::Parquet(parquet) => {
                parquet.writer.as_ref().map_or(0, |w| (w.bytes_written() + w.in_progress_size()) as u64)
            }
            Encoder::Text { buffer, .. } => self.taken + buffer.len() as u64,
        }
    }

    /// Bytes of memory held, about.
    pub fn memory_size(&self) -> usize {
        match &self.encoder {
            Encoder::Parquet(parquet) => {
                parquet.writer.as_ref().map_or(0, |w| w.memory_size() + w.inner().len())
            }
            Encoder::Text { buffer, .. } => buffer.len(),
        }
    }

    /// Rows written so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Ends the file and gives the bytes not taken yet.
    pub fn finish(self) -> Result<Bytes, WriteError> {
        let bytes = match self.encoder {
            Encoder::Parquet(parquet) => parquet.finish()?,
            Encoder::Text { format: TextFormat::Csv, mut buffer, begun: false } => {
                write_text(TextFormat::Csv, &mut buffer, &RecordBatch::new_empty(self.given), true)?;
                buffer
            }
            Encoder::Text { buffer, .. } => buffer,
        };
        Ok(bytes.into())
    }
}

impl Parquet {
    fn open(&self, first: Option<&RecordBatch>) -> Result<ArrowWriter<Vec<u8>>, WriteError> {
        let options = ArrowWriterOptions::new()
            .with_properties(self.properties(first)?)
            // It would carry hash-ordered metadata; the Parquet schema says all that is needed.
            .with_skip_arrow_metadata(true);
        ArrowWriter::try_new_with_options(Vec::new(), Arc::clone(&self.schema), options)
            .map_err(|e| WriteError::of(&e))
    }

    fn properties(&self, first: Option<&RecordBatch>) -> Result<WriterProperties, WriteError> {
        let compression = match self.compression {
            ParquetCompression::Zstd => {
                Compression::ZSTD(ZstdLevel::try_new(1).map_err(|e| WriteError::of(&e))?)
            }
            ParquetCompression::Snappy => Compression::SNAPPY,
            ParquetCompression::Gzip => {
                Compression::GZIP(GzipLevel::try_new(6).map_err(|e| WriteError::of(&e))?)
            }
            ParquetCompression::None => Compression::UNCOMPRESSED,
        };
        let mut properties = WriterProperties::builder()
            .set_created_by(CREATED_BY.to_owned())
            .set_compression(compression)
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS_MAX))
            .set_max_row_group_bytes(Some(ROW_GROUP_BYTES_MAX));
        if let Some(first) = first {
            for (field, column) in self.schema.fields().iter().zip(first.columns()) {
                if looks_unique(column) {
                    let path = ColumnPath::from(field.name().as_str());
                    properties = properties.set_column_dictionary_enabled(path, false);
                }
            }
        }
        Ok(properties.build())
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), WriteError> {
        let columns: Result<Vec<ArrayRef>, WriteError> = self
            .schema
            .fields()
            .iter()
            .zip(batch.columns())
            .map(|(field, column)| as_written(column, field))
            .collect();
        let batch =
            RecordBatch::try_new(Arc::clone(&self.schema), columns?).map_err(|e| WriteError::of(&e))?;
        if self.writer.is_none() {
            self.writer = Some(self.open(Some(&batch))?);
        }
        let writer = self.writer.as_mut().expect("it was opened above");
        writer.write(&batch).map_err(|e| WriteError::of(&e))
    }

    fn finish(mut self) -> Result<Vec<u8>, WriteError> {
        let writer = match self.writer.take() {
            Some(writer) => writer,
            None => self.open(None)?,
        };
        writer.into_inner().map_err(|e| WriteError::of(&e))
    }
}

fn as_written(column: &ArrayRef, field: &Field) -> Result<ArrayRef, WriteError> {
    if column.data_type() == field.data_type() {
        return Ok(Arc::clone(column));
    }
    cast(column, field.data_type()).map_err(|e| WriteError(format!("column {:?}: {e}", field.name())))
}

/// The schema with every timestamp in microseconds, and without metadata.
fn written_schema(schema: &Schema) -> Schema {
    Schema::new(schema.fields().iter().map(|field| written_field(field)).collect::<Vec<_>>())
}

fn written_field(field: &Field) -> Field {
    Field::new(field.name(), written_type(field.data_type()), field.is_nullable())
}

fn written_type(data_type: &DataType) -> DataType {
    use DataType as T;
    match data_type {
        T::Timestamp(_, zone) => T::Timestamp(TimeUnit::Microsecond, zone.clone()),
        T::Date64 => T::Date32,
        T::Null => T::Utf8,
        T::List(item) => T::List(Arc::new(written_field(item))),
        T::LargeList(item) => T::LargeList(Arc::new(written_field(item))),
        T::Struct(fields) => T::Struct(fields.iter().map(|f| written_field(f)).collect::<Fields>()),
        T::Map(entries, sorted) => T::Map(Arc::new(written_field(entries)), *sorted),
        T::Dictionary(_, value) => written_type(value),
        other => other.clone(),
    }
}

/// Whether nearly every value of the first rows differs from the others.
fn looks_unique(column: &ArrayRef) -> bool {
    let rows = column.len().min(UNIQUE_SAMPLE_ROWS);
    if rows < UNIQUE_SAMPLE_ROWS_MIN {
        return false;
    }
    let sample = column.slice(0, rows);
    let (distinct, valid) = match sample.data_type() {
        DataType::Utf8 => count_distinct(sample.as_string::<i32>().iter().flatten().map(str::as_bytes)),
        DataType::Utf8View => count_distinct(sample.as_string_view().iter().flatten().map(str::as_bytes)),
        DataType::Binary => count_distinct(sample.as_binary::<i32>().iter().flatten()),
        DataType::Int64 | DataType::Float64 | DataType::Timestamp(..) | DataType::Decimal128(..) => {
            let data = sample.to_data();
            let width = data.data_type().primitive_width().unwrap_or(8);
            let bytes = &data.buffers()[0].as_slice()[data.offset() * width..];
            let valid = |at: &usize| sample.is_valid(*at);
            count_distinct(
                bytes.chunks(width).take(rows).enumerate().filter(|(at, _)| valid(at)).map(|(_, v)| v),
            )
        }
        _ => return false,
    };
    valid >= UNIQUE_SAMPLE_ROWS_MIN && distinct * 10 >= valid * 9
}

fn count_distinct<'a>(values: impl Iterator<Item = &'a [u8]>) -> (usize, usize) {
    let mut seen = HashSet::new();
    let mut count = 0;
    for value in values {
        seen.insert(value);
        count += 1;
    }
    (seen.len(), count)
}

fn write_text(
    format: TextFormat,
    buffer: &mut Vec<u8>,
    batch: &RecordBatch,
    first: bool,
) -> Result<(), WriteError> {
    match format {
        TextFormat::Json => {
            let mut writer = arrow::json::LineDelimitedWriter::new(buffer);
            writer.write(batch).and_then(|()| writer.finish()).map_err(|e| WriteError::of(&e))
        }
        TextFormat::Csv => {
            let mut writer = arrow::csv::WriterBuilder::new().with_header(first).build(buffer);
            writer.write(batch).map_err(|e| WriteError::of(&e))
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringArray, TimestampNanosecondArray};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use proptest::prelude::*;

    use super::*;

    fn batch(ids: &[i64], words: &[&str]) -> RecordBatch {
        let ids: ArrayRef = Arc::new(Int64Array::from(ids.to_vec()));
        let words: ArrayRef = Arc::new(StringArray::from(words.to_vec()));
        RecordBatch::try_from_iter([("id", ids), ("word", words)]).unwrap()
    }

    fn file(format: Format, batches: &[RecordBatch]) -> Bytes {
        let mut writer = FileWriter::new(batches[0].schema(), format).unwrap();
        let mut bytes = Vec::new();
        for batch in batches {
            writer.write(batch).unwrap();
            bytes.extend_from_slice(&writer.take_ready());
        }
        assert_eq!(writer.rows(), batches.iter().map(|b| b.num_rows() as u64).sum::<u64>());
        bytes.extend_from_slice(&writer.finish().unwrap());
        bytes.into()
    }

    fn read_parquet(bytes: Bytes) -> Vec<RecordBatch> {
        ParquetRecordBatchReaderBuilder::try_new(bytes)
            .unwrap()
            .build()
            .unwrap()
            .map(Result::unwrap)
            .collect()
    }

    #[test]
    fn parquet_reads_back_whatever_the_compression() {
        let batches = [batch(&[1, 2], &["a", "b"]), batch(&[3], &["c"])];
        let all = arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap();
        for compression in [
            ParquetCompression::Zstd,
            ParquetCompression::Snappy,
            ParquetCompression::Gzip,
            ParquetCompression::None,
        ] {
            let bytes = file(Format::Parquet(compression), &batches);
            let read = read_parquet(bytes);
            assert_eq!(read[0].columns(), all.columns());
        }
    }

    #[test]
    fn the_same_rows_give_the_same_bytes() {
        let ids: Vec<i64> = (0..5000).collect();
        let words: Vec<String> = ids.iter().map(|i| format!("w{}", i % 7)).collect();
        let rows = batch(&ids, &words.iter().map(String::as_str).collect::<Vec<_>>());
        let metadata = (0..20).map(|i| (i.to_string(), "x".to_owned())).collect();
        let schema = Arc::new(rows.schema().as_ref().clone().with_metadata(metadata));
        let rows = rows.with_schema(schema).unwrap();
        let first = file(Format::Parquet(ParquetCompression::Zstd), std::slice::from_ref(&rows));
        for _ in 0..5 {
            assert_eq!(first, file(Format::Parquet(ParquetCompression::Zstd), std::slice::from_ref(&rows)));
        }
    }

    #[test]
    fn unique_columns_do_without_a_dictionary() {
        let ids: Vec<i64> = (0..5000).collect();
        let rows = batch(&ids, &vec!["same"; 5000]);
        assert!(looks_unique(rows.column(0)));
        assert!(!looks_unique(rows.column(1)));
        let bytes = file(Format::Parquet(ParquetCompression::None), &[rows]);
        let metadata = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().metadata().clone();
        let group = metadata.row_group(0);
        assert!(group.column(0).dictionary_page_offset().is_none());
        assert!(group.column(1).dictionary_page_offset().is_some());
    }

    #[test]
    fn timestamps_are_written_in_microseconds() {
        let column: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![1_700_000_000_123_456_789]));
        let rows = RecordBatch::try_from_iter([("t", column)]).unwrap();
        let read = read_parquet(file(Format::Parquet(ParquetCompression::Zstd), &[rows]));
        assert_eq!(read[0].schema().field(0).data_type(), &DataType::Timestamp(TimeUnit::Microsecond, None));
    }

    #[test]
    fn text_files_have_their_usual_form() {
        let batches = [batch(&[1], &["a,b"]), batch(&[2], &["c"])];
        assert_eq!(file(Format::Csv, &batches), "id,word\n1,\"a,b\"\n2,c\n");
        assert_eq!(
            file(Format::JsonLines, &batches),
            "{\"id\":1,\"word\":\"a,b\"}\n{\"id\":2,\"word\":\"c\"}\n"
        );
        let empty = FileWriter::new(batches[0].schema(), Format::Csv).unwrap().finish().unwrap();
        assert_eq!(empty, "id,word\n");
    }

    #[test]
    fn an_empty_parquet_file_still_has_its_schema() {
        let schema = batch(&[], &[]).schema();
        let bytes =
            FileWriter::new(schema, Format::Parquet(ParquetCompression::Zstd)).unwrap().finish().unwrap();
        assert_eq!(ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().schema().fields().len(), 2);
    }

    #[test]
    fn rows_of_another_shape_are_refused() {
        let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)]));
        let mut writer = FileWriter::new(schema, Format::Parquet(ParquetCompression::Zstd)).unwrap();
        assert!(writer.write(&batch(&[1], &["a"])).is_err());
    }

    proptest! {
        #[test]
        fn parquet_keeps_every_value(rows in proptest::collection::vec((any::<i64>(), ".*"), 1..300)) {
            let ids: Vec<i64> = rows.iter().map(|r| r.0).collect();
            let words: Vec<&str> = rows.iter().map(|r| r.1.as_str()).collect();
            let rows = batch(&ids, &words);
            let read = read_parquet(file(Format::Parquet(ParquetCompression::Zstd), std::slice::from_ref(&rows)));
            prop_assert_eq!(read[0].columns(), rows.columns());
        }
    }
}
