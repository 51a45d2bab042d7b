//! Lease tables over the wire.

use serde_json::{Value, json};

use crate::fixture::{Fixture, unique};

const PREFIX: &str = "DynamoDB_20120810";

async fn call(fixture: &Fixture, operation: &str, input: Value) -> Value {
    fixture.call(&format!("{PREFIX}.{operation}"), input).await
}

async fn lease_table(fixture: &Fixture) -> String {
    let name = unique("leases");
    let input = json!({
        "TableName": name, "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "leaseKey", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "leaseKey", "AttributeType": "S"}],
    });
    call(fixture, "CreateTable", input).await;
    name
}

/// A lease's life, and that it outlives the node.
#[tokio::test]
async fn leases_are_taken_once_and_survive_a_restart() {
    let fixture = Fixture::start().await;
    let table = lease_table(&fixture).await;
    let lease = json!({"leaseKey": {"S": "shardId-000000000000"}, "leaseCounter": {"N": "0"}});
    let create = json!({"TableName": table, "Item": lease, "Expected": {"leaseKey": {"Exists": false}}});
    call(&fixture, "PutItem", create.clone()).await;
    assert_eq!(
        fixture.refusal(&format!("{PREFIX}.PutItem"), create).await,
        "ConditionalCheckFailedException"
    );
    let take = |owner: &str| {
        json!({
            "TableName": table, "Key": {"leaseKey": {"S": "shardId-000000000000"}},
            "UpdateExpression": "SET leaseOwner = :owner ADD leaseCounter :one",
            "ConditionExpression": "leaseCounter = :seen",
            "ExpressionAttributeValues": {":owner": {"S": owner}, ":one": {"N": "1"}, ":seen": {"N": "0"}},
        })
    };
    call(&fixture, "UpdateItem", take("worker-1")).await;
    let refusal = fixture.refusal(&format!("{PREFIX}.UpdateItem"), take("worker-2")).await;
    assert_eq!(refusal, "ConditionalCheckFailedException");
    let transaction = json!({
        "ClientRequestToken": "once",
        "TransactItems": [{"Put": {
            "TableName": table, "Item": {"leaseKey": {"S": "leader"}},
            "ConditionExpression": "attribute_not_exists(leaseKey)"}}],
    });
    call(&fixture, "TransactWriteItems", transaction.clone()).await;

    let fixture = fixture.restart().await;
    // The same token is the same transaction, also across a restart.
    call(&fixture, "TransactWriteItems", transaction).await;
    let key = json!({"TableName": table, "Key": {"leaseKey": {"S": "shardId-000000000000"}}});
    let item = call(&fixture, "GetItem", key).await;
    assert_eq!(item["Item"]["leaseOwner"]["S"], "worker-1");
    assert_eq!(item["Item"]["leaseCounter"]["N"], "1");
    let described = call(&fixture, "DescribeTable", json!({"TableName": table})).await;
    assert_eq!(described["Table"]["ItemCount"], 2);
    fixture.node.stop().await;
}

/// Accounts don't see one another's tables, by name or by ARN.
#[tokio::test]
async fn accounts_are_isolated() {
    let fixture = Fixture::start_in_memory().await;
    let table = lease_table(&fixture).await;
    let arn = call(&fixture, "DescribeTable", json!({"TableName": table})).await["Table"]["TableArn"].clone();
    for (operation, name, code) in [
        ("DescribeTable", json!(table), "ResourceNotFoundException"),
        ("DescribeTable", arn.clone(), "AccessDeniedException"),
        ("Scan", arn.clone(), "AccessDeniedException"),
        ("DeleteTable", arn.clone(), "AccessDeniedException"),
    ] {
        let target = format!("{PREFIX}.{operation}");
        let answer = fixture.try_call(&fixture.bob, &target, json!({"TableName": name})).await;
        assert_eq!(answer.unwrap_err().code(), Some(code), "{operation} {name}");
    }
    let steal = json!({"TransactItems": [{"Put": {"TableName": arn, "Item": {"leaseKey": {"S": "x"}}}}]});
    let answer = fixture.try_call(&fixture.bob, &format!("{PREFIX}.TransactWriteItems"), steal).await;
    assert_eq!(answer.unwrap_err().code(), Some("AccessDeniedException"));
    let names = fixture.try_call(&fixture.bob, &format!("{PREFIX}.ListTables"), json!({})).await.unwrap();
    assert_eq!(names["TableNames"], json!([]));
    fixture.node.stop().await;
}

/// Published metrics are among the node's own, in each protocol.
#[tokio::test]
async fn published_metrics_are_shown() {
    let fixture = Fixture::start_in_memory().await;
    let namespace = unique("kcl");
    let input = json!({"Namespace": namespace, "MetricData": [{
        "MetricName": "RecordsProcessed", "Unit": "Count", "Dimensions": [{"Name": "ShardId", "Value": "shard-1"}],
        "StatisticValues": {"SampleCount": 2.0, "Sum": 30.0, "Minimum": 10.0, "Maximum": 20.0}}]});
    fixture.call("GraniteServiceVersion20100801.PutMetricData", input).await;
    let form = format!(
        "Action=PutMetricData&Version=2010-08-01&Namespace={namespace}&MetricData.member.1.MetricName=RecordsProcessed\
         &MetricData.member.1.Unit=Count&MetricData.member.1.Value=12&MetricData.member.1.Dimensions.member.1.Name=ShardId\
         &MetricData.member.1.Dimensions.member.1.Value=shard-1"
    );
    let headers = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    let answer = fixture.alice.send("monitoring", "POST", "/", &headers, form.into()).await.unwrap();
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    let refused =
        fixture.refusal("GraniteServiceVersion20100801.PutMetricData", json!({"Namespace": "x"})).await;
    assert_eq!(refused, "MissingParameter");
    let refused = fixture.refusal("GraniteServiceVersion20100801.ListMetrics", json!({})).await;
    assert_eq!(refused, "UnknownOperationException");
    let page = fixture.alice.get_unsigned("/_headwater/metrics").await.unwrap();
    let page = String::from_utf8(page.body.to_vec()).unwrap();
    let line = |name: &str| {
        let found = page.lines().find(|line| line.starts_with(name) && line.contains(&namespace));
        found.unwrap_or_else(|| panic!("{name} is not in\n{page}")).to_owned()
    };
    assert!(line("headwater_published_samples_total").ends_with(" 3"), "{page}");
    assert!(line("headwater_published_sum").ends_with(" 42"), "{page}");
    assert!(line("headwater_published_sum").contains("dimensions=\"ShardId=shard-1\""), "{page}");
    fixture.node.stop().await;
}
