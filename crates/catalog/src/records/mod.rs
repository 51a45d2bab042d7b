//! What the engine stores: one file per family of facts. Every value is a version byte and CBOR
//! with numbered fields; keys are listed in `docs/formats/keys.md`. Private to the engine.

pub(crate) mod database;
pub(crate) mod keys;
pub(crate) mod order;
pub(crate) mod partition;
pub(crate) mod table;

pub(crate) use headwater_store::record::{decode, encode};
use minicbor::{Decode, Encode};

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
