//! Deliveries end to end on the in-memory store, with conflicts and crashes put in their way.
//!
//! Lost and doubled are computed from the ids of records found in objects, never from counts.

mod faults;
mod reshard;
mod tables;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use headwater_base::{ByteSize, OnceToken, Scope, Seams, Timestamp};
use headwater_blob::memory::MemoryBlobs;
use headwater_catalog::Catalog;
use headwater_objects::{BucketName, ListQuery, Listed, ObjectInfo, Objects};
use headwater_store::{Commit, Store};
use headwater_streams::{NewRecord, NewStream, StreamKey, StreamName, Streams};
use headwater_work::{Reconciler as _, Work};
use proptest::prelude::*;

use self::faults::{Fault, Faults, FaultyStore};
use crate::definition::{
    Buffering, Delivery, DeliveryKey, DeliveryName, Destination, NewDelivery, NewSource, StartAt,
};
use crate::engine::{Deliveries, DeliveryError, Inner, PAGE};
use crate::extract::PartitionQuery;
use crate::ledger::{CommittedPlan, CommittedRange, Counts};
use crate::prefix::{Prefix, Role};
use crate::records::plan::PlanRecord;
use crate::records::position::{HeadRecord, PositionRecord};
use crate::records::{Record as _, keys};
use crate::runner::{RunError, Runner};

/// A node's engines without background work: tests drive the runner themselves.
struct House {
    faults: Arc<FaultyStore>,
    deliveries: Deliveries,
    streams: Streams,
    objects: Objects,
    catalog: Catalog,
}

fn scope() -> Scope {
    Scope::new("000000000001".parse().unwrap(), "eu-west-1".parse().unwrap())
}

fn stream_key(name: &str) -> StreamKey {
    StreamKey { scope: scope(), name: StreamName::new(name).unwrap() }
}

fn delivery_key() -> DeliveryKey {
    DeliveryKey { scope: scope(), name: DeliveryName::new("d").unwrap() }
}

fn destination() -> Destination {
    Destination {
        bucket: BucketName::new("bucket").unwrap(),
        prefix: Prefix::parse("raw/", Role::Data).unwrap(),
        error_prefix: Some(Prefix::parse("err/!{firehose:error-output-type}/", Role::Error).unwrap()),
        file_extension: None,
        zone: chrono_tz::Tz::UTC,
        gzip: false,
        conversion: None,
        partition_query: None,
        delimiter: Bytes::from_static(b"\n"),
        buffering: Buffering { size: ByteSize::mib(1), interval: Duration::ZERO },
        echo: String::new(),
    }
}

fn partitioned() -> Destination {
    Destination {
        prefix: Prefix::parse("raw/p=!{partitionKeyFromQuery:p}/", Role::Data).unwrap(),
        partition_query: Some(PartitionQuery::parse("{p: .p}").unwrap()),
        ..destination()
    }
}

fn new(source: NewSource, destination: Destination) -> NewDelivery {
    NewDelivery { key: delivery_key(), source, destination, tags: Vec::new() }
}

impl House {
    async fn new() -> Self {
        Self::with(Seams::system()).await
    }

    async fn with(seams: Seams) -> Self {
        let work = Work::new(seams.clone());
        let faults = Arc::new(Faults::over(headwater_store::memory::open(seams.clone())));
        let store: Arc<dyn Store> = faults.clone();
        let blobs = Arc::new(MemoryBlobs::new(seams.clone()));
        let objects = Objects::without_sweep(Arc::clone(&store), blobs, seams.clone());
        let streams = Streams::new(Arc::clone(&store), seams.clone(), &work);
        let catalog = Catalog::new(Arc::clone(&store), seams.clone());
        let inner = Inner::new(store, seams, &work, streams.clone(), objects.clone(), catalog.clone());
        let house = Self { faults, deliveries: Deliveries(Arc::new(inner)), streams, objects, catalog };
        house.bucket().await;
        house
    }

    async fn bucket(&self) {
        let name = BucketName::new("bucket").unwrap();
        self.objects.create_bucket(&name, scope().account, &scope().region).await.unwrap();
    }

    async fn direct(&self, destination: Destination) -> Arc<Delivery> {
        self.deliveries.create(new(NewSource::DirectPut, destination)).await.unwrap()
    }

    async fn stream(&self, name: &str, shards: u32) {
        self.streams.create(&stream_key(name), NewStream::of_shards(shards)).await.unwrap();
    }

