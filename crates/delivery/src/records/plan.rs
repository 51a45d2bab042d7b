//! A committed plan and the objects it wrote: what `audit` recounts.

use minicbor::{Decode, Encode};

use super::Record;
use super::position::CountsRecord;
use crate::ledger::{CommittedObject, CommittedPlan, CommittedRange};

/// The stored form of [`CommittedPlan`] without its objects; the number is in the key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct PlanRecord {
    #[cbor(n(0), with = "minicbor::bytes")]
    id: [u8; 16],
    #[n(1)]
    config_version: u64,
    #[n(2)]
    schema_id: Option<u64>,
    #[n(3)]
    ranges: Vec<RangeRecord>,
    #[n(4)]
    objects: u32,
    #[n(5)]
    at_ms: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
struct RangeRecord {
    #[n(0)]
    shard: u32,
    #[n(1)]
    from: i64,
    #[n(2)]
    to: i64,
    #[n(3)]
    counts: CountsRecord,
}

/// The stored form of [`CommittedObject`]; plan and ordinal are in the key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct PlanObjectRecord {
    #[n(0)]
    bucket: String,
    #[n(1)]
    key: String,
    #[n(2)]
    error: bool,
    #[n(3)]
    rows: u64,
    #[n(4)]
    size: u64,
    #[cbor(n(5), with = "minicbor::bytes")]
    sha256: Vec<u8>,
}

impl Record for PlanRecord {
    const KIND: &'static str = "committed plan";
}

impl Record for PlanObjectRecord {
    const KIND: &'static str = "delivered object";
}

impl From<&CommittedPlan> for PlanRecord {
    fn from(plan: &CommittedPlan) -> Self {
        let range = |range: &CommittedRange| RangeRecord {
            shard: range.shard,
            from: range.from,
            to: range.to,
            counts: (&range.counts).into(),
        };
        Self {
            id: *plan.id.as_bytes(),
            config_version: plan.config_version,
            schema_id: plan.schema_id,
            ranges: plan.ranges.iter().map(range).collect(),
            objects: plan.objects,
            at_ms: plan.at.ms(),
        }
    }
}

impl PlanRecord {
    /// The plan of this number.
    pub(crate) fn into_plan(self, number: u64) -> CommittedPlan {
        let range = |range: RangeRecord| CommittedRange {
            shard: range.shard,
            from: range.from,
            to: range.to,
            counts: range.counts.into(),
        };
        CommittedPlan {
            number,
            id: uuid::Uuid::from_bytes(self.id),
            config_version: self.config_version,
            schema_id: self.schema_id,
            ranges: self.ranges.into_iter().map(range).collect(),
            objects: self.objects,
            at: headwater_base::Timestamp::from_ms(self.at_ms),
        }
    }
}

impl From<&CommittedObject> for PlanObjectRecord {
    fn from(object: &CommittedObject) -> Self {
        Self {
            bucket: object.bucket.clone(),
            key: object.key.clone(),
            error: object.error,
            rows: object.rows,
            size: object.size,
            sha256: hex::decode(&object.sha256).unwrap_or_default(),
        }
    }
}

impl From<PlanObjectRecord> for CommittedObject {
    fn from(record: PlanObjectRecord) -> Self {
        Self {
            bucket: record.bucket,
            key: record.key,
            error: record.error,
            rows: record.rows,
            size: record.size,
            sha256: hex::encode(record.sha256),
        }
    }
}

#[cfg(test)]
mod tests {
    use headwater_base::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::ledger::Counts;

    fn plan(number: u64, shards: Vec<(u32, i64, i64)>, objects: u32) -> CommittedPlan {
        let range = |(shard, from, to)| CommittedRange {
            shard,
            from,
            to,
            counts: Counts { delivered: 4, rows: 5, ..Counts::default() },
        };
        CommittedPlan {
            number,
            id: uuid::Uuid::from_bytes([7; 16]),
            config_version: 1,
            schema_id: Some(2),
            ranges: shards.into_iter().map(range).collect(),
            objects,
            at: Timestamp::from_ms(9),
        }
    }

    #[test]
    fn bytes_are_as_released() {
        let value = PlanRecord::from(&plan(1, vec![(0, 0, 4)], 1)).to_value();
        assert_eq!(
            hex::encode(value),
            "0186500707070707070707070707070707070701028184000004860400000000050109"
        );
        let object = CommittedObject {
            bucket: "b".into(),
            key: "k".into(),
            error: false,
            rows: 5,
            size: 6,
            sha256: "ab".repeat(4),
        };
        assert_eq!(hex::encode(PlanObjectRecord::from(&object).to_value()), "01866162616bf4050644abababab");
    }

    proptest! {
        #[test]
        fn plans_read_back(number: u64, shards: Vec<(u32, i64, i64)>, objects: u32) {
            let plan = plan(number, shards, objects);
            let read = PlanRecord::from_value(&PlanRecord::from(&plan).to_value()).unwrap().into_plan(number);
            prop_assert_eq!(read, plan);
        }

        #[test]
        fn objects_read_back(bucket: String, key: String, error: bool, rows: u64, size: u64, digest: [u8; 32]) {
            let object = CommittedObject { bucket, key, error, rows, size, sha256: hex::encode(digest) };
            let record = PlanObjectRecord::from_value(&PlanObjectRecord::from(&object).to_value()).unwrap();
            prop_assert_eq!(CommittedObject::from(record), object);
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = PlanRecord::from_value(&bytes);
            let _ = PlanObjectRecord::from_value(&bytes);
        }
    }
}
