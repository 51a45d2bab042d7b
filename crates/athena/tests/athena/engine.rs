//! An engine that knows four statements: the face is tested, not SQL.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Schema;
use async_trait::async_trait;
use futures::StreamExt;
use headwater_catalog::{QueryEngine, QueryError, QueryOutcome, QueryRequest, StatementKind};

#[derive(Debug)]
pub struct Scripted;

#[async_trait]
impl QueryEngine for Scripted {
    async fn execute(&self, request: QueryRequest) -> Result<QueryOutcome, QueryError> {
        let nothing = QueryOutcome {
            kind: StatementKind::Ddl,
            substatement: "CREATE_DATABASE",
            schema: Arc::new(Schema::empty()),
            batches: futures::stream::empty().boxed(),
            rows_written: None,
            bytes_scanned: Arc::new(AtomicU64::new(42)),
            manifest: Vec::new(),
        };
        match request.sql.split_whitespace().next().unwrap_or_default() {
            "SELECT" => {
                let n: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
                let text: ArrayRef = Arc::new(StringArray::from(vec![Some("a\"b"), Some("")]));
                let batch = RecordBatch::try_from_iter([("n", n), ("text", text)]).unwrap();
                Ok(QueryOutcome {
                    kind: StatementKind::Dml,
                    substatement: "SELECT",
                    schema: batch.schema(),
                    batches: futures::stream::iter([Ok(batch)]).boxed(),
                    ..nothing
                })
            }
            "INSERT" => Ok(QueryOutcome {
                kind: StatementKind::Dml,
                substatement: "INSERT",
                rows_written: Some(2),
                manifest: vec!["s3://lake/t/a.parquet".to_owned()],
                ..nothing
            }),
            "CREATE" => Ok(nothing),
            "WAIT" => std::future::pending().await,
            other => Err(QueryError::User(format!("SYNTAX_ERROR: line 1:1: mismatched input '{other}'"))),
        }
    }
}
