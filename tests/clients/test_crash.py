"""kill -9 at random moments under load, and a disk that fills up: what was acknowledged stays, once.

Two kinds of producers write all the while. *Careful* ones are SDKs as they come: they retry, so their records must be
in the table exactly once. *Hasty* ones never retry: a call that breaks leaves its records ambiguous; they are counted
apart and must be in the table at most once.
"""

import json
import os
import random
import threading
import time

import botocore.exceptions
import pytest

import pipelines
from conftest import eventually

STREAM, DELIVERY, BUCKET, DATABASE, TABLE = "payments", "payments-to-lake", "chaos-lake", "chaos", "payments"
RESULTS = f"s3://{BUCKET}/results/"
BATCH = 25
SHARDS = 2


class Books:
    """What producers know: which ids were acknowledged, which may or may not be stored."""

    def __init__(self):
        self.lock = threading.Lock()
        self.next = 0
        self.acknowledged = set()
        self.ambiguous = set()

    def take(self, count):
        with self.lock:
            ids = range(self.next, self.next + count)
            self.next += count
            return ids

    def acknowledge(self, ids):
        with self.lock:
            self.acknowledged.update(ids)

    def doubt(self, ids):
        with self.lock:
            self.ambiguous.update(ids)

    def snapshot(self):
        with self.lock:
            return set(self.acknowledged), set(self.ambiguous)


class Producer(threading.Thread):
    """Puts records until told to stop."""

    def __init__(self, node, books, careful):
        super().__init__(daemon=True)
        attempts = 12 if careful else 1
        retries = {"max_attempts": attempts, "mode": "standard"}
        self.kinesis = node.client("kinesis", retries=retries, connect_timeout=2, read_timeout=10)
        self.books, self.stopping, self.failure = books, threading.Event(), None

    def run(self):
        try:
            while not self.stopping.is_set():
                self.put(list(self.books.take(BATCH)))
        except Exception as error:  # shown by the test, which joins this thread
            self.failure = error

    def put(self, ids):
        records = [
            {"Data": json.dumps({"id": i, "day": f"{i % 7 + 1:02}", "note": "x" * 150}), "PartitionKey": str(i)}
            for i in ids
        ]
        try:
            answer = self.kinesis.put_records(StreamName=STREAM, Records=records)
        except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError):
            self.books.doubt(ids)
            self.stopping.wait(0.02)
            return
        outcomes = zip(ids, answer["Records"], strict=True)
        self.books.acknowledge(i for i, outcome in outcomes if "ErrorCode" not in outcome)


class Reader:
    """Reads every shard on from where it was, across restarts of the node."""

    def __init__(self):
        self.after = {}
        self.seen = {}

    def catch_up(self, node):
        kinesis = node.client("kinesis")
        for shard in kinesis.list_shards(StreamName=STREAM)["Shards"]:
            name = shard["ShardId"]
            start = {"ShardIteratorType": "TRIM_HORIZON"}
            if name in self.after:
                start = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": self.after[name]}
            iterator = kinesis.get_shard_iterator(StreamName=STREAM, ShardId=name, **start)["ShardIterator"]
            while True:
                answer = kinesis.get_records(ShardIterator=iterator, Limit=10_000)
                for record in answer["Records"]:
                    number = json.loads(record["Data"])["id"]
                    self.seen[number] = self.seen.get(number, 0) + 1
                    self.after[name] = record["SequenceNumber"]
                if not answer["Records"] and answer["MillisBehindLatest"] == 0:
                    break
                iterator = answer["NextShardIterator"]


def build(node):
    node.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    arn = pipelines.create_stream(node, STREAM, shards=SHARDS)
    columns = {"id": "bigint", "note": "string"}
    pipelines.create_table(node, DATABASE, TABLE, f"s3://{BUCKET}/payments/", columns, {"day": "string"})
    pipelines.create_delivery(
        node, DELIVERY, arn, BUCKET, DATABASE, TABLE,
        prefix="payments/day=!{partitionKeyFromQuery:day}/", partition_query="{day:.day}",
    )


