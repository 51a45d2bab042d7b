"""kill -9 during a crawl, a job run, CTAS and INSERT: afterwards each is finished or FAILED, and never half.

The moments are drawn from a seed, between the request and twice the time that the same work took undisturbed, so some
kills come before the work began and some after it ended.
"""

import json
import random
import time

import botocore.exceptions
import pytest

import pipelines
from conftest import eventually

BUCKET, DATABASE = "jobs-lake", "jobs"
RESULTS = f"s3://{BUCKET}/results/"
DAYS, FILES_PER_DAY, ROWS_PER_FILE = 8, 5, 1500
ROWS = DAYS * FILES_PER_DAY * ROWS_PER_FILE
ENDED = ("SUCCEEDED", "FAILED", "CANCELLED", "STOPPED", "TIMEOUT", "ERROR")


def rows(first, note):
    """A file's worth of JSON lines with consecutive ids."""
    return b"".join(json.dumps({"id": first + i, "note": note}).encode() + b"\n" for i in range(ROWS_PER_FILE))


class Lake:
    """A node with a table of known rows, and what was asked of it."""

    def __init__(self, start_node, data, seed):
        self.node = start_node(data=data)
        self.moments = random.Random(seed)
        self.clients = {}
        s3 = self.client("s3")
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        number = 0
        for day in range(1, DAYS + 1):
            for file in range(FILES_PER_DAY):
                s3.put_object(Bucket=BUCKET, Key=f"raw/day={day:02}/{file}.json", Body=rows(number, "x" * 40))
                number += ROWS_PER_FILE

    def client(self, service):
        if service not in self.clients:
            self.clients[service] = self.node.client(service, retries={"max_attempts": 8, "mode": "standard"})
        return self.clients[service]

    def kill_within(self, seconds):
        time.sleep(self.moments.uniform(0, seconds))
        self.node.kill()
        self.node.start()

    def crawl(self):
        """Makes `raw` a table, as the crawler named `c` does."""
        glue = self.client("glue")
        glue.start_crawler(Name="c")
        return self.crawled()

    def crawled(self):
        look = lambda: self.client("glue").get_crawler(Name="c")["Crawler"]
        crawler = eventually(lambda: (c := look())["State"] == "READY" and c, 60, what="the end of the crawl")
        return crawler["LastCrawl"]["Status"]

    def prepare(self):
        glue = self.client("glue")
        glue.create_database(DatabaseInput={"Name": DATABASE})
        target = {"S3Targets": [{"Path": f"s3://{BUCKET}/raw/"}]}
        glue.create_crawler(Name="c", Role="any", DatabaseName=DATABASE, Targets=target)
        assert self.crawl() == "SUCCEEDED"

    def start(self, sql):
        return self.client("athena").start_query_execution(
            QueryString=sql,
            QueryExecutionContext={"Database": DATABASE},
            ResultConfiguration={"OutputLocation": RESULTS},
        )["QueryExecutionId"]

    def ended(self, query_id):
        look = lambda: self.client("athena").get_query_execution(QueryExecutionId=query_id)["QueryExecution"]["Status"]
        return eventually(lambda: (s := look())["State"] in ENDED and s, 60, what="the end of the execution")

    def run(self, sql):
        status = self.ended(self.start(sql))
        assert status["State"] == "SUCCEEDED", status

    def has_table(self, table):
        try:
            self.client("glue").get_table(DatabaseName=DATABASE, Name=table)
            return True
        except botocore.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "EntityNotFoundException", error
            return False

    def counts(self, table):
        """Rows and distinct ids."""
        sql = f"SELECT count(*) AS n, count(DISTINCT id) AS ids FROM {table}"
        row = pipelines.select(self.node, sql, DATABASE, RESULTS)[0]
        return int(row["n"]), int(row["ids"])

    def objects(self, prefix):
        pages = self.client("s3").get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [o["Key"] for page in pages for o in page.get("Contents", [])]

    def audit(self):
        """The ledgers add up, and the node runs."""
        audit = self.node.headwater("audit", "--json", check=False)
        assert audit.returncode == 0, audit.stdout + audit.stderr


@pytest.fixture
def lake(start_node, tmp_path, request):
    seed = request.config.getoption("--chaos-seed") or 20260303
    lake = Lake(start_node, tmp_path / "data", seed)
    yield lake
    lake.node.stop()


