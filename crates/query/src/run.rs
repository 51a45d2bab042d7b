//! One statement on its way: what it was asked, and what it may use.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use headwater_base::Timestamp;
use headwater_catalog::{Catalog, QueryRequest};
use headwater_objects::Objects;

use crate::engine::Engine;
use crate::scan::files::{History, Snapshot};
use crate::scan::footers::Footers;

/// The circumstances of one statement.
#[derive(Clone, Debug)]
pub struct Run {
    /// The request.
    pub request: Arc<QueryRequest>,
    /// The catalog.
    pub catalog: Catalog,
    /// The objects.
    pub objects: Objects,
    /// When it began.
    pub now: Timestamp,
    /// The files, the same for the statement's whole life.
    pub snapshot: Arc<Snapshot>,
    /// Footers shared by all statements.
    pub footers: Arc<Footers>,
    /// Bytes of table data read.
    pub scanned: Arc<AtomicU64>,
    /// The incremental input, if one was declared.
    pub incremental: Option<IncrementalInput>,
    /// How many views were entered on the way here.
    pub depth: usize,
    /// The engine that runs it.
    pub engine: Arc<Engine>,
}

/// The input of which only new objects are read.
#[derive(Clone, Debug)]
pub struct IncrementalInput {
    /// Its database, in lower case.
    pub database: String,
    /// Its name, in lower case.
    pub table: String,
    /// Which objects.
    pub history: History,
}

impl Run {
    /// Which objects of a table are read; `None` means all.
    pub fn history(&self, database: &str, table: &str) -> Option<History> {
        let input = self.incremental.as_ref()?;
        (input.database == database && input.table == table).then_some(input.history)
    }

    /// The same circumstances with another default database, one view deeper.
    pub fn within(&self, database: &str) -> Self {
        let request = QueryRequest { database: database.to_owned(), ..self.request.as_ref().clone() };
        Self { request: Arc::new(request), depth: self.depth + 1, ..self.clone() }
    }
}
