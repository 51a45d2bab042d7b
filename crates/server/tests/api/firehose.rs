//! Firehose over the wire: configure, put, and find the records in objects.

use std::collections::BTreeMap;
use std::time::Duration;

use headwater_base::Seams;
use serde_json::{Value, json};

use crate::fixture::{ALICE, Fixture, REGION};

/// How long a delivery with interval 0 may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

fn target(operation: &str) -> String {
    format!("Firehose_20150804.{operation}")
}

fn s3(extra: Value) -> Value {
    let mut config = json!({
        "RoleARN": format!("arn:aws:iam::{}:role/delivery", ALICE.2),
        "BucketARN": "arn:aws:s3:::deliveries",
        "BufferingHints": {"SizeInMBs": 1, "IntervalInSeconds": 0},
    });
    for (name, value) in extra.as_object().unwrap() {
        config[name] = value.clone();
    }
    config
}

async fn create(node: &Fixture, name: &str, config: Value) -> Value {
    let input = json!({"DeliveryStreamName": name, "ExtendedS3DestinationConfiguration": config});
    node.call(&target("CreateDeliveryStream"), input).await
}

async fn bucket(node: &Fixture) {
    let name = headwater_objects::BucketName::new("deliveries").unwrap();
    let objects = &node.node.engines().objects;
    objects.create_bucket(&name, ALICE.2.parse().unwrap(), &REGION.parse().unwrap()).await.unwrap();
}

/// The bodies of every object, by key, once `lines` lines are there.
async fn delivered(node: &Fixture, lines: usize) -> BTreeMap<String, String> {
    let clock = Seams::system().clock;
    let wait = async {
        loop {
            let found = bodies(node).await;
            if found.values().map(|body| body.lines().count()).sum::<usize>() >= lines {
                return found;
            }
            clock.sleep(Duration::from_millis(20)).await;
        }
    };
    clock.timeout(PATIENCE, wait).await.expect("the records arrive in time")
}

async fn bodies(node: &Fixture) -> BTreeMap<String, String> {
    let objects = &node.node.engines().objects;
    let bucket = objects.bucket(&headwater_objects::BucketName::new("deliveries").unwrap()).await.unwrap();
    let query = headwater_objects::ListQuery { limit: 1000, ..Default::default() };
    let mut found = BTreeMap::new();
    for entry in objects.list(&bucket, &query).await.unwrap().entries {
        let headwater_objects::Listed::Object(object) = entry else { continue };
        let reader = objects.open(&bucket, &object.key).await.unwrap();
        let body = reader.read(0..object.size).await.unwrap();
        found.insert(object.key.as_str().to_owned(), String::from_utf8(body.to_vec()).unwrap());
    }
    found
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[tokio::test]
async fn records_arrive_in_objects_once() {
    let node = Fixture::start_in_memory().await;
    bucket(&node).await;
    let arn = create(&node, "d", s3(json!({"Prefix": "raw/"}))).await;
    assert_eq!(arn["DeliveryStreamARN"], format!("arn:aws:firehose:{REGION}:{}:deliverystream/d", ALICE.2));
    let one = json!({"DeliveryStreamName": "d", "Record": {"Data": base64("zero\n")}});
    let put = node.call(&target("PutRecord"), one).await;
    assert!(!put["RecordId"].as_str().unwrap().is_empty());
    let records: Vec<Value> = ["one\n", "two\n"].iter().map(|text| json!({"Data": base64(text)})).collect();
    let put =
        node.call(&target("PutRecordBatch"), json!({"DeliveryStreamName": "d", "Records": records})).await;
    assert_eq!(put["FailedPutCount"], 0);
    assert_ne!(put["RequestResponses"][0]["RecordId"], put["RequestResponses"][1]["RecordId"]);
    let found = delivered(&node, 3).await;
    assert!(found.keys().all(|key| key.starts_with("raw/20") && key.contains("/d-1-")), "{found:?}");
    let mut lines: Vec<&str> = found.values().flat_map(|body| body.lines()).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["one", "two", "zero"]);
    let report = node.node.engines().deliveries.audit(None).await.unwrap();
    assert!(report.balanced(), "{report:?}");
}

