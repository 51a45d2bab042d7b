//! Streams, shards and records as the engine means them.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use headwater_base::Timestamp;
use headwater_store::{LogId, Lsn};
use md5::{Digest, Md5};

use crate::StreamKey;

/// The shortest time records are kept.
pub const RETENTION_MIN: Duration = Duration::from_secs(24 * 3600);
/// The longest time records are kept: 365 days.
pub const RETENTION_MAX: Duration = Duration::from_secs(8760 * 3600);
/// The most shards one stream is created with.
pub const SHARDS_MAX: u32 = 10_000;
/// The most tags one stream has.
pub const TAGS_MAX: usize = 50;
/// The largest record a stream takes unless it was told otherwise: data and partition key.
pub const RECORD_BYTES: usize = 1 << 20;
/// The largest record any stream takes.
pub const RECORD_BYTES_MAX: usize = 10 << 20;

/// A position on the ring of 128-bit hash keys.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct HashKey(pub u128);

impl HashKey {
    /// Where a partition key lies: its MD5.
    pub fn of(partition_key: &str) -> Self {
        Self(u128::from_be_bytes(Md5::digest(partition_key.as_bytes()).into()))
    }

    /// The ring cut into `shards` ranges of the same size (the last takes what is left over).
    pub fn split_evenly(shards: u32) -> Vec<(Self, Self)> {
        let n = u128::from(shards.max(1));
        let (size, rest) = (u128::MAX / n, u128::MAX % n);
        let size = if rest == n - 1 { size.saturating_add(1) } else { size };
        (0..n)
            .map(|i| {
                let last = if i + 1 == n { u128::MAX } else { (i + 1) * size - 1 };
                (Self(i * size), Self(last))
            })
            .collect()
    }
}

/// How capacity is managed. Stored and echoed; this node's disk is the capacity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StreamMode {
    /// A fixed number of shards.
    Provisioned,
    /// On demand.
    OnDemand,
}

/// Where a stream is in its life. A change is one commit, so everything but `Active` lasts as long
/// as a commit takes to be durable; see [`crate::Streams::status`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StreamStatus {
    /// Being made.
    Creating,
    /// In use.
    Active,
    /// Being resharded or changed.
    Updating,
    /// Being removed.
    Deleting,
}

/// How records find their shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Distribution {
    /// By their explicit hash key or the MD5 of their partition key.
    #[default]
    PartitionKey,
    /// Evenly, whatever keys they have; records need none.
    Auto,
}

/// Which shard-level metrics are switched on: a bit for each of the seven, in the order of
/// [`Monitoring::NAMES`]. Stored and echoed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Monitoring(pub u8);

impl Monitoring {
    /// What the bits mean, lowest first.
    pub const NAMES: [&'static str; 7] = [
        "IncomingBytes",
        "IncomingRecords",
        "OutgoingBytes",
        "OutgoingRecords",
        "WriteProvisionedThroughputExceeded",
        "ReadProvisionedThroughputExceeded",
        "IteratorAgeMilliseconds",
    ];

    /// The names of the metrics that are on.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let is_on = move |bit: &(usize, &str)| self.0 & (1 << bit.0) != 0;
        Self::NAMES.into_iter().enumerate().filter(is_on).map(|(_, name)| name)
    }
}

/// Encryption flags, stored and echoed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Encryption {
    /// The KMS key id as given.
    pub key_id: String,
}

/// A stream as it is now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stream {
    /// Where it is found.
    pub key: StreamKey,
    /// Distinguishes streams that had the same name at different times; never reused (drawn from the same counter as log ids).
    pub incarnation: u64,
    /// How capacity is managed.
    pub mode: StreamMode,
    /// When it was created.
    pub created: Timestamp,
    /// How long records are kept.
    pub retention: Duration,
    /// Every shard that still has records or can take some, by index.
    pub shards: Vec<Shard>,
    /// Shards that left the stream when their retention had passed, by index; the newest
    /// [`ENDED_MAX`].
    pub ended: Vec<EndedShard>,
    /// Encryption flags, if on.
    pub encryption: Option<Encryption>,
    /// The largest record it takes: data and partition key.
    pub record_bytes_max: usize,
    /// How records find their shard.
    pub distribution: Distribution,
    /// Which shard-level metrics are on.
    pub monitoring: Monitoring,
    /// Writes per second it was told to be ready for, in MiB.
    pub warm_mib: Option<u32>,
    /// Resource policies: of the stream (under the empty name) and of its consumers (under
    /// `NAME:SECONDS`).
    pub policies: BTreeMap<String, Arc<str>>,
    /// When its shard count was changed by [`crate::Streams::scale`] lately, oldest first.
    pub(crate) scaled: Vec<Timestamp>,
    /// The commit that wrote the stream's fact.
    pub(crate) version: Lsn,
    /// The commit that wrote its guard: the last change of its shards.
    pub(crate) guard: Lsn,
    /// The open shards by hash range.
    pub(crate) ring: Ring,
}

