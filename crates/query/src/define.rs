//! Statements that change the catalog.
use std::sync::Arc;

use headwater_catalog::{QueryError, QueryOutcome};

use crate::ddl::statement::Statement;
use crate::error::unsupported;
use crate::run::Run;

pub async fn run(_run: &Arc<Run>, _statement: Statement) -> Result<QueryOutcome, QueryError> {
    Err(unsupported("this statement"))
}
