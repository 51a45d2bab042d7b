"""What the README promises a newcomer: serve on an empty directory, `eval "$(headwater env)"`, and the plain AWS CLI
works; without credentials nothing does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import BIN, eventually

AWS = f'"{sys.executable}" "{Path(sys.executable).parent / "aws"}"'
TABLE = json.dumps(
    {
        "Name": "visits",
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"classification": "parquet"},
        "PartitionKeys": [{"Name": "day", "Type": "string"}],
        "StorageDescriptor": {
            "Columns": [{"Name": "page", "Type": "string"}, {"Name": "ms", "Type": "bigint"}],
            "Location": "s3://walk/visits/",
            "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
            "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
            "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
        },
    }
)
DESTINATION = json.dumps(
    {
        "RoleARN": "arn:aws:iam::000000000001:role/any",
        "BucketARN": "arn:aws:s3:::walk",
        "Prefix": "visits/day=!{partitionKeyFromQuery:day}/",
        "ErrorOutputPrefix": "errors/!{firehose:error-output-type}/",
        "BufferingHints": {"IntervalInSeconds": 0, "SizeInMBs": 64},
        "DynamicPartitioningConfiguration": {"Enabled": True},
        "ProcessingConfiguration": {
            "Enabled": True,
            "Processors": [
                {
                    "Type": "MetadataExtraction",
                    "Parameters": [
                        {"ParameterName": "MetadataExtractionQuery", "ParameterValue": "{day:.day}"},
                        {"ParameterName": "JsonParsingEngine", "ParameterValue": "JQ-1.6"},
                    ],
                }
            ],
        },
        "DataFormatConversionConfiguration": {
            "Enabled": True,
            "InputFormatConfiguration": {"Deserializer": {"OpenXJsonSerDe": {}}},
            "OutputFormatConfiguration": {"Serializer": {"ParquetSerDe": {}}},
            "SchemaConfiguration": {
                "RoleARN": "arn:aws:iam::000000000001:role/any",
                "DatabaseName": "walk",
                "TableName": "visits",
                "Region": "eu-central-1",
            },
        },
    }
)


@pytest.fixture(scope="module")
def shell(start_node):
    """A shell in which `eval "$(headwater env)"` was said."""
    node = start_node()

    def run(script, check=True):
        keep = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "HEADWATER_"))}
        # A profile and a session token from another life must not get in the way.
        keep |= {"AWS_PROFILE": "elsewhere", "AWS_SESSION_TOKEN": "stale", "AWS_CONFIG_FILE": os.devnull}
        prologue = f'set -eu\nheadwater() {{ "{BIN}" "$@"; }}\naws() {{ {AWS} "$@"; }}\n'
        prologue += f'HEADWATER_NODE="{node.data}"\n'
        prologue += f'eval "$(headwater env --data "{node.data}")"\n'
        done = subprocess.run(["bash", "-c", prologue + script], env=keep, capture_output=True, text=True, timeout=120)
        if check:
            assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}\n{node.tail()}"
            return done.stdout
        return done

    return run


def test_s3(shell, tmp_path):
    (tmp_path / "hello.txt").write_text("hello\n")
    out = shell(
        f"""
        aws s3 mb s3://first
        aws s3 cp {tmp_path}/hello.txt s3://first/a/hello.txt
        aws s3 ls s3://first/a/
        aws s3 cp s3://first/a/hello.txt -
        """
    )
    assert "hello.txt" in out and out.endswith("hello\n")


def test_kinesis(shell):
    out = shell(
        """
        aws kinesis create-stream --stream-name clicks --shard-count 1
        aws kinesis wait stream-exists --stream-name clicks
        aws kinesis put-record --stream-name clicks --partition-key k --data hello >/dev/null
        shard=$(aws kinesis list-shards --stream-name clicks --query 'Shards[0].ShardId' --output text)
        iterator=$(aws kinesis get-shard-iterator --stream-name clicks --shard-id "$shard" \
            --shard-iterator-type TRIM_HORIZON --query ShardIterator --output text)
        aws kinesis get-records --shard-iterator "$iterator" --query 'Records[0].Data' --output text
        """
    )
    assert out.strip().endswith("aGVsbG8=")


def test_firehose_glue_and_athena(shell):
    shell(
        f"""
        aws s3 mb s3://walk
        aws glue create-database --database-input Name=walk
        aws glue create-table --database-name walk --table-input '{TABLE}'
        aws firehose create-delivery-stream --delivery-stream-name visits \
            --extended-s3-destination-configuration '{DESTINATION}' >/dev/null
        """
    )
    active = "aws firehose describe-delivery-stream --delivery-stream-name visits"
    active += " --query DeliveryStreamDescription.DeliveryStreamStatus --output text"
    eventually(lambda: shell(active).strip() == "ACTIVE", 30)
    for page in ("home", "shop", "cart"):
        record = json.dumps({"Data": json.dumps({"page": page, "ms": 12, "day": "2026-03-02"})})
        shell(f"aws firehose put-record --delivery-stream-name visits --record '{record}'")
    count = 'headwater query --database walk --output s3://walk/results/ --json "SELECT count(*) AS n FROM visits"'
    eventually(lambda: json.loads(shell(count))["rows"] == [{"n": "3"}], 60, every=0.5)
    pages = shell(
        """
        id=$(aws athena start-query-execution --query-string "SELECT page FROM visits WHERE day = '2026-03-02' ORDER BY page" \
            --query-execution-context Database=walk --result-configuration OutputLocation=s3://walk/results/ \
            --query QueryExecutionId --output text)
        while ! aws athena get-query-execution --query-execution-id $id --output text \
            --query QueryExecution.Status.State | grep -q SUCCEEDED; do :; done
        aws athena get-query-results --query-execution-id $id --query 'ResultSet.Rows[].Data[0].VarCharValue' --output text
        """
    )
    assert pages.split() == ["page", "cart", "home", "shop"]


@pytest.mark.parametrize(
    "command",
    [
        "s3 ls",
        "kinesis list-streams",
        "firehose list-delivery-streams",
        "glue get-databases",
        "athena list-query-executions",
    ],
)
def test_without_credentials_every_call_is_refused(shell, command):
    wrong = shell(f"export AWS_SECRET_ACCESS_KEY=wrong; aws {command}", check=False)
    assert wrong.returncode != 0 and "Signature" in wrong.stderr, wrong.stderr
    unknown = shell(f"export AWS_ACCESS_KEY_ID=AKIANOBODY0000000000; aws {command}", check=False)
    assert unknown.returncode != 0, unknown.stdout
    unsigned = shell(f"aws --no-sign-request {command}", check=False)
    assert unsigned.returncode != 0, unsigned.stdout


def test_the_pipeline_file_is_applied_once(shell, tmp_path):
    example = Path(__file__).resolve().parents[2] / "examples/card-fraud/pipeline.toml"
    planned = json.loads(shell(f"headwater up --plan --json {example}"))
    assert not planned["applied"] and {step["action"] for step in planned["steps"]} == {"create"}
    applied = json.loads(shell(f"headwater up --json {example}"))
    assert applied["applied"] and {step["action"] for step in applied["steps"]} == {"create"}
    again = json.loads(shell(f"headwater up --json {example}"))
    assert {step["action"] for step in again["steps"]} == {"keep"}, again


def test_put_and_tail(shell):
    out = shell(
        """
        aws kinesis create-stream --stream-name lines --shard-count 2
        aws kinesis wait stream-exists --stream-name lines
        seq 1 1200 | sed 's/.*/{"n":&}/' | headwater put lines --key n
        headwater tail lines --from-start --records 1200 | sort -u | wc -l
        """
    )
    assert out.strip().endswith("1200")


def test_errors_say_what_to_do(shell, tmp_path):
    broken = tmp_path / "broken.toml"
    broken.write_text('[[stream]]\nname = "s"\nshard = 3\n')
    done = shell(f"headwater up {broken}", check=False)
    assert done.returncode != 0 and "shard" in done.stderr
    done = shell('headwater query "SELEC 1"', check=False)
    assert done.returncode != 0 and done.stderr.startswith("headwater: ")
    done = shell("headwater status --endpoint http://127.0.0.1:9", check=False)
    assert done.returncode != 0 and "headwater serve" in done.stderr


def test_a_backup_of_a_running_node_opens(shell, start_node, tmp_path):
    copy = tmp_path / "copy"
    shell(
        f"""
        aws kinesis create-stream --stream-name kept --shard-count 1
        aws kinesis wait stream-exists --stream-name kept
        seq 1 10 | headwater put kept
        aws s3 mb s3://kept
        head -c 300000 /dev/zero | tr '\\0' x | aws s3 cp - s3://kept/large
        headwater backup --data "$HEADWATER_NODE" {copy}
        seq 11 20 | headwater put kept
        """
    )
    assert "1 bodies" in shell(f"headwater verify --data {copy}")
    node = start_node(data=copy)
    run = lambda *words: node.headwater(*words, "--data", copy, "--endpoint", node.endpoint)
    assert run("tail", "kept", "--from-start", "--records", "10").splitlines() == [str(n) for n in range(1, 11)]
    keys = dict(line.removeprefix("export ").split("=", 1) for line in run("env").splitlines() if "=" in line)
    head = node.aws("s3", "ls", "s3://kept/", env=node.environment() | keys)
    assert "300000" in head
    node.stop()


def test_a_directory_in_use_is_not_verified(shell):
    done = shell('headwater verify --data "$HEADWATER_NODE"', check=False)
    assert done.returncode != 0, done.stdout
