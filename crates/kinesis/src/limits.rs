//! What AWS allows a shard, for streams that are told to keep to it: 1 MiB and 1,000 records a second
//! in, 2 MiB and five reads a second out.
//!
//! Off by default, since this node's disk is the capacity. Clients' behaviour under throttling can be
//! tested with it. Each limit is a bucket that holds a second's worth and fills evenly.
//!
//! **Invariants.** What is admitted in any second is at most twice the limit: what the bucket held
//! and what flowed in. One record or read that is larger than the bucket is admitted when it is full.
//!
//! **Failure.** Budgets are in memory: a restart fills them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use headwater_base::Timestamp;
use headwater_streams::{HashKey, NewRecord, Shard, Stream};

const WRITE_BYTES: i64 = 1 << 20;
const WRITE_RECORDS: i64 = 1000;
const READ_BYTES: i64 = 2 << 20;
const READS: i64 = 5;

/// How many shards have budgets at once; beyond it all begin anew.
const SHARDS_MAX: usize = 100_000;

/// Stands for every stream in a list of names.
const EVERY: &str = "*";

/// The limits and whom they hold.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    names: Vec<String>,
    budgets: Mutex<HashMap<(u64, u32), Budget>>,
}

/// What a shard has left.
#[derive(Debug)]
struct Budget {
    write_bytes: Bucket,
    write_records: Bucket,
    read_bytes: Bucket,
    reads: Bucket,
}

/// Something that fills at a rate per second, to a second's worth; counted in thousandths.
#[derive(Debug)]
struct Bucket {
    rate: i64,
    level: i64,
    at: Timestamp,
}

impl Limits {
    /// Limits for the streams of these names, `*` for all.
    pub(crate) fn of(names: Vec<String>) -> Self {
        Self { names, budgets: Mutex::default() }
    }

    /// Whether the stream keeps to them.
    pub(crate) fn hold(&self, stream: &Stream) -> bool {
        self.names.iter().any(|name| name == EVERY || name == stream.key.name.as_str())
    }

    /// The shard whose budget does not admit the record now, if that is so. `hash_key` is where the
    /// record will go, which with even distribution its own keys do not say.
    pub(crate) fn refuse_write<'a>(
        &self,
        stream: &'a Stream,
        record: &NewRecord,
        hash_key: HashKey,
        now: Timestamp,
    ) -> Option<&'a Shard> {
        let shard = stream.shard_for(hash_key)?;
        let bytes = (record.data.len() + record.partition_key.len()) as i64;
        let admitted = self.with(stream, shard, now, |budget| {
            let admits = budget.write_bytes.admits(bytes) && budget.write_records.admits(1);
            if admits {
                budget.write_bytes.take(bytes);
                budget.write_records.take(1);
            }
            admits
        });
        (!admitted).then_some(shard)
    }

    /// Whether the shard's budget admits a read now. What it returns is taken off afterwards.
    pub(crate) fn admit_read(&self, stream: &Stream, shard: &Shard, now: Timestamp) -> bool {
        self.with(stream, shard, now, |budget| {
            let admits = budget.reads.admits(1) && budget.read_bytes.level > 0;
            if admits {
                budget.reads.take(1);
            }
            admits
        })
    }

    /// Takes off what a read returned; more than there is makes the next reads wait.
    pub(crate) fn note_read(&self, stream: &Stream, shard: &Shard, bytes: usize, now: Timestamp) {
        self.with(stream, shard, now, |budget| budget.read_bytes.take(bytes as i64));
    }

    fn with<T>(
        &self,
        stream: &Stream,
        shard: &Shard,
        now: Timestamp,
        act: impl FnOnce(&mut Budget) -> T,
    ) -> T {
        let mut budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        if budgets.len() >= SHARDS_MAX {
            budgets.clear();
        }
        let budget = budgets.entry((stream.incarnation, shard.index)).or_insert_with(|| Budget::full(now));
        for bucket in
            [&mut budget.write_bytes, &mut budget.write_records, &mut budget.read_bytes, &mut budget.reads]
        {
            bucket.fill(now);
        }
        act(budget)
    }
}

impl Budget {
    fn full(now: Timestamp) -> Self {
        let bucket = |rate| Bucket { rate, level: rate * 1000, at: now };
        Self {
            write_bytes: bucket(WRITE_BYTES),
            write_records: bucket(WRITE_RECORDS),
            read_bytes: bucket(READ_BYTES),
            reads: bucket(READS),
        }
    }
}

impl Bucket {
    fn fill(&mut self, now: Timestamp) {
        let elapsed = i64::try_from(now.since(self.at).as_millis()).unwrap_or(i64::MAX);
        self.level = self.level.saturating_add(elapsed.saturating_mul(self.rate)).min(self.rate * 1000);
        self.at = self.at.max(now);
    }

    fn admits(&self, amount: i64) -> bool {
        self.level >= amount * 1000 || self.level == self.rate * 1000
    }

    fn take(&mut self, amount: i64) {
        self.level -= amount * 1000;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn bucket(rate: i64) -> Bucket {
        Bucket { rate, level: rate * 1000, at: Timestamp::EPOCH }
    }

    #[test]
    fn a_bucket_holds_a_second_and_fills_evenly() {
        let mut bucket = bucket(5);
        for _ in 0..5 {
            assert!(bucket.admits(1));
            bucket.take(1);
        }
        assert!(!bucket.admits(1));
        bucket.fill(Timestamp::from_ms(199));
        assert!(!bucket.admits(1));
        bucket.fill(Timestamp::from_ms(200));
        assert!(bucket.admits(1) && !bucket.admits(2));
        bucket.fill(Timestamp::EPOCH.plus(Duration::from_secs(60)));
        assert_eq!(bucket.level, 5000, "never more than a second's worth");
        bucket.fill(Timestamp::EPOCH);
        assert_eq!(bucket.level, 5000, "a clock that goes back takes nothing");
    }

    #[test]
    fn what_is_larger_than_a_full_bucket_is_admitted_and_paid_for() {
        let mut bucket = bucket(10);
        assert!(bucket.admits(45));
        bucket.take(45);
        bucket.fill(Timestamp::from_ms(3499));
        assert!(!bucket.admits(1));
        bucket.fill(Timestamp::from_ms(3600));
        assert!(bucket.admits(1));
    }
}