#[tokio::test]
async fn a_kinesis_stream_is_delivered() {
    let node = Fixture::start_in_memory().await;
    bucket(&node).await;
    node.call("Kinesis_20131202.CreateStream", json!({"StreamName": "s", "ShardCount": 2})).await;
    let input = json!({
        "DeliveryStreamName": "d",
        "DeliveryStreamType": "KinesisStreamAsSource",
        "KinesisStreamSourceConfiguration": {
            "KinesisStreamARN": format!("arn:aws:kinesis:{REGION}:{}:stream/s", ALICE.2),
            "RoleARN": format!("arn:aws:iam::{}:role/read", ALICE.2),
        },
        "ExtendedS3DestinationConfiguration": s3(json!({"Prefix": "s/"})),
    });
    node.call(&target("CreateDeliveryStream"), input).await;
    for n in 0..20 {
        let record =
            json!({"StreamName": "s", "PartitionKey": n.to_string(), "Data": base64(&format!("{n}\n"))});
        node.call("Kinesis_20131202.PutRecord", record).await;
    }
    let found = delivered(&node, 20).await;
    let mut numbers: Vec<u32> =
        found.values().flat_map(|body| body.lines()).map(|line| line.parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..20).collect::<Vec<u32>>());
    let described = node.call(&target("DescribeDeliveryStream"), json!({"DeliveryStreamName": "d"})).await;
    let source = &described["DeliveryStreamDescription"]["Source"]["KinesisStreamSourceDescription"];
    assert!(source["KinesisStreamARN"].as_str().unwrap().ends_with(":stream/s"));
    let put = json!({"DeliveryStreamName": "d", "Record": {"Data": base64("x")}});
    assert_eq!(node.refusal(&target("PutRecord"), put).await, "InvalidArgumentException");
}

#[tokio::test]
async fn a_delivery_stream_is_described_updated_listed_and_deleted() {
    let node = Fixture::start_in_memory().await;
    create(&node, "b", s3(json!({}))).await;
    create(&node, "a", s3(json!({"CompressionFormat": "GZIP"}))).await;
    let listed = node.call(&target("ListDeliveryStreams"), json!({"Limit": 1})).await;
    assert_eq!(listed, json!({"DeliveryStreamNames": ["a"], "HasMoreDeliveryStreams": true}));
    let rest = json!({"ExclusiveStartDeliveryStreamName": "a"});
    let listed = node.call(&target("ListDeliveryStreams"), rest).await;
    assert_eq!(listed, json!({"DeliveryStreamNames": ["b"], "HasMoreDeliveryStreams": false}));
    let named = json!({"DeliveryStreamName": "a"});
    let described = node.call(&target("DescribeDeliveryStream"), named.clone()).await;
    let description = &described["DeliveryStreamDescription"];
    assert_eq!(description["DeliveryStreamStatus"], "ACTIVE");
    assert_eq!(description["DeliveryStreamType"], "DirectPut");
    let destination = &description["Destinations"][0];
    let extended = &destination["ExtendedS3DestinationDescription"];
    assert_eq!(extended["CompressionFormat"], "GZIP");
    assert_eq!(extended["BufferingHints"], json!({"SizeInMBs": 1, "IntervalInSeconds": 0}));
    let update = |version: &str| {
        json!({
            "DeliveryStreamName": "a",
            "CurrentDeliveryStreamVersionId": version,
            "DestinationId": destination["DestinationId"],
            "ExtendedS3DestinationUpdate": {"Prefix": "new/"},
        })
    };
    node.call(&target("UpdateDestination"), update("1")).await;
    assert_eq!(
        node.refusal(&target("UpdateDestination"), update("1")).await,
        "ConcurrentModificationException"
    );
    let described = node.call(&target("DescribeDeliveryStream"), named.clone()).await;
    let description = &described["DeliveryStreamDescription"];
    assert_eq!(description["VersionId"], "2");
    let extended = &description["Destinations"][0]["ExtendedS3DestinationDescription"];
    assert_eq!((&extended["Prefix"], &extended["CompressionFormat"]), (&json!("new/"), &json!("GZIP")));
    node.call(&target("DeleteDeliveryStream"), named.clone()).await;
    assert_eq!(node.refusal(&target("DescribeDeliveryStream"), named).await, "ResourceNotFoundException");
}

