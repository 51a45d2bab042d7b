//! Kind `0x0104`: the key that seals iterators and paging tokens.
//!
//! ```text
//! secret  (0x0104) -> SecretRow
//! ```

use bytes::Bytes;
use headwater_store::{Key, Kind, StoreError};
use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

const SECRET: Kind = Kind(0x0104);

/// A key of AES-256.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct SecretRow {
    #[n(0)]
    pub(crate) key: ByteArray<32>,
}

impl std::fmt::Debug for SecretRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretRow(…)")
    }
}

impl SecretRow {
    pub(crate) fn key() -> Key {
        Key::of(SECRET).build()
    }

    pub(crate) fn encode(&self) -> Bytes {
        super::encode(self)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        super::decode("token key", bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_survive_a_round_trip(key: [u8; 32]) {
            let row = SecretRow { key: key.into() };
            prop_assert_eq!(SecretRow::decode(&row.encode()).unwrap(), row);
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = SecretRow::decode(&bytes);
        }
    }

    #[test]
    fn version_1_reads_as_ever() {
        let row = SecretRow { key: [7; 32].into() };
        let golden = format!("01815820{}", "07".repeat(32));
        assert_eq!(hex::encode(row.encode()), golden);
        assert_eq!(SecretRow::decode(&hex::decode(golden).unwrap()).unwrap(), row);
    }
}
