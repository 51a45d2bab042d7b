//! `headwater audit`: the ledger recounted from the files, a verdict per delivery and shard.

use std::time::Duration;

use anyhow::{Context, bail};
use headwater_base::Seams;
use serde::Deserialize;

use crate::aws::Aws;
use crate::output::{self, Output};

/// Where the node recounts.
const PAGE: &str = "/_headwater/audit";

/// How long reading every delivered byte may take.
const RECOUNTED_WITHIN: Duration = Duration::from_secs(6 * 3600);

/// What the node found.
#[derive(Debug, Deserialize)]
pub struct Audit {
    /// Whether every record is accounted for everywhere.
    pub balanced: bool,
    /// One per delivery, also of deleted ones.
    pub deliveries: Vec<DeliveryAudit>,
}

/// What was found about one delivery.
#[derive(Debug, Deserialize)]
pub struct DeliveryAudit {
    account: String,
    name: String,
    balanced: bool,
    deleted: bool,
    plans: u64,
    shards: Vec<ShardAudit>,
    objects: ObjectsAudit,
}

#[derive(Debug, Deserialize)]
struct ShardAudit {
    shard: u32,
    start: i64,
    position: i64,
    problems: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct ObjectsAudit {
    intact: u64,
    rows: u64,
    bytes: u64,
    removed: u64,
    problems: Vec<String>,
}

/// Asks the node to recount. Also used by the demonstration.
pub async fn ask(aws: &Aws) -> anyhow::Result<(Audit, serde_json::Value)> {
    let asked = Seams::system().clock.timeout(RECOUNTED_WITHIN, aws.client().get_unsigned(PAGE)).await;
    let answer =
        asked.context("the audit did not end")?.context("is a node running? start one: headwater serve")?;
    if answer.status != 200 {
        bail!("the node answered with status {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
    }
    let page: serde_json::Value = serde_json::from_slice(&answer.body).context("reading the audit")?;
    Ok((serde_json::from_value(page.clone()).context("reading the audit")?, page))
}

/// `headwater audit`: an error, and so a non-zero status, when anything does not add up.
pub async fn run(aws: &Aws, output: Output) -> anyhow::Result<()> {
    let spinner = output::spinner("auditing");
    spinner.set_message("reading every delivered object");
    let asked = ask(aws).await;
    spinner.finish_and_clear();
    let (audit, page) = asked?;
    output.result(text(&audit), &page);
    if !audit.balanced {
        bail!("the ledger and the files do not agree");
    }
    Ok(())
}

fn text(audit: &Audit) -> String {
    let header = ["delivery", "shard", "records", "plans", "verdict"];
    let mut table = output::table(&header, &[1, 2, 3]);
    let mut remarks = String::new();
    for delivery in &audit.deliveries {
        let gone = if delivery.deleted { " (deleted)" } else { "" };
        let name = format!("{}/{}{gone}", delivery.account, delivery.name);
        for shard in &delivery.shards {
            let verdict =
                if shard.problems.is_empty() { "accounted for".into() } else { shard.problems.join("; ") };
            let records = output::grouped(u64::try_from(shard.position - shard.start).unwrap_or_default());
            table.add_row([
                name.clone(),
                shard.shard.to_string(),
                records,
                output::grouped(delivery.plans),
                verdict,
            ]);
        }
        let objects = &delivery.objects;
        remarks.push_str(&format!(
            "{name}: {} objects intact, {} rows, {}; {} removed by users; {}\n",
            output::grouped(objects.intact),
            output::grouped(objects.rows),
            output::bytes(objects.bytes),
            output::grouped(objects.removed),
            if delivery.balanced { "balanced" } else { "DOES NOT BALANCE" },
        ));
        for problem in &objects.problems {
            remarks.push_str(&format!("  {problem}\n"));
        }
    }
    format!("{table}\n{}", remarks.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_named() {
        let page = r#"{"balanced":false,"deliveries":[{"account":"1","name":"d","balanced":false,"deleted":false,
            "plans":2,"shards":[{"shard":0,"start":0,"position":9,"problems":["gap at 4"]}],
            "objects":{"intact":1,"rows":9,"bytes":100,"removed":0,"problems":["s3://b/k: digest differs"]}}]}"#;
        let text = text(&serde_json::from_str(page).unwrap());
        assert!(
            text.contains("gap at 4") && text.contains("digest differs") && text.contains("DOES NOT BALANCE")
        );
    }
}
