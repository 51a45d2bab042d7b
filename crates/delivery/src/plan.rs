//! What is due: exact ranges, decided from the committed positions.
//!
//! [`Gauge`] measures what waits in each shard, batch by batch, and keeps its measure between
//! looks, so a quiet delivery costs nothing and a busy one reads each batch's header once more
//! than it must. A [`Plan`] is cut when the gauge says that it is time.
//!
//! **Invariants.** A plan's ranges begin exactly at the committed positions. A child shard is not
//! read before its parents are read to their end. Equal plans have equal ids.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use headwater_base::Timestamp;
use headwater_catalog::Table;
use headwater_store::{LogId, Lsn, Store, StoreError};
use headwater_streams::{EndedShard, Shard, Stream};
use uuid::Uuid;

use crate::definition::{Buffering, Delivery};
use crate::ledger::LedgerRow;
use crate::records::position::HeadRecord;

/// How much one look at a shard reads before it turns to the next.
const LOOK_BYTES: usize = 1 << 20;

/// A shard as planning sees it.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    /// The committed row, or the beginning of a shard that has none yet.
    pub(crate) row: LedgerRow,
    /// The version of the stored row; `None` if there is none yet.
    pub(crate) version: Option<Lsn>,
    /// Set for a shard that has left its stream: what was not read of it has expired.
    pub(crate) gone: Option<Gone>,
}

/// Where a shard that has left its stream ended, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gone {
    pub(crate) end: i64,
    pub(crate) closed: Timestamp,
}

impl Lane {
    /// A shard that can be read.
    pub(crate) fn of(row: &LedgerRow, version: Option<Lsn>) -> Self {
        Self { row: *row, version, gone: None }
    }
}

/// The part of a plan that one shard has.
#[derive(Clone, Debug)]
pub(crate) struct PlanRange {
    /// Where the shard stands.
    pub(crate) lane: Lane,
    /// One past the last offset to deliver.
    pub(crate) to: i64,
}

impl PlanRange {
    /// The first offset to deliver.
    pub(crate) fn from(&self) -> i64 {
        self.lane.row.position
    }
}

/// What to deliver next.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Derives from everything below that decides the output.
    pub(crate) id: Uuid,
    /// For whom.
    pub(crate) delivery: Arc<Delivery>,
    /// What to read, by shard; none of it empty.
    pub(crate) ranges: Vec<PlanRange>,
    /// The schema to convert to.
    pub(crate) table: Option<Arc<Table>>,
    /// The stream that is read, to be checked at the commit.
    pub(crate) stream: Option<Arc<Stream>>,
    /// The arrival of the newest record.
    pub(crate) newest: Timestamp,
    /// The delivery's head as it was planned upon.
    pub(crate) head: (HeadRecord, Lsn),
}

impl Plan {
    /// The id of a plan with these parts.
    pub(crate) fn id_of(delivery: &Delivery, table: Option<&Table>, ranges: &[PlanRange]) -> Uuid {
        let mut name = delivery.source.identity().to_vec();
        name.extend_from_slice(&delivery.incarnation.to_be_bytes());
        name.extend_from_slice(&delivery.config_version.to_be_bytes());
        if let Some(table) = table {
            name.extend_from_slice(&table.incarnation.to_be_bytes());
            name.extend_from_slice(&table.schema_id.to_be_bytes());
        }
        for range in ranges {
            name.extend_from_slice(&range.lane.row.shard.to_be_bytes());
            name.extend_from_slice(&range.from().to_be_bytes());
            name.extend_from_slice(&range.to.to_be_bytes());
        }
        Uuid::new_v5(&Uuid::NAMESPACE_OID, &name)
    }
}

/// What waits in one shard.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    from: i64,
    to: i64,
    bytes: u64,
    /// Arrivals of the oldest and newest record between `from` and `to`, if there is any.
    oldest: Option<Timestamp>,
    newest: Timestamp,
}

/// Measures what waits.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    shards: BTreeMap<u32, Waiting>,
}

/// When to deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing waits.
    Never,
    /// At this moment, unless the size is reached before.
    At(Timestamp),
    /// Now.
    Now,
}

