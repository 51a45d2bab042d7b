"""The Kinesis Client Library for real: a Java application (kcl/) on a stream of this node, with polling and with enhanced
fan-out, over a split and a merge, a worker killed on the way; and the Python library, which an older KCL drives.

Needs Java 17 and Maven; without them the tests are skipped with a warning that says so. `make chaos` runs them with 100,000 records.
"""

import os
import shutil
import subprocess
import sys
import threading
import urllib.request
import warnings
from pathlib import Path

import pytest
from aws_kinesis_agg import aggregator
from conftest import REGION, eventually

KCL = Path(__file__).resolve().parent / "kcl"
RECORDS = 4_000
RECORDS_OF_CHAOS = 100_000
#: How many records come as one, as a producer library puts them.
AGGREGATED = 100
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

    killed = False

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
        return [(words[1], words[2], words[-1]) for words in self.lines() if words[0] == "record"]

    def shards(self, what):
        return [words[1] for words in self.lines() if words[0] == what]

    def tail(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])

    def kill(self):
        """`kill -9`. The processes of the Python library notice that nobody speaks to them any more, and end."""
        self.killed = True
        self.process.kill()
        self.process.wait()


class PythonWorker(Worker):
    """amazon_kclpy: a daemon in Java and a Python process for each lease."""

    def __init__(self, node, library, stream, application, name, folder):
        self.name, self.folder, self.log = name, folder, folder / f"{name}.log"
        (folder / f"{name}.properties").write_text(
            f"executableName = {sys.executable} {KCL / 'processor.py'}\n"
            f"streamName = {stream}\napplicationName = {application}\nregionName = {REGION}\nworkerId = {name}\n"
            "AwsCredentialsProvider = DefaultCredentialsProvider\nprocessingLanguage = python/3\n"
            "initialPositionInStream = TRIM_HORIZON\nretrievalMode = POLLING\nparentShardPollIntervalMillis = 200\n"
            "idleTimeBetweenReadsInMillis = 200\nfailoverTimeMillis = 3000\n"
            f"kinesisEndpoint = {node.endpoint}\ndynamoDBEndpoint = {node.endpoint}\n"
        )
        jars = ":".join(map(str, (library / "amazon_kclpy/jars").glob("*.jar")))
        command = ["java", *JAVA_OPTIONS, "-cp", f"{folder}:{jars}", "software.amazon.kinesis.multilang.MultiLangDaemon",
                   "--properties-file", f"{name}.properties"]
        environment = node.environment() | {"PROCESSED": str(folder / name), "PYTHONPATH": str(library)}
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def lines(self):
        assert self.killed or self.process.poll() is None, f"{self.name} ended:\n{self.tail()}"
        texts = [path.read_text() for path in self.folder.glob(f"{self.name}.[0-9]*")]
        return [line.split() for text in texts for line in text.splitlines(keepends=True) if line.endswith("\n")]


@pytest.fixture
def workers(node, application, python_library, tmp_path):
    """`workers(stream, application, name, mode)` starts one ("python" is a mode, too); all are killed at the end."""
    started = []

    def start(stream, app, name, mode):
        if mode == "python":
            started.append(PythonWorker(node, python_library, stream, app, name, tmp_path))
        else:
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


def check_each_once(workers):
    """Each worker processed each of its records once, in the order of its shard."""
    for worker in workers:
        records = worker.records()
        data = [data for _, _, data in records]
        assert len(data) == len(set(data)), f"{worker.name} processed a record twice"
        for shard in {shard for shard, _, _ in records}:
            # User records of one aggregate have one number.
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


def aggregated(first, count):
    """Records `first` to `first + count` as a producer library puts them together: for one shard."""
    maker = aggregator.RecordAggregator()
    for n in range(first, first + count):
        maker.add_user_record(str(n), b"%d" % n, "1")
    key, hash_key, data = maker.clear_and_get().get_contents()
    return {"PartitionKey": key, "ExplicitHashKey": hash_key, "Data": data}


