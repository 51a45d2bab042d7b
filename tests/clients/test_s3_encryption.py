"""Server-side encryption through boto3, against the real binary: what is said, what lies on the disk, what is refused."""

import base64
import hashlib
import json
import os

import botocore.exceptions
import pytest
from conftest import ALICE, REGION, Node, query

MIB = 1 << 20
PIECE = 64 << 10
LAKE = "1234abcd-12ab-34cd-56ef-1234567890ab"
LAKE_ARN = f"arn:aws:kms:{REGION}:{ALICE.account}:key/{LAKE}"
KEYS = f"""
[[kms_keys]]
id = "{LAKE}"
alias = "alias/lake"
account = "{ALICE.account}"
region = "{REGION}"

"""
KEY, OTHER = bytes(range(32)), bytes(range(1, 33))


@pytest.fixture(scope="module")
def sealing(folder):
    """A node of its own, whose data directory is looked into."""
    node = Node(folder / "sealing", settings=KEYS).start()
    yield node
    node.stop()


@pytest.fixture
def s3(sealing):
    return sealing.client("s3")


@pytest.fixture
def bucket(s3, unique):
    name = unique("sealed")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return name


def customer(key=KEY, prefix=""):
    return {f"{prefix}SSECustomerAlgorithm": "AES256", f"{prefix}SSECustomerKey": key}


KINDS = {
    "plain": ({}, {}, {}),
    "s3": ({"ServerSideEncryption": "AES256"}, {}, {}),
    "kms": ({"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alias/lake"}, {}, {}),
    "customer": (customer(), customer(), customer(prefix="CopySource")),
}
SEALED = ["s3", "kms", "customer"]


def refused(call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        call(**arguments)
    response = error.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def on_disk(node, needle):
    """Whether any file of the data directory holds these bytes."""
    for place, _, names in os.walk(node.data):
        for name in names:
            with open(os.path.join(place, name), "rb") as file:
                if needle in file.read():
                    return True
    return False


@pytest.mark.parametrize("size", [0, 5, 128 << 10, 3 * MIB + 11])
@pytest.mark.parametrize("kind", SEALED)
def test_bodies_are_sealed_and_read_back(sealing, s3, bucket, kind, size):
    write, read, _ = KINDS[kind]
    body = os.urandom(size)
    put = s3.put_object(Bucket=bucket, Key="k", Body=body, ChecksumAlgorithm="SHA256", **write)
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED", **read)
    assert got["Body"].read() == body
    head = s3.head_object(Bucket=bucket, Key="k", **read)
    assert head["ContentLength"] == size
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    assert got["ChecksumSHA256"] == put["ChecksumSHA256"] == digest
    for answer in (put, got, head):
        assert answer.get("ServerSideEncryption") == {"s3": "AES256", "kms": "aws:kms"}.get(kind)
        assert answer.get("SSEKMSKeyId") == (LAKE_ARN if kind == "kms" else None)
        if kind == "customer":
            assert answer["SSECustomerAlgorithm"] == "AES256"
            assert answer["SSECustomerKeyMD5"] == base64.b64encode(hashlib.md5(KEY).digest()).decode()
    is_md5 = put["ETag"].strip('"') == hashlib.md5(body).hexdigest()
    assert is_md5 == (kind == "s3")
    if size > 1000:
        for at in (0, size // 2, size - 40):
            assert not on_disk(sealing, body[at : at + 40])
        for first, last in [(0, 0), (PIECE - 1, PIECE), (PIECE, 2 * PIECE), (size - 3, size - 1)]:
            if last < size:
                part = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={first}-{last}", **read)
                assert part["Body"].read() == body[first : last + 1]


def test_what_is_not_sealed_is_found_on_the_disk(sealing, s3, bucket):
    body = os.urandom(300_000)
    put = s3.put_object(Bucket=bucket, Key="k", Body=body)
    assert "ServerSideEncryption" not in put
    assert on_disk(sealing, body[:40])


@pytest.mark.parametrize("kind", SEALED)
def test_multipart_uploads(sealing, s3, bucket, kind):
    write, read, _ = KINDS[kind]
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m", ChecksumAlgorithm="CRC32", **write)
    bodies = [os.urandom(5 * MIB), os.urandom(5 * MIB + 70_000), os.urandom(100)]
    parts = []
    for number, body in enumerate(bodies, 1):
        part = s3.upload_part(
            Bucket=bucket, Key="m", UploadId=upload["UploadId"], PartNumber=number, Body=body,
            ChecksumAlgorithm="CRC32", **read,
        )
        assert (part["ETag"].strip('"') == hashlib.md5(body).hexdigest()) == (kind == "s3")
        parts.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]})
    done = s3.complete_multipart_upload(
        Bucket=bucket, Key="m", UploadId=upload["UploadId"], MultipartUpload={"Parts": parts}
    )
    assert done["ETag"].endswith('-3"')
    whole = b"".join(bodies)
    got = s3.get_object(Bucket=bucket, Key="m", **read)
    assert got["Body"].read() == whole
    assert got.get("SSEKMSKeyId") == (LAKE_ARN if kind == "kms" else None)
    second = s3.get_object(Bucket=bucket, Key="m", PartNumber=2, **read)
    assert second["Body"].read() == bodies[1]
    border = 5 * MIB
    across = s3.get_object(Bucket=bucket, Key="m", Range=f"bytes={border - 5}-{border + PIECE + 5}", **read)
    assert across["Body"].read() == whole[border - 5 : border + PIECE + 6]
    if kind == "customer":
        # boto3 does not encode the key for this one operation.
        digest = base64.b64encode(hashlib.md5(KEY).digest()).decode()
        read = {**read, "SSECustomerKey": base64.b64encode(KEY).decode(), "SSECustomerKeyMD5": digest}
    attributes = s3.get_object_attributes(
        Bucket=bucket, Key="m", ObjectAttributes=["ObjectSize", "ObjectParts", "ETag"], **read
    )
    assert attributes["ObjectSize"] == len(whole)
    assert attributes["ObjectParts"]["TotalPartsCount"] == 3
    assert not any(on_disk(sealing, body[:40]) for body in bodies)


