"""Records as the Kinesis Producer Library puts them, many in one: stored as they come, split by Firehose.

Written by AWS's own aggregation module (aws-kinesis-agg), whose splitter is also the oracle.
"""

import base64
import io
import json
import random

import pyarrow.parquet as parquet
import pytest
from aws_kinesis_agg import aggregator, deaggregator
from conftest import REGION, eventually
from pipelines import ROLE, create_delivery, create_stream, create_table, ledger, until_delivered


@pytest.fixture
def bucket(client, unique):
    name = unique("kpl")
    client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return name


def aggregated(user_records, rng):
    """Aggregates of these (key, explicit hash key, data), of random sizes; (partition key, hash key, data) each."""
    joined, rest = [], list(user_records)
    while rest:
        maker = aggregator.RecordAggregator()
        for _ in range(min(len(rest), rng.randint(1, 60))):
            key, hash_key, data = rest.pop(0)
            assert maker.add_user_record(key, data, hash_key) is None
        joined.append(maker.clear_and_get().get_contents())
    return joined


def put(kinesis, stream, records):
    entries = [
        {"PartitionKey": key, "Data": data} | ({"ExplicitHashKey": hash_key} if hash_key else {})
        for key, hash_key, data in records
    ]
    for start in range(0, len(entries), 100):
        assert kinesis.put_records(StreamName=stream, Records=entries[start : start + 100])["FailedRecordCount"] == 0


def bodies(s3, bucket, prefix):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    return [s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys]


def audit(node):
    report = json.loads(node.headwater("audit", "--json"))
    assert report["balanced"], report


def test_each_user_record_is_a_row(node, client, bucket, unique):
    rng, kinesis = random.Random(7), client("kinesis")
    stream, delivery, database = unique("stream"), unique("delivery"), unique("lake").replace("-", "_")
    arn = create_stream(node, stream)
    columns = {"id": "bigint", "amount": "double", "day": "string"}
    create_table(node, database, "raw", f"s3://{bucket}/raw/", columns, {"part": "string"})
    create_delivery(node, delivery, arn, bucket, database, "raw", "raw/part=!{partitionKeyFromQuery:part}/", "{part: .day}")
    good = [(f"card-{n % 50}", None, json.dumps({"id": n, "amount": n / 4, "day": f"d{n % 3}"}).encode()) for n in range(3000)]
    # What fits no table, among records that do; and one without its partition's value.
    bad = [("bad", None, json.dumps({"id": f"x{n}", "day": "d0"}).encode()) for n in range(20)] + [("bad", None, b'{"id":1}')]
    everything = good + bad
    rng.shuffle(everything)
    joined = aggregated(everything, rng)
    broken = bytearray(joined[0][2])
    broken[-1] ^= 1
    plain = [("plain", None, json.dumps({"id": 3000 + n, "amount": 0, "day": "d0"}).encode()) for n in range(30)]
    records = [*joined, *plain, ("broken", None, bytes(broken))]
    put(kinesis, stream, records)
    counts = until_delivered(node, delivery, len(records))
    s3 = client("s3")
    tables = [parquet.read_table(io.BytesIO(body)) for body in bodies(s3, bucket, "raw/")]
    ids = sorted(number for table in tables for number in table["id"].to_pylist())
    assert ids == list(range(3030))
    letters = [json.loads(line) for body in bodies(s3, bucket, "errors/") for line in body.splitlines()]
    assert len(letters) == len(bad) + 1
    raw = sorted(base64.b64decode(letter["rawData"]) for letter in letters)
    assert raw == sorted([data for _, _, data in bad] + [bytes(broken)])
    # The ledger counts what the stream holds: an aggregate with anything bad in it is dead-lettered.
    spoiled = {data for _, _, data in bad}
    dead = 1 + sum(1 for _, _, data in joined if spoiled & set(users(data)))
    assert (counts["accepted"], counts["dead_lettered"]) == (len(records), dead)
    assert counts["delivered"] == len(records) - dead
    audit(node)


def users(data):
    """The data of the user records in an aggregate, as AWS's own module splits it."""
    record = {"kinesis": {"data": base64.b64encode(data), "partitionKey": "k", "sequenceNumber": "1",
                          "kinesisSchemaVersion": "1.0", "approximateArrivalTimestamp": 0},
              "eventSource": "", "eventVersion": "", "eventID": "", "eventName": "", "invokeIdentityArn": "",
              "awsRegion": "", "eventSourceARN": ""}
    return [base64.b64decode(user["kinesis"]["data"]) for user in deaggregator.deaggregate_records([record])]


def test_splitting_agrees_with_the_reference(node, client, bucket, unique):
    """Random aggregates, delivered as they are with a delimiter between: the same records as AWS's own module finds, in their
    order; a broken aggregate is delivered as it is; the stream itself still holds the aggregates."""
    rng, kinesis, firehose = random.Random(11), client("kinesis"), client("firehose")
    stream, delivery = unique("stream"), unique("delivery")
    arn = create_stream(node, stream, shards=1)
    mark = b"\n--8<--\n"
    firehose.create_delivery_stream(
        DeliveryStreamName=delivery,
        DeliveryStreamType="KinesisStreamAsSource",
        KinesisStreamSourceConfiguration={"KinesisStreamARN": arn, "RoleARN": ROLE},
        ExtendedS3DestinationConfiguration={
            "RoleARN": ROLE,
            "BucketARN": f"arn:aws:s3:::{bucket}",
            "Prefix": "raw/",
            "BufferingHints": {"IntervalInSeconds": 0, "SizeInMBs": 64},
            "ProcessingConfiguration": {
                "Enabled": True,
                "Processors": [{"Type": "AppendDelimiterToRecord",
                                "Parameters": [{"ParameterName": "Delimiter", "ParameterValue": mark.decode()}]}],
            },
        },
    )
    describe = lambda: firehose.describe_delivery_stream(DeliveryStreamName=delivery)["DeliveryStreamDescription"]
    eventually(lambda: describe()["DeliveryStreamStatus"] == "ACTIVE", 30)

    def user_record():
        hash_key = str(rng.randrange(2**128)) if rng.random() < 0.3 else None
        key = "".join(rng.choice("aüß–k") for _ in range(rng.randint(1, 8)))
        return key, hash_key, rng.randbytes(rng.choice([0, 1, 30, 300, 3000]))

    joined = aggregated([user_record() for _ in range(800)], rng)
    broken = joined[0][2][:-1] + bytes([joined[0][2][-1] ^ 0x80])
    truncated = joined[1][2][:-3]
    records = [*joined, ("k", None, broken), ("k", None, truncated), ("k", None, b"plain")]
    for record in records:
        put(kinesis, stream, [record])
    counts = until_delivered(node, delivery, len(records))
    assert (counts["delivered"], counts["dead_lettered"], counts["dropped"]) == (len(records), 0, 0)
    delivered = b"".join(bodies(client("s3"), bucket, "raw/")).split(mark)
    expected = [data for _, _, aggregate in joined for data in users(aggregate)] + [broken, truncated, b"plain"]
    assert delivered.pop() == b""
    # Objects are listed in the order of their names, which begin with the time.
    assert sorted(delivered) == sorted(expected)
    assert ledger(node, delivery)["buffered"] == 0
    audit(node)
    iterator = kinesis.get_shard_iterator(
        StreamName=stream, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    stored = kinesis.get_records(ShardIterator=iterator)["Records"]
    assert [record["Data"] for record in stored] == [data for _, _, data in records]
