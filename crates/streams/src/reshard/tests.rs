//! Resharding over the in-memory store: lineage, races with puts, the end of closed shards.

use std::collections::BTreeMap;
use std::time::Duration;

use headwater_base::{OnceToken, Scope, Seams};
use headwater_store::{Commit, Direction, KeyRange, memory};
use headwater_work::{Reconciler, Work};
use proptest::prelude::*;

use super::*;
use crate::retention::Trimmer;
use crate::{NewRecord, NewStream, StreamKey, StreamName};

const START: Timestamp = Timestamp::from_ms(1_700_000_000_500);
const HOUR: Duration = Duration::from_secs(3600);

struct Node {
    streams: Streams,
    store: Arc<dyn Store>,
    seams: Seams,
}

fn node() -> Node {
    let seams = Seams::simulated(START, 7);
    let store = memory::open(seams.clone());
    Node { streams: Streams::new(Arc::clone(&store), seams.clone(), &Work::new(seams.clone())), store, seams }
}

fn key() -> StreamKey {
    let scope = Scope::new("000000000001".parse().unwrap(), "eu-west-1".parse().unwrap());
    StreamKey { scope, name: StreamName::new("orders").unwrap() }
}

impl Node {
    async fn create(&self, shards: u32) -> Arc<Stream> {
        self.streams.create(&key(), NewStream::of_shards(shards)).await.unwrap()
    }

    async fn now(&self) -> Arc<Stream> {
        let stream = self.streams.get(&key()).await.unwrap();
        check(&stream);
        stream
    }
}

/// What holds of every stream at any time.
fn check(stream: &Stream) {
    let mut open: Vec<&Shard> = stream.open_shards().collect();
    open.sort_by_key(|shard| shard.hash_first);
    assert_eq!(open[0].hash_first, HashKey(0));
    assert_eq!(open[open.len() - 1].hash_last, HashKey(u128::MAX));
    for pair in open.windows(2) {
        assert_eq!(pair[0].hash_last.0 + 1, pair[1].hash_first.0);
    }
    for shard in &stream.shards {
        assert_eq!(shard.closed.is_some(), shard.closed_at.is_some());
        assert_eq!(shard.closed.is_none(), stream.children(shard.index).count() == 0);
        for parent in shard.parents().filter_map(|index| stream.shard(index)) {
            assert!(parent.closed.is_some() && parent.index < shard.index);
            assert!(parent.created.ms() / 1000 < shard.created.ms() / 1000, "numbers rise");
            assert_eq!(parent.closed, Some(shard.opened), "no moment between parent and child");
        }
    }
}

fn record(key: &str) -> NewRecord {
    NewRecord { partition_key: key.to_owned(), explicit_hash_key: None, data: key.to_owned().into() }
}

const MIDDLE: HashKey = HashKey(1 << 127);

#[tokio::test]
async fn a_split_closes_the_parent_and_opens_two_children() {
    let node = node();
    let stream = node.create(1).await;
    let keys: Vec<String> = (0..20).map(|i| i.to_string()).collect();
    let records: Vec<NewRecord> = keys.iter().map(|key| record(key)).collect();
    node.streams.put(&stream, records.clone(), None).await.unwrap();
    node.seams.clock.advance(Duration::from_millis(10));
    node.streams.split(&stream, 0, MIDDLE).await.unwrap();
    let after = node.now().await;
    let parent = after.shard(0).unwrap();
    assert_eq!((parent.closed, parent.closed_at), (Some(START.plus(Duration::from_millis(10))), Some(20)));
    let ranges: Vec<_> = after
        .open_shards()
        .map(|s| (s.index, s.parent, s.adjacent_parent, s.hash_first, s.hash_last))
        .collect();
    let low = (1, Some(0), None, HashKey(0), HashKey(MIDDLE.0 - 1));
    assert_eq!(ranges, [low, (2, Some(0), None, MIDDLE, HashKey(u128::MAX))]);
    // A put that knows the stream as it was is routed by what it is.
    for placed in node.streams.put(&stream, records, None).await.unwrap() {
        assert!([1, 2].contains(&placed.shard));
        assert_eq!(placed.shard_created, after.shard(placed.shard).unwrap().created);
    }
    assert_eq!(node.streams.bounds(parent).await.unwrap().end, 20, "nothing went to the closed shard");
}

