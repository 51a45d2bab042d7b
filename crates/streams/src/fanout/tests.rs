//! Subscriptions over the in-memory store and a clock that only the test moves.

use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use headwater_base::{Scope, Seams, Timestamp};
use headwater_store::{Commit, Store, memory};
use headwater_work::Work;

use super::*;
use crate::memory::{PERMIT_BYTES, sent_bytes};
use crate::{ConsumerName, HashKey, NewRecord, NewStream, StreamMode, StreamName};

const SECOND: Duration = Duration::from_secs(1);

struct Bed {
    streams: Streams,
    store: Arc<dyn Store>,
    seams: Seams,
    work: Work,
    stream: Arc<Stream>,
    consumer: Consumer,
}

async fn bed() -> Bed {
    let seams = Seams::simulated(Timestamp::from_ms(1_700_000_000_000), 7);
    let (store, work) = (memory::open(seams.clone()), Work::new(seams.clone()));
    let streams = Streams::new(Arc::clone(&store), seams.clone(), &work);
    let scope = Scope::new("000000000001".parse().unwrap(), "eu-west-1".parse().unwrap());
    let key = StreamKey { scope, name: StreamName::new("orders").unwrap() };
    let stream = streams.create(&key, NewStream::of_shards(2)).await.unwrap();
    let consumer = streams.register_consumer(&stream, &name("risk"), Vec::new()).await.unwrap();
    Bed { streams, store, seams, work, stream, consumer }
}

fn name(text: &str) -> ConsumerName {
    ConsumerName::new(text).unwrap()
}

impl Bed {
    async fn subscribe(&self, from: i64) -> Result<Subscription, ConsumerError> {
        self.streams.subscribe(&self.stream, &self.consumer, &self.stream.shards[0], from).await
    }

    async fn put(&self, data: impl Into<Bytes>) {
        let record = NewRecord {
            partition_key: "k".to_owned(),
            explicit_hash_key: Some(HashKey(0)),
            data: data.into(),
        };
        self.streams.put(&self.stream, vec![record], None).await.unwrap();
    }

    /// Closes the first shard, with a child in its place.
    async fn close(&self) {
        let parent = Shard {
            closed: Some(self.seams.clock.now()),
            closed_at: Some(self.streams.bounds(&self.stream.shards[0]).await.unwrap().end),
            ..self.stream.shards[0].clone()
        };
        let child = Shard {
            index: 2,
            log: self.store.new_log_id(),
            parent: Some(0),
            ..self.stream.shards[0].clone()
        };
        let commit =
            [&parent, &child].into_iter().fold(Commit::new().create_log(child.log), |commit, shard| {
                commit.put(ShardRow::key(self.stream.incarnation, shard.index), ShardRow::encode(shard))
            });
        self.store.commit(commit).await.unwrap();
        self.streams.cache.forget();
    }
}

/// The data of the next event.
async fn pushed(subscription: &mut Subscription) -> Vec<Bytes> {
    let event = subscription.next().await.unwrap().unwrap();
    event.read.records.into_iter().map(|record| record.data).collect()
}

#[tokio::test]
async fn the_first_event_comes_at_once_and_records_as_they_are_put() {
    let bed = bed().await;
    let mut subscription = bed.subscribe(0).await.unwrap();
    assert!(pushed(&mut subscription).await.is_empty());
    assert!(subscription.next().now_or_never().is_none(), "nothing to say");
    let (data, ()) = tokio::join!(pushed(&mut subscription), bed.put("one"));
    assert_eq!(data, ["one"]);
    bed.put("two").await;
    bed.put("three").await;
    assert_eq!(pushed(&mut subscription).await, ["two", "three"]);
}

