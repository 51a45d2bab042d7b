//! A catalog table as DataFusion sees it. Never a `ListingTable`: partitions come from the
//! catalog, files from the query's snapshot.

use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::DFSchema;
use datafusion::datasource::TableType;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::scalar::ScalarValue;
use futures::{StreamExt, TryStreamExt, stream};
use headwater_catalog::{Column, Partition, QueryError, StorageDescriptor, Table};
use headwater_tables::schema::arrow_type;

use crate::error;
use crate::run::Run;
use crate::scan::files::{History, TableFile};
use crate::scan::location::Location;
use crate::scan::parquet::ParquetScan;
use crate::scan::projection::Projection;
use crate::scan::prune;
use crate::scan::text::TextScan;
use crate::storage::Form;

/// Partitions asked for in one page.
const PARTITION_PAGE: usize = 1000;
/// The most partitions one scan may look at.
const PARTITIONS_MAX: usize = 1_000_000;
/// Locations listed at the same time.
const LISTINGS_AT_ONCE: usize = 16;

/// A table within one query.
#[derive(Debug)]
pub struct CatalogTable {
    run: Arc<Run>,
    table: Arc<Table>,
    schema: TableSchema,
    history: Option<History>,
}

impl CatalogTable {
    /// The table, if its columns and form are ones that can be read.
    pub fn new(run: Arc<Run>, table: Arc<Table>, history: Option<History>) -> Result<Self, QueryError> {
        let file_schema = Schema::new(fields(&table.storage.columns)?);
        let schema = TableSchema::builder(Arc::new(file_schema))
            .with_table_partition_cols(fields(&table.partition_keys)?)
            .build();
        Ok(Self { run, table, schema, history })
    }

    fn keys(&self) -> &[FieldRef] {
        self.schema.table_partition_cols()
    }

    /// The partitions that the filters leave, with typed values. A table without partition keys
    /// has one, itself.
    async fn partitions(
        &self,
        state: &dyn Session,
        filters: &[Expr],
    ) -> Result<Vec<(StorageDescriptor, Vec<ScalarValue>)>> {
        if self.table.partition_keys.is_empty() {
            return Ok(vec![(self.table.storage.clone(), Vec::new())]);
        }
        let deciding: Vec<Expr> = filters
            .iter()
            .filter(|filter| prune::decides_by_partition(filter, self.keys()))
            .cloned()
            .collect();
        if let Some(projection) = Projection::of(&self.table, self.keys(), self.run.now).map_err(external)? {
            return projection.partitions(state, &deciding);
        }
        let expression = prune::glue_expression(&deciding, self.keys());
        let mut selected = Vec::new();
        let mut after: Option<Vec<String>> = None;
        let mut seen = 0;
        loop {
            let page = self.page(&expression, after.as_ref()).await?;
            seen += page.len();
            let last = page.len() < PARTITION_PAGE;
            after = page.last().map(|partition| partition.values.clone());
            let typed = page
                .into_iter()
                .map(|partition| Ok((prune::typed_values(&partition, self.keys())?, partition.storage)))
                .map(|pair: Result<_, QueryError>| pair.map(|(values, storage)| (storage, values)))
                .collect::<Result<Vec<_>, _>>()
                .map_err(external)?;
            selected.extend(prune::select(state, typed, &deciding, self.keys())?);
            if last {
                return Ok(selected);
            }
            if seen >= PARTITIONS_MAX {
                return Err(external(QueryError::Resources(format!(
                    "HIVE_EXCEEDED_PARTITION_LIMIT: the query looks at more than {PARTITIONS_MAX} partitions; add a filter on the partition columns"
                ))));
            }
        }
    }

    async fn page(&self, expression: &str, after: Option<&Vec<String>>) -> Result<Vec<Partition>> {
        self.run
            .catalog
            .partitions(&self.table, expression, after, PARTITION_PAGE)
            .await
            .map_err(|problem| external(error::catalog(&problem)))
    }

    /// The files of the partitions, each with its partition's values.
    async fn files(
        &self,
        partitions: Vec<(StorageDescriptor, Vec<ScalarValue>)>,
    ) -> Result<Vec<(Arc<TableFile>, Vec<ScalarValue>)>, QueryError> {
        let lists: Vec<_> = stream::iter(partitions)
            .map(|(storage, values)| async move {
                let location = Location::parse(&storage.location)
                    .map_err(|why| QueryError::User(format!("HIVE_INVALID_METADATA: {why}")))?;
                let files = self.run.snapshot.files(&location, self.history).await?;
                Ok::<_, QueryError>((files, values))
            })
            .buffered(LISTINGS_AT_ONCE)
            .try_collect()
            .await?;
        let mut all = Vec::new();
        for (files, values) in lists {
            all.extend(files.iter().map(|file| (Arc::clone(file), values.clone())));
        }
        Ok(all)
    }

    fn empty(&self, projection: Option<&Vec<usize>>) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(indices) => Arc::new(self.schema.table_schema().project(indices)?),
            None => Arc::clone(self.schema.table_schema()),
        };
        Ok(Arc::new(EmptyExec::new(schema)))
    }
}

#[async_trait]
impl TableProvider for CatalogTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.schema.table_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(filters
            .iter()
            .map(|filter| {
                if prune::decides_by_partition(filter, self.keys()) {
                    TableProviderFilterPushDown::Exact
                } else {
                    TableProviderFilterPushDown::Inexact
                }
            })
            .collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let form = Form::of(&self.table.storage, &self.table.parameters).map_err(external)?;
        let partitions = self.partitions(state, filters).await?;
        let files = self.files(partitions).await.map_err(external)?;
        if files.is_empty() {
            return self.empty(projection);
        }
        let parallelism = state.config().target_partitions();
        if !matches!(form, Form::Parquet) {
            let schema = self.schema.clone();
            return TextScan { schema, files, projection: projection.cloned(), form, limit, parallelism }
                .plan();
        }
        let schema = DFSchema::try_from(self.schema.table_schema().as_ref().clone())?;
        let rows: Vec<Expr> = filters
            .iter()
            .filter(|filter| !prune::decides_by_partition(filter, self.keys()))
            .cloned()
            .collect();
        let predicate = conjunction(rows).map(|all| state.create_physical_expr(all, &schema)).transpose()?;
        ParquetScan {
            schema: self.schema.clone(),
            files,
            projection: projection.cloned(),
            predicate,
            limit,
            parallelism,
        }
        .plan(&self.run.footers)
    }
}

/// The Arrow fields of catalog columns. Names are in lower case, every column may be null.
pub fn fields(columns: &[Column]) -> Result<Vec<FieldRef>, QueryError> {
    columns
        .iter()
        .map(|column| {
            let data_type = arrow_type(&column.hive_type).map_err(|why| {
                QueryError::User(format!("HIVE_INVALID_METADATA: column {}: {why}", column.name))
            })?;
            Ok(Arc::new(Field::new(column.name.to_lowercase(), data_type, true)))
        })
        .collect()
}

/// Our error inside DataFusion's.
pub fn external(error: QueryError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
