"""Athena through boto3, the AWS CLI, awswrangler and PyArrow, against the real binary."""

import io
import json
import time

import boto3
import pandas as pd
import pyarrow.parquet as pq
import pytest

from conftest import ALICE, REGION

END_SECONDS_MAX = 60


@pytest.fixture
def lake(node, unique):
    """A bucket, a database, and a way to run statements."""
    return Lake(node, unique("lake"), unique("db").replace("-", "_"))


class Lake:
    def __init__(self, node, bucket, database):
        self.node, self.bucket, self.database = node, bucket, database
        self.session = boto3.Session(
            aws_access_key_id=ALICE.access_key, aws_secret_access_key=ALICE.secret, region_name=REGION
        )
        self.athena, self.s3 = node.client("athena"), node.client("s3")
        self.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.run(f"CREATE DATABASE {database}", database=None)

    @property
    def output(self):
        return f"s3://{self.bucket}/results/"

    def start(self, sql, database=""):
        database = self.database if database == "" else database
        context = {"QueryExecutionContext": {"Database": database}} if database else {}
        configuration = {"OutputLocation": self.output}
        answer = self.athena.start_query_execution(QueryString=sql, ResultConfiguration=configuration, **context)
        return answer["QueryExecutionId"]

    def end(self, query):
        deadline = time.monotonic() + END_SECONDS_MAX
        while time.monotonic() < deadline:
            execution = self.athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]
            if execution["Status"]["State"] not in ("QUEUED", "RUNNING"):
                return execution
            time.sleep(0.02)
        raise AssertionError(f"query {query} does not end")

    def run(self, sql, database=""):
        execution = self.end(self.start(sql, database))
        assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]
        return execution

    def rows(self, sql):
        pages = self.athena.get_paginator("get_query_results").paginate(
            QueryExecutionId=self.run(sql)["QueryExecutionId"]
        )
        rows = [[cell.get("VarCharValue") for cell in row["Data"]] for page in pages for row in page["ResultSet"]["Rows"]]
        return rows[1:]

    def orders(self):
        """A partitioned Parquet table of 6 orders."""
        self.run(
            f"CREATE TABLE orders WITH (format='PARQUET', partitioned_by=ARRAY['day'], "
            f"external_location='s3://{self.bucket}/orders/') AS "
            "SELECT * FROM (VALUES (1, 'a', 1.5, DATE '2026-01-01', '2026-01-01'), "
            "(2, 'b', 2.5, NULL, '2026-01-01'), (3, NULL, 3.5, DATE '2026-01-03', '2026-01-02'), "
            "(4, 'd', 4.5, DATE '2026-01-04', '2026-01-02'), (5, 'e\"x', NULL, DATE '2026-01-05', '2026-01-03'), "
            "(6, '', 6.5, DATE '2026-01-06', '2026-01-03')) AS t(id, name, amount, at, day)"
        )


def test_results_in_pages_and_in_s3(lake):
    execution = lake.run("SELECT x, x * 2 AS y FROM UNNEST(sequence(1, 1500)) AS t(x) ORDER BY x")
    assert execution["StatementType"] == "DML"
    assert execution["Statistics"]["DataScannedInBytes"] == 0
    key = execution["ResultConfiguration"]["OutputLocation"].removeprefix(f"s3://{lake.bucket}/")
    frame = pd.read_csv(io.BytesIO(lake.s3.get_object(Bucket=lake.bucket, Key=key)["Body"].read()))
    assert list(frame.y) == [2 * x for x in range(1, 1501)]
    first = lake.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])
    assert len(first["ResultSet"]["Rows"]) == 1000
    assert first["ResultSet"]["Rows"][0]["Data"] == [{"VarCharValue": "x"}, {"VarCharValue": "y"}]
    assert [column["Type"] for column in first["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]] == ["bigint", "bigint"]


def test_definitions_and_partitions(lake):
    for day in ("2026-01-01", "2026-01-02"):
        body = "\n".join(json.dumps({"id": n, "day": day}) for n in range(3))
        lake.s3.put_object(Bucket=lake.bucket, Key=f"events/day={day}/a.json", Body=body.encode())
    lake.run(
        "CREATE EXTERNAL TABLE events (id int) PARTITIONED BY (day string) "
        f"ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe' LOCATION 's3://{lake.bucket}/events/'"
    )
    assert lake.rows("SELECT count(*) FROM events") == [["0"]]
    lake.run("MSCK REPAIR TABLE events")
    execution = lake.run("SELECT sum(id) FROM events WHERE day = '2026-01-02'")
    one = lake.s3.head_object(Bucket=lake.bucket, Key="events/day=2026-01-02/a.json")["ContentLength"]
    assert execution["Statistics"]["DataScannedInBytes"] == one
    lake.run(f"ALTER TABLE events ADD PARTITION (day='again') LOCATION 's3://{lake.bucket}/events/day=2026-01-01/'")
    assert lake.rows("SELECT count(*) FROM events") == [["9"]]
    shown = lake.run("SHOW PARTITIONS events")
    rows = lake.athena.get_query_results(QueryExecutionId=shown["QueryExecutionId"])["ResultSet"]["Rows"]
    assert [row["Data"][0]["VarCharValue"] for row in rows] == ["day=2026-01-01", "day=2026-01-02", "day=again"]


def test_written_tables_are_parquet_that_others_read(lake):
    lake.orders()
    objects = lake.s3.list_objects_v2(Bucket=lake.bucket, Prefix="orders/")["Contents"]
    ids = []
    for item in objects:
        body = lake.s3.get_object(Bucket=lake.bucket, Key=item["Key"])["Body"].read()
        table = pq.read_table(io.BytesIO(body))
        assert table.column_names == ["id", "name", "amount", "at"]
        ids += table["id"].to_pylist()
    assert sorted(ids) == [1, 2, 3, 4, 5, 6]
    inserted = lake.run("INSERT INTO orders VALUES (7, 'g', 7.5, DATE '2026-01-07', '2026-01-04')")
    manifest = inserted["Statistics"]["DataManifestLocation"].removeprefix(f"s3://{lake.bucket}/")
    listed = lake.s3.get_object(Bucket=lake.bucket, Key=manifest)["Body"].read().decode().split()
    assert len(listed) == 1 and "/day=2026-01-04/" in listed[0]
    assert lake.rows("SELECT count(*), sum(amount) FROM orders") == [["7", "26.0"]]


def test_failures_and_stops(lake):
    execution = lake.end(lake.start("SELECT nothing FROM nowhere"))
    assert execution["Status"]["State"] == "FAILED"
    assert "TABLE_NOT_FOUND: line 1:21" in execution["Status"]["StateChangeReason"]
    with pytest.raises(lake.athena.exceptions.InvalidRequestException):
        lake.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])
    endless = (
        "SELECT count(*) FROM UNNEST(sequence(1, 1000000)) AS a(x) "
        "CROSS JOIN UNNEST(sequence(1, 1000000)) AS b(y) WHERE x + y < 0"
    )
    query = lake.start(endless)
    lake.athena.stop_query_execution(QueryExecutionId=query)
    assert lake.end(query)["Status"]["State"] == "CANCELLED"
    ids = lake.athena.list_query_executions()["QueryExecutionIds"]
    assert query in ids and execution["QueryExecutionId"] in ids
    batch = lake.athena.batch_get_query_execution(QueryExecutionIds=[query, "nope"])
    assert len(batch["QueryExecutions"]) == 1 and len(batch["UnprocessedQueryExecutionIds"]) == 1


