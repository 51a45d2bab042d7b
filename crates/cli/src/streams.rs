//! `headwater streams`: every stream of the node, how fast it takes records, how far its readers are.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, bail};
use headwater_base::Seams;
use serde_json::{Value, json};

use crate::aws::Aws;
use crate::output::{self, Output};

/// Where the node tells of its streams.
const PAGE: &str = "/_headwater/streams";

/// Rates are measured between two looks this far apart.
const MEASURED_OVER: Duration = Duration::from_secs(1);

/// Shows the streams, or one JSON value.
pub async fn run(aws: &Aws, output: Output) -> anyhow::Result<()> {
    let before = page(aws).await?;
    Seams::system().clock.sleep(MEASURED_OVER).await;
    let after = page(aws).await?;
    let streams = with_rates(&before, &after);
    output.result(table(&streams), &json!({ "streams": streams }));
    Ok(())
}

async fn page(aws: &Aws) -> anyhow::Result<Value> {
    let answer =
        aws.client().get_unsigned(PAGE).await.context("is a node running? start one: headwater serve")?;
    if answer.status != 200 {
        bail!("{}{PAGE} answered with status {}", aws.client().endpoint(), answer.status);
    }
    serde_json::from_slice(&answer.body).context("reading the node's streams")
}

/// The later page's streams, each with `records_per_second` since the earlier one.
fn with_rates(before: &Value, after: &Value) -> Vec<Value> {
    let taken = |stream: &Value| stream["records_taken"].as_u64().unwrap_or_default();
    let earlier: HashMap<String, u64> =
        rows(before).iter().map(|stream| (identity(stream), taken(stream))).collect();
    let elapsed_ms =
        after["time_ms"].as_i64().unwrap_or_default() - before["time_ms"].as_i64().unwrap_or_default();
    let rated = |stream: &Value| {
        let new = earlier.get(&identity(stream)).map_or(0, |earlier| taken(stream).saturating_sub(*earlier));
        let mut stream = stream.clone();
        stream["records_per_second"] = json!(new * 1000 / elapsed_ms.max(1).unsigned_abs());
        stream
    };
    rows(after).iter().map(rated).collect()
}

fn rows(page: &Value) -> &[Value] {
    page["streams"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn identity(stream: &Value) -> String {
    format!("{} {} {}", stream["account"], stream["region"], stream["name"])
}

fn table(streams: &[Value]) -> String {
    if streams.is_empty() {
        return "there are no streams".to_owned();
    }
    let header = [
        "stream",
        "account",
        "region",
        "shards",
        "closed",
        "records/s",
        "taken",
        "kept",
        "newest",
        "readers",
    ];
    let mut table = output::table(&header, &[3, 4, 5, 6, 7]);
    for stream in streams {
        let text = |name: &str| stream[name].as_str().unwrap_or("–").to_owned();
        let number = |name: &str| output::grouped(stream[name].as_u64().unwrap_or_default());
        table.add_row([
            text("name"),
            text("account"),
            text("region"),
            number("open_shards"),
            number("closed_shards"),
            number("records_per_second"),
            number("records_taken"),
            number("records_kept"),
            text("newest"),
            readers(stream),
        ]);
    }
    table.to_string()
}

/// `orders-to-lake: 12 behind`.
fn readers(stream: &Value) -> String {
    let one = |reader: &Value| {
        let name = reader["delivery"].as_str().unwrap_or_default();
        let behind = reader["records_behind"].as_u64().unwrap_or_default();
        format!("{name}: {} behind", output::grouped(behind))
    };
    stream["readers"].as_array().into_iter().flatten().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_what_was_taken_between_two_looks() {
        let page = |time_ms: i64, taken: u64| {
            let stream = json!({"account": "1", "region": "r", "name": "s", "records_taken": taken,
                                "readers": [{"delivery": "d", "records_behind": 1200}]});
            json!({"time_ms": time_ms, "streams": [stream]})
        };
        let streams = with_rates(&page(1000, 100), &page(3000, 5100));
        assert_eq!(streams[0]["records_per_second"], 2500);
        assert!(table(&streams).contains("d: 1,200 behind"));
        let fresh = with_rates(&json!({"time_ms": 0, "streams": []}), &page(1000, 100));
        assert_eq!(fresh[0]["records_per_second"], 0, "one look says nothing about speed");
    }
}
