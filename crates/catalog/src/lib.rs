//! Databases, tables, partitions and their schemas; and the port through which SQL is run.
//!
//! A table's guard (incarnation + schema id) is a fact of its own, written only at creation,
//! deletion and schema change, so that statistics and parameters never conflict with a delivery.
//!
//! ```text
//! database ── guard            a database's guard is there as long as tables may be created in it
//!    └─ table ── guard         by incarnation and schema id: what a delivery expects
//!         ├─ versions          what the table was before each update
//!         ├─ storages          distinct descriptors of its partitions, by content
//!         └─ partitions        by their values, in an order that expressions can seek in
//! ```
//!
//! **Invariants.** Names are in lower case. What hangs on a table hangs on its incarnation, so a
//! table dropped and created again starts empty. A partition is identified by its values as text.
//!
//! **Failure.** A drop is one commit; what hung on the dropped thing is unreachable at once and
//! removed afterwards, by the drop itself or, after a crash, by [`Catalog::sweep_dropped`].

mod databases;
mod engine;
mod error;
pub mod filter;
mod model;
mod name;
mod partitions;
mod query;
mod records;
mod storages;
mod sweep;
mod tables;

pub use engine::Catalog;
pub use error::CatalogError;
pub use filter::PartitionFilter;
pub use model::{Column, Database, Partition, PartitionValues, StorageDescriptor, Table, TableKey};
pub use partitions::Segment;
pub use query::{Incremental, QueryEngine, QueryError, QueryOutcome, QueryRequest, StatementKind};
pub use tables::Archive;
