//! The pipeline of the demonstration: `examples/card-fraud`, built in.

use std::time::Duration;

use anyhow::{Context, bail};
use headwater_base::Seams;
use serde_json::json;

use crate::aws::{Aws, Service};
use crate::query::{self, Rows};
use crate::up::{self, Files, Pipeline};

/// The stream that transactions are put to.
pub const STREAM: &str = "card-transactions";
/// The delivery that empties it into the table.
pub const DELIVERY: &str = "card-transactions-to-raw";
/// The bucket that holds everything.
pub const BUCKET: &str = "card-fraud";
/// The database.
pub const DATABASE: &str = "fraud";
/// Where query results are kept.
pub const RESULTS: &str = "s3://card-fraud/athena/";

const JOB: &str = "features";
const CRAWLER: &str = "merchants";

const FILE: &str = include_str!("../../../../examples/card-fraud/pipeline.toml");
const FILES: Files =
    Files::BuiltIn(&[("features.sql", include_str!("../../../../examples/card-fraud/features.sql"))]);

/// How long a crawl or a job run may take.
const RUNS_WITHIN: Duration = Duration::from_secs(600);

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Applies the pipeline.
pub async fn apply(aws: &Aws) -> anyhow::Result<()> {
    up::apply(aws, &Pipeline::parse(FILE, &FILES)?).await?;
    Ok(())
}

/// Uploads the merchants and crawls them into a table.
pub async fn crawl_merchants(aws: &Aws, csv: String) -> anyhow::Result<()> {
    aws.put_object(BUCKET, "merchants/merchants.csv", csv.into()).await?;
    aws.call(Service::Glue, "StartCrawler", &json!({"Name": CRAWLER})).await?;
    let clock = Seams::system().clock;
    let start = clock.monotonic();
    while clock.monotonic() - start < RUNS_WITHIN {
        let crawler = aws.call(Service::Glue, "GetCrawler", &json!({"Name": CRAWLER})).await?;
        let crawler = &crawler["Crawler"];
        let last = &crawler["LastCrawl"];
        if crawler["State"] == "READY" && last["Status"].is_string() {
            if last["Status"] != "SUCCEEDED" {
                bail!("the crawl failed: {last}");
            }
            return Ok(());
        }
        clock.sleep(LOOK_EVERY).await;
    }
    bail!("the crawl still runs after {} s", RUNS_WITHIN.as_secs())
}

/// Runs the job and returns how many rows `processed` holds then.
pub async fn run_job(aws: &Aws) -> anyhow::Result<u64> {
    let spinner = crate::output::spinner("job");
    spinner.set_message("joins, fills what is missing, derives features");
    let started = aws.call(Service::Glue, "StartJobRun", &json!({"JobName": JOB})).await?;
    let run = started["JobRunId"].as_str().context("StartJobRun gave no run id")?.to_owned();
    let clock = Seams::system().clock;
    let start = clock.monotonic();
    while clock.monotonic() - start < RUNS_WITHIN {
        let answer = aws.call(Service::Glue, "GetJobRun", &json!({"JobName": JOB, "RunId": run})).await?;
        let state = &answer["JobRun"];
        match state["JobRunState"].as_str().unwrap_or_default() {
            "SUCCEEDED" => {
                spinner.finish_and_clear();
                return count(aws, "processed").await;
            }
            "STARTING" | "RUNNING" | "STOPPING" | "WAITING" => {}
            other => {
                bail!("the job {other}: {}", state["ErrorMessage"].as_str().unwrap_or("no reason given"))
            }
        }
        clock.sleep(LOOK_EVERY).await;
    }
    bail!("the job still runs after {} s", RUNS_WITHIN.as_secs())
}

async fn count(aws: &Aws, table: &str) -> anyhow::Result<u64> {
    let sql = format!("SELECT count(*) AS rows_now FROM {table}");
    let done = query::execute(aws, &sql, DATABASE, Some(RESULTS)).await?;
    let rows = query::results(aws, &done.id).await?;
    let cell = rows.rows.first().and_then(|row| row.first()).and_then(Option::as_deref);
    cell.and_then(|text| text.parse().ok()).context("a count is a number")
}

/// Fraud rate by merchant category, highest first.
pub async fn fraud_by_category(aws: &Aws) -> anyhow::Result<Rows> {
    const SQL: &str = "
        SELECT category,
               count(*) AS payments,
               sum(CASE WHEN is_fraud THEN 1 ELSE 0 END) AS frauds,
               round(100.0 * sum(CASE WHEN is_fraud THEN 1 ELSE 0 END) / count(*), 2) AS fraud_percent,
               round(avg(amount), 2) AS amount_mean
        FROM processed
        GROUP BY category
        ORDER BY fraud_percent DESC";
    let done = query::execute(aws, SQL, DATABASE, Some(RESULTS)).await?;
    query::results(aws, &done.id).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_pipeline_is_the_example() {
        let pipeline = Pipeline::parse(FILE, &FILES).unwrap();
        assert_eq!(pipeline.stream[0].name, STREAM);
        assert_eq!(pipeline.delivery[0].name, DELIVERY);
        assert_eq!(pipeline.bucket[0].name, BUCKET);
        assert_eq!(pipeline.database[0].name, DATABASE);
        assert_eq!((pipeline.job[0].name.as_str(), pipeline.crawler[0].name.as_str()), (JOB, CRAWLER));
    }
}
