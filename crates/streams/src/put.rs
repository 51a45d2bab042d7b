//! Putting records: place by hash key, one batch per shard, one commit.
//!
//! A commit holds at most 8 MiB, a PutRecords request up to 10 MiB: a larger put is committed in
//! parts, in order, each with a token of its own. The part that fails fails alone with all that
//! come after it. A record that is larger than a part is one by itself.
//!
//! Every commit expects the stream's guard as the shards were read with it. When the shards changed
//! meanwhile, it conflicts, and the part is routed again over the shards there are now.
//!
//! **Failure.** A retry with the same token finds what the first call committed, part by part, and
//! gets the same placements, also when the stream was resharded or got another distribution in between.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use headwater_base::OnceToken;
use headwater_store::{Appended, Commit, CommitError, Committed};

use crate::batch::{BatchBuilder, EXPLICIT_HASH_KEY};
use crate::records::guard_key;
use crate::{Distribution, HashKey, NewRecord, Placed, Shard, Stream, StreamError, StreamStatus, Streams};

/// The most bytes of records in one commit.
const PART_BYTES_MAX: usize = 7 << 20;

/// How often a part is routed anew against changes of the stream's shards.
const ROUTES_MAX: usize = 16;

/// A bound of what a record takes in a batch beside its key and data.
const RECORD_OVERHEAD_BYTES: usize = 64;

impl Streams {
    /// Appends records, durable on return; placed in the order given. With a token a repeated
    /// call returns the first call's placements.
    ///
    /// # Errors
    /// When any part of the put failed; records of earlier parts (puts beyond 7 MiB) may be there.
    pub async fn put(
        &self,
        stream: &Stream,
        records: Vec<NewRecord>,
        once: Option<OnceToken>,
    ) -> Result<Vec<Placed>, StreamError> {
        self.put_each(stream, &records, once).await.into_iter().collect()
    }

    /// Like [`Streams::put`], with an outcome for each record, in the order given. Records fail
    /// together: those of one part share their fate.
    pub async fn put_each(
        &self,
        stream: &Stream,
        records: &[NewRecord],
        once: Option<OnceToken>,
    ) -> Vec<Result<Placed, StreamError>> {
        self.put_each_at(stream, records, &self.hash_keys(stream, records, once), once).await
    }

    /// Like [`Streams::put_each`], for who has to know before where each record will go: `hash_keys`
    /// are those that [`Streams::hash_keys`] gave, one for each record.
    pub async fn put_each_at(
        &self,
        stream: &Stream,
        records: &[NewRecord],
        hash_keys: &[HashKey],
        once: Option<OnceToken>,
    ) -> Vec<Result<Placed, StreamError>> {
        let mut outcomes = Vec::with_capacity(records.len());
        let (mut rest, mut rest_keys) = (records, hash_keys);
        let mut known = Known { given: stream, newer: None };
        for part in 0u64.. {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at(part_len(rest));
            let (now_keys, later_keys) = rest_keys.split_at(now.len());
            let before = (records.len() - rest.len()) as u64;
            let token = once.map(|token| part_token(token, part));
            let part = Part { records: now, hashes: now_keys, token, put: once, before };
            match self.put_part(&mut known, &part).await {
                Ok(placed) => outcomes.extend(placed.into_iter().map(Ok)),
                Err(error) => {
                    outcomes.extend(rest.iter().map(|_| Err(error.clone())));
                    break;
                }
            }
            (rest, rest_keys) = (later, later_keys);
        }
        outcomes
    }

    async fn put_part(&self, known: &mut Known<'_>, part: &Part<'_>) -> Result<Vec<Placed>, StreamError> {
        let Part { records, hashes, .. } = *part;
        for _ in 0..ROUTES_MAX {
            let stream = known.stream();
            let groups = Groups::of(stream, records, hashes)?;
            let mut commit = groups
                .commit(stream, records, self.seams.clock.now().ms())
                .expect(guard_key(&stream.key, stream.incarnation), stream.guard);
            if let Some(token) = part.token {
                commit = commit.once(token);
            }
            match self.store.commit(commit).await {
                Ok(committed) if groups.match_commit(stream, &committed.appended) => {
                    return Ok(groups.placements(stream, &committed));
                }
                Ok(committed) => {
                    if let Some(placed) = part.recalled(stream, &committed) {
                        return Ok(placed);
                    }
                }
                Err(CommitError::Conflict(_)) => {}
                Err(error) => return Err(StreamError::of_commit(&stream.key, error)),
            }
            known.renew(self).await?;
        }
        Err(StreamError::NotActive(known.given.key.clone(), StreamStatus::Updating))
    }

