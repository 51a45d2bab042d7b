"""Lifecycle, storage classes, the cold tier and restores, through boto3, with days of two seconds."""

import json
import random
import time

import botocore.exceptions
import pytest

from conftest import eventually

MIB = 1 << 20
DAY_SECONDS = 2
DAY = f'lifecycle_day = "{DAY_SECONDS}s"\n'


def body(size, seed=0):
    return random.Random(seed).randbytes(size)


def code_of(call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        call(**arguments)
    answer = error.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


@pytest.fixture(scope="module")
def cold_folder(folder):
    return folder / "cold-tier"


@pytest.fixture(scope="module")
def short(start_node, folder, cold_folder):
    """A node with short days and a cold tier."""
    node = start_node(data=folder / "short-days", settings=f'cold = "{cold_folder}"\n' + DAY)
    yield node
    node.stop()


@pytest.fixture(scope="module")
def s3(short):
    return short.client("s3")


@pytest.fixture
def bucket(s3, unique):
    name = unique("bucket")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    return name


def rules(s3, bucket, *rules, **arguments):
    numbered = [{"ID": f"rule-{n}", "Status": "Enabled", "Filter": {}} | rule for n, rule in enumerate(rules)]
    return s3.put_bucket_lifecycle_configuration(
        Bucket=bucket, LifecycleConfiguration={"Rules": numbered}, **arguments
    )


def keys(s3, bucket):
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def versions(s3, bucket):
    listed = s3.list_object_versions(Bucket=bucket)
    return len(listed.get("Versions", [])), len(listed.get("DeleteMarkers", []))


def cold_bodies(folder):
    return [path for path in (folder / "blobs").glob("??/*")]


def test_a_configuration_is_given_back_replaced_and_removed(s3, bucket):
    assert code_of(s3.get_bucket_lifecycle_configuration, Bucket=bucket) == ("NoSuchLifecycleConfiguration", 404)
    written = [
        {
            "ID": "all of it",
            "Status": "Enabled",
            "Filter": {"And": {"Prefix": "logs/", "Tags": [{"Key": "a", "Value": "b"}], "ObjectSizeGreaterThan": 5}},
            "Expiration": {"Days": 365},
            "Transitions": [
                {"Days": 30, "StorageClass": "STANDARD_IA"},
                {"Days": 90, "StorageClass": "DEEP_ARCHIVE"},
            ],
            "NoncurrentVersionTransitions": [{"NoncurrentDays": 3, "StorageClass": "GLACIER"}],
            "NoncurrentVersionExpiration": {"NoncurrentDays": 9, "NewerNoncurrentVersions": 2},
        },
        {
            "ID": "uploads",
            "Status": "Disabled",
            "Filter": {"Prefix": ""},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
        },
    ]
    put = s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": written})
    assert put["TransitionDefaultMinimumObjectSize"] == "all_storage_classes_128K"
    got = s3.get_bucket_lifecycle_configuration(Bucket=bucket)
    assert got["Rules"] == written
    rules(s3, bucket, {"Expiration": {"Days": 1}}, TransitionDefaultMinimumObjectSize="varies_by_storage_class")
    got = s3.get_bucket_lifecycle_configuration(Bucket=bucket)
    assert [rule["ID"] for rule in got["Rules"]] == ["rule-0"]
    assert got["TransitionDefaultMinimumObjectSize"] == "varies_by_storage_class"
    s3.delete_bucket_lifecycle(Bucket=bucket)
    assert code_of(s3.get_bucket_lifecycle_configuration, Bucket=bucket)[0] == "NoSuchLifecycleConfiguration"


@pytest.mark.parametrize(
    "rule, code",
    [
        ({}, "InvalidRequest"),
        ({"Expiration": {"Days": 0}}, "InvalidArgument"),
        ({"Expiration": {"Date": "2030-01-01T12:00:00Z"}}, "InvalidArgument"),
        ({"Expiration": {"Days": 5}, "Transitions": [{"Days": 5, "StorageClass": "GLACIER"}]}, "InvalidArgument"),
        ({"Transitions": [{"Days": 5, "StorageClass": "STANDARD_IA"}]}, "InvalidArgument"),
        ({"Transitions": [{"Days": 5, "StorageClass": "STANDARD"}]}, "MalformedXML"),
        (
            {
                "Filter": {"Tag": {"Key": "a", "Value": "b"}},
                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
            },
            "InvalidRequest",
        ),
        ({"Filter": {"Prefix": "a"}, "Prefix": "a", "Expiration": {"Days": 1}}, "MalformedXML"),
    ],
)
def test_what_s3_refuses_is_refused(s3, bucket, rule, code):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        rules(s3, bucket, rule)
    assert error.value.response["Error"]["Code"] == code
    assert code_of(s3.get_bucket_lifecycle_configuration, Bucket=bucket)[0] == "NoSuchLifecycleConfiguration"


def test_objects_expire_and_say_when(s3, bucket):
    s3.put_object(Bucket=bucket, Key="in/before", Body=b"x")
    rules(s3, bucket, {"Filter": {"Prefix": "in/"}, "Expiration": {"Days": 1}})
    put = s3.put_object(Bucket=bucket, Key="in/after", Body=b"x")
    assert 'rule-id="rule-0"' in put["Expiration"] and "GMT" in put["Expiration"]
    other = s3.put_object(Bucket=bucket, Key="out", Body=b"x")
    assert "Expiration" not in other
    eventually(lambda: keys(s3, bucket) == ["out"], what="the expiry of two objects")
    assert "Expiration" not in s3.head_object(Bucket=bucket, Key="out")


def test_tags_and_sizes_choose(s3, bucket):
    tagged = {"And": {"Prefix": "", "Tags": [{"Key": "gone", "Value": "soon"}], "ObjectSizeLessThan": 100}}
    rules(s3, bucket, {"Filter": tagged, "Expiration": {"Days": 1}})
    s3.put_object(Bucket=bucket, Key="small", Body=b"x", Tagging="gone=soon")
    s3.put_object(Bucket=bucket, Key="large", Body=b"x" * 100, Tagging="gone=soon")
    s3.put_object(Bucket=bucket, Key="later", Body=b"x")
    eventually(lambda: keys(s3, bucket) == ["large", "later"], what="the expiry of the small one")
    tagging = {"TagSet": [{"Key": "gone", "Value": "soon"}]}
    s3.put_object_tagging(Bucket=bucket, Key="later", Tagging=tagging)
    eventually(lambda: keys(s3, bucket) == ["large"], what="the expiry of the one that was tagged later")


def test_versions_are_hidden_then_removed_and_their_markers_too(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for n in range(4):
        s3.put_object(Bucket=bucket, Key="k", Body=b"x" * n)
    rules(
        s3,
        bucket,
        {"Expiration": {"Days": 1}, "NoncurrentVersionExpiration": {"NoncurrentDays": 2}},
        {"Expiration": {"ExpiredObjectDeleteMarker": True}},
    )
    eventually(lambda: versions(s3, bucket)[1] == 1, what="a delete marker")
    assert keys(s3, bucket) == []
    eventually(lambda: versions(s3, bucket) == (0, 0), what="nothing being left")


def test_the_newest_noncurrent_versions_are_kept(s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for n in range(6):
        s3.put_object(Bucket=bucket, Key="k", Body=b"x" * n)
    ending = {"NoncurrentDays": 1, "NewerNoncurrentVersions": 2}
    rules(s3, bucket, {"NoncurrentVersionExpiration": ending})
    eventually(lambda: versions(s3, bucket) == (3, 0), what="three versions being left")
    sizes = [version["Size"] for version in s3.list_object_versions(Bucket=bucket)["Versions"]]
    assert sizes == [5, 4, 3]


def test_uploads_are_given_up_and_say_when(s3, bucket):
    rules(s3, bucket, {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}})
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")
    assert upload["AbortRuleId"] == "rule-0" and upload["AbortDate"]
    s3.upload_part(Bucket=bucket, Key="k", UploadId=upload["UploadId"], PartNumber=1, Body=b"x")
    listed = lambda: s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    eventually(lambda: not listed(), what="the end of the upload")
    assert code_of(s3.list_parts, Bucket=bucket, Key="k", UploadId=upload["UploadId"])[0] == "NoSuchUpload"


def test_classes_are_kept_and_told(s3, bucket):
    for name in ["STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"]:
        s3.put_object(Bucket=bucket, Key=name, Body=b"x", StorageClass=name)
        head = s3.head_object(Bucket=bucket, Key=name)
        assert head.get("StorageClass", "STANDARD") == name
        assert ("StorageClass" in head) == (name != "STANDARD")
        got = s3.get_object(Bucket=bucket, Key=name)
        assert got["Body"].read() == b"x" and got.get("StorageClass", "STANDARD") == name
        about = s3.get_object_attributes(Bucket=bucket, Key=name, ObjectAttributes=["StorageClass"])
        assert about["StorageClass"] == name
    for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]:
        assert entry["StorageClass"] == entry["Key"]
    for entry in s3.list_object_versions(Bucket=bucket)["Versions"]:
        assert entry["StorageClass"] == entry["Key"]
    upload = s3.create_multipart_upload(Bucket=bucket, Key="mpu", StorageClass="ONEZONE_IA")["UploadId"]
    assert s3.list_parts(Bucket=bucket, Key="mpu", UploadId=upload)["StorageClass"] == "ONEZONE_IA"
    assert s3.list_multipart_uploads(Bucket=bucket)["Uploads"][0]["StorageClass"] == "ONEZONE_IA"
    for name in ["EXPRESS_ONEZONE", "OUTPOSTS", "SNOW", "COLD"]:
        call = dict(Bucket=bucket, Key="no", Body=b"x", StorageClass=name)
        assert code_of(s3.put_object, **call) == ("InvalidStorageClass", 400)


def test_cold_classes_lie_in_the_cold_tier(s3, bucket, cold_folder, short):
    before = len(cold_bodies(cold_folder))
    data = body(300_000)
    s3.put_object(Bucket=bucket, Key="ia", Body=data, StorageClass="STANDARD_IA")
    assert len(cold_bodies(cold_folder)) == before + 1
    assert s3.get_object(Bucket=bucket, Key="ia")["Body"].read() == data
    part = s3.get_object(Bucket=bucket, Key="ia", Range="bytes=1000-299998")["Body"].read()
    assert part == data[1000:299_999]
    # A copy without a class is STANDARD, and lies elsewhere.
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "ia"})
    assert "StorageClass" not in s3.head_object(Bucket=bucket, Key="copy")
    assert len(cold_bodies(cold_folder)) == before + 1
    # To itself, with another class: that is a change.
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "copy"}, StorageClass="GLACIER_IR")
    assert s3.head_object(Bucket=bucket, Key="copy")["StorageClass"] == "GLACIER_IR"
    assert len(cold_bodies(cold_folder)) == before + 2
    for key in ["ia", "copy"]:
        s3.delete_object(Bucket=bucket, Key=key)
    eventually(lambda: len(cold_bodies(cold_folder)) == before, what="the sweep of the cold tier")


