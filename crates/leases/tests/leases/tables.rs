//! What golden conversations are too long for: races, long items, pages, removal.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::conversation::Conversation;

async fn ok(conversation: &Conversation, operation: &str, input: Value) -> Value {
    let (status, body) = conversation.ask(operation, &input.to_string()).await;
    assert_eq!(status, 200, "{operation} {body}");
    serde_json::from_str(&body).unwrap()
}

async fn leases(conversation: &Conversation) {
    let input = json!({
        "TableName": "app", "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "leaseKey", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "leaseKey", "AttributeType": "S"}],
    });
    ok(conversation, "CreateTable", input).await;
}

async fn add_index(conversation: &Conversation) {
    let input = json!({
        "TableName": "app",
        "AttributeDefinitions": [
            {"AttributeName": "leaseKey", "AttributeType": "S"}, {"AttributeName": "leaseOwner", "AttributeType": "S"}],
        "GlobalSecondaryIndexUpdates": [{"Create": {
            "IndexName": "byOwner", "Projection": {"ProjectionType": "KEYS_ONLY"},
            "KeySchema": [
                {"AttributeName": "leaseOwner", "KeyType": "HASH"}, {"AttributeName": "leaseKey", "KeyType": "RANGE"}],
        }}],
    });
    ok(conversation, "UpdateTable", input).await;
}

