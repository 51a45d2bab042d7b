//! CTAS and INSERT.
use std::collections::BTreeMap;
use std::sync::Arc;

use headwater_catalog::{QueryError, QueryOutcome, QueryRequest};

use crate::ddl::statement::{Property, TableName};
use crate::engine::Engine;
use crate::error::unsupported;
use crate::run::{IncrementalInput, Run};

pub async fn incremental(_engine: &Arc<Engine>, _request: &QueryRequest) -> Result<Option<IncrementalInput>, QueryError> {
    Ok(None)
}
pub async fn insert(_run: &Arc<Run>, _name: &TableName, _columns: Option<Vec<String>>, _overwrite: bool, _query: &str) -> Result<QueryOutcome, QueryError> {
    Err(unsupported("INSERT"))
}
pub async fn create_table_as(_run: &Arc<Run>, _name: &TableName, _if_not_exists: bool, _properties: &BTreeMap<String, Property>, _query: &str, _with_data: bool) -> Result<QueryOutcome, QueryError> {
    Err(unsupported("CTAS"))
}
