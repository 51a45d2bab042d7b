//! A shard's position and ledger row, and the head of a delivery.

use std::num::NonZeroU64;

use minicbor::{Decode, Encode};

use super::Record;
use crate::ledger::{Counts, LedgerRow};

/// The stored form of [`LedgerRow`]; the shard is in the key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct PositionRecord {
    #[n(0)]
    log: u64,
    #[n(1)]
    start: i64,
    #[n(2)]
    position: i64,
    #[n(3)]
    counts: CountsRecord,
}

/// The stored form of [`Counts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct CountsRecord {
    #[n(0)]
    delivered: u64,
    #[n(1)]
    dropped: u64,
    #[n(2)]
    dead_lettered: u64,
    #[n(3)]
    expired: u64,
    #[n(4)]
    discarded: u64,
    #[n(5)]
    rows: u64,
    /// Not there when zero: so it was before aggregated records were split.
    #[n(6)]
    further_letters: Option<NonZeroU64>,
}

/// How many plans a delivery has committed: the next one's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct HeadRecord {
    /// The number of the next plan.
    #[n(0)]
    pub(crate) next_plan: u64,
}

impl Record for PositionRecord {
    const KIND: &'static str = "position";
}

impl Record for HeadRecord {
    const KIND: &'static str = "delivery head";
}

impl From<&LedgerRow> for PositionRecord {
    fn from(row: &LedgerRow) -> Self {
        Self { log: row.log.0, start: row.start, position: row.position, counts: (&row.counts).into() }
    }
}

impl PositionRecord {
    /// The row of this shard.
    pub(crate) fn into_row(self, shard: u32) -> LedgerRow {
        LedgerRow {
            shard,
            log: headwater_store::LogId(self.log),
            start: self.start,
            position: self.position,
            counts: self.counts.into(),
        }
    }
}

impl From<&Counts> for CountsRecord {
    fn from(counts: &Counts) -> Self {
        let Counts { delivered, dropped, dead_lettered, expired, discarded, rows, further_letters } = *counts;
        let further_letters = NonZeroU64::new(further_letters);
        Self { delivered, dropped, dead_lettered, expired, discarded, rows, further_letters }
    }
}

impl From<CountsRecord> for Counts {
    fn from(record: CountsRecord) -> Self {
        let CountsRecord { delivered, dropped, dead_lettered, expired, discarded, rows, further_letters } =
            record;
        let further_letters = further_letters.map_or(0, NonZeroU64::get);
        Self { delivered, dropped, dead_lettered, expired, discarded, rows, further_letters }
    }
}

#[cfg(test)]
mod tests {
    use headwater_store::LogId;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_are_as_released() {
        let counts = Counts {
            delivered: 1,
            dropped: 2,
            dead_lettered: 3,
            expired: 4,
            discarded: 5,
            rows: 6,
            further_letters: 0,
        };
        let row = LedgerRow { shard: 0, log: LogId(9), start: -1, position: 10, counts };
        let bytes = PositionRecord::from(&row).to_value();
        assert_eq!(hex::encode(&bytes), "018409200a86010203040506");
        assert_eq!(PositionRecord::from_value(&bytes).unwrap().into_row(0), row);
        let row = LedgerRow { counts: Counts { further_letters: 7, ..counts }, ..row };
        assert_eq!(hex::encode(PositionRecord::from(&row).to_value()), "018409200a8701020304050607");
        assert_eq!(hex::encode(HeadRecord { next_plan: 3 }.to_value()), "018103");
    }

    proptest! {
        #[test]
        fn rows_read_back(shard: u32, log: u64, start: i64, position: i64, n: [u64; 7]) {
            let counts = Counts { delivered: n[0], dropped: n[1], dead_lettered: n[2], expired: n[3], discarded: n[4], rows: n[5], further_letters: n[6] };
            let row = LedgerRow { shard, log: LogId(log), start, position, counts };
            let read = PositionRecord::from_value(&PositionRecord::from(&row).to_value()).unwrap().into_row(shard);
            prop_assert_eq!(read, row);
        }

        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            let _ = PositionRecord::from_value(&bytes);
            let _ = HeadRecord::from_value(&bytes);
        }
    }
}
