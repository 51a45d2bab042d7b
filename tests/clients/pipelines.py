"""What several tests build: a stream delivered to a table as Parquet, and reading its rows back."""

import csv
import io
import json
import urllib.request

from conftest import eventually

ROLE = "arn:aws:iam::111111111111:role/headwater"


def create_stream(node, name, shards=2):
    kinesis = node.client("kinesis")
    kinesis.create_stream(StreamName=name, ShardCount=shards)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    return kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]


def create_table(node, database, table, location, columns, partitions):
    glue = node.client("glue")
    glue.create_database(DatabaseInput={"Name": database})
    fields = lambda all_of: [{"Name": name, "Type": kind} for name, kind in all_of.items()]
    glue.create_table(
        DatabaseName=database,
        TableInput={
            "Name": table,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {"classification": "parquet"},
            "PartitionKeys": fields(partitions),
            "StorageDescriptor": {
                "Columns": fields(columns),
                "Location": location,
                "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
                "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
                "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
            },
        },
    )


def create_delivery(node, name, stream_arn, bucket, database, table, prefix, partition_query, seconds=1):
    """A delivery from a stream into a table; returns when it is active."""
    firehose = node.client("firehose")
    firehose.create_delivery_stream(
        DeliveryStreamName=name,
        DeliveryStreamType="KinesisStreamAsSource",
        KinesisStreamSourceConfiguration={"KinesisStreamARN": stream_arn, "RoleARN": ROLE},
        ExtendedS3DestinationConfiguration={
            "RoleARN": ROLE,
            "BucketARN": f"arn:aws:s3:::{bucket}",
            "Prefix": prefix,
            "ErrorOutputPrefix": "errors/!{firehose:error-output-type}/",
            "BufferingHints": {"IntervalInSeconds": seconds, "SizeInMBs": 128},
            "DynamicPartitioningConfiguration": {"Enabled": True},
            "ProcessingConfiguration": {
                "Enabled": True,
                "Processors": [
                    {
                        "Type": "MetadataExtraction",
                        "Parameters": [
                            {"ParameterName": "MetadataExtractionQuery", "ParameterValue": partition_query},
                            {"ParameterName": "JsonParsingEngine", "ParameterValue": "JQ-1.6"},
                        ],
                    }
                ],
            },
            "DataFormatConversionConfiguration": {
                "Enabled": True,
                "InputFormatConfiguration": {"Deserializer": {"OpenXJsonSerDe": {}}},
                "OutputFormatConfiguration": {"Serializer": {"ParquetSerDe": {"Compression": "SNAPPY"}}},
                "SchemaConfiguration": {
                    "RoleARN": ROLE,
                    "DatabaseName": database,
                    "TableName": table,
                    "Region": "eu-central-1",
                },
            },
        },
    )
    describe = lambda: firehose.describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]
    eventually(lambda: describe()["DeliveryStreamStatus"] == "ACTIVE", 30, what=f"{name} being active")


def status(node):
    """The node's own status page."""
    with urllib.request.urlopen(f"{node.endpoint}/_headwater/status", timeout=10) as answer:
        return json.load(answer)


def ledger(node, delivery):
    """The ledger of a delivery, all shards added up."""
    found = [d for d in status(node)["deliveries"] if d["name"] == delivery]
    assert found, f"the status page does not show {delivery}"
    names = ("accepted", "delivered", "dropped", "dead_lettered", "expired", "discarded", "buffered")
    return {name: sum(shard[name] for shard in found[0]["shards"]) for name in names}


def until_delivered(node, delivery, accepted, seconds=120):
    """Waits until at least `accepted` records were accepted and none is buffered; returns the ledger."""

    def settled():
        line = ledger(node, delivery)
        return line if line["accepted"] >= accepted and line["buffered"] == 0 else None

    return eventually(settled, seconds, every=0.2, what=f"{delivery} being delivered")


def select(node, sql, database, output):
    """Rows of a statement, read from its CSV in S3: fast also for hundreds of thousands."""
    athena = node.client("athena")
    query_id = athena.start_query_execution(
        QueryString=sql,
        QueryExecutionContext={"Database": database},
        ResultConfiguration={"OutputLocation": output},
    )["QueryExecutionId"]

    def ended():
        execution = athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
        return execution if execution["Status"]["State"] not in ("QUEUED", "RUNNING") else None

    execution = eventually(ended, 120, what=f"the end of {sql!r}")
    assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]
    bucket, key = execution["ResultConfiguration"]["OutputLocation"].removeprefix("s3://").split("/", 1)
    body = node.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    return list(csv.DictReader(io.StringIO(body)))