def test_archives_are_read_only_while_restored(s3, bucket):
    data = body(6 * MIB)
    s3.put_object(Bucket=bucket, Key="k", Body=data, StorageClass="GLACIER")
    with pytest.raises(s3.exceptions.InvalidObjectState) as refused:
        s3.get_object(Bucket=bucket, Key="k")
    assert refused.value.response["Error"]["StorageClass"] == "GLACIER"
    source = {"Bucket": bucket, "Key": "k"}
    assert code_of(s3.copy_object, Bucket=bucket, Key="to", CopySource=source) == ("InvalidObjectState", 403)
    assert s3.head_object(Bucket=bucket, Key="k")["StorageClass"] == "GLACIER"
    asked = s3.restore_object(Bucket=bucket, Key="k", RestoreRequest={"Days": 4})
    assert asked["ResponseMetadata"]["HTTPStatusCode"] == 202
    restored = lambda: 'ongoing-request="false"' in s3.head_object(Bucket=bucket, Key="k").get("Restore", "")
    eventually(restored, what="the restored copy")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == data
    again = s3.restore_object(Bucket=bucket, Key="k", RestoreRequest={"Days": 4})
    assert again["ResponseMetadata"]["HTTPStatusCode"] == 200
    listed = s3.list_objects_v2(Bucket=bucket, OptionalObjectAttributes=["RestoreStatus"])["Contents"][0]
    assert listed["RestoreStatus"]["IsRestoreInProgress"] is False
    s3.copy_object(Bucket=bucket, Key="for-good", CopySource=source)
    over = lambda: "Restore" not in s3.head_object(Bucket=bucket, Key="k")
    eventually(over, what="the end of the restored copy")
    assert code_of(s3.get_object, Bucket=bucket, Key="k") == ("InvalidObjectState", 403)
    assert s3.get_object(Bucket=bucket, Key="for-good")["Body"].read() == data
    refused = code_of(s3.restore_object, Bucket=bucket, Key="for-good", RestoreRequest={"Days": 1})
    assert refused == ("InvalidObjectState", 403)