    /// Where each record belongs. Even distribution steps around the ring by the golden ratio, from
    /// a place that a retry finds again by its token.
    pub fn hash_keys(&self, stream: &Stream, records: &[NewRecord], once: Option<OnceToken>) -> Vec<HashKey> {
        match stream.distribution {
            Distribution::PartitionKey => records.iter().map(NewRecord::hash_key).collect(),
            Distribution::Auto => {
                let start = once.map_or_else(
                    || u128::from(self.spread.fetch_add(records.len() as u64, Ordering::Relaxed)),
                    |token| u128::from_be_bytes(token.0),
                );
                steps(start, 0, records.len()).collect()
            }
        }
    }
}

/// Where `count` records go that are distributed evenly from `start` on, those after the first `before`.
fn steps(start: u128, before: u64, count: usize) -> impl Iterator<Item = HashKey> {
    let step = move |at: u64| HashKey(start.wrapping_add(u128::from(at)).wrapping_mul(GOLDEN_STEP));
    (before..before + count as u64).map(step)
}

/// 2^128 divided by the golden ratio, made odd: multiples of it spread evenly over the ring.
const GOLDEN_STEP: u128 = 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835;

/// What one commit of a put appends.
#[derive(Clone, Copy)]
struct Part<'a> {
    records: &'a [NewRecord],
    /// Where they go.
    hashes: &'a [HashKey],
    /// What it is recognised by, and what the put is.
    token: Option<OnceToken>,
    put: Option<OnceToken>,
    /// How many records of the put come before.
    before: u64,
}

impl Part<'_> {
    /// The placements of a remembered commit that was made when other shards were open, or when the stream
    /// distributed its records otherwise.
    fn recalled(&self, stream: &Stream, committed: &Committed) -> Option<Vec<Placed>> {
        let by_key = || recalled(stream, self.records.iter().map(NewRecord::hash_key), committed);
        let evenly = || {
            let start = u128::from_be_bytes(self.put?.0);
            recalled(stream, steps(start, self.before, self.records.len()), committed)
        };
        recalled(stream, self.hashes.iter().copied(), committed).or_else(by_key).or_else(evenly)
    }
}

/// The stream as a put was given it, or as it was found since.
struct Known<'a> {
    given: &'a Stream,
    newer: Option<Arc<Stream>>,
}

impl Known<'_> {
    fn stream(&self) -> &Stream {
        self.newer.as_deref().unwrap_or(self.given)
    }

    /// Reads the stream again, past the cache: a commit that was refused saw more than it holds.
    async fn renew(&mut self, streams: &Streams) -> Result<(), StreamError> {
        streams.cache.forget();
        let newer = streams.get(&self.given.key).await?;
        if newer.incarnation != self.given.incarnation {
            return Err(StreamError::NoSuchStream(self.given.key.clone()));
        }
        self.newer = Some(newer);
        Ok(())
    }
}

/// Records by the shard they go to.
struct Groups {
    /// For each record, its group.
    of_record: Vec<usize>,
    /// For each group, its shard's place in the stream, and how many records it has, of how many bytes.
    shards: Vec<(usize, u32, usize)>,
}

impl Groups {
    fn of(stream: &Stream, records: &[NewRecord], hashes: &[HashKey]) -> Result<Self, StreamError> {
        let mut group_of_shard: HashMap<usize, usize> = HashMap::new();
        let mut groups = Self { of_record: Vec::with_capacity(records.len()), shards: Vec::new() };
        for (record, hash) in records.iter().zip(hashes) {
            let nowhere = || StreamError::NotActive(stream.key.clone(), StreamStatus::Updating);
            let shard = stream.ring.position_of(*hash).ok_or_else(nowhere)?;
            let next = groups.shards.len();
            let group = *group_of_shard.entry(shard).or_insert(next);
            if group == next {
                groups.shards.push((shard, 0, 0));
            }
            groups.shards[group].1 += 1;
            groups.shards[group].2 += size_bound(record);
            groups.of_record.push(group);
        }
        Ok(groups)
    }

