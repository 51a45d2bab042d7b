//! The engine against targets that are up, down, choosy, and against crashes.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says so by panicking")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use headwater_base::{Seams, Timestamp};
use headwater_blob::memory::MemoryBlobs;
use headwater_events::{
    Carrier, DestinationKind, EventError, EventName, Events, Lane, Message, Notification, Options, Rule,
    Target, Undelivered,
};
use headwater_objects::{Attributes, Bucket, BucketName, ObjectKey, Objects, Origin};
use headwater_store::Store;
use headwater_work::{Pass, Reconciler};
use serde_json::Value;

const QUEUE: &str = "arn:aws:sqs:eu-west-1:000000000001:queue";
const OTHER: &str = "arn:aws:sqs:eu-west-1:000000000001:other";
const FUNCTION: &str = "arn:aws:lambda:eu-west-1:000000000001:function:f";
const BUS: &str = "arn:aws:events:eu-west-1:000000000001:event-bus/default";

/// What targets do with messages, and what they got.
#[derive(Debug, Default)]
struct Fake {
    down: Mutex<Vec<&'static str>>,
    /// Object keys that are refused.
    refused: Mutex<Vec<&'static str>>,
    got: Mutex<Vec<(String, Message)>>,
    /// Whether messages are taken without an answer.
    mute: AtomicBool,
}

impl Fake {
    fn got(&self, arn: &str) -> Vec<(String, Value)> {
        let got = self.got.lock().unwrap();
        let mine = got.iter().filter(|(to, _)| to == arn);
        mine.map(|(_, m)| (m.id.clone(), serde_json::from_slice(&m.body).unwrap())).collect()
    }

    /// The (event name, key) of each record that came.
    fn records(&self, arn: &str) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let record = |value: &Value| {
            let record = &value["Records"][0];
            (text(&record["eventName"]), text(&record["s3"]["object"]["key"]))
        };
        self.got(arn).iter().filter(|(_, v)| v.get("Records").is_some()).map(|(_, v)| record(v)).collect()
    }
}

