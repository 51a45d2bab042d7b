//! What every operation asks of its input: members that must be there, bounds, whose catalog.

use headwater_base::{Arn, Scope};
use headwater_wire::{Context, Fault};

use crate::fault;

/// The member, which must be there and not empty.
pub(crate) fn required<'a>(value: &'a Option<String>, member: &str) -> Result<&'a str, Fault> {
    match value.as_deref() {
        Some(text) if !text.is_empty() => Ok(text),
        Some(_) => Err(validation(&format!(
            "Value '' at '{member}' failed to satisfy constraint: Member must have length greater than or equal to 1"
        ))),
        None => Err(missing(member)),
    }
}

/// The member, which must be there.
pub(crate) fn present<T>(value: Option<T>, member: &str) -> Result<T, Fault> {
    value.ok_or_else(|| missing(member))
}

/// A page's size, at most `max`.
pub(crate) fn page(limit: Option<i64>, max: usize) -> Result<usize, Fault> {
    match limit {
        None => Ok(max),
        Some(limit) => usize::try_from(limit).ok().filter(|limit| (1..=max).contains(limit)).ok_or_else(|| {
            validation(&format!(
                "Value '{limit}' at 'maxResults' failed to satisfy constraint: Member must have value between 1 and {max}"
            ))
        }),
    }
}

/// Refuses lists that are longer than the operation takes.
pub(crate) fn at_most<T>(list: &[T], max: usize, member: &str) -> Result<(), Fault> {
    if list.len() <= max {
        return Ok(());
    }
    Err(validation(&format!(
        "Value at '{member}' failed to satisfy constraint: Member must have length less than or equal to {max}"
    )))
}

/// The scope of the catalog the request means: the caller's own.
pub(crate) fn scope(cx: &Context, catalog_id: Option<&str>) -> Result<Scope, Fault> {
    let scope = cx.scope();
    match catalog_id {
        Some(id) if !id.is_empty() && id != scope.account.to_string() => {
            Err(fault::not_found(&format!("Catalog {id} not found.")))
        }
        _ => Ok(scope),
    }
}

/// The ARN of a resource of this service, such as `table/db/t`.
pub(crate) fn arn(cx: &Context, resource: impl Into<String>) -> Arn {
    Arn::new("glue", &cx.scope(), resource)
}

fn missing(member: &str) -> Fault {
    validation(&format!("Value null at '{member}' failed to satisfy constraint: Member must not be null"))
}

fn validation(detail: &str) -> Fault {
    Fault::client("ValidationException", format!("1 validation error detected: {detail}"))
}
