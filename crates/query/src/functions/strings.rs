//! Text: parts of it, and other values as text.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float32Array, Float64Array, ListBuilder, StringArray, StringBuilder,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type};
use datafusion::error::Result;

use super::function::{Function, always, integers, moments, refuse, texts};
use super::number_text;

/// The functions of this file.
pub fn functions() -> Vec<Function> {
    vec![
        Function::new("hw_text", &[1], always!(DataType::Utf8), text)
            .identity_for(|kind| *kind == DataType::Utf8),
        Function::new("hw_whole", &[1], |types| Ok(whole_type(&types[0])), whole)
            .identity_for(|kind| whole_type(kind) == *kind && !kind.is_floating()),
        Function::new("hw_substr", &[2, 3], always!(DataType::Utf8), substr),
        Function::new("hw_split", &[2, 3], always!(text_list()), split),
        Function::new("hw_split_part", &[3], always!(DataType::Utf8), split_part),
    ]
}

/// A list of texts.
pub fn text_list() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)))
}

/// Any value as Trino's `CAST(… AS varchar)` writes it.
fn text(args: &[ArrayRef]) -> Result<ArrayRef> {
    let value = &args[0];
    let texts: StringArray = match value.data_type() {
        DataType::Float64 => {
            value.as_primitive::<Float64Type>().iter().map(|v| v.map(number_text::double)).collect()
        }
        DataType::Float32 => {
            value.as_primitive::<Float32Type>().iter().map(|v| v.map(number_text::real)).collect()
        }
        DataType::Timestamp(_, zone) => {
            let zone = if zone.is_some() { " UTC" } else { "" };
            moments(value)?.iter().map(|v| v.map(|v| number_text::moment(v) + zone)).collect()
        }
        kind if kind.is_nested() => return refuse(format_args!("Cannot cast {kind} to varchar")),
        _ => return Ok(cast(value, &DataType::Utf8)?),
    };
    Ok(Arc::new(texts))
}

fn whole_type(kind: &DataType) -> DataType {
    match kind {
        DataType::Decimal128(precision, _) => DataType::Decimal128(*precision, 0),
        other => other.clone(),
    }
}

/// Fractions rounded half away from zero, as Trino's casts to whole numbers do.
fn whole(args: &[ArrayRef]) -> Result<ArrayRef> {
    let value = &args[0];
    Ok(match value.data_type() {
        DataType::Float64 => {
            let rounded: Float64Array = value.as_primitive::<Float64Type>().unary(f64::round);
            Arc::new(rounded)
        }
        DataType::Float32 => {
            let rounded: Float32Array = value.as_primitive::<Float32Type>().unary(f32::round);
            Arc::new(rounded)
        }
        kind => cast(value, &whole_type(kind))?,
    })
}

/// From 1; negative counts from the end; 0 and beyond either end give the empty text.
fn substr(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (values, starts) = (texts(&args[0])?, integers(&args[1])?);
    let lengths = args.get(2).map(integers).transpose()?;
    let mut result = StringBuilder::with_capacity(values.len(), values.len() * 8);
    for row in 0..values.len() {
        let length = match &lengths {
            Some(lengths) if lengths.is_null(row) => None,
            Some(lengths) => Some(lengths.value(row)),
            None => Some(i64::MAX),
        };
        match length {
            Some(length) if !values.is_null(row) && !starts.is_null(row) => {
                result.append_value(part_of(values.value(row), starts.value(row), length));
            }
            _ => result.append_null(),
        }
    }
    Ok(Arc::new(result.finish()))
}

fn part_of(text: &str, start: i64, length: i64) -> &str {
    let skip = match start {
        0 => return "",
        start if start > 0 => start - 1,
        start => {
            let skip = i64::try_from(text.chars().count()).unwrap_or(i64::MAX).saturating_add(start);
            if skip < 0 {
                return "";
            }
            skip
        }
    };
    let (Ok(skip), Ok(take)) = (usize::try_from(skip), usize::try_from(length.max(0))) else { return "" };
    let offset = |text: &str, count: usize| text.char_indices().nth(count).map_or(text.len(), |(at, _)| at);
    let text = &text[offset(text, skip)..];
    &text[..offset(text, take)]
}

fn split(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (values, delimiters) = (texts(&args[0])?, texts(&args[1])?);
    let limits = args.get(2).map(integers).transpose()?;
    let mut result = ListBuilder::new(StringBuilder::new());
    for row in 0..values.len() {
        let limit = limits.as_ref().map_or(i64::MAX, |limits| limits.value(row));
        let missing = limits.as_ref().is_some_and(|limits| limits.is_null(row));
        if values.is_null(row) || delimiters.is_null(row) || missing {
            result.append(false);
            continue;
        }
        let delimiter = delimiters.value(row);
        let Some(limit) = usize::try_from(limit).ok().filter(|limit| *limit > 0) else {
            return refuse("Limit must be positive");
        };
        if delimiter.is_empty() {
            return refuse("The delimiter may not be the empty string");
        }
        for part in values.value(row).splitn(limit, delimiter) {
            result.values().append_value(part);
        }
        result.append(true);
    }
    Ok(Arc::new(result.finish()))
}

/// The n-th part, from 1; null beyond the last.
fn split_part(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (values, delimiters, indices) = (texts(&args[0])?, texts(&args[1])?, integers(&args[2])?);
    let mut result = StringBuilder::with_capacity(values.len(), values.len() * 8);
    for row in 0..values.len() {
        if values.is_null(row) || delimiters.is_null(row) || indices.is_null(row) {
            result.append_null();
            continue;
        }
        let Some(index) = usize::try_from(indices.value(row)).ok().filter(|index| *index > 0) else {
            return refuse("Index must be greater than zero");
        };
        result.append_option(values.value(row).split(delimiters.value(row)).nth(index - 1));
    }
    Ok(Arc::new(result.finish()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parts_are_counted_from_either_end() {
        let check =
            |start, length, want| assert_eq!(part_of("abcdé", start, length), want, "{start} {length}");
        check(1, i64::MAX, "abcdé");
        check(-2, i64::MAX, "dé");
        check(-2, 1, "d");
        check(0, 3, "");
        check(9, 1, "");
        check(-9, 2, "");
        check(2, -1, "");
    }

    proptest! {
        #[test]
        fn any_part_is_a_part(text: String, start: i64, length: i64) {
            prop_assert!(text.contains(part_of(&text, start, length)));
        }
    }
}
