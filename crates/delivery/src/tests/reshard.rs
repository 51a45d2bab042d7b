//! Streams that are resharded while they are delivered.

use headwater_streams::HashKey;

use super::*;

const MIDDLE: HashKey = HashKey(1 << 127);

fn bytes(range: std::ops::Range<u32>) -> Vec<Vec<u8>> {
    ids(range).iter().map(|id| id.to_vec()).collect()
}

impl House {
    async fn split(&self, shard: u32, at: HashKey) {
        let stream = self.streams.get(&stream_key("s")).await.unwrap();
        self.streams.split(&stream, shard, at).await.unwrap();
    }

    /// Which shards each committed plan read, in the order of the plans.
    async fn plans(&self) -> Vec<Vec<u32>> {
        let prefix = keys::plans(self.deliveries.all().await.unwrap()[0].incarnation);
        let rows = self.deliveries.0.scan_all(&prefix).await.unwrap();
        let plan = |row: headwater_store::Scanned| {
            let plan = crate::records::plan::PlanRecord::from_value(&row.fact.value).unwrap().into_plan(0);
            plan.ranges.iter().map(|range| range.shard).collect()
        };
        rows.into_iter().map(plan).collect()
    }
}

#[tokio::test]
async fn children_are_delivered_after_their_parents() {
    for start in [StartAt::Latest, StartAt::Oldest] {
        let house = House::new().await;
        house.stream("s", 1).await;
        let delivery = house.reading_stream(start, destination()).await;
        house.put_stream(bytes(0..20)).await;
        house.split(0, MIDDLE).await;
        house.put_stream(bytes(20..40)).await;
        let stream = house.streams.get(&stream_key("s")).await.unwrap();
        house.streams.merge(&stream, 1, 2).await.unwrap();
        house.put_stream(bytes(40..60)).await;
        assert_eq!(house.buffered(&delivery).await, 60, "shards without a position count, too");
        house.drain(&delivery).await;
        assert_eq!(house.lines("raw/").await, once_each(0..60));
        assert_eq!(house.plans().await, [vec![0], vec![1, 2], vec![3]]);
        assert_eq!(house.counts(&delivery).await.delivered, 60);
        let report = house.deliveries.audit(None).await.unwrap();
        assert!(report.balanced(), "{report:?}");
        assert_eq!(report.deliveries[0].shards.len(), 4);
    }
}

#[tokio::test]
async fn a_delivery_that_begins_after_a_split_reads_what_is_there() {
    for (start, want) in [(StartAt::Latest, once_each(40..60)), (StartAt::Oldest, once_each(0..60))] {
        let house = House::new().await;
        house.stream("s", 1).await;
        house.put_stream(bytes(0..20)).await;
        house.split(0, MIDDLE).await;
        house.put_stream(bytes(20..40)).await;
        let delivery = house.reading_stream(start, destination()).await;
        house.put_stream(bytes(40..60)).await;
        house.drain(&delivery).await;
        assert_eq!(house.lines("raw/").await, want);
        assert!(house.deliveries.audit(None).await.unwrap().balanced());
    }
}

#[tokio::test]
async fn a_waiting_delivery_hears_of_new_shards() {
    let house = House::new().await;
    house.stream("s", 1).await;
    let delivery = house.reading_stream(StartAt::Latest, destination()).await;
    let runner = house.runner(&delivery);
    let step = runner.step();
    tokio::pin!(step);
    tokio::select! {
        biased;
        _ = &mut step => panic!("nothing waits"),
        () = many_turns() => {}
    }
    house.split(0, MIDDLE).await;
    house.put_stream(bytes(0..20)).await;
    assert!(step.await.unwrap());
    assert_eq!(house.lines("raw/").await, once_each(0..20));
}

#[tokio::test]
async fn what_left_the_stream_unread_is_counted_as_expired() {
    let seams = Seams::simulated(Timestamp::from_ms(1_700_000_000_000), 1);
    let house = House::with(seams.clone()).await;
    house.stream("s", 1).await;
    let delivery = house.reading_stream(StartAt::Latest, destination()).await;
    house.put_stream(bytes(0..20)).await;
    house.split(0, MIDDLE).await;
    house.put_stream(bytes(20..40)).await;
    // A child ends with its parent, before the delivery has a row for it.
    house.split(1, HashKey(1 << 126)).await;
    let stream = house.streams.get(&stream_key("s")).await.unwrap();
    let lost = stream.shard(1).unwrap().closed_at.unwrap() as u64;
    assert!(lost > 0);
    seams.clock.advance(Duration::from_secs(25 * 3600));
    many_turns().await;
    let stream = house.streams.get(&stream_key("s")).await.unwrap();
    assert_eq!(stream.ended.iter().map(|shard| shard.index).collect::<Vec<_>>(), [0, 1]);
    house.put_stream(bytes(40..60)).await;
    let runner = house.runner(&delivery);
    while house.lines("raw/").await.len() < 20 {
        runner.step().await.unwrap();
    }
    assert_eq!(house.lines("raw/").await, once_each(40..60));
    let counts = house.counts(&delivery).await;
    assert_eq!((counts.delivered, counts.expired), (20, 40));
    assert!(house.deliveries.audit(None).await.unwrap().balanced());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Puts, splits, merges and deliveries in any order, with crashes around commits: every record is
    /// delivered once.
    #[test]
    fn every_record_is_delivered_once_whatever_becomes_of_its_shard(
        steps in proptest::collection::vec((0u8..4, any::<prop::sample::Index>(), any::<u128>()), 1..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let house = House::new().await;
            house.stream("s", 2).await;
            let delivery = house.reading_stream(StartAt::Oldest, destination()).await;
            let mut count = 0;
            for (step, at, hash) in steps {
                let stream = house.streams.get(&stream_key("s")).await.unwrap();
                let mut open: Vec<_> = stream.open_shards().collect();
                open.sort_by_key(|shard| shard.hash_first);
                match step {
                    0 => {
                        house.put_stream(bytes(count..count + 7)).await;
                        count += 7;
                    }
                    1 => drop(house.streams.split(&stream, at.get(&open).index, HashKey(hash)).await),
                    2 if open.len() > 1 => {
                        let at = at.index(open.len() - 1);
                        house.streams.merge(&stream, open[at].index, open[at + 1].index).await.unwrap();
                    }
                    _ if house.buffered(&delivery).await > 0 => {
                        house.faults.next(if hash % 2 == 0 { Fault::CrashBefore } else { Fault::CrashAfter });
                        let _ = house.faults.until_crash(house.runner(&delivery).step()).await;
                    }
                    _ => {}
                }
            }
            house.drain(&delivery).await;
            assert_eq!(house.lines("raw/").await, once_each(0..count));
            assert!(house.deliveries.audit(None).await.unwrap().balanced());
        });
    }
}