impl Gauge {
    /// Measures on from where the last look ended, until `limit` bytes wait.
    pub(crate) async fn look(
        &mut self,
        store: &dyn Store,
        lanes: &[Lane],
        limit: u64,
    ) -> Result<(), StoreError> {
        let shards: Vec<u32> = lanes.iter().map(|lane| lane.row.shard).collect();
        self.shards.retain(|shard, _| shards.contains(shard));
        for lane in lanes {
            self.place(lane.row.shard, lane.row.position);
            if let Some(gone) = lane.gone {
                self.pass_over(lane.row.shard, gone);
            }
        }
        let readable = lanes.iter().filter(|lane| lane.gone.is_none());
        let mut open: Vec<(u32, LogId)> = readable.map(|lane| (lane.row.shard, lane.row.log)).collect();
        while !open.is_empty() && self.bytes() < limit {
            let mut more = Vec::with_capacity(open.len());
            for (shard, log) in open {
                let room = limit.saturating_sub(self.bytes());
                if room > 0 && self.look_at(store, shard, log, room).await? {
                    more.push((shard, log));
                }
            }
            open = more;
        }
        Ok(())
    }

    /// When what waits is due.
    pub(crate) fn due(&self, buffering: Buffering, now: Timestamp) -> Due {
        let Some(oldest) = self.oldest() else { return Due::Never };
        let at = oldest.plus(buffering.interval);
        if self.bytes() >= buffering.size.bytes() || at <= now { Due::Now } else { Due::At(at) }
    }

    /// Arrival of the oldest record that waits.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        self.shards.values().filter_map(|waiting| waiting.oldest).min()
    }

    /// Arrival of the newest record measured.
    pub(crate) fn newest(&self) -> Timestamp {
        self.shards.values().map(|waiting| waiting.newest).max().unwrap_or(Timestamp::EPOCH)
    }

    /// The ranges measured, by shard, without the empty ones.
    pub(crate) fn ranges(&self, lanes: &[Lane]) -> Vec<PlanRange> {
        lanes
            .iter()
            .filter_map(|lane| {
                let waiting = self.shards.get(&lane.row.shard)?;
                (waiting.to > lane.row.position).then(|| PlanRange { lane: lane.clone(), to: waiting.to })
            })
            .collect()
    }

    /// Whether at least `limit` bytes wait.
    pub(crate) fn full(&self, limit: u64) -> bool {
        self.bytes() >= limit
    }

    /// How many bytes wait, as far as measured.
    pub(crate) fn bytes(&self) -> u64 {
        self.shards.values().map(|waiting| waiting.bytes).sum()
    }

    /// Forgets what was measured of a shard if its position moved.
    fn place(&mut self, shard: u32, position: i64) {
        let fresh =
            Waiting { from: position, to: position, bytes: 0, oldest: None, newest: Timestamp::EPOCH };
        let waiting = self.shards.entry(shard).or_insert(fresh);
        if waiting.from != position {
            *waiting = fresh;
        }
    }

    /// What is left of a shard that is gone is to be accounted for.
    fn pass_over(&mut self, shard: u32, gone: Gone) {
        if let Some(waiting) = self.shards.get_mut(&shard) {
            waiting.to = gone.end;
            waiting.oldest = Some(gone.closed);
            waiting.newest = gone.closed;
        }
    }

    /// One look; whether there may be more.
    async fn look_at(
        &mut self,
        store: &dyn Store,
        shard: u32,
        log: LogId,
        room: u64,
    ) -> Result<bool, StoreError> {
        let Some(waiting) = self.shards.get_mut(&shard) else { return Ok(false) };
        let most = LOOK_BYTES.min(usize::try_from(room).unwrap_or(LOOK_BYTES));
        let batches = store.read(log, waiting.to, most).await?;
        if batches.is_empty() && waiting.oldest.is_none() {
            // Retention may have removed all that waited: that, too, is to be accounted for.
            let bounds = store.bounds(log).await?;
            if bounds.start > waiting.to {
                waiting.to = bounds.start;
                waiting.oldest = Some(bounds.last_append_time);
                waiting.newest = bounds.last_append_time;
            }
        }
        for batch in &batches {
            waiting.bytes += batch.payload.len() as u64;
            waiting.to = waiting.to.max(batch.next_offset());
            waiting.oldest =
                Some(waiting.oldest.map_or(batch.append_time, |oldest| oldest.min(batch.append_time)));
            waiting.newest = waiting.newest.max(batch.append_time);
        }
        Ok(!batches.is_empty())
    }
}

/// The shards of a stream that may be read now: those whose parents are read to their end (or
/// have left the stream), and what is unread of those that have left it.
pub(crate) fn readable(shards: &[Shard], ended: &[EndedShard], rows: &[(LedgerRow, Lsn)]) -> Vec<Lane> {
    let row_of: HashMap<u32, &(LedgerRow, Lsn)> = rows.iter().map(|found| (found.0.shard, found)).collect();
    let finished = |index: u32| {
        let Ok(at) = shards.binary_search_by_key(&index, |shard| shard.index) else { return true };
        let position = row_of.get(&index).map_or(0, |(row, _)| row.position);
        shards[at].closed_at.is_some_and(|end| position >= end)
    };
    let lane = |shard: &Shard| match row_of.get(&shard.index) {
        Some((row, version)) => Lane::of(row, Some(*version)),
        None => Lane::of(&LedgerRow::beginning(shard.index, shard.log, 0), None),
    };
    let mut lanes: Vec<Lane> =
        shards.iter().filter(|shard| shard.parents().all(finished)).map(lane).collect();
    lanes.extend(missed(ended, rows));
    lanes
}

