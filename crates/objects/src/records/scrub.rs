//! `SCRUB` facts: how far the scrub is, and the damage it found that is still there.

use minicbor::{Decode, Encode};

/// What a round reads: blobs, those of the cold tier, then what lies inline.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub(crate) enum Stage {
    /// Nothing: the next round is not due.
    #[n(0)]
    #[default]
    Resting,
    /// Blobs that references name.
    #[n(1)]
    Blobs,
    /// Bodies that lie inline.
    #[n(2)]
    Bodies,
    /// Parts that lie inline.
    #[n(3)]
    PartBodies,
    /// Blobs of the cold tier that references name.
    #[n(4)]
    ColdBlobs,
}

/// The value of the `SCRUB` fact of the round.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub(crate) struct ScrubRecord {
    #[n(0)]
    pub(crate) stage: Stage,
    /// The key of the last row that was read; empty at the beginning of a stage.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(crate) after: Vec<u8>,
    /// In the blob after that: the block to go on with.
    #[n(2)]
    pub(crate) block: u64,
    #[n(3)]
    pub(crate) begun_ms: i64,
    #[n(4)]
    pub(crate) bytes: u64,
    #[n(5)]
    pub(crate) bodies: u64,
    /// When the last whole round ended, and what it read.
    #[n(6)]
    pub(crate) ended_ms: Option<i64>,
    #[n(7)]
    pub(crate) ended_bytes: u64,
    #[n(8)]
    pub(crate) ended_bodies: u64,
}

/// The value of a `SCRUB` fact of one damaged body.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct DamageRecord {
    #[n(0)]
    pub(crate) found_ms: i64,
    #[n(1)]
    pub(crate) what: String,
    /// `bucket/key` of the objects whose body it is.
    #[n(2)]
    pub(crate) objects: Vec<String>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::records::{decode, encode, keys};

    #[test]
    fn golden_bytes_of_version_1() {
        let record = ScrubRecord { stage: Stage::Bodies, after: vec![7], ..ScrubRecord::default() };
        assert_eq!(hex::encode(encode(&record)), "018982028041070000000 0f60000".replace(' ', ""));
        let damage = DamageRecord { found_ms: 1, what: "x".into(), objects: vec!["b/k".into()] };
        assert_eq!(hex::encode(encode(&damage)), "01830161788163622f6b");
    }

    proptest! {
        #[test]
        fn rounds_read_back(
            stage in 0u8..4, after: Vec<u8>, block: u64, begun_ms: i64, bytes: u64, ended_ms: Option<i64>,
        ) {
            let stage = [Stage::Resting, Stage::Blobs, Stage::Bodies, Stage::PartBodies][usize::from(stage)];
            let record = ScrubRecord {
                stage, after, block, begun_ms, bytes, bodies: bytes, ended_ms, ended_bytes: block,
                ended_bodies: bytes,
            };
            prop_assert_eq!(decode::<ScrubRecord>(&keys::guard(1), &encode(&record)).unwrap(), record);
        }

        #[test]
        fn damage_reads_back(found_ms: i64, what: String, objects: Vec<String>) {
            let record = DamageRecord { found_ms, what, objects };
            prop_assert_eq!(decode::<DamageRecord>(&keys::guard(1), &encode(&record)).unwrap(), record);
        }
    }
}
