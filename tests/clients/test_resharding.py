"""Shards that split and merge while records flow, also through kill -9: lineage stays consistent, no record is lost,
doubled or moved, and every key's records are in the order they were put."""

import json
import random
import threading
import time

import botocore.exceptions
import pytest

import pipelines
from conftest import eventually

RING = 2**128


def shards_of(kinesis, stream, **arguments):
    pages = kinesis.get_paginator("list_shards").paginate(StreamName=stream, **arguments)
    return [shard for page in pages for shard in page["Shards"]]


def is_open(shard):
    return "EndingSequenceNumber" not in shard["SequenceNumberRange"]


def edges(shard):
    return int(shard["HashKeyRange"]["StartingHashKey"]), int(shard["HashKeyRange"]["EndingHashKey"])


def parents(shard):
    return [shard[name] for name in ("ParentShardId", "AdjacentParentShardId") if name in shard]


def check_lineage(shards):
    """What holds of every stream at any time."""
    by_id = {shard["ShardId"]: shard for shard in shards}
    ranges = sorted(edges(shard) for shard in shards if is_open(shard))
    assert ranges[0][0] == 0 and ranges[-1][1] == RING - 1
    assert all(a[1] + 1 == b[0] for a, b in zip(ranges, ranges[1:]))
    for shard in shards:
        children = [other for other in shards if shard["ShardId"] in parents(other)]
        assert is_open(shard) == (not children), shard
        for parent in parents(shard):
            parent = by_id[parent]
            start = int(shard["SequenceNumberRange"]["StartingSequenceNumber"])
            assert start > int(parent["SequenceNumberRange"]["EndingSequenceNumber"]), "a child's numbers are greater"
            assert edges(parent)[0] <= edges(shard)[1] and edges(shard)[0] <= edges(parent)[1]
        if len(parents(shard)) == 2:
            low, high = (edges(by_id[parent]) for parent in parents(shard))
            assert (low[0], high[1]) == edges(shard) and low[1] + 1 == high[0]


