//! What an operation would have cost: told to who asks, limited by nothing.

use crate::shapes::{Capacity, ConsumedCapacity};

const READ_BYTES: usize = 4096;
const WRITE_BYTES: usize = 1024;

/// The units of a read: half as many where an older state would have done.
pub(crate) fn read_units(bytes: usize, consistent: bool) -> f64 {
    let units = bytes.div_ceil(READ_BYTES).max(1) as f64;
    if consistent { units } else { units / 2.0 }
}

/// The units of a write of the larger of an item's two states.
pub(crate) fn write_units(bytes: usize) -> f64 {
    bytes.div_ceil(WRITE_BYTES).max(1) as f64
}

/// The answer to `ReturnConsumedCapacity`.
pub(crate) fn consumed(asked: Option<&str>, table: &str, units: f64) -> Option<ConsumedCapacity> {
    let detailed = match asked {
        Some("TOTAL") => false,
        Some("INDEXES") => true,
        _ => return None,
    };
    Some(ConsumedCapacity {
        table_name: table.to_owned(),
        capacity_units: units,
        table: detailed.then_some(Capacity { capacity_units: units }),
    })
}
