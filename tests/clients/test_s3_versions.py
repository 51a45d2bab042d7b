"""Versions, conditional writes and object lock of S3 through boto3, against the real binary."""

import datetime
import threading
from concurrent.futures import ThreadPoolExecutor

import botocore.exceptions
import pytest
from conftest import ALICE, BOB, eventually, query

BIG = b"b" * 300_000
HOUR = datetime.timedelta(hours=1)


@pytest.fixture
def s3(node):
    return node.client("s3", max_pool_connections=64)


@pytest.fixture
def plain(s3, unique):
    name = unique("plain")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    return name


@pytest.fixture
def bucket(s3, plain):
    s3.put_bucket_versioning(Bucket=plain, VersioningConfiguration={"Status": "Enabled"})
    return plain


@pytest.fixture
def locking(s3, unique):
    name = unique("locking")
    location = {"LocationConstraint": "eu-central-1"}
    s3.create_bucket(Bucket=name, CreateBucketConfiguration=location, ObjectLockEnabledForBucket=True)
    return name


class Refused:
    """What a call is refused with."""

    def __init__(self, call, *args, **kwargs):
        with pytest.raises(botocore.exceptions.ClientError) as refused:
            call(*args, **kwargs)
        answer = refused.value.response
        self.code, self.status = answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]
        self.headers = answer["ResponseMetadata"]["HTTPHeaders"]


def body(s3, bucket, key, **version):
    return s3.get_object(Bucket=bucket, Key=key, **version)["Body"].read()


def history(s3, bucket, **query):
    """Every version and marker, over all pages: (key, version, is a marker, is the latest)."""
    found = []
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, **query):
        rows = [(v, False) for v in page.get("Versions", [])] + [(m, True) for m in page.get("DeleteMarkers", [])]
        found += [(row["Key"], row["VersionId"], marker, row["IsLatest"]) for row, marker in rows]
    return found


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def test_a_bucket_says_how_it_stands(s3, plain):
    assert "Status" not in s3.get_bucket_versioning(Bucket=plain)
    for status in ("Enabled", "Suspended", "Enabled"):
        s3.put_bucket_versioning(Bucket=plain, VersioningConfiguration={"Status": status})
        assert s3.get_bucket_versioning(Bucket=plain)["Status"] == status
    refused = Refused(
        s3.put_bucket_versioning, Bucket=plain, MFA="serial 123456",
        VersioningConfiguration={"Status": "Enabled", "MFADelete": "Enabled"},
    )
    assert (refused.code, refused.status) == ("NotImplemented", 501)


def test_an_unversioned_bucket_speaks_of_no_versions(s3, plain):
    assert "VersionId" not in s3.put_object(Bucket=plain, Key="k", Body=b"x")
    assert "VersionId" not in s3.get_object(Bucket=plain, Key="k")
    assert body(s3, plain, "k", VersionId="null") == b"x"
    assert Refused(s3.get_object, Bucket=plain, Key="k", VersionId="what").code == "InvalidArgument"
    assert "DeleteMarker" not in s3.delete_object(Bucket=plain, Key="k")


