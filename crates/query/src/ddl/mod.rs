//! Hive's data definition, which Athena speaks beside Trino's queries: our own lexer and parser,
//! because no SQL parser at hand knows all of it.

mod cursor;
pub mod lexer;
pub mod parser;
pub mod statement;

pub use parser::parse;