def test_objects_move_through_their_classes(s3, bucket, cold_folder):
    data = body(7 * MIB)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="mpu")["UploadId"]
    parts = []
    for number, piece in [(1, data[: 5 * MIB]), (2, data[5 * MIB :])]:
        part = s3.upload_part(Bucket=bucket, Key="mpu", UploadId=upload, PartNumber=number, Body=piece)
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    done = s3.complete_multipart_upload(
        Bucket=bucket, Key="mpu", UploadId=upload, MultipartUpload={"Parts": parts}
    )
    before = len(cold_bodies(cold_folder))
    rules(s3, bucket, {"Transitions": [{"Days": 1, "StorageClass": "GLACIER_IR"}]})
    class_of = lambda: s3.head_object(Bucket=bucket, Key="mpu").get("StorageClass")
    eventually(lambda: class_of() == "GLACIER_IR", what="the transition")
    assert len(cold_bodies(cold_folder)) == before + 2
    got = s3.get_object(Bucket=bucket, Key="mpu")
    assert got["Body"].read() == data and got["ETag"] == done["ETag"]
    assert s3.get_object(Bucket=bucket, Key="mpu", PartNumber=2)["Body"].read() == data[5 * MIB :]


def test_retention_outlasts_lifecycle(s3, unique):
    name = unique("locked")
    s3.create_bucket(
        Bucket=name,
        ObjectLockEnabledForBucket=True,
        CreateBucketConfiguration={"LocationConstraint": "eu-central-1"},
    )
    s3.put_object(Bucket=name, Key="k", Body=b"held", ObjectLockLegalHoldStatus="ON")
    s3.put_object(Bucket=name, Key="k", Body=b"free")
    s3.put_object(Bucket=name, Key="k", Body=b"newest")
    rules(s3, name, {"NoncurrentVersionExpiration": {"NoncurrentDays": 1}})
    eventually(lambda: versions(s3, name) == (2, 0), what="the end of the version that nothing holds")
    held = s3.list_object_versions(Bucket=name)["Versions"][1]
    # Two more days are over when another object has come to its end.
    ending = {"ID": "m", "Filter": {"Prefix": "m"}, "Expiration": {"Days": 2}}
    rules(s3, name, {"NoncurrentVersionExpiration": {"NoncurrentDays": 1}}, ending)
    s3.put_object(Bucket=name, Key="m", Body=b"x")
    eventually(lambda: keys(s3, name) == ["k"], what="two more days")
    assert s3.get_object(Bucket=name, Key="k", VersionId=held["VersionId"])["Body"].read() == b"held"
    s3.put_object_legal_hold(Bucket=name, Key="k", VersionId=held["VersionId"], LegalHold={"Status": "OFF"})
    gone = lambda: held["VersionId"] not in [
        version["VersionId"] for version in s3.list_object_versions(Bucket=name, Prefix="k")["Versions"]
    ]
    eventually(gone, what="the end of the version whose hold was taken off")


