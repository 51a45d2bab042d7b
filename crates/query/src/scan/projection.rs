//! Partition projection: partitions that stand in no catalog but follow from the table's
//! `projection.*` parameters. When it is enabled, the catalog's partitions are not looked at.
//!
//! Each key has candidates (an enumeration, a range of numbers or of moments, or the values the
//! query itself names); filters on a key alone thin them out first, then all filters decide over
//! their combinations.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::FieldRef;
use chrono::{Days, Months, NaiveDateTime};
use datafusion::catalog::Session;
use datafusion::error::Result;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use datafusion::scalar::ScalarValue;
use headwater_base::Timestamp;
use headwater_catalog::{QueryError, StorageDescriptor, Table};
use headwater_tables::path::partition_path;

use super::prune;
use crate::functions::patterns::Pattern;
use crate::table::external;

/// The most candidates of a key, and the most combinations of all.
pub(crate) const CANDIDATES_MAX: usize = 1_000_000;

/// The projection of one table.
#[derive(Debug)]
pub struct Projection {
    storage: StorageDescriptor,
    template: Option<String>,
    keys: Vec<(FieldRef, Kind)>,
}

/// Where a key's values come from.
#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Enum(Vec<String>),
    Integer { from: i64, to: i64, interval: i64, digits: usize },
    Date { from: i64, to: i64, step: Step, pattern: Pattern },
    Injected,
}

/// The distance between two moments of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Micros(i64),
    Months(u32),
}

type Parameters = BTreeMap<String, String>;

fn refuse(why: impl std::fmt::Display) -> QueryError {
    QueryError::User(format!("INVALID_TABLE_PROPERTY: {why}"))
}

impl Projection {
    /// The table's projection, if it is enabled.
    pub fn of(table: &Table, keys: &[FieldRef], now: Timestamp) -> Result<Option<Self>, QueryError> {
        let enabled =
            table.parameters.get("projection.enabled").is_some_and(|text| text.eq_ignore_ascii_case("true"));
        if !enabled {
            return Ok(None);
        }
        let keys = keys
            .iter()
            .map(|key| Ok((Arc::clone(key), kind(&table.parameters, key.name(), now)?)))
            .collect::<Result<_, QueryError>>()?;
        let template = table.parameters.get("storage.location.template").cloned();
        Ok(Some(Self { storage: table.storage.clone(), template, keys }))
    }

    /// The partitions that pass the filters, with typed values.
    pub fn partitions(
        &self,
        state: &dyn Session,
        filters: &[Expr],
    ) -> Result<Vec<(StorageDescriptor, Vec<ScalarValue>)>> {
        let fields: Vec<FieldRef> = self.keys.iter().map(|(key, _)| Arc::clone(key)).collect();
        let mut combined: Vec<(Vec<String>, Vec<ScalarValue>)> = vec![(Vec::new(), Vec::new())];
        for (key, kind) in &self.keys {
            let candidates = self.candidates(state, key, kind, filters)?;
            if combined.len().saturating_mul(candidates.len()) > CANDIDATES_MAX {
                return Err(external(too_many()));
            }
            combined = combined
                .iter()
                .flat_map(|(texts, values)| {
                    candidates.iter().map(move |(text, value)| {
                        (
                            [texts.as_slice(), std::slice::from_ref(text)].concat(),
                            [values.as_slice(), &[value[0].clone()]].concat(),
                        )
                    })
                })
                .collect();
        }
        let selected = prune::select(state, combined, filters, &fields)?;
        Ok(selected.into_iter().map(|(texts, values)| (self.storage_of(&texts), values)).collect())
    }

    /// A key's values that pass the filters that name it alone.
    fn candidates(
        &self,
        state: &dyn Session,
        key: &FieldRef,
        kind: &Kind,
        filters: &[Expr],
    ) -> Result<Vec<(String, Vec<ScalarValue>)>> {
        let own: Vec<Expr> = filters
            .iter()
            .filter(|filter| prune::decides_by_partition(filter, std::slice::from_ref(key)))
            .cloned()
            .collect();
        let texts = match kind {
            Kind::Injected => injected(key, &own).map_err(external)?,
            kind => kind.values().map_err(external)?,
        };
        let typed = texts
            .into_iter()
            .map(|text| prune::typed_value(&text, key).map(|value| (text, vec![value])))
            .collect::<Result<Vec<_>, _>>()
            .map_err(external)?;
        prune::select(state, typed, &own, std::slice::from_ref(key))
    }

    fn storage_of(&self, values: &[String]) -> StorageDescriptor {
        let location = match &self.template {
            Some(template) => {
                self.keys.iter().zip(values).fold(template.clone(), |text, ((key, _), value)| {
                    text.replace(&format!("${{{}}}", key.name()), value)
                })
            }
            None => {
                let names: Vec<&str> = self.keys.iter().map(|(key, _)| key.name().as_str()).collect();
                let texts: Vec<&str> = values.iter().map(String::as_str).collect();
                format!("{}/{}", self.storage.location.trim_end_matches('/'), partition_path(&names, &texts))
            }
        };
        StorageDescriptor { location, ..self.storage.clone() }
    }
}

