//! Values of partition keys by type.

use std::cmp::Ordering;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

use crate::records::order;

/// What a partition key's type means for comparisons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeyType {
    Text,
    Integer,
    Decimal,
    Double,
    Date,
    Timestamp,
    /// Not a type of partition keys; the Hive type, for the refusal.
    Unknown(String),
}

/// A value of one of the types. Values of different types don't compare.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Text(String),
    Integer(i64),
    Decimal(Decimal),
    Double(f64),
    Date(NaiveDate),
    Timestamp(NaiveDateTime),
}

impl PartialOrd for Literal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a.partial_cmp(b),
            (Self::Integer(a), Self::Integer(b)) => a.partial_cmp(b),
            (Self::Decimal(a), Self::Decimal(b)) => a.partial_cmp(b),
            (Self::Double(a), Self::Double(b)) => a.partial_cmp(b),
            (Self::Date(a), Self::Date(b)) => a.partial_cmp(b),
            (Self::Timestamp(a), Self::Timestamp(b)) => a.partial_cmp(b),
            _ => None,
        }
    }
}

impl KeyType {
    /// Of a Hive type.
    pub(crate) fn of(hive: &str) -> Self {
        let lower = hive.trim().to_ascii_lowercase();
        match lower.split(['(', ' ']).next().unwrap_or_default() {
            "string" | "char" | "varchar" => Self::Text,
            "tinyint" | "smallint" | "int" | "integer" | "bigint" | "long" | "short" | "byte" => {
                Self::Integer
            }
            "decimal" | "numeric" => Self::Decimal,
            "double" | "float" => Self::Double,
            "date" => Self::Date,
            "timestamp" => Self::Timestamp,
            _ => Self::Unknown(hive.to_owned()),
        }
    }

    /// The value that text means in this type.
    pub(crate) fn value(&self, text: &str) -> Option<Literal> {
        Some(match self {
            Self::Text => Literal::Text(text.to_owned()),
            Self::Integer => Literal::Integer(order::whole_number(text)?),
            Self::Decimal => Literal::Decimal(Decimal::parse(text)?),
            Self::Double => Literal::Double(text.parse().ok()?),
            Self::Date => Literal::Date(date(text)?),
            Self::Timestamp => Literal::Timestamp(timestamp(text)?),
            Self::Unknown(_) => return None,
        })
    }

    /// The type's name in refusals.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Text => "string",
            Self::Integer => "int",
            Self::Decimal => "decimal",
            Self::Double => "double",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Unknown(hive) => hive,
        }
    }
}

/// `yyyy-MM-dd`, written in full.
fn date(text: &str) -> Option<NaiveDate> {
    let digits = |range: std::ops::Range<usize>| -> Option<u32> {
        let part = text.get(range)?;
        part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok())?
    };
    let dashed = text.len() == 10 && text.get(4..5) == Some("-") && text.get(7..8) == Some("-");
    let year = i32::try_from(digits(0..4)?).ok()?;
    dashed.then(|| NaiveDate::from_ymd_opt(year, digits(5..7)?, digits(8..10)?))?
}

/// `yyyy-MM-dd HH:mm:ss[.fraction]`, or a date, meaning its midnight.
fn timestamp(text: &str) -> Option<NaiveDateTime> {
    let day = date(text.get(..10)?)?;
    match &text[10..] {
        "" => Some(day.and_time(NaiveTime::MIN)),
        time => {
            let time = time.strip_prefix([' ', 'T'])?;
            Some(day.and_time(NaiveTime::parse_from_str(time, "%H:%M:%S%.f").ok()?))
        }
    }
}

/// An exact decimal of any length: sign, digits before and after the point without idle zeros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    negative: bool,
    whole: String,
    fraction: String,
}

impl Decimal {
    fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let legal = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !legal(whole) || !legal(fraction) {
            return None;
        }
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        let zero = whole.is_empty() && fraction.is_empty();
        Some(Self { negative: negative && !zero, whole: whole.to_owned(), fraction: fraction.to_owned() })
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        let size = |d: &Self| (d.whole.len(), d.whole.clone(), d.fraction.clone());
        Some(match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => size(self).cmp(&size(other)),
            (true, true) => size(other).cmp(&size(self)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_compare_by_size() {
        let mut values =
            vec!["10", "9.5", "-10", "-9.5", "0.05", "0.1", "-0", "123456789012345678901234567890.1"];
        values.sort_by(|a, b| Decimal::parse(a).partial_cmp(&Decimal::parse(b)).unwrap());
        assert_eq!(
            values,
            ["-10", "-9.5", "-0", "0.05", "0.1", "9.5", "10", "123456789012345678901234567890.1"]
        );
        assert_eq!(Decimal::parse("1.50"), Decimal::parse("01.5"));
        for wrong in ["", ".", "-", "1e3", "1.2.3"] {
            assert_eq!(Decimal::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_full_dates_are_dates() {
        assert!(date("2026-01-02").is_some());
        for wrong in ["2026-1-2", "2026-01-02 ", "20260102", "+026-01-02"] {
            assert_eq!(date(wrong), None, "{wrong}");
        }
        assert!(timestamp("2026-01-02 03:04:05.123456789").is_some());
        assert!(timestamp("2026-01-02 03:04").is_none());
    }
}
