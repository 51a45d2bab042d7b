//! The port through which faces run SQL. `query` implements it; `server` wires it in, so that a
//! node can be built without DataFusion.

use std::fmt;

use arrow::record_batch::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use futures::stream::BoxStream;
use headwater_base::{Caller, Scope};

/// One statement to run.
#[derive(Clone, Debug)]
pub struct QueryRequest {
    /// Names the execution; a job's or query's own id. Writes derive their object names from it,
    /// so running a request again after a crash writes the same thing once.
    pub id: String,
    /// Whose catalog.
    pub scope: Scope,
    /// Who asks; what it may read and write is checked for this caller.
    pub caller: Caller,
    /// The database that unqualified names mean.
    pub database: String,
    /// The statement.
    pub sql: String,
    /// `s3://bucket/prefix/` under which CTAS without a location places its table.
    pub output_location: Option<String>,
    /// For `sql` jobs: the input whose new objects alone are read, and the bookmark to advance in
    /// the commit that writes the output.
    pub incremental: Option<Incremental>,
}

/// The declared incremental input of a job.
#[derive(Clone, Debug)]
pub struct Incremental {
    /// `database.table` of the input.
    pub table: String,
    /// The bookmark's name (the job's).
    pub bookmark: String,
}

/// What kind of statement it was, as Athena tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StatementKind {
    /// CREATE, ALTER, DROP, MSCK, and CTAS.
    Ddl,
    /// SELECT, INSERT.
    Dml,
    /// SHOW, DESCRIBE, EXPLAIN.
    Utility,
}

/// What a statement gave.
pub struct QueryOutcome {
    /// Its kind.
    pub kind: StatementKind,
    /// Athena's `SubstatementType`, such as `SELECT`, `CREATE_TABLE_AS_SELECT`, `INSERT`.
    pub substatement: &'static str,
    /// Columns of the result; empty for statements without one.
    pub schema: SchemaRef,
    /// Result rows as CSV-ready Arrow batches, each encoded by the receiver.
    pub batches: BoxStream<'static, Result<RecordBatch, QueryError>>,
    /// Rows written, for INSERT and CTAS.
    pub rows_written: Option<u64>,
    /// Bytes of table data read; final once `batches` has ended.
    pub bytes_scanned: std::sync::Arc<std::sync::atomic::AtomicU64>,
    /// Objects written (`s3://…`), for the data manifest of INSERT and CTAS.
    pub manifest: Vec<String>,
}

impl fmt::Debug for QueryOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryOutcome").field("substatement", &self.substatement).finish_non_exhaustive()
    }
}

/// Why a statement failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueryError {
    /// The statement is wrong: fix it. The text is Athena-like (`SYNTAX_ERROR: line 1:8: …`).
    #[error("{0}")]
    User(String),
    /// It was cancelled.
    #[error("query cancelled")]
    Cancelled,
    /// It needs more memory or time than it was given.
    #[error("{0}")]
    Resources(String),
    /// The node failed: retry, then report.
    #[error("{0}")]
    Internal(String),
}

/// Runs SQL over the catalog and the objects.
#[async_trait]
pub trait QueryEngine: Send + Sync + fmt::Debug {
    /// Plans and starts the statement. Dropping the outcome's stream cancels it.
    async fn execute(&self, request: QueryRequest) -> Result<QueryOutcome, QueryError>;
}