fn too_many() -> QueryError {
    QueryError::User(format!(
        "HIVE_EXCEEDED_PARTITION_LIMIT: the projection has more than {CANDIDATES_MAX} partitions here; add filters on the partition columns"
    ))
}

/// The values that an injected key is compared with.
fn injected(key: &FieldRef, filters: &[Expr]) -> Result<Vec<String>, QueryError> {
    let text = |expr: &Expr| match expr {
        Expr::Literal(value, _) if !value.is_null() => Some(value.to_string()),
        _ => None,
    };
    for filter in filters {
        let values = match filter {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
                text(right).or_else(|| text(left)).map(|one| vec![one])
            }
            Expr::InList(InList { list, negated: false, .. }) => list.iter().map(text).collect(),
            _ => None,
        };
        if let Some(values) = values {
            return Ok(values);
        }
    }
    Err(QueryError::User(format!(
        "CONSTRAINT_VIOLATION: For the injected projected partition column {}, the WHERE clause must contain only static equality conditions",
        key.name()
    )))
}

fn kind(parameters: &Parameters, key: &str, now: Timestamp) -> Result<Kind, QueryError> {
    let get = |what: &str| parameters.get(&format!("projection.{key}.{what}")).map(String::as_str);
    let need =
        |what: &str| get(what).ok_or_else(|| refuse(format_args!("projection.{key}.{what} is missing")));
    match need("type")?.to_lowercase().as_str() {
        "enum" => Ok(Kind::Enum(need("values")?.split(',').map(|value| value.trim().to_owned()).collect())),
        "injected" => Ok(Kind::Injected),
        "integer" => {
            let number = |text: &str| {
                text.trim()
                    .parse::<i64>()
                    .map_err(|_| refuse(format_args!("projection.{key}: {text:?} is not a number")))
            };
            let (from, to) = range(key, need("range")?)?;
            let interval = number(get("interval").unwrap_or("1"))?.max(1);
            let digits = usize::try_from(number(get("digits").unwrap_or("0"))?).unwrap_or(0).min(32);
            Ok(Kind::Integer { from: number(from)?, to: number(to)?, interval, digits })
        }
        "date" => {
            let format = need("format")?;
            let pattern = Pattern::joda(format)
                .map_err(|why| refuse(format_args!("projection.{key}.format: {why}")))?;
            let (from, to) = range(key, need("range")?)?;
            let (from, to) = (bound(key, from, &pattern, now)?, bound(key, to, &pattern, now)?);
            let finest = if format.contains('s') {
                "SECONDS"
            } else if format.contains('m') {
                "MINUTES"
            } else if format.contains('H') || format.contains('h') {
                "HOURS"
            } else if format.contains('d') || format.contains('D') {
                "DAYS"
            } else if format.contains('M') {
                "MONTHS"
            } else {
                "YEARS"
            };
            let count: i64 = get("interval").unwrap_or("1").trim().parse().unwrap_or(1);
            let step = step(count.max(1), get("interval.unit").unwrap_or(finest))
                .ok_or_else(|| refuse(format_args!("projection.{key}.interval.unit is unknown")))?;
            Ok(Kind::Date { from, to, step, pattern })
        }
        other => Err(refuse(format_args!("projection.{key}.type {other:?} is unknown"))),
    }
}

fn range<'a>(key: &str, text: &'a str) -> Result<(&'a str, &'a str), QueryError> {
    text.split_once(',')
        .ok_or_else(|| refuse(format_args!("projection.{key}.range {text:?} has no two ends")))
}

fn step(count: i64, unit: &str) -> Option<Step> {
    let micros = |seconds: i64| Step::Micros(seconds.saturating_mul(1_000_000).saturating_mul(count));
    let months = |months: i64| u32::try_from(months.saturating_mul(count)).ok().map(Step::Months);
    match unit.trim().to_uppercase().trim_end_matches('S') {
        "SECOND" => Some(micros(1)),
        "MINUTE" => Some(micros(60)),
        "HOUR" => Some(micros(3600)),
        "DAY" => Some(micros(86_400)),
        "WEEK" => Some(micros(7 * 86_400)),
        "MONTH" => months(1),
        "YEAR" => months(12),
        _ => None,
    }
}

