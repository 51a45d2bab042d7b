//! The query engine behind its port: DataFusion, or a refusal in a node built without it.

use std::io;
use std::path::Path;
use std::sync::Arc;

use headwater_base::Seams;
use headwater_catalog::{Catalog, QueryEngine};
use headwater_objects::Objects;
use headwater_store::Store;

use crate::config::QueriesConfig;

/// The engine over a node's catalog and objects; operators spill to `spill`.
#[cfg(feature = "query")]
pub(crate) fn engine(
    config: &QueriesConfig,
    spill: &Path,
    store: Arc<dyn Store>,
    catalog: Catalog,
    objects: Objects,
    seams: Seams,
) -> io::Result<Arc<dyn QueryEngine>> {
    let options = headwater_query::Options {
        memory_bytes: config.memory_mib as usize * (1 << 20),
        threads: config.threads,
        spill_bytes: u64::from(config.spill_gib) << 30,
        ..headwater_query::Options::new(spill.to_owned())
    };
    headwater_query::Query::new(options, store, catalog, objects, seams)
}

/// An engine that refuses every statement.
#[cfg(not(feature = "query"))]
pub(crate) fn engine(
    _config: &QueriesConfig,
    _spill: &Path,
    _store: Arc<dyn Store>,
    _catalog: Catalog,
    _objects: Objects,
    _seams: Seams,
) -> io::Result<Arc<dyn QueryEngine>> {
    Ok(Arc::new(none::NoQueries))
}

#[cfg(not(feature = "query"))]
mod none {
    use async_trait::async_trait;
    use headwater_catalog::{QueryEngine, QueryError, QueryOutcome, QueryRequest};

    #[derive(Debug)]
    pub(super) struct NoQueries;

    #[async_trait]
    impl QueryEngine for NoQueries {
        async fn execute(&self, _request: QueryRequest) -> Result<QueryOutcome, QueryError> {
            Err(QueryError::User("NOT_SUPPORTED: this node was built without its query engine".to_owned()))
        }
    }
}
