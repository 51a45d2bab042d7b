//! Values as Athena writes them in cells: Java's doubles, timestamps with milliseconds, nested
//! values in brackets.

use std::fmt::Write;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    DataType, Decimal128Type, Float32Type, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use headwater_base::Timestamp;

use super::kinds::micros_per;

/// Appends the value at `row` to `out`; `false`, and nothing appended, if it is null.
pub fn write(array: &dyn Array, row: usize, out: &mut String) -> Result<bool, ArrowError> {
    if array.is_null(row) || *array.data_type() == DataType::Null {
        return Ok(false);
    }
    match array.data_type() {
        DataType::Utf8 => out.push_str(array.as_string::<i32>().value(row)),
        DataType::Utf8View => out.push_str(array.as_string_view().value(row)),
        DataType::LargeUtf8 => out.push_str(array.as_string::<i64>().value(row)),
        DataType::Int64 => append(out, format_args!("{}", array.as_primitive::<Int64Type>().value(row))),
        DataType::Float64 => {
            let value = array.as_primitive::<Float64Type>().value(row);
            double(value, &format!("{value:e}"), out);
        }
        DataType::Float32 => {
            let value = array.as_primitive::<Float32Type>().value(row);
            double(f64::from(value), &format!("{value:e}"), out);
        }
        DataType::Decimal128(..) => {
            out.push_str(&array.as_primitive::<Decimal128Type>().value_as_string(row));
        }
        DataType::Timestamp(unit, zone) => {
            timestamp(array, row, *unit, out);
            if zone.is_some() {
                out.push_str(" UTC");
            }
        }
        DataType::Binary => binary(array.as_binary::<i32>().value(row), out),
        DataType::LargeBinary => binary(array.as_binary::<i64>().value(row), out),
        DataType::BinaryView => binary(array.as_binary_view().value(row), out),
        DataType::List(_) => list(array.as_list::<i32>().value(row).as_ref(), out)?,
        DataType::LargeList(_) => list(array.as_list::<i64>().value(row).as_ref(), out)?,
        DataType::Map(..) => map(array, row, out)?,
        DataType::Struct(_) => row_value(array, row, out)?,
        DataType::Dictionary(..) => {
            let values = arrow::compute::cast(array, &DataType::Utf8)?;
            return write(values.as_ref(), row, out);
        }
        _ => {
            let options = FormatOptions::default();
            append(out, format_args!("{}", ArrayFormatter::try_new(array, &options)?.value(row)));
        }
    }
    Ok(true)
}

fn append(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to memory does not fail");
}

/// A double as Java writes it: plain from 10^-3 to 10^7, else with an exponent.
fn double(value: f64, scientific: &str, out: &mut String) {
    if value.is_nan() {
        return out.push_str("NaN");
    }
    if value.is_infinite() {
        return out.push_str(if value > 0.0 { "Infinity" } else { "-Infinity" });
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if value != 0.0 && !(-3..7).contains(&exponent) {
        let point = if mantissa.contains('.') { "" } else { ".0" };
        return append(out, format_args!("{mantissa}{point}E{exponent}"));
    }
    let (sign, digits) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest.replace('.', "")),
        None => ("", mantissa.replace('.', "")),
    };
    out.push_str(sign);
    if exponent < 0 {
        out.push_str("0.");
        out.extend((1..-exponent).map(|_| '0'));
        return out.push_str(&digits);
    }
    let whole = usize::try_from(exponent).unwrap_or(0) + 1;
    let padded = format!("{digits:0<whole$}");
    let (integer, fraction) = padded.split_at(whole);
    append(out, format_args!("{integer}.{}", if fraction.is_empty() { "0" } else { fraction }));
}

fn timestamp(array: &dyn Array, row: usize, unit: TimeUnit, out: &mut String) {
    let value = match unit {
        TimeUnit::Second => array.as_primitive::<TimestampSecondType>().value(row),
        TimeUnit::Millisecond => array.as_primitive::<TimestampMillisecondType>().value(row),
        TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().value(row),
        TimeUnit::Nanosecond => array.as_primitive::<TimestampNanosecondType>().value(row),
    };
    let (times, over) = micros_per(unit);
    let micros = value.saturating_mul(times).div_euclid(over);
    let text = Timestamp::from_ms(micros.div_euclid(1000)).iso();
    out.push_str(text.trim_end_matches('Z').replacen('T', " ", 1).as_str());
}