    async fn reading_stream(&self, start: StartAt, destination: Destination) -> Arc<Delivery> {
        let source = NewSource::Stream { key: stream_key("s"), start };
        self.deliveries.create(new(source, destination)).await.unwrap()
    }

    async fn put_stream(&self, records: Vec<Vec<u8>>) {
        let stream = self.streams.get(&stream_key("s")).await.unwrap();
        let record = |data: Vec<u8>| NewRecord {
            partition_key: String::from_utf8_lossy(&data).into_owned(),
            explicit_hash_key: None,
            data: data.into(),
        };
        self.streams.put(&stream, records.into_iter().map(record).collect(), None).await.unwrap();
    }

    fn runner(&self, delivery: &Delivery) -> Runner {
        Runner::new(Arc::clone(&self.deliveries.0), delivery.key.clone(), delivery.incarnation)
    }

    /// Delivers until nothing waits.
    async fn drain(&self, delivery: &Delivery) {
        let runner = self.runner(delivery);
        while self.buffered(delivery).await > 0 {
            runner.step().await.unwrap();
        }
    }

    async fn buffered(&self, delivery: &Delivery) -> u64 {
        self.deliveries.ledger(delivery).await.unwrap().iter().map(|line| line.buffered).sum()
    }

    async fn counts(&self, delivery: &Delivery) -> Counts {
        let mut all = Counts::default();
        for line in self.deliveries.ledger(delivery).await.unwrap() {
            assert!(line.row.meets());
            all.add(&line.row.counts);
        }
        all
    }

    async fn objects(&self, prefix: &str) -> Vec<ObjectInfo> {
        let bucket = self.objects.bucket(&BucketName::new("bucket").unwrap()).await.unwrap();
        let query = ListQuery { prefix: prefix.into(), delimiter: None, after: None, limit: 1000 };
        let page = self.objects.list(&bucket, &query).await.unwrap();
        assert!(!page.truncated);
        let object = |entry| match entry {
            Listed::Object(object) => Some(object),
            Listed::Prefix(_) => None,
        };
        page.entries.into_iter().filter_map(object).collect()
    }

    async fn body(&self, object: &ObjectInfo) -> Bytes {
        let bucket = self.objects.bucket(&BucketName::new("bucket").unwrap()).await.unwrap();
        let reader = self.objects.open(&bucket, &object.key).await.unwrap();
        reader.read(0..object.size).await.unwrap()
    }

    /// How often each line is found in objects under a prefix.
    async fn lines(&self, prefix: &str) -> BTreeMap<String, u32> {
        let mut found = BTreeMap::new();
        for object in self.objects(prefix).await {
            let body = self.body(&object).await;
            for line in std::str::from_utf8(&body).unwrap().lines() {
                *found.entry(line.to_owned()).or_insert(0) += 1;
            }
        }
        found
    }
}

fn ids(range: std::ops::Range<u32>) -> Vec<Bytes> {
    range.map(|id| Bytes::from(format!("record-{id}"))).collect()
}

fn once_each(range: std::ops::Range<u32>) -> BTreeMap<String, u32> {
    range.map(|id| (format!("record-{id}"), 1)).collect()
}

#[tokio::test]
async fn records_put_directly_arrive_once_and_their_log_is_trimmed() {
    let house = House::new().await;
    let delivery = house.direct(destination()).await;
    assert_eq!(
        house.deliveries.put(&delivery, ids(0..10), None).await.unwrap(),
        (0..10).collect::<Vec<i64>>()
    );
    house.drain(&delivery).await;
    house.deliveries.put(&delivery, ids(10..12), None).await.unwrap();
    house.drain(&delivery).await;
    assert_eq!(house.lines("raw/").await, once_each(0..12));
    let line = house.deliveries.ledger(&delivery).await.unwrap()[0];
    assert_eq!((line.row.position, line.accepted, line.buffered), (12, 12, 0));
    assert_eq!(house.faults.bounds(line.row.log).await.unwrap().start, 12);
    let report = house.deliveries.audit(None).await.unwrap();
    assert!(report.balanced(), "{report:?}");
    assert_eq!((report.deliveries[0].plans, report.deliveries[0].objects.rows), (2, 12));
}

#[tokio::test]
async fn a_repeated_put_is_the_same_put() {
    let house = House::new().await;
    let delivery = house.direct(destination()).await;
    let token = Some(OnceToken([7; 16]));
    let first = house.deliveries.put(&delivery, ids(0..3), token).await.unwrap();
    assert_eq!(house.deliveries.put(&delivery, ids(0..3), token).await.unwrap(), first);
    house.drain(&delivery).await;
    assert_eq!(house.lines("raw/").await, once_each(0..3));
}

