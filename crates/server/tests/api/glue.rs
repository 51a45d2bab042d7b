//! Glue over the wire: what only a whole node can show.

use std::time::Duration;

use headwater_base::Clock;
use serde_json::{Value, json};

use crate::fixture::Fixture;

/// How often something is looked at before a test gives up, and how long it waits in between.
const LOOKS_MAX: usize = 2000;
const LOOK_EVERY: Duration = Duration::from_millis(10);

fn table(name: &str, location: &str) -> Value {
    json!({
        "Name": name, "TableType": "EXTERNAL_TABLE", "PartitionKeys": [{"Name": "day", "Type": "string"}],
        "StorageDescriptor": {
            "Columns": [{"Name": "id", "Type": "bigint"}], "Location": location,
            "SerdeInfo": {"SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe"},
        },
    })
}

/// Repeats a request until its answer is as wanted.
async fn until(f: &Fixture, target: &str, input: Value, wanted: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..LOOKS_MAX {
        let answer = f.call(target, input.clone()).await;
        if wanted(&answer) {
            return answer;
        }
        Clock::system().sleep(LOOK_EVERY).await;
    }
    panic!("{target} never answered as wanted");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalog_survives_a_restart_and_accounts_are_apart() {
    let f = Fixture::start().await;
    f.call("AWSGlue.CreateDatabase", json!({"DatabaseInput": {"Name": "lake"}})).await;
    let input = table("orders", "s3://lake/orders/");
    f.call("AWSGlue.CreateTable", json!({"DatabaseName": "lake", "TableInput": input})).await;
    let partition =
        json!({"Values": ["2026-01-01"], "StorageDescriptor": {"Location": "s3://lake/orders/a/"}});
    let input = json!({"DatabaseName": "lake", "TableName": "orders", "PartitionInput": partition});
    f.call("AWSGlue.CreatePartition", input).await;
    let f = f.restart().await;
    let expression = "day >= '2026-01-01'";
    let input = json!({"DatabaseName": "lake", "TableName": "orders", "Expression": expression});
    let found = f.call("AWSGlue.GetPartitions", input.clone()).await;
    assert_eq!(found["Partitions"][0]["StorageDescriptor"]["Location"], "s3://lake/orders/a/");
    let refused = f.try_call(&f.bob, "AWSGlue.GetPartitions", input).await.unwrap_err();
    assert_eq!(refused.code(), Some("EntityNotFoundException"));
    assert_eq!(f.refusal("AWSGlue.CreateUserDefinedFunction", json!({})).await, "UnknownOperationException");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crawled_table_is_cleaned_by_a_job_that_reads_each_object_once() {
    let f = Fixture::start().await;
    f.call("AWSGlue.CreateDatabase", json!({"DatabaseInput": {"Name": "lake"}})).await;
    assert_eq!(f.s3("PUT", "/lake", &[], "").await.status, 200);
    let put = async |key: &str, body: &'static str| {
        assert_eq!(f.s3("PUT", &format!("/lake/{key}"), &[], body).await.status, 200);
    };
    put("raw/day=2026-01-01/a.json", "{\"id\":1}\n{\"id\":2}\n").await;
    let targets = json!({"S3Targets": [{"Path": "s3://lake/raw/"}]});
    let crawler = json!({"Name": "find", "Role": "r", "DatabaseName": "lake", "Targets": targets});
    f.call("AWSGlue.CreateCrawler", crawler).await;
    f.call("AWSGlue.StartCrawler", json!({"Name": "find"})).await;
    let crawled = until(&f, "AWSGlue.GetCrawler", json!({"Name": "find"}), |c| {
        c["Crawler"]["State"] == "READY" && c["Crawler"]["LastCrawl"].is_object()
    });
    assert_eq!(crawled.await["Crawler"]["LastCrawl"]["Status"], "SUCCEEDED");

    let sql = "CREATE EXTERNAL TABLE IF NOT EXISTS clean (id bigint) STORED AS PARQUET LOCATION 's3://lake/clean/'; \
               INSERT INTO clean SELECT id * 10 FROM raw";
    let arguments = json!({"--sql": sql, "--incremental-input": "lake.raw"});
    let job =
        json!({"Name": "clean", "Role": "r", "Command": {"Name": "sql"}, "DefaultArguments": arguments});
    f.call("AWSGlue.CreateJob", job).await;
    let run = async || {
        let started = f.call("AWSGlue.StartJobRun", json!({"JobName": "clean"})).await;
        let input = json!({"JobName": "clean", "RunId": started["JobRunId"]});
        let ended = until(&f, "AWSGlue.GetJobRun", input, |r| r["JobRun"]["CompletedOn"].is_number()).await;
        assert_eq!(ended["JobRun"]["JobRunState"], "SUCCEEDED", "{ended}");
    };
    let files = async || {
        let listed = f.s3("GET", "/lake?list-type=2&prefix=clean/", &[], "").await;
        String::from_utf8_lossy(&listed.body).matches("<Contents>").count()
    };
    run().await;
    assert_eq!(files().await, 1);
    run().await;
    assert_eq!(files().await, 1, "nothing new was there to read");
    put("raw/day=2026-01-01/b.json", "{\"id\":3}\n").await;
    run().await;
    assert_eq!(files().await, 2);
}
