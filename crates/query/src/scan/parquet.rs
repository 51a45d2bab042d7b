//! Parquet files: our own reader under DataFusion's scan.
//!
//! DataFusion prunes row groups and pages and decodes; every byte comes from
//! [`TableFile::read`], every footer through [`Footers`]. Columns are matched by name whatever their
//! case, as Hive does.

use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use bytes::Bytes;
use datafusion::common::Statistics;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory,
};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::scalar::ScalarValue;
use futures::FutureExt;
use futures::future::BoxFuture;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::{AsyncFileReader, MetadataFetch};
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};

use super::files::TableFile;
use super::footers::Footers;

/// Where DataFusion believes the files are. Nothing is ever read through it.
pub const STORE_URL: &str = "headwater://tables";
/// How many bytes from a file's end are read first, hoping that the footer is in them.
const FOOTER_GUESS: usize = 64 * 1024;

/// A file and the values of its partition columns.
pub type FileOfPartition = (Arc<TableFile>, Vec<ScalarValue>);

/// What to scan.
pub struct ParquetScan {
    /// Columns in the files, then partition columns.
    pub schema: TableSchema,
    /// The files.
    pub files: Vec<FileOfPartition>,
    /// Indices of the columns wanted.
    pub projection: Option<Vec<usize>>,
    /// A predicate that row groups and pages are pruned by; rows are filtered above.
    pub predicate: Option<Arc<dyn PhysicalExpr>>,
    /// Rows enough.
    pub limit: Option<usize>,
    /// How many streams to read with.
    pub parallelism: usize,
}

impl ParquetScan {
    /// The scan as a plan.
    pub fn plan(self, footers: &Arc<Footers>) -> Result<Arc<dyn ExecutionPlan>> {
        let statistics = statistics(self.schema.table_schema(), &self.files);
        let factory = Readers { footers: Arc::clone(footers) };
        let mut source = ParquetSource::new(self.schema).with_parquet_file_reader_factory(Arc::new(factory));
        if let Some(predicate) = self.predicate {
            source = source.with_predicate(predicate);
        }
        let url = ObjectStoreUrl::parse(STORE_URL)?;
        let config = FileScanConfigBuilder::new(url, Arc::new(source))
            .with_file_groups(groups(self.files, self.parallelism))
            .with_statistics(statistics)
            .with_limit(self.limit)
            .with_expr_adapter(Some(Arc::new(AnyCase)))
            .with_projection_indices(self.projection)?
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

/// Sizes are known, counts are guesses: enough for choosing a join's smaller side.
fn statistics(schema: &SchemaRef, files: &[FileOfPartition]) -> Statistics {
    let bytes: u64 = files.iter().map(|(file, _)| file.info.size).sum();
    let mut statistics = Statistics::new_unknown(schema);
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
    statistics.total_byte_size = Precision::Inexact(bytes);
    statistics.num_rows = Precision::Inexact(bytes / 32);
    statistics
}

/// Spreads files over streams, the largest first, each to the stream with the least to read.
fn groups(mut files: Vec<FileOfPartition>, parallelism: usize) -> Vec<FileGroup> {
    files.sort_by_key(|(file, _)| std::cmp::Reverse(file.info.size));
    let count = parallelism.clamp(1, files.len().max(1));
    let mut groups: Vec<(u64, Vec<PartitionedFile>)> = (0..count).map(|_| (0, Vec::new())).collect();
    for (ordinal, (file, values)) in files.into_iter().enumerate() {
        let lightest =
            groups.iter_mut().min_by_key(|(bytes, _)| *bytes).expect("there is at least one group");
        lightest.0 += file.info.size;
        let mut entry = PartitionedFile::new(format!("file-{ordinal}"), file.info.size).with_extension(file);
        entry.partition_values = values;
        lightest.1.push(entry);
    }
    groups.into_iter().map(|(_, files)| FileGroup::new(files)).collect()
}

#[derive(Debug)]
struct Readers {
    footers: Arc<Footers>,
}

impl ParquetFileReaderFactory for Readers {
    fn create_reader(
        &self,
        _partition_index: usize,
        partitioned_file: PartitionedFile,
        _metadata_size_hint: Option<usize>,
        _metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let file = partitioned_file
            .extension::<Arc<TableFile>>()
            .ok_or_else(|| DataFusionError::Internal("a scanned file without its object".to_owned()))?;
        Ok(Box::new(Reader { file: Arc::clone(file), footers: Arc::clone(&self.footers) }))
    }
}

struct Reader {
    file: Arc<TableFile>,
    footers: Arc<Footers>,
}

impl Reader {
    async fn read(&self, range: Range<u64>) -> Result<Bytes, ParquetError> {
        self.file.read(range).await.map_err(|error| {
            ParquetError::External(Box::new(super::files::split_error(&error, &self.file.url())))
        })
    }

    async fn footer(&self) -> Result<Arc<ParquetMetaData>, ParquetError> {
        let identity = self.file.identity();
        if let Some(footer) = self.footers.get(&identity) {
            return Ok(footer);
        }
        let footer = ParquetMetaDataReader::new()
            .with_page_index_policy(PageIndexPolicy::Optional)
            .with_prefetch_hint(Some(FOOTER_GUESS))
            .load_and_finish(Fetch(self), self.file.info.size)
            .await
            .map_err(|error| match error {
                external @ ParquetError::External(_) => external,
                broken => ParquetError::General(format!(
                    "HIVE_BAD_DATA: {} is not a valid Parquet file: {broken}",
                    self.file.url()
                )),
            })?;
        let footer = Arc::new(footer);
        self.footers.put(identity, Arc::clone(&footer));
        Ok(footer)
    }
}

impl AsyncFileReader for Reader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        self.read(range).boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        self.footer().boxed()
    }
}

struct Fetch<'a>(&'a Reader);

impl MetadataFetch for Fetch<'_> {
    fn fetch(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        self.0.read(range).boxed()
    }
}

/// Matches the files' column names with the table's lower-case ones whatever their case.
#[derive(Debug)]
struct AnyCase;

impl PhysicalExprAdapterFactory for AnyCase {
    fn create(&self, logical: SchemaRef, physical: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let lower: Vec<_> = physical
            .fields()
            .iter()
            .map(|field| match field.name().to_lowercase() {
                name if name == *field.name() => Arc::clone(field),
                name => Arc::new(field.as_ref().clone().with_name(name)),
            })
            .collect();
        let lower = Arc::new(Schema::new_with_metadata(lower, physical.metadata().clone()));
        let inner = DefaultPhysicalExprAdapterFactory.create(logical, Arc::clone(&lower))?;
        if lower == physical {
            return Ok(inner);
        }
        Ok(Arc::new(AnyCaseAdapter { inner, physical }))
    }
}

#[derive(Debug)]
struct AnyCaseAdapter {
    inner: Arc<dyn PhysicalExprAdapter>,
    physical: SchemaRef,
}

impl PhysicalExprAdapter for AnyCaseAdapter {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        let rewritten = self.inner.rewrite(expr)?;
        rewritten
            .transform(|node| {
                let Some(column) = node.downcast_ref::<Column>() else { return Ok(Transformed::no(node)) };
                let Some(field) = self.physical.fields().get(column.index()) else {
                    return Ok(Transformed::no(node));
                };
                let real: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), column.index()));
                Ok(Transformed::yes(real))
            })
            .data()
    }
}