def test_every_version_is_there_until_it_is_deleted(s3, bucket):
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"one", Metadata={"n": "1"})["VersionId"]
    second = s3.put_object(Bucket=bucket, Key="k", Body=BIG)["VersionId"]
    assert s3.get_object(Bucket=bucket, Key="k")["VersionId"] == second
    assert body(s3, bucket, "k", VersionId=first) == b"one"
    head = s3.head_object(Bucket=bucket, Key="k", VersionId=first)
    assert (head["VersionId"], head["ContentLength"], head["Metadata"]) == (first, 3, {"n": "1"})
    attributes = s3.get_object_attributes(
        Bucket=bucket, Key="k", VersionId=first, ObjectAttributes=["ObjectSize", "ETag"]
    )
    assert (attributes["VersionId"], attributes["ObjectSize"]) == (first, 3)

    deleted = s3.delete_object(Bucket=bucket, Key="k")
    marker = deleted["VersionId"]
    assert deleted["DeleteMarker"] is True
    for call in (s3.get_object, s3.head_object):
        refused = Refused(call, Bucket=bucket, Key="k")
        assert refused.status == 404
        assert refused.headers["x-amz-delete-marker"] == "true"
        assert refused.headers["x-amz-version-id"] == marker
        refused = Refused(call, Bucket=bucket, Key="k", VersionId=marker)
        assert refused.status == 405
        assert refused.headers["x-amz-delete-marker"] == "true"
        assert "last-modified" in refused.headers
    assert Refused(s3.get_object, Bucket=bucket, Key="k", VersionId=marker).code == "MethodNotAllowed"
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    assert history(s3, bucket) == [
        ("k", second, False, False), ("k", first, False, False), ("k", marker, True, True)
    ]
    assert Refused(s3.delete_bucket, Bucket=bucket).code == "BucketNotEmpty"

    undone = s3.delete_object(Bucket=bucket, Key="k", VersionId=marker)
    assert (undone["DeleteMarker"], undone["VersionId"]) == (True, marker)
    assert body(s3, bucket, "k") == BIG
    gone = s3.delete_object(Bucket=bucket, Key="k", VersionId=second)
    assert gone["VersionId"] == second and "DeleteMarker" not in gone
    assert body(s3, bucket, "k") == b"one"
    assert Refused(s3.get_object, Bucket=bucket, Key="k", VersionId=second).code == "NoSuchVersion"
    s3.delete_object(Bucket=bucket, Key="k", VersionId=first)
    s3.delete_bucket(Bucket=bucket)


def test_the_null_version_stays_and_is_replaced_while_suspended(s3, plain):
    s3.put_object(Bucket=plain, Key="k", Body=b"before")
    s3.put_bucket_versioning(Bucket=plain, VersioningConfiguration={"Status": "Enabled"})
    assert s3.head_object(Bucket=plain, Key="k")["VersionId"] == "null"
    kept = s3.put_object(Bucket=plain, Key="k", Body=b"kept")["VersionId"]
    assert body(s3, plain, "k", VersionId="null") == b"before"
    s3.put_bucket_versioning(Bucket=plain, VersioningConfiguration={"Status": "Suspended"})
    assert s3.put_object(Bucket=plain, Key="k", Body=b"after")["VersionId"] == "null"
    assert body(s3, plain, "k", VersionId="null") == b"after"
    assert body(s3, plain, "k", VersionId=kept) == b"kept"
    deleted = s3.delete_object(Bucket=plain, Key="k")
    assert (deleted["DeleteMarker"], deleted["VersionId"]) == (True, "null")
    assert sorted(history(s3, plain)) == sorted([("k", "null", True, True), ("k", kept, False, False)])


def test_listings_of_versions_page_and_fold(s3, bucket):
    keys = ["a", "dir/1", "dir/2", "z"]
    expected = {key: [s3.put_object(Bucket=bucket, Key=key, Body=b"x")["VersionId"] for _ in range(3)] for key in keys}
    whole = history(s3, bucket)
    assert [(key, version) for key, version, *_ in whole] == [
        (key, version) for key in keys for version in reversed(expected[key])
    ]
    assert [latest for *_, latest in whole] == [True, False, False] * 4
    for size in (1, 2, 5):
        assert history(s3, bucket, PaginationConfig={"PageSize": size}) == whole
    assert [key for key, *_ in history(s3, bucket, Prefix="dir/")] == ["dir/1"] * 3 + ["dir/2"] * 3
    folded = s3.list_object_versions(Bucket=bucket, Delimiter="/", MaxKeys=4)
    assert [p["Prefix"] for p in folded["CommonPrefixes"]] == ["dir/"] and folded["IsTruncated"]
    rest = s3.list_object_versions(
        Bucket=bucket, Delimiter="/", KeyMarker=folded["NextKeyMarker"],
        **({"VersionIdMarker": folded["NextVersionIdMarker"]} if folded.get("NextVersionIdMarker") else {}),
    )
    assert [v["Key"] for v in rest["Versions"]] == ["z"] * 3 and "CommonPrefixes" not in rest


