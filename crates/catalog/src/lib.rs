//! Databases, tables, partitions and their schemas; and the port through which SQL is run.
//!
//! A table's guard (uuid + schema id) is a fact of its own, written only at creation, deletion and
//! schema change, so that statistics and parameters never conflict with a delivery.

mod engine;
mod query;

pub use engine::{
    Catalog, CatalogError, Column, Database, Partition, PartitionValues, StorageDescriptor, Table, TableKey,
};
pub use query::{Incremental, QueryEngine, QueryError, QueryOutcome, QueryRequest, StatementKind};
