//! Constraints on what clients send, refused in the words of the service:
//! `1 validation error detected: Value '…' at '…' failed to satisfy constraint: …`.

use headwater_wire::Fault;

use crate::fault;

/// The member must be there.
pub(crate) fn present<T>(name: &str, value: Option<T>) -> Result<T, Fault> {
    value.ok_or_else(|| failed(name, "null", "Member must not be null"))
}

/// One of the allowed words, if it is there.
pub(crate) fn one_of(name: &str, value: Option<&str>, allowed: &[&str]) -> Result<(), Fault> {
    match value {
        Some(value) if !allowed.contains(&value) => {
            let set = format!("Member must satisfy enum value set: [{}]", allowed.join(", "));
            Err(failed(name, &format!("'{value}'"), &set))
        }
        _ => Ok(()),
    }
}

/// A number of `min` to `max`, if it is there.
pub(crate) fn range(name: &str, value: Option<i64>, min: i64, max: i64) -> Result<Option<usize>, Fault> {
    let Some(value) = value else { return Ok(None) };
    if value < min {
        let least = format!("Member must have value greater than or equal to {min}");
        return Err(failed(name, &format!("'{value}'"), &least));
    }
    if value > max {
        let most = format!("Member must have value less than or equal to {max}");
        return Err(failed(name, &format!("'{value}'"), &most));
    }
    Ok(usize::try_from(value).ok())
}

/// The values of `ReturnConsumedCapacity`.
pub(crate) fn consumed_capacity(value: Option<&str>) -> Result<(), Fault> {
    one_of("returnConsumedCapacity", value, &["INDEXES", "TOTAL", "NONE"])
}

/// The values of `ReturnValuesOnConditionCheckFailure`; whether it asks for the item.
pub(crate) fn shows_failed(value: Option<&str>) -> Result<bool, Fault> {
    one_of("returnValuesOnConditionCheckFailure", value, &["ALL_OLD", "NONE"])?;
    Ok(value == Some("ALL_OLD"))
}

/// The values of `ConditionalOperator`.
pub(crate) fn conditional_operator(value: Option<&str>) -> Result<(), Fault> {
    one_of("conditionalOperator", value, &["OR", "AND"])
}

fn failed(name: &str, value: &str, constraint: &str) -> Fault {
    fault::invalid(format!(
        "1 validation error detected: Value {value} at '{name}' failed to satisfy constraint: {constraint}"
    ))
}
