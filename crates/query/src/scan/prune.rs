//! Which partitions a query needs, decided while it is planned.
//!
//! Two steps. A filter in a form that the catalog understands becomes a Glue expression, which the
//! catalog answers with range scans. Then every filter that names partition columns only is
//! evaluated, exactly as the query would, over the values of the partitions that are left. So a
//! partition is skipped if and only if none of its rows can pass.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, RecordBatchOptions};
use arrow::compute::prep_null_mask_filter;
use arrow::datatypes::{DataType, FieldRef, Schema};
use datafusion::catalog::Session;
use datafusion::common::DFSchema;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Operator};
use datafusion::scalar::ScalarValue;
use headwater_catalog::{Partition, QueryError};

/// Hive's name for the partition of rows without a value.
pub const NULL_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";
/// The longest Glue expression sent to the catalog; the rest is decided here.
const EXPRESSION_BYTES_MAX: usize = 2048;

/// Whether `filter` speaks of partition columns only, always gives the same answer for them, and
/// can be evaluated on its own.
pub fn decides_by_partition(filter: &Expr, keys: &[FieldRef]) -> bool {
    let columns = filter.column_refs();
    !columns.is_empty()
        && columns.iter().all(|column| keys.iter().any(|key| *key.name() == column.name))
        && !filter.is_volatile()
        && !has_subquery(filter)
}

fn has_subquery(filter: &Expr) -> bool {
    use datafusion::common::tree_node::TreeNode;
    filter
        .exists(|expr| {
            Ok(matches!(
                expr,
                Expr::ScalarSubquery(_)
                    | Expr::InSubquery(_)
                    | Expr::Exists(_)
                    | Expr::OuterReferenceColumn(..)
            ))
        })
        .unwrap_or(true)
}

/// The filters that the catalog can answer, as one Glue expression; empty when there is none.
pub fn glue_expression(filters: &[Expr], keys: &[FieldRef]) -> String {
    let mut parts = BTreeSet::new();
    let mut bytes = 0;
    for filter in filters {
        let Some(text) = glue(filter, keys) else { continue };
        if bytes + text.len() + 7 <= EXPRESSION_BYTES_MAX {
            bytes += text.len() + 7;
            parts.insert(format!("({text})"));
        }
    }
    parts.into_iter().collect::<Vec<_>>().join(" AND ")
}

fn glue(filter: &Expr, keys: &[FieldRef]) -> Option<String> {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            let (left, right) = (glue(left, keys), glue(right, keys));
            match (op, left, right) {
                (Operator::And, Some(left), Some(right)) => Some(format!("({left}) AND ({right})")),
                // One side of an AND alone is weaker, so it is still a true bound.
                (Operator::And, one, other) => one.or(other),
                (_, left, right) => Some(format!("({}) OR ({})", left?, right?)),
            }
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            if let Some(key) = column(left, keys) {
                return Some(format!("{} {} {}", key.name(), glue_operator(*op)?, literal(right, key)?));
            }
            let key = column(right, keys)?;
            Some(format!("{} {} {}", key.name(), glue_operator(op.swap()?)?, literal(left, key)?))
        }
        Expr::InList(InList { expr, list, negated: false }) => {
            let key = column(expr, keys)?;
            let values: Vec<String> = list.iter().map(|value| literal(value, key)).collect::<Option<_>>()?;
            Some(format!("{} IN ({})", key.name(), values.join(", ")))
        }
        Expr::Between(Between { expr, negated: false, low, high }) => {
            let key = column(expr, keys)?;
            Some(format!("{} BETWEEN {} AND {}", key.name(), literal(low, key)?, literal(high, key)?))
        }
        _ => None,
    }
}

fn column<'a>(expr: &Expr, keys: &'a [FieldRef]) -> Option<&'a FieldRef> {
    let Expr::Column(column) = expr else { return None };
    let simple = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    keys.iter().find(|key| *key.name() == column.name && key.name().bytes().all(simple))
}

fn glue_operator(op: Operator) -> Option<&'static str> {
    match op {
        Operator::Eq => Some("="),
        Operator::Lt => Some("<"),
        Operator::LtEq => Some("<="),
        Operator::Gt => Some(">"),
        Operator::GtEq => Some(">="),
        _ => None,
    }
}

/// A literal of the key's own type, in Glue's spelling. Other types are left to the exact step.
fn literal(expr: &Expr, key: &FieldRef) -> Option<String> {
    let Expr::Literal(value, _) = expr else { return None };
    if value.is_null() || value.data_type() != *key.data_type() {
        return None;
    }
    match value {
        ScalarValue::Utf8(Some(text)) => {
            let plain = !text.is_empty() && text.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'\'');
            plain.then(|| format!("'{text}'"))
        }
        ScalarValue::Int8(_) | ScalarValue::Int16(_) | ScalarValue::Int32(_) | ScalarValue::Int64(_) => {
            Some(value.to_string())
        }
        ScalarValue::Date32(_) => Some(format!("'{value}'")),
        _ => None,
    }
}

