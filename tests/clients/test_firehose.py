"""Firehose with boto3 and the AWS CLI: what was put is found in objects, once, in the form that was asked for."""

import gzip
import io
import json
import urllib.parse

import pyarrow.parquet as parquet
import pytest
from botocore.exceptions import ClientError
from conftest import ALICE, REGION, eventually

ROLE = f"arn:aws:iam::{ALICE.account}:role/delivery"


@pytest.fixture
def firehose(node):
    return node.client("firehose")


@pytest.fixture
def s3(node):
    return node.client("s3")


@pytest.fixture
def bucket(s3, unique):
    name = unique("delivered")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return name


def destination(bucket, seconds=0, **extra):
    return {
        "RoleARN": ROLE,
        "BucketARN": f"arn:aws:s3:::{bucket}",
        "BufferingHints": {"SizeInMBs": 64, "IntervalInSeconds": seconds},
        **extra,
    }


def bodies(s3, bucket, prefix=""):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    return {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


def lines_when(s3, bucket, count, prefix="", decode=lambda body: body):
    def probe():
        found = [line for body in bodies(s3, bucket, prefix).values() for line in decode(body).splitlines()]
        return found if len(found) >= count else None

    return eventually(probe, what=f"{count} lines under {prefix!r}")


def test_direct_put_delivers_every_record_once(firehose, s3, bucket, unique):
    name = unique("direct")
    made = firehose.create_delivery_stream(
        DeliveryStreamName=name,
        ExtendedS3DestinationConfiguration=destination(bucket, Prefix="raw/"),
        Tags=[{"Key": "team", "Value": "fraud"}],
    )
    assert made["DeliveryStreamARN"] == f"arn:aws:firehose:{REGION}:{ALICE.account}:deliverystream/{name}"
    assert firehose.put_record(DeliveryStreamName=name, Record={"Data": b"0\n"})["RecordId"]
    for batch in range(5):
        records = [{"Data": f"{1 + batch * 100 + n}\n".encode()} for n in range(100)]
        answer = firehose.put_record_batch(DeliveryStreamName=name, Records=records)
        assert answer["FailedPutCount"] == 0
        assert len({entry["RecordId"] for entry in answer["RequestResponses"]}) == 100
    found = lines_when(s3, bucket, 501, "raw/")
    assert sorted(map(int, found)) == list(range(501))
    tags = firehose.list_tags_for_delivery_stream(DeliveryStreamName=name)["Tags"]
    assert tags == [{"Key": "team", "Value": "fraud"}]


def test_gzip_and_delimiter(firehose, s3, bucket, unique):
    name = unique("gzip")
    processing = {
        "Enabled": True,
        "Processors": [
            {"Type": "AppendDelimiterToRecord", "Parameters": [{"ParameterName": "Delimiter", "ParameterValue": "\\n"}]}
        ],
    }
    firehose.create_delivery_stream(
        DeliveryStreamName=name,
        ExtendedS3DestinationConfiguration=destination(
            bucket,
            CompressionFormat="GZIP",
            ProcessingConfiguration=processing,
            Prefix="y=!{timestamp:yyyy}/",
            ErrorOutputPrefix="errors/",
        ),
    )
    firehose.put_record_batch(DeliveryStreamName=name, Records=[{"Data": f"line {n}"} for n in range(10)])
    found = lines_when(s3, bucket, 10, "y=20", gzip.decompress)
    assert sorted(found) == sorted(f"line {n}".encode() for n in range(10))
    assert all(key.endswith(".gz") for key in bodies(s3, bucket))


def test_a_stream_becomes_a_partitioned_parquet_table(node, firehose, s3, bucket, unique):
    kinesis, glue = node.client("kinesis"), node.client("glue")
    stream, name, database = unique("cards"), unique("to-table"), unique("lake").replace("-", "_")
    kinesis.create_stream(StreamName=stream, ShardCount=2)
    kinesis.get_waiter("stream_exists").wait(StreamName=stream)
    glue.create_database(DatabaseInput={"Name": database})
    glue.create_table(
        DatabaseName=database,
        TableInput={
            "Name": "raw",
            "TableType": "EXTERNAL_TABLE",
            "PartitionKeys": [{"Name": "day", "Type": "string"}],
            "StorageDescriptor": {
                "Columns": [{"Name": "id", "Type": "bigint"}, {"Name": "amount", "Type": "double"}],
                "Location": f"s3://{bucket}/raw/",
                "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
                "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
                "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
            },
        },
    )
    firehose.create_delivery_stream(
        DeliveryStreamName=name,
        DeliveryStreamType="KinesisStreamAsSource",
        KinesisStreamSourceConfiguration={
            "KinesisStreamARN": f"arn:aws:kinesis:{REGION}:{ALICE.account}:stream/{stream}",
            "RoleARN": ROLE,
        },
        ExtendedS3DestinationConfiguration=destination(
            bucket,
            Prefix="raw/day=!{partitionKeyFromQuery:day}/",
            ErrorOutputPrefix="errors/!{firehose:error-output-type}/",
            DynamicPartitioningConfiguration={"Enabled": True},
            ProcessingConfiguration={
                "Enabled": True,
                "Processors": [
                    {
                        "Type": "MetadataExtraction",
                        "Parameters": [
                            {"ParameterName": "MetadataExtractionQuery", "ParameterValue": "{day: .time[0:10]}"},
                            {"ParameterName": "JsonParsingEngine", "ParameterValue": "JQ-1.6"},
                        ],
                    }
                ],
            },
            DataFormatConversionConfiguration={
                "Enabled": True,
                "SchemaConfiguration": {"DatabaseName": database, "TableName": "raw", "RoleARN": ROLE},
                "InputFormatConfiguration": {"Deserializer": {"OpenXJsonSerDe": {}}},
                "OutputFormatConfiguration": {"Serializer": {"ParquetSerDe": {"Compression": "SNAPPY"}}},
            },
        ),
    )
    good = [{"id": n, "amount": n / 4, "time": f"2026-03-0{n % 3 + 1}T10:00:00Z"} for n in range(60)]
    bad = [{"id": "not a number", "amount": 1, "time": "2026-03-01T10:00:00Z"}, {"id": 1, "amount": 2}]
    records = [{"Data": json.dumps(r).encode(), "PartitionKey": str(n)} for n, r in enumerate(good + bad)]
    put = kinesis.put_records(StreamName=stream, Records=records)
    assert put["FailedRecordCount"] == 0

    def rows():
        tables = [parquet.read_table(io.BytesIO(body), partitioning=None) for body in bodies(s3, bucket, "raw/").values()]
        found = [row for table in tables for row in table.to_pylist()]
        return found if len(found) >= 60 else None

    found = eventually(rows, what="60 rows")
    assert sorted(row["id"] for row in found) == list(range(60))
    partitions = glue.get_partitions(DatabaseName=database, TableName="raw")["Partitions"]
    assert sorted(p["Values"] for p in partitions) == [["2026-03-01"], ["2026-03-02"], ["2026-03-03"]]
    letters = [json.loads(line) for line in lines_when(s3, bucket, 2, "errors/")]
    kinds = {urllib.parse.unquote(key).split("/")[1] for key in bodies(s3, bucket, "errors/")}
    assert kinds == {"format-conversion-failed", "metadata-extraction-failed"}
    assert {letter["attemptsMade"] for letter in letters} == {1}
    placed = {(r["ShardId"], r["SequenceNumber"]) for r in put["Records"][-len(bad):]}
    assert {(letter["shardId"], letter["sequenceNumber"]) for letter in letters} == placed
    assert not any("subSequenceNumber" in letter for letter in letters)


def test_mistakes_get_the_services_own_errors(firehose, bucket, unique):
    with pytest.raises(firehose.exceptions.ResourceNotFoundException):
        firehose.put_record(DeliveryStreamName=unique("nowhere"), Record={"Data": b"x"})
    name = unique("twice")
    firehose.create_delivery_stream(DeliveryStreamName=name, ExtendedS3DestinationConfiguration=destination(bucket))
    with pytest.raises(firehose.exceptions.ResourceInUseException):
        firehose.create_delivery_stream(DeliveryStreamName=name, ExtendedS3DestinationConfiguration=destination(bucket))
    with pytest.raises(firehose.exceptions.InvalidArgumentException):
        firehose.create_delivery_stream(
            DeliveryStreamName=unique("zip"),
            ExtendedS3DestinationConfiguration=destination(bucket, CompressionFormat="ZIP"),
        )
    with pytest.raises(ClientError) as refused:
        firehose.start_delivery_stream_encryption(DeliveryStreamName=name)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_delivery_stream_is_described_updated_listed_and_deleted(firehose, bucket, unique):
    name = unique("cycle")
    firehose.create_delivery_stream(DeliveryStreamName=name, ExtendedS3DestinationConfiguration=destination(bucket))
    described = firehose.describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]
    assert described["DeliveryStreamStatus"] == "ACTIVE"
    assert described["Destinations"][0]["ExtendedS3DestinationDescription"]["BufferingHints"]["SizeInMBs"] == 64
    firehose.update_destination(
        DeliveryStreamName=name,
        CurrentDeliveryStreamVersionId=described["VersionId"],
        DestinationId=described["Destinations"][0]["DestinationId"],
        ExtendedS3DestinationUpdate={"Prefix": "later/"},
    )
    described = firehose.describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]
    assert (described["VersionId"], described["LastUpdateTimestamp"] is not None) == ("2", True)
    firehose.tag_delivery_stream(DeliveryStreamName=name, Tags=[{"Key": "a", "Value": "b"}])
    firehose.untag_delivery_stream(DeliveryStreamName=name, TagKeys=["a"])
    assert firehose.list_tags_for_delivery_stream(DeliveryStreamName=name)["Tags"] == []
    assert name in firehose.list_delivery_streams(Limit=10000)["DeliveryStreamNames"]
    firehose.delete_delivery_stream(DeliveryStreamName=name)
    assert name not in firehose.list_delivery_streams(Limit=10000)["DeliveryStreamNames"]


def test_the_command_line_puts_and_describes(node, bucket, unique):
    name = unique("cli")
    configuration = json.dumps(destination(bucket))
    made = node.aws(
        "firehose", "create-delivery-stream", "--delivery-stream-name", name,
        "--extended-s3-destination-configuration", configuration,
    )
    assert json.loads(made)["DeliveryStreamARN"].endswith(name)
    record = json.dumps({"Data": "aGVsbG8K"})
    put = node.aws("firehose", "put-record", "--delivery-stream-name", name, "--record", record)
    assert json.loads(put)["RecordId"]
    seen = node.aws("firehose", "describe-delivery-stream", "--delivery-stream-name", name)
    assert json.loads(seen)["DeliveryStreamDescription"]["DeliveryStreamStatus"] == "ACTIVE"
    node.aws("firehose", "delete-delivery-stream", "--delivery-stream-name", name)