def test_kill_minus_nine_in_the_middle(start_node, folder, unique):
    """Nodes die while a lifecycle walks, moves, removes and restores; in the end all of it is done, once."""
    cold, name, chance = folder / "cold-killed", unique("killed"), random.Random(7)
    node = start_node(data=folder / "killed", settings=f'cold = "{cold}"\n' + DAY)
    s3 = node.client("s3", retries={"max_attempts": 8, "mode": "standard"})
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    bodies = {f"move/{n}": body(300_000 + n, n) for n in range(24)}
    for key, data in bodies.items():
        s3.put_object(Bucket=name, Key=key, Body=data)
    for n in range(300):
        s3.put_object(Bucket=name, Key=f"expire/{n:03}", Body=b"x")
    archive = body(3 * MIB, 99)
    s3.put_object(Bucket=name, Key="archive", Body=archive, StorageClass="DEEP_ARCHIVE")
    rules(
        s3,
        name,
        {"Filter": {"Prefix": "move/"}, "Transitions": [{"Days": 1, "StorageClass": "GLACIER_IR"}]},
        {"Filter": {"Prefix": "expire/"}, "Expiration": {"Days": 1}},
    )
    s3.restore_object(Bucket=name, Key="archive", RestoreRequest={"Days": 1000})
    for _ in range(6):
        time.sleep(chance.uniform(0.05, 1.0))
        node.kill()
        node.start()
    classes = lambda: [s3.head_object(Bucket=name, Key=key).get("StorageClass") for key in bodies]
    eventually(lambda: set(classes()) == {"GLACIER_IR"}, what="all moves")
    eventually(lambda: sorted(keys(s3, name)) == sorted([*bodies, "archive"]), what="all expiries")
    restored = lambda: 'ongoing-request="false"' in s3.head_object(Bucket=name, Key="archive").get("Restore", "")
    eventually(restored, what="the restored copy")
    for key, data in bodies.items():
        assert s3.get_object(Bucket=name, Key=key)["Body"].read() == data, key
    assert s3.get_object(Bucket=name, Key="archive")["Body"].read() == archive
    eventually(lambda: len(cold_bodies(cold)) == len(bodies) + 1, what="the sweep of what crashes left")
    node.stop()
    report = json.loads(node.headwater("--json", "verify", "--data", str(node.data)))
    assert report["problems"] == [] and report["bodies"] == len(bodies) + 2


def test_backups_have_the_cold_tier(start_node, folder, unique):
    name, copy = unique("backup"), folder / "copy-of-cold"
    node = start_node(data=folder / "backed-up", settings=f'cold = "{folder / "cold-backed-up"}"\n')
    s3 = node.client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    data = body(300_000)
    s3.put_object(Bucket=name, Key="k", Body=data, StorageClass="ONEZONE_IA")
    node.headwater("backup", str(copy), "--data", str(node.data))
    node.stop()
    other = start_node(data=copy)
    assert other.client("s3").get_object(Bucket=name, Key="k")["Body"].read() == data
    other.stop()
    report = json.loads(other.headwater("--json", "verify", "--data", str(copy)))
    assert report["problems"] == [] and report["bodies"] == 1
    # The tier of the first node is not another's.
    with pytest.raises(AssertionError, match="cold tier of other data"):
        start_node(data=folder / "stranger", settings=f'cold = "{folder / "cold-backed-up"}"\n')