@pytest.mark.timeout(900)
def test_consumers_over_a_split_a_merge_and_killed_workers(node, client, workers, unique):
    """Three applications on one stream: KCL 3.5 with polling and with enhanced fan-out, and the Python library."""
    run_consumers(node, client, workers, unique, ["polling", "fanout", "python"], RECORDS)


@pytest.mark.chaos
@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", ["polling", "fanout", "python"])
def test_a_consumer_of_100_000_records(node, client, workers, unique, mode):
    run_consumers(node, client, workers, unique, [mode], RECORDS_OF_CHAOS)


def run_consumers(node, client, workers, unique, modes, count):
    kinesis, stream = client("kinesis"), unique("stream")
    apps = {mode: unique(mode) for mode in modes}
    make_stream(kinesis, stream)
    kinesis.put_record(StreamName=stream, **aggregated(count, AGGREGATED))
    producer = Producer(kinesis, stream, count)
    producer.start()
    producer.allow(0.25)
    first = {mode: workers(stream, app, f"{mode}-first", mode) for mode, app in apps.items()}
    for worker in first.values():
        eventually(lambda: len(worker.records()) >= count // 8, SECONDS_MAX, what=f"records at {worker.name}\n{worker.tail()}")
    closed = resharded(kinesis, stream, producer)
    half = {str(n) for n in [*range(count // 2), *range(count, count + AGGREGATED)]}
    for worker in first.values():
        eventually(lambda: seen([worker]) >= half, SECONDS_MAX, what=f"half of the records at {worker.name}\n{worker.tail()}")
        # The end of a shard is noted when it is checkpointed.
        eventually(lambda: closed <= set(worker.shards("ended")), SECONDS_MAX, what=f"the ends of {closed} at {worker.name}")
    check_leases(node, client("dynamodb"), first, apps, closed)
    second = {}
    for mode in modes:
        first[mode].kill()
        second[mode] = workers(stream, apps[mode], f"{mode}-second", mode)
    producer.allow(0.5)
    everything = {str(n) for n in range(count + AGGREGATED)}
    for mode in modes:
        group = [first[mode], second[mode]]
        eventually(lambda: seen(group) == everything, SECONDS_MAX, what=f"all records of {mode}\n{group[-1].tail()}")
        check_each_once(group)
        counts = ", ".join(f"{worker.name} {len(worker.records())}" for worker in group)
        print(f"{mode}: {count + AGGREGATED} records; processed: {counts}; shards ended: {len(closed)}")
    for mode, worker in second.items():
        # Checkpoints survived: the second worker did not begin again with shards that the first had finished, nor with
        # what was checkpointed long before the kill.
        assert not closed & set(worker.shards("began")), f"{mode}: a finished shard was begun again"
        again = seen([first[mode]]) & seen([worker])
        print(f"{mode}: {len(again)} records processed by both workers, after the kill of the first")
        assert len(again) <= count // 4, f"{mode}: {len(again)} records were processed by both workers"


def owned(dynamodb, app, closed):
    """Who owns the leases of shards that are not finished; none of the closed ones is among them."""
    leases = {item["leaseKey"]["S"]: item for item in dynamodb.scan(TableName=app)["Items"] if "checkpoint" in item}
    open_shards = {key for key, item in leases.items() if item["checkpoint"]["S"] != "SHARD_END"}
    assert not open_shards & closed, leases
    return {leases[key].get("leaseOwner", {}).get("S") for key in open_shards}


def check_leases(node, dynamodb, first, apps, closed):
    """What the library keeps is where it can be looked at: leases and metrics."""
    for mode, app in apps.items():
        # A child's lease is there before a worker takes it.
        eventually(lambda: owned(dynamodb, app, closed) == {first[mode].name}, SECONDS_MAX, what=f"the owner of the leases of {app}")

        def published():
            with urllib.request.urlopen(f"{node.endpoint}/_headwater/metrics") as page:
                return any("headwater_published_sum" in line and app in line for line in page.read().decode().splitlines())

        eventually(published, 60, what=f"published metrics of {app}")
