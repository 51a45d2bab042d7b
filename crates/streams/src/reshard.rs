//! Resharding: splits, merges and changes of the shard count, each of them one commit.
//!
//! The commit closes parents, opens children, and rewrites the stream's guard, which every put
//! expects as it knew it: a put that was routed to a shard closed meanwhile is refused by the store
//! and routed again. So a parent's log ends with the commit, and its end need not be stored.
//! `docs/design/resharding.md` says it in full.
//!
//! **Invariants.** In every committed state the open shards' ranges tile the ring. A closed shard
//! takes nothing more; its children's sequence numbers are greater than all of its own. An index is
//! never used twice: the highest belongs to an open shard.
//!
//! **Failure.** A crash before the commit is durable leaves the stream as it was; after it the
//! change is complete.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use headwater_base::Timestamp;
use headwater_store::{Commit, Store};

use crate::lifecycle::rewriting;
use crate::records::{ShardRow, StreamRow};
use crate::{HashKey, SHARDS_MAX, Shard, Stream, StreamError, StreamStatus, Streams};

/// How often a stream's shard count may be changed within `SCALES_WITHIN`.
pub const SCALES_MAX: usize = 10;
/// See [`SCALES_MAX`].
const SCALES_WITHIN: Duration = Duration::from_secs(24 * 3600);
/// A boundary of evenly split shards that lies within this part of a shard of one that is there
/// already is taken to be that one, so that doubling is a split of each shard and nothing more.
const SNAP: u128 = 1000;

/// What [`Streams::scale`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scaled {
    /// How many shards were open before.
    pub before: u32,
    /// How many are open now.
    pub target: u32,
}

impl Streams {
    /// Splits a shard in two; `at` is the first hash key of the second.
    ///
    /// # Errors
    /// [`StreamError::NoSuchShard`], [`StreamError::ShardClosed`], [`StreamError::BadSplit`] unless
    /// `at` is at least two past the range's first key and before its last,
    /// [`StreamError::NotActive`] when the stream is being changed, or why the commit failed.
    pub async fn split(&self, stream: &Stream, index: u32, at: HashKey) -> Result<(), StreamError> {
        let _change = self.changes.begin(&stream.key, StreamStatus::Updating)?;
        let mut reshaping = self.reshaping(stream);
        let shard = reshaping.open(index)?;
        if at.0 <= shard.hash_first.0.saturating_add(1) || at >= shard.hash_last {
            return Err(StreamError::BadSplit(Box::new(shard), at));
        }
        check_count(stream.open_shards().count() + 1)?;
        reshaping.split(&shard, at);
        self.commit_reshaping(reshaping, StreamRow::of(stream)).await
    }

    /// Merges two shards, `second`'s range following `first`'s.
    ///
    /// # Errors
    /// [`StreamError::NoSuchShard`], [`StreamError::ShardClosed`], [`StreamError::NotAdjacent`],
    /// [`StreamError::NotActive`] when the stream is being changed, or why the commit failed.
    pub async fn merge(&self, stream: &Stream, first: u32, second: u32) -> Result<(), StreamError> {
        let _change = self.changes.begin(&stream.key, StreamStatus::Updating)?;
        let mut reshaping = self.reshaping(stream);
        let (a, b) = (reshaping.open(first)?, reshaping.open(second)?);
        if a.hash_last.0.checked_add(1) != Some(b.hash_first.0) {
            return Err(StreamError::NotAdjacent(first, second));
        }
        reshaping.merge(&a, &b);
        self.commit_reshaping(reshaping, StreamRow::of(stream)).await
    }

    /// Splits and merges until `target` shards of the same size are open.
    ///
    /// # Errors
    /// [`StreamError::ScaledTooFar`] beyond double or below half of the open shards,
    /// [`StreamError::TooMany`] beyond [`SHARDS_MAX`] or [`SCALES_MAX`] in a day,
    /// [`StreamError::NotActive`] when the stream is being changed, or why the commit failed.
    pub async fn scale(&self, stream: &Stream, target: u32) -> Result<Scaled, StreamError> {
        let _change = self.changes.begin(&stream.key, StreamStatus::Updating)?;
        let before = u32::try_from(stream.open_shards().count()).unwrap_or(u32::MAX);
        check_count(target as usize)?;
        if u64::from(target) > 2 * u64::from(before) || 2 * u64::from(target) < u64::from(before) {
            return Err(StreamError::ScaledTooFar { open: before, target });
        }
        let mut row = StreamRow::of(stream);
        let mut reshaping = self.reshaping(stream);
        row.scaled_ms = Some(self.count_scale(stream, reshaping.now)?);
        reshaping.scale(target);
        self.commit_reshaping(reshaping, row).await?;
        Ok(Scaled { before, target })
    }

    /// When the shard count was changed within the last day, now included.
    fn count_scale(&self, stream: &Stream, now: Timestamp) -> Result<Vec<i64>, StreamError> {
        let recent = stream.scaled.iter().filter(|time| now.since(**time) < SCALES_WITHIN);
        let mut times: Vec<i64> = recent.map(|time| time.ms()).collect();
        if times.len() >= SCALES_MAX {
            return Err(StreamError::TooMany {
                what: "changes of a stream's shard count in 24 hours",
                limit: SCALES_MAX,
            });
        }
        times.push(now.ms());
        Ok(times)
    }

    fn reshaping<'a>(&'a self, stream: &'a Stream) -> Reshaping<'a> {
        Reshaping {
            stream,
            store: &self.store,
            now: self.seams.clock.now(),
            first_new: stream.shards.last().map_or(0, |shard| shard.index + 1),
            shards: BTreeMap::new(),
        }
    }

