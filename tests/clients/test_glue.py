"""Glue with boto3 and the AWS CLI: catalog, crawler, jobs, triggers."""

import gzip
import json
import time

import pytest
from botocore.exceptions import ClientError
from conftest import BOB

WAIT_SECONDS_MAX = 60


@pytest.fixture
def glue(client):
    return client("glue")


@pytest.fixture
def s3(client):
    return client("s3")


@pytest.fixture
def database(glue, unique):
    name = unique("db").replace("-", "_")
    glue.create_database(DatabaseInput={"Name": name})
    yield name
    glue.delete_database(Name=name)


@pytest.fixture
def bucket(s3, unique):
    name = unique("glue")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    return name


def refusal(call, **arguments):
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    return refused.value.response["Error"]["Code"]


def until(look, wanted):
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while time.monotonic() < deadline:
        seen = look()
        if wanted(seen):
            return seen
        time.sleep(0.05)
    raise AssertionError(f"still {seen} after {WAIT_SECONDS_MAX} s")


def table_input(name, location, keys=("year", "month")):
    return {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "PartitionKeys": [{"Name": key, "Type": "string"} for key in keys],
        "StorageDescriptor": {
            "Columns": [{"Name": "id", "Type": "bigint"}],
            "Location": location,
            "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
            "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
            "SerdeInfo": {"SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe"},
        },
    }


def test_tables_and_versions(glue, database):
    glue.create_table(DatabaseName=database, TableInput=table_input("Orders", "s3://x/orders/"))
    table = glue.get_table(DatabaseName=database, Name="orders")["Table"]
    assert table["VersionId"] == "0"
    changed = table_input("orders", "s3://x/orders/") | {"Description": "new"}
    glue.update_table(DatabaseName=database, TableInput=changed, VersionId="0")
    assert refusal(glue.update_table, DatabaseName=database, TableInput=changed, VersionId="0") == "ConcurrentModificationException"
    versions = glue.get_paginator("get_table_versions").paginate(DatabaseName=database, TableName="orders")
    assert [v["VersionId"] for page in versions for v in page["TableVersions"]] == ["1", "0"]
    tables = glue.get_paginator("get_tables").paginate(DatabaseName=database, Expression="ord*")
    assert [t["Name"] for page in tables for t in page["TableList"]] == ["orders"]
    assert refusal(glue.get_table, DatabaseName=database, Name="nope") == "EntityNotFoundException"
    assert refusal(glue.create_user_defined_function, DatabaseName=database, FunctionInput={"FunctionName": "f"})


def test_accounts_do_not_see_each_other(client, database):
    assert refusal(client("glue", BOB).get_database, Name=database) == "EntityNotFoundException"


def test_partitions_and_expressions(glue, database):
    glue.create_table(DatabaseName=database, TableInput=table_input("t", "s3://x/t/"))
    where = {"DatabaseName": database, "TableName": "t"}
    inputs = [
        {"Values": [str(year), f"{month:02}"], "StorageDescriptor": {"Location": f"s3://x/t/{year}/{month}/"}}
        for year in (2025, 2026)
        for month in range(1, 13)
    ]
    assert glue.batch_create_partition(**where, PartitionInputList=inputs)["Errors"] == []
    errors = glue.batch_create_partition(**where, PartitionInputList=inputs[:1])["Errors"]
    assert [e["ErrorDetail"]["ErrorCode"] for e in errors] == ["AlreadyExistsException"]

    def months(expression, **more):
        pages = glue.get_paginator("get_partitions").paginate(
            **where, Expression=expression, PaginationConfig={"PageSize": 5}, **more
        )
        return ["/".join(p["Values"]) for page in pages for p in page["Partitions"]]

    assert months("year = '2026' AND month IN ('01', '12')") == ["2026/01", "2026/12"]
    assert len(months("year = '2026' AND month > '06'")) == 6
    assert len(months("year = '2024' OR month BETWEEN '01' AND '02'")) == 4
    assert len(months("")) == 24
    shares = [months("", Segment={"SegmentNumber": n, "TotalSegments": 3}) for n in range(3)]
    assert sorted(sum(shares, [])) == sorted(months(""))
    glue.delete_partition(**where, PartitionValues=["2026", "01"])
    assert refusal(glue.get_partition, **where, PartitionValues=["2026", "01"]) == "EntityNotFoundException"