#[tokio::test]
async fn a_merge_joins_adjacent_shards() {
    let node = node();
    let stream = node.create(3).await;
    for (a, b) in [(0, 2), (1, 0), (0, 0)] {
        assert!(matches!(node.streams.merge(&stream, a, b).await, Err(StreamError::NotAdjacent(..))));
    }
    assert!(matches!(node.streams.merge(&stream, 0, 7).await, Err(StreamError::NoSuchShard(7))));
    node.streams.merge(&stream, 0, 1).await.unwrap();
    let after = node.now().await;
    let child = after.shard(3).unwrap();
    assert_eq!((child.parent, child.adjacent_parent), (Some(0), Some(1)));
    assert!(matches!(node.streams.merge(&after, 1, 2).await, Err(StreamError::ShardClosed(1))));
    assert!(matches!(node.streams.split(&after, 0, HashKey(9)).await, Err(StreamError::ShardClosed(0))));
}

#[tokio::test]
async fn a_shard_is_split_inside_its_range() {
    let node = node();
    let stream = node.create(1).await;
    for at in [0, 1, u128::MAX] {
        let refused = node.streams.split(&stream, 0, HashKey(at)).await;
        assert!(matches!(refused, Err(StreamError::BadSplit(..))), "{at}");
    }
    node.streams.split(&stream, 0, HashKey(2)).await.unwrap();
    let after = node.now().await;
    assert_eq!(after.shard(1).unwrap().hash_last, HashKey(1));
    assert!(matches!(node.streams.split(&stream, 0, HashKey(2)).await, Err(StreamError::NotActive(..))));
}

#[tokio::test]
async fn the_shard_count_doubles_and_halves_and_no_more() {
    let node = node();
    let stream = node.create(4).await;
    for target in [1, 9] {
        let refused = node.streams.scale(&stream, target).await;
        assert!(matches!(refused, Err(StreamError::ScaledTooFar { open: 4, .. })), "{target}");
    }
    assert_eq!(node.streams.scale(&stream, 8).await.unwrap(), Scaled { before: 4, target: 8 });
    let doubled = node.now().await;
    assert_eq!((doubled.open_shards().count(), doubled.shards.len()), (8, 12));
    node.streams.scale(&doubled, 4).await.unwrap();
    let halved = node.now().await;
    assert_eq!((halved.open_shards().count(), halved.shards.len()), (4, 16));
    assert!(halved.open_shards().all(|shard| shard.adjacent_parent.is_some()));
}

#[tokio::test]
async fn the_shard_count_changes_ten_times_a_day() {
    let node = node();
    node.create(4).await;
    for i in 0..SCALES_MAX as u32 {
        let stream = node.now().await;
        node.streams.scale(&stream, 4 + i % 2).await.unwrap();
        node.seams.clock.advance(HOUR);
    }
    let stream = node.now().await;
    assert!(matches!(
        node.streams.scale(&stream, 4).await,
        Err(StreamError::TooMany { limit: SCALES_MAX, .. })
    ));
    node.seams.clock.advance(14 * HOUR);
    node.streams.scale(&stream, 4).await.unwrap();
}

#[tokio::test]
async fn the_largest_stream_is_resharded_in_one_commit() {
    let node = node();
    let stream = node.create(SHARDS_MAX / 2 + 1).await;
    assert!(matches!(node.streams.scale(&stream, SHARDS_MAX + 1).await, Err(StreamError::TooMany { .. })));
    node.streams.scale(&stream, SHARDS_MAX).await.unwrap();
    assert_eq!(node.now().await.open_shards().count(), SHARDS_MAX as usize);
}

#[tokio::test]
async fn a_shard_is_never_written_over() {
    let node = node();
    let stream = node.create(1).await;
    let unseen = ShardRow::key(stream.incarnation, 1);
    node.store.commit(Commit::new().put(unseen.clone(), "somebody's")).await.unwrap();
    let refused = node.streams.split(&stream, 0, MIDDLE).await;
    assert!(matches!(refused, Err(StreamError::NotActive(..))), "{refused:?}");
    assert_eq!(node.store.get(&unseen).await.unwrap().unwrap().value, "somebody's");
}

