//! What a shard costs: the same load on one and on a thousand, and memory of those that idle.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::future::BoxFuture;
use headwater_bench::latency::Latencies;
use headwater_wire::Codec;

use super::Bed;
use super::kinesis::{bodies, create_stream, put_batch};
use super::lanes::Lanes;
use super::row::{Row, Target};

/// The two streams.
const ONE: &str = "one-shard";
const THOUSAND: &str = "thousand-shards";

/// Calls a second: single records, and batches of 500 (which meet some 400 of a thousand shards).
const SINGLES: u64 = 5000;
const BATCHES: u64 = 40;

/// Each load runs this often on each stream, in turn.
const ROUNDS: usize = 2;

/// How many shards idle, in streams of a thousand.
const IDLE_STREAMS: usize = 10;
const IDLE_SHARDS: u32 = 1000;

/// How long memory may settle before it is read.
const SETTLES: Duration = Duration::from_secs(3);

/// The same rate of puts into one shard and over a thousand.
pub async fn many(bed: Bed) -> anyhow::Result<Vec<Row>> {
    create_stream(&bed.aws, ONE, 1).await?;
    create_stream(&bed.aws, THOUSAND, 1000).await?;
    let (mut singles, mut batches) = (Pair::default(), Pair::default());
    for _ in 0..ROUNDS {
        singles.one.merge(put_singles(&bed, ONE).await?);
        singles.thousand.merge(put_singles(&bed, THOUSAND).await?);
        batches.one.merge(put_batches(&bed, ONE).await?);
        batches.thousand.merge(put_batches(&bed, THOUSAND).await?);
    }
    Ok(vec![
        singles.row("1,000 shards to 1: p99 of PutRecord at 5,000/s"),
        batches.row("1,000 shards to 1: p99 of PutRecords, 500, at 40/s"),
    ])
}

/// Memory of shards that idle: what a node gains by ten thousand of them.
pub async fn idle(bed: Bed) -> anyhow::Result<Vec<Row>> {
    create_stream(&bed.aws, ONE, 1).await?;
    bed.seams.clock.sleep(SETTLES).await;
    let before = bed.node.resident_bytes()?;
    for number in 0..IDLE_STREAMS {
        create_stream(&bed.aws, &format!("idle-{number}"), IDLE_SHARDS).await?;
    }
    bed.seams.clock.sleep(SETTLES).await;
    let gained = bed.node.resident_bytes()?.saturating_sub(before);
    let each = gained as f64 / 1e3 / (IDLE_STREAMS as f64 * f64::from(IDLE_SHARDS));
    Ok(vec![Row::of("memory per idle shard, of 10,000", each, "kB", Target::AtMost(20.0))])
}

/// Latencies of a load on one shard and on a thousand.
#[derive(Default)]
struct Pair {
    one: Latencies,
    thousand: Latencies,
}

impl Pair {
    /// How many times the p99 on one shard the p99 on a thousand is.
    fn row(self, name: &'static str) -> Row {
        let p99 = |latencies: &Latencies| latencies.percentile(99.0).as_secs_f64();
        let mut row = Row::of(name, p99(&self.thousand) / p99(&self.one), "times", Target::AtMost(2.0));
        row.latencies = self.thousand;
        row
    }
}

async fn put_singles(bed: &Bed, stream: &'static str) -> anyhow::Result<Latencies> {
    let (lanes, data) = (Lanes::new(bed, 16)?, STANDARD.encode([b'x'; 1000]));
    steadily(bed, SINGLES, 16, move |connection, number| {
        let body =
            format!("{{\"StreamName\":\"{stream}\",\"Data\":\"{data}\",\"PartitionKey\":\"{number}\"}}");
        let lanes = lanes.clone();
        Box::pin(async move {
            lanes.kinesis(connection, Codec::Json11, "PutRecord", body.into()).await?;
            Ok(())
        })
    })
    .await
}

async fn put_batches(bed: &Bed, stream: &'static str) -> anyhow::Result<Latencies> {
    let (lanes, bodies) = (Lanes::new(bed, 8)?, bodies(stream, Codec::Cbor)?);
    steadily(bed, BATCHES, 8, move |connection, number| {
        let (lanes, body) = (lanes.clone(), bodies[number as usize % bodies.len()].clone());
        Box::pin(async move { put_batch(&lanes, connection, Codec::Cbor, body).await })
    })
    .await
}

/// Makes `rate` calls a second. A call's latency counts from when it was due if its connection was
/// not free by then.
async fn steadily<F>(bed: &Bed, rate: u64, connections: usize, call: F) -> anyhow::Result<Latencies>
where
    F: Fn(usize, u64) -> BoxFuture<'static, anyhow::Result<()>> + Send + Sync + 'static,
{
    let (clock, next) = (bed.seams.clock.clone(), Arc::new(AtomicU64::new(0)));
    let latencies = Arc::new(Mutex::new(Latencies::default()));
    let (start, noted) = (clock.monotonic(), latencies.clone());
    bed.hammer(connections, move |connection, _| {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let due = start + Duration::from_secs_f64(number as f64 / rate as f64);
        let (clock, noted, calling) = (clock.clone(), noted.clone(), call(connection, number));
        Box::pin(async move {
            let early = due.saturating_sub(clock.monotonic());
            clock.sleep(early).await;
            let begun = if early.is_zero() { due } else { clock.monotonic() };
            calling.await?;
            noted.lock().expect("nobody panics with it").record(clock.monotonic() - begun);
            Ok(())
        })
    })
    .await?;
    let latencies = std::mem::take(&mut *latencies.lock().expect("nobody panics with it"));
    Ok(latencies)
}