def read_by_lineage(kinesis, stream):
    """Every record, as a consumer reads that follows ChildShards: children after their parents."""
    listed = shards_of(kinesis, stream)
    todo = {shard["ShardId"]: parents(shard) for shard in listed}
    ended, records = set(), []
    while todo:
        ready = [shard for shard, before in todo.items() if all(p in ended or p not in todo for p in before)]
        assert ready, f"lineage goes in circles: {todo}"
        for shard in ready:
            del todo[shard]
            ended.add(shard)
            iterator = kinesis.get_shard_iterator(
                StreamName=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            while iterator:
                answer = kinesis.get_records(ShardIterator=iterator, Limit=1000)
                records += [(shard, record) for record in answer["Records"]]
                iterator = answer.get("NextShardIterator")
                assert bool(iterator) != bool(answer.get("ChildShards")), "one of both, never both or neither"
                for child in answer.get("ChildShards", []):
                    assert shard in child["ParentShards"]
                if iterator and answer["MillisBehindLatest"] == 0:
                    break
    return records


class Producer(threading.Thread):
    """Puts numbered records of a few keys, each key in order, until told to stop."""

    def __init__(self, node, stream, name):
        super().__init__(daemon=True)
        self.kinesis = node.client("kinesis", retries={"max_attempts": 12, "mode": "standard"}, connect_timeout=2)
        self.stream, self.name_of_mine, self.told, self.failure = stream, name, {}, None
        self.stopping = threading.Event()

    def run(self):
        number = 0
        try:
            while not self.stopping.is_set():
                records = [
                    {"Data": f"{self.name_of_mine} {number + i}".encode(), "PartitionKey": f"{self.name_of_mine}-{(number + i) % 5}"}
                    for i in range(20)
                ]
                answer = self.kinesis.put_records(StreamName=self.stream, Records=records)
                assert answer["FailedRecordCount"] == 0, answer
                for record, placed in zip(records, answer["Records"], strict=True):
                    self.told[record["Data"]] = (placed["ShardId"], placed["SequenceNumber"])
                number += 20
        except Exception as error:  # shown by the test, which joins this thread
            self.failure = error


def reshard_at_random(kinesis, stream, chance):
    """One change of the shards. Whether it happened shows in the listing, not in the answer: that may be lost."""
    now = sorted((shard for shard in shards_of(kinesis, stream) if is_open(shard)), key=edges)
    what = chance.random()
    if what < 0.4 and len(now) < 12:
        low, high = edges(shard := chance.choice(now))
        if high - low > 10:
            at = chance.randrange(low + 2, high)
            kinesis.split_shard(StreamName=stream, ShardToSplit=shard["ShardId"], NewStartingHashKey=str(at))
    elif what < 0.8 and len(now) > 1:
        at = chance.randrange(len(now) - 1)
        first, second = now[at]["ShardId"], now[at + 1]["ShardId"]
        kinesis.merge_shards(StreamName=stream, ShardToMerge=first, AdjacentShardToMerge=second)
    else:
        target = chance.randint((len(now) + 1) // 2, min(2 * len(now), 12))
        kinesis.update_shard_count(StreamName=stream, TargetShardCount=target, ScalingType="UNIFORM_SCALING")


def check_records(kinesis, stream, told):
    records = read_by_lineage(kinesis, stream)
    found = {}
    newest = {}
    for shard, record in records:
        data = record["Data"]
        assert data not in found, f"{data} is in {found.get(data)} and {shard}"
        found[data] = (shard, record["SequenceNumber"])
        number = int(data.split()[1])
        assert newest.get(record["PartitionKey"], -1) < number, f"{record['PartitionKey']} is out of order at {number}"
        newest[record["PartitionKey"]] = number
    lost = told.keys() - found.keys()
    moved = [data for data in told if found.get(data) not in (None, told[data])]
    assert not lost and not moved, (len(lost), moved[:5])
    return len(found)


@pytest.mark.timeout(300)
def test_records_flow_while_shards_change(node, unique):
    kinesis = node.client("kinesis")
    stream = unique("reshard")
    kinesis.create_stream(StreamName=stream, ShardCount=2)
    producers = [Producer(node, stream, name) for name in ("a", "b")]
    for producer in producers:
        producer.start()
    chance = random.Random(7)
    try:
        for _ in range(25):
            try:
                reshard_at_random(kinesis, stream, chance)
            except botocore.exceptions.ClientError as refused:
                assert refused.response["Error"]["Code"] == "LimitExceededException", refused
    finally:
        for producer in producers:
            producer.stopping.set()
        for producer in producers:
            producer.join(timeout=60)
    assert [producer.failure for producer in producers] == [None, None]
    shards = shards_of(kinesis, stream)
    check_lineage(shards)
    told = {**producers[0].told, **producers[1].told}
    assert check_records(kinesis, stream, told) == len(told)
    assert len({shard for shard, _ in told.values()}) > 4, "records went to many shards"
    kinesis.delete_stream(StreamName=stream)


@pytest.mark.timeout(600)
def test_kill_nine_while_resharding(start_node, tmp_path, request):
    seed = request.config.getoption("--chaos-seed") or 20260707
    chance = random.Random(seed)
    node = start_node(data=tmp_path / "data")
    kinesis = node.client("kinesis", retries={"max_attempts": 12, "mode": "standard"}, connect_timeout=2)
    stream = "chaos"
    kinesis.create_stream(StreamName=stream, ShardCount=2)
    producer = Producer(node, stream, "p")
    producer.start()
    stopping = threading.Event()

    def reshard():
        mine = random.Random(seed + 1)
        hasty = node.client("kinesis", retries={"max_attempts": 1}, connect_timeout=1, read_timeout=5)
        while not stopping.is_set():
            try:
                reshard_at_random(hasty, stream, mine)
            except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError):
                stopping.wait(0.02)

    resharder = threading.Thread(target=reshard, daemon=True)
    resharder.start()
    try:
        for kill in range(min(request.config.getoption("--chaos-kills"), 5)):
            time.sleep(chance.uniform(0.2, 1.0))
            before = dict(producer.told)
            node.kill()
            node.start()
            check_lineage(shards_of(kinesis, stream))
            found = {record["Data"] for _, record in read_by_lineage(kinesis, stream)}
            missing = before.keys() - found
            assert not missing, f"after kill {kill} (seed {seed}): {len(missing)} acknowledged records are gone"
    finally:
        stopping.set()
        producer.stopping.set()
        resharder.join(timeout=60)
        producer.join(timeout=60)
    assert producer.failure is None
    shards = shards_of(kinesis, stream)
    check_lineage(shards)
    count = check_records(kinesis, stream, producer.told)
    print(f"{count} records in {len(shards)} shards, seed {seed}")


@pytest.mark.timeout(300)
def test_a_resharded_stream_is_delivered_once(node, unique):
    kinesis = node.client("kinesis")
    stream, delivery, bucket = unique("reshard"), unique("delivery"), unique("lake")
    database, table = unique("db").replace("-", "_"), "records"
    node.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    arn = pipelines.create_stream(node, stream, shards=1)
    pipelines.create_table(node, database, table, f"s3://{bucket}/records/", {"id": "bigint"}, {"day": "string"})
    pipelines.create_delivery(
        node, delivery, arn, bucket, database, table,
        prefix="records/day=!{partitionKeyFromQuery:day}/", partition_query="{day:.day}",
    )
    number = 0

    def put(count):
        nonlocal number
        records = [
            {"Data": json.dumps({"id": number + i, "day": f"{i % 3}"}), "PartitionKey": str(number + i)}
            for i in range(count)
        ]
        assert kinesis.put_records(StreamName=stream, Records=records)["FailedRecordCount"] == 0
        number += count

    put(100)
    kinesis.update_shard_count(StreamName=stream, TargetShardCount=2, ScalingType="UNIFORM_SCALING")
    put(100)
    kinesis.update_shard_count(StreamName=stream, TargetShardCount=3, ScalingType="UNIFORM_SCALING")
    put(100)
    now = sorted((s for s in shards_of(kinesis, stream) if is_open(s)), key=edges)
    kinesis.merge_shards(
        StreamName=stream, ShardToMerge=now[0]["ShardId"], AdjacentShardToMerge=now[1]["ShardId"]
    )
    put(100)
    pipelines.until_delivered(node, delivery, 400, seconds=120)
    rows = pipelines.select(node, f"SELECT id FROM {table}", database, f"s3://{bucket}/results/")
    assert sorted(int(row["id"]) for row in rows) == list(range(400))
    audit = json.loads(node.headwater("audit", "--json", check=False).stdout)
    mine = next(d for d in audit["deliveries"] if d["name"] == delivery)
    assert mine["balanced"] and len(mine["shards"]) >= 7, mine


def test_the_command_line_follows_children(node, unique):
    kinesis = node.client("kinesis")
    stream = unique("tail")
    kinesis.create_stream(StreamName=stream, ShardCount=1)
    kinesis.put_record(StreamName=stream, Data=b"one", PartitionKey="k")
    kinesis.split_shard(StreamName=stream, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(RING // 2))
    for data in (b"two", b"three"):
        kinesis.put_record(StreamName=stream, Data=data, PartitionKey="k")
    kinesis.merge_shards(
        StreamName=stream, ShardToMerge="shardId-000000000001", AdjacentShardToMerge="shardId-000000000002"
    )
    kinesis.put_record(StreamName=stream, Data=b"four", PartitionKey="k")
    assert node.headwater("tail", stream, "--from-start", "--records", "4").split() == ["one", "two", "three", "four"]
    lines = node.headwater("tail", stream, "--since", "1h", "--records", "4", "--json").splitlines()
    shown = [json.loads(line) for line in lines]
    assert [line["data"] for line in shown] == ["one", "two", "three", "four"]
    assert shown[0]["shard"] == "shardId-000000000000" and shown[3]["shard"] == "shardId-000000000003"
    listed = json.loads(node.headwater("streams", "--json"))["streams"]
    mine = next(s for s in listed if s["name"] == stream)
    assert (mine["open_shards"], mine["closed_shards"], mine["records_taken"]) == (1, 3, 4)
    assert stream in node.headwater("streams")
    kinesis.delete_stream(StreamName=stream)


def test_waiting_readers_see_the_end_soon(node, unique):
    """A consumer at the tip of a shard learns of the children with its next call."""
    kinesis = node.client("kinesis")
    stream = unique("tip")
    kinesis.create_stream(StreamName=stream, ShardCount=1)
    iterator = kinesis.get_shard_iterator(
        StreamName=stream, ShardId="shardId-000000000000", ShardIteratorType="LATEST"
    )["ShardIterator"]
    answer = kinesis.get_records(ShardIterator=iterator)
    assert answer["NextShardIterator"] and "ChildShards" not in answer
    kinesis.update_shard_count(StreamName=stream, TargetShardCount=2, ScalingType="UNIFORM_SCALING")
    answer = kinesis.get_records(ShardIterator=answer["NextShardIterator"])
    assert "NextShardIterator" not in answer
    children = answer["ChildShards"]
    assert [child["ParentShards"] for child in children] == [["shardId-000000000000"]] * 2
    eventually(
        lambda: kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE",
        5, what="the stream being ACTIVE",
    )
    kinesis.delete_stream(StreamName=stream)
