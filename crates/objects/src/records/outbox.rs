//! The fact that is an event waiting to be routed: `OUTBOX`.

use minicbor::{Decode, Encode};

/// The value of an `OUTBOX` fact. The commit that wrote it is the fact's own version.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct OutboxRecord {
    /// [`crate::Change::number`].
    #[n(0)]
    pub(crate) change: u8,
    #[n(1)]
    pub(crate) time_ms: i64,
    #[n(2)]
    pub(crate) incarnation: u64,
    #[n(3)]
    pub(crate) bucket: String,
    #[n(4)]
    pub(crate) owner: u64,
    #[n(5)]
    pub(crate) region: String,
    #[n(6)]
    pub(crate) key: String,
    #[n(7)]
    pub(crate) size: Option<u64>,
    #[n(8)]
    pub(crate) etag: Option<String>,
    #[n(9)]
    pub(crate) version_id: Option<String>,
    #[n(10)]
    pub(crate) principal: String,
    #[n(11)]
    pub(crate) requester: String,
    #[n(12)]
    pub(crate) source_ip: String,
    #[n(13)]
    pub(crate) request_id: String,
    #[n(14)]
    pub(crate) host_id: String,
    /// The class an object moved to, or was restored from.
    #[n(15)]
    pub(crate) storage_class: Option<String>,
    /// When a restored copy goes.
    #[n(16)]
    pub(crate) expiry_ms: Option<i64>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::records::{decode, encode, keys};

    fn plain() -> OutboxRecord {
        OutboxRecord {
            change: 1,
            time_ms: 1000,
            incarnation: 7,
            bucket: "logs".into(),
            owner: 1,
            region: "eu-west-1".into(),
            key: "a".into(),
            size: Some(3),
            etag: Some("ab".into()),
            version_id: None,
            principal: "AWS:AK".into(),
            requester: "000000000001".into(),
            source_ip: "::1".into(),
            request_id: "r".into(),
            host_id: "h".into(),
            storage_class: None,
            expiry_ms: None,
        }
    }

    #[test]
    fn golden_bytes_of_version_1() {
        assert_eq!(
            hex::encode(encode(&plain())),
            "018f011903e807646c6f6773016965752d776573742d31616103626162f6664157533a414b6c303030303030303030303031633a3a31\
             61726168"
        );
    }

    proptest! {
        #[test]
        fn events_read_back(
            change: u8, time_ms: i64, incarnation: u64, key: String, size: Option<u64>,
            text: Option<String>, expiry_ms: Option<i64>,
        ) {
            let record = OutboxRecord {
                change, time_ms, incarnation, key, size, etag: text.clone(), version_id: text.clone(),
                storage_class: text, expiry_ms, ..plain()
            };
            prop_assert_eq!(decode::<OutboxRecord>(&keys::guard(1), &encode(&record)).unwrap(), record);
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = decode::<OutboxRecord>(&keys::guard(1), &bytes);
        }
    }
}
