//! SQL over the catalog and the objects; implements the catalog's `QueryEngine` port with
//! DataFusion, and is the only crate that names it.
//!
//! A statement is one of two kinds. Definitions (Hive's: [`ddl`]) change the catalog. Queries
//! (Trino's: [`dialect`]) are rewritten so that DataFusion computes what Trino would, planned over
//! our own tables (`table`), and run on a small runtime of their own, so that a heavy query never
//! slows the front door. What a query writes goes through `delivery`'s committer, never through
//! DataFusion's sinks.
//!
//! **Invariants.** The files of a query are looked up once. A write is named by the request's id:
//! running the request again writes nothing twice. What is not proven to compute what Trino does
//! is refused.
//!
//! **Failure.** Memory is bounded; sorts, joins and aggregations spill to the spill directory.
//! Dropping an outcome's stream, or the future of `execute`, stops the work.

pub mod ddl;
mod define;
pub mod dialect;
mod engine;
mod error;
mod functions;
mod names;
mod run;
mod scan;
mod separated;
mod show;
mod storage;
mod table;
mod view;
mod write;

pub use engine::{Options, Query};

/// For the fuzz target `partition_projection`: the parameters of one key are enumerated within the
/// bound or refused.
#[doc(hidden)]
pub fn fuzz_projection(parameters: &[(&str, &str)]) {
    if let Ok(values) = scan::projection::values(parameters) {
        assert!(values.len() <= scan::projection::CANDIDATES_MAX);
    }
}
