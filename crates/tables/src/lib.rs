//! Rows in files: Parquet, JSON, CSV; compression; `key=value/` paths; JSON to Arrow.
//!
//! Knows no service and no store: bytes in, Arrow out, and back.
//!
//! | module | direction |
//! |---|---|
//! | [`schema`] | Hive type text ↔ Arrow type |
//! | [`path`] | partition values ↔ `key=value/` folders |
//! | [`decode`] | JSON records → Arrow, each misfit set apart with its reason |
//! | [`csv`] | delimited text → Arrow |
//! | [`write`](mod@write) | Arrow → files, the same rows giving the same bytes |
//! | [`compress`] | whole-file compression, by extension or magic |
//! | [`infer`] | sample of a file → format and columns, for crawlers |

mod column;
mod json;
mod moment;

pub mod compress;
pub mod csv;
pub mod decode;
pub mod infer;
pub mod path;
pub mod schema;
pub mod write;