def test_many_deletes_tell_markers_from_versions(s3, bucket):
    version = s3.put_object(Bucket=bucket, Key="a", Body=b"x")["VersionId"]
    s3.put_object(Bucket=bucket, Key="b", Body=b"x")
    answer = s3.delete_objects(
        Bucket=bucket,
        Delete={"Objects": [
            {"Key": "a", "VersionId": version}, {"Key": "b"}, {"Key": "b", "VersionId": "what"},
            {"Key": "b", "ETag": '"no"'},
        ]},
    )
    told = {entry["Key"]: entry for entry in answer["Deleted"]}
    assert told["a"]["VersionId"] == version and "DeleteMarker" not in told["a"]
    assert told["b"]["DeleteMarker"] is True
    marker = told["b"]["DeleteMarkerVersionId"]
    assert {(e["Key"], e["Code"]) for e in answer["Errors"]} >= {("b", "InvalidArgument")}
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "b", "VersionId": marker}]})
    assert answer["Deleted"] == [
        {"Key": "b", "VersionId": marker, "DeleteMarker": True, "DeleteMarkerVersionId": marker}
    ]
    assert body(s3, bucket, "b") == b"x"


def test_tags_belong_to_a_version(s3, bucket):
    old = s3.put_object(Bucket=bucket, Key="k", Body=b"1", Tagging="v=old")["VersionId"]
    new = s3.put_object(Bucket=bucket, Key="k", Body=b"2", Tagging="v=new")["VersionId"]

    def tags(**version):
        answer = s3.get_object_tagging(Bucket=bucket, Key="k", **version)
        return answer["VersionId"], {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}

    assert tags() == (new, {"v": "new"})
    assert tags(VersionId=old) == (old, {"v": "old"})
    put = s3.put_object_tagging(
        Bucket=bucket, Key="k", VersionId=old, Tagging={"TagSet": [{"Key": "v", "Value": "changed"}]}
    )
    assert put["VersionId"] == old
    assert tags(VersionId=old)[1] == {"v": "changed"} and tags()[1] == {"v": "new"}
    assert s3.delete_object_tagging(Bucket=bucket, Key="k")["VersionId"] == new
    assert tags()[1] == {}


def test_copies_and_parts_name_the_version_they_are_from(s3, bucket):
    old = s3.put_object(Bucket=bucket, Key="k", Body=BIG)["VersionId"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"new")
    source = {"Bucket": bucket, "Key": "k", "VersionId": old}
    copied = s3.copy_object(Bucket=bucket, Key="k", CopySource=source)
    assert copied["CopySourceVersionId"] == old and copied["VersionId"] not in (old, "null")
    assert body(s3, bucket, "k") == BIG

    upload = s3.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"]
    part = s3.upload_part_copy(Bucket=bucket, Key="m", UploadId=upload, PartNumber=1, CopySource=source)
    assert part["CopySourceVersionId"] == old
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["CopyPartResult"]["ETag"]}]}
    completed = s3.complete_multipart_upload(Bucket=bucket, Key="m", UploadId=upload, MultipartUpload=parts)
    again = s3.complete_multipart_upload(Bucket=bucket, Key="m", UploadId=upload, MultipartUpload=parts)
    assert completed["VersionId"] == again["VersionId"]
    assert body(s3, bucket, "m", VersionId=completed["VersionId"]) == BIG

    marker = s3.delete_object(Bucket=bucket, Key="k")["VersionId"]
    refused = Refused(s3.copy_object, Bucket=bucket, Key="x", CopySource={**source, "VersionId": marker})
    assert refused.code == "InvalidRequest"
    refused = Refused(s3.copy_object, Bucket=bucket, Key="x", CopySource={"Bucket": bucket, "Key": "k"})
    assert refused.status == 404