impl Stream {
    /// The shard of that index.
    pub fn shard(&self, index: u32) -> Option<&Shard> {
        let at = self.shards.binary_search_by_key(&index, |shard| shard.index).ok()?;
        self.shards.get(at)
    }

    /// The shards that take records.
    pub fn open_shards(&self) -> impl Iterator<Item = &Shard> {
        self.shards.iter().filter(|shard| shard.closed.is_none())
    }

    /// The shards that were split off or merged from the shard of that index.
    pub fn children(&self, parent: u32) -> impl Iterator<Item = &Shard> {
        self.shards.iter().filter(move |shard| shard.parents().any(|index| index == parent))
    }

    /// The open shard whose range holds `hash`.
    pub fn shard_for(&self, hash: HashKey) -> Option<&Shard> {
        self.shards.get(self.ring.position_of(hash)?)
    }
}

/// Open shards by hash range: the last key of each range and the shard's place in
/// [`Stream::shards`], ascending.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Ring(Arc<[(HashKey, usize)]>);

impl Ring {
    pub(crate) fn of(shards: &[Shard]) -> Self {
        let open = shards.iter().enumerate().filter(|(_, shard)| shard.closed.is_none());
        let mut ring: Vec<(HashKey, usize)> = open.map(|(at, shard)| (shard.hash_last, at)).collect();
        ring.sort_unstable();
        Self(ring.into())
    }

    /// The place of the shard whose range holds `hash`; `None` for a stream without open shards.
    pub(crate) fn position_of(&self, hash: HashKey) -> Option<usize> {
        let at = self.0.partition_point(|(last, _)| *last < hash);
        self.0.get(at).map(|(_, position)| *position)
    }
}

/// One shard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shard {
    /// Its number within the stream: `shardId-` + twelve digits. Never reused in an incarnation.
    pub index: u32,
    /// The log that holds its records.
    pub log: LogId,
    /// The first hash key it takes.
    pub hash_first: HashKey,
    /// The last hash key it takes.
    pub hash_last: HashKey,
    /// The time whose whole seconds go into its sequence numbers: when it was opened, but at least a
    /// second after its parents', so that a child's numbers are greater than all of its parents'.
    pub created: Timestamp,
    /// When it began to take records.
    pub opened: Timestamp,
    /// The shard it was split off or merged from.
    pub parent: Option<u32>,
    /// The second parent of a merge.
    pub adjacent_parent: Option<u32>,
    /// When it took its last record, if it takes no more.
    pub closed: Option<Timestamp>,
    /// Set with `closed`: one past its last offset.
    pub closed_at: Option<i64>,
}

/// What is left of a shard whose retention has passed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EndedShard {
    /// Its number within the stream.
    pub index: u32,
    /// The log that held its records; gone.
    pub log: LogId,
    /// The shard it was split off or merged from.
    pub parent: Option<u32>,
    /// The second parent of a merge.
    pub adjacent_parent: Option<u32>,
    /// One past its last offset.
    pub end: i64,
    /// When it took its last record.
    pub closed: Timestamp,
}

/// The most ended shards a stream remembers.
pub const ENDED_MAX: usize = 10_000;

impl Shard {
    /// `shardId-000000000007`.
    pub fn id(&self) -> String {
        format!("shardId-{:012}", self.index)
    }

    /// The shards it was split off or merged from.
    pub fn parents(&self) -> impl Iterator<Item = u32> {
        self.parent.into_iter().chain(self.adjacent_parent)
    }

    /// Whether the shard's range holds `hash`.
    pub fn takes(&self, hash: HashKey) -> bool {
        (self.hash_first..=self.hash_last).contains(&hash)
    }
}

/// What a new stream should be.
#[derive(Clone, Debug)]
pub struct NewStream {
    /// How many shards, at least 1.
    pub shards: u32,
    /// How capacity is managed.
    pub mode: StreamMode,
    /// How long records are kept (24 h to 8760 h).
    pub retention: Duration,
    /// Tags.
    pub tags: Vec<(String, String)>,
    /// The largest record it takes ([`RECORD_BYTES`] to [`RECORD_BYTES_MAX`]).
    pub record_bytes_max: usize,
    /// How records find their shard.
    pub distribution: Distribution,
    /// Writes per second it shall be ready for, in MiB.
    pub warm_mib: Option<u32>,
}