/// What was not read of shards before they left their stream. A shard without a row counts if it
/// descends from one with a row: others had ended before the delivery began.
pub(crate) fn missed(ended: &[EndedShard], rows: &[(LedgerRow, Lsn)]) -> Vec<Lane> {
    let mut known: HashMap<u32, Option<(LedgerRow, Lsn)>> =
        rows.iter().map(|found| (found.0.shard, Some(*found))).collect();
    let mut lanes = Vec::new();
    for shard in ended {
        let descends =
            shard.parent.into_iter().chain(shard.adjacent_parent).any(|index| known.contains_key(&index));
        let stored = match known.get(&shard.index) {
            Some(stored) => *stored,
            None if descends => {
                known.insert(shard.index, None);
                None
            }
            None => continue,
        };
        let row = stored.map_or_else(|| LedgerRow::beginning(shard.index, shard.log, 0), |(row, _)| row);
        if row.position < shard.end {
            let gone = Some(Gone { end: shard.end, closed: shard.closed });
            lanes.push(Lane { row, version: stored.map(|(_, version)| version), gone });
        }
    }
    lanes
}

#[cfg(test)]
mod tests {
    use headwater_streams::HashKey;

    use super::*;

    fn shard(index: u32, parent: Option<u32>, closed_at: Option<i64>) -> Shard {
        Shard {
            index,
            log: LogId(u64::from(index) + 100),
            hash_first: HashKey(0),
            hash_last: HashKey(u128::MAX),
            created: Timestamp::EPOCH,
            opened: Timestamp::EPOCH,
            parent,
            adjacent_parent: None,
            closed: closed_at.map(|_| Timestamp::EPOCH),
            closed_at,
        }
    }

    fn ended(index: u32, parent: Option<u32>, end: i64) -> EndedShard {
        let log = LogId(u64::from(index) + 100);
        EndedShard { index, log, parent, adjacent_parent: None, end, closed: Timestamp::EPOCH }
    }

    fn row(shard: u32, position: i64) -> (LedgerRow, Lsn) {
        (LedgerRow { position, ..LedgerRow::beginning(shard, LogId(u64::from(shard) + 100), 0) }, Lsn(1))
    }

    #[track_caller]
    fn check(shards: &[Shard], ended: &[EndedShard], rows: &[(LedgerRow, Lsn)], want: &[(u32, i64)]) {
        let lanes = readable(shards, ended, rows);
        let seen: Vec<(u32, i64)> = lanes.iter().map(|lane| (lane.row.shard, lane.row.position)).collect();
        assert_eq!(seen, want);
    }

    #[test]
    fn children_wait_for_their_parents() {
        let family = [shard(0, None, Some(10)), shard(1, Some(0), None), shard(2, Some(0), None)];
        check(&family, &[], &[row(0, 4)], &[(0, 4)]);
        check(&family, &[], &[row(0, 10)], &[(0, 10), (1, 0), (2, 0)]);
        // A parent that has left the stream is waited for no longer.
        check(&family[1..], &[], &[row(0, 10)], &[(1, 0), (2, 0)]);
        check(&[shard(0, None, None), shard(1, None, None)], &[], &[row(0, 3)], &[(0, 3), (1, 0)]);
        let merged = Shard { adjacent_parent: Some(1), ..shard(2, Some(0), None) };
        let family = [shard(0, None, Some(5)), shard(1, None, Some(6)), merged];
        check(&family, &[], &[row(0, 5), row(1, 5)], &[(0, 5), (1, 5)]);
        check(&family, &[], &[row(0, 5), row(1, 6)], &[(0, 5), (1, 6), (2, 0)]);
    }

    #[test]
    fn what_left_the_stream_unread_is_still_to_be_accounted_for() {
        let open = [shard(4, Some(3), None)];
        let gone = [ended(0, None, 10), ended(1, Some(0), 7), ended(2, None, 9), ended(3, Some(1), 0)];
        // Shard 2 had ended before the delivery began; shard 3 held nothing.
        check(&open, &gone, &[row(0, 4)], &[(4, 0), (0, 4), (1, 0)]);
        check(&open, &gone, &[row(0, 10), row(1, 7)], &[(4, 0)]);
        check(&open, &gone, &[row(4, 1)], &[(4, 1)]);
    }
}