/// Of many workers that take a lease at once, one gets it; and a counter that many raise at once
/// counts them all.
#[tokio::test]
async fn of_many_writers_one_wins_and_none_is_lost() {
    let conversation = Conversation::new();
    leases(&conversation).await;
    ok(
        &conversation,
        "PutItem",
        json!({"TableName": "app", "Item": {"leaseKey": {"S": "s"}, "leaseCounter": {"N": "0"}}}),
    )
    .await;
    let takes = (0..32).map(|worker| {
        let input = json!({
            "TableName": "app", "Key": {"leaseKey": {"S": "s"}},
            "Expected": {"leaseCounter": {"Value": {"N": "0"}}},
            "AttributeUpdates": {
                "leaseCounter": {"Value": {"N": "1"}, "Action": "PUT"},
                "leaseOwner": {"Value": {"S": format!("worker-{worker}")}, "Action": "PUT"}},
        });
        let conversation = &conversation;
        async move { conversation.ask("UpdateItem", &input.to_string()).await.0 }
    });
    let won = join_all(takes).await.into_iter().filter(|status| *status == 200).count();
    assert_eq!(won, 1);
    let adds = (0..32).map(|_| {
        ok(&conversation, "UpdateItem", json!({
            "TableName": "app", "Key": {"leaseKey": {"S": "s"}}, "UpdateExpression": "ADD leaseCounter :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }))
    });
    join_all(adds).await;
    let item =
        ok(&conversation, "GetItem", json!({"TableName": "app", "Key": {"leaseKey": {"S": "s"}}})).await;
    assert_eq!(item["Item"]["leaseCounter"]["N"], "33");
}

/// An item of 400 KB is kept and read whole, alone and in scans; one byte more is refused.
#[tokio::test]
async fn long_items_are_whole() {
    let conversation = Conversation::new();
    leases(&conversation).await;
    let most = (400 << 10) - "leaseKey".len() - "s".len() - "data".len();
    let put = |len: usize| json!({"TableName": "app", "Item": {"leaseKey": {"S": "s"}, "data": {"S": "x".repeat(len)}}});
    for len in [most, 200_000, most, 10, most] {
        ok(&conversation, "PutItem", put(len)).await;
        let key = json!({"TableName": "app", "Key": {"leaseKey": {"S": "s"}}});
        let item = ok(&conversation, "GetItem", key).await;
        assert_eq!(item["Item"]["data"]["S"].as_str().unwrap().len(), len);
        let page = ok(&conversation, "Scan", json!({"TableName": "app"})).await;
        assert_eq!(page["Items"][0]["data"]["S"].as_str().unwrap().len(), len);
        let table = ok(&conversation, "DescribeTable", json!({"TableName": "app"})).await;
        assert_eq!(table["Table"]["ItemCount"], 1);
        assert_eq!(table["Table"]["TableSizeBytes"], len + 8 + 1 + 4);
    }
    let (status, body) = conversation.ask("PutItem", &put(most + 1).to_string()).await;
    assert_eq!(status, 400);
    assert!(body.contains("Item size has exceeded the maximum allowed size"), "{body}");
    ok(&conversation, "DeleteItem", json!({"TableName": "app", "Key": {"leaseKey": {"S": "s"}}})).await;
    let table = ok(&conversation, "DescribeTable", json!({"TableName": "app"})).await;
    assert_eq!((&table["Table"]["ItemCount"], &table["Table"]["TableSizeBytes"]), (&json!(0), &json!(0)));
}

/// Reads all pages; `limit` items each.
async fn pages(conversation: &Conversation, operation: &str, mut input: Value) -> Vec<String> {
    let mut keys = Vec::new();
    loop {
        let page = ok(conversation, operation, input.clone()).await;
        let items = page["Items"].as_array().unwrap();
        keys.extend(items.iter().map(|item| item["leaseKey"]["S"].as_str().unwrap().to_owned()));
        if page["LastEvaluatedKey"].is_null() {
            return keys;
        }
        input["ExclusiveStartKey"] = page["LastEvaluatedKey"].clone();
    }
}

/// Scans, segments of scans and queries of the index give each item once, whatever the page's size,
/// also when the index came after the items.
#[tokio::test]
async fn pages_and_segments_give_each_item_once() {
    let conversation = Conversation::new();
    leases(&conversation).await;
    let name = |n: usize| format!("shardId-{n:012}");
    for n in 0..100 {
        let owner = format!("worker-{}", n % 3);
        let item = json!({"leaseKey": {"S": name(n)}, "leaseOwner": {"S": owner}});
        ok(&conversation, "PutItem", json!({"TableName": "app", "Item": item})).await;
    }
    add_index(&conversation).await;
    let all: Vec<String> = (0..100).map(name).collect();
    for limit in [1, 7, 100, 1000] {
        let mut scanned = pages(&conversation, "Scan", json!({"TableName": "app", "Limit": limit})).await;
        scanned.sort();
        assert_eq!(scanned, all);
        let mut scanned = Vec::new();
        for segment in 0..7 {
            let input = json!({"TableName": "app", "Limit": limit, "Segment": segment, "TotalSegments": 7});
            scanned.extend(pages(&conversation, "Scan", input).await);
        }
        scanned.sort();
        assert_eq!(scanned, all);
        let mut input = json!({
            "TableName": "app", "IndexName": "byOwner", "Limit": limit,
            "KeyConditionExpression": "leaseOwner = :owner",
            "ExpressionAttributeValues": {":owner": {"S": "worker-1"}},
        });
        let own: Vec<String> = (0..100).filter(|n| n % 3 == 1).map(name).collect();
        assert_eq!(pages(&conversation, "Query", input.clone()).await, own);
        input["ScanIndexForward"] = json!(false);
        let backward: Vec<String> = own.into_iter().rev().collect();
        assert_eq!(pages(&conversation, "Query", input).await, backward);
    }
}

/// Pages end at about a megabyte, too.
#[tokio::test]
async fn pages_are_bounded_in_bytes() {
    let conversation = Conversation::new();
    leases(&conversation).await;
    for n in 0..12 {
        let item = json!({"leaseKey": {"S": format!("k{n:02}")}, "leaseOwner": {"S": "w"}, "data": {"S": "x".repeat(300_000)}});
        ok(&conversation, "PutItem", json!({"TableName": "app", "Item": item})).await;
    }
    let first = ok(&conversation, "Scan", json!({"TableName": "app"})).await;
    assert_eq!(first["Count"], 4);
    assert_eq!(pages(&conversation, "Scan", json!({"TableName": "app"})).await.len(), 12);
}

/// A table created again under its old name is empty.
#[tokio::test]
async fn a_table_created_again_is_empty() {
    let conversation = Conversation::new();
    for _ in 0..2 {
        leases(&conversation).await;
        let page = ok(&conversation, "Scan", json!({"TableName": "app"})).await;
        assert_eq!(page["Count"], 0);
        for n in 0..150 {
            let item = json!({"leaseKey": {"S": format!("k{n}")}});
            ok(&conversation, "PutItem", json!({"TableName": "app", "Item": item})).await;
        }
        ok(&conversation, "DeleteTable", json!({"TableName": "app"})).await;
    }
}