def test_every_part_needs_the_customers_key(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m", **customer())
    at = {"Bucket": bucket, "Key": "m", "UploadId": upload["UploadId"], "PartNumber": 1, "Body": b"x"}
    assert refused(s3.upload_part, **at) == (400, "InvalidRequest")
    assert refused(s3.upload_part, **at, **customer(OTHER)) == (400, "InvalidRequest")
    s3.upload_part(**at, **customer())
    plain = s3.create_multipart_upload(Bucket=bucket, Key="p")
    at["Key"], at["UploadId"] = "p", plain["UploadId"]
    assert refused(s3.upload_part, **at, **customer()) == (400, "InvalidRequest")


def test_customers_keys(s3, bucket):
    body = os.urandom(200_000)
    s3.put_object(Bucket=bucket, Key="k", Body=body, **customer())
    at = {"Bucket": bucket, "Key": "k"}
    assert refused(s3.get_object, **at) == (400, "InvalidRequest")
    assert refused(s3.get_object, **at, **customer(OTHER)) == (403, "AccessDenied")
    assert refused(s3.head_object, **at)[0] == 400
    assert refused(s3.head_object, **at, **customer(OTHER))[0] == 403
    assert refused(s3.get_object_attributes, **at, ObjectAttributes=["ETag"]) == (400, "InvalidRequest")
    assert s3.get_object(**at, **customer())["Body"].read() == body
    s3.put_object(Bucket=bucket, Key="plain", Body=b"x")
    assert refused(s3.get_object, Bucket=bucket, Key="plain", **customer()) == (400, "InvalidRequest")
    # The headers of the key must fit one another.
    encoded, digest = base64.b64encode(KEY).decode(), base64.b64encode(hashlib.md5(OTHER).digest()).decode()
    wrong = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": encoded, "SSECustomerKeyMD5": digest}
    assert refused(s3.put_object, **at, Body=b"x", **wrong) == (400, "InvalidArgument")
    assert refused(s3.put_object, **at, Body=b"x", SSECustomerAlgorithm="AES256") == (400, "InvalidArgument")
    both = {**customer(), "ServerSideEncryption": "AES256"}
    assert refused(s3.put_object, **at, Body=b"x", **both) == (400, "InvalidArgument")


def test_kms_keys(s3, bucket):
    at = {"Bucket": bucket, "Key": "k", "ServerSideEncryption": "aws:kms"}
    own = s3.put_object(**at, Body=b"x")["SSEKMSKeyId"]
    assert own.startswith(f"arn:aws:kms:{REGION}:{ALICE.account}:key/")
    assert own != LAKE_ARN
    for name in (LAKE, LAKE_ARN, "alias/lake", f"arn:aws:kms:{REGION}:{ALICE.account}:alias/lake"):
        assert s3.put_object(**at, Body=b"x", SSEKMSKeyId=name)["SSEKMSKeyId"] == LAKE_ARN
    elsewhere = LAKE_ARN.replace(REGION, "us-west-2")
    for name in ("alias/other", LAKE.replace("1", "2"), elsewhere, LAKE_ARN.replace(ALICE.account, "0" * 12)):
        assert refused(s3.put_object, **at, Body=b"x", SSEKMSKeyId=name) == (400, "KMS.NotFoundException")
    context = base64.b64encode(json.dumps({"team": "ml"}).encode()).decode()
    put = s3.put_object(**at, Body=b"y", SSEKMSEncryptionContext=context, BucketKeyEnabled=True)
    assert json.loads(base64.b64decode(put["SSEKMSEncryptionContext"])) == {"team": "ml"}
    assert put["BucketKeyEnabled"] is True
    got = s3.get_object(Bucket=bucket, Key="k")
    assert (got["BucketKeyEnabled"], got["Body"].read()) == (True, b"y")
    assert refused(s3.put_object, **at, Body=b"x", SSEKMSEncryptionContext="e30x") == (400, "InvalidArgument")
    dsse = {"Bucket": bucket, "Key": "k", "Body": b"x", "ServerSideEncryption": "aws:kms:dsse"}
    assert refused(s3.put_object, **dsse) == (501, "NotImplemented")
    lone = {"Bucket": bucket, "Key": "k", "Body": b"x", "SSEKMSKeyId": LAKE}
    assert refused(s3.put_object, **lone) == (400, "InvalidArgument")


@pytest.mark.parametrize("size", [1000, 300_000])
def test_copies_between_kinds(sealing, s3, bucket, size):
    body = os.urandom(size)
    for source, (write, _, source_read) in KINDS.items():
        s3.put_object(Bucket=bucket, Key=source, Body=body, ChecksumAlgorithm="SHA1", **write)
        for target, (target_write, target_read, _) in KINDS.items():
            copy = s3.copy_object(
                Bucket=bucket, Key=f"{source}-{target}", CopySource=f"{bucket}/{source}", **target_write, **source_read
            )
            assert copy.get("ServerSideEncryption") == target_write.get("ServerSideEncryption")
            got = s3.get_object(Bucket=bucket, Key=f"{source}-{target}", ChecksumMode="ENABLED", **target_read)
            assert got["Body"].read() == body
            assert got["ChecksumSHA1"] == base64.b64encode(hashlib.sha1(body).digest()).decode()
    at = {"Bucket": bucket, "Key": "c", "CopySource": f"{bucket}/customer"}
    assert refused(s3.copy_object, **at) == (400, "InvalidRequest")
    assert refused(s3.copy_object, **at, **customer(OTHER, "CopySource")) == (403, "AccessDenied")
    # A copy onto itself may change how it is sealed, and nothing else need change.
    self_copy = {"Bucket": bucket, "Key": "plain", "CopySource": f"{bucket}/plain"}
    assert refused(s3.copy_object, **self_copy) == (400, "InvalidRequest")
    assert s3.copy_object(**self_copy, ServerSideEncryption="AES256")["ServerSideEncryption"] == "AES256"
    assert s3.get_object(Bucket=bucket, Key="plain")["Body"].read() == body


def test_parts_copied_from_sealed_objects(s3, bucket):
    body = os.urandom(6 * MIB)
    s3.put_object(Bucket=bucket, Key="source", Body=body, **customer())
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m", ServerSideEncryption="aws:kms")
    at = {"Bucket": bucket, "Key": "m", "UploadId": upload["UploadId"], "PartNumber": 1}
    at |= {"CopySource": f"{bucket}/source", "CopySourceRange": f"bytes=7-{5 * MIB + 100}"}
    assert refused(s3.upload_part_copy, **at) == (400, "InvalidRequest")
    part = s3.upload_part_copy(**at, **customer(prefix="CopySource"))
    assert part["ServerSideEncryption"] == "aws:kms"
    parts = [{"PartNumber": 1, "ETag": part["CopyPartResult"]["ETag"]}]
    s3.complete_multipart_upload(
        Bucket=bucket, Key="m", UploadId=upload["UploadId"], MultipartUpload={"Parts": parts}
    )
    assert s3.get_object(Bucket=bucket, Key="m")["Body"].read() == body[7 : 5 * MIB + 101]


def test_a_buckets_default(sealing, s3, bucket):
    assert refused(s3.get_bucket_encryption, Bucket=bucket) == (404, "ServerSideEncryptionConfigurationNotFoundError")

    def default(algorithm, key=None, bucket_key=False):
        by_default = {"SSEAlgorithm": algorithm} | ({"KMSMasterKeyID": key} if key else {})
        rule = {"ApplyServerSideEncryptionByDefault": by_default, "BucketKeyEnabled": bucket_key}
        configuration = {"Rules": [rule]}
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=configuration)
        assert s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"] == configuration

    body = os.urandom(300_000)
    default("AES256")
    assert s3.put_object(Bucket=bucket, Key="a", Body=body)["ServerSideEncryption"] == "AES256"
    default("aws:kms", "alias/lake", True)
    put = s3.put_object(Bucket=bucket, Key="b", Body=body)
    assert (put["ServerSideEncryption"], put["SSEKMSKeyId"], put["BucketKeyEnabled"]) == ("aws:kms", LAKE_ARN, True)
    copy = s3.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/a")
    assert copy["SSEKMSKeyId"] == LAKE_ARN
    upload = s3.create_multipart_upload(Bucket=bucket, Key="m")
    assert upload["SSEKMSKeyId"] == LAKE_ARN
    # Asking for something else outweighs it.
    assert s3.put_object(Bucket=bucket, Key="d", Body=body, ServerSideEncryption="AES256")["ServerSideEncryption"] == "AES256"
    assert not on_disk(sealing, body[:40])
    for key in "abcd":
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == body
    # A default key is looked for when it is used, as on AWS.
    default("aws:kms", "alias/other")
    assert refused(s3.put_object, Bucket=bucket, Key="e", Body=b"x") == (400, "KMS.NotFoundException")
    s3.delete_bucket_encryption(Bucket=bucket)
    assert "ServerSideEncryption" not in s3.put_object(Bucket=bucket, Key="f", Body=b"x")
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == body
    mixed = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256", "KMSMasterKeyID": LAKE}}]}
    assert refused(s3.put_bucket_encryption, Bucket=bucket, ServerSideEncryptionConfiguration=mixed) == (
        400,
        "InvalidArgument",
    )