/// A partition's values as values of the key columns' types.
pub fn typed_values(partition: &Partition, keys: &[FieldRef]) -> Result<Vec<ScalarValue>, QueryError> {
    if partition.values.len() != keys.len() {
        return Err(QueryError::User(format!(
            "HIVE_INVALID_METADATA: partition {:?} has {} values for {} partition columns",
            partition.values,
            partition.values.len(),
            keys.len()
        )));
    }
    partition.values.iter().zip(keys).map(|(text, key)| typed_value(text, key)).collect()
}

/// One value as a value of the key column's type.
pub fn typed_value(text: &str, key: &FieldRef) -> Result<ScalarValue, QueryError> {
    let refuse = || {
        QueryError::User(format!(
            "HIVE_INVALID_PARTITION_VALUE: Invalid partition value '{text}' for {} partition key: {}",
            key.data_type(),
            key.name()
        ))
    };
    if text == NULL_PARTITION {
        return ScalarValue::try_new_null(key.data_type()).map_err(|_| refuse());
    }
    if *key.data_type() == DataType::Utf8 {
        return Ok(ScalarValue::Utf8(Some(text.to_owned())));
    }
    match ScalarValue::try_from_string(text.to_owned(), key.data_type()) {
        Ok(value) if !value.is_null() => Ok(value),
        _ => Err(refuse()),
    }
}

/// Keeps the partitions whose values pass all `filters`. Each entry carries its typed values.
pub fn select<T>(
    state: &dyn Session,
    partitions: Vec<(T, Vec<ScalarValue>)>,
    filters: &[Expr],
    keys: &[FieldRef],
) -> Result<Vec<(T, Vec<ScalarValue>)>> {
    let Some(predicate) = conjunction(filters.iter().cloned()) else { return Ok(partitions) };
    if partitions.is_empty() {
        return Ok(partitions);
    }
    let schema = Arc::new(Schema::new(keys.to_vec()));
    let predicate = state.create_physical_expr(predicate, &DFSchema::try_from(schema.as_ref().clone())?)?;
    let columns = (0..keys.len())
        .map(|n| ScalarValue::iter_to_array(partitions.iter().map(|(_, values)| values[n].clone())))
        .collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(partitions.len()));
    let batch = RecordBatch::try_new_with_options(schema, columns, &options)?;
    let passes = predicate.evaluate(&batch)?.into_array(partitions.len())?;
    let passes = passes
        .as_boolean_opt()
        .ok_or_else(|| DataFusionError::Internal("a filter that is not a condition".to_owned()))?;
    let passes = if passes.null_count() > 0 { prep_null_mask_filter(passes) } else { passes.clone() };
    Ok(partitions.into_iter().zip(passes.values().iter()).filter_map(|(p, pass)| pass.then_some(p)).collect())
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Field;
    use datafusion::logical_expr::{col, lit};

    use super::*;

    fn keys() -> Vec<FieldRef> {
        vec![
            Arc::new(Field::new("year", DataType::Utf8, true)),
            Arc::new(Field::new("day", DataType::Int32, true)),
        ]
    }

    #[test]
    fn filters_on_keys_become_glue_expressions() {
        let check = |filter: Expr, want: &str| assert_eq!(glue_expression(&[filter], &keys()), want);
        check(col("year").eq(lit("2026")), "(year = '2026')");
        check(lit(3_i32).lt(col("day")), "(day > 3)");
        check(col("year").eq(lit("2026")).and(col("x").gt(lit(1))), "(year = '2026')");
        check(col("year").eq(lit("2026")).or(col("x").gt(lit(1))), "");
        check(col("day").in_list(vec![lit(1_i32), lit(2_i32)], false), "(day IN (1, 2))");
        check(col("day").between(lit(1_i32), lit(9_i32)), "(day BETWEEN 1 AND 9)");
        // A literal of another type compares by other rules: left to the exact step.
        check(col("day").eq(lit("3")), "");
        check(col("year").eq(lit("it's")), "");
    }

    #[test]
    fn only_filters_on_keys_decide() {
        assert!(decides_by_partition(&col("year").eq(lit("2026")), &keys()));
        assert!(!decides_by_partition(&col("year").eq(col("x")), &keys()));
        assert!(!decides_by_partition(&lit(true), &keys()));
    }

    #[test]
    fn hive_null_is_null_and_nonsense_is_refused() {
        let key = &keys()[1];
        assert!(typed_value(NULL_PARTITION, key).unwrap().is_null());
        assert_eq!(typed_value("07", key).unwrap(), ScalarValue::Int32(Some(7)));
        let error = typed_value("x", key).unwrap_err().to_string();
        assert!(error.starts_with("HIVE_INVALID_PARTITION_VALUE"), "{error}");
    }
}
