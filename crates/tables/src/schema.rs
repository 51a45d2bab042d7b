//! Hive types and Arrow types, and schemas found in data.

use arrow::datatypes::DataType;

/// Why a type or a schema was refused.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct SchemaError(pub String);

/// The Arrow type of a Hive type string (`bigint`, `decimal(10,2)`, `array<struct<a:int>>`, …).
/// Timestamps become microseconds without zone.
pub fn arrow_type(hive: &str) -> Result<DataType, SchemaError> {
    let _ = hive;
    todo!("tables owner")
}

/// The Hive type string of an Arrow type.
pub fn hive_type(arrow: &DataType) -> Result<String, SchemaError> {
    let _ = arrow;
    todo!("tables owner")
}
