//! The engine: one statement in, one outcome out.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use async_trait::async_trait;
use datafusion::catalog::{CatalogProviderList, MemoryCatalogProviderList};
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::execution::{SendableRecordBatchStream, SessionState};
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement as SqlStatement;
use datafusion::sql::sqlparser::ast::Statement as Ast;
use futures::StreamExt;
use headwater_base::Seams;
use headwater_catalog::{Catalog, QueryEngine, QueryError, QueryOutcome, QueryRequest, StatementKind};
use headwater_objects::Objects;
use headwater_store::Store;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::mpsc;

use crate::ddl::{self, statement::Statement};
use crate::dialect::rewrite;
use crate::error;
use crate::names::{CATALOG, DataCatalog};
use crate::run::Run;
use crate::scan::files::Snapshot;
use crate::scan::footers::Footers;
use crate::scan::parquet::STORE_URL;
use crate::{define, functions, show, write};

/// Rows in a batch.
const BATCH_ROWS: usize = 8192;
/// Result batches that wait for their reader.
const WAITING_BATCHES: usize = 2;
/// Stack of the query threads: deep plans recurse.
pub(crate) const STACK_BYTES: usize = 16 << 20;

/// What the engine may use.
#[derive(Clone, Debug)]
pub struct Options {
    /// Memory for all queries together; beyond it operators spill or the query fails.
    pub memory_bytes: usize,
    /// Threads that run queries, and the number of streams each scan is read with.
    pub threads: usize,
    /// Where operators spill. Created when first needed, emptied by each query.
    pub spill_dir: PathBuf,
    /// The most bytes spilled at a time.
    pub spill_bytes: u64,
    /// Memory for the cache of Parquet footers.
    pub footer_bytes: usize,
}

impl Options {
    /// Two threads, 512 MiB of memory, 16 GiB of spill space under `spill_dir`.
    pub fn new(spill_dir: PathBuf) -> Self {
        Self { memory_bytes: 512 << 20, threads: 2, spill_dir, spill_bytes: 16 << 30, footer_bytes: 64 << 20 }
    }
}

/// The query engine. Owns the threads its statements run on.
#[derive(Debug)]
pub struct Query {
    engine: Arc<Engine>,
    runtime: Option<Runtime>,
}

impl Query {
    /// An engine over the catalog and the objects of `store`.
    ///
    /// # Errors
    /// When the threads can't be started.
    #[expect(clippy::new_ret_no_self, reason = "callers hold the port, not the engine")]
    pub fn new(
        options: Options,
        store: Arc<dyn Store>,
        catalog: Catalog,
        objects: Objects,
        seams: Seams,
    ) -> std::io::Result<Arc<dyn QueryEngine>> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(options.threads.max(1))
            .max_blocking_threads(options.threads.max(1) * 4)
            .thread_name("query")
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        let engine =
            Engine::new(options, store, catalog, objects, seams, handle).map_err(std::io::Error::other)?;
        Ok(Arc::new(Self { engine: Arc::new(engine), runtime: Some(runtime) }))
    }
}

impl Drop for Query {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[async_trait]
impl QueryEngine for Query {
    async fn execute(&self, request: QueryRequest) -> Result<QueryOutcome, QueryError> {
        let engine = Arc::clone(&self.engine);
        let mut task = AbortOnDrop(self.engine.handle.spawn(async move { engine.execute(request).await }));
        match (&mut task.0).await {
            Ok(outcome) => outcome,
            Err(error) if error.is_cancelled() => Err(QueryError::Cancelled),
            Err(error) => Err(error::internal(&error)),
        }
    }
}

struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What all statements share.
pub struct Engine {
    pub(crate) store: Arc<dyn Store>,
    catalog: Catalog,
    objects: Objects,
    seams: Seams,
    footers: Arc<Footers>,
    template: SessionState,
    handle: Handle,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("footers", &self.footers.len()).finish_non_exhaustive()
    }
}

