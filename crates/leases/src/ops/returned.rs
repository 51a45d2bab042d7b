//! What a write answers: `ReturnValues` and `ReturnConsumedCapacity`.

use headwater_wire::Fault;

use crate::item::{Item, PathTree, size_of_item};
use crate::shapes::WriteOutput;
use crate::tables::{Changed, Table};
use crate::{checks, convert, fault};

const ALL: [&str; 5] = ["ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"];

/// Checks what PutItem or DeleteItem are asked to answer.
pub(super) fn check_whole(asked: Option<&str>) -> Result<(), Fault> {
    check(asked)?;
    match asked {
        None | Some("NONE" | "ALL_OLD") => Ok(()),
        Some(_) => Err(fault::invalid("Return values set to invalid value")),
    }
}

/// Checks what UpdateItem is asked to answer.
pub(super) fn check(asked: Option<&str>) -> Result<(), Fault> {
    checks::one_of("returnValues", asked, &ALL)
}

/// The answer to a write; `touched` are the paths an update changed.
pub(super) fn output(
    table: &Table,
    changed: Changed,
    asked: Option<&str>,
    touched: &PathTree,
    capacity: Option<&str>,
) -> WriteOutput {
    let size = |item: &Option<Item>| item.as_ref().map_or(0, size_of_item);
    let units = convert::write_units(size(&changed.before).max(size(&changed.after)));
    let part = |item: Option<Item>| item.map(|item| touched.project(&item)).filter(|part| !part.is_empty());
    let attributes = match asked {
        Some("ALL_OLD") => changed.before,
        Some("ALL_NEW") => changed.after,
        Some("UPDATED_OLD") => part(changed.before),
        Some("UPDATED_NEW") => part(changed.after),
        _ => None,
    };
    WriteOutput {
        attributes: attributes.map(convert::attributes),
        consumed_capacity: convert::consumed(capacity, table.key.name.as_str(), units),
    }
}
