//! The ledger: where every accepted record went.
//!
//! Per delivery and shard, in records of the input:
//! `position − start = delivered + dropped + dead_lettered + expired + discarded`, at any time.
//! What was accepted (`end − start`) and what still waits (`end − position`) follow from the log
//! itself, so nothing is counted in the path of a put. Rows are a second column: one record may
//! hold several.

use headwater_base::Timestamp;
use headwater_store::LogId;
use uuid::Uuid;

/// What became of records, and the rows they gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records in delivered objects.
    pub delivered: u64,
    /// Records that held nothing to deliver (empty ones).
    pub dropped: u64,
    /// Records in error objects, with their reason; an aggregated record of which any part is.
    pub dead_lettered: u64,
    /// Records that the stream's retention removed before they were read.
    pub expired: u64,
    /// Records that were given up when the delivery was deleted.
    pub discarded: u64,
    /// Rows in delivered objects.
    pub rows: u64,
    /// Lines in error objects beyond one for each dead-lettered record: of an aggregated record
    /// several user records may fail.
    pub further_letters: u64,
}

impl Counts {
    /// All records counted.
    pub fn records(&self) -> u64 {
        self.delivered + self.dropped + self.dead_lettered + self.expired + self.discarded
    }

    /// Adds what `other` counted.
    pub fn add(&mut self, other: &Self) {
        self.delivered += other.delivered;
        self.dropped += other.dropped;
        self.dead_lettered += other.dead_lettered;
        self.expired += other.expired;
        self.discarded += other.discarded;
        self.rows += other.rows;
        self.further_letters += other.further_letters;
    }
}

/// One shard's line in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerRow {
    /// The shard's index; 0 for records put to the delivery itself.
    pub shard: u32,
    /// The log it reads.
    pub log: LogId,
    /// The offset it began at.
    pub start: i64,
    /// The next offset to deliver.
    pub position: i64,
    /// What became of the records in between.
    pub counts: Counts,
}

impl LedgerRow {
    /// A shard from which nothing was read yet.
    pub fn beginning(shard: u32, log: LogId, start: i64) -> Self {
        Self { shard, log, start, position: start, counts: Counts::default() }
    }

    /// Whether every record is accounted for.
    pub fn meets(&self) -> bool {
        u64::try_from(self.position - self.start).is_ok_and(|read| read == self.counts.records())
    }
}

/// A ledger line with what follows from the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerLine {
    /// The stored row.
    pub row: LedgerRow,
    /// Records accepted since the start.
    pub accepted: u64,
    /// Records that wait to be delivered.
    pub buffered: u64,
}

/// A plan that was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedPlan {
    /// Its number within the delivery, from 0.
    pub number: u64,
    /// Its id: derives from source, ranges and versions.
    pub id: Uuid,
    /// The configuration it ran under.
    pub config_version: u64,
    /// The schema it converted to.
    pub schema_id: Option<u64>,
    /// What it read.
    pub ranges: Vec<CommittedRange>,
    /// How many objects it wrote.
    pub objects: u32,
    /// The arrival of the newest record in it.
    pub at: Timestamp,
}

/// One shard's part of a committed plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedRange {
    /// The shard.
    pub shard: u32,
    /// The first offset.
    pub from: i64,
    /// One past the last offset.
    pub to: i64,
    /// What became of the records.
    pub counts: Counts,
}

/// An object of a committed plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedObject {
    /// The bucket it was put to.
    pub bucket: String,
    /// Its key.
    pub key: String,
    /// Whether it holds records that could not be delivered.
    pub error: bool,
    /// Rows (or records) in it.
    pub rows: u64,
    /// Its length in bytes.
    pub size: u64,
    /// The SHA-256 of its body, in hex.
    pub sha256: String,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_row_meets_exactly_when_every_record_is_counted(
            start in 0i64..1000, n in [0u64..100, 0..100, 0..100, 0..100, 0..100], off in -2i64..3,
        ) {
            let counts = Counts { delivered: n[0], dropped: n[1], dead_lettered: n[2], expired: n[3], discarded: n[4], rows: 7, further_letters: 9 };
            let position = start + counts.records() as i64 + off;
            let row = LedgerRow { shard: 0, log: LogId(1), start, position, counts };
            prop_assert_eq!(row.meets(), off == 0);
        }
    }
}