#[tokio::test]
async fn a_stream_is_delivered_from_where_the_delivery_began() {
    for (start, want) in [(StartAt::Latest, once_each(50..90)), (StartAt::Oldest, once_each(0..90))] {
        let house = House::new().await;
        house.stream("s", 3).await;
        house.put_stream(ids(0..50).iter().map(|id| id.to_vec()).collect()).await;
        let delivery = house.reading_stream(start, destination()).await;
        house.put_stream(ids(50..90).iter().map(|id| id.to_vec()).collect()).await;
        house.drain(&delivery).await;
        assert_eq!(house.lines("raw/").await, want);
        assert_eq!(house.deliveries.ledger(&delivery).await.unwrap().len(), 3);
        assert!(house.deliveries.audit(None).await.unwrap().balanced());
    }
}

#[tokio::test]
async fn records_find_their_partition_or_the_error_prefix() {
    let house = House::new().await;
    let delivery = house.direct(partitioned()).await;
    let records = [
        r#"{"p":"a","n":1}"#,
        r#"{"p":"b","n":2}"#,
        "oops",
        r#"{"n":3}"#,
        r#"{"p":"a","n":4}"#,
        r#"{"p":"x/../y"}"#,
    ];
    house
        .deliveries
        .put(&delivery, records.iter().map(|r| Bytes::from_static(r.as_bytes())).collect(), None)
        .await
        .unwrap();
    house.drain(&delivery).await;
    assert_eq!(house.lines("raw/p=a/").await.len(), 2);
    assert_eq!(house.lines("raw/p=b/").await.len(), 1);
    assert_eq!(house.lines("raw/p=x%2F..%2Fy/").await.len(), 1);
    let errors = house.lines("err/metadata-extraction-failed/").await;
    assert_eq!(errors.len(), 2);
    let letter: serde_json::Value = serde_json::from_str(errors.keys().next().unwrap()).unwrap();
    assert_eq!(letter["errorCode"], "DynamicPartitioning.MetadataExtractionFailed");
    let counts = house.counts(&delivery).await;
    assert_eq!((counts.delivered, counts.dead_lettered, counts.rows), (4, 2, 4));
    assert!(house.deliveries.audit(None).await.unwrap().balanced());
}

