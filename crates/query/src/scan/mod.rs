//! From a catalog table to rows: which partitions, which files, and how each file is read.
//!
//! Nothing here lists a bucket twice for one query: the files of a location are looked up once and
//! kept in [`files::Snapshot`], so that a self-join reads the same table on both sides.

pub mod files;
pub mod footers;
pub mod location;
pub mod parquet;
pub mod projection;
pub mod prune;
pub mod text;
