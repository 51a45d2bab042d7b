//! Rows in files: Parquet, JSON, CSV; compression; `key=value/` paths; JSON to Arrow.
//!
//! Knows no service and no store: bytes in, Arrow out, and back.

pub mod decode;
pub mod path;
pub mod schema;
pub mod write;
