//! A node's own life: start, idling, reopening after a crash, the whole demonstration.

use std::time::Duration;

use anyhow::{Context, bail};
use headwater_bench::child::ChildNode;
use serde_json::Value;

use super::Bed;
use super::row::{Row, Target};
use crate::aws::Service;

/// How long a node is left alone before its memory is read.
const IDLE: Duration = Duration::from_secs(3);

/// How many bytes are put before the kill.
const UNSETTLED: usize = 1 << 30;
const RECORD: usize = 900_000;

/// Start on an empty directory to the first answer; memory when idle.
pub async fn start_and_idle(bed: Bed) -> anyhow::Result<Vec<Row>> {
    let clock = &bed.seams.clock;
    clock.sleep(IDLE).await;
    let idle = bed.node.resident_bytes()? as f64 / 1e6;
    let binary = std::env::current_exe().context("finding this program")?;
    let start = clock.monotonic();
    let second = ChildNode::start(&binary, &bed.node.data().with_file_name("second"), &[])?;
    let took = (clock.monotonic() - start).as_secs_f64() * 1000.0;
    drop(second);
    Ok(vec![
        Row::of("start on an empty directory to first answer", took, "ms", Target::AtMost(300.0)),
        Row::of("idle node, resident", idle, "MB", Target::AtMost(60.0)),
    ])
}

/// Fills the journal with a gibibyte, kills the node, starts it again.
pub async fn reopen(mut bed: Bed) -> anyhow::Result<Vec<Row>> {
    let stream = serde_json::json!({"StreamName": "journal", "ShardCount": 4});
    bed.aws.call(Service::Kinesis, "CreateStream", &stream).await?;
    let record = vec![b'x'; RECORD];
    let mut body = b"{\"StreamName\":\"journal\",\"Records\":[".to_vec();
    for index in 0..4 {
        body.extend_from_slice(if index == 0 { b"{\"Data\":\"" } else { b",{\"Data\":\"" });
        headwater_bench::produce::push_base64(&mut body, &record);
        body.extend_from_slice(format!("\",\"PartitionKey\":\"{index}\"}}").as_bytes());
    }
    body.extend_from_slice(b"]}");
    let body = bytes::Bytes::from(body);
    for _ in 0..UNSETTLED / (4 * RECORD) {
        bed.aws.client().json("kinesis", "Kinesis_20131202.PutRecords", body.clone()).await?;
    }
    bed.node.kill()?;
    let binary = std::env::current_exe().context("finding this program")?;
    let data = bed.node.data().to_owned();
    let start = bed.seams.clock.monotonic();
    let again = ChildNode::start(&binary, &data, &[])?;
    let took = (bed.seams.clock.monotonic() - start).as_secs_f64();
    drop(again);
    Ok(vec![Row::of("reopen after kill -9 with 1 GiB just put", took, "s", Target::AtMost(10.0))])
}

/// The demonstration, as a user runs it.
pub async fn demo(bed: Bed) -> anyhow::Result<Vec<Row>> {
    drop(bed.node);
    let binary = std::env::current_exe().context("finding this program")?;
    let run = move || std::process::Command::new(binary).args(["demo", "--json"]).output();
    let done = headwater_work::Work::blocking(run).await.context("running headwater demo")?;
    if !done.status.success() {
        bail!(
            "headwater demo failed: {}",
            String::from_utf8_lossy(&done.stderr).lines().last().unwrap_or_default()
        );
    }
    let report: Value = serde_json::from_slice(&done.stdout).context("reading what headwater demo says")?;
    let seconds = report["seconds"].as_f64().context("headwater demo says how long it took")?;
    Ok(vec![Row::of("headwater demo, end to end", seconds, "s", Target::AtMost(45.0))])
}
