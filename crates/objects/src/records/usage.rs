//! `USAGE`: what a bucket was last known to hold; and what the counting reads of other records.

use minicbor::{Decode, Encode};

/// The value of a `USAGE` fact.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct UsageRecord {
    #[n(0)]
    pub(crate) objects: u64,
    /// Of objects, and of the parts of uploads under way.
    #[n(1)]
    pub(crate) bytes: u64,
    /// When it was last counted from the facts.
    #[n(2)]
    pub(crate) counted_ms: i64,
}

/// What counting needs of an object's record: the rest is passed over.
#[derive(Clone, PartialEq, Eq, Debug, Decode)]
pub(crate) struct CountedObject {
    #[n(0)]
    pub(crate) size: u64,
    /// Its row: then `CURRENT` is only a copy.
    #[n(12)]
    pub(crate) seq: Option<u64>,
    #[n(14)]
    pub(crate) marker: Option<bool>,
}

/// What counting needs of a part's record.
#[derive(Clone, PartialEq, Eq, Debug, Decode)]
pub(crate) struct CountedPart {
    #[n(0)]
    pub(crate) size: u64,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::records::{decode, encode, keys};

    #[test]
    fn golden_bytes_of_version_1() {
        let record = UsageRecord { objects: 3, bytes: 1000, counted_ms: -1 };
        assert_eq!(hex::encode(encode(&record)), "0183031903e820");
    }

    proptest! {
        #[test]
        fn usage_reads_back(objects: u64, bytes: u64, counted_ms: i64) {
            let record = UsageRecord { objects, bytes, counted_ms };
            prop_assert_eq!(decode::<UsageRecord>(&keys::guard(1), &encode(&record)).unwrap(), record);
        }
    }
}