def test_a_crawler_finds_tables_and_partitions(glue, s3, bucket, database, unique):
    for month in ("01", "02"):
        body = gzip.compress(b"".join(json.dumps({"Id": i, "amount": i / 2}).encode() + b"\n" for i in range(10)))
        s3.put_object(Bucket=bucket, Key=f"raw/cards/year=2026/month={month}/part.json.gz", Body=body)
    s3.put_object(Bucket=bucket, Key="raw/merchants/m.csv", Body=b"id,name,score\n1,a,0.5\n2,b,1\n")
    name = unique("crawler")
    glue.create_crawler(
        Name=name, Role="any", DatabaseName=database, TablePrefix="c_", Targets={"S3Targets": [{"Path": f"s3://{bucket}/raw/"}]}
    )
    glue.start_crawler(Name=name)
    crawler = until(lambda: glue.get_crawler(Name=name)["Crawler"], lambda c: c["State"] == "READY" and "LastCrawl" in c)
    assert crawler["LastCrawl"]["Status"] == "SUCCEEDED", crawler["LastCrawl"]
    cards = glue.get_table(DatabaseName=database, Name="c_cards")["Table"]
    columns = {c["Name"]: c["Type"] for c in cards["StorageDescriptor"]["Columns"]}
    assert columns == {"id": "bigint", "amount": "double"}
    assert [k["Name"] for k in cards["PartitionKeys"]] == ["year", "month"]
    partitions = glue.get_partitions(DatabaseName=database, TableName="c_cards")["Partitions"]
    assert [p["Values"] for p in partitions] == [["2026", "01"], ["2026", "02"]]
    merchants = glue.get_table(DatabaseName=database, Name="c_merchants")["Table"]
    assert [c["Type"] for c in merchants["StorageDescriptor"]["Columns"]] == ["bigint", "string", "double"]
    metrics = glue.get_crawler_metrics(CrawlerNameList=[name])["CrawlerMetricsList"]
    assert metrics[0]["TablesCreated"] == 2
    glue.delete_crawler(Name=name)


def test_an_sql_job_reads_what_is_new(glue, s3, bucket, database, unique):
    glue.create_table(DatabaseName=database, TableInput=table_input("raw", f"s3://{bucket}/raw/", keys=()))
    s3.put_object(Bucket=bucket, Key="raw/1.json", Body=b'{"id":1}\n{"id":2}\n')
    script = (
        f"CREATE EXTERNAL TABLE IF NOT EXISTS clean (id bigint) STORED AS PARQUET LOCATION 's3://{bucket}/clean/';\n"
        "INSERT INTO clean SELECT id * 10 FROM raw;"
    )
    s3.put_object(Bucket=bucket, Key="code/clean.sql", Body=script.encode())
    job = unique("job")
    glue.create_job(
        Name=job,
        Role="any",
        Command={"Name": "sql", "ScriptLocation": f"s3://{bucket}/code/clean.sql"},
        DefaultArguments={"--incremental-input": f"{database}.raw"},
    )

    def run():
        run_id = glue.start_job_run(JobName=job)["JobRunId"]
        look = lambda: glue.get_job_run(JobName=job, RunId=run_id)["JobRun"]  # noqa: E731
        ended = until(look, lambda r: r["JobRunState"] not in ("STARTING", "RUNNING"))
        assert ended["JobRunState"] == "SUCCEEDED", ended.get("ErrorMessage")

    def files():
        return [o["Key"] for o in s3.list_objects_v2(Bucket=bucket, Prefix="clean/").get("Contents", [])]

    run()
    assert len(files()) == 1
    run()
    assert len(files()) == 1, "nothing new was there to read"
    s3.put_object(Bucket=bucket, Key="raw/2.json", Body=b'{"id":3}\n')
    run()
    assert len(files()) == 2
    assert glue.get_job_bookmark(JobName=job)["JobBookmarkEntry"]["JobName"] == job
    assert [r["JobRunState"] for r in glue.get_job_runs(JobName=job)["JobRuns"]] == ["SUCCEEDED"] * 3
    glue.delete_job(JobName=job)


def test_triggers(glue, unique):
    job, trigger = unique("job"), unique("trigger")
    glue.create_job(Name=job, Role="any", Command={"Name": "sql"}, DefaultArguments={"--sql": "SELECT 1"})
    glue.create_trigger(Name=trigger, Type="ON_DEMAND", Actions=[{"JobName": job}])
    glue.start_trigger(Name=trigger)
    runs = until(lambda: glue.get_job_runs(JobName=job)["JobRuns"], lambda runs: runs and "CompletedOn" in runs[0])
    assert runs[0]["TriggerName"] == trigger
    glue.delete_trigger(Name=trigger)
    scheduled = dict(Type="SCHEDULED", Schedule="cron(0 12 * * ? *)", Actions=[{"JobName": job}], StartOnCreation=True)
    glue.create_trigger(Name=trigger, **scheduled)
    assert glue.get_trigger(Name=trigger)["Trigger"]["State"] == "ACTIVATED"
    glue.stop_trigger(Name=trigger)
    assert trigger in glue.list_triggers()["TriggerNames"]
    glue.delete_trigger(Name=trigger)
    assert refusal(glue.create_trigger, Name=trigger, Type="EVENT", Actions=[{"JobName": job}]) == "InvalidInputException"


def test_tags(glue, database):
    arn = f"arn:aws:glue:eu-central-1:111111111111:database/{database}"
    glue.tag_resource(ResourceArn=arn, TagsToAdd={"a": "1", "b": "2"})
    glue.untag_resource(ResourceArn=arn, TagsToRemove=["a"])
    assert glue.get_tags(ResourceArn=arn)["Tags"] == {"b": "2"}


def test_the_command_line(node, unique):
    name = unique("cli").replace("-", "_")
    node.aws("glue", "create-database", "--database-input", json.dumps({"Name": name}))
    listed = json.loads(node.aws("glue", "get-databases"))
    assert name in [d["Name"] for d in listed["DatabaseList"]]
    node.aws("glue", "delete-database", "--name", name)