#[async_trait]
impl Carrier for Fake {
    async fn carry(&self, target: &Target, message: &Message) -> Result<(), Undelivered> {
        if self.down.lock().unwrap().iter().any(|arn| *arn == target.arn) {
            return Err(Undelivered::Unavailable("nobody answers".into()));
        }
        let text = String::from_utf8_lossy(&message.body).into_owned();
        if self.refused.lock().unwrap().iter().any(|key| text.contains(&format!("\"key\":\"{key}\""))) {
            return Err(Undelivered::Refused("status 400".into()));
        }
        self.got.lock().unwrap().push((target.arn.clone(), message.clone()));
        if self.mute.load(Ordering::Acquire) {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

struct House {
    seams: Seams,
    store: Arc<dyn Store>,
    objects: Objects,
    fake: Arc<Fake>,
    options: Options,
    events: Events,
    name: BucketName,
}

impl House {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let seams = Seams::simulated(Timestamp::from_ms(1_767_225_600_000), 7);
        let store = headwater_store::memory::open(seams.clone());
        let blobs = Arc::new(MemoryBlobs::new(seams.clone()));
        let objects = Objects::without_sweep(store.clone(), blobs, seams.clone());
        let name = BucketName::new("lake").unwrap();
        objects
            .create_bucket(&name, "000000000001".parse().unwrap(), &"eu-west-1".parse().unwrap())
            .await
            .unwrap();
        let target = |arn: &str| Target { arn: arn.to_owned(), url: "http://127.0.0.1:1/".to_owned() };
        let targets = [QUEUE, OTHER, FUNCTION, BUS].map(target).to_vec();
        let mut options = Options { targets, ..Options::default() };
        change(&mut options);
        let fake = Arc::new(Fake::default());
        let events = Events::without_tasks(objects.clone(), options.clone(), fake.clone());
        Self { seams, store, objects, fake, options, events, name }
    }

    /// The same store with a new engine: what a restart finds.
    fn restarted(&mut self) {
        self.events = Events::without_tasks(self.objects.clone(), self.options.clone(), self.fake.clone());
    }

    async fn bucket(&self) -> Bucket {
        (*self.objects.bucket(&self.name).await.unwrap()).clone()
    }

    async fn notify(&self, rules: Vec<Rule>, event_bridge: bool) {
        let notification = Notification::new(rules, event_bridge, &"eu-west-1".parse().unwrap()).unwrap();
        self.events.set_notification(&self.bucket().await, &notification, false, "REQ").await.unwrap();
        self.fake.got.lock().unwrap().clear();
    }

    async fn put(&self, key: &str) {
        let bucket = self.bucket().await;
        self.objects.put_bytes(&bucket, &object(key), "x".into(), Attributes::default()).await.unwrap();
    }

    async fn delete(&self, key: &str) {
        self.objects.delete(&self.bucket().await, &object(key)).await.unwrap();
    }

    async fn route(&self) {
        assert_eq!(self.events.router().pass().await.unwrap(), Pass::Done);
    }

    fn lane(&self, arn: &str) -> Lane {
        self.events.lane(arn, None).unwrap()
    }

    /// Runs a lane until it has nothing more to do.
    async fn deliver(&self, arn: &str) {
        let lane = self.lane(arn);
        while lane.pass().await.unwrap() == Pass::More {}
    }

    async fn status(&self, arn: &str) -> headwater_events::DestinationStatus {
        self.events.status().await.unwrap().into_iter().find(|status| status.arn == arn).unwrap()
    }
}

fn object(key: &str) -> ObjectKey {
    ObjectKey::new(key).unwrap()
}

fn rule(id: &str, arn: &str, events: &[&str], prefix: Option<&str>) -> Rule {
    let kind = if arn == FUNCTION { DestinationKind::Function } else { DestinationKind::Queue };
    Rule {
        id: id.to_owned(),
        kind,
        arn: arn.to_owned(),
        events: events.iter().map(|name| EventName::new(name).unwrap()).collect(),
        prefix: prefix.map(str::to_owned),
        suffix: None,
    }
}

fn everything(arn: &str) -> Rule {
    rule("all", arn, &["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*"], None)
}

#[tokio::test]
async fn changes_become_events_in_the_order_of_their_commits() {
    let house = House::new().await;
    house.notify(vec![everything(QUEUE)], false).await;
    house.put("a").await;
    house.put("b").await;
    house
        .objects
        .set_tags(&house.bucket().await, &object("a"), None, BTreeMap::from([("k".into(), "v".into())]))
        .await
        .unwrap();
    house.objects.set_tags(&house.bucket().await, &object("a"), None, BTreeMap::new()).await.unwrap();
    house.delete("a").await;
    house.route().await;
    house.deliver(QUEUE).await;
    let of_a: Vec<String> =
        house.fake.records(QUEUE).into_iter().filter(|(_, key)| key == "a").map(|(name, _)| name).collect();
    assert_eq!(
        of_a,
        ["ObjectCreated:Put", "ObjectTagging:Put", "ObjectTagging:Delete", "ObjectRemoved:Delete"]
    );
    let sequencers: Vec<String> = house
        .fake
        .got(QUEUE)
        .iter()
        .filter(|(_, v)| v["Records"][0]["s3"]["object"]["key"] == "a")
        .map(|(_, v)| v["Records"][0]["s3"]["object"]["sequencer"].as_str().unwrap().to_owned())
        .collect();
    assert!(sequencers.windows(2).all(|pair| pair[0] < pair[1] && pair[0].len() == 16), "{sequencers:?}");
    let status = house.status(QUEUE).await;
    assert_eq!((status.waiting, status.waiting_bytes, status.delivered), (0, 0, 5));
}

#[tokio::test]
async fn keys_order_holds_although_the_clock_steps_back() {
    let house = House::new().await;
    house.notify(vec![everything(QUEUE)], false).await;
    house.seams.clock.advance(Duration::from_secs(50));
    house.put("a").await;
    // The outbox's keys begin with the time of staging; the next one's lies before.
    let earlier = Seams::simulated(Timestamp::from_ms(1_767_225_600_000), 9);
    let blobs = Arc::new(MemoryBlobs::new(earlier.clone()));
    let late = Objects::without_sweep(house.store.clone(), blobs, earlier);
    late.delete(&house.bucket().await, &object("a")).await.unwrap();
    house.route().await;
    house.deliver(QUEUE).await;
    let names: Vec<String> = house.fake.records(QUEUE).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["ObjectCreated:Put", "ObjectRemoved:Delete"]);
}

#[tokio::test]
async fn a_bucket_that_does_not_notify_leaves_nothing() {
    let house = House::new().await;
    house.put("a").await;
    let snapshot = house.store.snapshot().await.unwrap();
    assert!(house.objects.outbox(&*snapshot, Timestamp::EPOCH, None, 10).await.unwrap().is_empty());
    house.notify(vec![everything(QUEUE)], false).await;
    house.put("b").await;
    house.notify(vec![], false).await;
    assert!(house.events.notification(&house.bucket().await).await.unwrap().is_empty());
    house.put("c").await;
    let snapshot = house.store.snapshot().await.unwrap();
    let rows = house.objects.outbox(&*snapshot, Timestamp::EPOCH, None, 10).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.event.key.as_str()).collect::<Vec<_>>(), ["b"]);
}