impl NewStream {
    /// A provisioned stream of so many shards that is told nothing else.
    pub fn of_shards(shards: u32) -> Self {
        Self {
            shards,
            mode: StreamMode::Provisioned,
            retention: RETENTION_MIN,
            tags: Vec::new(),
            record_bytes_max: RECORD_BYTES,
            distribution: Distribution::PartitionKey,
            warm_mib: None,
        }
    }
}

/// One record to put.
#[derive(Clone, Debug)]
pub struct NewRecord {
    /// 1 to 256 characters; empty for a record without one.
    pub partition_key: String,
    /// Overrides the MD5 of the partition key.
    pub explicit_hash_key: Option<HashKey>,
    /// The data.
    pub data: Bytes,
}

impl NewRecord {
    /// Where the record belongs.
    pub fn hash_key(&self) -> HashKey {
        self.explicit_hash_key.unwrap_or_else(|| HashKey::of(&self.partition_key))
    }
}

/// Where a record went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Placed {
    /// Index of the shard.
    pub shard: u32,
    /// [`Shard::created`] of the shard.
    pub shard_created: Timestamp,
    /// Its offset in the shard.
    pub offset: i64,
    /// When it was appended.
    pub append_time: Timestamp,
}

/// A partition key as it was read: UTF-8 text that shares the batch's memory.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PartitionKey(Bytes);

impl PartitionKey {
    /// The key of a record. What is not UTF-8 (other protocols allow any bytes) is replaced.
    pub(crate) fn from_bytes(bytes: Bytes) -> Self {
        match std::str::from_utf8(&bytes) {
            Ok(_) => Self(bytes),
            Err(_) => Self(String::from_utf8_lossy(&bytes).into_owned().into()),
        }
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("checked when it was made")
    }
}

impl Deref for PartitionKey {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl std::fmt::Debug for PartitionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

/// One record read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StreamRecord {
    /// Its offset in the shard.
    pub offset: i64,
    /// When it was appended.
    pub append_time: Timestamp,
    /// The partition key; empty when it was put without one.
    pub partition_key: PartitionKey,
    /// The data.
    pub data: Bytes,
}

/// The result of a read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShardRead {
    /// The records, in order.
    pub records: Vec<StreamRecord>,
    /// The offset to read next.
    pub next: i64,
    /// One past the shard's last offset.
    pub end: i64,
    /// How far the reader is behind the present: how long ago the last record (or what the position
    /// has passed) was appended. At least a millisecond while there is anything left to read, zero
    /// when there is not.
    pub behind: Duration,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shards(ranges: &[(HashKey, HashKey)]) -> Vec<Shard> {
        let shard = |(index, range): (usize, &(HashKey, HashKey))| Shard {
            index: index as u32,
            log: LogId(index as u64),
            hash_first: range.0,
            hash_last: range.1,
            created: Timestamp::EPOCH,
            opened: Timestamp::EPOCH,
            parent: None,
            adjacent_parent: None,
            closed: None,
            closed_at: None,
        };
        ranges.iter().enumerate().map(shard).collect()
    }

    proptest! {
        #[test]
        fn ranges_tile_the_ring(n in 1u32..300) {
            let ranges = HashKey::split_evenly(n);
            prop_assert_eq!(ranges.len(), n as usize);
            prop_assert_eq!(ranges[0].0, HashKey(0));
            prop_assert_eq!(ranges[ranges.len() - 1].1, HashKey(u128::MAX));
            for pair in ranges.windows(2) {
                prop_assert_eq!(pair[0].1.0 + 1, pair[1].0.0);
            }
        }

        #[test]
        fn every_key_has_the_one_shard_whose_range_holds_it(n in 1u32..50, hash: u128) {
            let shards = shards(&HashKey::split_evenly(n));
            let at = Ring::of(&shards).position_of(HashKey(hash)).unwrap();
            prop_assert!(shards[at].takes(HashKey(hash)));
            prop_assert_eq!(shards.iter().filter(|s| s.takes(HashKey(hash))).count(), 1);
        }
    }

    #[test]
    fn two_shards_meet_in_the_middle() {
        let ranges = HashKey::split_evenly(2);
        assert_eq!(ranges[0].1.0.to_string(), "170141183460469231731687303715884105727");
        assert_eq!(HashKey::split_evenly(3)[0].1.0.to_string(), "113427455640312821154458202477256070484");
    }

    #[test]
    fn a_partition_key_hashes_with_md5() {
        assert_eq!(HashKey::of("a").0, 0x0cc1_75b9_c0f1_b6a8_31c3_99e2_6977_2661);
    }

    #[test]
    fn closed_shards_take_nothing() {
        let mut all = shards(&[(HashKey(0), HashKey(u128::MAX))]);
        (all[0].closed, all[0].closed_at) = (Some(Timestamp::EPOCH), Some(3));
        assert_eq!(Ring::of(&all).position_of(HashKey(1)), None);
    }
}
