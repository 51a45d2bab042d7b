//! Reading a stream's backlog while its producers go on.
//!
//! The backlog was just written, so it is read from segments and journal files in the page cache: this
//! is the node's speed and not the disk's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, anyhow};
use headwater_bench::produce::BATCH_RECORDS_MAX;
use headwater_wire::Codec;
use headwater_wire::client::Lane;
use serde::{Deserialize, Deserializer};
use serde_json::json;

use super::Bed;
use super::kinesis::{bodies, create_stream, put_batch};
use super::lanes::Lanes;
use super::row::{Hammered, Row, Target};
use crate::aws::{Aws, Service};

const STREAM: &str = "backlog";

/// The stream's shards; each has a reader with a connection of its own.
const SHARDS: u32 = 4;

/// How many records of 1 kB lie there when the reading begins: a gigabyte.
const BACKLOG_RECORDS: u64 = 1_000_000;

/// How many records a second the producers put, and over how many connections.
const RATE: u64 = 50_000;
const PRODUCERS: usize = 4;

/// Reads everything from `TRIM_HORIZON` on, alone and beside producers.
pub async fn catch_up(bed: Bed) -> anyhow::Result<Vec<Row>> {
    create_stream(&bed.aws, STREAM, SHARDS).await?;
    put(&bed, Pace { rate: None, records: Some(BACKLOG_RECORDS) }).await?;
    let (cpu, start) = (bed.node.cpu_time()?, bed.seams.clock.monotonic());
    let bytes = read_all(&bed, &Arc::new(AtomicBool::new(false))).await?;
    let took = (bed.seams.clock.monotonic() - start).as_secs_f64();
    let cpu = bed.node.cpu_time()?.saturating_sub(cpu).as_secs_f64();
    let megabytes = bytes as f64 / 1e6;
    let mut alone =
        Row::of("catch-up read, CBOR, 4 connections", megabytes / took, "MB/s", Target::AtLeast(300.0));
    alone.per_cpu_second = Some(megabytes / cpu.max(0.01));

    let undisturbed = put(&bed, Pace { rate: Some(RATE), records: None }).await?;
    let is_over = Arc::new(AtomicBool::new(false));
    let reading = read_until(&bed, is_over.clone());
    let beside = async {
        let beside = put(&bed, Pace { rate: Some(RATE), records: None }).await;
        is_over.store(true, Ordering::Release);
        beside
    };
    let (read, beside) = tokio::join!(reading, beside);
    let ((bytes, took), beside) = (read?, beside?);
    let kept = per_second(&beside) / per_second(&undisturbed) * 100.0;
    Ok(vec![
        alone,
        Row::of(
            "… beside producers of 50,000 records/s",
            bytes as f64 / 1e6 / took.as_secs_f64(),
            "MB/s",
            Target::AtLeast(300.0),
        ),
        Row::of("… what the producers keep of their rate alone", kept, "%", Target::AtLeast(80.0)),
    ])
}

fn per_second(hammered: &Hammered) -> f64 {
    (hammered.latencies.count() as u64 * BATCH_RECORDS_MAX) as f64 / hammered.took.as_secs_f64()
}

/// How fast to put, and how many records: as many as the row's time allows unless said.
#[derive(Clone, Copy)]
struct Pace {
    rate: Option<u64>,
    records: Option<u64>,
}

async fn put(bed: &Bed, pace: Pace) -> anyhow::Result<Hammered> {
    let bodies = bodies(STREAM, Codec::Cbor)?;
    let (lanes, clock, next) =
        (Lanes::new(bed, PRODUCERS)?, bed.seams.clock.clone(), Arc::new(AtomicU64::new(0)));
    let start = clock.monotonic();
    let batches = pace.records.map(|records| records / BATCH_RECORDS_MAX);
    let runs = if batches.is_some() { Duration::MAX } else { bed.runs };
    bed.hammer_for(runs, PRODUCERS, move |connection, _| {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let (lanes, clock) = (lanes.clone(), clock.clone());
        let body = bodies[number as usize % bodies.len()].clone();
        Box::pin(async move {
            if batches.is_some_and(|batches| number >= batches) {
                return Ok(false);
            }
            if let Some(rate) = pace.rate {
                let due = Duration::from_secs_f64((number * BATCH_RECORDS_MAX) as f64 / rate as f64);
                clock.sleep((start + due).saturating_sub(clock.monotonic())).await;
            }
            put_batch(&lanes, connection, Codec::Cbor, body).await?;
            Ok(true)
        })
    })
    .await
}