def test_results_of_queries_follow_the_buckets_default(sealing, s3, bucket):
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    rows = query(sealing.client("athena"), "SELECT 7 AS n", output=f"s3://{bucket}/results/")
    assert rows == [{"n": "7"}]
    keys = [found["Key"] for found in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert len(keys) == 2
    for key in keys:
        assert s3.head_object(Bucket=bucket, Key=key)["ServerSideEncryption"] == "AES256"


def test_keys_outlive_the_node_and_backups_have_them(sealing, s3, bucket, folder):
    body = os.urandom(300_000)
    for kind in SEALED:
        s3.put_object(Bucket=bucket, Key=kind, Body=body, **KINDS[kind][0])
    keyring = sealing.data / "keyring.toml"
    assert keyring.stat().st_mode & 0o777 == 0o600
    copy = folder / "sealed-copy"
    sealing.headwater("--data", sealing.data, "backup", copy)
    assert (copy / "keyring.toml").read_bytes() == keyring.read_bytes()
    restored = Node(copy, settings=KEYS).start()
    try:
        other = restored.client("s3")
        for kind in SEALED:
            assert other.get_object(Bucket=bucket, Key=kind, **KINDS[kind][1])["Body"].read() == body
        restored.stop()
        restored.headwater("--data", copy, "verify")
        # Without the keyring: everything starts, nothing sealed is served, and both say why.
        kept = (copy / "keyring.toml").rename(copy / "kept")
        verified = restored.headwater("--data", copy, "verify", check=False)
        assert verified.returncode != 0
        assert "which objects are sealed with" in verified.stdout + verified.stderr
        restored.start()
        with pytest.raises(botocore.exceptions.ClientError) as error:
            other.get_object(Bucket=bucket, Key="s3")
        assert "keyring lacks the key" in error.value.response["Error"]["Message"]
        assert "restore keyring.toml" in restored.tail(200)
        restored.stop()
        kept.replace(copy / "keyring.toml")
        restored.start()
        assert other.get_object(Bucket=bucket, Key="s3")["Body"].read() == body
    finally:
        restored.stop()


def test_a_flipped_bit_of_a_sealed_body_is_never_served(sealing, s3, bucket):
    body = os.urandom(2 * MIB)
    before = {path for path in (sealing.data / "blobs").rglob("*") if path.is_file()}
    s3.put_object(Bucket=bucket, Key="k", Body=body, ServerSideEncryption="AES256")
    (blob,) = {path for path in (sealing.data / "blobs").rglob("*") if path.is_file()} - before
    with open(blob, "r+b") as file:
        file.seek(MIB + 5000)
        byte = file.read(1)
        file.seek(MIB + 5000)
        file.write(bytes([byte[0] ^ 1]))
    assert s3.get_object(Bucket=bucket, Key="k", Range="bytes=0-99")["Body"].read() == body[:100]
    with pytest.raises((botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError)):
        s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={MIB}-{MIB + 9999}")["Body"].read()