def check_all(node, books):
    """Every acknowledged id is in the table exactly once, and the audit agrees."""
    acknowledged, ambiguous = books.snapshot()
    pipelines.until_delivered(node, DELIVERY, len(acknowledged), seconds=180)
    rows = pipelines.select(node, f"SELECT id FROM {TABLE}", DATABASE, RESULTS)
    counts = {}
    for row in rows:
        counts[int(row["id"])] = counts.get(int(row["id"]), 0) + 1
    lost = sorted(acknowledged - counts.keys())
    doubled = sorted(i for i, count in counts.items() if count > 1)
    unknown = sorted(counts.keys() - acknowledged - ambiguous)
    print(
        f"acknowledged {len(acknowledged)}, ambiguous {len(ambiguous)} of which stored "
        f"{len(ambiguous & counts.keys())}, in the table {len(counts)}"
    )
    assert not lost and not doubled and not unknown, (lost[:10], doubled[:10], unknown[:10])
    audit = node.headwater("audit", "--json", check=False)
    assert audit.returncode == 0, audit.stdout + audit.stderr
    verdicts = {d["name"]: d["balanced"] for d in json.loads(audit.stdout)["deliveries"]}
    assert verdicts[DELIVERY] is True


def survive(start_node, kills, seed, tmp_path):
    moments = random.Random(seed)
    node = start_node(data=tmp_path / "data")
    build(node)
    books, reader = Books(), Reader()
    producers = [Producer(node, books, careful) for careful in (True, True, False, False)]
    for producer in producers:
        producer.start()
    try:
        for kill in range(kills):
            time.sleep(moments.uniform(0.05, 1.5))
            before, _ = books.snapshot()
            node.kill()
            node.start()
            reader.catch_up(node)
            missing = before - reader.seen.keys()
            assert not missing, f"after kill {kill} (seed {seed}): {len(missing)} acknowledged records unreadable"
    finally:
        for producer in producers:
            producer.stopping.set()
        for producer in producers:
            producer.join(timeout=60)
    assert [producer.failure for producer in producers] == [None] * len(producers)
    reader.catch_up(node)
    twice = [number for number, count in reader.seen.items() if count > 1]
    assert not twice, f"{len(twice)} records are in the stream twice (seed {seed}): {twice[:10]}"
    check_all(node, books)


@pytest.mark.timeout(600)
def test_kill_nine_a_few_times(start_node, tmp_path, request):
    seed = request.config.getoption("--chaos-seed") or 20260302
    survive(start_node, min(request.config.getoption("--chaos-kills"), 5), seed, tmp_path)


@pytest.mark.chaos
@pytest.mark.timeout(3600)
def test_kill_nine_many_times(start_node, tmp_path, request):
    seed = request.config.getoption("--chaos-seed") or random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}: repeat with --chaos-seed {seed}")
    survive(start_node, request.config.getoption("--chaos-kills"), seed, tmp_path)


@pytest.mark.timeout(300)
def test_a_full_disk_refuses_and_recovers(start_node, small_disk):
    node = start_node(data=small_disk / "data")
    build(node)
    books = Books()
    producer = Producer(node, books, careful=False)
    producer.put(list(books.take(BATCH)))
    acknowledged, _ = books.snapshot()
    assert len(acknowledged) == BATCH

    ballast = small_disk / "ballast"
    free = os.statvfs(small_disk)
    with open(ballast, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - (1 << 20))

    def is_refused():
        before, _ = books.snapshot()
        producer.put(list(books.take(BATCH)))
        after, _ = books.snapshot()
        return len(before) == len(after)

    eventually(is_refused, 60, every=0.1, what="a put being refused on a full disk")
    assert node.process.poll() is None, node.tail()
    reader = Reader()
    reader.catch_up(node)
    assert books.snapshot()[0] <= reader.seen.keys()

    ballast.unlink()
    eventually(lambda: not is_refused(), 60, every=0.1, what="a put being accepted again")
    assert node.process.poll() is None, node.tail()
    check_all(node, books)
    node.stop()