/// Reads the backlog over and over until it is over; returns the bytes of payload and how long it took.
async fn read_until(bed: &Bed, is_over: Arc<AtomicBool>) -> anyhow::Result<(u64, Duration)> {
    let start = bed.seams.clock.monotonic();
    let mut bytes = 0;
    while !is_over.load(Ordering::Acquire) {
        bytes += read_all(bed, &is_over).await?;
    }
    Ok((bytes, bed.seams.clock.monotonic() - start))
}

/// Reads every shard to its end, or until it is over; returns the bytes of payload.
async fn read_all(bed: &Bed, is_over: &Arc<AtomicBool>) -> anyhow::Result<u64> {
    let shards = bed.aws.call(Service::Kinesis, "ListShards", &json!({"StreamName": STREAM})).await?;
    let mut readers = Vec::new();
    for shard in shards["Shards"].as_array().context("ListShards answers shards")? {
        let shard = shard["ShardId"].as_str().context("a shard has an id")?.to_owned();
        let (aws, lane, is_over) = (bed.aws.clone(), bed.target.client(1)?.lane()?, is_over.clone());
        readers.push(bed.work.detach(async move { read_shard(&aws, lane, &shard, &is_over).await }));
    }
    let mut bytes = 0;
    for reader in readers {
        bytes += reader.await.context("a reader was dropped")??;
    }
    Ok(bytes)
}

async fn read_shard(aws: &Aws, mut lane: Lane, shard: &str, is_over: &AtomicBool) -> anyhow::Result<u64> {
    let input = json!({"StreamName": STREAM, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
    let begun = aws.call(Service::Kinesis, "GetShardIterator", &input).await?;
    let mut iterator = begun["ShardIterator"].as_str().context("an iterator")?.to_owned();
    let mut bytes = 0;
    while !is_over.load(Ordering::Acquire) {
        let body = Codec::Cbor.encode(&json!({ "ShardIterator": iterator })).map_err(|e| anyhow!("{e}"))?;
        let answer = lane.call(Codec::Cbor, "kinesis", "Kinesis_20131202.GetRecords", body).await?;
        let page: Page = Codec::Cbor.decode(&answer).map_err(|e| anyhow!("{e}"))?;
        bytes += page.records.iter().map(|record| record.data.0).sum::<u64>();
        if page.millis_behind_latest == 0 {
            break;
        }
        iterator = page.next_shard_iterator.context("an open shard goes on")?;
    }
    Ok(bytes)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    records: Vec<Record>,
    next_shard_iterator: Option<String>,
    millis_behind_latest: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Record {
    data: Counted,
}

/// The length of a byte string, which is not copied.
struct Counted(u64);

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Length;
        impl serde::de::Visitor<'_> for Length {
            type Value = Counted;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Counted, E> {
                Ok(Counted(bytes.len() as u64))
            }
        }
        deserializer.deserialize_bytes(Length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_counted_without_its_bytes() {
        // {"Records": [{"Data": h'0102', "PartitionKey": "k"}], "MillisBehindLatest": 7}
        let hex = "a2675265636f72647381a26444617461420102 6c506172746974696f6e4b6579616b \
                   724d696c6c6973426568696e644c617465737407";
        let page: Page = Codec::Cbor.decode(&hex::decode(hex.replace(' ', "")).unwrap()).unwrap();
        assert_eq!((page.records[0].data.0, page.millis_behind_latest), (2, 7));
        assert!(page.next_shard_iterator.is_none());
    }
}