impl Engine {
    fn new(
        options: Options,
        store: Arc<dyn Store>,
        catalog: Catalog,
        objects: Objects,
        seams: Seams,
        handle: Handle,
    ) -> datafusion::error::Result<Self> {
        let runtime = runtime_env(&options)?;
        let mut template = SessionStateBuilder::new()
            .with_config(config(&options))
            .with_runtime_env(runtime)
            .with_default_features()
            .build();
        functions::register(&mut template)?;
        let footers = Arc::new(Footers::new(options.footer_bytes));
        Ok(Self { store, catalog, objects, seams, footers, template, handle })
    }

    async fn execute(self: Arc<Self>, request: QueryRequest) -> Result<QueryOutcome, QueryError> {
        let run = self.run(request).await?;
        match ddl::parse(&run.request.sql)? {
            Statement::Query(sql) => select(&run, &sql).await,
            Statement::Explain(sql) => show::explain(&run, &sql).await,
            Statement::Insert { name, columns, overwrite, query } => {
                write::insert(&run, &name, columns, overwrite, &query).await
            }
            Statement::CreateTableAs { name, if_not_exists, properties, query, with_data } => {
                write::create_table_as(&run, &name, if_not_exists, &properties, &query, with_data).await
            }
            other => match show::run(&run, &other).await? {
                Some(outcome) => Ok(outcome),
                None => define::run(&run, other).await,
            },
        }
    }

    async fn run(self: &Arc<Self>, request: QueryRequest) -> Result<Arc<Run>, QueryError> {
        let scanned = Arc::new(AtomicU64::new(0));
        let snapshot = Snapshot::new(self.objects.clone(), request.caller.clone(), Arc::clone(&scanned));
        let incremental = write::incremental(self, &request).await?;
        Ok(Arc::new(Run {
            request: Arc::new(request),
            catalog: self.catalog.clone(),
            objects: self.objects.clone(),
            now: self.seams.clock.now(),
            snapshot: Arc::new(snapshot),
            footers: Arc::clone(&self.footers),
            scanned,
            incremental,
            depth: 0,
            engine: Arc::clone(self),
        }))
    }

    /// A session in which names mean the catalog's tables.
    fn session(&self, run: &Arc<Run>) -> SessionState {
        let list = MemoryCatalogProviderList::new();
        list.register_catalog(CATALOG.to_owned(), Arc::new(DataCatalog(Arc::clone(run))));
        let database = run.request.database.to_lowercase();
        let config = self.template.config().clone().with_default_catalog_and_schema(CATALOG, database);
        let state = SessionStateBuilder::new_from_existing(self.template.clone())
            .with_config(config)
            .with_catalog_list(Arc::new(list))
            .build();
        SessionContext::new_with_state(state).state()
    }
}

fn runtime_env(options: &Options) -> datafusion::error::Result<Arc<RuntimeEnv>> {
    let disk = DiskManagerBuilder::default()
        .with_mode(DiskManagerMode::Directories(vec![options.spill_dir.clone()]))
        .with_max_temp_directory_size(options.spill_bytes);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(options.memory_bytes)))
        .with_disk_manager_builder(disk)
        .build_arc()?;
    // Scans name a store; ours reads nothing through it.
    let url = ObjectStoreUrl::parse(STORE_URL)?;
    runtime.register_object_store(url.as_ref(), Arc::new(object_store::memory::InMemory::new()));
    Ok(runtime)
}

fn config(options: &Options) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_target_partitions(options.threads.max(1))
        .with_batch_size(BATCH_ROWS)
        .with_information_schema(false)
        .with_create_default_catalog_and_schema(false);
    let settings = config.options_mut();
    settings.sql_parser.map_string_types_to_utf8view = false;
    settings.sql_parser.default_null_ordering = "nulls_last".to_owned();
    settings.execution.parquet.schema_force_view_types = false;
    settings.execution.parquet.pruning = true;
    settings.execution.parquet.enable_page_index = true;
    settings.execution.collect_statistics = false;
    config
}

/// Plans a query's text.
pub async fn plan_query(run: &Arc<Run>, sql: &str) -> Result<LogicalPlan, QueryError> {
    plan(run, &run.engine.session(run), sql).await
}