#[tokio::test]
async fn the_same_plan_makes_the_same_objects() {
    let mut seen = Vec::new();
    for crash in [None, Some(Fault::CrashBefore)] {
        let house = House::new().await;
        let delivery = house.direct(partitioned()).await;
        let record = |n: u32| Bytes::from(format!(r#"{{"p":"{}","n":{n}}}"#, n % 3));
        house.deliveries.put(&delivery, (0..300).map(record).collect(), None).await.unwrap();
        if let Some(fault) = crash {
            house.faults.next(fault);
            assert!(house.faults.until_crash(house.runner(&delivery).step()).await.is_none());
            assert!(house.objects("raw/").await.is_empty());
        }
        house.drain(&delivery).await;
        let mut bodies = Vec::new();
        for object in house.objects("raw/").await {
            let folder = object.key.as_str().rsplit_once('/').unwrap().0.to_owned();
            bodies.push((folder, house.body(&object).await));
        }
        seen.push(bodies);
    }
    assert_eq!(seen[0].len(), 3);
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn records_that_retention_will_take_are_warned_of() {
    let start = Timestamp::from_ms(1_700_000_000_000);
    let seams = Seams::simulated(start, 1);
    let house = House::with(seams.clone()).await;
    house.stream("s", 1).await;
    let late = Destination {
        buffering: Buffering { size: ByteSize::mib(1), interval: Duration::from_secs(20 * 3600) },
        ..destination()
    };
    let delivery = house.reading_stream(StartAt::Latest, late).await;
    house.put_stream(vec![b"record-0".to_vec()]).await;
    let runner = house.runner(&delivery);
    for (hours, want) in [(11, None), (2, Some(start.plus(Duration::from_secs(24 * 3600))))] {
        seams.clock.advance(Duration::from_secs(hours * 3600));
        // Not due yet: the step only looks, and would wait on.
        tokio::select! {
            biased;
            _ = runner.step() => panic!("nothing is due"),
            () = many_turns() => {}
        }
        assert_eq!(house.deliveries.health(&delivery).expires, want);
    }
}

/// Time enough for anything that waits for nobody.
async fn many_turns() {
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_bucket_that_is_gone_is_waited_for() {
    let house = House::new().await;
    let delivery = house.direct(destination()).await;
    house.deliveries.put(&delivery, ids(0..5), None).await.unwrap();
    let bucket = house.objects.bucket(&BucketName::new("bucket").unwrap()).await.unwrap();
    house.objects.delete_bucket(&bucket).await.unwrap();
    let runner = house.runner(&delivery);
    let error = runner.step().await.unwrap_err();
    assert!(matches!(&error, RunError::Waiting(why) if why.contains("bucket")), "{error}");
    assert_eq!(house.buffered(&delivery).await, 5);
    // It hears of the new bucket, and of nothing else.
    assert!(runner.recovered().now_or_never().is_none());
    house.deliveries.put(&delivery, ids(5..6), None).await.unwrap();
    assert!(runner.recovered().now_or_never().is_none());
    house.bucket().await;
    runner.recovered().await;
    assert!(runner.step().await.unwrap());
    house.drain(&delivery).await;
    assert_eq!(house.lines("raw/").await, once_each(0..6));
}

#[tokio::test]
async fn a_stream_created_anew_is_another_stream() {
    let house = House::new().await;
    house.stream("s", 1).await;
    let delivery = house.reading_stream(StartAt::Latest, destination()).await;
    house.streams.delete(&stream_key("s")).await.unwrap();
    let error = house.runner(&delivery).step().await.unwrap_err();
    assert!(error.to_string().contains("was deleted"), "{error}");
    house.stream("s", 1).await;
    house.put_stream(vec![b"record-0".to_vec()]).await;
    let error = house.runner(&delivery).step().await.unwrap_err();
    assert!(error.to_string().contains("another created"), "{error}");
    assert!(house.objects("raw/").await.is_empty());
}

#[tokio::test]
async fn what_retention_removed_is_counted_as_expired() {
    let house = House::new().await;
    house.stream("s", 1).await;
    let delivery = house.reading_stream(StartAt::Latest, destination()).await;
    for id in 0..10 {
        house.put_stream(vec![format!("record-{id}").into_bytes()]).await;
    }
    let log = house.streams.get(&stream_key("s")).await.unwrap().shards[0].log;
    house.faults.commit(Commit::new().trim(log, 4)).await.unwrap();
    house.drain(&delivery).await;
    assert_eq!(house.lines("raw/").await, once_each(4..10));
    let counts = house.counts(&delivery).await;
    assert_eq!((counts.delivered, counts.expired), (6, 4));
    assert!(house.deliveries.audit(None).await.unwrap().balanced());
}

#[tokio::test]
async fn records_that_all_expired_are_counted_without_a_further_one() {
    let house = House::new().await;
    house.stream("s", 1).await;
    let delivery = house.reading_stream(StartAt::Latest, destination()).await;
    house.put_stream(ids(0..10).iter().map(|id| id.to_vec()).collect()).await;
    let log = house.streams.get(&stream_key("s")).await.unwrap().shards[0].log;
    house.faults.commit(Commit::new().trim(log, 10)).await.unwrap();
    house.drain(&delivery).await;
    assert_eq!(house.counts(&delivery).await.expired, 10);
    assert!(house.objects("").await.is_empty());
    assert!(house.deliveries.audit(None).await.unwrap().balanced());
}

#[tokio::test]
async fn a_deleted_delivery_counts_what_it_gave_up_and_stays_auditable() {
    let house = House::new().await;
    let delivery = house.direct(destination()).await;
    house.deliveries.put(&delivery, ids(0..5), None).await.unwrap();
    house.drain(&delivery).await;
    house.deliveries.put(&delivery, ids(5..8), None).await.unwrap();
    house.deliveries.delete(&delivery.key).await.unwrap();
    let gone = house.deliveries.put(&delivery, ids(8..9), None).await.unwrap_err();
    assert!(matches!(gone, DeliveryError::NoSuchDelivery(_)));
    assert!(!house.runner(&delivery).step().await.unwrap());
    let report = house.deliveries.audit(None).await.unwrap();
    assert!(report.balanced(), "{report:?}");
    let audit = &report.deliveries[0];
    let counts = audit.shards[0].row.counts;
    assert!(audit.deleted);
    assert_eq!((counts.delivered, counts.discarded), (5, 3));
    // The name is free again, for another delivery.
    let again = house.direct(destination()).await;
    assert_ne!(again.incarnation, delivery.incarnation);
    assert_eq!(house.counts(&again).await, Counts::default());
}

#[tokio::test]
async fn a_changed_destination_counts_from_the_next_plan() {
    let house = House::new().await;
    let delivery = house.direct(destination()).await;
    house.deliveries.put(&delivery, ids(0..2), None).await.unwrap();
    house.drain(&delivery).await;
    let next = Destination { prefix: Prefix::parse("new/", Role::Data).unwrap(), ..destination() };
    let changed = house.deliveries.update(&delivery.key, 1, next.clone()).await.unwrap();
    assert_eq!(changed.config_version, 2);
    let stale = house.deliveries.update(&delivery.key, 1, next).await.unwrap_err();
    assert!(matches!(stale, DeliveryError::Changed { current: 2 }));
    house.deliveries.put(&delivery, ids(2..4), None).await.unwrap();
    house.drain(&delivery).await;
    assert_eq!(house.lines("raw/").await, once_each(0..2));
    assert_eq!(house.lines("new/").await, once_each(2..4));
    assert!(house.objects("new/").await[0].key.as_str().contains("/d-2-"));
}

#[tokio::test]
async fn too_many_partitions_for_one_commit_make_smaller_plans() {
    let house = House::new().await;
    let delivery = house.direct(partitioned()).await;
    let record = |n: u32| Bytes::from(format!(r#"{{"p":"{n}","pad":"{}"}}"#, "x".repeat(2000)));
    for chunk in 0..12 {
        house
            .deliveries
            .put(&delivery, (chunk * 450..(chunk + 1) * 450).map(record).collect(), None)
            .await
            .unwrap();
    }
    let wide = Destination {
        buffering: Buffering { size: ByteSize::mib(64), interval: Duration::ZERO },
        ..partitioned()
    };
    house.deliveries.update(&delivery.key, 1, wide).await.unwrap();
    house.drain(&delivery).await;
    let counts = house.counts(&delivery).await;
    assert_eq!(counts.delivered, 5400);
    let report = house.deliveries.audit(None).await.unwrap();
    assert!(report.balanced(), "{report:?}");
    assert!(report.deliveries[0].plans > 1);
    assert_eq!(report.deliveries[0].objects.intact, 5400);
}

async fn delivered() -> (House, Arc<Delivery>) {
    let house = House::new().await;
    let delivery = house.direct(destination()).await;
    for n in 0..3 {
        house.deliveries.put(&delivery, ids(n * 10..n * 10 + 10), None).await.unwrap();
        house.drain(&delivery).await;
    }
    assert!(house.deliveries.audit(None).await.unwrap().balanced());
    (house, delivery)
}

#[tokio::test]
async fn the_audit_lists_removed_objects_apart() {
    let (house, _) = delivered().await;
    let object = house.objects("raw/").await.remove(1);
    let bucket = house.objects.bucket(&BucketName::new("bucket").unwrap()).await.unwrap();
    house.objects.delete(&bucket, &object.key).await.unwrap();
    let report = house.deliveries.audit(None).await.unwrap();
    let objects = &report.deliveries[0].objects;
    assert!(report.balanced());
    assert_eq!((objects.intact, objects.removed), (2, 1));
    assert!(objects.removed_names[0].ends_with(object.key.as_str()));
}

#[tokio::test]
async fn the_audit_finds_altered_and_doubled_objects() {
    let (house, _) = delivered().await;
    let bucket = house.objects.bucket(&BucketName::new("bucket").unwrap()).await.unwrap();
    let objects = house.objects("raw/").await;
    let body = house.body(&objects[0]).await;
    let twin = headwater_objects::ObjectKey::new("raw/twin").unwrap();
    house.objects.put_bytes(&bucket, &twin, body, objects[0].attributes.clone()).await.unwrap();
    let altered = Bytes::from_static(b"record-10\n");
    house.objects.put_bytes(&bucket, &objects[1].key, altered, objects[1].attributes.clone()).await.unwrap();
    let report = house.deliveries.audit(None).await.unwrap();
    let problems = report.deliveries[0].objects.problems.join("\n");
    assert!(!report.balanced());
    assert!(
        problems.contains("raw/twin: doubles") && problems.contains("is not as it was delivered"),
        "{problems}"
    );
}

#[tokio::test]
async fn an_audit_reads_any_number_of_plans_and_misses_none() {
    let house = House::new().await;
    let delivery = house.direct(destination()).await;
    let id = delivery.incarnation;
    let committed = 2 * PAGE as i64 + 1;
    let plan = |number: i64| {
        let counts = Counts { dropped: 1, ..Counts::default() };
        let plan = CommittedPlan {
            number: number as u64,
            id: uuid::Uuid::from_u128(number as u128),
            config_version: 1,
            schema_id: None,
            ranges: vec![CommittedRange { shard: 0, from: number, to: number + 1, counts }],
            objects: 0,
            at: Timestamp::EPOCH,
        };
        (keys::plan(id, plan.number), PlanRecord::from(&plan).to_value())
    };
    let mut row = house.deliveries.ledger(&delivery).await.unwrap()[0].row;
    row.position = committed;
    row.counts.dropped = committed as u64;
    let mut commit = Commit::new()
        .put(keys::position(id, 0), PositionRecord::from(&row).to_value())
        .put(keys::head(id), HeadRecord { next_plan: committed as u64 }.to_value());
    for (key, value) in (0..committed).map(plan) {
        commit = commit.put(key, value);
    }
    house.faults.commit(commit).await.unwrap();
    let report = house.deliveries.audit(None).await.unwrap();
    assert!(report.balanced(), "{report:?}");
    assert_eq!(report.deliveries[0].plans, committed as u64);

    house.faults.commit(Commit::new().delete(keys::plan(id, 1500))).await.unwrap();
    let report = house.deliveries.audit(None).await.unwrap();
    let audit = &report.deliveries[0];
    assert_eq!(audit.objects.problems, ["2000 plans are recorded, 2001 were committed"]);
    assert!(audit.shards[0].problems[0].contains("leaves a gap: it begins at 1501"), "{audit:?}");
}

#[tokio::test]
async fn a_doctored_position_is_found_and_stops_the_delivery() {
    let (house, delivery) = delivered().await;
    let mut row = house.deliveries.ledger(&delivery).await.unwrap()[0].row;
    row.position -= 10;
    let key = keys::position(delivery.incarnation, 0);
    house.faults.commit(Commit::new().put(key, PositionRecord::from(&row).to_value())).await.unwrap();
    let report = house.deliveries.audit(None).await.unwrap();
    let problems = report.deliveries[0].shards[0].problems.join("\n");
    assert!(problems.contains("the position is 20"), "{problems}");
    house.deliveries.put(&delivery, ids(30..31), None).await.unwrap();
    let error = house.runner(&delivery).step().await.unwrap_err();
    assert!(matches!(error, RunError::LedgerBroken(_)), "{error}");
}

#[derive(Clone, Debug)]
enum Action {
    Put(u32),
    Deliver,
    Fault(Fault),
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let fault = prop_oneof![
        Just(Fault::Conflict),
        Just(Fault::Busy),
        Just(Fault::CrashBefore),
        Just(Fault::CrashAfter)
    ];
    let action = prop_oneof![
        3 => (1u32..40).prop_map(Action::Put),
        3 => Just(Action::Deliver),
        2 => fault.prop_map(Action::Fault),
    ];
    prop::collection::vec(action, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever goes wrong at whichever commit: every record arrives, and once.
    #[test]
    fn nothing_is_lost_or_doubled(actions in actions(), shards in 1u32..4, split: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let house = House::new().await;
            house.stream("s", shards).await;
            let destination = if split { partitioned() } else { destination() };
            let delivery = house.reading_stream(StartAt::Latest, destination).await;
            let mut runner = house.runner(&delivery);
            let mut sent = BTreeMap::new();
            for action in actions {
                match action {
                    Action::Put(count) => {
                        let from = sent.len() as u32;
                        let record = |id: u32| format!(r#"{{"p":"{}","id":{id}}}"#, id % 4);
                        let records: Vec<String> = (from..from + count).map(record).collect();
                        house.put_stream(records.iter().map(|r| r.clone().into_bytes()).collect()).await;
                        sent.extend(records.into_iter().map(|r| (r, 1)));
                    }
                    Action::Fault(fault) => house.faults.next(fault),
                    Action::Deliver => {
                        if house.buffered(&delivery).await > 0
                            && house.faults.until_crash(runner.step()).await.is_none()
                        {
                            runner = house.runner(&delivery);
                        }
                    }
                }
            }
            house.faults.clear();
            house.drain(&delivery).await;
            assert_eq!(house.lines("raw/").await, sent);
            assert_eq!(house.counts(&delivery).await.delivered, sent.len() as u64);
            let report = house.deliveries.audit(None).await.unwrap();
            assert!(report.balanced(), "{report:?}");
        });
    }
}
