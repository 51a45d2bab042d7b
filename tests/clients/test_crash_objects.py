"""Objects under kill -9 and on a full disk: what was acknowledged stays, nothing is half visible, nothing is left behind."""

import os
import random
import subprocess

import botocore.exceptions
import pytest

import objectbooks
from conftest import BIN, eventually
from objectbooks import MIB, Books, Content, Writer, bytes_of, read

BUCKET = "chaos-objects"
LOCATION = {"LocationConstraint": "eu-central-1"}


def survive(start_node, kills, seed, tmp_path):
    node = start_node(data=tmp_path / "data")
    node.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=LOCATION)
    objectbooks.survive(node, BUCKET, Writer, kills, seed)


@pytest.mark.timeout(600)
def test_kill_nine_among_objects_a_few_times(start_node, tmp_path, request):
    seed = request.config.getoption("--chaos-seed") or 20261127
    survive(start_node, min(request.config.getoption("--chaos-kills"), 4), seed, tmp_path)


@pytest.mark.chaos
@pytest.mark.timeout(3600)
def test_kill_nine_among_objects_many_times(start_node, tmp_path, request):
    seed = request.config.getoption("--chaos-seed") or random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}: repeat with --chaos-seed {seed}")
    survive(start_node, request.config.getoption("--chaos-kills"), seed, tmp_path)


def refusal(call):
    """The code and status of what `call` is refused with; `None` when it is not."""
    try:
        call()
    except botocore.exceptions.ClientError as error:
        return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    return None


@pytest.mark.timeout(300)
def test_objects_on_a_full_disk(start_node, small_disk):
    node = start_node(data=small_disk / "data")
    s3 = node.client("s3", retries={"max_attempts": 0, "mode": "standard"})
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=LOCATION)
    books, sizes = Books(), {"inline": 5000, "blob": 2 * MIB}

    def put(key, size):
        body = bytes_of(key, size)
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        books.acknowledge(key, Content(body))

    for kind, size in sizes.items():
        put(f"{kind}/stays", size)
        put(f"{kind}/goes", size)

    ballast = small_disk / "ballast"
    free = os.statvfs(small_disk)
    with open(ballast, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - (1 << 20))

    for kind, size in sizes.items():
        refused = eventually(
            lambda: refusal(lambda: put(f"{kind}/refused", size)), 60, what=f"an {kind} put being refused"
        )
        assert refused == ("SlowDown", 503)
    assert node.process.poll() is None, node.tail()

    # Reads and deletes go on.
    for kind in sizes:
        assert read(s3, BUCKET, f"{kind}/stays") in books.may_be(f"{kind}/stays")
        s3.delete_object(Bucket=BUCKET, Key=f"{kind}/goes")
        books.acknowledge(f"{kind}/goes", None)
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=BUCKET)["Contents"] if "stays" in entry["Key"]]
    assert keys == ["blob/stays", "inline/stays"]

    ballast.unlink()
    for kind, size in sizes.items():
        eventually(
            lambda: refusal(lambda: put(f"{kind}/again", size)) is None, 60, what=f"an {kind} put being accepted again"
        )
    # A put that was accepted before the disk was found full counts as acknowledged, too.
    objectbooks.settle(node, books, BUCKET)
    objectbooks.check_directory(node)


def test_a_data_directory_has_one_node(start_node, tmp_path):
    node = start_node(data=tmp_path / "data")
    command = [str(BIN), "serve", "--data", str(node.data), "--listen", "127.0.0.1:0"]
    second = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert second.returncode != 0
    assert "is in use by another headwater" in second.stderr, second.stderr
    node.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration=LOCATION)
    node.stop()
