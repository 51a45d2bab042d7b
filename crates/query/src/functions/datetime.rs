//! Fields of moments and arithmetic with them.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Int32Array, Int64Array, TimestampMicrosecondArray,
};
use arrow::compute::{DatePart, cast, date_part};
use arrow::datatypes::{DataType, Date32Type, Int32Type};
use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime};
use datafusion::error::Result;

use super::function::{Function, MOMENT, always, integers, moments, refuse, texts};

const SECOND: i64 = 1_000_000;

/// The functions of this file.
pub fn functions() -> Vec<Function> {
    let field = |name, eval| Function::new(name, &[1], always!(DataType::Int64), eval);
    vec![
        field("hw_year", |args| part(args, DatePart::Year)),
        field("hw_quarter", |args| part(args, DatePart::Quarter)),
        field("hw_month", |args| part(args, DatePart::Month)),
        field("hw_week", |args| part(args, DatePart::Week)),
        field("hw_day", |args| part(args, DatePart::Day)),
        field("hw_day_of_year", |args| part(args, DatePart::DayOfYear)),
        field("hw_day_of_week", |args| {
            let from_zero = date_part(&moments(&args[0])?, DatePart::DayOfWeekMonday0)?;
            let days: Int64Array = from_zero.as_primitive::<Int32Type>().unary(|day| i64::from(day) + 1);
            Ok(Arc::new(days))
        }),
        field("hw_hour", |args| part(args, DatePart::Hour)),
        field("hw_minute", |args| part(args, DatePart::Minute)),
        field("hw_second", |args| part(args, DatePart::Second)),
        field("hw_millisecond", |args| {
            let of_second: Int64Array = moments(&args[0])?.unary(|micros| micros.rem_euclid(SECOND) / 1000);
            Ok(Arc::new(of_second))
        }),
        Function::new("hw_date_trunc", &[2], |types| Ok(kept(&types[1])), date_trunc),
        Function::new("hw_date_add", &[3], |types| Ok(kept(&types[2])), date_add),
        Function::new("hw_date_diff", &[3], always!(DataType::Int64), date_diff),
        Function::new("hw_last_day_of_month", &[1], always!(DataType::Date32), last_day_of_month),
    ]
}

/// A date stays one; all else is a moment.
fn kept(data_type: &DataType) -> DataType {
    if *data_type == DataType::Date32 { DataType::Date32 } else { MOMENT }
}

fn part(args: &[ArrayRef], part: DatePart) -> Result<ArrayRef> {
    let fields: Int32Array = date_part(&moments(&args[0])?, part)?.as_primitive::<Int32Type>().clone();
    Ok(cast(&fields, &DataType::Int64)?)
}

/// A unit of time as Trino names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Micros(i64),
    Months(i32),
}

fn unit(name: &str) -> Result<Unit> {
    Ok(match name.to_lowercase().as_str() {
        "millisecond" => Unit::Micros(1000),
        "second" => Unit::Micros(SECOND),
        "minute" => Unit::Micros(60 * SECOND),
        "hour" => Unit::Micros(3600 * SECOND),
        "day" => Unit::Micros(86_400 * SECOND),
        "week" => Unit::Micros(7 * 86_400 * SECOND),
        "month" => Unit::Months(1),
        "quarter" => Unit::Months(3),
        "year" => Unit::Months(12),
        other => return refuse(format_args!("'{other}' is not a valid Timestamp field")),
    })
}

fn civil(micros: i64) -> Result<NaiveDateTime> {
    match DateTime::from_timestamp_micros(micros) {
        Some(at) => Ok(at.naive_utc()),
        None => refuse("a timestamp is out of range"),
    }
}

fn micros(at: NaiveDateTime) -> i64 {
    at.and_utc().timestamp_micros()
}

/// Evaluates row by row over a unit and a moment; dates come back as dates.
fn over_moments(
    names: &ArrayRef,
    values: &ArrayRef,
    mut eval: impl FnMut(usize, &str, i64) -> Result<Option<i64>>,
) -> Result<ArrayRef> {
    let (names, moments) = (texts(names)?, moments(values)?);
    let mut result = Vec::with_capacity(moments.len());
    for row in 0..moments.len() {
        let known = !names.is_null(row) && !moments.is_null(row);
        result.push(if known { eval(row, names.value(row), moments.value(row))? } else { None });
    }
    let result = TimestampMicrosecondArray::from(result);
    Ok(cast(&result, &kept(values.data_type()))?)
}

fn date_trunc(args: &[ArrayRef]) -> Result<ArrayRef> {
    over_moments(&args[0], &args[1], |_, name, at| {
        let unit = unit(name)?;
        let start = match unit {
            Unit::Micros(size) if size <= 86_400 * SECOND => at - at.rem_euclid(size),
            Unit::Micros(_) => {
                let date = civil(at)?.date();
                let monday = date - Days::new(u64::from(date.weekday().num_days_from_monday()));
                micros(monday.and_time(chrono::NaiveTime::MIN))
            }
            Unit::Months(size) => {
                let date = civil(at)?.date();
                let month = i32::try_from(date.month0()).unwrap_or(0) / size * size;
                let first = NaiveDate::from_ymd_opt(date.year(), u32::try_from(month).unwrap_or(0) + 1, 1);
                micros(first.unwrap_or(date).and_time(chrono::NaiveTime::MIN))
            }
        };
        Ok(Some(start))
    })
}