def test_parameters(lake):
    answer = lake.athena.start_query_execution(
        QueryString="SELECT ? AS a, ? AS b",
        ExecutionParameters=["1", "'it''s'"],
        ResultConfiguration={"OutputLocation": lake.output},
    )
    lake.end(answer["QueryExecutionId"])
    rows = lake.athena.get_query_results(QueryExecutionId=answer["QueryExecutionId"])["ResultSet"]["Rows"]
    assert [cell["VarCharValue"] for cell in rows[1]["Data"]] == ["1", "it's"]


@pytest.mark.parametrize("ctas", [True, False])
def test_awswrangler_reads_queries(lake, ctas):
    wr = pytest.importorskip("awswrangler")
    lake.orders()
    wr.config.s3_endpoint_url = wr.config.athena_endpoint_url = wr.config.glue_endpoint_url = lake.node.endpoint
    wr.config.sts_endpoint_url = lake.node.endpoint
    frame = wr.athena.read_sql_query(
        "SELECT id, name, amount, at, day FROM orders WHERE day >= '2026-01-02' ORDER BY id",
        database=lake.database,
        ctas_approach=ctas,
        s3_output=lake.output,
        boto3_session=lake.session,
    )
    frame = frame.sort_values("id")
    assert list(frame.id) == [3, 4, 5, 6]
    # pandas takes a quoted empty cell of a CSV for missing; Parquet tells the two apart.
    empty = "" if ctas else "<null>"
    assert list(frame.name.fillna("<null>")) == ["<null>", "d", 'e"x', empty]
    assert [None if pd.isna(x) else x for x in frame.amount] == [3.5, 4.5, None, 6.5]
    assert [str(x) for x in frame["at"]] == ["2026-01-03", "2026-01-04", "2026-01-05", "2026-01-06"]
    assert set(frame.day) == {"2026-01-02", "2026-01-03"}


def test_awswrangler_writes_and_browses(lake):
    wr = pytest.importorskip("awswrangler")
    wr.config.s3_endpoint_url = wr.config.athena_endpoint_url = wr.config.glue_endpoint_url = lake.node.endpoint
    wr.config.sts_endpoint_url = lake.node.endpoint
    frame = pd.DataFrame({"id": [1, 2], "day": ["a", "b"]})
    wr.s3.to_parquet(
        df=frame, path=f"s3://{lake.bucket}/frames/", dataset=True, database=lake.database, table="frames",
        partition_cols=["day"], boto3_session=lake.session,
    )
    assert lake.rows("SELECT id FROM frames WHERE day = 'b'") == [["2"]]
    tables = lake.athena.list_table_metadata(CatalogName="AwsDataCatalog", DatabaseName=lake.database)
    assert [table["Name"] for table in tables["TableMetadataList"]] == ["frames"]


def test_work_groups(lake, unique):
    name = unique("team")
    lake.athena.create_work_group(
        Name=name, Configuration={"ResultConfiguration": {"OutputLocation": f"s3://{lake.bucket}/team/"}}
    )
    query = lake.athena.start_query_execution(QueryString="SELECT 1", WorkGroup=name)["QueryExecutionId"]
    location = lake.end(query)["ResultConfiguration"]["OutputLocation"]
    assert location == f"s3://{lake.bucket}/team/{query}.csv"
    assert name in [group["Name"] for group in lake.athena.list_work_groups()["WorkGroups"]]
    lake.athena.delete_work_group(WorkGroup=name, RecursiveDeleteOption=True)
    with pytest.raises(lake.athena.exceptions.InvalidRequestException):
        lake.athena.get_work_group(WorkGroup=name)
