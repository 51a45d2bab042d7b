//! What the tables store: one file per family of facts. Every value begins with a version byte; keys
//! are listed in `docs/formats/keys.md`. Private to the engine.

pub(crate) mod item;
pub(crate) mod keys;
pub(crate) mod table;
pub(crate) mod token;

pub(crate) use headwater_store::record::{decode, encode};
use headwater_store::{Key, StoreError};
use minicbor::{Decode, Encode};

/// The complaint about a fact that is not what was written.
pub(crate) fn corrupt(key: &Key, what: &str) -> StoreError {
    StoreError::Corrupt(format!("{key:?}: {what}"))
}

/// The value of facts that are only present or absent.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct Present {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presence_is_two_bytes() {
        assert_eq!(encode(&Present {})[..], [1, 0x80]);
    }
}
