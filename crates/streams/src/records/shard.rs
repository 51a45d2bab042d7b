//! Kind `0x0102`: one shard of one incarnation of a stream.
//!
//! ```text
//! shard  (0x0102, incarnation u64, index u32) -> ShardRow
//! ```

use bytes::Bytes;
use headwater_base::Timestamp;
use headwater_store::{Key, Kind, LogId, StoreError};
use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

use crate::{HashKey, Shard};

const SHARD: Kind = Kind(0x0102);

/// A shard as it is stored; its index is in the key.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct ShardRow {
    #[n(0)]
    log: u64,
    #[n(1)]
    hash_first: ByteArray<16>,
    #[n(2)]
    hash_last: ByteArray<16>,
    #[n(3)]
    created_ms: i64,
    #[n(4)]
    parent: Option<u32>,
    #[n(5)]
    adjacent_parent: Option<u32>,
    /// Not written since shards can be closed while others append: the log's end says it. Known at
    /// once for a shard that was closed in the commit that made it.
    #[n(6)]
    closed_at: Option<i64>,
    #[n(7)]
    closed_ms: Option<i64>,
    /// Left out when it is `created_ms`.
    #[n(8)]
    opened_ms: Option<i64>,
}

impl ShardRow {
    pub(crate) fn key(incarnation: u64, index: u32) -> Key {
        Key::of(SHARD).u64(incarnation).u32(index).build()
    }

    /// The keys of every shard of an incarnation, in the order of their index.
    pub(crate) fn prefix(incarnation: u64) -> Key {
        Key::of(SHARD).u64(incarnation).build()
    }

    pub(crate) fn encode(shard: &Shard) -> Bytes {
        super::encode(&Self {
            log: shard.log.0,
            hash_first: shard.hash_first.0.to_be_bytes().into(),
            hash_last: shard.hash_last.0.to_be_bytes().into(),
            created_ms: shard.created.ms(),
            parent: shard.parent,
            adjacent_parent: shard.adjacent_parent,
            closed_at: shard.closed_at,
            closed_ms: shard.closed.map(Timestamp::ms),
            opened_ms: Some(shard.opened.ms()).filter(|opened| *opened != shard.created.ms()),
        })
    }

    pub(crate) fn decode(key: &Key, bytes: &[u8]) -> Result<Shard, StoreError> {
        let mut reader = key.reader();
        let index = reader.kind().and_then(|_| reader.u64()).and_then(|_| reader.u32());
        let index = index.ok_or_else(|| StoreError::Corrupt("the key of a shard fact".to_owned()))?;
        let row: Self = super::decode("shard", bytes)?;
        Ok(Shard {
            index,
            log: LogId(row.log),
            hash_first: HashKey(u128::from_be_bytes(*row.hash_first)),
            hash_last: HashKey(u128::from_be_bytes(*row.hash_last)),
            created: Timestamp::from_ms(row.created_ms),
            parent: row.parent,
            adjacent_parent: row.adjacent_parent,
            opened: Timestamp::from_ms(row.opened_ms.unwrap_or(row.created_ms)),
            closed: row.closed_ms.map(Timestamp::from_ms),
            closed_at: row.closed_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_survive_a_round_trip(
            index: u32, log: u64, first: u128, last: u128, created: (i64, i64),
            parents: (Option<u32>, Option<u32>), closed: (Option<i64>, Option<i64>),
        ) {
            let shard = Shard {
                index,
                log: LogId(log),
                hash_first: HashKey(first),
                hash_last: HashKey(last),
                created: Timestamp::from_ms(created.0),
                opened: Timestamp::from_ms(created.1),
                parent: parents.0,
                adjacent_parent: parents.1,
                closed: closed.0.map(Timestamp::from_ms),
                closed_at: closed.1,
            };
            let key = ShardRow::key(7, index);
            prop_assert!(key.starts_with(&ShardRow::prefix(7)));
            prop_assert_eq!(ShardRow::decode(&key, &ShardRow::encode(&shard)).unwrap(), shard);
        }

        #[test]
        fn foreign_bytes_never_panic(key: Vec<u8>, bytes: Vec<u8>) {
            let _ = ShardRow::decode(&Key::from_bytes(key.into()), &bytes);
        }
    }

    fn shard() -> Shard {
        Shard {
            index: 3,
            log: LogId(9),
            hash_first: HashKey(0),
            hash_last: HashKey(u128::MAX),
            created: Timestamp::from_ms(1000),
            opened: Timestamp::from_ms(1000),
            parent: Some(1),
            adjacent_parent: None,
            closed: None,
            closed_at: Some(5),
        }
    }

    #[test]
    fn version_1_reads_as_ever() {
        let shard = shard();
        let golden = "01870950000000000000000000000000000000005\
                      0ffffffffffffffffffffffffffffffff1903e801f605";
        assert_eq!(hex::encode(ShardRow::encode(&shard)), golden);
        assert_eq!(ShardRow::decode(&ShardRow::key(1, 3), &hex::decode(golden).unwrap()).unwrap(), shard);
    }
    #[test]
    fn version_1_with_times_reads_as_ever() {
        let shard =
            Shard { opened: Timestamp::from_ms(900), closed: Some(Timestamp::from_ms(2000)), ..shard() };
        let golden = "01890950000000000000000000000000000000005\
                      0ffffffffffffffffffffffffffffffff1903e801f6051907d0190384";
        assert_eq!(hex::encode(ShardRow::encode(&shard)), golden);
        assert_eq!(ShardRow::decode(&ShardRow::key(1, 3), &hex::decode(golden).unwrap()).unwrap(), shard);
    }
}
