//! Moments to and from text and numbers.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, StringArray, StringBuilder, TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use chrono::{DateTime, NaiveDate, NaiveDateTime};
use datafusion::error::Result;

use super::function::{Function, MOMENT, always, map_texts, moments, refuse, texts, zoned};
use super::patterns::Pattern;

type Compile = fn(&str) -> Result<Pattern, String>;

/// The functions of this file.
pub fn functions() -> Vec<Function> {
    vec![
        Function::new("hw_date_format", &[2], always!(DataType::Utf8), |args| written(args, Pattern::mysql)),
        Function::new("hw_format_datetime", &[2], always!(DataType::Utf8), |args| {
            written(args, Pattern::joda)
        }),
        Function::new("hw_date_parse", &[2], always!(MOMENT), |args| read(args, Pattern::mysql)),
        Function::new("hw_parse_datetime", &[2], always!(zoned()), |args| {
            Ok(cast(&read(args, Pattern::joda)?, &zoned())?)
        }),
        Function::new("hw_from_unixtime", &[1], always!(zoned()), from_unixtime),
        Function::new("hw_to_unixtime", &[1], always!(DataType::Float64), |args| {
            let seconds: Float64Array = moments(&args[0])?.unary(|micros| micros as f64 / 1e6);
            Ok(Arc::new(seconds))
        }),
        Function::new("hw_from_iso8601_timestamp", &[1], always!(zoned()), from_iso8601_timestamp),
        Function::new("hw_from_iso8601_date", &[1], always!(DataType::Date32), |args| {
            let days = map_texts(&args[0], |text| match text.parse::<NaiveDate>() {
                Ok(date) => Ok(Some(date.to_string())),
                Err(_) => refuse(format_args!("Invalid format: \"{text}\"")),
            })?;
            Ok(cast(&days, &DataType::Date32)?)
        }),
        Function::new("hw_to_iso8601", &[1], always!(DataType::Utf8), to_iso8601),
    ]
}

/// Patterns of one call, each compiled once.
struct Patterns {
    compile: Compile,
    known: HashMap<String, Pattern>,
}

impl Patterns {
    fn get(&mut self, text: &str) -> Result<&Pattern> {
        if !self.known.contains_key(text) {
            match (self.compile)(text) {
                Ok(pattern) => self.known.insert(text.to_owned(), pattern),
                Err(why) => return refuse(why),
            };
        }
        Ok(&self.known[text])
    }
}

fn written(args: &[ArrayRef], compile: Compile) -> Result<ArrayRef> {
    let (moments, formats) = (moments(&args[0])?, texts(&args[1])?);
    let mut patterns = Patterns { compile, known: HashMap::new() };
    let mut result = StringBuilder::with_capacity(moments.len(), moments.len() * 16);
    for row in 0..moments.len() {
        if moments.is_null(row) || formats.is_null(row) {
            result.append_null();
            continue;
        }
        match patterns.get(formats.value(row))?.format(moments.value(row)) {
            Ok(text) => result.append_value(text),
            Err(why) => return refuse(why),
        }
    }
    Ok(Arc::new(result.finish()))
}

fn read(args: &[ArrayRef], compile: Compile) -> Result<ArrayRef> {
    let (values, formats) = (texts(&args[0])?, texts(&args[1])?);
    let mut patterns = Patterns { compile, known: HashMap::new() };
    let mut result = Vec::with_capacity(values.len());
    for row in 0..values.len() {
        if values.is_null(row) || formats.is_null(row) {
            result.push(None);
            continue;
        }
        match patterns.get(formats.value(row))?.parse(values.value(row)) {
            Ok(micros) => result.push(Some(micros)),
            Err(why) => return refuse(why),
        }
    }
    Ok(Arc::new(TimestampMicrosecondArray::from(result)))
}

/// Seconds since the epoch, with a fraction, to milliseconds, as Trino.
fn from_unixtime(args: &[ArrayRef]) -> Result<ArrayRef> {
    let seconds = cast(&args[0], &DataType::Float64)?;
    let mut result = Vec::with_capacity(seconds.len());
    for value in seconds.as_primitive::<Float64Type>() {
        match value {
            None => result.push(None),
            Some(value) if value.is_finite() && value.abs() < 9e12 => {
                result.push(Some((value * 1000.0).round() as i64 * 1000));
            }
            Some(value) => return refuse(format_args!("{value} is out of range for from_unixtime")),
        }
    }
    Ok(Arc::new(TimestampMicrosecondArray::from(result).with_timezone("+00:00")))
}

fn from_iso8601_timestamp(args: &[ArrayRef]) -> Result<ArrayRef> {
    let values = texts(&args[0])?;
    let mut result = Vec::with_capacity(values.len());
    for value in &values {
        let Some(text) = value else {
            result.push(None);
            continue;
        };
        match iso(text) {
            Some(micros) => result.push(Some(micros)),
            None => return refuse(format_args!("Invalid format: \"{text}\"")),
        }
    }
    Ok(Arc::new(TimestampMicrosecondArray::from(result).with_timezone("+00:00")))
}

/// ISO 8601: with an offset, without (UTC), without seconds, or a date alone.
fn iso(text: &str) -> Option<i64> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.timestamp_micros());
    }
    for format in ["%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%dT%H:%M%z"] {
        if let Ok(at) = DateTime::parse_from_str(&text.replace('Z', "+0000"), format) {
            return Some(at.timestamp_micros());
        }
    }
    for format in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"] {
        if let Ok(at) = NaiveDateTime::parse_from_str(text, format) {
            return Some(at.and_utc().timestamp_micros());
        }
    }
    let date = text.parse::<NaiveDate>().ok()?;
    Some(date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros())
}

fn to_iso8601(args: &[ArrayRef]) -> Result<ArrayRef> {
    if *args[0].data_type() == DataType::Date32 {
        return Ok(cast(&args[0], &DataType::Utf8)?);
    }
    let zone = if matches!(args[0].data_type(), DataType::Timestamp(_, Some(_))) { "Z" } else { "" };
    let result: StringArray = moments(&args[0])?
        .iter()
        .map(|micros| micros.map(|micros| super::number_text::moment(micros).replace(' ', "T") + zone))
        .collect();
    Ok(Arc::new(result))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iso_moments() {
        assert_eq!(iso("1970-01-01T00:00:01Z"), Some(1_000_000));
        assert_eq!(iso("1970-01-01T02:00:00.5+02:00"), Some(500_000));
        assert_eq!(iso("1970-01-01T00:01"), Some(60_000_000));
        assert_eq!(iso("1970-01-02"), Some(86_400_000_000));
        assert_eq!(iso("yesterday"), None);
    }
}
