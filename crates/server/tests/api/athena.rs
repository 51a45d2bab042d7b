//! Athena over the wire: statements are started, run, end, and their results are paged.

use std::time::Duration;

use headwater_base::Clock;
use serde_json::{Value, json};

use crate::fixture::{Fixture, unique};

/// How often a test looks for the end of a query.
const LOOKS_MAX: usize = 2000;

async fn bucket(node: &Fixture) -> String {
    let name = unique("results");
    let answer = node.s3("PUT", &format!("/{name}"), &[], "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    name
}

fn statement(sql: &str, bucket: &str) -> Value {
    json!({
        "QueryString": sql,
        "ResultConfiguration": { "OutputLocation": format!("s3://{bucket}/out/") },
    })
}

async fn start(node: &Fixture, sql: &str, bucket: &str) -> String {
    let answer = node.call("AmazonAthena.StartQueryExecution", statement(sql, bucket)).await;
    answer["QueryExecutionId"].as_str().unwrap().to_owned()
}

/// The execution once it has ended.
async fn ended(node: &Fixture, id: &str) -> Value {
    for _ in 0..LOOKS_MAX {
        let answer = node.call("AmazonAthena.GetQueryExecution", json!({ "QueryExecutionId": id })).await;
        let execution = answer["QueryExecution"].clone();
        if !matches!(execution["Status"]["State"].as_str(), Some("QUEUED" | "RUNNING")) {
            return execution;
        }
        Clock::system().sleep(Duration::from_millis(10)).await;
    }
    panic!("query {id} does not end");
}

/// Runs a statement that must succeed.
async fn run(node: &Fixture, sql: &str, bucket: &str) -> Value {
    let execution = ended(node, &start(node, sql, bucket).await).await;
    assert_eq!(execution["Status"]["State"], "SUCCEEDED", "{sql}: {}", execution["Status"]);
    execution
}

async fn rows(node: &Fixture, execution: &Value) -> Vec<Vec<Option<String>>> {
    let id = execution["QueryExecutionId"].clone();
    let answer = node.call("AmazonAthena.GetQueryResults", json!({ "QueryExecutionId": id })).await;
    let rows = answer["ResultSet"]["Rows"].as_array().unwrap();
    let cell = |datum: &Value| datum["VarCharValue"].as_str().map(str::to_owned);
    rows.iter().map(|row| row["Data"].as_array().unwrap().iter().map(cell).collect()).collect()
}

#[tokio::test]
async fn a_query_leaves_its_result_in_s3() {
    let node = Fixture::start().await;
    let bucket = bucket(&node).await;
    let sql = "SELECT 1 AS n, 'a\"b' AS text, CAST(NULL AS varchar) AS nothing, '' AS empty";
    let execution = run(&node, sql, &bucket).await;
    assert_eq!(execution["StatementType"], "DML");
    assert_eq!(execution["SubstatementType"], "SELECT");
    assert_eq!(execution["WorkGroup"], "primary");
    let id = execution["QueryExecutionId"].as_str().unwrap();
    let location = execution["ResultConfiguration"]["OutputLocation"].as_str().unwrap();
    assert_eq!(location, format!("s3://{bucket}/out/{id}.csv"));
    let file = node.s3("GET", &format!("/{bucket}/out/{id}.csv"), &[], "").await;
    assert_eq!(&file.body[..], b"\"n\",\"text\",\"nothing\",\"empty\"\n\"1\",\"a\"\"b\",,\"\"\n");
    assert_eq!(node.s3("HEAD", &format!("/{bucket}/out/{id}.csv.metadata"), &[], "").await.status, 200);
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        rows(&node, &execution).await,
        [
            [some("n"), some("text"), some("nothing"), some("empty")],
            [some("1"), some("a\"b"), None, some("")],
        ]
    );
}

