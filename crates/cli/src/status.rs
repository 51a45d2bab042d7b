//! `headwater status`: the truth in one screen. And what other verbs read from the node's own page.

mod storage;

use anyhow::{Context, bail};
use serde::Deserialize;
use serde_json::Value;

use crate::aws::Aws;
use crate::output::{self, Output};

pub use storage::{Bucket, Scrub};

/// Where the node tells its state.
const PAGE: &str = "/_headwater/status";

/// The node's state, as far as this program reads it.
#[derive(Clone, Debug, Deserialize)]
pub struct Status {
    /// The node's version.
    #[serde(default)]
    pub version: String,
    /// Its journal and logs.
    #[serde(default)]
    pub store: Value,
    /// What its buckets hold.
    #[serde(default)]
    pub buckets: Vec<Bucket>,
    /// How its bodies read back.
    #[serde(default)]
    pub scrub: Scrub,
    /// Its background tasks.
    #[serde(default)]
    pub tasks: Vec<Task>,
    /// Its deliveries and their ledgers.
    #[serde(default)]
    pub deliveries: Vec<Delivery>,
}

/// A background task.
#[derive(Clone, Debug, Deserialize)]
pub struct Task {
    /// Its name.
    pub name: String,
    /// How many passes ended.
    #[serde(default)]
    pub runs: u64,
    /// How many of them failed.
    #[serde(default)]
    pub failures: u64,
    /// When the last one ended.
    #[serde(default)]
    pub last_run: Option<String>,
    /// Why the last one failed, if it did.
    #[serde(default)]
    pub last_error: Option<String>,
}

/// A delivery and its ledger, a line per shard.
#[derive(Clone, Debug, Deserialize)]
pub struct Delivery {
    /// The account it belongs to.
    pub account: String,
    /// Its name.
    pub name: String,
    /// The ledger.
    pub shards: Vec<Shard>,
    /// Why it stands still, if it does.
    #[serde(default)]
    pub problem: Option<String>,
}

/// One shard's line in the ledger.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Shard {
    /// The shard's number.
    pub shard: u32,
    /// Records accepted since the delivery began.
    pub accepted: u64,
    /// In delivered objects.
    pub delivered: u64,
    /// Held nothing to deliver.
    pub dropped: u64,
    /// In error objects, with the reason.
    pub dead_lettered: u64,
    /// Removed by the stream's retention before they were read.
    pub expired: u64,
    /// Given up when the delivery was deleted.
    pub discarded: u64,
    /// Still waiting.
    pub buffered: u64,
}

impl Shard {
    /// Whether every accepted record is accounted for.
    pub fn meets(&self) -> bool {
        let gone = self.delivered + self.dropped + self.dead_lettered + self.expired + self.discarded;
        self.accepted == gone + self.buffered
    }
}

impl Delivery {
    /// All shards in one line.
    pub fn total(&self) -> Shard {
        self.shards.iter().fold(Shard::default(), |sum, shard| Shard {
            shard: 0,
            accepted: sum.accepted + shard.accepted,
            delivered: sum.delivered + shard.delivered,
            dropped: sum.dropped + shard.dropped,
            dead_lettered: sum.dead_lettered + shard.dead_lettered,
            expired: sum.expired + shard.expired,
            discarded: sum.discarded + shard.discarded,
            buffered: sum.buffered + shard.buffered,
        })
    }
}

/// Reads the node's state.
pub async fn read(aws: &Aws) -> anyhow::Result<Status> {
    serde_json::from_value(page(aws).await?).context("reading the node's status")
}

/// `headwater status`.
pub async fn run(aws: &Aws, output: Output) -> anyhow::Result<()> {
    let page = page(aws).await?;
    let status: Status = serde_json::from_value(page.clone()).context("reading the node's status")?;
    output.result(screen(aws, &status), &page);
    Ok(())
}

async fn page(aws: &Aws) -> anyhow::Result<Value> {
    let answer =
        aws.client().get_unsigned(PAGE).await.context("is a node running? start one: headwater serve")?;
    if answer.status != 200 {
        bail!("{}{PAGE} answered with status {}", aws.client().endpoint(), answer.status);
    }
    serde_json::from_slice(&answer.body).context("reading the node's status")
}

fn screen(aws: &Aws, status: &Status) -> String {
    let mut text = format!("headwater {} at {}\n", status.version, aws.client().endpoint());
    let bytes = |name: &str| output::bytes(status.store[name].as_u64().unwrap_or_default());
    text.push_str(&format!(
        "journal at {}, {} unsettled, {} in {} segments of {} logs{}\n",
        output::grouped(status.store["published"].as_u64().unwrap_or_default()),
        bytes("unsettled_bytes"),
        bytes("segment_bytes"),
        status.store["segments"],
        status.store["logs"],
        if status.store["full"] == true {
            "; THE DISK IS FULL: puts are refused until there is space"
        } else {
            ""
        },
    ));
    text.push_str(&storage::scrub(&status.scrub));
    text.push_str(&storage::buckets(&status.buckets));
    if !status.deliveries.is_empty() {
        text.push_str(&format!("\n{}\n", deliveries(&status.deliveries)));
    }
    let mut tasks = output::table(&["task", "runs", "failures", "last run", "last error"], &[1, 2]);
    for task in &status.tasks {
        let last = task.last_run.as_deref().unwrap_or("–");
        let error = task.last_error.as_deref().unwrap_or_default();
        tasks.add_row([
            &task.name,
            &output::grouped(task.runs),
            &output::grouped(task.failures),
            last,
            error,
        ]);
    }
    text.push_str(&format!("\n{tasks}"));
    text
}

fn deliveries(all: &[Delivery]) -> String {
    let header =
        ["delivery", "accepted", "delivered", "dead-lettered", "dropped", "expired", "buffered", "ledger"];
    let mut table = output::table(&header, &[1, 2, 3, 4, 5, 6]);
    for delivery in all {
        let total = delivery.total();
        let ledger = match &delivery.problem {
            Some(problem) => problem.as_str(),
            None if delivery.shards.iter().all(Shard::meets) => "balanced",
            None => "DOES NOT MEET",
        };
        let counts = [
            total.accepted,
            total.delivered,
            total.dead_lettered,
            total.dropped,
            total.expired,
            total.buffered,
        ];
        let mut row = vec![format!("{}/{}", delivery.account, delivery.name)];
        row.extend(counts.map(output::grouped));
        row.push(ledger.to_owned());
        table.add_row(row);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_meets_only_if_every_record_is_accounted_for() {
        let mut shard =
            Shard { accepted: 10, delivered: 6, dead_lettered: 1, buffered: 3, ..Shard::default() };
        assert!(shard.meets());
        shard.buffered = 2;
        assert!(!shard.meets());
    }

    #[test]
    fn an_unknown_member_of_the_page_is_no_error() {
        let page = r#"{"version":"1","new":{},"deliveries":[{"account":"1","name":"d","shards":[{"shard":1,"accepted":2}]}]}"#;
        let status: Status = serde_json::from_str(page).unwrap();
        assert_eq!(status.deliveries[0].total().accepted, 2);
    }
}
