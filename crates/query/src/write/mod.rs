//! CTAS and INSERT: what a query gives, written into a table by `delivery`'s committer.
//!
//! **Invariants.** A write is named by the request's id, so running a statement again writes
//! nothing twice. Rows are brought to the table's types before they are written; a value that does
//! not fit fails the statement, and nothing of it is visible.

mod columns;
mod target;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use headwater_catalog::{CatalogError, QueryError, QueryOutcome, QueryRequest, StatementKind, Table};
use headwater_delivery::{Bookmark, TableTarget, TableWrite, TableWriteError, Written, bookmark};

use crate::ddl::statement::{Property, TableName};
use crate::engine::{self, Engine, Rows, done};
use crate::run::{IncrementalInput, Run};
use crate::scan::files::History;
use crate::{error, names, show, table};

/// How often a statement plans again because the table or the bucket changed meanwhile.
const ATTEMPTS: usize = 3;

/// The declared incremental input, from where its bookmark stands to now.
pub async fn incremental(
    engine: &Arc<Engine>,
    request: &QueryRequest,
) -> Result<Option<IncrementalInput>, QueryError> {
    let Some(declared) = &request.incremental else { return Ok(None) };
    let name = declared.table.to_lowercase();
    let (database, table) = name
        .split_once('.')
        .ok_or_else(|| QueryError::User(format!("the incremental input {name:?} is not database.table")))?;
    let from =
        bookmark(&engine.store, &declared.bookmark).await.map_err(|problem| error::internal(&problem))?;
    // Taken before any listing: what is put later belongs to the next run.
    let to = engine.store.snapshot().await.map_err(|problem| error::internal(&problem))?.lsn();
    Ok(Some(IncrementalInput {
        database: database.to_owned(),
        table: table.to_owned(),
        history: History { from, to },
    }))
}

/// `INSERT INTO` and `INSERT OVERWRITE`.
pub async fn insert(
    run: &Arc<Run>,
    name: &TableName,
    columns: Option<Vec<String>>,
    overwrite: bool,
    query: &str,
) -> Result<QueryOutcome, QueryError> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let into = show::load(run, name).await?;
        if crate::view::definition(&into)?.is_some() {
            return Err(error::unsupported("INSERT into a view"));
        }
        let schema = table_schema(&into)?;
        let rows = engine::rows(run, query).await?;
        let shape = columns::Shape::insert(&rows.schema, &schema, columns.as_deref(), &run.request.sql)?;
        let into = Table::clone(&into);
        let target = if overwrite { TableTarget::Replace(into) } else { TableTarget::Append(into) };
        match write(run, target, &shape, rows).await {
            Err(Failure::Changed(_)) if attempt < ATTEMPTS => {}
            result => {
                return Ok(outcome(run, StatementKind::Dml, "INSERT", result.map_err(QueryError::from)?));
            }
        }
    }
}

/// `CREATE TABLE … AS`.
pub async fn create_table_as(
    run: &Arc<Run>,
    name: &TableName,
    if_not_exists: bool,
    properties: &BTreeMap<String, Property>,
    query: &str,
    with_data: bool,
) -> Result<QueryOutcome, QueryError> {
    const KIND: &str = "CREATE_TABLE_AS_SELECT";
    let database = name.database.clone().unwrap_or_else(|| run.request.database.to_lowercase());
    let rows = engine::rows(run, query).await?;
    let settings = target::Settings::read(properties)?;
    let (table, shape) = target::table(run, &database, &name.table, &settings, &rows.schema)?;
    // A write that was committed before is found by its id, whatever the catalog says now.
    let result = match names::find(run, &database, &name.table).await? {
        Some(existing) if !is_ours(run, &existing) => {
            if if_not_exists {
                return Ok(outcome(run, StatementKind::Ddl, KIND, nothing()));
            }
            return Err(exists(&database, &name.table));
        }
        found => {
            if found.is_none() {
                settings.check_empty(run, &table).await?;
            }
            let rows = if with_data { rows } else { none(&rows.schema) };
            write(run, TableTarget::Create(table), &shape, rows).await
        }
    };
    match result {
        Ok(written) => Ok(outcome(run, StatementKind::Ddl, KIND, written)),
        Err(Failure::Changed(_)) if names::find(run, &database, &name.table).await?.is_some() => {
            Err(exists(&database, &name.table))
        }
        Err(failure) => Err(failure.into()),
    }
}

