//! `PARTITION` facts: what differs from partition to partition. The rest is a `STORAGE` fact that
//! all partitions alike share, so a million partitions cost a million locations.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};

/// The value of a `PARTITION` fact.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct PartitionRecord {
    #[n(0)]
    pub(crate) values: Vec<String>,
    #[n(1)]
    pub(crate) location: String,
    /// The `STORAGE` fact that holds the descriptor without its location.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(crate) storage: [u8; 16],
    #[n(3)]
    pub(crate) parameters: BTreeMap<String, String>,
    #[n(4)]
    pub(crate) created_ms: i64,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::records::{decode, encode, keys};

    #[test]
    fn golden_bytes_of_version_1() {
        let record = PartitionRecord {
            values: vec!["2026".into()],
            location: "s3://b/".into(),
            storage: [7; 16],
            parameters: BTreeMap::new(),
            created_ms: 9,
        };
        let hex: String = encode(&record).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(
            hex,
            format!("018581643230323667 73333a2f2f622f50{}a009", "07".repeat(16)).replace(' ', "")
        );
    }

    proptest! {
        #[test]
        fn partitions_read_back(values: Vec<String>, location: String, storage: [u8; 16],
            parameters: BTreeMap<String, String>, created_ms: i64) {
            let record = PartitionRecord { values, location, storage, parameters, created_ms };
            let key = keys::database_guard(1);
            prop_assert_eq!(decode::<PartitionRecord>(&key, &encode(&record)).unwrap(), record);
        }
    }
}
