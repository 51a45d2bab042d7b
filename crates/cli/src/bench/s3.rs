//! Objects in and out.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use headwater_wire::client::Client;

use super::Bed;
use super::row::Row;

const BUCKET: &str = "bench";
const SMALL: usize = 4 << 10;
const CONNECTIONS: usize = 32;

/// The large object, in parts as clients send and fetch it.
const LARGE: usize = 1 << 30;
const PART: usize = 64 << 20;
const PARALLEL_PARTS: usize = 4;

async fn s3(
    client: &Client,
    method: &str,
    path: &str,
    range: Option<&str>,
    body: Bytes,
) -> anyhow::Result<Bytes> {
    let headers: Vec<(&str, &str)> = range.iter().map(|range| ("range", *range)).collect();
    let answer = client.send("s3", method, path, &headers, body).await?;
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
    let client = bed.target.client(CONNECTIONS)?;
    let putting = client.clone();
    let put = bed
        .hammer(CONNECTIONS, move |connection, number| {
            let client = putting.clone();
            Box::pin(async move {
                let path = format!("/{BUCKET}/{connection}/{number}");
                let mut body = vec![connection as u8; SMALL];
                body[..8].copy_from_slice(&number.to_be_bytes());
                s3(&client, "PUT", &path, None, body.into()).await?;
                Ok(())
            })
        })
        .await?;
    let each = (put.latencies.count() / CONNECTIONS / 2).max(1) as u64;
    let get = bed
        .hammer(CONNECTIONS, move |connection, number| {
            let client = client.clone();
            Box::pin(async move {
                let path = format!("/{BUCKET}/{connection}/{}", number % each);
                let body = s3(&client, "GET", &path, None, Bytes::new()).await?;
                if body.len() != SMALL || body[..8] != (number % each).to_be_bytes() {
                    bail!("{path} is not what was put");
                }
                Ok(())
            })
        })
        .await?;
    Ok(vec![
        Row::rate("S3 PUT 4 KiB, 32 connections", &put, 1.0, "objects/s", 5_000.0),
        Row::rate("S3 GET 4 KiB, 32 connections", &get, 1.0, "objects/s", 12_000.0),
    ])
}

/// PUT and GET of 1 GiB, in parts.
pub async fn large_object(bed: Bed) -> anyhow::Result<Vec<Row>> {
    bed.aws.create_bucket(BUCKET).await?;
    let client = bed.target.client(PARALLEL_PARTS)?;
    let parts = LARGE / PART;
    let body = Bytes::from((0..PART).map(|at| ((at * 31) >> 7) as u8).collect::<Vec<u8>>());
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
            let (client, upload, body) = (client.clone(), upload.clone(), body.clone());
            let path = format!("/{BUCKET}/large?partNumber={number}&uploadId={upload}");
            running.push(bed.work.detach(async move { s3(&client, "PUT", &path, None, body).await }));
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
                let got = s3(&client, "GET", &format!("/{BUCKET}/large"), Some(&range), Bytes::new()).await?;
                if got != expected { bail!("part {number} is not what was put") } else { Ok(()) }
            }));
        }
        for part in running {
            part.await.context("a part was dropped")??;
        }
    }
    let get = row(
        "S3 GET 1 GiB in 64 MiB ranges",
        clock.monotonic() - start,
        bed.node.cpu_time()?.saturating_sub(cpu),
    );
    Ok(vec![put, get])
}

fn row(name: &'static str, took: Duration, cpu: Duration) -> Row {
    let megabytes = LARGE as f64 / 1e6;
    let mut row = Row::of(name, megabytes / took.as_secs_f64(), "MB/s", super::row::Target::AtLeast(300.0));
    row.per_cpu_second = Some(megabytes / cpu.as_secs_f64().max(0.01));
    row
}
