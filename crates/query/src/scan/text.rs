//! Line-oriented files (JSON lines, separated values), plain or gzipped, one stream per group of
//! files. Only the wanted columns are decoded.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use bytes::{Bytes, BytesMut};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::LexOrdering;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::scalar::ScalarValue;
use flate2::write::MultiGzDecoder;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use headwater_catalog::QueryError;
use headwater_objects::ObjectError;
use headwater_tables::decode::JsonDecoder;

use super::files::{TableFile, split_error};
use super::parquet::FileOfPartition;
use crate::error::unsupported;
use crate::separated::SeparatedDecoder;
use crate::storage::Form;
use crate::table::external;

/// Lines decoded into one batch.
const BATCH_LINES: usize = 8192;
/// The longest line accepted.
const LINE_BYTES_MAX: usize = 64 << 20;
/// Compressed bytes expanded before lines are cut; gzip expands a thousandfold at most.
const GZIP_SLICE: usize = 4096;

/// What to scan.
pub struct TextScan {
    /// Columns in the files, then partition columns.
    pub schema: TableSchema,
    /// The files.
    pub files: Vec<FileOfPartition>,
    /// Indices of the columns wanted.
    pub projection: Option<Vec<usize>>,
    /// How the files are written.
    pub form: Form,
    /// Rows enough.
    pub limit: Option<usize>,
    /// How many streams to read with.
    pub parallelism: usize,
}

impl TextScan {
    /// The scan as a plan.
    pub fn plan(self) -> Result<Arc<dyn ExecutionPlan>> {
        let layout = Arc::new(Layout::new(&self.schema, self.projection.as_deref(), &self.form)?);
        let count = self.parallelism.clamp(1, self.files.len().max(1));
        let mut groups: Vec<(u64, Vec<FileOfPartition>)> = (0..count).map(|_| (0, Vec::new())).collect();
        for (file, values) in self.files {
            if let Some(ending) = unreadable(file.info.key.as_str()) {
                return Err(external(unsupported(format_args!(
                    "{}: {ending} files can't be read",
                    file.url()
                ))));
            }
            let lightest =
                groups.iter_mut().min_by_key(|(bytes, _)| *bytes).expect("there is at least one group");
            lightest.0 += file.info.size;
            lightest.1.push((file, values));
        }
        let schema = Arc::clone(&layout.output);
        let partitions = groups
            .into_iter()
            .map(|(_, files)| {
                Arc::new(TextPartition { layout: Arc::clone(&layout), files }) as Arc<dyn PartitionStream>
            })
            .collect();
        let none = std::iter::empty::<LexOrdering>();
        Ok(Arc::new(StreamingTableExec::try_new(schema, partitions, None, none, false, self.limit)?))
    }
}

fn unreadable(key: &str) -> Option<&'static str> {
    [".bz2", ".zst", ".snappy", ".lz4", ".lzo", ".zip"].into_iter().find(|ending| key.ends_with(ending))
}

/// Which columns come from the file, which from the partition, and in what order.
#[derive(Debug)]
struct Layout {
    output: SchemaRef,
    sources: Vec<Source>,
    decoder: Decoder,
}

#[derive(Clone, Copy, Debug)]
enum Source {
    File(usize),
    Partition(usize),
}

#[derive(Debug)]
enum Decoder {
    Json { decoder: JsonDecoder, skip_malformed: bool },
    Separated(SeparatedDecoder),
}

impl Layout {
    fn new(schema: &TableSchema, projection: Option<&[usize]>, form: &Form) -> Result<Self> {
        let all: Vec<usize> = (0..schema.table_schema().fields().len()).collect();
        let wanted = projection.unwrap_or(&all);
        let in_file = schema.file_schema().fields().len();
        let mut file_columns = Vec::new();
        let mut sources = Vec::with_capacity(wanted.len());
        for &index in wanted {
            if index < in_file {
                sources.push(Source::File(file_columns.len()));
                file_columns.push(index);
            } else {
                sources.push(Source::Partition(index - in_file));
            }
        }
        let output = Arc::new(schema.table_schema().project(wanted)?);
        let decoder = match form {
            Form::Json { skip_malformed } => {
                let fields = Arc::new(schema.file_schema().project(&file_columns)?);
                Decoder::Json { decoder: JsonDecoder::new(fields), skip_malformed: *skip_malformed }
            }
            Form::Separated(how) => {
                let decoder = SeparatedDecoder::new(schema.file_schema(), file_columns, how.clone());
                Decoder::Separated(decoder.map_err(external)?)
            }
            Form::Parquet => return Err(DataFusionError::Internal("Parquet is not text".to_owned())),
        };
        Ok(Self { output, sources, decoder })
    }

    fn header_lines(&self) -> usize {
        match &self.decoder {
            Decoder::Json { .. } => 0,
            Decoder::Separated(decoder) => decoder.header_lines(),
        }
    }