#[tokio::test]
async fn a_subscription_says_that_it_lives_and_ends_after_five_minutes() {
    let bed = bed().await;
    let mut subscription = bed.subscribe(0).await.unwrap();
    let mut beats = 0;
    while let Some(event) = subscription.next().now_or_never().unwrap_or_else(|| {
        bed.seams.clock.advance(HEARTBEAT_EVERY);
        subscription.next().now_or_never().flatten()
    }) {
        let event = event.unwrap();
        assert!(event.read.records.is_empty() && !event.is_last);
        assert_eq!(event.read.behind, Duration::ZERO);
        beats += 1;
    }
    assert_eq!(beats, 60, "one at once, then one every five seconds");
    assert!(subscription.next().await.is_none(), "it stays over");
}

#[tokio::test]
async fn records_put_meanwhile_are_pushed_without_waiting_for_the_heartbeat() {
    let bed = bed().await;
    let mut subscription = bed.subscribe(0).await.unwrap();
    for n in 0..20 {
        assert!(pushed(&mut subscription).await.len() == usize::from(n > 0));
        bed.seams.clock.advance(SECOND);
        bed.put(n.to_string()).await;
    }
}

#[tokio::test]
async fn a_second_subscriber_waits_five_seconds_and_takes_over() {
    let bed = bed().await;
    let mut first = bed.subscribe(0).await.unwrap();
    assert!(pushed(&mut first).await.is_empty());
    bed.seams.clock.advance(RESUBSCRIBE_MIN - Duration::from_millis(1));
    assert!(matches!(bed.subscribe(0).await, Err(ConsumerError::InUse)));
    bed.seams.clock.advance(Duration::from_millis(1));
    let (ended, second) = tokio::join!(first.next(), bed.subscribe(0));
    // The wait may have been over for its sign of life first.
    let ended = if matches!(ended, Some(Ok(_))) { first.next().await } else { ended };
    assert!(matches!(ended, Some(Err(ConsumerError::InUse))));
    assert!(first.next().await.is_none());
    drop(first);
    let mut second = second.unwrap();
    bed.put("x").await;
    assert_eq!(pushed(&mut second).await, ["x"], "the first one's end does not release the second");
    assert!(matches!(bed.subscribe(0).await, Err(ConsumerError::InUse)));
}

#[tokio::test]
async fn shards_and_consumers_do_not_stand_in_each_others_way() {
    let bed = bed().await;
    let other = bed.streams.register_consumer(&bed.stream, &name("audit"), Vec::new()).await.unwrap();
    let mut all = vec![bed.subscribe(0).await.unwrap()];
    all.push(bed.streams.subscribe(&bed.stream, &other, &bed.stream.shards[0], 0).await.unwrap());
    all.push(bed.streams.subscribe(&bed.stream, &other, &bed.stream.shards[1], 0).await.unwrap());
    bed.put("x").await;
    assert_eq!(pushed(&mut all[0]).await, ["x"]);
    assert_eq!(pushed(&mut all[1]).await, ["x"]);
    assert!(pushed(&mut all[2]).await.is_empty(), "the record is in the other shard");
}

#[tokio::test]
async fn a_dropped_subscription_is_released() {
    let bed = bed().await;
    drop(bed.subscribe(0).await.unwrap());
    assert!(matches!(bed.subscribe(0).await, Err(ConsumerError::InUse)), "five seconds count from the call");
    bed.seams.clock.advance(RESUBSCRIBE_MIN);
    drop(bed.subscribe(0).await.unwrap());
    bed.seams.clock.advance(RESUBSCRIBE_MIN);
    let last = bed.subscribe(0).await.unwrap();
    bed.seams.clock.advance(RESUBSCRIBE_MIN);
    drop(last);
    assert_eq!(bed.streams.fanout.claims.len(), 0);
}

