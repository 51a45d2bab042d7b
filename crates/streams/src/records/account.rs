//! Kind `0x0108`: the settings of an account in a region.
//!
//! ```text
//! account  (0x0108, account u64, region str) -> AccountRow
//! ```

use bytes::Bytes;
use headwater_base::Scope;
use headwater_store::{Key, Kind, StoreError};
use minicbor::{Decode, Encode};

const ACCOUNT: Kind = Kind(0x0108);

/// When the commitment to a minimum throughput began, may end and ended.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub(crate) struct AccountRow {
    #[n(0)]
    pub(crate) started_ms: Option<i64>,
    #[n(1)]
    pub(crate) earliest_end_ms: Option<i64>,
    #[n(2)]
    pub(crate) ended_ms: Option<i64>,
}

impl AccountRow {
    pub(crate) fn key(scope: &Scope) -> Key {
        Key::of(ACCOUNT).u64(scope.account.number()).str(scope.region.as_str()).build()
    }

    pub(crate) fn encode(&self) -> Bytes {
        super::encode(self)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        super::decode("account settings", bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_survive_a_round_trip(
            started_ms: Option<i64>, earliest_end_ms: Option<i64>, ended_ms: Option<i64>,
        ) {
            let row = AccountRow { started_ms, earliest_end_ms, ended_ms };
            prop_assert_eq!(AccountRow::decode(&row.encode()).unwrap(), row);
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = AccountRow::decode(&bytes);
        }
    }

    #[test]
    fn version_1_reads_as_ever() {
        let row = AccountRow { started_ms: Some(7), earliest_end_ms: Some(300), ended_ms: None };
        let golden = "01820719012c";
        assert_eq!(hex::encode(row.encode()), golden);
        assert_eq!(AccountRow::decode(&hex::decode(golden).unwrap()).unwrap(), row);
    }
}
