//! Which table a request means: by name or by ARN.

use headwater_base::{Arn, Scope};
use headwater_wire::{Access, Context, Fault};

use crate::tables::{TableKey, TableName};
use crate::{checks, fault};

/// The table a request names.
///
/// # Errors
/// When it names none, or one in another region. An ARN of another account names that account's
/// table, so that the guard says who may.
pub(crate) fn table(cx: &Context, name: Option<&str>) -> Result<TableKey, Fault> {
    let name = checks::present("tableName", name)?;
    if !name.starts_with("arn:") {
        return named(cx.scope(), name);
    }
    let arn: Arn = name.parse().map_err(|_| fault::invalid(format!("The ARN {name} is not valid.")))?;
    resource(cx, &arn)
}

/// The table that a ResourceArn names.
pub(crate) fn resource(cx: &Context, arn: &Arn) -> Result<TableKey, Fault> {
    let name = arn.resource_after("table/").unwrap_or_default();
    if arn.service != "dynamodb" || arn.region.as_ref() != Some(&cx.region) || name.is_empty() {
        return Err(fault::not_found(format!("Requested resource not found: {arn}")));
    }
    named(Scope::new(arn.account.unwrap_or(cx.caller.account), cx.region.clone()), name)
}

/// What the guard is asked about an operation on the table a request names.
pub(crate) fn access(cx: &Context, action: &'static str, name: Option<&str>) -> Result<Access, Fault> {
    Ok(Access { action, resource: Some(table(cx, name)?.arn()) })
}

fn named(scope: Scope, name: &str) -> Result<TableKey, Fault> {
    let name = TableName::new(name).map_err(|_| {
        let constraint = if (3..=255).contains(&name.len()) {
            "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
        } else {
            "Member must have length between 3 and 255"
        };
        let name: String = name.chars().take(300).collect();
        fault::invalid(format!(
            "1 validation error detected: Value '{name}' at 'tableName' failed to satisfy constraint: {constraint}"
        ))
    })?;
    Ok(TableKey { scope, name })
}
