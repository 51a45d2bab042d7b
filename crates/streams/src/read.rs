//! Reading records from shards, by offset and by time.

use std::time::Duration;

use bytes::Bytes;
use headwater_base::Timestamp;
use headwater_store::{Bounds, LogId, StoreError, StoredBatch};
use headwater_work::Work;

use crate::memory::Share;
use crate::{PartitionKey, Shard, ShardRead, StreamError, StreamRecord, Streams, batch};

/// Reads from this size on, more than an event of a subscription has, are taken apart on the blocking pool.
const GATHERED_ASIDE_BYTES_MIN: usize = 1 << 20;

/// The most bytes of data in a page that a client reads; more only if one record alone is larger.
pub const PAGE_BYTES_MAX: usize = 10 << 20;

/// The same while there is no memory for such a page. No less: batches are read whole, and shorter pages would
/// read a large one again and again.
const SCARCE_PAGE_BYTES_MAX: usize = 1 << 20;

/// The most bytes of pages that clients have not taken yet, as they are sent; more only for one scarce page, or one
/// record, to each request.
pub const ANSWERS_BYTES_MAX: usize = if cfg!(test) { 40 << 20 } else { 1 << 30 };

/// What a reader is behind at least while anything is left: zero tells it that nothing is.
const BEHIND_MIN: Duration = Duration::from_millis(1);

impl Streams {
    /// Reads up to `max_records` records of a shard, and about `max_bytes` of data (at least one
    /// record if there is any), from offset `from` on; from the start of what is left if `from` has
    /// been trimmed away.
    ///
    /// # Errors
    /// [`StreamError::OffsetOutOfRange`] past the shard's end; [`StreamError::Gone`] when the stream
    /// was deleted.
    pub async fn read(
        &self,
        shard: &Shard,
        from: i64,
        max_records: usize,
        max_bytes: usize,
    ) -> Result<ShardRead, StreamError> {
        let batches = self.store.read(shard.log, from, max_bytes).await?;
        let bounds = self.store.bounds(shard.log).await?;
        if from < 0 || from > bounds.end {
            return Err(StreamError::OffsetOutOfRange(from));
        }
        let bytes: usize = batches.iter().map(|stored| stored.payload.len()).sum();
        let gathered = Gathered { from, records: Vec::new(), bytes: 0, max_records, max_bytes };
        let now = self.seams.clock.now();
        let gather = move || gathered.gather(&batches, &bounds, now);
        if bytes < GATHERED_ASIDE_BYTES_MIN { gather() } else { Work::blocking(gather).await }
    }

    /// Reads a page of a shard for a client: as [`Streams::read`] does, up to `max_records` records and
    /// [`PAGE_BYTES_MAX`] of data, or less while clients have not taken [`ANSWERS_BYTES_MAX`] of pages; and the
    /// page's share of these, to be kept until the client has it.
    ///
    /// # Errors
    /// Those of [`Streams::read`].
    pub async fn read_page(
        &self,
        shard: &Shard,
        from: i64,
        max_records: usize,
    ) -> Result<(ShardRead, Share), StreamError> {
        let (max_bytes, mut share) = self.room(max_records);
        let read = self.read(shard, from, max_records, max_bytes).await?;
        self.answers.fit(&mut share, &read.records);
        Ok((read, share))
    }

    /// How many bytes the next page may have, and the memory for it.
    fn room(&self, max_records: usize) -> (usize, Share) {
        match self.answers.take(max_records, PAGE_BYTES_MAX) {
            Some(share) => (PAGE_BYTES_MAX, share),
            None => (SCARCE_PAGE_BYTES_MAX, Share::nothing()),
        }
    }

    /// The first offset appended at or after `time`; the end if none was.
    ///
    /// # Errors
    /// The store's.
    pub async fn offset_at(&self, shard: &Shard, time: Timestamp) -> Result<i64, StreamError> {
        Ok(self.store.offset_at(shard.log, time).await?)
    }

    /// Where a shard's records begin and end.
    ///
    /// # Errors
    /// The store's.
    pub async fn bounds(&self, shard: &Shard) -> Result<Bounds, StreamError> {
        Ok(self.store.bounds(shard.log).await?)
    }

    /// Raw batches of a log, for deliveries that decode in bulk (see [`crate::batch::records`]).
    ///
    /// # Errors
    /// The store's.
    pub async fn read_batches(
        &self,
        log: LogId,
        from: i64,
        max_bytes: usize,
    ) -> Result<Vec<StoredBatch>, StreamError> {
        Ok(self.store.read(log, from, max_bytes).await?)
    }
}

/// What a read has so far.
struct Gathered {
    from: i64,
    records: Vec<StreamRecord>,
    bytes: usize,
    max_records: usize,
    max_bytes: usize,
}

impl Gathered {
    fn gather(
        mut self,
        batches: &[StoredBatch],
        bounds: &Bounds,
        now: Timestamp,
    ) -> Result<ShardRead, StreamError> {
        for stored in batches {
            if !self.take(stored)? {
                break;
            }
        }
        Ok(self.finish(batches, bounds, now))
    }

    /// Takes a batch's records; `false` when that is enough.
    fn take(&mut self, stored: &StoredBatch) -> Result<bool, StreamError> {
        let records = batch::records(&stored.payload).map_err(|error| corrupt(stored, &error))?;
        for record in records {
            let record = record.map_err(|error| corrupt(stored, &error))?;
            let offset = stored.base_offset + i64::from(record.offset_delta);
            if offset < self.from {
                continue;
            }
            let data = record.value.unwrap_or_default();
            let key = record.key.unwrap_or_default();
            let bytes = self.bytes + data.len() + key.len();
            if self.records.len() >= self.max_records || (bytes > self.max_bytes && !self.records.is_empty())
            {
                return Ok(false);
            }
            self.bytes = bytes;
            self.push(offset, stored.append_time, key, data);
        }
        Ok(true)
    }

    fn push(&mut self, offset: i64, append_time: Timestamp, key: Bytes, data: Bytes) {
        let partition_key = PartitionKey::from_bytes(key);
        self.records.push(StreamRecord { offset, append_time, partition_key, data });
    }

    fn finish(self, batches: &[StoredBatch], bounds: &Bounds, now: Timestamp) -> ShardRead {
        let next = match self.records.last() {
            Some(last) => last.offset + 1,
            // Nothing to return: what was read, if anything, holds only offsets without records.
            None => {
                batches.last().map_or(self.from, StoredBatch::next_offset).max(self.from).max(bounds.start)
            }
        };
        let at = self.records.last().map(|last| last.append_time);
        let at = at.or_else(|| batches.last().map(|passed| passed.append_time));
        let behind = match at {
            _ if next >= bounds.end => Duration::ZERO,
            Some(at) => now.since(at).max(BEHIND_MIN),
            // What is left came after the batches were read: just now.
            None => BEHIND_MIN,
        };
        ShardRead { records: self.records, next, end: bounds.end, behind }
    }
}

fn corrupt(stored: &StoredBatch, error: &batch::BatchError) -> StreamError {
    StreamError::Store(StoreError::Corrupt(format!("the batch at offset {}: {error}", stored.base_offset)))
}