    async fn commit_reshaping(&self, reshaping: Reshaping<'_>, row: StreamRow) -> Result<(), StreamError> {
        let stream = reshaping.stream;
        let mut commit = rewriting(Commit::new(), stream, row);
        for shard in reshaping.shards.values() {
            let key = ShardRow::key(stream.incarnation, shard.index);
            if shard.index >= reshaping.first_new {
                commit = commit.expect_absent(key.clone()).create_log(shard.log);
            }
            commit = commit.put(key, ShardRow::encode(shard));
        }
        self.commit_change(&stream.key, commit).await
    }
}

fn check_count(shards: usize) -> Result<(), StreamError> {
    if (1..=SHARDS_MAX as usize).contains(&shards) {
        return Ok(());
    }
    Err(StreamError::TooMany { what: "shards in a stream", limit: SHARDS_MAX as usize })
}

/// A change of a stream's shards, as far as it is worked out.
struct Reshaping<'a> {
    stream: &'a Stream,
    store: &'a Arc<dyn Store>,
    now: Timestamp,
    /// Shards from this index on are made by the change.
    first_new: u32,
    /// Every shard that the change makes or closes.
    shards: BTreeMap<u32, Shard>,
}

impl Reshaping<'_> {
    /// The shard of that index, if it is open.
    fn open(&self, index: u32) -> Result<Shard, StreamError> {
        let shard = self.shards.get(&index).or_else(|| self.stream.shard(index));
        let shard = shard.ok_or(StreamError::NoSuchShard(index))?;
        if shard.closed.is_some() {
            return Err(StreamError::ShardClosed(index));
        }
        Ok(shard.clone())
    }

    fn split(&mut self, shard: &Shard, at: HashKey) -> (Shard, Shard) {
        let end = HashKey(at.0 - 1);
        let parent = Some(shard.index);
        let created = self.after(&[shard]);
        self.close(shard);
        let low = self.bear((shard.hash_first, end), created, (parent, None));
        let high = self.bear((at, shard.hash_last), created, (parent, None));
        (low, high)
    }

    fn merge(&mut self, a: &Shard, b: &Shard) -> Shard {
        let created = self.after(&[a, b]);
        self.close(a);
        self.close(b);
        self.bear((a.hash_first, b.hash_last), created, (Some(a.index), Some(b.index)))
    }

    fn scale(&mut self, target: u32) {
        let mut pieces: VecDeque<Shard> = self.stream.open_shards().cloned().collect();
        pieces.make_contiguous().sort_by_key(|shard| shard.hash_first);
        let firsts: Vec<HashKey> = pieces.iter().map(|shard| shard.hash_first).collect();
        for last in even_ends(target, &firsts) {
            let mut whole: Option<Shard> = None;
            while let Some(mut piece) = pieces.pop_front() {
                if piece.hash_last > last {
                    let (low, high) = self.split(&piece, HashKey(last.0 + 1));
                    pieces.push_front(high);
                    piece = low;
                }
                let is_last = piece.hash_last == last;
                whole = Some(match whole {
                    Some(before) => self.merge(&before, &piece),
                    None => piece,
                });
                if is_last {
                    break;
                }
            }
        }
    }

    /// The creation time of a child: its sequence numbers begin after those of its parents.
    fn after(&self, parents: &[&Shard]) -> Timestamp {
        let after = parents.iter().map(|parent| parent.created.plus(Duration::from_secs(1)));
        after.fold(self.now, Timestamp::max)
    }

    fn close(&mut self, shard: &Shard) {
        let made_now = shard.index >= self.first_new;
        let closed = Shard {
            closed: Some(self.now.max(shard.opened)),
            closed_at: made_now.then_some(0),
            ..shard.clone()
        };
        self.shards.insert(shard.index, closed);
    }

    fn bear(
        &mut self,
        (hash_first, hash_last): (HashKey, HashKey),
        created: Timestamp,
        (parent, adjacent_parent): (Option<u32>, Option<u32>),
    ) -> Shard {
        let newest = self.shards.last_key_value().map_or(self.first_new, |(index, _)| index + 1);
        let index = newest.max(self.first_new);
        let log = self.store.new_log_id();
        let shard = Shard {
            index,
            log,
            hash_first,
            hash_last,
            created,
            opened: self.now,
            parent,
            adjacent_parent,
            closed: None,
            closed_at: None,
        };
        self.shards.insert(index, shard.clone());
        shard
    }
}

/// The last keys of `target` ranges of the same size, as far as existing boundaries allow.
fn even_ends(target: u32, firsts: &[HashKey]) -> Vec<HashKey> {
    let near = u128::MAX / u128::from(target.max(1)) / SNAP;
    let snapped = |end: HashKey| {
        // The key after the end is where an existing shard may begin.
        let at = firsts.partition_point(|first| first.0 <= end.0);
        let around = [at.checked_sub(1), Some(at)].into_iter().flatten().filter_map(|at| firsts.get(at));
        let ends = around.filter_map(|first| first.0.checked_sub(1));
        ends.filter(|there| there.abs_diff(end.0) <= near)
            .min_by_key(|there| there.abs_diff(end.0))
            .map_or(end, HashKey)
    };
    let ranges = HashKey::split_evenly(target);
    ranges.into_iter().map(|(_, end)| if end.0 == u128::MAX { end } else { snapped(end) }).collect()
}

#[cfg(test)]
mod tests;
