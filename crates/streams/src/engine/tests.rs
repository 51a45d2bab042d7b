//! The engine over the in-memory store.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use headwater_base::{OnceToken, Scope, Timestamp};
use headwater_store::memory;
use proptest::prelude::*;

use super::*;
use crate::memory::sent_bytes;
use crate::{Distribution, HashKey, NewRecord, NewStream, Placed, StreamName};

const START: Timestamp = Timestamp::from_ms(1_700_000_000_000);
const HOUR: Duration = Duration::from_secs(3600);

struct Node {
    streams: Streams,
    store: Arc<dyn Store>,
    seams: Seams,
}

fn node() -> Node {
    let seams = Seams::simulated(START, 7);
    let store = memory::open(seams.clone());
    let work = Work::new(seams.clone());
    Node { streams: Streams::new(Arc::clone(&store), seams.clone(), &work), store, seams }
}

fn scope() -> Scope {
    Scope::new("000000000001".parse().unwrap(), "eu-west-1".parse().unwrap())
}

fn key(name: &str) -> StreamKey {
    StreamKey { scope: scope(), name: StreamName::new(name).unwrap() }
}

fn new(shards: u32) -> NewStream {
    NewStream::of_shards(shards)
}

fn record(key: &str, data: impl Into<Bytes>) -> NewRecord {
    NewRecord { partition_key: key.to_owned(), explicit_hash_key: None, data: data.into() }
}

async fn data_of(streams: &Streams, stream: &Stream, shard: u32) -> Vec<Bytes> {
    let read = streams.read(stream.shard(shard).unwrap(), 0, 10_000, 10 << 20).await.unwrap();
    read.records.into_iter().map(|record| record.data).collect()
}

#[tokio::test]
async fn a_stream_is_created_once() {
    let Node { streams, .. } = node();
    let made = streams.create(&key("a"), new(3)).await.unwrap();
    assert_eq!(made.shards.len(), 3);
    assert_eq!(made.created, START);
    assert_eq!(*streams.get(&key("a")).await.unwrap(), *made);
    assert!(matches!(streams.create(&key("a"), new(3)).await, Err(StreamError::Exists(_))));
    assert!(matches!(streams.get(&key("b")).await, Err(StreamError::NoSuchStream(_))));
}

#[tokio::test]
async fn bounds_on_creation_hold() {
    let Node { streams, .. } = node();
    for shards in [0, crate::SHARDS_MAX + 1] {
        assert!(matches!(streams.create(&key("a"), new(shards)).await, Err(StreamError::TooMany { .. })));
    }
    let short = NewStream { retention: HOUR, ..new(1) };
    assert!(matches!(streams.create(&key("a"), short).await, Err(StreamError::Invalid(_))));
    let tags = (0..51).map(|i| (format!("k{i}"), String::new())).collect();
    assert!(matches!(
        streams.create(&key("a"), NewStream { tags, ..new(1) }).await,
        Err(StreamError::TooMany { .. })
    ));
}

#[tokio::test]
async fn the_largest_stream_fits_one_commit() {
    let Node { streams, .. } = node();
    let made = streams.create(&key("wide"), new(crate::SHARDS_MAX)).await.unwrap();
    assert_eq!(made.shards.len(), crate::SHARDS_MAX as usize);
    streams.delete(&key("wide")).await.unwrap();
}

#[tokio::test]
async fn records_go_to_the_shard_of_their_hash_and_keep_their_order() {
    let Node { streams, .. } = node();
    let stream = streams.create(&key("a"), new(4)).await.unwrap();
    let records: Vec<NewRecord> =
        (0..200).map(|i| record(&format!("key-{}", i % 17), format!("{i}"))).collect();
    let placed = streams.put(&stream, records.clone(), None).await.unwrap();
    let mut next = BTreeMap::new();
    for (record, placed) in records.iter().zip(&placed) {
        let shard = stream.shard_for(HashKey::of(&record.partition_key)).unwrap();
        assert_eq!(placed.shard, shard.index);
        let expected = next.entry(placed.shard).or_insert(0);
        assert_eq!(placed.offset, *expected);
        *expected += 1;
    }
    assert!(next.len() > 1, "the keys spread over shards");
    for (shard, count) in next {
        let expected: Vec<Bytes> = records
            .iter()
            .zip(&placed)
            .filter(|(_, p)| p.shard == shard)
            .map(|(r, _)| r.data.clone())
            .collect();
        assert_eq!(expected.len() as i64, count);
        assert_eq!(data_of(&streams, &stream, shard).await, expected);
    }
}

