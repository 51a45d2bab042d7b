//! Queries and scans.

use headwater_wire::Fault;

use crate::expression::{Comparator, Condition, Operand};
use crate::fault;
use crate::item::{Item, KeyKind, KeyPart, Path, Value};
use crate::tables::{Index, KeyAttribute, KeyCondition, KeySchema, PageStart, Segment, Table};

/// The most segments of a parallel scan.
const SEGMENTS_MAX: i64 = 1_000_000;

/// The items that a condition on key attributes asks for.
pub(crate) fn key_condition(condition: Condition, schema: &KeySchema) -> Result<KeyCondition, Fault> {
    let parts = match condition {
        Condition::All(parts) => parts,
        one => vec![one],
    };
    let (mut hash, mut range) = (None, None);
    for part in parts {
        let (path, values) = tested(&part).ok_or_else(unsupported)?;
        let attribute = schema.attributes().find(|own| path.steps.is_empty() && own.name == path.attribute);
        let Some(attribute) = attribute else {
            let missed = if hash.is_none() { Some(&schema.hash) } else { schema.range.as_ref() };
            return Err(missed.map_or_else(unsupported, missing));
        };
        check_kinds(&values, attribute.kind)?;
        let is_hash = attribute.name == schema.hash.name;
        let place_is_taken = if is_hash { hash.is_some() } else { range.is_some() };
        if place_is_taken {
            return Err(fault::invalid("KeyConditionExpressions must only contain one condition per key"));
        }
        if is_hash {
            let equal = matches!(part, Condition::Compare(Comparator::Equal, ..));
            let value = values.first().filter(|_| equal).ok_or_else(unsupported)?;
            hash = KeyPart::of(value, attribute.kind);
        } else {
            range = Some(part);
        }
    }
    let hash = hash.ok_or_else(|| missing(&schema.hash))?;
    Ok(KeyCondition { hash, range })
}

/// The attribute a key condition tests, and the values it tests it against.
fn tested(condition: &Condition) -> Option<(&Path, Vec<&Value>)> {
    let value = |operand: &'_ Operand| match operand {
        Operand::Value(_) => true,
        Operand::Path(_) | Operand::Size(_) => false,
    };
    let (this, others) = match condition {
        Condition::Compare(Comparator::NotEqual, ..) => return None,
        Condition::Compare(_, this, other) | Condition::BeginsWith(this, other) => (this, vec![other]),
        Condition::Between(this, low, high) => (this, vec![low, high]),
        _ => return None,
    };
    let Operand::Path(path) = this else { return None };
    if !others.iter().all(|operand| value(operand)) {
        return None;
    }
    let values = others.into_iter().filter_map(|operand| match operand {
        Operand::Value(value) => Some(value),
        Operand::Path(_) | Operand::Size(_) => None,
    });
    Some((path, values.collect()))
}

fn check_kinds(values: &[&Value], kind: KeyKind) -> Result<(), Fault> {
    if values.iter().all(|value| value.kind() == kind.kind()) {
        return Ok(());
    }
    Err(fault::invalid(
        "One or more parameter values were invalid: Condition parameter type does not match schema type",
    ))
}

/// Where a page begins.
pub(crate) fn page_start(key: Item, table: &Table, index: Option<&Index>) -> Result<PageStart, Fault> {
    let refuse = || fault::invalid("The provided starting key is invalid");
    let known = |name: &str| table.schema.has(name) || index.is_some_and(|index| index.schema.has(name));
    if !key.keys().all(|name| known(name)) {
        return Err(refuse());
    }
    let own = table.schema.key_of(&key).map_err(|_| refuse())?;
    let index_key = match index {
        Some(index) => Some(index.key_of(&key).ok_or_else(refuse)?),
        None => None,
    };
    Ok(PageStart { key: own, index_key })
}

/// The segment of a parallel scan.
pub(crate) fn segment(number: Option<i64>, of: Option<i64>) -> Result<Option<Segment>, Fault> {
    let (number, of) = match (number, of) {
        (None, None) => return Ok(None),
        (Some(_), None) => {
            return Err(fault::invalid(
                "The TotalSegments parameter is required but was not present in the request when Segment parameter is present",
            ));
        }
        (None, Some(_)) => {
            return Err(fault::invalid(
                "The Segment parameter is required but was not present in the request when parameter TotalSegments is present",
            ));
        }
        (Some(number), Some(of)) => (number, of),
    };
    if !(1..=SEGMENTS_MAX).contains(&of) || number < 0 {
        return Err(fault::invalid(format!(
            "1 validation error detected: Value '{of}' at 'totalSegments' failed to satisfy constraint: Member must have \
             value between 1 and {SEGMENTS_MAX}"
        )));
    }
    if number >= of {
        return Err(fault::invalid(format!(
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: {number} is not \
             less than TotalSegments: {of}"
        )));
    }
    let narrow = |n: i64| u32::try_from(n).map_err(|_| fault::invalid("The segment is out of range"));
    Ok(Some(Segment { number: narrow(number)?, of: narrow(of)? }))
}

fn missing(attribute: &KeyAttribute) -> Fault {
    fault::invalid(format!("Query condition missed key schema element: {}", attribute.name))
}

fn unsupported() -> Fault {
    fault::invalid("Query key condition not supported")
}
