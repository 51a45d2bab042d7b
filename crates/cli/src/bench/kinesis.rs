//! Records into a stream and out again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use headwater_base::Clock;
use headwater_bench::latency::Latencies;
use headwater_bench::produce::BATCH_RECORDS_MAX;
use headwater_wire::client::Events;
use headwater_wire::{Blob, Codec};
use serde::Serialize;
use serde_json::json;

use super::Bed;
use super::lanes::Lanes;
use super::row::{Hammered, Row, Target};
use crate::aws::{Aws, Service};

const STREAM: &str = "bench";
const RECORD_BYTES: usize = 1000;

/// How many different bodies are sent in turn.
const BODIES: usize = 16;

/// A stream with this many shards, ready.
pub(super) async fn create_stream(aws: &Aws, name: &str, shards: u32) -> anyhow::Result<()> {
    aws.call(Service::Kinesis, "CreateStream", &json!({"StreamName": name, "ShardCount": shards})).await?;
    // A stream is active at once or a moment later; puts are repeated until it is.
    for _ in 0..1000 {
        let found = aws.call(Service::Kinesis, "DescribeStreamSummary", &json!({"StreamName": name})).await?;
        if found["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE" {
            return Ok(());
        }
    }
    bail!("the stream did not become active")
}

/// PutRecords of 500 records of 1 kB, in JSON.
pub async fn put_records_json(bed: Bed) -> anyhow::Result<Vec<Row>> {
    put_records(&bed, "PutRecords, 500 × 1 kB, 8 connections", Codec::Json11, 100_000.0).await
}

/// The same in CBOR, which the SDK for Java speaks.
pub async fn put_records_cbor(bed: Bed) -> anyhow::Result<Vec<Row>> {
    put_records(&bed, "PutRecords, CBOR, 500 × 1 kB, 8 connections", Codec::Cbor, 150_000.0).await
}

async fn put_records(bed: &Bed, name: &'static str, codec: Codec, target: f64) -> anyhow::Result<Vec<Row>> {
    create_stream(&bed.aws, STREAM, 4).await?;
    let bodies = bodies(STREAM, codec)?;
    let lanes = Lanes::new(bed, 8)?;
    let hammered = bed
        .hammer(8, move |connection, number| {
            let (lanes, body) = (lanes.clone(), bodies[(connection + number as usize) % BODIES].clone());
            Box::pin(async move { put_batch(&lanes, connection, codec, body).await })
        })
        .await?;
    Ok(vec![Row::rate(name, &hammered, BATCH_RECORDS_MAX as f64, "records/s", target)])
}

/// PutRecords that must take every record.
pub(super) async fn put_batch(
    lanes: &Lanes,
    connection: usize,
    codec: Codec,
    body: Bytes,
) -> anyhow::Result<()> {
    let answer = lanes.kinesis(connection, codec, "PutRecords", body).await?;
    let none_failed = match codec {
        Codec::Cbor => &b"FailedRecordCount\0"[..],
        Codec::Json10 | Codec::Json11 => &b"\"FailedRecordCount\":0"[..],
    };
    if !answer.windows(none_failed.len()).any(|window| window == none_failed) {
        bail!("PutRecords refused some records");
    }
    Ok(())
}

fn record(seed: usize) -> Vec<u8> {
    let mut text = format!("{{\"number\":{seed},\"text\":\"").into_bytes();
    while text.len() < RECORD_BYTES - 2 {
        text.push(b'a' + ((text.len() * 7 + seed) % 26) as u8);
    }
    text.extend_from_slice(b"\"}");
    text
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PutRecords<'a> {
    stream_name: &'a str,
    records: Vec<Entry>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    data: Blob,
    partition_key: String,
}

/// Requests with 500 records of 1 kB each, all different.
pub(super) fn bodies(stream: &str, codec: Codec) -> anyhow::Result<Arc<Vec<Bytes>>> {
    let entry = |seed: usize| Entry { data: Blob(record(seed).into()), partition_key: format!("key-{seed}") };
    let each = BATCH_RECORDS_MAX as usize;
    let body = |number: usize| {
        let records = (number * each..(number + 1) * each).map(entry).collect();
        codec.encode(&PutRecords { stream_name: stream, records })
    };
    let made: Result<Vec<Bytes>, _> = (0..BODIES).map(body).collect();
    made.map(Arc::new).map_err(|fault| anyhow!("{fault}"))
}

/// PutRecord, one record a call.
pub async fn put_record(bed: Bed) -> anyhow::Result<Vec<Row>> {
    put_singles(&bed, "PutRecord, 1 kB, 32 connections", 32, 10_000.0).await
}

/// The same over twice as many connections.
pub async fn put_record_64(bed: Bed) -> anyhow::Result<Vec<Row>> {
    put_singles(&bed, "PutRecord, 1 kB, 64 connections", 64, 20_000.0).await
}

async fn put_singles(
    bed: &Bed,
    name: &'static str,
    connections: usize,
    target: f64,
) -> anyhow::Result<Vec<Row>> {
    create_stream(&bed.aws, STREAM, 4).await?;
    let lanes = Lanes::new(bed, connections)?;
    let data = STANDARD.encode(record(1));
    let hammered = bed
        .hammer(connections, move |connection, number| {
            let key = format!("{connection}-{number}");
            let body =
                format!("{{\"StreamName\":\"{STREAM}\",\"Data\":\"{data}\",\"PartitionKey\":\"{key}\"}}");
            let lanes = lanes.clone();
            Box::pin(async move {
                lanes.kinesis(connection, Codec::Json11, "PutRecord", body.into()).await?;
                Ok(())
            })
        })
        .await?;
    Ok(vec![Row::rate(name, &hammered, 1.0, "records/s", target)])
}

/// How many records a second are put while the time to read them is measured.
const PUT_TO_GET_RATE: u64 = 1000;

/// The same while the time to push them is measured.
const PUT_TO_PUSH_RATE: u64 = 5000;

/// From before PutRecord to the GetRecords answer that has the record.
pub async fn put_to_get(bed: Bed) -> anyhow::Result<Vec<Row>> {
    create_stream(&bed.aws, STREAM, 1).await?;
    let is_over = Arc::new(AtomicBool::new(false));
    let (aws, clock, over) = (bed.aws.clone(), bed.seams.clock.clone(), is_over.clone());
    let reading = bed.work.detach(async move { read(&aws, &clock, &over).await });
    put_steadily(&bed, PUT_TO_GET_RATE).await?;
    is_over.store(true, Ordering::Release);
    let latencies = reading.await.context("the reader was dropped")??;
    let ms = |p| latencies.percentile(p).as_secs_f64() * 1000.0;
    let mut row = Row::of("put → get at 1,000/s, p50", ms(50.0), "ms", Target::AtMost(3.0));
    row.latencies = latencies.clone();
    Ok(vec![row, Row::of("put → get at 1,000/s, p99", ms(99.0), "ms", Target::AtMost(25.0))])
}

/// From before PutRecord to the event that pushes the record to a subscriber.
pub async fn put_to_push(bed: Bed) -> anyhow::Result<Vec<Row>> {
    create_stream(&bed.aws, STREAM, 1).await?;
    let described =
        bed.aws.call(Service::Kinesis, "DescribeStreamSummary", &json!({"StreamName": STREAM})).await?;
    let stream_arn = &described["StreamDescriptionSummary"]["StreamARN"];
    let register = json!({"StreamARN": stream_arn, "ConsumerName": STREAM});
    let made = bed.aws.call(Service::Kinesis, "RegisterStreamConsumer", &register).await?;
    let input = json!({
        "ConsumerARN": made["Consumer"]["ConsumerARN"],
        "ShardId": "shardId-000000000000",
        "StartingPosition": {"Type": "TRIM_HORIZON"},
    });
    let client = bed.target.client(1)?;
    let events =
        client.events("kinesis", "Kinesis_20131202.SubscribeToShard", input.to_string().into()).await?;
    let expected = Arc::new(AtomicU64::new(u64::MAX));
    let (clock, until) = (bed.seams.clock.clone(), expected.clone());
    let subscribed = bed.work.detach(async move { receive(events, &clock, &until).await });
    let hammered = put_steadily(&bed, PUT_TO_PUSH_RATE).await?;
    expected.store(hammered.latencies.count() as u64, Ordering::Release);
    let latencies = subscribed.await.context("the subscriber was dropped")??;
    let ms = |p| latencies.percentile(p).as_secs_f64() * 1000.0;
    let rate = hammered.latencies.count() as f64 / hammered.took.as_secs_f64();
    let mut row = Row::of("put → push at 5,000/s, p50", ms(50.0), "ms", Target::AtMost(2.0));
    row.latencies = latencies.clone();
    Ok(vec![
        row,
        Row::of("put → push at 5,000/s, p99", ms(99.0), "ms", Target::AtMost(15.0)),
        Row::of("… records put meanwhile", rate, "records/s", Target::AtLeast(4900.0)),
    ])
}

/// Puts single records that say when they were put, at `rate` a second over 16 connections.
async fn put_steadily(bed: &Bed, rate: u64) -> anyhow::Result<Hammered> {
    let next = Arc::new(AtomicU64::new(0));
    let start = bed.seams.clock.monotonic();
    let (lanes, clock) = (Lanes::new(bed, 16)?, bed.seams.clock.clone());
    bed.hammer(16, move |connection, _| {
        let (lanes, clock, next) = (lanes.clone(), clock.clone(), next.clone());
        Box::pin(async move {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let due = start + Duration::from_secs_f64(number as f64 / rate as f64);
            clock.sleep(due.saturating_sub(clock.monotonic())).await;
            let data = STANDARD.encode(clock.monotonic().as_micros().to_string());
            let body = format!("{{\"StreamName\":\"{STREAM}\",\"Data\":\"{data}\",\"PartitionKey\":\"k\"}}");
            lanes.kinesis(connection, Codec::Json11, "PutRecord", body.into()).await?;
            Ok(())
        })
    })
    .await
}

/// Receives until as many records as expected were pushed.
async fn receive(mut events: Events, clock: &Clock, expected: &AtomicU64) -> anyhow::Result<Latencies> {
    let mut latencies = Latencies::default();
    while (latencies.count() as u64) < expected.load(Ordering::Acquire) {
        let message = events.next().await?.context("the subscription ended")?;
        let now = clock.monotonic();
        let event: serde_json::Value = serde_json::from_slice(&message.payload)?;
        record_all(&mut latencies, event["Records"].as_array().map_or(&[][..], Vec::as_slice), now)?;
    }
    Ok(latencies)
}

/// Notes how long ago each record was put.
fn record_all(latencies: &mut Latencies, records: &[serde_json::Value], now: Duration) -> anyhow::Result<()> {
    for record in records {
        let data = STANDARD.decode(record["Data"].as_str().unwrap_or_default())?;
        let put: u64 = std::str::from_utf8(&data)?.parse()?;
        latencies.record(now.saturating_sub(Duration::from_micros(put)));
    }
    Ok(())
}

/// Reads until it is over and nothing is left; each record says when it was put.
async fn read(aws: &Aws, clock: &Clock, is_over: &AtomicBool) -> anyhow::Result<Latencies> {
    let shards = aws.call(Service::Kinesis, "ListShards", &json!({"StreamName": STREAM})).await?;
    let shard = &shards["Shards"][0]["ShardId"];
    let input = json!({"StreamName": STREAM, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
    let mut iterator = aws.call(Service::Kinesis, "GetShardIterator", &input).await?["ShardIterator"].take();
    let mut latencies = Latencies::default();
    loop {
        let was_over = is_over.load(Ordering::Acquire);
        let mut answer =
            aws.call(Service::Kinesis, "GetRecords", &json!({"ShardIterator": iterator})).await?;
        let now = clock.monotonic();
        let records = answer["Records"].as_array().context("GetRecords answers records")?;
        record_all(&mut latencies, records, now)?;
        if records.is_empty() {
            if was_over {
                return Ok(latencies);
            }
            clock.sleep(Duration::from_millis(1)).await;
        }
        iterator = answer["NextShardIterator"].take();
    }
}
