"""What lies on the disk: damage that is found and never served, and how much a bucket holds and may hold."""

import hashlib
import json
import urllib.request

import botocore.exceptions
import pytest

import objectbooks
from conftest import eventually
from objectbooks import MIB, bytes_of

LOCATION = {"LocationConstraint": "eu-central-1"}


def make_bucket(node, name):
    s3 = node.client("s3", retries={"max_attempts": 0, "mode": "standard"})
    s3.create_bucket(Bucket=name, CreateBucketConfiguration=LOCATION)
    return s3


def file_of_size(node, size):
    """The one body on the disk that is a little longer than `size`: its trailer."""
    found = [path for path in objectbooks.files_of(node) if 0 < path.stat().st_size - size < 4096]
    assert len(found) == 1, found
    return found[0]


def flip(path, at):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))


def refused(call):
    with pytest.raises(botocore.exceptions.ClientError) as refusal:
        call()
    error = refusal.value.response
    return error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Message"]


def metrics(node):
    with urllib.request.urlopen(f"{node.endpoint}/_headwater/metrics", timeout=10) as answer:
        lines = [line.split() for line in answer.read().decode().splitlines() if not line.startswith("#")]
    return {line[0]: float(line[1]) for line in lines if len(line) == 2}


def test_damage_is_found_told_and_never_served(start_node, tmp_path):
    # Rounds follow one another at once.
    node = start_node(data=tmp_path / "data", settings="[scrub]\nkib_per_second = 1000000\ndays = 0\n")
    s3 = make_bucket(node, "archive")
    small, large, sound = bytes_of("small", 200_000), bytes_of("large", 4 * MIB + 123), bytes_of("sound", 300_000)
    for key, body in {"small": small, "large": large, "sound": sound, "inline": b"a few bytes"}.items():
        s3.put_object(Bucket="archive", Key=key, Body=body)
    s3.copy_object(Bucket="archive", Key="a copy", CopySource="archive/small")
    scrub = lambda: objectbooks.status(node)["scrub"]
    first = eventually(lambda: (s := scrub())["last_ended"] and s["last_bodies"] == 4 and s, what="a whole round")
    assert first["damage"] == [] and first["last_bytes"] >= len(small) + len(large) + len(sound)
    assert metrics(node).get("headwater_objects_damaged_bodies", 0) == 0

    flip(file_of_size(node, len(small)), 17)
    flip(file_of_size(node, len(large)), 2 * MIB + 5)
    damage = eventually(lambda: len(d := scrub()["damage"]) == 2 and d, what="the scrub finding both")
    told = {tuple(one["objects"]): one["what"] for one in damage}
    assert told.keys() == {("archive/a copy", "archive/small"), ("archive/large",)}
    assert "[2]" in told[("archive/large",)]
    assert metrics(node)["headwater_objects_damaged_bodies"] == 2
    screen = node.headwater("status")
    assert "2 BODIES ARE DAMAGED" in screen and "archive/large: blocks [2]" in screen
    assert "a stored body is damaged" in node.tail()

    # Before a byte was sent it is a clear answer …
    for key in ("small", "a copy"):
        code, status, message = refused(lambda: s3.get_object(Bucket="archive", Key=key))
        assert (code, status) == ("InternalError", 500) and "damaged" in message
    # … afterwards the answer is cut, and what came is what was put.
    body = s3.get_object(Bucket="archive", Key="large")["Body"]
    came = b""
    with pytest.raises((botocore.exceptions.HTTPClientError, botocore.exceptions.IncompleteReadError)):
        while piece := body.read(MIB):
            came += piece
    assert len(came) <= 2 * MIB and large.startswith(came)
    # Other blocks and other objects are served.
    ranged = s3.get_object(Bucket="archive", Key="large", Range=f"bytes={3 * MIB}-")["Body"].read()
    assert ranged == large[3 * MIB :]
    assert s3.get_object(Bucket="archive", Key="sound")["Body"].read() == sound
    code, status, _ = refused(lambda: s3.get_object(Bucket="archive", Key="large", Range=f"bytes={2 * MIB}-"))
    assert (code, status) == ("InternalError", 500)

    # Put right: one is put again, the other deleted with its copy.
    s3.put_object(Bucket="archive", Key="large", Body=large)
    s3.delete_object(Bucket="archive", Key="small")
    s3.delete_object(Bucket="archive", Key="a copy")
    eventually(lambda: scrub()["damage"] == [], what="the damage being forgotten")
    assert metrics(node)["headwater_objects_damaged_bodies"] == 0
    assert s3.get_object(Bucket="archive", Key="large")["Body"].read() == large

    # Offline, verify sees the same.
    flip(file_of_size(node, len(sound)), 100)
    node.stop()
    done = node.headwater("verify", "--json", "--data", node.data, check=False)
    problems = json.loads(done.stdout)["problems"]
    assert done.returncode != 0 and len(problems) == 1 and "corrupt in block 0" in problems[0]["what"]


