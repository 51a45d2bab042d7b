//! Kinesis over the wire: JSON and CBOR, retries, restarts, many clients at once.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::fixture::{Fixture, unique};

const PREFIX: &str = "Kinesis_20131202";

fn target(operation: &str) -> String {
    format!("{PREFIX}.{operation}")
}

async fn call(on: &Fixture, operation: &str, input: Value) -> Value {
    on.call(&target(operation), input).await
}

async fn refusal(on: &Fixture, operation: &str, input: Value) -> String {
    on.refusal(&target(operation), input).await
}

async fn create(on: &Fixture, shards: u32) -> String {
    let name = unique("stream");
    call(on, "CreateStream", json!({"StreamName": name, "ShardCount": shards})).await;
    name
}

/// Every record of a stream, as `(shard, sequence number, data)`, read as a consumer reads.
async fn read_all(on: &Fixture, stream: &str) -> Vec<(String, String, Vec<u8>)> {
    let mut records = Vec::new();
    let listed = call(on, "ListShards", json!({"StreamName": stream})).await;
    for shard in listed["Shards"].as_array().unwrap() {
        let shard = shard["ShardId"].as_str().unwrap();
        let start = json!({"StreamName": stream, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
        let mut iterator = call(on, "GetShardIterator", start).await["ShardIterator"].clone();
        loop {
            let page = call(on, "GetRecords", json!({"ShardIterator": iterator, "Limit": 100})).await;
            for record in page["Records"].as_array().unwrap() {
                let data = STANDARD.decode(record["Data"].as_str().unwrap()).unwrap();
                let number = record["SequenceNumber"].as_str().unwrap().to_owned();
                records.push((shard.to_owned(), number, data));
            }
            if page["MillisBehindLatest"] == 0 {
                break;
            }
            iterator = page["NextShardIterator"].clone();
        }
    }
    records
}

fn entry(key: &str, data: &[u8]) -> Value {
    json!({"PartitionKey": key, "Data": STANDARD.encode(data)})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_come_back_where_and_as_they_were_put() {
    let on = Fixture::start_in_memory().await;
    let stream = create(&on, 3).await;
    let records: Vec<Value> =
        (0..500).map(|i| entry(&format!("k{i}"), format!("data {i}").as_bytes())).collect();
    let put = call(&on, "PutRecords", json!({"StreamName": stream, "Records": records})).await;
    assert_eq!(put["FailedRecordCount"], 0);
    let mut told = BTreeMap::new();
    for (i, placed) in put["Records"].as_array().unwrap().iter().enumerate() {
        let at = (
            placed["ShardId"].as_str().unwrap().to_owned(),
            placed["SequenceNumber"].as_str().unwrap().to_owned(),
        );
        told.insert(at, format!("data {i}").into_bytes());
    }
    let read: BTreeMap<_, _> = read_all(&on, &stream)
        .await
        .into_iter()
        .map(|(shard, number, data)| ((shard, number), data))
        .collect();
    assert_eq!(read, told);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_puts_lose_nothing_and_keep_each_clients_order() {
    let on = Fixture::start_in_memory().await;
    let stream = create(&on, 2).await;
    let client = |who: usize| {
        let (on, stream) = (&on, &stream);
        async move {
            for i in 0..20 {
                let records: Vec<Value> = (0..10)
                    .map(|j| entry(&format!("client {who}"), format!("{who}/{}", i * 10 + j).as_bytes()))
                    .collect();
                call(on, "PutRecords", json!({"StreamName": stream, "Records": records})).await;
            }
        }
    };
    join_all((0..8).map(client)).await;
    let mut by_client: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for (_, _, data) in read_all(&on, &stream).await {
        let text = String::from_utf8(data).unwrap();
        let (who, i) = text.split_once('/').unwrap();
        by_client.entry(who.to_owned()).or_default().push(i.parse().unwrap());
    }
    assert_eq!(by_client.len(), 8);
    for (who, numbers) in by_client {
        assert_eq!(numbers, (0..200).collect::<Vec<_>>(), "client {who}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_sdks_retry_is_stored_once() {
    let on = Fixture::start_in_memory().await;
    let stream = create(&on, 2).await;
    let body = json!({"StreamName": stream, "Records": [entry("a", b"1"), entry("b", b"2")]});
    let put = |id: &'static str| {
        let body = Bytes::from(body.to_string());
        on.alice.json_once("kinesis", "Kinesis_20131202.PutRecords", body, id)
    };
    let first = put("11111111-1111-1111-1111-111111111111").await.unwrap();
    assert_eq!(put("11111111-1111-1111-1111-111111111111").await.unwrap(), first);
    let together = join_all((0..5).map(|_| put("22222222-2222-2222-2222-222222222222"))).await;
    let answers: BTreeSet<Bytes> = together.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.len(), 1, "attempts that overlap get one answer");
    assert_eq!(read_all(&on, &stream).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_survives_a_restart() {
    let on = Fixture::start().await;
    let stream = create(&on, 2).await;
    call(&on, "AddTagsToStream", json!({"StreamName": stream, "Tags": {"team": "risk"}})).await;
    call(&on, "IncreaseStreamRetentionPeriod", json!({"StreamName": stream, "RetentionPeriodHours": 48}))
        .await;
    let records: Vec<Value> = (0..100).map(|i| entry(&i.to_string(), &[i; 100])).collect();
    call(&on, "PutRecords", json!({"StreamName": stream, "Records": records})).await;
    let before = read_all(&on, &stream).await;
    assert_eq!(before.len(), 100);
    let described = call(&on, "DescribeStream", json!({"StreamName": stream})).await;
    let start =
        json!({"StreamName": stream, "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"});
    let iterator = call(&on, "GetShardIterator", start).await["ShardIterator"].clone();
    let body = Bytes::from(json!({"StreamName": stream, "Records": [entry("a", b"last")]}).to_string());
    let put = "33333333-3333-3333-3333-333333333333";
    let answer =
        on.alice.json_once("kinesis", "Kinesis_20131202.PutRecords", body.clone(), put).await.unwrap();

    let on = on.restart().await;
    let again = on.alice.json_once("kinesis", "Kinesis_20131202.PutRecords", body, put).await.unwrap();
    assert_eq!(again, answer, "a retry is recognised across a restart");
    assert_eq!(call(&on, "DescribeStream", json!({"StreamName": stream})).await, described);
    let tags = call(&on, "ListTagsForStream", json!({"StreamName": stream})).await;
    assert_eq!(tags["Tags"], json!([{"Key": "team", "Value": "risk"}]));
    let after = read_all(&on, &stream).await;
    assert_eq!(after.len(), 101);
    assert!(before.iter().all(|record| after.contains(record)));
    let page = call(&on, "GetRecords", json!({"ShardIterator": iterator})).await;
    assert!(!page["Records"].as_array().unwrap().is_empty(), "iterators outlive the process");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sizes_are_bounded_as_documented() {
    let on = Fixture::start_in_memory().await;
    let stream = create(&on, 1).await;
    let mib = 1 << 20;
    let record = |data: usize, key: &str| json!({"StreamName": stream, "PartitionKey": key, "Data": STANDARD.encode(vec![7; data])});
    call(&on, "PutRecord", record(mib - 1, "k")).await;
    assert_eq!(refusal(&on, "PutRecord", record(mib, "k")).await, "ValidationException");
    let many = |n: usize, data: usize| {
        let records: Vec<Value> = (0..n).map(|_| entry("k", &vec![7; data])).collect();
        json!({"StreamName": stream, "Records": records})
    };
    let full = call(&on, "PutRecords", many(10, mib - 1)).await;
    assert_eq!(full["FailedRecordCount"], 0);
    assert_eq!(refusal(&on, "PutRecords", many(11, mib - 1)).await, "InvalidArgumentException");
    assert_eq!(refusal(&on, "PutRecords", many(501, 1)).await, "ValidationException");
    let long_key = "ä".repeat(256);
    call(&on, "PutRecord", record(1, &long_key)).await;
    assert_eq!(refusal(&on, "PutRecord", record(1, &"k".repeat(257))).await, "ValidationException");
    assert_eq!(read_all(&on, &stream).await.len(), 12);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_do_not_see_each_others_streams() {
    let on = Fixture::start_in_memory().await;
    let stream = create(&on, 1).await;
    let start =
        json!({"StreamName": stream, "ShardId": "shardId-000000000000", "ShardIteratorType": "LATEST"});
    let iterator = call(&on, "GetShardIterator", start).await["ShardIterator"].clone();
    let bob = |operation: &str, input: Value| {
        let target = target(operation);
        let on = &on;
        async move { on.try_call(&on.bob, &target, input).await }
    };
    let listed = bob("ListStreams", json!({})).await.unwrap();
    assert_eq!(listed["StreamNames"], json!([]));
    let missing = bob("DescribeStream", json!({"StreamName": stream})).await.unwrap_err();
    assert_eq!(missing.code(), Some("ResourceNotFoundException"));
    let foreign = bob("GetRecords", json!({"ShardIterator": iterator})).await.unwrap_err();
    assert_eq!(foreign.code(), Some("InvalidArgumentException"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_and_refused_operations_say_so() {
    let on = Fixture::start_in_memory().await;
    for operation in ["CreateQueue", "NoSuchOperation"] {
        assert_eq!(refusal(&on, operation, json!({})).await, "UnknownOperationException", "{operation}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cbor_carries_bytes_and_milliseconds() {
    let on = Fixture::start_in_memory().await;
    let stream = create(&on, 1).await;
    let ask = |operation: &str, body: Vec<u8>| {
        let target = target(operation);
        let on = &on;
        async move {
            let headers = [("content-type", "application/x-amz-cbor-1.1"), ("x-amz-target", target.as_str())];
            let answer = on.alice.send("kinesis", "POST", "/", &headers, body.into()).await.unwrap();
            assert_eq!(answer.header("content-type"), Some("application/x-amz-cbor-1.1"));
            answer
        }
    };
    let mut put = Vec::new();
    minicbor::Encoder::new(&mut put)
        .begin_map()
        .unwrap()
        .str("StreamName")
        .unwrap()
        .str(&stream)
        .unwrap()
        .str("PartitionKey")
        .unwrap()
        .str("k")
        .unwrap()
        .str("Data")
        .unwrap()
        .bytes(&[0, 255, 7])
        .unwrap()
        .end()
        .unwrap();
    assert_eq!(ask("PutRecord", put).await.status, 200);
    let start =
        json!({"StreamName": stream, "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"});
    let iterator = call(&on, "GetShardIterator", start).await["ShardIterator"].clone();
    let mut get = Vec::new();
    let iterator = iterator.as_str().unwrap();
    minicbor::Encoder::new(&mut get).map(1).unwrap().str("ShardIterator").unwrap().str(iterator).unwrap();
    let answer = ask("GetRecords", get).await;
    let mut bytes_seen = false;
    let mut millis_seen = false;
    let mut tokens = minicbor::decode::Tokenizer::new(&answer.body).flatten().peekable();
    while let Some(token) = tokens.next() {
        match (token, tokens.peek()) {
            (minicbor::data::Token::String("Data"), Some(minicbor::data::Token::Bytes(data))) => {
                bytes_seen = *data == [0, 255, 7];
            }
            (minicbor::data::Token::Tag(tag), Some(minicbor::data::Token::U64(ms))) => {
                millis_seen = u64::from(tag) == 1 && *ms > 1_700_000_000_000;
            }
            _ => {}
        }
    }
    assert!(bytes_seen, "blobs are byte strings");
    assert!(millis_seen, "times are tagged milliseconds");
    let missing = ask("DescribeStream", vec![0xA0]).await;
    assert_eq!(missing.status, 400);
    assert!(missing.body.windows(24).any(|w| w == b"InvalidArgumentException"), "errors are CBOR, too");
}

/// Every answer names its request; an extended name goes with it, as support tickets of AWS have it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_name_their_request_twice() {
    let on = Fixture::start_in_memory().await;
    for operation in ["ListStreams", "DescribeStream"] {
        let target = target(operation);
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target.as_str())];
        let answer =
            on.alice.send("kinesis", "POST", "/", &headers, Bytes::from_static(b"{}")).await.unwrap();
        assert!(answer.header("x-amzn-requestid").is_some_and(|id| id.len() == 36), "{operation}");
        assert!(answer.header("x-amz-id-2").is_some_and(|id| !id.is_empty()), "{operation}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_shards_are_a_page() {
    let on = Fixture::start_in_memory().await;
    let stream = create(&on, 2500).await;
    let mut page = call(&on, "ListShards", json!({"StreamName": stream, "MaxResults": 10_000})).await;
    let (mut sizes, mut listed) = (Vec::new(), BTreeSet::new());
    loop {
        let shards = page["Shards"].as_array().unwrap();
        sizes.push(shards.len());
        listed.extend(shards.iter().map(|shard| shard["ShardId"].as_str().unwrap().to_owned()));
        match page["NextToken"].as_str() {
            Some(token) => page = call(&on, "ListShards", json!({"NextToken": token})).await,
            None => break,
        }
    }
    assert_eq!((sizes, listed.len()), (vec![1000, 1000, 500], 2500));
    let filter = json!({"Type": "AT_LATEST"});
    let first = call(&on, "ListShards", json!({"StreamName": stream})).await;
    let both = json!({"NextToken": first["NextToken"], "ShardFilter": filter});
    assert_eq!(refusal(&on, "ListShards", both).await, "InvalidArgumentException");
}

/// Producers write while the shard count goes up and down; every record is read once, where its put
/// said it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_resharded_while_it_is_written() {
    let on = Fixture::start_in_memory().await;
    let stream = create(&on, 2).await;
    let write = |writer: usize| {
        let (on, stream) = (&on, &stream);
        async move {
            let mut told = Vec::new();
            for batch in 0..10 {
                let name = |i: usize| format!("{writer}/{batch}/{i}");
                let records: Vec<Value> = (0..20).map(|i| entry(&name(i), name(i).as_bytes())).collect();
                let put = call(on, "PutRecords", json!({"StreamName": stream, "Records": records})).await;
                for (i, placed) in put["Records"].as_array().unwrap().iter().enumerate() {
                    let text = |member: &str| placed[member].as_str().unwrap().to_owned();
                    told.push((text("ShardId"), text("SequenceNumber"), name(i).into_bytes()));
                }
            }
            told
        }
    };
    let reshard = async {
        for target in [4, 3, 5, 3, 2] {
            let input =
                json!({"StreamName": stream, "TargetShardCount": target, "ScalingType": "UNIFORM_SCALING"});
            call(&on, "UpdateShardCount", input).await;
        }
    };
    let (told, ()) = futures::future::join(join_all((0..4).map(write)), reshard).await;
    let mut told: Vec<_> = told.into_iter().flatten().collect();
    let mut read = read_all(&on, &stream).await;
    told.sort();
    read.sort();
    assert_eq!(told.len(), 800);
    assert_eq!(read, told);
}