async fn plan(run: &Arc<Run>, session: &SessionState, sql: &str) -> Result<LogicalPlan, QueryError> {
    let query = rewrite::query(sql)?;
    let statement = SqlStatement::Statement(Box::new(Ast::Query(Box::new(query))));
    session.statement_to_plan(statement).await.map_err(|problem| error::planning(&problem, &run.request.sql))
}

/// A query that runs: its schema, and its rows as they come.
pub struct Rows {
    /// Names and types of the result.
    pub schema: SchemaRef,
    /// Batches.
    pub stream: SendableRecordBatchStream,
}

/// Plans and starts a query.
pub async fn rows(run: &Arc<Run>, sql: &str) -> Result<Rows, QueryError> {
    let refuse = |problem| error::planning(&problem, &run.request.sql);
    let session = run.engine.session(run);
    let logical = plan(run, &session, sql).await?;
    let physical = session.create_physical_plan(&logical).await.map_err(refuse)?;
    let schema = named(logical.schema().as_arrow());
    let stream = datafusion::physical_plan::execute_stream(physical, session.task_ctx()).map_err(refuse)?;
    Ok(Rows { schema, stream })
}

/// The optimised plans of a query, as text.
pub async fn explain(run: &Arc<Run>, sql: &str) -> Result<String, QueryError> {
    let refuse = |problem| error::planning(&problem, &run.request.sql);
    let session = run.engine.session(run);
    let logical = plan(run, &session, sql).await?;
    let logical = session.optimize(&logical).map_err(refuse)?;
    let physical = session.create_physical_plan(&logical).await.map_err(refuse)?;
    let physical = datafusion::physical_plan::displayable(physical.as_ref()).indent(false).to_string();
    Ok(format!("Query Plan\n{}\n\nPhysical Plan\n{physical}", logical.display_indent()))
}

/// The schema with Athena's names for columns that have none.
fn named(schema: &Schema) -> SchemaRef {
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .enumerate()
        .map(|(at, field)| {
            let unnamed = rewrite::is_unnamed(field.name());
            let name = if unnamed { format!("_col{at}") } else { field.name().clone() };
            Field::new(name, field.data_type().clone(), field.is_nullable())
        })
        .collect();
    Arc::new(Schema::new(fields))
}

/// A batch under another schema of the same types.
pub fn renamed(batch: RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, arrow::error::ArrowError> {
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), batch.columns().to_vec(), &options)
}

async fn select(run: &Arc<Run>, sql: &str) -> Result<QueryOutcome, QueryError> {
    let rows = rows(run, sql).await?;
    let (sender, receiver) = mpsc::channel(WAITING_BATCHES);
    let schema = Arc::clone(&rows.schema);
    run.engine.handle.spawn(pump(Arc::clone(run), rows, sender));
    let batches = futures::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|batch| (batch, receiver))
    });
    Ok(QueryOutcome {
        kind: StatementKind::Dml,
        substatement: "SELECT",
        schema,
        batches: batches.boxed(),
        rows_written: None,
        bytes_scanned: Arc::clone(&run.scanned),
        manifest: Vec::new(),
    })
}

/// Moves batches to their reader until either side ends.
async fn pump(run: Arc<Run>, mut rows: Rows, sender: mpsc::Sender<Result<RecordBatch, QueryError>>) {
    loop {
        let batch = tokio::select! {
            batch = rows.stream.next() => batch,
            () = sender.closed() => return,
        };
        let Some(batch) = batch else { return };
        let batch = batch
            .and_then(|batch| Ok(renamed(batch, &rows.schema)?))
            .map_err(|problem| error::planning(&problem, &run.request.sql));
        let failed = batch.is_err();
        if sender.send(batch).await.is_err() || failed {
            return;
        }
    }
}

/// An outcome without rows.
pub fn done(run: &Run, kind: StatementKind, substatement: &'static str) -> QueryOutcome {
    QueryOutcome {
        kind,
        substatement,
        schema: Arc::new(Schema::empty()),
        batches: futures::stream::empty().boxed(),
        rows_written: None,
        bytes_scanned: Arc::clone(&run.scanned),
        manifest: Vec::new(),
    }
}

/// Properties as a sorted map, for catalogs.
pub type Parameters = BTreeMap<String, String>;
