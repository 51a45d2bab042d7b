"""kill -9 at random moments while versions of few keys are written and deleted: no acknowledged version is lost,
none is half there, and once the node has swept no body is left that nothing names.
"""

import hashlib
import json
import random
import threading
import time

import botocore.exceptions
import pytest
from conftest import eventually

BUCKET = "versioned-chaos"
KEYS = ("a", "b", "hot")
LARGE = 200_000


def text(number):
    """The body of one put: says which it is, and how it goes on. Every third is too large to lie in a fact."""
    size = LARGE + number if number % 3 == 0 else 40
    seed = f"{number}:{hashlib.sha256(str(number).encode()).hexdigest()}|".encode()
    return (seed * (size // len(seed) + 1))[:size]


class Books:
    """What writers know of each version."""

    def __init__(self):
        self.lock = threading.Lock()
        self.next = 0
        self.put = {}
        self.deleted = set()
        self.doubtful = set()

    def take(self):
        with self.lock:
            self.next += 1
            return self.next

    def pick(self, moments):
        """A version to delete; from now on it may or may not be there."""
        with self.lock:
            left = [version for version in self.put if version not in self.deleted | self.doubtful]
            if len(left) < 20:
                return None
            version = moments.choice(left)
            self.doubtful.add(version)
            return version

    def settle(self, version):
        with self.lock:
            self.doubtful.discard(version)
            self.deleted.add(version)

    def snapshot(self):
        with self.lock:
            return dict(self.put), set(self.deleted), set(self.doubtful)


class Writer(threading.Thread):
    """Puts, deletes and removes versions until told to stop. A call that breaks is not repeated."""

    def __init__(self, node, books, seed):
        super().__init__(daemon=True)
        self.s3 = node.client("s3", retries={"max_attempts": 1, "mode": "standard"}, connect_timeout=2)
        self.books, self.moments = books, random.Random(seed)
        self.stopping, self.failure = threading.Event(), None

    def run(self):
        while not self.stopping.is_set():
            try:
                self.step()
            except botocore.exceptions.BotoCoreError:
                # The node was killed under the call.
                self.stopping.wait(0.02)
            except botocore.exceptions.ClientError as error:
                if error.response["Error"]["Code"] != "ServiceUnavailable":
                    self.failure = error
                    return

    def step(self):
        key, dice = self.moments.choice(KEYS), self.moments.random()
        if dice < 0.1:
            self.s3.delete_object(Bucket=BUCKET, Key=key)
            return
        if dice < 0.3:
            version = self.books.pick(self.moments)
            if version is not None:
                self.s3.delete_object(Bucket=BUCKET, Key=version[0], VersionId=version[1])
                self.books.settle(version)
            return
        number = self.books.take()
        answer = self.s3.put_object(Bucket=BUCKET, Key=key, Body=text(number))
        with self.books.lock:
            self.books.put[key, answer["VersionId"]] = number


def listed(s3):
    """Every version by (key, id): whether it is a marker and whether it is the latest."""
    found = {}
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=BUCKET):
        for row in page.get("Versions", []):
            found[row["Key"], row["VersionId"]] = (False, row["IsLatest"])
        for row in page.get("DeleteMarkers", []):
            found[row["Key"], row["VersionId"]] = (True, row["IsLatest"])
    return found


def check(s3, books_before, found):
    put, deleted, doubtful = books_before
    lost = put.keys() - deleted - doubtful - found.keys()
    assert not lost, f"{len(lost)} acknowledged versions are gone: {sorted(lost)[:3]}"
    back = deleted & found.keys()
    assert not back, f"{len(back)} deleted versions are back: {sorted(back)[:3]}"


def check_whole(s3, put, found):
    """Every version reads as it was put, acknowledged or not, and each key shows its newest."""
    for (key, version), (is_marker, is_latest) in found.items():
        if not is_marker:
            body = s3.get_object(Bucket=BUCKET, Key=key, VersionId=version)["Body"].read()
            number = int(body.split(b":")[0])
            assert body == text(number), f"{key} {version} is not what put {number} sent"
            assert put.get((key, version), number) == number
        if is_latest and is_marker:
            with pytest.raises(botocore.exceptions.ClientError):
                s3.head_object(Bucket=BUCKET, Key=key)
        elif is_latest:
            assert s3.head_object(Bucket=BUCKET, Key=key)["VersionId"] == version
    shown = {row["Key"] for row in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])}
    assert shown == {key for (key, _), (is_marker, is_latest) in found.items() if is_latest and not is_marker}
    latest = [key for (key, _), (_, is_latest) in found.items() if is_latest]
    assert len(latest) == len(set(latest)), "a key has two newest versions"


def survive(start_node, kills, seed, tmp_path):
    moments = random.Random(seed)
    node = start_node(data=tmp_path / "data")
    s3 = node.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    books = Books()
    writers = [Writer(node, books, seed + n) for n in range(8)]
    for writer in writers:
        writer.start()
    try:
        for _ in range(kills):
            time.sleep(moments.uniform(0.3, 1.5))
            before = books.snapshot()
            node.kill()
            node.start()
            # Writers go on meanwhile: what they delete now is no loss.
            found = listed(s3)
            put, _, _ = before
            _, deleted, doubtful = books.snapshot()
            check(s3, (put, before[1], deleted | doubtful), found)
    finally:
        for writer in writers:
            writer.stopping.set()
        for writer in writers:
            writer.join(timeout=60)
    assert [writer.failure for writer in writers] == [None] * len(writers)
    put, deleted, doubtful = books.snapshot()
    found = listed(s3)
    check(s3, (put, deleted, doubtful), found)
    check_whole(s3, put, found)
    print(f"acknowledged {len(put)}, deleted {len(deleted)}, in the bucket {len(found)} (seed {seed})")
    assert len(put) > 100, "the writers hardly wrote anything"

    # A large body each, and nothing else, once the sweep has been round.
    sizes = s3.get_paginator("list_object_versions").paginate(Bucket=BUCKET)
    large = sum(row["Size"] >= LARGE for page in sizes for row in page.get("Versions", []))
    blobs = node.data / "blobs"
    eventually(lambda: len(list(blobs.glob("??/*"))) == large, 60, what=f"{large} bodies being left")
    node.stop()
    verified = node.headwater("verify", "--data", str(node.data), "--json", check=False)
    report = json.loads(verified.stdout)
    assert verified.returncode == 0 and report["problems"] == [], verified.stdout + verified.stderr
    assert (report["bodies"], report["orphans"]) == (large, [])


@pytest.mark.timeout(600)
def test_versions_survive_a_few_kills(start_node, tmp_path, request):
    seed = request.config.getoption("--chaos-seed") or 20260717
    survive(start_node, min(request.config.getoption("--chaos-kills"), 4), seed, tmp_path)


@pytest.mark.chaos
@pytest.mark.timeout(3600)
def test_versions_survive_many_kills(start_node, tmp_path, request):
    seed = request.config.getoption("--chaos-seed") or random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}: repeat with --chaos-seed {seed}")
    survive(start_node, request.config.getoption("--chaos-kills"), seed, tmp_path)