#[tokio::test]
async fn versions_and_delete_markers_are_told_by_their_ids() {
    let house = House::new().await;
    house.notify(vec![everything(QUEUE)], false).await;
    house.objects.set_versioning(&house.bucket().await, true).await.unwrap();
    house.put("a").await;
    let bucket = house.bucket().await;
    let put = house.objects.head(&bucket, &object("a")).await.unwrap();
    let marker = house.objects.delete(&bucket, &object("a")).await.unwrap().version.unwrap();
    let anything = headwater_objects::Condition::Anything;
    let nothing = headwater_objects::Bypass::Nothing;
    house.objects.delete_version(&bucket, &object("a"), put.version, &anything, nothing).await.unwrap();
    house.route().await;
    house.deliver(QUEUE).await;
    let told: Vec<(String, String)> = house
        .fake
        .got(QUEUE)
        .iter()
        .map(|(_, v)| &v["Records"][0])
        .map(|r| (r["eventName"].to_string(), r["s3"]["object"]["versionId"].to_string()))
        .collect();
    let quoted = |text: &str| format!("\"{text}\"");
    let wanted = [
        ("ObjectCreated:Put", put.version),
        ("ObjectRemoved:DeleteMarkerCreated", marker),
        ("ObjectRemoved:Delete", put.version),
    ];
    assert_eq!(told, wanted.map(|(name, id)| (quoted(name), quoted(&id.to_string()))));
}

#[tokio::test]
async fn what_lifecycle_removes_has_expired() {
    let house = House::new().await;
    let any = ["s3:ObjectRemoved:*", "s3:LifecycleExpiration:*"];
    house.notify(vec![rule("1", QUEUE, &any, None)], true).await;
    house.put("a").await;
    let bucket = house.bucket().await.for_lifecycle();
    house.objects.delete(&bucket, &object("a")).await.unwrap();
    house.route().await;
    house.deliver(QUEUE).await;
    assert_eq!(house.fake.records(QUEUE), [("LifecycleExpiration:Delete".to_owned(), "a".to_owned())]);
    let (_, record) = &house.fake.got(QUEUE)[0];
    let record = &record["Records"][0];
    assert_eq!(record["userIdentity"]["principalId"], "s3.amazonaws.com");
    assert_eq!(record["requestParameters"]["sourceIPAddress"], "s3.amazonaws.com");
}

#[tokio::test]
async fn what_did_not_happen_is_no_event() {
    let house = House::new().await;
    house.notify(vec![everything(QUEUE)], false).await;
    let bucket = house.bucket().await;
    house.delete("nothing").await;
    let body = house.objects.stage_bytes(&bucket, "x".into(), false).await.unwrap();
    let present = headwater_objects::Condition::Etag("other".into());
    house.objects.put(&bucket, &object("a"), &body, Attributes::default(), &present).await.unwrap_err();
    house.route().await;
    house.deliver(QUEUE).await;
    assert!(house.fake.records(QUEUE).is_empty());
}

