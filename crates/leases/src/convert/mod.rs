//! Shapes to engine types and back: the only place that names both.

mod capacity;
mod dialects;
mod page;
mod table;
mod value;

pub(crate) use capacity::{consumed, read_units, write_units};
pub(crate) use dialects::{
    Conditions, Expressions, Legacy, attribute_updates, check_no_key, legacy, one_dialect,
};
pub(crate) use page::{key_condition, page_start, segment};
pub(crate) use table::{description, new_table, tags_of, update_settings};
pub(crate) use value::{attributes, item};
