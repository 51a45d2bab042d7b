//! Trino's functions that DataFusion lacks or computes otherwise, under names (`hw_…`) that only
//! the dialect's rewriting uses.

mod arrays;
mod datetime;
mod function;
mod json;
mod moments;
mod number_text;
pub mod patterns;
mod regexps;
mod strings;
mod urls;

use std::sync::Arc;

use datafusion::error::Result;
use datafusion::execution::{FunctionRegistry, SessionState};
use datafusion::logical_expr::ScalarUDF;

/// Makes our functions known to a session.
pub fn register(session: &mut SessionState) -> Result<()> {
    let all = [
        arrays::functions(),
        datetime::functions(),
        json::functions(),
        moments::functions(),
        regexps::functions(),
        strings::functions(),
        urls::functions(),
    ];
    for function in all.into_iter().flatten() {
        session.register_udf(Arc::new(ScalarUDF::from(function)))?;
    }
    Ok(())
}