#[tokio::test]
async fn events_go_where_their_rule_says() {
    let house = House::new().await;
    let rules = vec![
        rule("logs", QUEUE, &["s3:ObjectCreated:*"], Some("logs/")),
        rule("images", OTHER, &["s3:ObjectCreated:*"], Some("images/")),
    ];
    house.notify(rules, true).await;
    for key in ["logs/1", "images/1", "else"] {
        house.put(key).await;
    }
    house.delete("logs/1").await;
    house.route().await;
    for arn in [QUEUE, OTHER, BUS] {
        house.deliver(arn).await;
    }
    assert_eq!(house.fake.records(QUEUE), [("ObjectCreated:Put".to_owned(), "logs/1".to_owned())]);
    assert_eq!(house.fake.records(OTHER), [("ObjectCreated:Put".to_owned(), "images/1".to_owned())]);
    let on_the_bus: Vec<String> =
        house.fake.got(BUS).iter().map(|(_, v)| v["detail-type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(on_the_bus.len(), 4);
    assert_eq!(on_the_bus.iter().filter(|kind| *kind == "Object Deleted").count(), 1);
    let (_, record) = &house.fake.got(QUEUE)[0];
    assert_eq!(record["Records"][0]["s3"]["configurationId"], "logs");
}

#[tokio::test]
async fn a_bus_without_target_costs_its_events_alone() {
    let house = House::with(|options| options.targets.retain(|target| target.arn != BUS)).await;
    house.notify(vec![everything(QUEUE)], true).await;
    house.put("a").await;
    house.route().await;
    house.deliver(QUEUE).await;
    assert_eq!(house.fake.records(QUEUE).len(), 1);
    assert!(house.events.status().await.unwrap().iter().all(|status| status.arn != BUS));
}

#[tokio::test]
async fn a_crash_before_the_commit_repeats_the_delivery_under_its_id() {
    let mut house = House::new().await;
    house.notify(vec![everything(QUEUE)], false).await;
    house.put("a").await;
    house.route().await;
    // The target takes the message, and before its answer arrives the node is gone.
    house.fake.mute.store(true, Ordering::Release);
    let lane = house.lane(QUEUE);
    {
        let mut pass = std::pin::pin!(lane.pass());
        while house.fake.got(QUEUE).is_empty() {
            assert!(futures::poll!(pass.as_mut()).is_pending());
        }
    }
    assert_eq!(house.status(QUEUE).await.waiting, 1);
    house.fake.mute.store(false, Ordering::Release);
    house.restarted();
    house.route().await;
    house.deliver(QUEUE).await;
    let got = house.fake.got(QUEUE);
    assert_eq!(got.len(), 2);
    assert_eq!(got[0], got[1], "the same bytes under the same id");
    assert_eq!(house.status(QUEUE).await.waiting, 0);
}

#[tokio::test]
async fn a_restart_finds_what_was_routed_and_what_was_not() {
    let mut house = House::new().await;
    house.notify(vec![everything(QUEUE)], false).await;
    house.put("a").await;
    house.route().await;
    house.put("b").await;
    house.restarted();
    // Nothing is delivered before the router has looked: the queue may have holes.
    house.deliver(QUEUE).await;
    assert!(house.fake.records(QUEUE).is_empty());
    house.route().await;
    house.deliver(QUEUE).await;
    let keys: Vec<String> = house.fake.records(QUEUE).into_iter().map(|(_, key)| key).collect();
    assert_eq!(keys, ["a", "b"]);
}

#[tokio::test]
async fn a_target_that_is_down_harms_only_its_own_queue() {
    let house = House::new().await;
    let rules = vec![
        rule("1", QUEUE, &["s3:ObjectCreated:*"], None),
        rule("2", OTHER, &["s3:ObjectRemoved:*"], None),
    ];
    house.notify(rules, false).await;
    house.fake.down.lock().unwrap().push(QUEUE);
    for n in 0..100 {
        house.put(&format!("k{n}")).await;
        house.delete(&format!("k{n}")).await;
    }
    house.route().await;
    assert!(house.lane(QUEUE).pass().await.unwrap_err().to_string().contains("nobody answers"));
    house.deliver(OTHER).await;
    assert_eq!(house.fake.records(OTHER).len(), 100);
    assert_eq!(house.status(QUEUE).await.waiting, 100);
    house.fake.down.lock().unwrap().clear();
    house.deliver(QUEUE).await;
    assert_eq!(house.fake.records(QUEUE).len(), 100);
    assert_eq!(house.status(QUEUE).await.waiting, 0);
}

#[tokio::test]
async fn a_message_that_is_refused_holds_up_its_key_alone_and_becomes_a_dead_letter() {
    let house = House::new().await;
    house.notify(vec![everything(QUEUE)], false).await;
    house.fake.refused.lock().unwrap().push("bad");
    for key in ["bad", "a", "b"] {
        house.put(key).await;
    }
    house.route().await;
    let lane = house.lane(QUEUE);
    for _ in 0..20 {
        // It says so as long as it can do nothing else.
        let _ = lane.pass().await;
        house.seams.clock.advance(Duration::from_secs(5));
    }
    let keys: Vec<String> = house.fake.records(QUEUE).into_iter().map(|(_, key)| key).collect();
    assert_eq!(keys, ["a", "b"]);
    let status = house.status(QUEUE).await;
    assert_eq!((status.waiting, status.dead_letters, status.dead_lettered), (0, 1, 1));
    let dead = house.events.dead_letters(QUEUE, 10).await.unwrap();
    assert_eq!(dead[0].reason, "status 400");
    assert!(dead[0].message.contains("\"key\":\"bad\""));
}

#[tokio::test]
async fn what_waits_too_long_or_is_too_much_becomes_dead_letters() {
    let house = House::with(|options| {
        options.keep = Duration::from_secs(3600);
        options.queue_bytes_max = 4096;
    })
    .await;
    house.notify(vec![everything(QUEUE)], false).await;
    house.fake.down.lock().unwrap().push(QUEUE);
    for n in 0..20 {
        house.put(&format!("k{n:02}")).await;
    }
    house.route().await;
    house.lane(QUEUE).pass().await.unwrap_err();
    let status = house.status(QUEUE).await;
    assert!(status.waiting_bytes <= 4096 && status.waiting > 0, "{status:?}");
    assert_eq!(status.waiting + status.dead_letters, 20);
    let dead = house.events.dead_letters(QUEUE, 1).await.unwrap();
    assert!(dead[0].message.contains("k00"), "the oldest go first");
    house.seams.clock.advance(Duration::from_secs(3601));
    house.lane(QUEUE).pass().await.unwrap();
    let status = house.status(QUEUE).await;
    assert_eq!((status.waiting, status.waiting_bytes, status.dead_letters), (0, 0, 20));
    assert_eq!(house.events.dead_letters(QUEUE, 20).await.unwrap()[19].reason, "not taken in time");
}

#[tokio::test]
async fn destinations_are_validated_with_a_test_event() {
    let house = House::new().await;
    let bucket = house.bucket().await;
    let set = async |rules, skip| {
        let notification = Notification::new(rules, false, &"eu-west-1".parse().unwrap()).unwrap();
        house.events.set_notification(&bucket, &notification, skip, "REQ").await
    };
    set(vec![everything(QUEUE)], false).await.unwrap();
    let (id, test) = &house.fake.got(QUEUE)[0];
    assert_eq!(id, "test-REQ");
    assert_eq!((&test["Event"], &test["Bucket"]), (&"s3:TestEvent".into(), &"lake".into()));
    assert_eq!((&test["Service"], &test["RequestId"]), (&"Amazon S3".into(), &"REQ".into()));
    assert_eq!(test["Time"], "2026-01-01T00:00:00.000Z");
    // One that is not known, and one that does not answer.
    let unknown = "arn:aws:sqs:eu-west-1:000000000001:unknown";
    assert!(matches!(set(vec![everything(unknown)], false).await, Err(EventError::Unvalidated(_))));
    house.fake.down.lock().unwrap().push(OTHER);
    assert!(matches!(set(vec![everything(OTHER)], false).await, Err(EventError::Unvalidated(_))));
    assert_eq!(house.events.notification(&bucket).await.unwrap().rules()[0].arn, QUEUE, "nothing changed");
    // Functions are asked nothing; unless validation is skipped, nobody is.
    set(vec![everything(FUNCTION)], false).await.unwrap();
    assert!(house.fake.got(FUNCTION).is_empty());
    set(vec![everything(unknown)], true).await.unwrap();
}

#[tokio::test]
async fn events_for_a_destination_without_target_wait_until_they_are_too_old() {
    let unknown = "arn:aws:sqs:eu-west-1:000000000001:unknown";
    let house = House::with(|options| options.keep = Duration::from_secs(60)).await;
    let notification =
        Notification::new(vec![everything(unknown)], false, &"eu-west-1".parse().unwrap()).unwrap();
    house.events.set_notification(&house.bucket().await, &notification, true, "REQ").await.unwrap();
    house.put("a").await;
    let router = house.events.router();
    router.pass().await.unwrap();
    assert_eq!(house.status(unknown).await.waiting, 1);
    assert!(house.status(unknown).await.url.is_none());
    house.seams.clock.advance(Duration::from_secs(61));
    router.pass().await.unwrap();
    let status = house.status(unknown).await;
    assert_eq!((status.waiting, status.dead_letters), (0, 1));
}

#[tokio::test]
async fn a_deleted_bucket_still_tells_of_its_last_changes() {
    let house = House::new().await;
    house.notify(vec![everything(QUEUE)], false).await;
    house.put("a").await;
    let bucket = house.bucket().await;
    house.delete("a").await;
    house.objects.delete_bucket(&bucket).await.unwrap();
    let router = house.events.router();
    router.pass().await.unwrap();
    house.deliver(QUEUE).await;
    assert_eq!(house.fake.records(QUEUE).len(), 2);
    // Its rules go once nothing can need them.
    house.seams.clock.advance(Duration::from_secs(31));
    router.pass().await.unwrap();
    assert!(house.events.notification(&bucket).await.unwrap().is_empty());
}

#[tokio::test]
async fn who_did_it_stands_in_the_record() {
    let house = House::new().await;
    house.notify(vec![everything(QUEUE)], true).await;
    let origin = Origin {
        principal: "AWS:AKIA1".into(),
        requester: "000000000001".into(),
        source_ip: "10.0.0.1".into(),
        request_id: "REQ1".into(),
        host_id: "HOST1".into(),
        is_form: true,
        is_lifecycle: false,
    };
    let bucket = house.bucket().await.for_origin(origin);
    house.objects.put_bytes(&bucket, &object("a b"), "xyz".into(), Attributes::default()).await.unwrap();
    house.route().await;
    house.deliver(QUEUE).await;
    house.deliver(BUS).await;
    let (_, record) = &house.fake.got(QUEUE)[0];
    let record = &record["Records"][0];
    assert_eq!(record["eventName"], "ObjectCreated:Post");
    assert_eq!(record["userIdentity"]["principalId"], "AWS:AKIA1");
    assert_eq!(record["requestParameters"]["sourceIPAddress"], "10.0.0.1");
    assert_eq!(record["responseElements"]["x-amz-request-id"], "REQ1");
    assert_eq!(record["responseElements"]["x-amz-id-2"], "HOST1");
    assert_eq!((&record["s3"]["object"]["key"], &record["s3"]["object"]["size"]), (&"a+b".into(), &3.into()));
    let (_, event) = &house.fake.got(BUS)[0];
    assert_eq!(event["detail"]["reason"], "POST Object");
    assert_eq!(event["detail"]["requester"], "000000000001");
    assert_eq!(event["detail"]["object"]["key"], "a b");
}