@pytest.mark.parametrize("versioned", [False, True])
def test_writes_and_deletes_may_be_conditional(s3, plain, versioned):
    if versioned:
        s3.put_bucket_versioning(Bucket=plain, VersioningConfiguration={"Status": "Enabled"})

    def put(key="k", **condition):
        return s3.put_object(Bucket=plain, Key=key, Body=b"x", **condition)["ETag"]

    etag = put(IfNoneMatch="*")
    assert Refused(put, IfNoneMatch="*").status == 412
    assert Refused(put, IfMatch='"other"').status == 412
    assert Refused(put, key="never", IfMatch=etag).status == 404
    put(IfMatch=etag)
    source = {"Bucket": plain, "Key": "k"}
    refused = Refused(
        s3.copy_object, Bucket=plain, Key="k", CopySource=source, MetadataDirective="REPLACE", IfNoneMatch="*"
    )
    assert refused.code == "PreconditionFailed"
    s3.copy_object(Bucket=plain, Key="k", CopySource=source, MetadataDirective="REPLACE", IfMatch=etag)
    assert Refused(s3.delete_object, Bucket=plain, Key="k", IfMatch='"other"').status == 412
    refused = Refused(s3.delete_object, Bucket=plain, Key="k", IfMatch=etag, IfMatchSize=1)
    assert (refused.code, refused.status) == ("NotImplemented", 501)
    answer = s3.delete_objects(Bucket=plain, Delete={"Objects": [{"Key": "k", "ETag": '"other"'}]})
    assert [e["Code"] for e in answer["Errors"]] == ["PreconditionFailed"]
    s3.delete_object(Bucket=plain, Key="k", IfMatch=etag)
    assert Refused(s3.head_object, Bucket=plain, Key="k").status == 404
    # After a delete marker there is nothing again.
    put(IfNoneMatch="*")

    upload = s3.create_multipart_upload(Bucket=plain, Key="k")["UploadId"]
    part = s3.upload_part(Bucket=plain, Key="k", UploadId=upload, PartNumber=1, Body=b"p")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    complete = dict(Bucket=plain, Key="k", UploadId=upload, MultipartUpload=parts)
    assert Refused(s3.complete_multipart_upload, **complete, IfNoneMatch="*").status == 412
    s3.complete_multipart_upload(**complete, IfMatch=etag)


def test_writers_of_one_key_all_get_their_version(s3, bucket):
    with ThreadPoolExecutor(48) as pool:
        put = lambda n: s3.put_object(Bucket=bucket, Key="hot", Body=str(n).encode())["VersionId"]  # noqa: E731
        versions = list(pool.map(put, range(480)))
    assert len(set(versions)) == 480
    listed = [version for _, version, *_ in history(s3, bucket)]
    assert sorted(listed) == sorted(versions)
    with ThreadPoolExecutor(48) as pool:
        bodies = list(pool.map(lambda v: body(s3, bucket, "hot", VersionId=v), versions))
    assert bodies == [str(n).encode() for n in range(480)]


def test_one_of_many_conditional_writers_wins(s3, bucket):
    def create(n):
        try:
            s3.put_object(Bucket=bucket, Key="once", Body=str(n).encode(), IfNoneMatch="*")
            return n
        except botocore.exceptions.ClientError as refused:
            assert refused.response["ResponseMetadata"]["HTTPStatusCode"] in (409, 412)
            return None

    with ThreadPoolExecutor(16) as pool:
        won = [n for n in pool.map(create, range(16)) if n is not None]
    assert len(won) == 1 and body(s3, bucket, "once") == str(won[0]).encode()


def test_a_version_that_is_read_may_be_deleted(s3, bucket):
    large = b"r" * (24 << 20)
    version = s3.put_object(Bucket=bucket, Key="k", Body=large)["VersionId"]
    stream = s3.get_object(Bucket=bucket, Key="k", VersionId=version)["Body"]
    start = stream.read(1 << 20)
    s3.delete_object(Bucket=bucket, Key="k", VersionId=version)
    assert start + stream.read() == large


