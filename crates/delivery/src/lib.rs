//! Plans, positions, the ledger and its audit: exactly once, shared by Firehose, jobs, CTAS,
//! INSERT and every later sink.
//!
//! A delivery plans exact input ranges, produces output that is a pure function of the plan,
//! makes the bodies durable, and then, in **one** commit, names the objects, adds the partitions
//! and moves its position. A crash before that commit leaves garbage that is swept; after it there
//! is nothing left to do. `docs/design/delivery.md` says it in full.

mod audit;
mod bookmark;
mod commit;
mod deadletter;
mod definition;
mod deletion;
mod engine;
pub mod extract;
mod ledger;
mod naming;
mod output;
mod plan;
pub mod prefix;
mod produce;
mod records;
mod rows;
mod runner;
mod supervisor;
mod table_write;
#[cfg(test)]
mod tests;

pub use audit::{AuditReport, DeliveryAudit, ObjectsAudit, ShardAudit};
pub use bookmark::{BookmarkError, bookmark, reset_bookmark};
pub use definition::{
    Buffering, Conversion, Delivery, DeliveryKey, DeliveryName, Destination, NewDelivery, NewSource,
    SchemaEcho, Source, StartAt,
};
/// What [`Conversion`] is told in the words of `tables`.
pub use headwater_tables::{decode::JsonOptions, write::ParquetCompression};

pub use engine::{Deliveries, DeliveryError, Health, TAGS_MAX};
pub use ledger::{CommittedObject, CommittedPlan, CommittedRange, Counts, LedgerLine, LedgerRow};
pub use table_write::{Bookmark, TableTarget, TableWrite, TableWriteError, Written};
