//! Putting records: place by hash key, one batch per shard, one commit.
//!
//! A commit holds at most 8 MiB, a PutRecords request up to 10 MiB: a larger put is committed in
//! parts, in order, each with a token of its own. The part that fails fails alone with all that
//! come after it.
//!
//! **Failure.** A retry with the same token finds what the first call committed, part by part, and
//! gets the same placements, also when the stream was resharded in between.

use std::collections::HashMap;

use headwater_base::OnceToken;
use headwater_store::{Appended, Commit, Committed};

use crate::batch::{BatchBuilder, EXPLICIT_HASH_KEY};
use crate::{HashKey, NewRecord, Placed, Stream, StreamError, Streams};

/// The most bytes of records in one commit.
const PART_BYTES_MAX: usize = 7 << 20;

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
        let mut outcomes = Vec::with_capacity(records.len());
        let mut rest = records;
        for part in 0u64.. {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at(part_len(rest));
            let token = once.map(|token| part_token(token, part));
            match self.put_part(stream, now, token).await {
                Ok(placed) => outcomes.extend(placed.into_iter().map(Ok)),
                Err(error) => {
                    outcomes.extend(rest.iter().map(|_| Err(error.clone())));
                    break;
                }
            }
            rest = later;
        }
        outcomes
    }

    async fn put_part(
        &self,
        stream: &Stream,
        records: &[NewRecord],
        once: Option<OnceToken>,
    ) -> Result<Vec<Placed>, StreamError> {
        let hashes: Vec<HashKey> = records.iter().map(NewRecord::hash_key).collect();
        let groups = Groups::of(stream, records, &hashes)?;
        let mut commit = groups.commit(stream, records, self.seams.clock.now().ms());
        if let Some(token) = once {
            commit = commit.once(token);
        }
        let committed =
            self.store.commit(commit).await.map_err(|error| StreamError::of_commit(&stream.key, error))?;
        if groups.match_commit(stream, &committed.appended) {
            return Ok(groups.placements(stream, &committed));
        }
        recalled(stream, &hashes, &committed)
    }
}

/// Records by the shard they go to.
struct Groups {
    /// For each record, its group.
    of_record: Vec<usize>,
    /// For each group, its shard's place in the stream, and the bytes of its records.
    shards: Vec<(usize, usize)>,
}

impl Groups {
    fn of(stream: &Stream, records: &[NewRecord], hashes: &[HashKey]) -> Result<Self, StreamError> {
        let mut group_of_shard: HashMap<usize, usize> = HashMap::new();
        let mut groups = Self { of_record: Vec::with_capacity(records.len()), shards: Vec::new() };
        for (record, hash) in records.iter().zip(hashes) {
            let shard =
                stream.ring.position_of(*hash).ok_or_else(|| StreamError::NotActive(stream.key.clone()))?;
            let next = groups.shards.len();
            let group = *group_of_shard.entry(shard).or_insert(next);
            if group == next {
                groups.shards.push((shard, 0));
            }
            groups.shards[group].1 += size_bound(record);
            groups.of_record.push(group);
        }
        Ok(groups)
    }

    fn commit(&self, stream: &Stream, records: &[NewRecord], now_ms: i64) -> Commit {
        let mut batches: Vec<BatchBuilder> =
            self.shards.iter().map(|(_, bytes)| BatchBuilder::with_capacity(now_ms, *bytes)).collect();
        for (record, group) in records.iter().zip(&self.of_record) {
            let key = Some(record.partition_key.as_bytes());
            let batch = &mut batches[*group];
            match record.explicit_hash_key {
                None => batch.push(now_ms, key, Some(&record.data), &[]),
                Some(hash) => {
                    let header = (EXPLICIT_HASH_KEY, Some(&hash.0.to_be_bytes()[..]));
                    batch.push(now_ms, key, Some(&record.data), &[header]);
                }
            }
        }
        let logs = self.shards.iter().map(|(shard, _)| stream.shards[*shard].log);
        logs.zip(batches).fold(Commit::new(), |commit, (log, batch)| commit.append(log, batch.finish()))
    }

    /// Whether the commit (perhaps the remembered one of an earlier call) placed these groups.
    fn match_commit(&self, stream: &Stream, appended: &[Appended]) -> bool {
        let logs = self.shards.iter().map(|(shard, _)| stream.shards[*shard].log);
        logs.eq(appended.iter().map(|a| a.log))
    }

    fn placements(&self, stream: &Stream, committed: &Committed) -> Vec<Placed> {
        let mut next: Vec<i64> = committed.appended.iter().map(|a| a.base_offset).collect();
        let place = |group: &usize| {
            let offset = next[*group];
            next[*group] += 1;
            let shard = stream.shards[self.shards[*group].0].index;
            Placed { shard, offset, append_time: committed.append_time }
        };
        self.of_record.iter().map(place).collect()
    }
}

/// The placements of a remembered commit that was made when other shards were open: each record is
/// in the one shard of that commit whose range holds it.
fn recalled(stream: &Stream, hashes: &[HashKey], committed: &Committed) -> Result<Vec<Placed>, StreamError> {
    let mut next: Vec<(usize, i64)> = Vec::with_capacity(committed.appended.len());
    for appended in &committed.appended {
        let shard = stream.shards.iter().position(|shard| shard.log == appended.log);
        let shard = shard.ok_or_else(|| StreamError::NoSuchStream(stream.key.clone()))?;
        next.push((shard, appended.base_offset));
    }
    let place = |hash: &HashKey| {
        let taken = next.iter_mut().find(|(shard, _)| stream.shards[*shard].takes(*hash));
        let (shard, offset) = taken.ok_or_else(|| StreamError::NotActive(stream.key.clone()))?;
        *offset += 1;
        let shard = stream.shards[*shard].index;
        Ok(Placed { shard, offset: *offset - 1, append_time: committed.append_time })
    };
    hashes.iter().map(place).collect()
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
