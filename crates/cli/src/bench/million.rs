//! A million objects: listing them, the memory they take, and starting with them.

use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use headwater_bench::latency::Latencies;

use super::Bed;
use super::lanes::Lanes;
use super::row::{Hammered, Row, Target};

const BUCKET: &str = "million";
const FOLDERS: u64 = 1000;
const OBJECTS_IN_FOLDER: u64 = 1000;
const OBJECTS: u64 = FOLDERS * OBJECTS_IN_FOLDER;
const CONNECTIONS: usize = 64;
const BODY: &[u8] = b"sixteen bytes...";

/// How often the page with a delimiter is fetched.
const PAGES: usize = 100;
/// How long the node is left alone before its memory is read.
const REST: Duration = Duration::from_secs(5);

/// Puts a million objects, then lists, folds, weighs and restarts.
pub async fn million_objects(mut bed: Bed) -> anyhow::Result<Vec<Row>> {
    bed.aws.create_bucket(BUCKET).await?;
    let put = fill(&bed).await?;
    let listed = list(&bed).await?;
    let folded = fold(&bed).await?;
    bed.seams.clock.sleep(REST).await;
    let resident = bed.node.resident_bytes()? as f64 / 1e6;
    let started = bed.restart()?.as_secs_f64();
    let first = Lanes::new(&bed, 1)?.s3(0, "GET", &path(0), Bytes::new()).await?;
    if first != BODY {
        bail!("{} is not what was put", path(0));
    }
    let after = bed.node.resident_bytes()? as f64 / 1e6;
    Ok(vec![
        Row::rate("S3 PUT 16 B, 1,000,000 objects", &put, 1.0, "objects/s", 8_000.0),
        Row::rate("S3 LIST of 1,000,000 keys, 1,000 a page", &listed, 1000.0, "keys/s", 150_000.0),
        page_row(&folded),
        Row::of(
            "1,000,000 objects, resident after putting and listing",
            resident,
            "MB",
            Target::AtMost(200.0),
        ),
        Row::of("start after kill -9 with 1,000,000 objects", started, "s", Target::AtMost(1.0)),
        Row::of("… resident then", after, "MB", Target::AtMost(200.0)),
    ])
}

fn path(number: u64) -> String {
    format!("/{BUCKET}/folder-{:04}/object-{:09}", number / OBJECTS_IN_FOLDER, number)
}

async fn fill(bed: &Bed) -> anyhow::Result<Hammered> {
    let lanes = Lanes::new(bed, CONNECTIONS)?;
    let (clock, cpu) = (bed.seams.clock.clone(), bed.node.cpu_time()?);
    let start = clock.monotonic();
    let mut running = Vec::new();
    for connection in 0..CONNECTIONS {
        let (lanes, clock) = (lanes.clone(), clock.clone());
        running.push(bed.work.detach(async move {
            let mut latencies = Latencies::default();
            for number in (connection as u64..OBJECTS).step_by(CONNECTIONS) {
                let begun = clock.monotonic();
                lanes.s3(connection, "PUT", &path(number), Bytes::from_static(BODY)).await?;
                latencies.record(clock.monotonic() - begun);
            }
            anyhow::Ok(latencies)
        }));
    }
    let mut put = Hammered::default();
    for connection in running {
        put.latencies.merge(connection.await.context("a connection was dropped")??);
    }
    put.took = clock.monotonic() - start;
    put.server_cpu = bed.node.cpu_time()?.saturating_sub(cpu);
    Ok(put)
}

/// Every key, page after page on one connection, as an SDK's paginator asks.
async fn list(bed: &Bed) -> anyhow::Result<Hammered> {
    let lanes = Lanes::new(bed, 1)?;
    let (clock, cpu) = (&bed.seams.clock, bed.node.cpu_time()?);
    let (mut listed, mut keys, start) = (Hammered::default(), 0, clock.monotonic());
    let mut page = format!("/{BUCKET}?list-type=2");
    loop {
        let begun = clock.monotonic();
        let body = lanes.s3(0, "GET", &page, Bytes::new()).await?;
        listed.latencies.record(clock.monotonic() - begun);
        let text = String::from_utf8_lossy(&body);
        keys += text.matches("<Key>").count() as u64;
        let Some(token) = between(&text, "<NextContinuationToken>", "</NextContinuationToken>") else {
            break;
        };
        // Tokens are made of letters, digits and what must be escaped in a query.
        let token: String = token.bytes().map(escaped).collect();
        page = format!("/{BUCKET}?list-type=2&continuation-token={token}");
    }
    listed.took = clock.monotonic() - start;
    listed.server_cpu = bed.node.cpu_time()?.saturating_sub(cpu);
    if keys != OBJECTS {
        bail!("{keys} keys were listed of {OBJECTS}");
    }
    Ok(listed)
}

fn escaped(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
}

fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    Some(text.split_once(open)?.1.split_once(close)?.0)
}

/// The page whose entries are the thousand folders.
async fn fold(bed: &Bed) -> anyhow::Result<Hammered> {
    let lanes = Lanes::new(bed, 1)?;
    let (clock, cpu) = (&bed.seams.clock, bed.node.cpu_time()?);
    let (mut folded, start) = (Hammered::default(), clock.monotonic());
    for _ in 0..PAGES {
        let begun = clock.monotonic();
        let page = format!("/{BUCKET}?delimiter=%2F&list-type=2");
        let body = lanes.s3(0, "GET", &page, Bytes::new()).await?;
        folded.latencies.record(clock.monotonic() - begun);
        let found = String::from_utf8_lossy(&body).matches("<CommonPrefixes>").count() as u64;
        if found != FOLDERS {
            bail!("a page has {found} common prefixes of {FOLDERS}");
        }
    }
    folded.took = clock.monotonic() - start;
    folded.server_cpu = bed.node.cpu_time()?.saturating_sub(cpu);
    Ok(folded)
}

fn page_row(folded: &Hammered) -> Row {
    let p50 = folded.latencies.percentile(50.0).as_secs_f64() * 1000.0;
    let name = "S3 page of 1,000 common prefixes over 1,000,000 keys";
    let mut row = Row::of(name, p50, "ms", Target::AtMost(10.0));
    let cpu = folded.server_cpu.as_secs_f64();
    row.per_cpu_second = (cpu > 0.0).then(|| PAGES as f64 / cpu);
    row.latencies = folded.latencies.clone();
    row
}