fn add(at: i64, unit: Unit, count: i64) -> Result<Option<i64>> {
    let moved = match unit {
        Unit::Micros(size) => size.checked_mul(count).and_then(|span| at.checked_add(span)),
        Unit::Months(size) => {
            let months = count.checked_mul(i64::from(size)).and_then(|months| i32::try_from(months).ok());
            months.map(|months| add_months(civil(at)?, months)).transpose()?.flatten().map(micros)
        }
    };
    match moved {
        Some(moved) => Ok(Some(moved)),
        None => refuse("a timestamp is out of range"),
    }
}

fn add_months(at: NaiveDateTime, months: i32) -> Result<Option<NaiveDateTime>> {
    let span = Months::new(months.unsigned_abs());
    Ok(if months >= 0 { at.checked_add_months(span) } else { at.checked_sub_months(span) })
}

fn date_add(args: &[ArrayRef]) -> Result<ArrayRef> {
    let counts = integers(&args[1])?;
    let dates = *args[2].data_type() == DataType::Date32;
    over_moments(&args[0], &args[2], |row, name, at| {
        let unit = unit(name)?;
        if dates && matches!(unit, Unit::Micros(size) if size < 86_400 * SECOND) {
            return refuse(format_args!("'{name}' is not a valid DATE field"));
        }
        if counts.is_null(row) { Ok(None) } else { add(at, unit, counts.value(row)) }
    })
}

fn date_diff(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (names, from, to) = (texts(&args[0])?, moments(&args[1])?, moments(&args[2])?);
    let mut result = Vec::with_capacity(from.len());
    for row in 0..from.len() {
        let known = !names.is_null(row) && !from.is_null(row) && !to.is_null(row);
        result.push(if known {
            Some(between(unit(names.value(row))?, from.value(row), to.value(row))?)
        } else {
            None
        });
    }
    Ok(Arc::new(Int64Array::from(result)))
}

/// Whole units from `from` to `to`; negative when `to` is earlier.
fn between(unit: Unit, from: i64, to: i64) -> Result<i64> {
    let size = match unit {
        Unit::Micros(size) => return Ok(to.saturating_sub(from) / size),
        Unit::Months(size) => i64::from(size),
    };
    let (start, end) = (civil(from)?, civil(to)?);
    let month = |at: NaiveDateTime| i64::from(at.year()) * 12 + i64::from(at.month0());
    let mut months = month(end) - month(start);
    // A month is whole when the day and time are reached, or the month's end is.
    let reached = add_months(start, i32::try_from(months).unwrap_or(0))?.unwrap_or(end);
    if months > 0 && reached > end {
        months -= 1;
    } else if months < 0 && reached < end {
        months += 1;
    }
    Ok(months / size)
}

fn last_day_of_month(args: &[ArrayRef]) -> Result<ArrayRef> {
    let dates = cast(&moments(&args[0])?, &DataType::Date32)?;
    let days: Date32Array = dates.as_primitive::<Date32Type>().unary(|day| {
        let date = Date32Type::to_naive_date_opt(day).unwrap_or_default();
        let first = date.with_day(1).unwrap_or(date);
        let last = first.checked_add_months(Months::new(1)).and_then(|next| next.pred_opt()).unwrap_or(date);
        Date32Type::from_naive_date(last)
    });
    Ok(Arc::new(days))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        micros(text.parse().unwrap())
    }

    #[test]
    fn differences_count_whole_units() {
        let check = |name: &str, from: &str, to: &str, want: i64| {
            assert_eq!(between(unit(name).unwrap(), at(from), at(to)).unwrap(), want, "{name} {from} {to}");
        };
        check("day", "2026-01-01T00:00:00", "2026-01-02T23:59:59", 1);
        check("hour", "2026-01-01T01:00:00", "2026-01-01T00:30:00", 0);
        check("month", "2026-01-31T00:00:00", "2026-02-28T00:00:00", 1);
        check("month", "2026-01-15T12:00:00", "2026-02-15T11:00:00", 0);
        check("month", "2026-02-15T11:00:00", "2026-01-15T12:00:00", 0);
        check("year", "2024-02-29T00:00:00", "2026-02-28T00:00:00", 2);
        check("quarter", "2026-01-01T00:00:00", "2025-01-01T00:00:00", -4);
    }

    #[test]
    fn months_are_added_up_to_the_end_of_the_month() {
        let moved = add(at("2026-01-31T10:00:00"), Unit::Months(1), 1).unwrap().unwrap();
        assert_eq!(moved, at("2026-02-28T10:00:00"));
        assert!(add(at("2026-01-31T10:00:00"), Unit::Months(12), i64::MAX).is_err());
    }
}