/// Bytes in hex, with spaces between.
fn binary(bytes: &[u8], out: &mut String) {
    for (at, byte) in bytes.iter().enumerate() {
        append(out, format_args!("{}{byte:02x}", if at > 0 { " " } else { "" }));
    }
}

fn list(items: &dyn Array, out: &mut String) -> Result<(), ArrowError> {
    out.push('[');
    for item in 0..items.len() {
        if item > 0 {
            out.push_str(", ");
        }
        value_or_null(items, item, out)?;
    }
    out.push(']');
    Ok(())
}

fn map(array: &dyn Array, row: usize, out: &mut String) -> Result<(), ArrowError> {
    let entries = array.as_map().value(row);
    out.push('{');
    for entry in 0..entries.len() {
        if entry > 0 {
            out.push_str(", ");
        }
        value_or_null(entries.column(0), entry, out)?;
        out.push('=');
        value_or_null(entries.column(1), entry, out)?;
    }
    out.push('}');
    Ok(())
}

fn row_value(array: &dyn Array, row: usize, out: &mut String) -> Result<(), ArrowError> {
    let value = array.as_struct();
    out.push('{');
    for (at, (name, column)) in value.column_names().iter().zip(value.columns()).enumerate() {
        append(out, format_args!("{}{name}=", if at > 0 { ", " } else { "" }));
        value_or_null(column, row, out)?;
    }
    out.push('}');
    Ok(())
}

fn value_or_null(array: &dyn Array, row: usize, out: &mut String) -> Result<(), ArrowError> {
    if !write(array, row, out)? {
        out.push_str("null");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array,
        ListArray, StringArray, StructArray, TimestampMicrosecondArray,
    };
    use arrow::datatypes::{Field, Int32Type};

    use super::*;

    fn cell(array: ArrayRef) -> Option<String> {
        let mut text = String::new();
        write(array.as_ref(), 0, &mut text).unwrap().then_some(text)
    }

    #[test]
    fn values_as_athena_writes_them() {
        let check = |array: ArrayRef, want: &str| assert_eq!(cell(array).as_deref(), Some(want));
        check(Arc::new(BooleanArray::from(vec![true])), "true");
        check(Arc::new(Int32Array::from(vec![-7])), "-7");
        for (value, text) in [
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e7, "1.0E7"),
            (1.5e-5, "1.5E-5"),
            (123.25, "123.25"),
            (0.001, "0.001"),
        ] {
            check(Arc::new(Float64Array::from(vec![value])), text);
        }
        check(Arc::new(Decimal128Array::from(vec![1250]).with_precision_and_scale(10, 2).unwrap()), "12.50");
        check(Arc::new(TimestampMicrosecondArray::from(vec![1_500_000])), "1970-01-01 00:00:01.500");
        let zoned = TimestampMicrosecondArray::from(vec![0]).with_timezone("+00:00");
        check(Arc::new(zoned), "1970-01-01 00:00:00.000 UTC");
        check(Arc::new(Date32Array::from(vec![1])), "1970-01-02");
        check(Arc::new(BinaryArray::from(vec![&b"hi"[..]])), "68 69");
    }

    #[test]
    fn nested_values_stand_in_brackets() {
        let list = ListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1), None])]);
        assert_eq!(cell(Arc::new(list)).as_deref(), Some("[1, null]"));
        let names: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
        let row = StructArray::from(vec![(Arc::new(Field::new("a", DataType::Utf8, true)), names)]);
        assert_eq!(cell(Arc::new(row)).as_deref(), Some("{a=x}"));
    }

    #[test]
    fn null_is_no_text() {
        assert_eq!(cell(Arc::new(Int32Array::from(vec![None]))), None);
        assert_eq!(cell(Arc::new(StringArray::from(vec![""]))).as_deref(), Some(""));
    }
}