def usage(node, bucket):
    return next(one for one in objectbooks.status(node)["buckets"] if one["name"] == bucket)


def held(node, bucket):
    return usage(node, bucket)["objects"], usage(node, bucket)["bytes"]


QUOTAS = '[[buckets]]\nname = "small"\nquota = "6MiB"\nobjects = 3\n[[buckets]]\nname = "free"\n[[buckets]]\nname = "*"\nobjects = 1\n'


def test_quotas_refuse_and_deletes_make_room(start_node, tmp_path):
    node = start_node(data=tmp_path / "data", settings=QUOTAS)
    s3 = make_bucket(node, "small")
    put = lambda key, size, **more: s3.put_object(Bucket="small", Key=key, Body=bytes(size), **more)
    put("a", 4 * MIB)
    code, status, message = refused(lambda: put("b", 2 * MIB + 1))
    assert (code, status) == ("QuotaExceeded", 403)
    assert message.startswith("The bucket may hold 6291456 bytes and holds 4194304.")
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket="small")["Contents"]] == ["a"]
    put("b", 1000)
    assert held(node, "small") == (2, 4 * MIB + 1000)
    # Every other way in.
    code, *_ = refused(lambda: s3.copy_object(Bucket="small", Key="c", CopySource="small/a"))
    assert code == "QuotaExceeded"
    upload = s3.create_multipart_upload(Bucket="small", Key="m")["UploadId"]
    part = lambda size: s3.upload_part(Bucket="small", Key="m", UploadId=upload, PartNumber=1, Body=bytes(size))
    assert refused(lambda: part(5 * MIB))[0] == "QuotaExceeded"
    etag = part(MIB)["ETag"]
    assert held(node, "small") == (2, 5 * MIB + 1000)
    copied = lambda: s3.upload_part_copy(
        Bucket="small", Key="m", UploadId=upload, PartNumber=2, CopySource="small/a"
    )
    assert refused(copied)[0] == "QuotaExceeded"
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    s3.complete_multipart_upload(Bucket="small", Key="m", UploadId=upload, MultipartUpload=parts)
    assert held(node, "small") == (3, 5 * MIB + 1000)
    # So many objects and no more.
    code, _, message = refused(lambda: put("d", 0))
    assert code == "QuotaExceeded" and "3 objects" in message
    s3.delete_object(Bucket="small", Key="a")
    put("d", 3 * MIB)
    # Buckets with no entry of their own have that of all others; one with an empty entry has no quota.
    make_bucket(node, "other").put_object(Bucket="other", Key="a", Body=b"")
    assert refused(lambda: s3.put_object(Bucket="other", Key="b", Body=b""))[0] == "QuotaExceeded"
    make_bucket(node, "free")
    for n in range(5):
        s3.put_object(Bucket="free", Key=str(n), Body=b"x")
    screen = node.headwater("status")
    assert "6.3 MB, 3 objects" in screen, screen


def test_usage_survives_and_is_counted_again(start_node, tmp_path):
    node = start_node(data=tmp_path / "data")
    s3 = make_bucket(node, "books")
    for n in range(30):
        s3.put_object(Bucket="books", Key=f"k{n}", Body=bytes(1000 * (n % 3)))
    s3.delete_object(Bucket="books", Key="k2")
    assert held(node, "books") == (29, 28_000)
    node.kill()
    node.start()
    counted = lambda: usage(node, "books")["counted"] and held(node, "books")
    assert eventually(counted, what="a count after the start") == (29, 28_000)
    digest = hashlib.sha256(s3.get_object(Bucket="books", Key="k1")["Body"].read()).hexdigest()
    assert digest == hashlib.sha256(bytes(1000)).hexdigest()
