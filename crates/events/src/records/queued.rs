//! The facts that are events on their way: `QUEUED`, and `DEAD` once they are given up.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

/// The value of a `QUEUED` fact.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct QueuedRecord {
    #[n(0)]
    pub(crate) time_ms: i64,
    #[n(1)]
    pub(crate) bucket: String,
    #[n(2)]
    pub(crate) key: String,
    /// The message as it is sent.
    #[n(3)]
    pub(crate) message: ByteVec,
}

impl QueuedRecord {
    /// What the event takes in the queue, as its bound counts it.
    pub(crate) fn bytes(&self) -> i64 {
        i64::try_from(self.message.len() + self.key.len() + self.bucket.len()).unwrap_or(i64::MAX)
    }
}

/// The value of a `DEAD` fact.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct DeadRecord {
    #[n(0)]
    pub(crate) event: QueuedRecord,
    /// When it was given up.
    #[n(1)]
    pub(crate) given_up_ms: i64,
    #[n(2)]
    pub(crate) reason: String,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::records::{decode, encode, keys};

    #[test]
    fn golden_bytes_of_version_1() {
        let event = QueuedRecord {
            time_ms: 1000,
            bucket: "b".into(),
            key: "k".into(),
            message: b"{}".to_vec().into(),
        };
        assert_eq!(hex::encode(encode(&event)), "01841903e86162616b427b7d");
        let dead = DeadRecord { event, given_up_ms: 2000, reason: "old".into() };
        assert_eq!(hex::encode(encode(&dead)), "0183841903e86162616b427b7d1907d0636f6c64");
    }

    proptest! {
        #[test]
        fn events_read_back(time_ms: i64, bucket: String, key: String, message: Vec<u8>, reason: String) {
            let event = QueuedRecord { time_ms, bucket, key, message: message.into() };
            prop_assert_eq!(decode::<QueuedRecord>(&keys::rules(1), &encode(&event)).unwrap(), event.clone());
            let dead = DeadRecord { event, given_up_ms: time_ms, reason };
            prop_assert_eq!(decode::<DeadRecord>(&keys::rules(1), &encode(&dead)).unwrap(), dead);
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = decode::<QueuedRecord>(&keys::rules(1), &bytes);
            let _ = decode::<DeadRecord>(&keys::rules(1), &bytes);
        }
    }
}