    fn batch(&self, lines: &[Bytes], values: &[ScalarValue], file: &TableFile) -> Result<RecordBatch> {
        let decoded = match &self.decoder {
            Decoder::Json { decoder, skip_malformed } => {
                let decoded = decoder.decode(lines);
                if let (Some(misfit), false) = (decoded.misfits.first(), *skip_malformed) {
                    let text = format!(
                        "HIVE_BAD_DATA: Error parsing a JSON row of {}: {}",
                        file.url(),
                        misfit.reason
                    );
                    return Err(external(QueryError::User(text)));
                }
                decoded.batch
            }
            Decoder::Separated(decoder) => decoder.decode(lines).map_err(|why| {
                external(QueryError::User(format!(
                    "HIVE_BAD_DATA: Error parsing a row of {}: {why}",
                    file.url()
                )))
            })?,
        };
        let rows = decoded.num_rows();
        let columns = self
            .sources
            .iter()
            .map(|source| match *source {
                Source::File(n) => Ok(Arc::clone(decoded.column(n))),
                Source::Partition(n) => values[n].to_array_of_size(rows),
            })
            .collect::<Result<Vec<ArrayRef>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.output), columns, &options)?)
    }
}

#[derive(Debug)]
struct TextPartition {
    layout: Arc<Layout>,
    files: Vec<FileOfPartition>,
}

impl PartitionStream for TextPartition {
    fn schema(&self) -> &SchemaRef {
        &self.layout.output
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let layout = Arc::clone(&self.layout);
        let batches = futures::stream::iter(self.files.clone())
            .then(move |(file, values)| {
                let layout = Arc::clone(&layout);
                async move { FileLines::open(file, values, layout).await }
            })
            .map_ok(FileLines::batches)
            .try_flatten();
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.layout.output), batches))
    }
}

/// One file being read.
struct FileLines {
    file: Arc<TableFile>,
    values: Vec<ScalarValue>,
    layout: Arc<Layout>,
    body: BoxStream<'static, Result<Bytes, ObjectError>>,
    gzip: Option<MultiGzDecoder<Vec<u8>>>,
    rest: BytesMut,
    lines: VecDeque<Bytes>,
    skip: usize,
    ended: bool,
}

impl FileLines {
    async fn open(file: Arc<TableFile>, values: Vec<ScalarValue>, layout: Arc<Layout>) -> Result<Self> {
        let body = file.stream().await.map_err(|error| external(split_error(&error, &file.url())))?;
        let gzip = file.info.key.as_str().ends_with(".gz").then(|| MultiGzDecoder::new(Vec::new()));
        let skip = layout.header_lines();
        let (rest, lines) = (BytesMut::new(), VecDeque::new());
        Ok(Self { file, values, layout, body, gzip, rest, lines, skip, ended: false })
    }

    fn batches(self) -> impl futures::Stream<Item = Result<RecordBatch>> + Send {
        futures::stream::try_unfold(self, |mut this| async move {
            Ok(this.next_batch().await?.map(|batch| (batch, this)))
        })
    }

    async fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        while !self.ended && self.lines.len() < BATCH_LINES {
            self.fill().await?;
        }
        if self.lines.is_empty() {
            return Ok(None);
        }
        let count = self.lines.len().min(BATCH_LINES);
        let lines: Vec<Bytes> = self.lines.drain(..count).collect();
        self.layout.batch(&lines, &self.values, &self.file).map(Some)
    }

    async fn fill(&mut self) -> Result<()> {
        let piece = self.body.next().await;
        let piece = piece.transpose().map_err(|error| external(split_error(&error, &self.file.url())))?;
        match piece {
            Some(bytes) => {
                self.file.count(bytes.len());
                self.take(&bytes)?;
            }
            None => {
                self.ended = true;
                if let Some(gzip) = self.gzip.take() {
                    let tail = gzip.finish().map_err(|error| self.bad_gzip(&error))?;
                    self.rest.extend_from_slice(&tail);
                    self.split();
                }
                let last = self.rest.split().freeze();
                self.push(last);
            }
        }
        if self.rest.len() > LINE_BYTES_MAX {
            let text =
                format!("HIVE_BAD_DATA: {} has a line of more than {LINE_BYTES_MAX} bytes", self.file.url());
            return Err(external(QueryError::User(text)));
        }
        Ok(())
    }

    fn take(&mut self, bytes: &Bytes) -> Result<()> {
        let Some(mut gzip) = self.gzip.take() else {
            self.rest.extend_from_slice(bytes);
            self.split();
            return Ok(());
        };
        // In slices, so that a bomb fills no more than one slice's expansion before lines are cut.
        for slice in bytes.chunks(GZIP_SLICE) {
            gzip.write_all(slice).map_err(|error| self.bad_gzip(&error))?;
            let decoded = std::mem::take(gzip.get_mut());
            self.rest.extend_from_slice(&decoded);
            self.split();
        }
        self.gzip = Some(gzip);
        Ok(())
    }

    fn bad_gzip(&self, error: &std::io::Error) -> DataFusionError {
        external(QueryError::User(format!("HIVE_BAD_DATA: {} is not valid gzip: {error}", self.file.url())))
    }

    /// Moves the whole lines of `rest` to `lines`.
    fn split(&mut self) {
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else { return };
        let whole = self.rest.split_to(end + 1).freeze();
        let mut start = 0;
        for (at, byte) in whole.iter().enumerate() {
            if *byte == b'\n' {
                self.push(whole.slice(start..at));
                start = at + 1;
            }
        }
    }

    fn push(&mut self, line: Bytes) {
        let line = if line.ends_with(b"\r") { line.slice(..line.len() - 1) } else { line };
        if self.skip > 0 {
            self.skip -= 1;
        } else if !line.is_empty() {
            self.lines.push_back(line);
        }
    }
}
