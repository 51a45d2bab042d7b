//! Objects in and out.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use headwater_bench::latency::Latencies;
use headwater_wire::client::{Answer, Client};
use sha2::{Digest, Sha256};

use super::Bed;
use super::lanes::Lanes;
use super::row::{Hammered, Row, Target};

const BUCKET: &str = "bench";
const SMALL: usize = 4 << 10;
const CONNECTIONS: usize = 64;

/// How often one key is overwritten, and on how many connections.
const OVERWRITES: u64 = 100_000;
const OVERWRITERS: usize = 16;

/// The large object, in parts as clients send and fetch it.
const LARGE: usize = 1 << 30;
const PART: usize = 64 << 20;
const PARALLEL_PARTS: usize = 4;

/// One call; the body of its answer, or of a PUT the ETag.
async fn s3(
    client: &Client,
    method: &str,
    path: &str,
    header: Option<(&str, &str)>,
    body: Bytes,
) -> anyhow::Result<Bytes> {
    content(client.send("s3", method, path, header.as_slice(), body).await?, method, path)
}

/// The body of an answer that is no refusal, or of a PUT the ETag.
pub(super) fn content(answer: Answer, method: &str, path: &str) -> anyhow::Result<Bytes> {
    if answer.status >= 300 {
        bail!("{method} {path}: status {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
    }
    match answer.header("etag") {
        Some(etag) if method == "PUT" => Ok(Bytes::copy_from_slice(etag.as_bytes())),
        _ => Ok(answer.body),
    }
}

/// PUT and GET of 4 KiB.
pub async fn small_objects(bed: Bed) -> anyhow::Result<Vec<Row>> {
    bed.aws.create_bucket(BUCKET).await?;
    let lanes = Lanes::new(&bed, CONNECTIONS)?;
    let putting = lanes.clone();
    let put = bed
        .hammer(CONNECTIONS, move |connection, number| {
            let lanes = putting.clone();
            Box::pin(async move {
                let path = format!("/{BUCKET}/{connection}/{number}");
                let mut body = vec![connection as u8; SMALL];
                body[..8].copy_from_slice(&number.to_be_bytes());
                lanes.s3(connection, "PUT", &path, body.into()).await?;
                Ok(())
            })
        })
        .await?;
    let each = (put.latencies.count() / CONNECTIONS / 2).max(1) as u64;
    let get = bed
        .hammer(CONNECTIONS, move |connection, number| {
            let lanes = lanes.clone();
            Box::pin(async move {
                let path = format!("/{BUCKET}/{connection}/{}", number % each);
                let body = lanes.s3(connection, "GET", &path, Bytes::new()).await?;
                if body.len() != SMALL || body[..8] != (number % each).to_be_bytes() {
                    bail!("{path} is not what was put");
                }
                Ok(())
            })
        })
        .await?;
    Ok(vec![
        Row::rate("S3 PUT 4 KiB, 64 connections", &put, 1.0, "objects/s", 8_000.0),
        Row::rate("S3 GET 4 KiB, 64 connections", &get, 1.0, "objects/s", 15_000.0),
    ])
}

/// PUT and GET of 1 GiB, in parts. The parts are alike, so the generator hashes one of them once: what it
/// then takes of the machine is sending, receiving and comparing. The node hashes every byte it gets.
pub async fn large_object(bed: Bed) -> anyhow::Result<Vec<Row>> {
    bed.aws.create_bucket(BUCKET).await?;
    let client = bed.target.client(PARALLEL_PARTS)?;
    let parts = LARGE / PART;
    let body = Bytes::from((0..PART).map(|at| ((at * 31) >> 7) as u8).collect::<Vec<u8>>());
    let hash = Arc::new(hex::encode(Sha256::digest(&body)));
    let started = s3(&client, "POST", &format!("/{BUCKET}/large?uploads"), None, Bytes::new()).await?;
    let text = String::from_utf8_lossy(&started).into_owned();
    let upload = text.split_once("<UploadId>").and_then(|(_, rest)| rest.split_once("</UploadId>"));
    let upload = Arc::new(upload.context("CreateMultipartUpload gave no id")?.0.to_owned());

    let clock = bed.seams.clock.clone();
    let (cpu, start) = (bed.node.cpu_time()?, clock.monotonic());
    let mut etags = Vec::new();
    for first in (1..=parts).step_by(PARALLEL_PARTS) {
        let numbers = first..(first + PARALLEL_PARTS).min(parts + 1);
        let mut running = Vec::new();
        for number in numbers {
            let (client, upload, body, hash) = (client.clone(), upload.clone(), body.clone(), hash.clone());
            let path = format!("/{BUCKET}/large?partNumber={number}&uploadId={upload}");
            running.push(bed.work.detach(async move {
                s3(&client, "PUT", &path, Some(("x-amz-content-sha256", &hash)), body).await
            }));
        }
        for part in running {
            etags.push(part.await.context("a part was dropped")??);
        }
    }
    let mut list = String::from("<CompleteMultipartUpload>");
    for (index, etag) in etags.iter().enumerate() {
        let etag = String::from_utf8_lossy(etag).replace('"', "");
        list.push_str(&format!("<Part><PartNumber>{}</PartNumber><ETag>{etag}</ETag></Part>", index + 1));
    }
    list.push_str("</CompleteMultipartUpload>");
    s3(&client, "POST", &format!("/{BUCKET}/large?uploadId={upload}"), None, list.into()).await?;
    let put = row(
        "S3 PUT 1 GiB in 64 MiB parts",
        &bed,
        clock.monotonic() - start,
        bed.node.cpu_time()?.saturating_sub(cpu),
    );

    let (cpu, start) = (bed.node.cpu_time()?, clock.monotonic());
    for first in (0..parts).step_by(PARALLEL_PARTS) {
        let mut running = Vec::new();
        for number in first..(first + PARALLEL_PARTS).min(parts) {
            let (client, expected) = (client.clone(), body.clone());
            running.push(bed.work.detach(async move {
                let range = format!("bytes={}-{}", number * PART, (number + 1) * PART - 1);
                let range = Some(("range", &*range));
                let got = s3(&client, "GET", &format!("/{BUCKET}/large"), range, Bytes::new()).await?;
                if got != expected { bail!("part {number} is not what was put") } else { Ok(()) }
            }));
        }
        for part in running {
            part.await.context("a part was dropped")??;
        }
    }
    let get = row(
        "S3 GET 1 GiB in 64 MiB ranges",
        &bed,
        clock.monotonic() - start,
        bed.node.cpu_time()?.saturating_sub(cpu),
    );
    Ok(vec![put, get])
}

/// At least 500 MB/s, or 70 % of what the slower of the disk and one thread's MD5 allows.
fn row(name: &'static str, bed: &Bed, took: Duration, cpu: Duration) -> Row {
    let megabytes = LARGE as f64 / 1e6;
    let (disk, md5) = (bed.machine.disk_bytes_per_second / 1e6, bed.machine.md5_bytes_per_second / 1e6);
    let target = (0.7 * disk.min(md5)).min(500.0);
    let name = format!("{name} (disk allows {disk:.0}, MD5 {md5:.0})");
    let mut row = Row::of(name, megabytes / took.as_secs_f64(), "MB/s", Target::AtLeast(target));
    row.per_cpu_second = Some(megabytes / cpu.as_secs_f64().max(0.01));
    row
}

/// One key, overwritten over and over: neither the index nor the sweep may make the last ones slower.
pub async fn hot_key(bed: Bed) -> anyhow::Result<Vec<Row>> {
    bed.aws.create_bucket(BUCKET).await?;
    let lanes = Lanes::new(&bed, OVERWRITERS)?;
    let (clock, cpu) = (bed.seams.clock.clone(), bed.node.cpu_time()?);
    let start = clock.monotonic();
    let mut running = Vec::new();
    for writer in 0..OVERWRITERS {
        let (lanes, clock) = (lanes.clone(), clock.clone());
        running.push(bed.work.detach(async move {
            let (mut first, mut last, mut all) = Default::default();
            let each = OVERWRITES / OVERWRITERS as u64;
            for number in 0..each {
                let begun = clock.monotonic();
                let body = vec![writer as u8; SMALL];
                lanes.s3(writer, "PUT", &format!("/{BUCKET}/hot"), body.into()).await?;
                let took = clock.monotonic() - begun;
                Latencies::record(&mut all, took);
                if number < each / 10 {
                    Latencies::record(&mut first, took);
                } else if number >= each - each / 10 {
                    Latencies::record(&mut last, took);
                }
            }
            anyhow::Ok((first, last, all))
        }));
    }
    let (mut first, mut last, mut all) = (Latencies::default(), Latencies::default(), Hammered::default());
    for writer in running {
        let (begun, ended, whole) = writer.await.context("a writer was dropped")??;
        first.merge(begun);
        last.merge(ended);
        all.latencies.merge(whole);
    }
    all.took = clock.monotonic() - start;
    all.server_cpu = bed.node.cpu_time()?.saturating_sub(cpu);
    let growth = |name: &'static str, percent| {
        let ratio = last.percentile(percent).as_secs_f64() / first.percentile(percent).as_secs_f64();
        let mut row = Row::of(name, ratio, "times", Target::AtMost(1.5));
        row.latencies = last.clone();
        row
    };
    Ok(vec![
        Row::rate("S3 one key overwritten 100,000 times", &all, 1.0, "objects/s", 5_000.0),
        growth("… p50 of the last tenth beside the first", 50.0),
        growth("… p99 of the last tenth beside the first", 99.0),
    ])
}
