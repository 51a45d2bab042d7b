//! A query engine that remembers what it was asked and does nothing.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use arrow_schema::Schema;
use async_trait::async_trait;
use futures::StreamExt;
use headwater_catalog::{QueryEngine, QueryError, QueryOutcome, QueryRequest, StatementKind};

/// `fail` fails, `wait` never ends, `crash` never ends the first time it is asked; everything else
/// succeeds.
#[derive(Debug, Default)]
pub struct Engine {
    pub asked: Mutex<Vec<QueryRequest>>,
    crashed: Mutex<HashSet<String>>,
}

#[async_trait]
impl QueryEngine for Engine {
    async fn execute(&self, request: QueryRequest) -> Result<QueryOutcome, QueryError> {
        self.asked.lock().unwrap().push(request.clone());
        match request.sql.as_str() {
            "fail" => return Err(QueryError::User("SYNTAX_ERROR: line 1:1: no".to_owned())),
            "wait" => std::future::pending().await,
            "crash" if self.crashed.lock().unwrap().insert(request.id) => std::future::pending().await,
            _ => {}
        }
        Ok(QueryOutcome {
            kind: StatementKind::Dml,
            substatement: "SELECT",
            schema: Arc::new(Schema::empty()),
            batches: futures::stream::empty().boxed(),
            rows_written: None,
            bytes_scanned: Arc::default(),
            manifest: Vec::new(),
        })
    }
}