def test_completing_and_aborting_race_to_one_outcome(s3, bucket):
    for n in range(8):
        key = f"race-{n}"
        upload = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
        part = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=BIG)
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        outcomes = {}

        def attempt(name, call, **arguments):
            try:
                call(Bucket=bucket, Key=key, UploadId=upload, **arguments)  # noqa: B023
                outcomes[name] = None  # noqa: B023
            except botocore.exceptions.ClientError as refused:
                outcomes[name] = refused.response["Error"]["Code"]  # noqa: B023

        threads = [
            threading.Thread(target=attempt, args=("complete", s3.complete_multipart_upload),
                             kwargs={"MultipartUpload": parts}),
            threading.Thread(target=attempt, args=("abort", s3.abort_multipart_upload)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes.values(), key=str) == sorted([None, "NoSuchUpload"], key=str), outcomes
        if outcomes["complete"] is None:
            assert body(s3, bucket, key) == BIG
        else:
            assert Refused(s3.head_object, Bucket=bucket, Key=key).status == 404


def test_a_locking_bucket_says_so(s3, locking, plain):
    assert s3.get_bucket_versioning(Bucket=locking)["Status"] == "Enabled"
    configuration = s3.get_object_lock_configuration(Bucket=locking)["ObjectLockConfiguration"]
    assert configuration == {"ObjectLockEnabled": "Enabled"}
    suspend = {"Status": "Suspended"}
    refused = Refused(s3.put_bucket_versioning, Bucket=locking, VersioningConfiguration=suspend)
    assert (refused.code, refused.status) == ("InvalidBucketState", 409)
    refused = Refused(s3.get_object_lock_configuration, Bucket=plain)
    assert (refused.code, refused.status) == ("ObjectLockConfigurationNotFoundError", 404)
    rule = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}}
    refused = Refused(s3.put_object_lock_configuration, Bucket=plain, ObjectLockConfiguration=rule)
    assert refused.code == "InvalidBucketState"
    s3.put_bucket_versioning(Bucket=plain, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object_lock_configuration(Bucket=plain, ObjectLockConfiguration=rule)
    assert s3.get_object_lock_configuration(Bucket=plain)["ObjectLockConfiguration"] == rule
    head = s3.head_object(Bucket=plain, Key=put_key(s3, plain))
    assert head["ObjectLockMode"] == "GOVERNANCE"
    assert abs(head["ObjectLockRetainUntilDate"] - head["LastModified"] - 24 * HOUR) < HOUR


def put_key(s3, bucket, key="k", **arguments):
    s3.put_object(Bucket=bucket, Key=key, Body=b"x", **arguments)
    return key


def test_retention_holds_and_governance_is_bypassed(s3, locking):
    until = (now() + HOUR).replace(microsecond=0)
    put = s3.put_object(
        Bucket=locking, Key="k", Body=b"x", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until
    )
    version = {"Bucket": locking, "Key": "k", "VersionId": put["VersionId"]}
    got = s3.get_object(**version)
    assert (got["ObjectLockMode"], got["ObjectLockRetainUntilDate"]) == ("GOVERNANCE", until)
    assert s3.get_object_retention(**version)["Retention"] == {"Mode": "GOVERNANCE", "RetainUntilDate": until}
    refused = Refused(s3.delete_object, **version)
    assert (refused.code, refused.status) == ("AccessDenied", 403)
    answer = s3.delete_objects(
        Bucket=locking, Delete={"Objects": [{"Key": "k", "VersionId": put["VersionId"]}, {"Key": "k"}]}
    )
    assert [(e["Code"], e["VersionId"]) for e in answer["Errors"]] == [("AccessDenied", put["VersionId"])]
    assert answer["Deleted"][0]["DeleteMarker"] is True
    sooner = {"Mode": "GOVERNANCE", "RetainUntilDate": until - HOUR / 2}
    assert Refused(s3.put_object_retention, **version, Retention=sooner).code == "AccessDenied"
    s3.put_object_retention(**version, Retention=sooner, BypassGovernanceRetention=True)
    assert s3.get_object_retention(**version)["Retention"] == sooner
    s3.delete_object(**version, BypassGovernanceRetention=True)
    assert Refused(s3.head_object, **version).status == 404


def test_compliance_is_never_shortened(s3, locking):
    until = (now() + HOUR).replace(microsecond=0)
    version = {"Bucket": locking, "Key": put_key(s3, locking)}
    version["VersionId"] = s3.head_object(**version)["VersionId"]
    assert Refused(s3.get_object_retention, **version).code == "NoSuchObjectLockConfiguration"
    past = {"Mode": "COMPLIANCE", "RetainUntilDate": now() - HOUR}
    assert Refused(s3.put_object_retention, **version, Retention=past).code == "InvalidArgument"
    s3.put_object_retention(**version, Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until})
    for weaker in (
        {"Mode": "COMPLIANCE", "RetainUntilDate": until - HOUR / 2},
        {"Mode": "GOVERNANCE", "RetainUntilDate": until},
    ):
        refused = Refused(s3.put_object_retention, **version, Retention=weaker, BypassGovernanceRetention=True)
        assert refused.code == "AccessDenied"
    s3.put_object_retention(**version, Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until + HOUR})
    assert Refused(s3.delete_object, **version, BypassGovernanceRetention=True).code == "AccessDenied"
    assert body(s3, **{"bucket": locking, "key": "k"}) == b"x"


