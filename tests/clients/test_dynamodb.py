"""Lease tables as boto3 and the AWS CLI see them: both dialects, transactions, the index; and published metrics."""

import threading
import urllib.request
from decimal import Decimal

import boto3
import botocore.exceptions
import pytest
from conftest import ALICE, BOB, REGION, User


@pytest.fixture
def dynamodb(client):
    return client("dynamodb")


@pytest.fixture
def leases(dynamodb, unique):
    """A table as KCL creates it, with its index."""
    name = unique("leases")
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "leaseKey", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "leaseKey", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        Tags=[{"Key": "made-by", "Value": "kcl"}],
    )
    dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 5})
    dynamodb.update_table(
        TableName=name,
        AttributeDefinitions=[
            {"AttributeName": "leaseKey", "AttributeType": "S"},
            {"AttributeName": "leaseOwner", "AttributeType": "S"},
        ],
        GlobalSecondaryIndexUpdates=[
            {
                "Create": {
                    "IndexName": "LeaseOwnerToLeaseKeyIndex",
                    "KeySchema": [
                        {"AttributeName": "leaseOwner", "KeyType": "HASH"},
                        {"AttributeName": "leaseKey", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
            }
        ],
    )
    yield name
    dynamodb.delete_table(TableName=name)


def refused(call, code, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**arguments)
    assert caught.value.response["Error"]["Code"] == code, caught.value
    return caught.value.response


def lease(key, owner="w1", counter=0):
    return {
        "leaseKey": {"S": key},
        "leaseOwner": {"S": owner},
        "leaseCounter": {"N": str(counter)},
        "checkpoint": {"S": "TRIM_HORIZON"},
        "parentShardIds": {"SS": ["a", "b"]},
    }


def test_a_table_is_described_as_it_was_made(dynamodb, leases):
    table = dynamodb.describe_table(TableName=leases)["Table"]
    assert (table["TableStatus"], table["ItemCount"]) == ("ACTIVE", 0)
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    [index] = table["GlobalSecondaryIndexes"]
    assert (index["IndexStatus"], index["Projection"]) == ("ACTIVE", {"ProjectionType": "KEYS_ONLY"})
    tags = dynamodb.list_tags_of_resource(ResourceArn=table["TableArn"])["Tags"]
    assert tags == [{"Key": "made-by", "Value": "kcl"}]
    assert leases in dynamodb.list_tables()["TableNames"]
    assert dynamodb.describe_time_to_live(TableName=leases)["TimeToLiveDescription"]["TimeToLiveStatus"] == "DISABLED"
    backups = dynamodb.update_continuous_backups(
        TableName=leases, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    assert dynamodb.describe_continuous_backups(TableName=leases)["ContinuousBackupsDescription"] == backups
    refused(dynamodb.create_table, "ResourceInUseException", TableName=leases, BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}])
    refused(dynamodb.describe_table, "ResourceNotFoundException", TableName="no-such-table")


def test_the_older_dialect(dynamodb, leases):
    """Leases are created, taken, renewed and let go as KCL does it."""
    create = {"TableName": leases, "Item": lease("s1"), "Expected": {"leaseKey": {"Exists": False}}}
    dynamodb.put_item(**create)
    refused(dynamodb.put_item, "ConditionalCheckFailedException", **create)
    renew = {
        "TableName": leases,
        "Key": {"leaseKey": {"S": "s1"}},
        "Expected": {"leaseCounter": {"Value": {"N": "0"}}, "leaseOwner": {"Value": {"S": "w1"}}},
        "AttributeUpdates": {"leaseCounter": {"Value": {"N": "1"}, "Action": "PUT"}},
    }
    dynamodb.update_item(**renew)
    refused(dynamodb.update_item, "ConditionalCheckFailedException", **renew)
    after = dynamodb.update_item(
        TableName=leases,
        Key={"leaseKey": {"S": "s1"}},
        AttributeUpdates={
            "leaseOwner": {"Action": "DELETE"},
            "ownerSwitchesSinceCheckpoint": {"Value": {"N": "1"}, "Action": "ADD"},
            "parentShardIds": {"Value": {"SS": ["a"]}, "Action": "DELETE"},
            "childShardIds": {"Value": {"SS": ["c"]}, "Action": "PUT"},
        },
        ReturnValues="ALL_NEW",
    )["Attributes"]
    assert "leaseOwner" not in after
    assert after["ownerSwitchesSinceCheckpoint"] == {"N": "1"}
    assert (after["parentShardIds"], after["childShardIds"]) == ({"SS": ["b"]}, {"SS": ["c"]})
    found = dynamodb.scan(
        TableName=leases, ScanFilter={"leaseOwner": {"ComparisonOperator": "NULL"}}, ReturnConsumedCapacity="TOTAL"
    )
    assert (found["Count"], found["ConsumedCapacity"]["TableName"]) == (1, leases)
    dynamodb.delete_item(TableName=leases, Key={"leaseKey": {"S": "s1"}}, Expected={"leaseCounter": {"Value": {"N": "1"}}})
    assert "Item" not in dynamodb.get_item(TableName=leases, Key={"leaseKey": {"S": "s1"}}, ConsistentRead=True)


def test_expressions(dynamodb, leases):
    """The leader's lock, as the lock client writes it."""
    lock = {
        "TableName": leases,
        "Item": {"leaseKey": {"S": "Leader"}, "ownerName": {"S": "w1"}, "recordVersionNumber": {"S": "v1"}},
        "ConditionExpression": "attribute_not_exists(#pk) OR (attribute_exists(#pk) AND #released = :released)",
        "ExpressionAttributeNames": {"#pk": "leaseKey", "#released": "isReleased"},
        "ExpressionAttributeValues": {":released": {"S": "1"}},
    }
    dynamodb.put_item(**lock)
    response = refused(
        dynamodb.put_item, "ConditionalCheckFailedException", **lock, ReturnValuesOnConditionCheckFailure="ALL_OLD"
    )
    assert response["Item"]["ownerName"] == {"S": "w1"}
    heartbeat = {
        "TableName": leases,
        "Key": {"leaseKey": {"S": "Leader"}},
        "UpdateExpression": "SET #rvn = :new, beats = if_not_exists(beats, :zero) + :one",
        "ConditionExpression": "attribute_exists(leaseKey) AND #rvn = :old",
        "ExpressionAttributeNames": {"#rvn": "recordVersionNumber"},
        "ExpressionAttributeValues": {":old": {"S": "v1"}, ":new": {"S": "v2"}, ":zero": {"N": "0"}, ":one": {"N": "1"}},
        "ReturnValues": "UPDATED_NEW",
    }
    changed = dynamodb.update_item(**heartbeat)["Attributes"]
    assert changed == {"recordVersionNumber": {"S": "v2"}, "beats": {"N": "1"}}
    refused(dynamodb.update_item, "ConditionalCheckFailedException", **heartbeat)
    refused(dynamodb.update_item, "ValidationException", TableName=leases, Key={"leaseKey": {"S": "Leader"}},
            UpdateExpression="SET a = :missing")
    entities = dynamodb.scan(
        TableName=leases, FilterExpression="attribute_not_exists(entityType)", ProjectionExpression="leaseKey"
    )["Items"]
    assert entities == [{"leaseKey": {"S": "Leader"}}]


def test_the_resource_interface(node, leases):
    """boto3's Table, with its own types and condition builders."""
    resource = boto3.resource("dynamodb", endpoint_url=node.endpoint, region_name=REGION,
                              aws_access_key_id=ALICE.access_key, aws_secret_access_key=ALICE.secret)
    table = resource.Table(leases)
    item = {"leaseKey": "types", "n": Decimal("12345678901234567890.5"), "l": [1, "x", None, True], "m": {"b": b"\x00\x01"},
            "ns": {Decimal(1), Decimal(2)}}
    table.put_item(Item=item)
    assert table.get_item(Key={"leaseKey": "types"})["Item"] == item
    attr = boto3.dynamodb.conditions.Attr
    assert table.scan(FilterExpression=attr("n").gt(5) & attr("m").size().eq(1))["Count"] == 1
    assert table.scan(FilterExpression=attr("l").contains("y"))["Count"] == 0


def test_the_index_and_pages(dynamodb, leases):
    for n in range(50):
        dynamodb.put_item(TableName=leases, Item=lease(f"shard-{n:03}", owner=f"w{n % 2}"))
    pages = dynamodb.get_paginator("query").paginate(
        TableName=leases, IndexName="LeaseOwnerToLeaseKeyIndex", KeyConditionExpression="leaseOwner = :w",
        ExpressionAttributeValues={":w": {"S": "w1"}}, PaginationConfig={"PageSize": 7},
    )
    found = [item for page in pages for item in page["Items"]]
    assert found == [{"leaseKey": {"S": f"shard-{n:03}"}, "leaseOwner": {"S": "w1"}} for n in range(1, 50, 2)]
    segments = [
        item["leaseKey"]["S"]
        for segment in range(4)
        for page in dynamodb.get_paginator("scan").paginate(
            TableName=leases, Segment=segment, TotalSegments=4, PaginationConfig={"PageSize": 5})
        for item in page["Items"]
    ]
    assert sorted(segments) == [f"shard-{n:03}" for n in range(50)]


def test_transactions(dynamodb, leases):
    put = {"Put": {"TableName": leases, "Item": lease("t1"), "ConditionExpression": "attribute_not_exists(leaseKey)"}}
    dynamodb.transact_write_items(TransactItems=[put], ClientRequestToken="token")
    dynamodb.transact_write_items(TransactItems=[put], ClientRequestToken="token")
    delete = {"Delete": {"TableName": leases, "Key": {"leaseKey": {"S": "t1"}}}}
    refused(dynamodb.transact_write_items, "IdempotentParameterMismatchException", TransactItems=[delete],
            ClientRequestToken="token")
    other = {"Put": {"TableName": leases, "Item": lease("t2")}}
    response = refused(dynamodb.transact_write_items, "TransactionCanceledException", TransactItems=[other, put])
    assert [reason["Code"] for reason in response["CancellationReasons"]] == ["None", "ConditionalCheckFailed"]
    assert "Item" not in dynamodb.get_item(TableName=leases, Key={"leaseKey": {"S": "t2"}})


def test_of_many_workers_one_takes_the_lease(node, dynamodb, leases):
    dynamodb.put_item(TableName=leases, Item=lease("s", counter=0))
    won, lost = [], []

    def take(worker):
        try:
            node.client("dynamodb").update_item(
                TableName=leases, Key={"leaseKey": {"S": "s"}},
                Expected={"leaseCounter": {"Value": {"N": "0"}}},
                AttributeUpdates={"leaseOwner": {"Value": {"S": worker}, "Action": "PUT"},
                                  "leaseCounter": {"Value": {"N": "1"}, "Action": "ADD"}})
            won.append(worker)
        except botocore.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "ConditionalCheckFailedException"
            lost.append(worker)

    workers = [threading.Thread(target=take, args=(f"w{n}",)) for n in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert (len(won), len(lost)) == (1, 7)
    item = dynamodb.get_item(TableName=leases, Key={"leaseKey": {"S": "s"}})["Item"]
    assert (item["leaseOwner"]["S"], item["leaseCounter"]["N"]) == (won[0], "1")


def test_accounts_and_what_a_lease_table_is_not(node, dynamodb, leases):
    bob = node.client("dynamodb", user=BOB)
    refused(bob.scan, "ResourceNotFoundException", TableName=leases)
    arn = dynamodb.describe_table(TableName=leases)["Table"]["TableArn"]
    refused(bob.scan, "AccessDeniedException", TableName=arn)
    refused(dynamodb.batch_get_item, "UnknownOperationException",
            RequestItems={leases: {"Keys": [{"leaseKey": {"S": "s"}}]}})
    refused(dynamodb.update_table, "ValidationException", TableName=leases,
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"})


def test_the_command_line(node, leases):
    node.aws("dynamodb", "put-item", "--table-name", leases, "--item", '{"leaseKey":{"S":"cli"}}')
    assert "cli" in node.aws("dynamodb", "scan", "--table-name", leases)


def test_published_metrics_are_shown(node, client, unique):
    """boto3 chooses the protocol, the AWS CLI has one of its own; large requests are compressed."""
    namespace = unique("kcl")
    data = [
        {"MetricName": "RecordsProcessed", "Value": n, "Unit": "Count",
         "Dimensions": [{"Name": "ShardId", "Value": "shardId-000000000000"}]}
        for n in range(500)
    ]
    client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=data)
    node.aws("cloudwatch", "put-metric-data", "--namespace", namespace, "--metric-name", "RecordsProcessed",
             "--unit", "Count", "--value", "0.5", "--dimensions", "ShardId=shardId-000000000000")
    with urllib.request.urlopen(f"{node.endpoint}/_headwater/metrics") as page:
        lines = [line for line in page.read().decode().splitlines() if namespace in line]
    values = {line.split("{")[0]: float(line.rsplit(" ", 1)[1]) for line in lines}
    assert values["headwater_published_samples_total"] == 501
    assert values["headwater_published_sum"] == sum(range(500)) + 0.5
    refused(client("cloudwatch").put_metric_data, "InvalidParameterCombination", Namespace=namespace,
            MetricData=[{"MetricName": "m", "Value": 1, "Values": [1]}])
    refused(client("cloudwatch").list_metrics, "UnknownOperationException")
    # Whoever refuses, also the front door, speaks the client's protocol.
    wrong = User(ALICE.name, ALICE.access_key, "another-secret", ALICE.account)
    refused(node.client("cloudwatch", user=wrong).list_metrics, "SignatureDoesNotMatch")
    refused(node.client("dynamodb", user=wrong).list_tables, "InvalidSignatureException")
