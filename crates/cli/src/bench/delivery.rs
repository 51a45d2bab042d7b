//! From a stream into a table.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use headwater_bench::cards::Cards;
use headwater_bench::ids::Reconciliation;
use headwater_bench::produce::{Load, Producer, Progress};

use super::Bed;
use super::row::{Row, Target};
use crate::demo::{pipeline, probe};
use crate::status;

/// How many records the sustained run delivers.
const RECORDS: u64 = 2_000_000;

/// Then as many records a second as must be kept up with, and for how long.
const STEADY_RATE: u64 = 100_000;
const STEADY_SECONDS: u64 = 10;

/// How many records a second run beside the freshness probes, and for how long.
const FRESHNESS_RATE: u64 = 1000;
const FRESHNESS_SECONDS: u64 = 30;

const PROBES_MAX: u64 = 10_000;

fn producer(bed: &Bed, cards: &Cards, records: u64) -> Producer {
    Producer {
        client: bed.aws.client().clone(),
        cards: cards.clone(),
        book: Arc::new(Reconciliation::new(records + PROBES_MAX)),
        progress: Arc::new(Progress::default()),
        seams: bed.seams.clone(),
        work: bed.work.clone(),
    }
}

fn load(ids: Range<u64>, rate: Option<u64>) -> Load {
    Load { stream: pipeline::STREAM.into(), ids, connections: 4, rate }
}

/// Produces as fast as it goes while the same records are delivered; the figure is over the whole
/// time until nothing is buffered. A producer that is not held back outruns the delivery, so whether
/// the lag grows is measured beside it, at a steady rate.
pub async fn sustained(bed: Bed) -> anyhow::Result<Vec<Row>> {
    pipeline::apply(&bed.aws).await?;
    let steady = STEADY_RATE * STEADY_SECONDS;
    let producer = producer(&bed, &Cards::new(1), RECORDS + steady);
    let clock = bed.seams.clock.clone();
    let (cpu, start) = (bed.node.cpu_time()?, clock.monotonic());
    producer.run(&load(0..RECORDS, None)).await?;
    drained(&bed).await?;
    let took = (clock.monotonic() - start).as_secs_f64();
    let cpu = bed.node.cpu_time()?.saturating_sub(cpu).as_secs_f64();
    let name = "stream → Parquet, 350 B, while producing";
    let mut row = Row::of(name, RECORDS as f64 / took, "records/s", Target::AtLeast(100_000.0));
    row.per_cpu_second = Some(RECORDS as f64 / cpu.max(0.01));

    let half = RECORDS + steady / 2;
    producer.run(&load(RECORDS..half, Some(STEADY_RATE))).await?;
    let before = buffered(&bed).await?;
    producer.run(&load(half..RECORDS + steady, Some(STEADY_RATE))).await?;
    let after = buffered(&bed).await?;
    drained(&bed).await?;
    let growth = (after as f64 - before as f64) / (STEADY_SECONDS as f64 / 2.0);
    Ok(vec![
        row,
        // A buffer interval's worth may lie there; it must not become more.
        Row::of(
            "… records behind after 10 s at 100,000/s",
            after as f64,
            "records",
            Target::AtMost(300_000.0),
        ),
        Row::of("… their growth from 5 s to 10 s", growth, "records/s", Target::AtMost(20_000.0)),
    ])
}

/// Waits until nothing is buffered.
async fn drained(bed: &Bed) -> anyhow::Result<()> {
    let clock = &bed.seams.clock;
    let mut last_change = (buffered(bed).await?, clock.monotonic());
    while last_change.0 > 0 {
        clock.sleep(Duration::from_millis(50)).await;
        let now = buffered(bed).await?;
        if now < last_change.0 {
            last_change = (now, clock.monotonic());
        } else if clock.monotonic() - last_change.1 > Duration::from_secs(60) {
            bail!("{now} records stay buffered");
        }
    }
    Ok(())
}

async fn buffered(bed: &Bed) -> anyhow::Result<u64> {
    let all = status::read(&bed.aws).await?.deliveries;
    let found = all.iter().find(|delivery| delivery.name == pipeline::DELIVERY);
    Ok(found.context("the node's status does not show the delivery")?.total().buffered)
}

/// Single records followed to the table at 1,000 records/s and a buffer interval of one second.
pub async fn freshness(bed: Bed) -> anyhow::Result<Vec<Row>> {
    pipeline::apply(&bed.aws).await?;
    let records = FRESHNESS_RATE * FRESHNESS_SECONDS;
    let cards = Cards::new(2);
    let producer = producer(&bed, &cards, records);
    let is_over = Arc::new(AtomicBool::new(false));
    let probe = probe::Probe {
        aws: bed.aws.clone(),
        cards,
        book: producer.book.clone(),
        ids: records..records + PROBES_MAX,
        seams: bed.seams.clone(),
    };
    let over = is_over.clone();
    let probing = bed.work.detach(async move { probe.run(&over).await });
    let produced = producer.run(&load(0..records, Some(FRESHNESS_RATE))).await;
    is_over.store(true, Ordering::Release);
    let seen = probing.await.context("the probe was dropped")??;
    produced?;
    let p99 = seen.percentile(99.0).as_secs_f64();
    let mut row = Row::of("record → queryable, 1 s buffer, p99", p99, "s", Target::AtMost(2.0));
    row.latencies = seen;
    Ok(vec![row])
}