/// A stream of one open and nine closed shards.
async fn often_split(node: &Node) -> Arc<Stream> {
    node.create(1).await;
    for turn in 0..6 {
        let stream = node.now().await;
        let open: Vec<u32> = stream.open_shards().map(|shard| shard.index).collect();
        match turn % 2 {
            0 => node.streams.split(&stream, open[0], MIDDLE).await.unwrap(),
            _ => node.streams.merge(&stream, open[0], open[1]).await.unwrap(),
        }
    }
    let stream = node.now().await;
    assert_eq!((stream.shards.len(), stream.open_shards().count()), (10, 1));
    stream
}

/// In tests a page of a scan has three facts, and one commit removes four closed shards with a stream.
#[tokio::test]
async fn a_stream_of_more_shards_than_one_commit_removes_goes_whole() {
    for unconsumed in [false, true] {
        let node = node();
        let stream = often_split(&node).await;
        let before = node.store.status().published;
        match unconsumed {
            false => node.streams.delete(&stream.key).await.unwrap(),
            true => node.streams.delete_unconsumed(&stream.key).await.unwrap(),
        }
        assert_eq!(node.store.status().published.0 - before.0, 3, "nine closed shards, four at most each");
        assert_eq!(node.store.status().logs, 0);
        let shards = KeyRange::prefix(&ShardRow::prefix(stream.incarnation));
        assert_eq!(node.store.scan(&shards, 10, Direction::Forward).await.unwrap(), []);
    }
}

#[tokio::test]
async fn one_pass_ends_a_bounded_number_of_shards_and_the_next_goes_on() {
    let node = node();
    often_split(&node).await;
    node.seams.clock.advance(25 * HOUR);
    let trimmer = Trimmer::new(Arc::clone(&node.store), node.seams.clone());
    for ended in [4, 8, 9] {
        trimmer.pass().await.unwrap();
        node.streams.cache.forget();
        assert_eq!(node.now().await.ended.len(), ended);
    }
}

#[tokio::test]
async fn a_retry_over_a_split_gets_the_first_placements() {
    let node = node();
    let stream = node.create(2).await;
    let records: Vec<NewRecord> = (0..30).map(|i| record(&i.to_string())).collect();
    let token = Some(OnceToken([5; 16]));
    let first = node.streams.put(&stream, records.clone(), token).await.unwrap();
    node.streams.split(&stream, 0, HashKey(1 << 100)).await.unwrap();
    let after = node.now().await;
    for known in [&stream, &after] {
        assert_eq!(node.streams.put(known, records.clone(), token).await.unwrap(), first);
    }
    // And the other way round: what went to the children is recalled by who knows only the parent.
    let token = Some(OnceToken([6; 16]));
    let second = node.streams.put(&after, records.clone(), token).await.unwrap();
    assert_eq!(node.streams.put(&stream, records, token).await.unwrap(), second);
}

#[tokio::test]
async fn a_closed_shard_leaves_when_its_retention_has_passed() {
    let node = node();
    let stream = node.create(1).await;
    node.streams.put(&stream, vec![record("a"), record("b")], None).await.unwrap();
    node.seams.clock.advance(HOUR);
    node.streams.split(&stream, 0, MIDDLE).await.unwrap();
    let trimmer = Trimmer::new(Arc::clone(&node.store), node.seams.clone());
    node.seams.clock.advance(24 * HOUR);
    trimmer.pass().await.unwrap();
    let still = node.now().await;
    assert_eq!(node.streams.bounds(still.shard(0).unwrap()).await.unwrap().start, 2, "its records are gone");
    node.seams.clock.advance(Duration::from_millis(1));
    trimmer.pass().await.unwrap();
    let after = node.now().await;
    assert!(after.shard(0).is_none());
    let ended = after.ended[0];
    assert_eq!((ended.index, ended.log, ended.end), (0, stream.shards[0].log, 2));
    // The next child's index goes on from the open shards'.
    node.streams.split(&after, 1, HashKey(1 << 100)).await.unwrap();
    assert_eq!(node.now().await.open_shards().map(|shard| shard.index).collect::<Vec<_>>(), [2, 3, 4]);
    node.streams.delete(&key()).await.unwrap();
    assert_eq!(node.store.status().logs, 0);
}