/// Whether this very statement created the table, in an earlier attempt.
fn is_ours(run: &Run, table: &Table) -> bool {
    table.parameters.get(target::CREATED_BY) == Some(&run.request.id)
}

fn exists(database: &str, table: &str) -> QueryError {
    let place = crate::dialect::position::START;
    QueryError::User(format!(
        "TABLE_ALREADY_EXISTS: {place}: Destination table '{}.{database}.{table}' already exists",
        names::CATALOG
    ))
}

fn none(schema: &SchemaRef) -> Rows {
    let empty = futures::stream::empty();
    let stream = datafusion::physical_plan::stream::RecordBatchStreamAdapter::new(Arc::clone(schema), empty);
    Rows { schema: Arc::clone(schema), stream: Box::pin(stream) as SendableRecordBatchStream }
}

/// Why a write failed.
enum Failure {
    /// Something changed meanwhile: plan again.
    Changed(String),
    /// Anything else.
    Other(QueryError),
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        Self::Other(error)
    }
}

impl From<Failure> for QueryError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Changed(what) => Self::User(format!(
                "HIVE_METASTORE_ERROR: {what} changed while the statement ran; run it again"
            )),
            Failure::Other(error) => error,
        }
    }
}

impl From<TableWriteError> for Failure {
    fn from(error: TableWriteError) -> Self {
        match error {
            TableWriteError::Changed(what) => Self::Changed(what),
            TableWriteError::Invalid(why) => {
                Self::Other(QueryError::User(format!("HIVE_WRITER_OPEN_ERROR: {why}")))
            }
            TableWriteError::Failed(why) => {
                Self::Other(QueryError::Internal(format!("GENERIC_INTERNAL_ERROR: the write failed: {why}")))
            }
        }
    }
}

/// Runs the query into the table and commits, the bookmark with it.
async fn write(
    run: &Arc<Run>,
    target: TableTarget,
    shape: &columns::Shape,
    mut rows: Rows,
) -> Result<Written, Failure> {
    let schema = Arc::clone(shape.schema());
    let mut write = TableWrite::begin(&run.catalog, &run.objects, &run.request.id, target, schema).await?;
    while let Some(batch) = rows.stream.next().await {
        let batch = batch.map_err(|problem| error::planning(&problem, &run.request.sql))?;
        write.write(shape.apply(&batch)?).await?;
    }
    let bookmark = match (&run.incremental, &run.request.incremental) {
        (Some(input), Some(declared)) => {
            let History { from, to } = input.history;
            Some(Bookmark { name: declared.bookmark.clone(), from, to })
        }
        _ => None,
    };
    Ok(write.commit(bookmark).await?)
}

fn nothing() -> Written {
    Written { rows: 0, objects: Vec::new(), partitions_added: 0, lsn: headwater_store::Lsn(0) }
}

fn outcome(run: &Run, kind: StatementKind, substatement: &'static str, written: Written) -> QueryOutcome {
    let scanned: Arc<AtomicU64> = Arc::clone(&run.scanned);
    QueryOutcome {
        rows_written: Some(written.rows),
        manifest: written.objects,
        bytes_scanned: scanned,
        ..done(run, kind, substatement)
    }
}

/// A table's columns, partition columns last.
fn table_schema(into: &Table) -> Result<SchemaRef, QueryError> {
    let mut fields = table::fields(&into.storage.columns)?;
    fields.extend(table::fields(&into.partition_keys)?);
    Ok(Arc::new(Schema::new(fields)))
}

/// What the catalog says of a database that must be there.
pub async fn require_database(
    run: &Run,
    database: &str,
) -> Result<Arc<headwater_catalog::Database>, QueryError> {
    match run.catalog.database(&run.request.scope, database).await {
        Ok(found) => Ok(found),
        Err(CatalogError::NotFound(_)) => {
            Err(QueryError::User(format!("SCHEMA_NOT_FOUND: line 1:1: Schema '{database}' does not exist")))
        }
        Err(problem) => Err(error::catalog(&problem)),
    }
}
