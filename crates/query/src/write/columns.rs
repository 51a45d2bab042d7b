//! A query's columns brought to a table's: order, names and types.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::util::display::FormatOptions;
use headwater_catalog::QueryError;

use crate::dialect::position;

/// How a query's batches become the table's.
#[derive(Debug)]
pub struct Shape {
    schema: SchemaRef,
    /// For each column of the table, the query's column; `None` is null.
    sources: Vec<Option<usize>>,
}

impl Shape {
    /// For `INSERT`: by position, or by the names listed.
    pub fn insert(
        query: &SchemaRef,
        table: &SchemaRef,
        listed: Option<&[String]>,
        sql: &str,
    ) -> Result<Self, QueryError> {
        let given = query.fields().len();
        let wanted = listed.map_or(table.fields().len(), <[String]>::len);
        if given != wanted {
            return Err(mismatch(query, table));
        }
        let sources = match listed {
            None => (0..given).map(Some).collect(),
            Some(listed) => {
                if let Some(name) = listed.iter().find(|name| table.column_with_name(name).is_none()) {
                    return Err(QueryError::User(format!(
                        "COLUMN_NOT_FOUND: {}: Insert column name does not exist in target table: {name}",
                        position::of_name(sql, name)
                    )));
                }
                table
                    .fields()
                    .iter()
                    .map(|field| listed.iter().position(|name| name == field.name()))
                    .collect()
            }
        };
        let shape = Self { schema: Arc::clone(table), sources };
        for (field, source) in table.fields().iter().zip(&shape.sources) {
            let fits = source.is_none_or(|at| assignable(query.field(at).data_type(), field.data_type()));
            if !fits {
                return Err(mismatch(query, table));
            }
        }
        Ok(shape)
    }

    /// For CTAS: the query's columns as they are, in types that tables have, `keys` last.
    pub fn create(query: &SchemaRef, keys: &[String]) -> Result<Self, QueryError> {
        let place = position::START;
        let mut names = std::collections::BTreeSet::new();
        for (at, field) in query.fields().iter().enumerate() {
            if field.name().starts_with("_col") && field.name()[4..].parse() == Ok(at) {
                return Err(QueryError::User(format!(
                    "MISSING_COLUMN_NAME: {place}: Column name not specified at position {}",
                    at + 1
                )));
            }
            if !names.insert(field.name().to_lowercase()) {
                return Err(QueryError::User(format!(
                    "DUPLICATE_COLUMN_NAME: {place}: Column name '{}' specified more than once",
                    field.name()
                )));
            }
        }
        let kept = query.fields().len().saturating_sub(keys.len());
        let last: Vec<String> =
            query.fields()[kept..].iter().map(|field| field.name().to_lowercase()).collect();
        if last != keys {
            return Err(QueryError::User(format!(
                "HIVE_COLUMN_ORDER_MISMATCH: Partition keys must be the last columns in the table and in the same order as the table properties: {keys:?}"
            )));
        }
        let fields: Vec<Field> = query
            .fields()
            .iter()
            .map(|field| Field::new(field.name().to_lowercase(), stored(field.data_type()), true))
            .collect();
        Ok(Self { sources: (0..fields.len()).map(Some).collect(), schema: Arc::new(Schema::new(fields)) })
    }

    /// The table's columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The batch as the table's.
    pub fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch, QueryError> {
        let options = CastOptions { safe: false, format_options: FormatOptions::default() };
        let refuse = |error: arrow::error::ArrowError| {
            QueryError::User(format!("INVALID_CAST_ARGUMENT: a value does not fit its column: {error}"))
        };
        let columns: Vec<ArrayRef> = self
            .sources
            .iter()
            .zip(self.schema.fields())
            .map(|(source, field)| match source {
                Some(at) => cast_with_options(batch.column(*at), field.data_type(), &options).map_err(refuse),
                None => Ok(new_null_array(field.data_type(), batch.num_rows())),
            })
            .collect::<Result<_, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options).map_err(refuse)
    }
}