#[tokio::test]
async fn a_change_under_way_shows_and_keeps_others_out() {
    let node = node();
    let stream = node.create(1).await;
    assert_eq!(node.streams.status(&key()), StreamStatus::Active);
    let change = node.streams.changes.begin(&key(), StreamStatus::Updating).unwrap();
    assert_eq!(node.streams.status(&key()), StreamStatus::Updating);
    let refused = node.streams.split(&stream, 0, MIDDLE).await;
    assert!(matches!(refused, Err(StreamError::NotActive(_, StreamStatus::Updating))));
    node.streams.put(&stream, vec![record("x")], None).await.unwrap();
    drop(change);
    node.streams.split(&stream, 0, MIDDLE).await.unwrap();
    assert_eq!(node.streams.status(&key()), StreamStatus::Active);
}

/// One step of a stream's life.
#[derive(Clone, Debug)]
enum Step {
    Split(prop::sample::Index, u128),
    Merge(prop::sample::Index),
    Scale(u32),
    Put(Vec<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (any::<prop::sample::Index>(), any::<u128>()).prop_map(|(shard, at)| Step::Split(shard, at)),
        any::<prop::sample::Index>().prop_map(Step::Merge),
        (1u32..12).prop_map(Step::Scale),
        proptest::collection::vec(any::<u8>(), 1..20).prop_map(Step::Put),
    ]
}

async fn take(
    node: &Node,
    step: &Step,
    stale: &Stream,
    put: &mut BTreeMap<u32, Vec<(i64, u64)>>,
    n: &mut u64,
) {
    let stream = node.now().await;
    let mut open: Vec<Shard> = stream.open_shards().cloned().collect();
    open.sort_by_key(|shard| shard.hash_first);
    match step {
        Step::Split(shard, at) => {
            drop(node.streams.split(&stream, shard.get(&open).index, HashKey(*at)).await)
        }
        Step::Merge(at) if open.len() > 1 => {
            let at = at.index(open.len() - 1);
            node.streams.merge(&stream, open[at].index, open[at + 1].index).await.unwrap();
        }
        Step::Merge(_) => {}
        Step::Scale(target) => drop(node.streams.scale(&stream, *target).await),
        Step::Put(keys) => {
            let records = keys.iter().map(|key| {
                *n += 1;
                NewRecord { data: n.to_string().into(), ..record(&key.to_string()) }
            });
            let records: Vec<NewRecord> = records.collect();
            let placed = node.streams.put(stale, records.clone(), None).await.unwrap();
            for (record, placed) in records.iter().zip(placed) {
                let number = std::str::from_utf8(&record.data).unwrap().parse().unwrap();
                put.entry(placed.shard).or_default().push((placed.offset, number));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever becomes of the shards, their ranges tile the ring, every record is where its put said,
    /// once, and each key's records are in the order of their puts when parents are read first.
    #[test]
    fn no_change_loses_or_moves_a_record(steps in proptest::collection::vec(step(), 1..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let node = node();
            let stale = node.create(2).await;
            let (mut put, mut n) = (BTreeMap::new(), 0);
            for step in &steps {
                take(&node, step, &stale, &mut put, &mut n).await;
            }
            let stream = node.now().await;
            let mut newest: BTreeMap<String, u64> = BTreeMap::new();
            for shard in &stream.shards {
                let read = node.streams.read(shard, 0, 10_000, 1 << 20).await.unwrap();
                assert_eq!(shard.closed_at.unwrap_or(read.end), read.end);
                let mut found = Vec::new();
                for record in read.records {
                    let number: u64 = std::str::from_utf8(&record.data).unwrap().parse().unwrap();
                    let before = newest.insert(record.partition_key.to_string(), number);
                    assert!(before.is_none_or(|before| before < number), "a key's records keep their order");
                    found.push((record.offset, number));
                }
                assert_eq!(found, put.remove(&shard.index).unwrap_or_default());
            }
            assert!(put.is_empty());
        });
    }

    #[test]
    fn even_ends_tile_the_ring(target in 1u32..200, firsts in proptest::collection::vec(any::<u128>(), 0..50)) {
        let mut firsts: Vec<HashKey> = firsts.into_iter().map(HashKey).collect();
        firsts.push(HashKey(0));
        firsts.sort_unstable();
        let ends = even_ends(target, &firsts);
        prop_assert_eq!(ends.len(), target as usize);
        prop_assert!(ends.windows(2).all(|pair| pair[0] < pair[1]));
        prop_assert_eq!(ends[ends.len() - 1], HashKey(u128::MAX));
    }
}