/// An end of a range of moments: one written in the format, or `NOW`, `NOW-3YEARS`, `NOW+1DAYS`.
fn bound(key: &str, text: &str, pattern: &Pattern, now: Timestamp) -> Result<i64, QueryError> {
    let text = text.trim();
    let wrong = || refuse(format_args!("projection.{key}.range: {text:?} is not a moment"));
    let Some(offset) = text.strip_prefix("NOW") else { return pattern.parse(text).map_err(|_| wrong()) };
    let now = now.utc().naive_utc();
    let offset: String = offset.chars().filter(|c| !c.is_whitespace()).collect();
    if offset.is_empty() {
        return Ok(micros(now));
    }
    let (back, rest) = match offset.split_at_checked(1) {
        Some(("-", rest)) => (true, rest),
        Some(("+", rest)) => (false, rest),
        _ => return Err(wrong()),
    };
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let count: i64 = rest[..digits].parse().map_err(|_| wrong())?;
    let moved = match step(count, &rest[digits..]).ok_or_else(wrong)? {
        Step::Micros(span) => micros(now).checked_add(if back { -span } else { span }),
        Step::Months(months) if back => now.checked_sub_months(Months::new(months)).map(micros),
        Step::Months(months) => now.checked_add_months(Months::new(months)).map(micros),
    };
    moved.ok_or_else(wrong)
}

fn micros(at: NaiveDateTime) -> i64 {
    at.and_utc().timestamp_micros()
}

impl Kind {
    fn values(&self) -> Result<Vec<String>, QueryError> {
        match self {
            Self::Enum(values) => Ok(values.clone()),
            Self::Injected => Ok(Vec::new()),
            Self::Integer { from, to, interval, digits } => {
                let step = usize::try_from(*interval).unwrap_or(usize::MAX);
                if to.saturating_sub(*from) / interval >= CANDIDATES_MAX as i64 {
                    return Err(too_many());
                }
                let digits = *digits;
                Ok((*from..=*to).step_by(step).map(|number| format!("{number:0digits$}")).collect())
            }
            Self::Date { from, to, step, pattern } => {
                let mut values: Vec<String> = Vec::new();
                let mut at = *from;
                // Steps may be finer than the format shows: they are counted, not the values.
                for _ in 0..=CANDIDATES_MAX {
                    if at > *to {
                        return Ok(values);
                    }
                    let text = pattern.format(at).map_err(refuse)?;
                    if values.last() != Some(&text) {
                        values.push(text);
                    }
                    let Some(next) = after(at, *step) else { return Ok(values) };
                    at = next;
                }
                Err(too_many())
            }
        }
    }
}

fn after(at: i64, step: Step) -> Option<i64> {
    match step {
        Step::Micros(span) => at.checked_add(span),
        Step::Months(months) => {
            let now = chrono::DateTime::from_timestamp_micros(at)?.naive_utc();
            // The day is kept through short months by starting from the first where it is one.
            now.checked_add_months(Months::new(months))
                .or_else(|| now.checked_add_days(Days::new(28)))
                .map(micros)
        }
    }
}

/// The candidates of a key with these parameters (`type`, `range`, …) at the beginning of 2026, for
/// tests and fuzzing.
pub(crate) fn values(parameters: &[(&str, &str)]) -> Result<Vec<String>, QueryError> {
    let parameters = parameters
        .iter()
        .map(|(name, value)| (format!("projection.k.{name}"), (*value).to_owned()))
        .collect();
    kind(&parameters, "k", Timestamp::from_ms(1_767_225_600_000))?.values()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_enumerated() {
        let check =
            |parameters: &[(&str, &str)], want: &[&str]| assert_eq!(values(parameters).unwrap(), want);
        check(&[("type", "enum"), ("values", "a, b")], &["a", "b"]);
        check(
            &[("type", "integer"), ("range", "8,12"), ("interval", "2"), ("digits", "2")],
            &["08", "10", "12"],
        );
        check(
            &[("type", "date"), ("range", "2025-12-30,NOW"), ("format", "yyyy-MM-dd")],
            &["2025-12-30", "2025-12-31", "2026-01-01"],
        );
        check(
            &[("type", "date"), ("range", "NOW-2MONTHS,NOW"), ("format", "yyyy/MM")],
            &["2025/11", "2025/12", "2026/01"],
        );
        check(
            &[
                ("type", "date"),
                ("range", "NOW-1DAYS,NOW"),
                ("format", "yyyyMMddHH"),
                ("interval", "12"),
                ("interval.unit", "HOURS"),
            ],
            &["2025123100", "2025123112", "2026010100"],
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for parameters in [
            &[("type", "nope")][..],
            &[("type", "integer")],
            &[("type", "integer"), ("range", "1")],
            &[("type", "integer"), ("range", "0,9999999999")],
            &[("type", "date"), ("range", "a,b"), ("format", "yyyy")],
            &[("type", "date"), ("range", "NOW-1FORTNIGHTS,NOW"), ("format", "yyyy")],
            &[("type", "date"), ("range", "NOW,NOW+9223372036854775807DAYS"), ("format", "yyyy")],
            &[("type", "date"), ("range", "1000,9000"), ("format", "yyyy"), ("interval.unit", "SECONDS")],
        ] {
            assert!(values(parameters).is_err(), "{parameters:?}");
        }
    }
}