#[tokio::test]
async fn tags_are_kept() {
    let node = Fixture::start_in_memory().await;
    create(&node, "d", s3(json!({}))).await;
    let tag = |key: &str, value: &str| json!({"Key": key, "Value": value});
    let tags = json!({"DeliveryStreamName": "d", "Tags": [tag("a", "1"), tag("b", "2"), tag("c", "3")]});
    node.call(&target("TagDeliveryStream"), tags).await;
    node.call(&target("UntagDeliveryStream"), json!({"DeliveryStreamName": "d", "TagKeys": ["b"]})).await;
    let listed = node.call(&target("ListTagsForDeliveryStream"), json!({"DeliveryStreamName": "d"})).await;
    assert_eq!(listed, json!({"Tags": [tag("a", "1"), tag("c", "3")], "HasMoreTags": false}));
    let page = json!({"DeliveryStreamName": "d", "Limit": 1});
    let listed = node.call(&target("ListTagsForDeliveryStream"), page).await;
    assert_eq!(listed, json!({"Tags": [tag("a", "1")], "HasMoreTags": true}));
}

#[tokio::test]
async fn mistakes_get_the_services_own_errors() {
    let node = Fixture::start_in_memory().await;
    create(&node, "d", s3(json!({}))).await;
    let put = |name: &str, data: &str| json!({"DeliveryStreamName": name, "Record": {"Data": base64(data)}});
    let config =
        |extra: Value| json!({"DeliveryStreamName": "x", "ExtendedS3DestinationConfiguration": s3(extra)});
    let big = "x".repeat(1_024_001);
    let many: Vec<Value> = (0..501).map(|_| json!({"Data": base64("x")})).collect();
    for (operation, input, code) in [
        ("PutRecord", put("missing", "x"), "ResourceNotFoundException"),
        ("PutRecord", put("d", &big), "ValidationException"),
        ("PutRecord", json!({"DeliveryStreamName": "d"}), "ValidationException"),
        ("PutRecordBatch", json!({"DeliveryStreamName": "d", "Records": many}), "ValidationException"),
        ("PutRecordBatch", json!({"DeliveryStreamName": "d", "Records": []}), "ValidationException"),
        ("CreateDeliveryStream", json!({"DeliveryStreamName": "x y"}), "ValidationException"),
        ("CreateDeliveryStream", json!({"DeliveryStreamName": "x"}), "InvalidArgumentException"),
        ("CreateDeliveryStream", config(json!({"Prefix": "!{timestamp:yyyy}/"})), "InvalidArgumentException"),
        ("CreateDeliveryStream", config(json!({"CompressionFormat": "ZIP"})), "InvalidArgumentException"),
        ("DescribeDeliveryStream", json!({}), "ValidationException"),
        ("DeleteDeliveryStream", json!({"DeliveryStreamName": "missing"}), "ResourceNotFoundException"),
    ] {
        assert_eq!(node.refusal(&target(operation), input).await, code, "{operation}");
    }
    let again = json!({"DeliveryStreamName": "d", "ExtendedS3DestinationConfiguration": s3(json!({}))});
    assert_eq!(node.refusal(&target("CreateDeliveryStream"), again).await, "ResourceInUseException");
}

#[tokio::test]
async fn accounts_do_not_see_each_others_delivery_streams() {
    let node = Fixture::start_in_memory().await;
    create(&node, "d", s3(json!({}))).await;
    let named = json!({"DeliveryStreamName": "d"});
    let answer = node.try_call(&node.bob, &target("DescribeDeliveryStream"), named).await;
    assert_eq!(answer.unwrap_err().code(), Some("ResourceNotFoundException"));
    let listed = node.try_call(&node.bob, &target("ListDeliveryStreams"), json!({})).await.unwrap();
    assert_eq!(listed["DeliveryStreamNames"], json!([]));
}
