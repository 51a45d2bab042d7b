//! What went wrong, in Athena's words.
//!
//! DataFusion's errors are chains that wrap ours: the innermost [`QueryError`] wins; known kinds
//! get Athena's codes and the place in the statement; the rest keeps its text under a code that
//! says whether the statement, the data or the node is to blame.

use std::error::Error;

use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use headwater_catalog::{CatalogError, QueryError};

use crate::dialect::position;

/// A failure of the node itself, with its whole chain.
pub fn internal(error: &(dyn Error + 'static)) -> QueryError {
    QueryError::Internal(format!("GENERIC_INTERNAL_ERROR: {}", chain(error)))
}

/// `SYNTAX_ERROR: …` at a place.
pub fn syntax(place: position::Place, message: impl std::fmt::Display) -> QueryError {
    QueryError::User(format!("SYNTAX_ERROR: {place}: {message}"))
}

/// `NOT_SUPPORTED: …`: we know what is meant and don't do it.
pub fn unsupported(what: impl std::fmt::Display) -> QueryError {
    QueryError::User(format!("NOT_SUPPORTED: {what}"))
}

/// The catalog's refusal of what a statement asked for.
pub fn catalog(error: &CatalogError) -> QueryError {
    match error {
        CatalogError::NotFound(what) => QueryError::User(format!("ENTITY_NOT_FOUND: {what} not found")),
        CatalogError::Exists(what) => QueryError::User(format!("ALREADY_EXISTS: {what} already exists")),
        CatalogError::Changed(what) => QueryError::User(format!(
            "HIVE_METASTORE_ERROR: {what} was changed meanwhile; run the query again"
        )),
        CatalogError::Invalid(why) => QueryError::User(format!("HIVE_METASTORE_ERROR: {why}")),
        CatalogError::Throttled(_) | CatalogError::Store(_) | CatalogError::Commit(_) => internal(error),
    }
}

/// DataFusion's error for the statement `sql`.
pub fn planning(error: &DataFusionError, sql: &str) -> QueryError {
    if let Some(ours) = find::<QueryError>(error) {
        return ours.clone();
    }
    let error = error.find_root();
    match error {
        DataFusionError::SchemaError(kind, _) => schema_error(kind, sql),
        DataFusionError::SQL(parser, _) => {
            let text = parser.to_string();
            QueryError::User(format!("SYNTAX_ERROR: {}", text.trim_start_matches("sql parser error: ")))
        }
        DataFusionError::Plan(text) => plan_error(text, sql),
        DataFusionError::NotImplemented(text) => unsupported(text),
        DataFusionError::ResourcesExhausted(text) => {
            QueryError::Resources(format!("EXCEEDED_LOCAL_MEMORY_LIMIT: {text}"))
        }
        DataFusionError::ArrowError(arrow, _) => data_error(&arrow.to_string()),
        DataFusionError::ParquetError(parquet) => data_error(&parquet.to_string()),
        DataFusionError::Execution(text) => data_error(text),
        DataFusionError::Internal(text) => QueryError::Internal(format!("GENERIC_INTERNAL_ERROR: {text}")),
        other => QueryError::User(format!("GENERIC_USER_ERROR: {}", first_line(&other.to_string()))),
    }
}

fn schema_error(kind: &SchemaError, sql: &str) -> QueryError {
    match kind {
        SchemaError::FieldNotFound { field, .. } => {
            let place = position::of_name(sql, &field.name);
            QueryError::User(format!(
                "COLUMN_NOT_FOUND: {place}: Column '{}' cannot be resolved or requester is not authorized to access requested resources",
                field.flat_name().replace('"', "")
            ))
        }
        SchemaError::AmbiguousReference { field } => {
            let place = position::of_name(sql, &field.name);
            QueryError::User(format!("AMBIGUOUS_NAME: {place}: Column '{}' is ambiguous", field.name))
        }
        SchemaError::DuplicateQualifiedField { name, .. }
        | SchemaError::DuplicateUnqualifiedField { name } => {
            let place = position::of_name(sql, name);
            QueryError::User(format!(
                "DUPLICATE_COLUMN_NAME: {place}: Column name '{name}' specified more than once"
            ))
        }
    }
}

fn plan_error(text: &str, sql: &str) -> QueryError {
    let text = first_line(text);
    if let Some(name) = text.strip_prefix("Invalid function '").and_then(|rest| rest.split('\'').next()) {
        return syntax(position::of_name(sql, name), format_args!("Function '{name}' not registered"));
    }
    if text.contains("must appear in the GROUP BY clause")
        || text.contains("could not be resolved from available columns")
    {
        return QueryError::User(format!("EXPRESSION_NOT_AGGREGATE: {}: {text}", position::START));
    }
    if text.contains("coerc") || text.contains("common type") || text.contains("Cannot infer common") {
        return QueryError::User(format!("TYPE_MISMATCH: {}: {text}", position::START));
    }
    syntax(position::START, text)
}

fn data_error(text: &str) -> QueryError {
    let text = first_line(text);
    let lower = text.to_lowercase();
    if let Some((_, rest)) = text.split_once("HIVE_") {
        return QueryError::User(format!("HIVE_{rest}"));
    }
    let code = if lower.contains("divide by zero") {
        return QueryError::User("DIVISION_BY_ZERO: Division by zero".to_owned());
    } else if lower.contains("overflow") {
        "NUMERIC_VALUE_OUT_OF_RANGE"
    } else if lower.contains("cast") || lower.contains("pars") {
        "INVALID_CAST_ARGUMENT"
    } else {
        "INVALID_FUNCTION_ARGUMENT"
    };
    QueryError::User(format!("{code}: {}", strip(text)))
}

fn strip(text: &str) -> &str {
    ["Cast error: ", "Parser error: ", "Compute error: ", "Invalid argument error: ", "Arrow error: "]
        .iter()
        .fold(text, |text, prefix| text.strip_prefix(prefix).unwrap_or(text))
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or(text)
}

fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text.push_str(": ");
        text.push_str(&error.to_string());
        next = error.source();
    }
    text
}