/// The type in which a table keeps values of this type.
fn stored(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Timestamp(..) => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Utf8View | DataType::LargeUtf8 | DataType::Null => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Dictionary(_, values) => stored(values),
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Float16 => DataType::Float32,
        DataType::Date64 => DataType::Date32,
        other => other.clone(),
    }
}

/// Whether values may go into a column: the same type, or one that needs no guess. Literals are
/// wider here than in Trino, so numbers of one sort go into each other; what does not fit fails.
fn assignable(from: &DataType, to: &DataType) -> bool {
    use DataType as T;
    let text = |t: &T| matches!(t, T::Utf8 | T::LargeUtf8 | T::Utf8View);
    from == to
        || *from == T::Null
        || (text(from) && text(to))
        || (from.is_integer() && to.is_numeric())
        || (from.is_floating() && to.is_floating())
        || (matches!(from, T::Decimal128(..) | T::Decimal256(..))
            && (to.is_floating() || matches!(to, T::Decimal128(..))))
        || (from.is_floating() && matches!(to, T::Decimal128(..)))
        || (matches!(from, T::Timestamp(..)) && matches!(to, T::Timestamp(..)))
        || (matches!(from, T::Date32) && matches!(to, T::Timestamp(..)))
        || (stored(from) == *to)
        || (from.is_nested() && to.is_nested() && arrow::compute::can_cast_types(from, to))
}

fn mismatch(query: &SchemaRef, table: &SchemaRef) -> QueryError {
    let kinds = |schema: &SchemaRef| {
        schema.fields().iter().map(|field| field.data_type().to_string()).collect::<Vec<_>>().join(", ")
    };
    QueryError::User(format!(
        "TYPE_MISMATCH: {}: Insert query has mismatched column types: Table: [{}], Query: [{}]",
        position::START,
        kinds(table),
        kinds(query)
    ))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray, Int64Array};
    use arrow::datatypes::Int32Type;

    use super::*;

    fn schema(fields: &[(&str, DataType)]) -> SchemaRef {
        Arc::new(Schema::new(fields.iter().map(|(n, t)| Field::new(*n, t.clone(), true)).collect::<Vec<_>>()))
    }

    #[test]
    fn listed_columns_find_their_place_and_the_rest_is_null() {
        let table = schema(&[("a", DataType::Utf8), ("n", DataType::Int32)]);
        let query = schema(&[("x", DataType::Int64)]);
        let shape = Shape::insert(&query, &table, Some(&["n".to_owned()]), "").unwrap();
        let batch = RecordBatch::try_new(query, vec![Arc::new(Int64Array::from(vec![7]))]).unwrap();
        let rows = shape.apply(&batch).unwrap();
        assert_eq!(rows.column(0).null_count(), 1);
        assert_eq!(rows.column(1).as_primitive::<Int32Type>().value(0), 7);
    }

    #[test]
    fn what_does_not_fit_fails() {
        let table = schema(&[("n", DataType::Int32)]);
        let query = schema(&[("x", DataType::Int64)]);
        let shape = Shape::insert(&query, &table, None, "").unwrap();
        let batch = RecordBatch::try_new(query, vec![Arc::new(Int64Array::from(vec![i64::MAX]))]).unwrap();
        assert!(shape.apply(&batch).unwrap_err().to_string().starts_with("INVALID_CAST_ARGUMENT"));
        let text = schema(&[("x", DataType::Utf8)]);
        assert!(Shape::insert(&text, &table, None, "").unwrap_err().to_string().starts_with("TYPE_MISMATCH"));
    }

    #[test]
    fn a_created_table_needs_names_and_keys_last() {
        let query = schema(&[("a", DataType::Utf8), ("day", DataType::Utf8)]);
        assert!(Shape::create(&query, &["day".to_owned()]).is_ok());
        assert!(Shape::create(&query, &["a".to_owned()]).is_err());
        let unnamed = schema(&[("_col0", DataType::Utf8)]);
        assert!(Shape::create(&unnamed, &[]).unwrap_err().to_string().starts_with("MISSING_COLUMN_NAME"));
    }
}
