//! What a table holds: items of typed values, and the document paths that point into them.

mod key;
mod number;
mod path;
mod value;

pub(crate) use key::{KeyKind, KeyPart, PrimaryKey};
pub(crate) use number::{Number, NumberError};
pub(crate) use path::{Path, PathTree, Step};
#[cfg(test)]
pub(crate) use value::arbitrary;
pub(crate) use value::{Item, Kind, NESTING_MAX, Value, size_of_item};