def timed(work):
    began = time.monotonic()
    work()
    return time.monotonic() - began


def rounds(request):
    return min(request.config.getoption("--chaos-kills"), 4)


@pytest.mark.timeout(600)
def test_a_crawl_that_is_killed_is_finished_by_the_next_start(lake, request):
    took = timed(lake.prepare)
    glue = lake.client("glue")
    for _ in range(rounds(request)):
        glue.delete_table(DatabaseName=DATABASE, Name="raw")
        glue.start_crawler(Name="c")
        lake.kill_within(2 * took)
        assert lake.crawled() == "SUCCEEDED"
        days = [p["Values"] for p in glue.get_partitions(DatabaseName=DATABASE, TableName="raw")["Partitions"]]
        assert days == [[f"{day:02}"] for day in range(1, DAYS + 1)]
        assert lake.counts("raw") == (ROWS, ROWS)
    lake.audit()


@pytest.mark.timeout(600)
def test_ctas_that_is_killed_makes_a_whole_table_or_none(lake, request):
    lake.prepare()
    ctas = lambda name: f"CREATE TABLE {name} WITH (partitioned_by = ARRAY['day']) AS SELECT id, note, day FROM raw"
    took = timed(lambda: lake.run(ctas("undisturbed")))
    for n in range(rounds(request)):
        table = f"t{n}"
        query_id = lake.start(ctas(table))
        lake.kill_within(2 * took)
        status = lake.ended(query_id)
        assert status["State"] in ("SUCCEEDED", "FAILED"), status
        assert lake.has_table(table) == (status["State"] == "SUCCEEDED"), status
        if lake.has_table(table):
            assert lake.counts(table) == (ROWS, ROWS)
    lake.audit()


@pytest.mark.timeout(600)
def test_insert_that_is_killed_inserts_everything_once_or_nothing(lake, request):
    lake.prepare()
    lake.run(
        f"CREATE EXTERNAL TABLE kept (id bigint, note string) PARTITIONED BY (day string) "
        f"STORED AS PARQUET LOCATION 's3://{BUCKET}/kept/'"
    )
    insert = "INSERT INTO kept SELECT id, note, day FROM raw"
    took = timed(lambda: lake.run(insert))
    done = 1
    for _ in range(rounds(request)):
        query_id = lake.start(insert)
        lake.kill_within(2 * took)
        status = lake.ended(query_id)
        assert status["State"] in ("SUCCEEDED", "FAILED"), status
        done += status["State"] == "SUCCEEDED"
        assert lake.counts("kept") == (done * ROWS, ROWS)
    lake.audit()


@pytest.mark.timeout(600)
def test_a_job_run_that_is_killed_reads_what_is_new_once(lake, request):
    lake.prepare()
    glue = lake.client("glue")
    script = (
        f"CREATE EXTERNAL TABLE IF NOT EXISTS clean (id bigint, note string) PARTITIONED BY (day string) "
        f"STORED AS PARQUET LOCATION 's3://{BUCKET}/clean/'; INSERT INTO clean SELECT id, note, day FROM raw"
    )
    arguments = {"--sql": script, "--incremental-input": f"{DATABASE}.raw"}
    glue.create_job(Name="j", Role="any", Command={"Name": "sql"}, DefaultArguments=arguments)

    def ended(run_id):
        look = lambda: glue.get_job_run(JobName="j", RunId=run_id)["JobRun"]
        return eventually(lambda: (r := look())["JobRunState"] in ENDED and r, 60, what="the end of the run")

    def run_and_kill(seconds):
        run_id = glue.start_job_run(JobName="j")["JobRunId"]
        lake.kill_within(seconds)
        run = ended(run_id)
        assert run["JobRunState"] in ("SUCCEEDED", "FAILED"), run
        if run["JobRunState"] == "FAILED":
            run = ended(glue.start_job_run(JobName="j")["JobRunId"])
            assert run["JobRunState"] == "SUCCEEDED", run

    expected = ROWS
    run_and_kill(1.0)
    assert lake.counts("clean") == (expected, expected)
    for n in range(rounds(request)):
        body = rows(ROWS + n * ROWS_PER_FILE, "new")
        lake.client("s3").put_object(Bucket=BUCKET, Key=f"raw/day=01/new-{n}.json", Body=body)
        run_and_kill(1.0)
        expected += ROWS_PER_FILE
        assert lake.counts("clean") == (expected, expected)
    lake.audit()