def test_a_legal_hold_holds_until_it_is_off(s3, locking):
    version = {"Bucket": locking, "Key": put_key(s3, locking, ObjectLockLegalHoldStatus="ON")}
    version["VersionId"] = s3.head_object(**version)["VersionId"]
    assert s3.head_object(**version)["ObjectLockLegalHoldStatus"] == "ON"
    assert s3.get_object_legal_hold(**version)["LegalHold"] == {"Status": "ON"}
    assert Refused(s3.delete_object, **version, BypassGovernanceRetention=True).code == "AccessDenied"
    s3.put_object_legal_hold(**version, LegalHold={"Status": "OFF"})
    assert s3.get_object_legal_hold(**version)["LegalHold"] == {"Status": "OFF"}
    s3.delete_object(**version)


def test_uploads_and_copies_are_locked_as_they_say(s3, locking):
    until = (now() + HOUR).replace(microsecond=0)
    lock = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": until, "ObjectLockLegalHoldStatus": "ON"}
    upload = s3.create_multipart_upload(Bucket=locking, Key="m", **lock)["UploadId"]
    part = s3.upload_part(Bucket=locking, Key="m", UploadId=upload, PartNumber=1, Body=b"p")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket=locking, Key="m", UploadId=upload, MultipartUpload=parts)
    head = s3.head_object(Bucket=locking, Key="m")
    assert {name: head[name] for name in lock} == lock
    # A copy has its own lock or none.
    s3.copy_object(Bucket=locking, Key="copy", CopySource={"Bucket": locking, "Key": "m"})
    assert not lock.keys() & s3.head_object(Bucket=locking, Key="copy").keys()
    s3.copy_object(Bucket=locking, Key="held", CopySource={"Bucket": locking, "Key": "m"}, **lock)
    assert lock.items() <= s3.head_object(Bucket=locking, Key="held").items()


def test_locks_need_a_locking_bucket_and_a_checked_body(s3, node, bucket, locking):
    refused = Refused(s3.put_object, Bucket=bucket, Key="k", Body=b"x", ObjectLockLegalHoldStatus="ON")
    assert refused.code == "InvalidRequest"
    unchecked = node.client("s3", request_checksum_calculation="when_required")
    refused = Refused(unchecked.put_object, Bucket=locking, Key="k", Body=b"x", ObjectLockMode="COMPLIANCE",
                      ObjectLockRetainUntilDate=now() + HOUR)
    assert refused.code == "InvalidRequest"
    refused = Refused(s3.put_object, Bucket=locking, Key="k", Body=b"x", ObjectLockMode="COMPLIANCE")
    assert refused.code == "InvalidArgument"


def test_versions_are_their_owners_alone(s3, node, bucket):
    version = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["VersionId"]
    bob = node.client("s3", BOB)
    for call, arguments in (
        (bob.get_object, {"Key": "k", "VersionId": version}),
        (bob.delete_object, {"Key": "k", "VersionId": version}),
        (bob.list_object_versions, {}),
        (bob.put_bucket_versioning, {"VersioningConfiguration": {"Status": "Suspended"}}),
    ):
        assert Refused(call, Bucket=bucket, **arguments).status == 403


def test_deliveries_and_queries_write_versions(s3, node, bucket, unique):
    firehose, name = node.client("firehose"), unique("delivery")
    firehose.create_delivery_stream(
        DeliveryStreamName=name,
        ExtendedS3DestinationConfiguration={
            "RoleARN": f"arn:aws:iam::{ALICE.account}:role/delivery", "BucketARN": f"arn:aws:s3:::{bucket}",
            "BufferingHints": {"SizeInMBs": 64, "IntervalInSeconds": 0}, "Prefix": "raw/",
        },
    )
    firehose.put_record(DeliveryStreamName=name, Record={"Data": b"one\n"})
    (key, version, *_), = eventually(lambda: history(s3, bucket, Prefix="raw/"), what="the delivery")
    assert version != "null" and body(s3, bucket, key, VersionId=version) == b"one\n"
    query(node.client("athena"), "SELECT 1", output=f"s3://{bucket}/results/")
    results = history(s3, bucket, Prefix="results/")
    assert results and all(version != "null" for _, version, *_ in results)