#[tokio::test]
async fn an_explicit_hash_key_overrides_and_is_kept() {
    let Node { streams, .. } = node();
    let stream = streams.create(&key("a"), new(2)).await.unwrap();
    let explicit = NewRecord { explicit_hash_key: Some(HashKey(u128::MAX)), ..record("same", "x") };
    let placed = streams.put(&stream, vec![explicit], None).await.unwrap();
    assert_eq!(placed[0].shard, 1);
    let batches = streams.read_batches(stream.shards[1].log, 0, 1 << 20).await.unwrap();
    let stored = crate::batch::records(&batches[0].payload).unwrap().next().unwrap().unwrap();
    assert_eq!(stored.headers.get(crate::batch::EXPLICIT_HASH_KEY).unwrap(), &u128::MAX.to_be_bytes()[..]);
}

#[tokio::test]
async fn a_repeated_put_stores_nothing_and_answers_the_same() {
    let Node { streams, seams, .. } = node();
    let stream = streams.create(&key("a"), new(3)).await.unwrap();
    let records: Vec<NewRecord> = (0..50).map(|i| record(&i.to_string(), "x")).collect();
    let token = Some(OnceToken([9; 16]));
    let first = streams.put(&stream, records.clone(), token).await.unwrap();
    seams.clock.advance(Duration::from_secs(5));
    assert_eq!(streams.put(&stream, records.clone(), token).await.unwrap(), first);
    let total = stream.shards.iter().map(|shard| streams.bounds(shard));
    let ends: i64 = futures::future::join_all(total).await.into_iter().map(|b| b.unwrap().end).sum();
    assert_eq!(ends, 50);
    let other = streams.put(&stream, records, Some(OnceToken([8; 16]))).await.unwrap();
    assert_ne!(other, first);
}