#[tokio::test]
async fn the_end_of_a_shard_is_the_last_event() {
    let bed = bed().await;
    bed.put("x").await;
    let mut subscription = bed.subscribe(0).await.unwrap();
    assert_eq!(pushed(&mut subscription).await, ["x"]);
    bed.put("y").await;
    bed.close().await;
    let last = subscription.next().await.unwrap().unwrap();
    assert_eq!((last.read.records.len(), last.is_last), (1, true));
    assert!(subscription.next().await.is_none());
    let child = last.stream.shard(2).unwrap();
    assert_eq!(child.parent, Some(0));
    bed.seams.clock.advance(RESUBSCRIBE_MIN);
    let again = bed.subscribe(2).await.unwrap().next().await.unwrap().unwrap();
    assert!(again.is_last && again.read.records.is_empty(), "also for who subscribes afterwards");
}

#[tokio::test]
async fn closing_a_shard_wakes_who_waits_at_its_end() {
    let bed = bed().await;
    let mut subscription = bed.subscribe(0).await.unwrap();
    assert!(pushed(&mut subscription).await.is_empty());
    let (last, ()) = tokio::join!(subscription.next(), bed.close());
    assert!(last.unwrap().unwrap().is_last);
}

#[tokio::test]
async fn what_is_subscribed_to_may_go() {
    let bed = bed().await;
    let mut subscription = bed.subscribe(0).await.unwrap();
    assert!(pushed(&mut subscription).await.is_empty());
    let deregister = bed.streams.deregister_consumer(&bed.stream, &bed.consumer);
    let (ended, done) = tokio::join!(subscription.next(), deregister);
    done.unwrap();
    assert!(matches!(ended, Some(Err(ConsumerError::NoSuchConsumer))));
    assert!(matches!(bed.subscribe(0).await, Err(ConsumerError::NoSuchConsumer)));

    let other = bed.streams.register_consumer(&bed.stream, &name("other"), Vec::new()).await.unwrap();
    let mut subscription =
        bed.streams.subscribe(&bed.stream, &other, &bed.stream.shards[0], 0).await.unwrap();
    assert!(pushed(&mut subscription).await.is_empty());
    let (ended, done) = tokio::join!(subscription.next(), bed.streams.delete(&bed.stream.key));
    done.unwrap();
    assert!(matches!(ended, Some(Err(ConsumerError::Stream(StreamError::NoSuchStream(_))))));
}

#[tokio::test]
async fn a_stop_of_the_node_ends_subscriptions_at_once() {
    let bed = bed().await;
    let mut subscription = bed.subscribe(0).await.unwrap();
    assert!(pushed(&mut subscription).await.is_empty());
    let (ended, ()) = tokio::join!(subscription.next(), bed.work.shutdown(SECOND));
    assert!(ended.is_none());
}

#[tokio::test]
async fn events_say_how_far_they_are_behind_the_present() {
    let bed = bed().await;
    for _ in 0..2 {
        bed.put(vec![7; EVENT_BYTES_MAX / 2 + 1]).await;
    }
    bed.seams.clock.advance(7 * SECOND);
    let mut subscription = bed.subscribe(0).await.unwrap();
    for behind in [7 * SECOND, Duration::ZERO] {
        assert_eq!(subscription.next().await.unwrap().unwrap().read.behind, behind);
    }
}

#[tokio::test]
async fn who_does_not_read_starves_nobody() {
    let bed = bed().await;
    let data = vec![7; 8 << 10];
    for _ in 0..2 * EVENT_BYTES_MAX / data.len() {
        bed.put(data.clone()).await;
    }
    let bytes = |event: &Pushed| event.read.records.iter().map(|record| record.data.len()).sum::<usize>();
    let mut held = Vec::new();
    let scarce = loop {
        let mut subscription = bed.subscribe(0).await.unwrap();
        let event = subscription.next().await.unwrap().unwrap();
        bed.seams.clock.advance(RESUBSCRIBE_MIN);
        if bytes(&event) <= SCARCE_EVENT_BYTES_MAX {
            break event;
        }
        held.push(event);
    };
    let under_way: usize = held.iter().flat_map(|event| &event.read.records).map(sent_bytes).sum();
    assert!((FANOUT_BYTES_MAX - 3 * EVENT_BYTES_MAX..=FANOUT_BYTES_MAX).contains(&under_way), "{under_way}");
    assert!(bytes(&scarce) > 0, "it goes on in small events");
    held.truncate(held.len() - 3);
    let mut subscription = bed.subscribe(0).await.unwrap();
    let large = subscription.next().await.unwrap().unwrap();
    assert!(bytes(&large) > SCARCE_EVENT_BYTES_MAX, "memory given back is used again");
}

