//! Facts about buckets: `BUCKET` (by name), `BUCKET_TAGS` and `BUCKET_CONFIG`. `GUARD` and `ALIVE` hold an empty
//! record; their presence is what they say.

use std::collections::BTreeMap;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use super::encryption::DefaultEncryptionRecord;
use super::lifecycle::LifecycleRecord;
use super::version::{LockRecord, StateRecord};
use crate::BucketAccess;

/// The value of a `BUCKET` fact.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct BucketRecord {
    #[n(0)]
    pub(crate) incarnation: u64,
    #[n(1)]
    pub(crate) owner: u64,
    #[n(2)]
    pub(crate) region: String,
    #[n(3)]
    pub(crate) created_ms: i64,
    /// Its deletion is being decided: the guard is gone, and whoever sees this decides.
    #[n(4)]
    pub(crate) deleting: bool,
    /// Whether it has versions; none while it never had.
    #[n(5)]
    pub(crate) versioning: Option<StateRecord>,
    /// Its object lock, if that is on.
    #[n(6)]
    pub(crate) lock: Option<LockRecord>,
    /// What the guard must know, as bits; absent while it is as in a new bucket.
    #[n(7)]
    pub(crate) access: Option<u32>,
    /// What its bodies are sealed with when a writer says nothing.
    #[n(8)]
    pub(crate) encryption: Option<DefaultEncryptionRecord>,
    /// Its lifecycle, if it has one.
    #[n(9)]
    pub(crate) lifecycle: Option<LifecycleRecord>,
    /// Whether changes of its objects are events.
    #[n(10)]
    pub(crate) notifies: Option<bool>,
}

impl BucketRecord {
    pub(crate) fn access(&self) -> BucketAccess {
        BucketAccess::from_bits(self.access.unwrap_or_default())
    }
}

/// The value of a `BUCKET_CONFIG` fact: a document whose form its kind decides.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct ConfigRecord {
    #[n(0)]
    pub(crate) document: ByteVec,
}

/// The value of a `BUCKET_TAGS` fact.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct TagsRecord {
    #[n(0)]
    pub(crate) tags: BTreeMap<String, String>,
}

/// The value of facts that are only present or absent.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct Present {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::records::{decode, encode, keys};

    #[test]
    fn golden_bytes_of_version_1() {
        let record = BucketRecord {
            incarnation: 5,
            owner: 42,
            region: "eu-west-1".into(),
            created_ms: 1000,
            deleting: false,
            versioning: None,
            lock: None,
            access: None,
            lifecycle: None,
            notifies: None,
            encryption: None,
        };
        assert_eq!(hex::encode(encode(&record)), "018505182a6965752d776573742d311903e8f4");
        let open = BucketRecord { access: Some(0x40), ..record.clone() };
        assert_eq!(hex::encode(encode(&open)), "018805182a6965752d776573742d311903e8f4f6f61840");
        let notifies = BucketRecord { notifies: Some(true), ..record.clone() };
        assert_eq!(hex::encode(encode(&notifies)), "018b05182a6965752d776573742d311903e8f4f6f6f6f6f6f5");
        let versioned = BucketRecord {
            versioning: Some(StateRecord::Enabled),
            lock: Some(LockRecord { default: None }),
            ..record.clone()
        };
        assert_eq!(hex::encode(encode(&versioned)), "018705182a6965752d776573742d311903e8f40080");
        let config = ConfigRecord { document: b"ab".to_vec().into() };
        assert_eq!(hex::encode(encode(&config)), "0181426162");
        let default = DefaultEncryptionRecord { kms: false, kms_key: None, bucket_key: true };
        let sealed = BucketRecord { encryption: Some(default), ..record };
        assert_eq!(hex::encode(encode(&sealed)), "018905182a6965752d776573742d311903e8f4f6f6f683f4f6f5");
        let tags = TagsRecord { tags: BTreeMap::from([("a".into(), "b".into())]) };
        assert_eq!(hex::encode(encode(&tags)), "0181a161616162");
        assert_eq!(hex::encode(encode(&Present {})), "0180");
    }

    proptest! {
        #[test]
        fn buckets_read_back(
            incarnation: u64, owner: u64, region: String, created_ms: i64, deleting: bool, suspended: Option<bool>,
            access: Option<u32>,
        ) {
            let state = |suspended| if suspended { StateRecord::Suspended } else { StateRecord::Enabled };
            let versioning = suspended.map(state);
            let lock = suspended.map(|_| LockRecord { default: None });
            let default = DefaultEncryptionRecord { kms: deleting, kms_key: Some(region.clone()), bucket_key: deleting };
            let encryption = suspended.map(|_| default);
            let notifies = suspended;
            let lifecycle = suspended.map(|varies_by_class| LifecycleRecord { rules: 1, varies_by_class });
            let record = BucketRecord {
                incarnation, owner, region, created_ms, deleting, versioning, lock, access, lifecycle,
                notifies, encryption,
            };
            prop_assert_eq!(decode::<BucketRecord>(&keys::guard(1), &encode(&record)).unwrap(), record);
        }

        #[test]
        fn tags_read_back(tags: BTreeMap<String, String>) {
            let record = TagsRecord { tags };
            prop_assert_eq!(decode::<TagsRecord>(&keys::guard(1), &encode(&record)).unwrap(), record);
        }
    }
}
