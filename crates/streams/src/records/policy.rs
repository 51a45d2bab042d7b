//! Kind `0x0107`: the resource policy of a stream or of one of its consumers.
//!
//! ```text
//! policy  (0x0107, incarnation u64, consumer str) -> PolicyRow
//! ```
//!
//! `consumer` is empty for the stream's own policy, `NAME:SECONDS` for a consumer's.

use bytes::Bytes;
use headwater_store::{Key, Kind, StoreError};
use minicbor::{Decode, Encode};

const POLICY: Kind = Kind(0x0107);

/// A policy as it was given.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct PolicyRow {
    #[n(0)]
    pub(crate) text: String,
}

impl PolicyRow {
    pub(crate) fn key(incarnation: u64, consumer: &str) -> Key {
        Key::of(POLICY).u64(incarnation).str(consumer).build()
    }

    /// The keys of every policy of an incarnation.
    pub(crate) fn prefix(incarnation: u64) -> Key {
        Key::of(POLICY).u64(incarnation).build()
    }

    /// Whose policy a fact of this kind is.
    pub(crate) fn parse_key(key: &Key) -> Result<String, StoreError> {
        let mut reader = key.reader();
        let consumer = reader.kind().and_then(|_| reader.u64()).and_then(|_| reader.str());
        consumer.ok_or_else(|| StoreError::Corrupt("the key of a policy fact".to_owned()))
    }

    pub(crate) fn encode(&self) -> Bytes {
        super::encode(self)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        super::decode("policy", bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_survive_a_round_trip(text: String, consumer in "[a-z:0-9]{0,20}") {
            let row = PolicyRow { text };
            prop_assert_eq!(PolicyRow::decode(&row.encode()).unwrap(), row);
            let key = PolicyRow::key(7, &consumer);
            prop_assert!(key.starts_with(&PolicyRow::prefix(7)));
            prop_assert_eq!(PolicyRow::parse_key(&key).unwrap(), consumer);
        }

        #[test]
        fn foreign_bytes_never_panic(key: Vec<u8>, bytes: Vec<u8>) {
            let _ = PolicyRow::decode(&bytes);
            let _ = PolicyRow::parse_key(&Key::from_bytes(key.into()));
        }
    }

    #[test]
    fn version_1_reads_as_ever() {
        let row = PolicyRow { text: "{}".to_owned() };
        let golden = "0181627b7d";
        assert_eq!(hex::encode(row.encode()), golden);
        assert_eq!(PolicyRow::decode(&hex::decode(golden).unwrap()).unwrap(), row);
    }
}
