//! Athena's names of Arrow's types.

use arrow::datatypes::{DataType, TimeUnit};

use crate::records::execution::ColumnRow;

/// The column as `ResultSetMetadata` describes it.
pub fn column(name: &str, data_type: &DataType) -> ColumnRow {
    let (kind, precision, scale) = match data_type {
        DataType::Boolean => ("boolean", 0, 0),
        DataType::Int8 => ("tinyint", 3, 0),
        DataType::Int16 | DataType::UInt8 => ("smallint", 5, 0),
        DataType::Int32 | DataType::UInt16 => ("integer", 10, 0),
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => ("bigint", 19, 0),
        DataType::Float16 | DataType::Float32 => ("float", 17, 0),
        DataType::Float64 => ("double", 17, 0),
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
            ("decimal", u32::from(*precision), u32::from(scale.unsigned_abs()))
        }
        DataType::Date32 | DataType::Date64 => ("date", 0, 0),
        DataType::Timestamp(_, None) => ("timestamp", 3, 0),
        DataType::Timestamp(_, Some(_)) => ("timestamp with time zone", 3, 0),
        DataType::Time32(_) | DataType::Time64(_) => ("time", 3, 0),
        DataType::Interval(arrow::datatypes::IntervalUnit::YearMonth) => ("interval year to month", 0, 0),
        DataType::Interval(_) | DataType::Duration(_) => ("interval day to second", 0, 0),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            ("varbinary", 1_073_741_824, 0)
        }
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::FixedSizeList(..)
        | DataType::ListView(_)
        | DataType::LargeListView(_) => ("array", 0, 0),
        DataType::Map(..) => ("map", 0, 0),
        DataType::Struct(_) => ("row", 0, 0),
        DataType::Null => ("unknown", 0, 0),
        DataType::Dictionary(_, values) => return column(name, values),
        _ => ("varchar", 2_147_483_647, 0),
    };
    ColumnRow { name: name.to_owned(), kind: kind.to_owned(), precision, scale }
}

/// Whether values of this unit need scaling to microseconds, and by what.
pub fn micros_per(unit: TimeUnit) -> (i64, i64) {
    match unit {
        TimeUnit::Second => (1_000_000, 1),
        TimeUnit::Millisecond => (1_000, 1),
        TimeUnit::Microsecond => (1, 1),
        TimeUnit::Nanosecond => (1, 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_athenas_names() {
        let check = |kind: DataType, want: &str| assert_eq!(column("c", &kind).kind, want);
        check(DataType::Int64, "bigint");
        check(DataType::Utf8, "varchar");
        check(DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)), "varchar");
        check(DataType::Timestamp(TimeUnit::Microsecond, None), "timestamp");
        let decimal = column("c", &DataType::Decimal128(12, 2));
        assert_eq!((decimal.kind.as_str(), decimal.precision, decimal.scale), ("decimal", 12, 2));
    }
}