#[tokio::test]
async fn a_small_event_holds_little() {
    let bed = bed().await;
    bed.put("x").await;
    let mut subscription = bed.subscribe(0).await.unwrap();
    let _event = subscription.next().await.unwrap().unwrap();
    assert_eq!(bed.streams.fanout.memory.free_bytes(), FANOUT_BYTES_MAX - PERMIT_BYTES);
}

#[tokio::test]
async fn a_committed_account_has_more_consumers_on_demand() {
    let bed = bed().await;
    let register = async |stream: &Stream, from: usize, to: usize| {
        for n in from..to {
            bed.streams.register_consumer(stream, &name(&format!("c{n:02}")), Vec::new()).await?;
        }
        Ok::<_, ConsumerError>(())
    };
    let key = StreamKey { name: StreamName::new("demand").unwrap(), ..bed.stream.key.clone() };
    let new = NewStream { mode: StreamMode::OnDemand, ..NewStream::of_shards(1) };
    let stream = bed.streams.create(&key, new).await.unwrap();
    register(&stream, 0, 20).await.unwrap();
    let over = |outcome| matches!(outcome, Err(ConsumerError::TooMany { .. }));
    assert!(over(register(&stream, 20, 21).await), "not committed");
    bed.streams.set_commitment(&key.scope, true).await.unwrap();
    register(&stream, 20, 50).await.unwrap();
    assert!(over(register(&stream, 50, 51).await));
    register(&bed.stream, 0, 19).await.unwrap();
    assert!(over(register(&bed.stream, 19, 20).await), "provisioned");
}

#[tokio::test]
async fn there_are_never_more_consumers_than_allowed() {
    let bed = bed().await;
    let register = |n: usize| {
        let (streams, stream) = (&bed.streams, &bed.stream);
        async move { streams.register_consumer(stream, &name(&format!("c{n}")), Vec::new()).await }
    };
    let made = futures::future::join_all((0..40).map(register)).await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), crate::CONSUMERS_MAX - 1);
    assert_eq!(bed.streams.consumers(&bed.stream).await.unwrap().len(), crate::CONSUMERS_MAX);
    let twice = bed.streams.register_consumer(&bed.stream, &name("risk"), Vec::new()).await;
    assert!(matches!(twice, Err(ConsumerError::Exists)));
}

#[tokio::test]
async fn consumers_and_their_tags_go_with_their_stream() {
    let bed = bed().await;
    let tag = |key: &str| (key.to_owned(), "v".to_owned());
    bed.streams.tag_consumer(&bed.stream, &bed.consumer, vec![tag("a"), tag("b")]).await.unwrap();
    bed.streams.untag_consumer(&bed.stream, &bed.consumer, &["a".to_owned()]).await.unwrap();
    let tags = bed.streams.consumer_tags(&bed.stream, &bed.consumer).await.unwrap();
    assert_eq!(tags.into_iter().collect::<Vec<_>>(), [tag("b")]);
    let held = bed.streams.delete_unconsumed(&bed.stream.key).await;
    assert!(matches!(held, Err(ConsumerError::HasConsumers)));
    bed.streams.delete(&bed.stream.key).await.unwrap();
    let tags = bed.streams.tag_consumer(&bed.stream, &bed.consumer, vec![tag("c")]).await;
    assert!(matches!(tags, Err(ConsumerError::NoSuchConsumer)));
    let tags_key = crate::records::ConsumersRow::tags_key(bed.stream.incarnation, &bed.consumer);
    assert_eq!(bed.store.get(&tags_key).await.unwrap(), None);
}