#[tokio::test]
async fn results_go_to_the_accounts_own_bucket_unless_told_otherwise() {
    let node = Fixture::start_in_memory().await;
    let started = node.call("AmazonAthena.StartQueryExecution", json!({ "QueryString": "SELECT 1" })).await;
    let execution = ended(&node, started["QueryExecutionId"].as_str().unwrap()).await;
    let location = execution["ResultConfiguration"]["OutputLocation"].as_str().unwrap();
    assert!(location.starts_with("s3://aws-athena-query-results-111111111111-eu-central-1/"), "{location}");
}

#[tokio::test]
async fn results_are_paged() {
    let node = Fixture::start_in_memory().await;
    let bucket = bucket(&node).await;
    let execution = run(&node, "SELECT x FROM UNNEST(sequence(1, 2500)) AS t(x) ORDER BY x", &bucket).await;
    let mut values = Vec::new();
    let mut token = Value::Null;
    loop {
        let mut input = json!({ "QueryExecutionId": execution["QueryExecutionId"] });
        if !token.is_null() {
            input["NextToken"] = token;
        }
        let page = node.call("AmazonAthena.GetQueryResults", input).await;
        assert_eq!(page["ResultSet"]["ResultSetMetadata"]["ColumnInfo"][0]["Type"], "bigint");
        let rows = page["ResultSet"]["Rows"].as_array().unwrap();
        assert!(rows.len() <= 1000);
        values.extend(rows.iter().map(|row| row["Data"][0]["VarCharValue"].as_str().unwrap().to_owned()));
        token = page["NextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    let want: Vec<String> =
        std::iter::once("x".to_owned()).chain((1..=2500).map(|n| n.to_string())).collect();
    assert_eq!(values, want);
}

#[tokio::test]
async fn tables_are_defined_written_and_read() {
    let node = Fixture::start().await;
    let bucket = bucket(&node).await;
    run(&node, "CREATE DATABASE shop", &bucket).await;
    let created = run(
        &node,
        &format!(
            "CREATE TABLE shop.orders WITH (external_location = 's3://{bucket}/orders/', partitioned_by = ARRAY['day'])
             AS SELECT 1 AS id, 'x' AS day"
        ),
        &bucket,
    )
    .await;
    assert_eq!(
        (created["StatementType"].as_str(), created["SubstatementType"].as_str()),
        (Some("DDL"), Some("CREATE_TABLE_AS_SELECT"))
    );
    let manifest = created["Statistics"]["DataManifestLocation"].as_str().unwrap();
    let path = manifest.strip_prefix("s3:/").unwrap();
    let list = node.s3("GET", path, &[], "").await;
    assert!(
        String::from_utf8_lossy(&list.body).starts_with(&format!("s3://{bucket}/orders/day=x/")),
        "{list:?}"
    );
    run(&node, "INSERT INTO shop.orders VALUES (2, 'y')", &bucket).await;
    let read = run(&node, "SELECT id FROM shop.orders WHERE day = 'y'", &bucket).await;
    assert_eq!(rows(&node, &read).await, [[Some("id".to_owned())], [Some("2".to_owned())]]);
    let shown = run(&node, "SHOW PARTITIONS shop.orders", &bucket).await;
    assert_eq!(shown["StatementType"], "UTILITY");
    assert_eq!(rows(&node, &shown).await, [[Some("day=x".to_owned())], [Some("day=y".to_owned())]]);
    let listed = node
        .call(
            "AmazonAthena.ListTableMetadata",
            json!({ "CatalogName": "AwsDataCatalog", "DatabaseName": "shop" }),
        )
        .await;
    assert_eq!(listed["TableMetadataList"][0]["Name"], "orders");
    let databases = node.call("AmazonAthena.ListDatabases", json!({ "CatalogName": "AwsDataCatalog" })).await;
    assert_eq!(databases["DatabaseList"][0]["Name"], "shop");
}

#[tokio::test]
async fn failures_say_why_and_have_no_result() {
    let node = Fixture::start_in_memory().await;
    let bucket = bucket(&node).await;
    let id = start(&node, "SELECT * FROM nowhere.nothing", &bucket).await;
    let execution = ended(&node, &id).await;
    assert_eq!(execution["Status"]["State"], "FAILED");
    let reason = execution["Status"]["StateChangeReason"].as_str().unwrap();
    assert!(reason.starts_with("SCHEMA_NOT_FOUND"), "{reason}");
    assert_eq!(execution["Status"]["AthenaError"]["ErrorCategory"], 2);
    let refusal = node.refusal("AmazonAthena.GetQueryResults", json!({ "QueryExecutionId": id })).await;
    assert_eq!(refusal, "InvalidRequestException");
}

#[tokio::test]
async fn wrong_requests_are_refused() {
    let node = Fixture::start_in_memory().await;
    let bucket = bucket(&node).await;
    for input in [
        statement("", &bucket),
        statement("SELECT 1", "no-such-bucket-anywhere"),
        json!({ "QueryString": "SELECT 1", "WorkGroup": "nope" }),
        json!({ "QueryString": "SELECT 1", "ResultConfiguration": { "OutputLocation": "elsewhere" } }),
    ] {
        assert_eq!(node.refusal("AmazonAthena.StartQueryExecution", input).await, "InvalidRequestException");
    }
    let missing = json!({ "QueryExecutionId": "nope" });
    assert_eq!(node.refusal("AmazonAthena.GetQueryExecution", missing).await, "InvalidRequestException");
    assert_eq!(node.refusal("AmazonAthena.CreateNotebook", json!({})).await, "UnknownOperationException");
}

#[tokio::test]
async fn other_accounts_see_nothing_of_it() {
    let node = Fixture::start_in_memory().await;
    let bucket = bucket(&node).await;
    let execution = run(&node, "SELECT 1", &bucket).await;
    let input = json!({ "QueryExecutionId": execution["QueryExecutionId"] });
    let error = node.try_call(&node.bob, "AmazonAthena.GetQueryExecution", input).await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidRequestException"));
    let error =
        node.try_call(&node.bob, "AmazonAthena.StartQueryExecution", statement("SELECT 1", &bucket)).await;
    assert_eq!(error.unwrap_err().code(), Some("InvalidRequestException"));
}

#[tokio::test]
async fn a_client_token_starts_one_execution() {
    let node = Fixture::start_in_memory().await;
    let bucket = bucket(&node).await;
    let with_token = |sql: &str| {
        let mut input = statement(sql, &bucket);
        input["ClientRequestToken"] = json!("0123456789abcdef0123456789abcdef");
        input
    };
    let first = node.call("AmazonAthena.StartQueryExecution", with_token("SELECT 1")).await;
    let second = node.call("AmazonAthena.StartQueryExecution", with_token("SELECT 1")).await;
    assert_eq!(first, second);
    let refusal = node.refusal("AmazonAthena.StartQueryExecution", with_token("SELECT 2")).await;
    assert_eq!(refusal, "InvalidRequestException");
    let list = node.call("AmazonAthena.ListQueryExecutions", json!({})).await;
    assert_eq!(list["QueryExecutionIds"], json!([first["QueryExecutionId"]]));
}

#[tokio::test]
async fn executions_are_listed_newest_first_and_can_be_stopped() {
    let node = Fixture::start_in_memory().await;
    let bucket = bucket(&node).await;
    // A cross join far too large to end.
    let endless = "SELECT count(*) FROM UNNEST(sequence(1, 1000000)) AS a(x) CROSS JOIN UNNEST(sequence(1, 1000000)) AS b(y) WHERE x + y < 0";
    let id = start(&node, endless, &bucket).await;
    node.call("AmazonAthena.StopQueryExecution", json!({ "QueryExecutionId": id })).await;
    assert_eq!(ended(&node, &id).await["Status"]["State"], "CANCELLED");
    node.call("AmazonAthena.StopQueryExecution", json!({ "QueryExecutionId": id })).await;
    Clock::system().sleep(Duration::from_millis(2)).await;
    let second = run(&node, "SELECT 2", &bucket).await;
    let page = node.call("AmazonAthena.ListQueryExecutions", json!({ "MaxResults": 1 })).await;
    assert_eq!(page["QueryExecutionIds"], json!([second["QueryExecutionId"]]));
    let next = json!({ "MaxResults": 1, "NextToken": page["NextToken"] });
    let page = node.call("AmazonAthena.ListQueryExecutions", next).await;
    assert_eq!(page["QueryExecutionIds"], json!([id]));
    assert!(page["NextToken"].is_null());
}

#[tokio::test]
async fn workgroups_say_where_results_go() {
    let node = Fixture::start_in_memory().await;
    let bucket = bucket(&node).await;
    let primary = node.call("AmazonAthena.GetWorkGroup", json!({ "WorkGroup": "primary" })).await;
    assert_eq!(primary["WorkGroup"]["Configuration"]["EnforceWorkGroupConfiguration"], false);
    let input = json!({
        "Name": "team",
        "Configuration": { "ResultConfiguration": { "OutputLocation": format!("s3://{bucket}/team/") } },
    });
    node.call("AmazonAthena.CreateWorkGroup", input.clone()).await;
    assert_eq!(node.refusal("AmazonAthena.CreateWorkGroup", input).await, "InvalidRequestException");
    let started = json!({ "QueryString": "SELECT 1", "WorkGroup": "team" });
    let started = node.call("AmazonAthena.StartQueryExecution", started).await;
    let execution = ended(&node, started["QueryExecutionId"].as_str().unwrap()).await;
    let location = execution["ResultConfiguration"]["OutputLocation"].as_str().unwrap();
    assert!(location.starts_with(&format!("s3://{bucket}/team/")), "{location}");
    let update = json!({ "WorkGroup": "team", "State": "DISABLED" });
    node.call("AmazonAthena.UpdateWorkGroup", update).await;
    let refused = json!({ "QueryString": "SELECT 1", "WorkGroup": "team" });
    assert_eq!(node.refusal("AmazonAthena.StartQueryExecution", refused).await, "InvalidRequestException");
    let listed = node.call("AmazonAthena.ListWorkGroups", json!({})).await;
    let names: Vec<&str> = listed["WorkGroups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| group["Name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["primary", "team"]);
    let delete = json!({ "WorkGroup": "team" });
    assert_eq!(node.refusal("AmazonAthena.DeleteWorkGroup", delete).await, "InvalidRequestException");
    let delete = json!({ "WorkGroup": "team", "RecursiveDeleteOption": true });
    node.call("AmazonAthena.DeleteWorkGroup", delete).await;
}

#[tokio::test]
async fn executions_survive_a_restart() {
    let node = Fixture::start().await;
    let bucket = bucket(&node).await;
    let done = run(&node, "SELECT 7 AS n", &bucket).await;
    let endless = "SELECT count(*) FROM UNNEST(sequence(1, 1000000)) AS a(x) CROSS JOIN UNNEST(sequence(1, 1000000)) AS b(y) WHERE x + y < 0";
    let running = start(&node, endless, &bucket).await;
    let node = node.restart().await;
    assert_eq!(rows(&node, &done).await[1], [Some("7".to_owned())]);
    // What had not ended is run again, and can be stopped.
    let answer = node.call("AmazonAthena.GetQueryExecution", json!({ "QueryExecutionId": running })).await;
    let state = answer["QueryExecution"]["Status"]["State"].as_str().unwrap();
    assert!(matches!(state, "QUEUED" | "RUNNING"), "{state}");
    node.call("AmazonAthena.StopQueryExecution", json!({ "QueryExecutionId": running })).await;
    assert_eq!(ended(&node, &running).await["Status"]["State"], "CANCELLED");
}