#[tokio::test]
async fn a_put_beyond_one_commit_is_stored_in_parts() {
    let Node { streams, .. } = node();
    let stream = streams.create(&key("a"), new(1)).await.unwrap();
    let records: Vec<NewRecord> = (0u8..10).map(|i| record("k", vec![i; 1 << 20])).collect();
    let token = Some(OnceToken([1; 16]));
    let placed = streams.put(&stream, records.clone(), token).await.unwrap();
    assert_eq!(placed.iter().map(|p| p.offset).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    assert_eq!(streams.put(&stream, records, token).await.unwrap(), placed);
    let firsts: Vec<u8> = read_all(&streams, &stream).await.iter().map(|data| data[0]).collect();
    assert_eq!(firsts, (0..10).collect::<Vec<u8>>());
}

/// Reads shard 0 as a consumer does, in pages of 1 MiB and a bit.
async fn read_all(streams: &Streams, stream: &Stream) -> Vec<Bytes> {
    let mut all = Vec::new();
    let mut at = 0;
    loop {
        let read = streams.read(&stream.shards[0], at, 100, (1 << 20) + 100).await.unwrap();
        at = read.next;
        all.extend(read.records.into_iter().map(|record| record.data));
        if read.next == read.end {
            return all;
        }
    }
}

#[tokio::test]
async fn a_retry_is_recognised_whatever_the_distribution_is_by_then() {
    let Node { streams, .. } = node();
    let records = || (0..20).map(|n| record(&format!("k{n}"), "data")).collect::<Vec<_>>();
    for (at, (first, then)) in
        [(Distribution::PartitionKey, Distribution::Auto), (Distribution::Auto, Distribution::PartitionKey)]
            .into_iter()
            .enumerate()
    {
        let name = key(&format!("s{at}"));
        streams.create(&name, new(4)).await.unwrap();
        let put = async |token: u8, records| {
            let stream = streams.get(&name).await.unwrap();
            streams.put(&stream, records, Some(OnceToken([10 * at as u8 + token; 16]))).await.unwrap()
        };
        streams.set_distribution(&streams.get(&name).await.unwrap(), first).await.unwrap();
        let (many, one) = (put(1, records()).await, put(2, records()[..1].to_vec()).await);
        streams.set_distribution(&streams.get(&name).await.unwrap(), then).await.unwrap();
        assert_eq!(put(1, records()).await, many);
        assert_eq!(put(2, records()[..1].to_vec()).await, one);
        let stream = streams.get(&name).await.unwrap();
        let mut stored = 0;
        for shard in 0..4 {
            stored += data_of(&streams, &stream, shard).await.len();
        }
        assert_eq!(stored, 21);
    }
}

#[tokio::test]
async fn pages_that_nobody_takes_make_the_next_ones_smaller() {
    let Node { streams, .. } = node();
    let stream = streams.create(&key("a"), new(1)).await.unwrap();
    let data = Bytes::from(vec![7; 16 << 10]);
    for _ in 0..7 {
        let records: Vec<_> = (0..100).map(|_| record("k", data.clone())).collect();
        streams.put(&stream, records, None).await.unwrap();
    }
    let shard = stream.shard(0).unwrap();
    let (mut untaken, mut pages, mut held) = (Vec::new(), Vec::new(), 0);
    while streams.answers.free_bytes() > 0 && pages.last() != Some(&63) {
        let (read, share) = streams.read_page(shard, 0, 10_000).await.unwrap();
        pages.push(read.records.len());
        held += read.records.iter().map(sent_bytes).sum::<usize>();
        untaken.push(share);
    }
    assert_eq!(pages, [600, 600, 63], "ten mebibytes of whole commits, then one");
    assert!(
        ANSWERS_BYTES_MAX.abs_diff(streams.answers.free_bytes() + held) < 8 << 10,
        "as much as is sent is held"
    );
    untaken.clear();
    let (read, _share) = streams.read_page(shard, 0, 10_000).await.unwrap();
    assert_eq!(read.records.len(), 600, "memory given back is used again");
    assert_eq!(streams.read_page(shard, 0, 5).await.unwrap().0.records.len(), 5);
}

#[tokio::test]
async fn reads_start_anywhere_and_say_how_far_behind_they_are() {
    let Node { streams, seams, .. } = node();
    let stream = streams.create(&key("a"), new(1)).await.unwrap();
    let shard = &stream.shards[0];
    let empty = streams.read(shard, 0, 10, 1000).await.unwrap();
    assert_eq!((empty.records.len(), empty.next, empty.behind), (0, 0, Duration::ZERO));
    for second in 0..3 {
        let pair = vec![record("k", format!("{second}a")), record("k", format!("{second}b"))];
        streams.put(&stream, pair, None).await.unwrap();
        seams.clock.advance(Duration::from_secs(1));
    }
    let read = streams.read(shard, 1, 2, 1000).await.unwrap();
    let data: Vec<&[u8]> = read.records.iter().map(|r| &r.data[..]).collect();
    assert_eq!(data, [b"0b", b"1a"]);
    assert_eq!((read.next, read.end, read.behind), (3, 6, Duration::from_secs(2)));
    seams.clock.advance(HOUR);
    let later = streams.read(shard, 1, 2, 1000).await.unwrap();
    assert_eq!(later.behind, HOUR + Duration::from_secs(2), "behind the present, not the newest record");
    assert_eq!(read.records[0].partition_key.as_str(), "k");
    assert_eq!(read.records[1].append_time, START.plus(Duration::from_secs(1)));
    let rest = streams.read(shard, 5, 10, 1000).await.unwrap();
    assert_eq!((rest.records.len(), rest.next, rest.behind), (1, 6, Duration::ZERO));
    streams.put(&stream, vec![record("k", "3a"), record("k", "3b")], None).await.unwrap();
    let almost = streams.read(shard, 6, 1, 1000).await.unwrap();
    assert_eq!(almost.behind, Duration::from_millis(1), "never zero with something left");
    assert!(matches!(streams.read(shard, 9, 1, 1).await, Err(StreamError::OffsetOutOfRange(9))));
    assert_eq!(streams.offset_at(shard, START.plus(Duration::from_millis(1))).await.unwrap(), 2);
}

#[tokio::test]
async fn a_read_returns_at_least_one_record() {
    let Node { streams, .. } = node();
    let stream = streams.create(&key("a"), new(1)).await.unwrap();
    streams.put(&stream, vec![record("k", vec![1; 5000]), record("k", vec![2; 5000])], None).await.unwrap();
    let read = streams.read(&stream.shards[0], 0, 10, 10).await.unwrap();
    assert_eq!((read.records.len(), read.next), (1, 1));
}

#[tokio::test]
async fn a_deleted_stream_is_gone_for_every_verb() {
    let Node { streams, store, .. } = node();
    let stream = streams.create(&key("a"), new(2)).await.unwrap();
    streams.put(&stream, vec![record("k", "x")], None).await.unwrap();
    streams.delete(&key("a")).await.unwrap();
    let gone = |error| matches!(error, StreamError::NoSuchStream(_));
    assert!(gone(streams.get(&key("a")).await.unwrap_err()));
    assert!(gone(streams.put(&stream, vec![record("k", "x")], None).await.unwrap_err()));
    assert!(gone(streams.delete(&key("a")).await.unwrap_err()));
    assert!(gone(streams.tag(&stream, vec![("k".to_owned(), "v".to_owned())]).await.unwrap_err()));
    assert!(matches!(streams.read(&stream.shards[0], 0, 1, 1).await, Err(StreamError::Gone)));
    assert!(streams.list(&scope(), None, 10).await.unwrap().is_empty());
    assert_eq!(store.status().logs, 0);
    let everything =
        store.scan(&range_of_everything(), 100, headwater_store::Direction::Forward).await.unwrap();
    assert_eq!(everything, [], "no fact is left behind");
}

fn range_of_everything() -> headwater_store::KeyRange {
    headwater_store::KeyRange { start: Key::from_bytes(Bytes::new()), end: None }
}

#[tokio::test]
async fn a_recreated_stream_is_another_one() {
    let Node { streams, .. } = node();
    let old = streams.create(&key("a"), new(1)).await.unwrap();
    streams.put(&old, vec![record("k", "old")], None).await.unwrap();
    streams.delete(&key("a")).await.unwrap();
    let fresh = streams.create(&key("a"), new(1)).await.unwrap();
    assert_ne!(fresh.incarnation, old.incarnation);
    assert_ne!(fresh.shards[0].log, old.shards[0].log);
    assert!(data_of(&streams, &fresh, 0).await.is_empty());
    assert!(streams.put(&old, vec![record("k", "x")], None).await.is_err());
    let mut commit = Commit::new().put(Key::of(headwater_store::Kind(0x7F00)).build(), Bytes::new());
    streams.stage_expect_alive(&mut commit, &old);
    assert!(streams.store.commit(commit).await.is_err(), "the old guard is gone");
    let mut commit = Commit::new().put(Key::of(headwater_store::Kind(0x7F00)).build(), Bytes::new());
    streams.stage_expect_alive(&mut commit, &fresh);
    streams.store.commit(commit).await.unwrap();
}

#[tokio::test]
async fn what_others_change_is_seen_at_once() {
    let Node { streams, store, seams } = node();
    let other = Streams::new(Arc::clone(&store), seams.clone(), &Work::new(seams));
    let first = streams.create(&key("a"), new(1)).await.unwrap();
    assert_eq!(other.get(&key("a")).await.unwrap().incarnation, first.incarnation);
    streams.delete(&key("a")).await.unwrap();
    assert!(other.get(&key("a")).await.is_err());
    let second = streams.create(&key("a"), new(2)).await.unwrap();
    assert_eq!(*other.get(&key("a")).await.unwrap(), *second);
    store.wipe(&[]).await.unwrap();
    assert!(other.get(&key("a")).await.is_err());
    assert!(streams.get(&key("a")).await.is_err());
}

#[tokio::test]
async fn streams_are_listed_by_name_within_their_scope() {
    let Node { streams, .. } = node();
    for name in ["b", "a", "c"] {
        streams.create(&key(name), new(1)).await.unwrap();
    }
    let elsewhere = Scope::new("000000000002".parse().unwrap(), "eu-west-1".parse().unwrap());
    let foreign = StreamKey { scope: elsewhere, name: StreamName::new("aa").unwrap() };
    streams.create(&foreign, new(1)).await.unwrap();
    let names = |listed: Vec<Arc<Stream>>| -> Vec<String> {
        listed.iter().map(|stream| stream.key.name.as_str().to_owned()).collect()
    };
    assert_eq!(names(streams.list(&scope(), None, 10).await.unwrap()), ["a", "b", "c"]);
    assert_eq!(names(streams.list(&scope(), None, 2).await.unwrap()), ["a", "b"]);
    let after = StreamName::new("b").unwrap();
    assert_eq!(names(streams.list(&scope(), Some(&after), 10).await.unwrap()), ["c"]);
    for name in ["d", "e", "f", "g"] {
        streams.create(&key(name), new(1)).await.unwrap();
    }
    let some = names(streams.list(&scope(), None, 5).await.unwrap());
    assert_eq!(some, ["a", "b", "c", "d", "e"], "over several pages of the store");
    assert_eq!(streams.list(&scope(), None, usize::MAX).await.unwrap().len(), 7);
    assert_eq!(streams.all().await.unwrap().len(), 8);
}

#[tokio::test]
async fn tags_are_added_changed_and_removed() {
    let Node { streams, .. } = node();
    let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
    let tags = vec![pair("team", "risk")];
    let stream = streams.create(&key("a"), NewStream { tags, ..new(1) }).await.unwrap();
    streams.tag(&stream, vec![pair("team", "fraud"), pair("env", "prod")]).await.unwrap();
    let expected = BTreeMap::from([pair("env", "prod"), pair("team", "fraud")]);
    assert_eq!(streams.tags(&stream).await.unwrap(), expected);
    streams.untag(&stream, &["env".to_owned(), "absent".to_owned()]).await.unwrap();
    assert_eq!(streams.tags(&stream).await.unwrap(), BTreeMap::from([pair("team", "fraud")]));
    let many = (0..50).map(|i| (format!("k{i}"), String::new())).collect();
    assert!(matches!(streams.tag(&stream, many).await, Err(StreamError::TooMany { .. })));
}

#[tokio::test]
async fn concurrent_taggers_all_succeed() {
    let Node { streams, .. } = node();
    let stream = streams.create(&key("a"), new(1)).await.unwrap();
    let taggers = (0..10).map(|i| streams.tag(&stream, vec![(format!("k{i}"), String::new())]));
    for outcome in futures::future::join_all(taggers).await {
        outcome.unwrap();
    }
    assert_eq!(streams.tags(&stream).await.unwrap().len(), 10);
}

#[tokio::test]
async fn records_past_their_retention_are_trimmed() {
    let Node { streams, store, seams } = node();
    let stream = streams.create(&key("a"), new(1)).await.unwrap();
    streams.put(&stream, vec![record("k", "old"), record("k", "old")], None).await.unwrap();
    seams.clock.advance(12 * HOUR);
    streams.put(&stream, vec![record("k", "new")], None).await.unwrap();
    let trimmer = Trimmer::new(store, seams.clone());
    let pass = |trimmer| async move { headwater_work::Reconciler::pass(trimmer).await.unwrap() };
    assert_eq!(pass(&trimmer).await, headwater_work::Pass::Done);
    assert_eq!(streams.bounds(&stream.shards[0]).await.unwrap().start, 0, "nothing is old yet");
    seams.clock.advance(12 * HOUR + Duration::from_millis(1));
    pass(&trimmer).await;
    let read = streams.read(&stream.shards[0], 0, 10, 1000).await.unwrap();
    assert_eq!(read.records.len(), 1);
    assert_eq!((read.records[0].offset, &read.records[0].data[..]), (2, &b"new"[..]));
    seams.clock.advance(48 * HOUR);
    pass(&trimmer).await;
    let read = streams.read(&stream.shards[0], 0, 10, 1000).await.unwrap();
    assert_eq!((read.records.len(), read.next, read.end, read.behind), (0, 3, 3, Duration::ZERO));
}

#[tokio::test]
async fn longer_retention_keeps_longer() {
    let Node { streams, store, seams } = node();
    let stream = streams.create(&key("a"), new(1)).await.unwrap();
    streams.put(&stream, vec![record("k", "x")], None).await.unwrap();
    streams.set_retention(&stream, 48 * HOUR).await.unwrap();
    assert_eq!(streams.get(&key("a")).await.unwrap().retention, 48 * HOUR);
    assert!(matches!(streams.set_retention(&stream, 24 * HOUR).await, Err(StreamError::NotActive(..))));
    seams.clock.advance(30 * HOUR);
    headwater_work::Reconciler::pass(&Trimmer::new(store, seams)).await.unwrap();
    assert_eq!(data_of(&streams, &stream, 0).await.len(), 1);
}

#[tokio::test]
async fn one_pass_looks_at_a_bounded_number_of_streams_and_the_next_goes_on() {
    let Node { streams, store, seams } = node();
    for i in 0..300 {
        let stream = streams.create(&key(&format!("s{i:03}")), new(1)).await.unwrap();
        streams.put(&stream, vec![record("k", "x")], None).await.unwrap();
    }
    seams.clock.advance(25 * HOUR);
    let trimmer = Trimmer::new(store, seams);
    assert_eq!(headwater_work::Reconciler::pass(&trimmer).await.unwrap(), headwater_work::Pass::More);
    assert_eq!(headwater_work::Reconciler::pass(&trimmer).await.unwrap(), headwater_work::Pass::Done);
    for stream in streams.list(&scope(), None, 1000).await.unwrap() {
        assert_eq!(streams.bounds(&stream.shards[0]).await.unwrap().start, 1, "{:?}", stream.key);
    }
}

#[tokio::test]
async fn tokens_open_after_a_restart_and_only_in_their_scope() {
    let Node { streams, store, seams } = node();
    let token = streams.seal("test", &scope(), b"content").await.unwrap();
    let restarted = Streams::new(store, seams.clone(), &Work::new(seams));
    assert_eq!(restarted.unseal("test", &scope(), &token).await.unwrap().unwrap(), b"content");
    let elsewhere = Scope::new("000000000002".parse().unwrap(), "eu-west-1".parse().unwrap());
    assert_eq!(restarted.unseal("test", &elsewhere, &token).await.unwrap(), None);
    assert_eq!(restarted.unseal("other", &scope(), &token).await.unwrap(), None);
}

#[tokio::test]
async fn tokens_given_after_a_wipe_open_after_the_next_restart() {
    let Node { streams, store, seams } = node();
    let before = streams.seal("test", &scope(), b"before").await.unwrap();
    store.wipe(&[]).await.unwrap();
    assert_eq!(streams.unseal("test", &scope(), &before).await.unwrap(), None, "its key is gone");
    let after = streams.seal("test", &scope(), b"after").await.unwrap();
    assert_eq!(streams.unseal("test", &scope(), &after).await.unwrap().unwrap(), b"after");
    let restarted = Streams::new(store, seams.clone(), &Work::new(seams));
    assert_eq!(restarted.unseal("test", &scope(), &after).await.unwrap().unwrap(), b"after");
}

#[tokio::test]
async fn a_record_of_ten_mebibytes_is_stored_by_itself() {
    let Node { streams, .. } = node();
    let stream = streams.create(&key("a"), new(1)).await.unwrap();
    let records = vec![record("k", "before"), record("k", vec![7; (10 << 20) - 1]), record("k", "after")];
    let placed = streams.put(&stream, records, None).await.unwrap();
    assert_eq!(placed.iter().map(|p| p.offset).collect::<Vec<_>>(), [0, 1, 2]);
    let sizes: Vec<usize> = data_of(&streams, &stream, 0).await.iter().map(Bytes::len).collect();
    assert_eq!(sizes, [6], "a read of 10 MiB ends before what does not fit");
    let read = streams.read(&stream.shards[0], 1, 10, 10 << 20).await.unwrap();
    assert_eq!((read.records.len(), read.records[0].data.len()), (1, (10 << 20) - 1));
}

#[tokio::test]
async fn automatic_distribution_is_even_and_needs_no_keys() {
    let Node { streams, .. } = node();
    let auto = NewStream { distribution: crate::Distribution::Auto, ..new(4) };
    let stream = streams.create(&key("a"), auto).await.unwrap();
    let records: Vec<NewRecord> = (0..400).map(|i| record("", i.to_string())).collect();
    let token = Some(OnceToken([3; 16]));
    let placed = streams.put(&stream, records.clone(), token).await.unwrap();
    for shard in 0..4 {
        let count = placed.iter().filter(|p| p.shard == shard).count();
        assert!((95..=105).contains(&count), "shard {shard} has {count} of 400");
    }
    assert_eq!(streams.put(&stream, records, token).await.unwrap(), placed);
    let read = streams.read(&stream.shards[0], 0, 1, 1000).await.unwrap();
    assert_eq!(read.records[0].partition_key.as_str(), "");
}

#[tokio::test]
async fn a_watch_wakes_a_waiting_reader() {
    let Node { streams, .. } = node();
    let stream = streams.create(&key("a"), new(1)).await.unwrap();
    let mut watch = streams.watch(stream.shards[0].log);
    assert!(!watch.take_changed());
    streams.put(&stream, vec![record("k", "x")], None).await.unwrap();
    assert!(watch.changed().await);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Whatever is put in whatever portions comes out of each shard complete, in order, once, in
    /// whatever portions it is read.
    #[test]
    fn what_goes_in_comes_out(
        shards in 1u32..6,
        puts in proptest::collection::vec(proptest::collection::vec((0u8..20, 0usize..300), 1..30), 1..12),
        page_records in 1usize..40,
        page_bytes in 1usize..2000,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let Node { streams, .. } = node();
            let stream = streams.create(&key("a"), new(shards)).await.unwrap();
            let mut expected: BTreeMap<u32, Vec<(i64, Bytes)>> = BTreeMap::new();
            for (n, put) in puts.iter().enumerate() {
                let records: Vec<NewRecord> = put
                    .iter()
                    .enumerate()
                    .map(|(i, (key, len))| record(&key.to_string(), format!("{n}/{i}/{}", "x".repeat(*len))))
                    .collect();
                let placed: Vec<Placed> = streams.put(&stream, records.clone(), None).await.unwrap();
                for (record, placed) in records.into_iter().zip(placed) {
                    expected.entry(placed.shard).or_default().push((placed.offset, record.data));
                }
            }
            for shard in &stream.shards {
                let mut found = Vec::new();
                let mut at = 0;
                loop {
                    let read = streams.read(shard, at, page_records, page_bytes).await.unwrap();
                    found.extend(read.records.into_iter().map(|record| (record.offset, record.data)));
                    at = read.next;
                    assert_eq!(read.behind == Duration::ZERO, read.next == read.end);
                    if read.next == read.end {
                        break;
                    }
                }
                assert_eq!(found, expected.remove(&shard.index).unwrap_or_default());
            }
        });
    }
}
