//! Kind `0x0106`: a shard whose retention has passed.
//!
//! ```text
//! ended  (0x0106, incarnation u64, index u32) -> EndedRow
//! ```
//!
//! Written when the shard's own fact goes, so that a delivery that had not read it to its end can
//! still say how many records were lost to it.

use bytes::Bytes;
use headwater_base::Timestamp;
use headwater_store::{Key, Kind, LogId, StoreError};
use minicbor::{Decode, Encode};

use crate::EndedShard;

const ENDED: Kind = Kind(0x0106);

/// An ended shard as it is stored; its index is in the key.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct EndedRow {
    #[n(0)]
    log: u64,
    #[n(1)]
    end: i64,
    #[n(2)]
    parent: Option<u32>,
    #[n(3)]
    adjacent_parent: Option<u32>,
    #[n(4)]
    closed_ms: i64,
}

impl EndedRow {
    pub(crate) fn key(incarnation: u64, index: u32) -> Key {
        Key::of(ENDED).u64(incarnation).u32(index).build()
    }

    /// The keys of every ended shard of an incarnation, in the order of their index.
    pub(crate) fn prefix(incarnation: u64) -> Key {
        Key::of(ENDED).u64(incarnation).build()
    }

    pub(crate) fn encode(shard: &EndedShard) -> Bytes {
        super::encode(&Self {
            log: shard.log.0,
            end: shard.end,
            parent: shard.parent,
            adjacent_parent: shard.adjacent_parent,
            closed_ms: shard.closed.ms(),
        })
    }

    pub(crate) fn decode(key: &Key, bytes: &[u8]) -> Result<EndedShard, StoreError> {
        let mut reader = key.reader();
        let index = reader.kind().and_then(|_| reader.u64()).and_then(|_| reader.u32());
        let index =
            index.ok_or_else(|| StoreError::Corrupt("the key of an ended shard's fact".to_owned()))?;
        let row: Self = super::decode("ended shard", bytes)?;
        Ok(EndedShard {
            index,
            log: LogId(row.log),
            parent: row.parent,
            adjacent_parent: row.adjacent_parent,
            end: row.end,
            closed: Timestamp::from_ms(row.closed_ms),
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
            index: u32, log: u64, end: i64, parents: (Option<u32>, Option<u32>), closed: i64,
        ) {
            let (parent, adjacent_parent) = parents;
            let closed = Timestamp::from_ms(closed);
            let shard = EndedShard { index, log: LogId(log), parent, adjacent_parent, end, closed };
            let key = EndedRow::key(7, index);
            prop_assert!(key.starts_with(&EndedRow::prefix(7)));
            prop_assert_eq!(EndedRow::decode(&key, &EndedRow::encode(&shard)).unwrap(), shard);
        }

        #[test]
        fn foreign_bytes_never_panic(key: Vec<u8>, bytes: Vec<u8>) {
            let _ = EndedRow::decode(&Key::from_bytes(key.into()), &bytes);
        }
    }

    #[test]
    fn version_1_reads_as_ever() {
        let (parent, adjacent_parent) = (Some(0), Some(1));
        let closed = Timestamp::from_ms(1000);
        let shard = EndedShard { index: 2, log: LogId(9), parent, adjacent_parent, end: 300, closed };
        let golden = "01850919012c00011903e8";
        assert_eq!(hex::encode(EndedRow::encode(&shard)), golden);
        assert_eq!(EndedRow::decode(&EndedRow::key(1, 2), &hex::decode(golden).unwrap()).unwrap(), shard);
    }
}
