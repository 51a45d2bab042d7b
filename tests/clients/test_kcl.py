"""The Kinesis Client Library for real: a Java application (kcl/) on a stream of this node, with polling and with enhanced
fan-out, over a split and a merge, a worker killed on the way; and the Python library, which an older KCL drives.

Needs Java 17 and Maven; without them the tests are skipped with a warning that says so. `make chaos` runs them with 100,000 records.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
import warnings
from pathlib import Path

import pytest
from aws_kinesis_agg import aggregator
from conftest import REGION, eventually

KCL = Path(__file__).resolve().parent / "kcl"
RECORDS = 4_000
RECORDS_OF_CHAOS = 100_000
#: A JVM with room for a worker, on a machine that has to carry several.
JAVA_OPTIONS = ["-Xmx320m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
SECONDS_MAX = 150


@pytest.fixture(scope="session")
def application():
    """The class path of the application, built by Maven once."""
    missing = [tool for tool in ("java", "mvn") if shutil.which(tool) is None]
    if missing:
        warnings.warn(f"KCL IS NOT TESTED: {' and '.join(missing)} not installed", stacklevel=1)
        pytest.skip(f"KCL is not tested: {' and '.join(missing)} not installed")
    classes, listing = KCL / "target/classes", KCL / "target/classpath"
    newest = max(path.stat().st_mtime for path in [KCL / "pom.xml", *KCL.glob("src/**/*.java")])
    if not listing.is_file() or listing.stat().st_mtime < newest:
        built = subprocess.run(["mvn", "-q", "-B", "package"], cwd=KCL, capture_output=True, text=True, timeout=600)
        assert built.returncode == 0, built.stdout + built.stderr
        os.utime(listing)
    return f"{classes}:{listing.read_text().strip()}"


@pytest.fixture(scope="session")
def python_library(application):
    """The folder of amazon_kclpy, whose own installer fetches its jars from Maven."""
    folder = KCL / "target/kclpy"
    if not (folder / "amazon_kclpy/jars").is_dir():
        # Newer ones name jars that are not in every mirror of Maven Central.
        wanted = ["amazon_kclpy==3.1.2", "setuptools"]
        done = subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--target", folder,
                               *wanted], capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr
    return folder


class Worker:
    """A process of the application and what it wrote."""

    def __init__(self, node, classpath, stream, application, name, mode, folder):
        self.name, self.file, self.log = name, folder / f"{name}.txt", folder / f"{name}.log"
        command = ["java", *JAVA_OPTIONS, "-cp", classpath, "headwater.Consumer", node.endpoint, stream, application, name,
                   mode, str(self.file)]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, env=node.environment(), stdout=log, stderr=log)

    def lines(self):
        if not self.file.exists():
            assert self.process.poll() is None, f"{self.name} ended:\n{self.tail()}"
            return []
        # A killed worker may leave half a line.
        return [line.split() for line in self.file.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def records(self):
        """(shard, sequence number, data), in the order they were processed."""
        return [tuple(words[1:4]) for words in self.lines() if words[0] == "record"]

    def shards(self, what):
        return [words[1] for words in self.lines() if words[0] == what]

    def tail(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def workers(node, application, tmp_path):
    """`workers(stream, application, name, mode)` starts one; all are killed at the end."""
    started = []

    def start(stream, app, name, mode):
        started.append(Worker(node, application, stream, app, name, mode, tmp_path))
        return started[-1]

    yield start
    for worker in started:
        worker.kill()


class Producer(threading.Thread):
    """Puts numbered records, `count` of them, as it is allowed to by `go`."""

    def __init__(self, kinesis, stream, count):
        super().__init__(daemon=True)
        self.kinesis, self.stream, self.count, self.put = kinesis, stream, count, 0
        self.go = threading.Semaphore(0)

    def run(self):
        for start in range(0, self.count, 500):
            self.go.acquire()
            entries = [{"Data": b"%d" % n, "PartitionKey": str(n)} for n in range(start, min(start + 500, self.count))]
            while entries:
                answer = self.kinesis.put_records(StreamName=self.stream, Records=entries)
                entries = [entry for entry, result in zip(entries, answer["Records"], strict=True) if "ErrorCode" in result]
            self.put = min(start + 500, self.count)

    def allow(self, part):
        """Lets the next `part` (of 1) of all records out."""
        for _ in range(round(part * -(-self.count // 500))):
            self.go.release()


def make_stream(kinesis, name, shards=2):
    kinesis.create_stream(StreamName=name, ShardCount=shards)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})


def settled(kinesis, stream):
    summary = kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]
    return summary["StreamStatus"] == "ACTIVE"


def seen(workers):
    return {data for worker in workers for _, _, data in worker.records()}


def check_each_once(workers, count):
    """Every record was processed; each worker processed each of its records once, in the order of its shard."""
    assert seen(workers) == {str(n) for n in range(count)}
    for worker in workers:
        records = worker.records()
        data = [data for _, _, data in records]
        assert len(data) == len(set(data)), f"{worker.name} processed a record twice"
        for shard in {shard for shard, _, _ in records}:
            numbers = [int(number) for own, number, _ in records if own == shard]
            assert numbers == sorted(numbers), f"{worker.name} processed {shard} out of order"


def resharded(kinesis, stream, producer):
    """Splits a shard, then merges two, while records come."""
    first, second = [shard["ShardId"] for shard in kinesis.list_shards(StreamName=stream)["Shards"]]
    half = kinesis.list_shards(StreamName=stream)["Shards"][0]["HashKeyRange"]
    middle = (int(half["StartingHashKey"]) + int(half["EndingHashKey"]) + 1) // 2
    kinesis.split_shard(StreamName=stream, ShardToSplit=first, NewStartingHashKey=str(middle))
    eventually(lambda: settled(kinesis, stream), what="the split")
    producer.allow(0.25)
    eventually(lambda: producer.put >= producer.count // 2, what="puts into the split stream")
    children = [shard for shard in kinesis.list_shards(StreamName=stream)["Shards"] if shard.get("ParentShardId") == first]
    upper = max(children, key=lambda shard: int(shard["HashKeyRange"]["StartingHashKey"]))
    kinesis.merge_shards(StreamName=stream, ShardToMerge=upper["ShardId"], AdjacentShardToMerge=second)
    eventually(lambda: settled(kinesis, stream), what="the merge")
    return {first, second, upper["ShardId"]}


@pytest.mark.parametrize("mode", ["polling", "fanout"])
def test_a_consumer_over_a_split_a_merge_and_a_killed_worker(client, workers, unique, mode):
    run_a_consumer(client("kinesis"), workers, unique("stream"), unique("app"), mode, RECORDS)


@pytest.mark.chaos
@pytest.mark.parametrize("mode", ["polling", "fanout"])
def test_a_consumer_of_100_000_records(client, workers, unique, mode):
    run_a_consumer(client("kinesis"), workers, unique("stream"), unique("app"), mode, RECORDS_OF_CHAOS)


def run_a_consumer(kinesis, workers, stream, app, mode, count):
    make_stream(kinesis, stream)
    producer = Producer(kinesis, stream, count)
    producer.start()
    producer.allow(0.25)
    first = workers(stream, app, "first", mode)
    eventually(lambda: len(first.records()) >= count // 8, SECONDS_MAX, what=f"records at the first worker\n{first.tail()}")
    closed = resharded(kinesis, stream, producer)
    eventually(lambda: seen([first]) >= {str(n) for n in range(count // 2)}, SECONDS_MAX,
               what=f"half of the records\n{first.tail()}")
    # A checkpoint follows each batch: once the parents' ends are checkpointed, their children have begun.
    eventually(lambda: closed <= set(first.shards("ended")), SECONDS_MAX, what=f"the ends of {closed}")
    first.kill()
    producer.allow(0.5)
    second = workers(stream, app, "second", mode)
    everything = {str(n) for n in range(count)}
    eventually(lambda: seen([first, second]) == everything, SECONDS_MAX, what=f"all records\n{second.tail()}")
    second.stop()
    check_each_once([first, second], count)
    # Checkpoints survived: the second worker did not begin again with shards that the first had finished, nor with what
    # was checkpointed long before the kill.
    assert not closed & set(second.shards("began")), "a finished shard was begun again"
    again = {data for _, _, data in first.records()} & {data for _, _, data in second.records()}
    assert len(again) <= count // 4, f"{len(again)} records were processed by both workers"


def test_the_python_library(node, client, python_library, unique, tmp_path):
    """amazon_kclpy and its MultiLangDaemon; records that a producer library aggregated are taken apart by it."""
    kinesis, stream, app = client("kinesis"), unique("stream"), unique("app")
    make_stream(kinesis, stream)
    maker = aggregator.RecordAggregator()
    for n in range(500, 600):
        maker.add_user_record(str(n), b"%d" % n)
    key, hash_key, data = maker.clear_and_get().get_contents()
    kinesis.put_record(StreamName=stream, Data=data, PartitionKey=key, ExplicitHashKey=hash_key or "0")
    producer = Producer(kinesis, stream, 500)
    producer.start()
    producer.allow(1)
    processed = tmp_path / "processed"
    (tmp_path / "kcl.properties").write_text(
        f"executableName = {sys.executable} {KCL / 'processor.py'}\n"
        f"streamName = {stream}\napplicationName = {app}\nregionName = {REGION}\n"
        "AwsCredentialsProvider = DefaultCredentialsProvider\nprocessingLanguage = python/3\n"
        "initialPositionInStream = TRIM_HORIZON\nretrievalMode = POLLING\n"
        "idleTimeBetweenReadsInMillis = 200\nfailoverTimeMillis = 3000\n"
        f"kinesisEndpoint = {node.endpoint}\ndynamoDBEndpoint = {node.endpoint}\n"
    )
    jars = ":".join(map(str, (python_library / "amazon_kclpy/jars").glob("*.jar")))
    environment = node.environment() | {"PROCESSED": str(processed), "PYTHONPATH": str(python_library)}
    log = tmp_path / "daemon.log"
    with open(log, "wb") as out:
        daemon = subprocess.Popen(
            ["java", *JAVA_OPTIONS, "-cp", f"{tmp_path}:{jars}", "software.amazon.kinesis.multilang.MultiLangDaemon",
             "--properties-file", "kcl.properties"], env=environment, stdout=out, stderr=out)

    def records():
        assert daemon.poll() is None, log.read_text()[-3000:]
        files = tmp_path.glob("processed.*")
        return [line.split()[-1] for file in files for line in file.read_text().splitlines() if line.startswith("record")]

    try:
        everything = {str(n) for n in range(600)}
        eventually(lambda: set(records()) == everything, SECONDS_MAX, what="all records")
        assert len(records()) == 600
    finally:
        daemon.terminate()
        try:
            daemon.wait(timeout=20)
        except subprocess.TimeoutExpired:
            daemon.kill()


def test_its_leases_and_metrics_are_here(node, client, workers, unique):
    """What the library keeps is where it can be looked at."""
    kinesis, stream, app = client("kinesis"), unique("stream"), unique("app")
    make_stream(kinesis, stream)
    worker = workers(stream, app, "only", "polling")
    kinesis.put_record(StreamName=stream, Data=b"x", PartitionKey="k")
    eventually(lambda: worker.records(), SECONDS_MAX, what=f"the record\n{worker.tail()}")
    dynamodb = client("dynamodb")
    leases = dynamodb.scan(TableName=app)["Items"]
    owners = {item["leaseKey"]["S"]: item.get("leaseOwner", {}).get("S") for item in leases if "shardId" in item["leaseKey"]["S"]}
    assert owners == {"shardId-000000000000": "only", "shardId-000000000001": "only"}

    def published():
        with urllib.request.urlopen(f"{node.endpoint}/_headwater/metrics") as page:
            return any("headwater_published_sum" in line and app in line for line in page.read().decode().splitlines())

    eventually(published, 30, what="published metrics")
    worker.stop()
    assert worker.process.returncode is not None
    started = time.monotonic()
    eventually(lambda: worker.process.poll() is not None, 5)
    assert time.monotonic() - started < 5