    fn commit(&self, stream: &Stream, records: &[NewRecord], now_ms: i64) -> Commit {
        let mut batches: Vec<BatchBuilder> =
            self.shards.iter().map(|(_, _, bytes)| BatchBuilder::with_capacity(now_ms, *bytes)).collect();
        for (record, group) in records.iter().zip(&self.of_record) {
            let key = Some(record.partition_key.as_bytes()).filter(|key| !key.is_empty());
            let batch = &mut batches[*group];
            match record.explicit_hash_key {
                None => batch.push(now_ms, key, Some(&record.data), &[]),
                Some(hash) => {
                    let header = (EXPLICIT_HASH_KEY, Some(&hash.0.to_be_bytes()[..]));
                    batch.push(now_ms, key, Some(&record.data), &[header]);
                }
            }
        }
        let logs = self.shards.iter().map(|(shard, ..)| stream.shards[*shard].log);
        logs.zip(batches).fold(Commit::new(), |commit, (log, batch)| commit.append(log, batch.finish()))
    }

    /// Whether the commit (perhaps the remembered one of an earlier call) placed these groups.
    fn match_commit(&self, stream: &Stream, appended: &[Appended]) -> bool {
        let groups = self.shards.iter().map(|(shard, count, _)| (stream.shards[*shard].log, *count));
        groups.eq(appended.iter().map(|a| (a.log, a.count)))
    }

    fn placements(&self, stream: &Stream, committed: &Committed) -> Vec<Placed> {
        let mut next: Vec<i64> = committed.appended.iter().map(|a| a.base_offset).collect();
        let place = |group: &usize| {
            let offset = next[*group];
            next[*group] += 1;
            placed(&stream.shards[self.shards[*group].0], offset, committed)
        };
        self.of_record.iter().map(place).collect()
    }
}

fn placed(shard: &Shard, offset: i64, committed: &Committed) -> Placed {
    let (shard, shard_created) = (shard.index, shard.created);
    Placed { shard, shard_created, offset, append_time: committed.append_time }
}

/// The placements of a remembered commit: each record is in the one shard of that commit whose range holds its
/// hash. `None` when `stream` is older than the shards of that commit, or the records went elsewhere.
fn recalled(
    stream: &Stream,
    hashes: impl Iterator<Item = HashKey>,
    committed: &Committed,
) -> Option<Vec<Placed>> {
    let mut left: Vec<(&Shard, Range<i64>)> = Vec::with_capacity(committed.appended.len());
    for appended in &committed.appended {
        let shard = stream.shards.iter().find(|shard| shard.log == appended.log)?;
        left.push((shard, appended.base_offset..appended.base_offset + i64::from(appended.count)));
    }
    let place = |hash: HashKey| {
        let (shard, offsets) = left.iter_mut().find(|(shard, _)| shard.takes(hash))?;
        Some(placed(shard, offsets.next()?, committed))
    };
    let placements: Option<Vec<Placed>> = hashes.map(place).collect();
    placements.filter(|_| left.iter().all(|(_, offsets)| offsets.is_empty()))
}

/// How many of the records fit one commit; at least one.
fn part_len(records: &[NewRecord]) -> usize {
    let mut bytes = 0;
    let fits = |record: &&NewRecord| {
        bytes += size_bound(record);
        bytes <= PART_BYTES_MAX
    };
    records.iter().take_while(fits).count().max(1)
}

fn size_bound(record: &NewRecord) -> usize {
    record.data.len() + record.partition_key.len() + RECORD_OVERHEAD_BYTES
}

fn part_token(token: OnceToken, part: u64) -> OnceToken {
    if part == 0 { token } else { OnceToken::derive(&[&token.0, &part.to_be_bytes()]) }
}
