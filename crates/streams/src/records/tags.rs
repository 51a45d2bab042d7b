//! Kind `0x0103`: the tags of one incarnation of a stream.
//!
//! ```text
//! tags  (0x0103, incarnation u64) -> TagsRow
//! ```
//!
//! Tags are a fact of their own so that tagging never conflicts with anything but tagging.

use std::collections::BTreeMap;

use bytes::Bytes;
use headwater_store::{Key, Kind, StoreError};
use minicbor::{Decode, Encode};

const TAGS: Kind = Kind(0x0103);

/// Tags by key, sorted.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub(crate) struct TagsRow {
    #[n(0)]
    pub(crate) tags: BTreeMap<String, String>,
}

impl TagsRow {
    pub(crate) fn key(incarnation: u64) -> Key {
        Key::of(TAGS).u64(incarnation).build()
    }

    pub(crate) fn encode(&self) -> Bytes {
        super::encode(self)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        super::decode("stream tags", bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_survive_a_round_trip(tags: BTreeMap<String, String>) {
            let row = TagsRow { tags };
            prop_assert_eq!(TagsRow::decode(&row.encode()).unwrap(), row);
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = TagsRow::decode(&bytes);
        }
    }

    #[test]
    fn version_1_reads_as_ever() {
        let row = TagsRow { tags: BTreeMap::from([("a".to_owned(), "b".to_owned())]) };
        let golden = "0181a161616162";
        assert_eq!(hex::encode(row.encode()), golden);
        assert_eq!(TagsRow::decode(&hex::decode(golden).unwrap()).unwrap(), row);
    }
}
