//! Athena's SQL (Trino's) onto DataFusion's.
//!
//! The statement is parsed with names folded to lower case, then its syntax tree is rewritten so
//! that DataFusion computes what Trino would. A function is known only if it stands in
//! [`functions::mapping`]; what is not proven equal is refused, never approximated.

pub mod build;
pub mod casts;
pub mod functions;
pub mod parse;
pub mod position;
pub mod rewrite;
