"""S3 through boto3 and the AWS CLI, against the real binary."""

import hashlib
import io
import json
import os
import socket
import threading
import urllib.request
from datetime import timedelta

import boto3.s3.transfer
import botocore.exceptions
import pytest
from conftest import BOB

MIB = 1 << 20


@pytest.fixture
def s3(node):
    return node.client("s3")


@pytest.fixture
def bucket(s3, unique):
    name = unique("bucket")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    return name


def code(excinfo):
    return excinfo.value.response["Error"]["Code"]


def status(excinfo):
    return excinfo.value.response["ResponseMetadata"]["HTTPStatusCode"]


def test_buckets_are_made_found_and_deleted(s3, node, unique):
    name = unique("bucket")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-3"})
    assert s3.get_bucket_location(Bucket=name)["LocationConstraint"] == "eu-west-3"
    assert s3.head_bucket(Bucket=name)["BucketRegion"] == "eu-west-3"
    assert name in [b["Name"] for b in s3.list_buckets()["Buckets"]]
    assert "Status" not in s3.get_bucket_versioning(Bucket=name)
    with pytest.raises(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-3"})
    bob = node.client("s3", BOB)
    with pytest.raises(bob.exceptions.BucketAlreadyExists):
        bob.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-3"})
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        bob.head_bucket(Bucket=name)
    assert status(refused) == 403
    s3.delete_bucket(Bucket=name)
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        s3.head_bucket(Bucket=name)
    assert status(refused) == 404


def test_regions_of_buckets_in_us_east_1_have_no_name(node, unique):
    s3, name = node.client("s3", region="us-east-1"), unique("bucket")
    s3.create_bucket(Bucket=name)
    s3.create_bucket(Bucket=name)
    assert s3.get_bucket_location(Bucket=name)["LocationConstraint"] is None


def test_bucket_tags(s3, bucket):
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        s3.get_bucket_tagging(Bucket=bucket)
    assert code(refused) == "NoSuchTagSet"
    tags = [{"Key": "team", "Value": "ml"}]
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags
    s3.delete_bucket_tagging(Bucket=bucket)


@pytest.mark.parametrize("size", [0, 1, 4096, 128 << 10, (128 << 10) + 1, 3 * MIB + 17])
def test_bodies_of_every_size(s3, bucket, size):
    body = os.urandom(size)
    put = s3.put_object(Bucket=bucket, Key="k", Body=body, ContentType="a/b", Metadata={"color": "blue"})
    assert put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    assert put["ChecksumCRC32"]
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert got["Body"].read() == body
    assert (got["ContentLength"], got["ContentType"], got["Metadata"]) == (size, "a/b", {"color": "blue"})
    assert got["ChecksumCRC32"] == put["ChecksumCRC32"]
    head = s3.head_object(Bucket=bucket, Key="k")
    assert (head["ContentLength"], head["ETag"]) == (size, put["ETag"])


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_checksums(s3, bucket, algorithm):
    try:
        put = s3.put_object(Bucket=bucket, Key="k", Body=b"hello", ChecksumAlgorithm=algorithm)
    except botocore.exceptions.MissingDependencyException:
        # Without awscrt, botocore cannot take this checksum; the node can.
        known = {"CRC32C": "mnG7TA==", "CRC64NVME": "M3eFcAZSQlc="}[algorithm]
        put = s3.put_object(Bucket=bucket, Key="k", Body=b"hello", **{f"Checksum{algorithm}": known})
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert head[f"Checksum{algorithm}"] == put[f"Checksum{algorithm}"]
    assert head["ChecksumType"] == "FULL_OBJECT"
    attributes = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["Checksum", "ObjectSize", "ETag"])
    assert attributes["Checksum"][f"Checksum{algorithm}"] == put[f"Checksum{algorithm}"]
    assert attributes["ObjectSize"] == 5


def test_ranges_conditions_and_overrides(s3, bucket):
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789", CacheControl="no-store")
    got = s3.get_object(Bucket=bucket, Key="k", Range="bytes=2-4")
    assert (got["Body"].read(), got["ContentRange"]) == (b"234", "bytes 2-4/10")
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        s3.get_object(Bucket=bucket, Key="k", Range="bytes=10-")
    assert code(refused) == "InvalidRange"
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        s3.get_object(Bucket=bucket, Key="k", IfNoneMatch=put["ETag"])
    assert status(refused) == 304
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        s3.put_object(Bucket=bucket, Key="k", Body=b"x", IfNoneMatch="*")
    assert code(refused) == "PreconditionFailed"
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789", CacheControl="no-store", IfMatch=put["ETag"])
    modified = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        s3.get_object(Bucket=bucket, Key="k", IfModifiedSince=modified)
    assert status(refused) == 304
    s3.get_object(Bucket=bucket, Key="k", IfUnmodifiedSince=modified)
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        s3.get_object(Bucket=bucket, Key="k", IfUnmodifiedSince=modified - timedelta(hours=1))
    assert status(refused) == 412
    got = s3.get_object(Bucket=bucket, Key="k", ResponseContentType="x/y", ResponseCacheControl="max-age=1")
    assert (got["ContentType"], got["CacheControl"]) == ("x/y", "max-age=1")


def test_presigned_urls(s3, bucket, node):
    url = s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "a b"}, ExpiresIn=60)
    request = urllib.request.Request(url, data=b"hello", method="PUT")
    assert urllib.request.urlopen(request).status == 200
    url = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "a b"}, ExpiresIn=60)
    assert urllib.request.urlopen(url).read() == b"hello"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(url.replace("a%20b", "other"))
    assert refused.value.code == 403
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{node.endpoint}/{bucket}/a%20b")
    assert refused.value.code == 403, "nothing without a signature"


def test_deletes(s3, bucket):
    for n in range(5):
        s3.put_object(Bucket=bucket, Key=f"k{n}", Body=b"x")
    s3.delete_object(Bucket=bucket, Key="k0")
    s3.delete_object(Bucket=bucket, Key="never")
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k1"}, {"Key": "k2"}, {"Key": "never"}]})
    assert [d["Key"] for d in answer["Deleted"]] == ["k1", "k2", "never"]
    quiet = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k3"}], "Quiet": True})
    assert "Deleted" not in quiet
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["k4"]
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        s3.delete_bucket(Bucket=bucket)
    assert code(refused) == "BucketNotEmpty"


def test_listings_page_and_fold(s3, bucket):
    keys = sorted([f"folder{f}/{n:03}" for f in range(5) for n in range(30)] + ["top", "zz"])
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 7})
    assert [o["Key"] for page in pages for o in page.get("Contents", [])] == keys
    pages = s3.get_paginator("list_objects").paginate(Bucket=bucket, PaginationConfig={"PageSize": 7})
    assert [o["Key"] for page in pages for o in page.get("Contents", [])] == keys
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, PaginationConfig={"PageSize": 7})
    assert [o["Key"] for page in pages for o in page.get("Versions", [])] == keys
    pages = list(
        s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 2})
    )
    assert [p["Prefix"] for page in pages for p in page.get("CommonPrefixes", [])] == [f"folder{f}/" for f in range(5)]
    assert [o["Key"] for page in pages for o in page.get("Contents", [])] == ["top", "zz"]
    after = s3.list_objects_v2(Bucket=bucket, StartAfter="folder4/028", FetchOwner=True)
    assert [o["Key"] for o in after["Contents"]] == ["folder4/029", "top", "zz"]
    assert len(after["Contents"][0]["Owner"]["ID"]) == 64


ODD_KEYS = [
    "..",
    "../up",
    "a//b",
    "//",
    "a/./b",
    "trail/",
    " lead and trail ",
    "a+b",
    "a%20b",
    "a%2Fb",
    "ü/é/日本/😀",
    "".join(map(chr, range(1, 128))),
    "q?a=b&c=d#e",
    "k" * 1024,
    "ü" * 512,
]


@pytest.mark.parametrize("key", ODD_KEYS, ids=range(len(ODD_KEYS)))
def test_odd_keys(s3, bucket, key):
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    assert [o["Key"] for o in s3.list_objects(Bucket=bucket, Prefix=key)["Contents"]] == [key]
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": key})
    assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == key.encode()
    s3.delete_object(Bucket=bucket, Key=key)
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["copy"]


def test_keys_that_are_too_long(s3, bucket):
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        s3.put_object(Bucket=bucket, Key="k" * 1025, Body=b"x")
    assert code(refused) == "KeyTooLongError"


def test_tags_and_copies(s3, bucket):
    s3.put_object(Bucket=bucket, Key="a", Body=b"x", Tagging="team=ml&stage=raw", Metadata={"m": "1"})
    assert len(s3.get_object_tagging(Bucket=bucket, Key="a")["TagSet"]) == 2
    assert s3.get_object(Bucket=bucket, Key="a")["TagCount"] == 2
    s3.copy_object(Bucket=bucket, Key="b", CopySource=f"{bucket}/a")
    assert s3.head_object(Bucket=bucket, Key="b")["Metadata"] == {"m": "1"}
    s3.copy_object(
        Bucket=bucket,
        Key="c",
        CopySource=f"{bucket}/a",
        MetadataDirective="REPLACE",
        Metadata={"m": "2"},
        TaggingDirective="REPLACE",
        Tagging="only=one",
    )
    assert s3.head_object(Bucket=bucket, Key="c")["Metadata"] == {"m": "2"}
    assert s3.get_object_tagging(Bucket=bucket, Key="c")["TagSet"] == [{"Key": "only", "Value": "one"}]
    s3.put_object_tagging(Bucket=bucket, Key="c", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    assert s3.get_object_tagging(Bucket=bucket, Key="c")["TagSet"] == [{"Key": "k", "Value": "v"}]
    s3.delete_object_tagging(Bucket=bucket, Key="c")
    assert s3.get_object_tagging(Bucket=bucket, Key="c")["TagSet"] == []


def test_the_transfer_manager_uses_multipart(s3, bucket, folder):
    body = os.urandom(23 * MIB)
    source, target = folder / "up.bin", folder / "down.bin"
    source.write_bytes(body)
    transfer = boto3.s3.transfer.TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB)
    s3.upload_file(str(source), bucket, "big", Config=transfer, ExtraArgs={"Metadata": {"a": "b"}})
    head = s3.head_object(Bucket=bucket, Key="big", ChecksumMode="ENABLED")
    assert head["ETag"].endswith('-3"') and head["Metadata"] == {"a": "b"}
    s3.download_file(bucket, "big", str(target), Config=transfer)
    assert target.read_bytes() == body
    part = s3.get_object(Bucket=bucket, Key="big", PartNumber=2)
    assert (part["PartsCount"], part["Body"].read()) == (3, body[8 * MIB : 16 * MIB])
    attributes = s3.get_object_attributes(Bucket=bucket, Key="big", ObjectAttributes=["ObjectParts"])
    assert [p["Size"] for p in attributes["ObjectParts"]["Parts"]] == [8 * MIB, 8 * MIB, 7 * MIB]
    s3.copy({"Bucket": bucket, "Key": "big"}, bucket, "copied", Config=transfer)
    got = s3.get_object(Bucket=bucket, Key="copied")["Body"].read()
    assert got == body
    stream = io.BytesIO(body)
    s3.upload_fileobj(stream, bucket, "streamed", Config=transfer)
    assert s3.get_object(Bucket=bucket, Key="streamed")["Body"].read() == body


def test_uploads_are_listed_and_aborted(s3, bucket):
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="SHA256")
    upload_id = upload["UploadId"]
    part = s3.upload_part(
        Bucket=bucket, Key="k", UploadId=upload_id, PartNumber=1, Body=b"x" * 5 * MIB, ChecksumAlgorithm="SHA256"
    )
    assert part["ChecksumSHA256"]
    assert [u["UploadId"] for u in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == [upload_id]
    parts = s3.list_parts(Bucket=bucket, Key="k", UploadId=upload_id)["Parts"]
    assert [(p["PartNumber"], p["Size"]) for p in parts] == [(1, 5 * MIB)]
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        s3.complete_multipart_upload(
            Bucket=bucket, Key="k", UploadId=upload_id, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": '"bad"'}]}
        )
    assert code(refused) == "InvalidPart"
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        s3.upload_part(
            Bucket=bucket, Key="k", UploadId=upload_id, PartNumber=1, Body=b"x", ChecksumAlgorithm="CRC32"
        )
    assert code(refused) == "InvalidRequest"
    s3.put_object(Bucket=bucket, Key="source", Body=b"0123456789")
    copied = s3.upload_part_copy(
        Bucket=bucket,
        Key="k",
        UploadId=upload_id,
        PartNumber=2,
        CopySource=f"{bucket}/source",
        CopySourceRange="bytes=2-5",
    )
    done = s3.complete_multipart_upload(
        Bucket=bucket,
        Key="k",
        UploadId=upload_id,
        MultipartUpload={
            "Parts": [
                {"PartNumber": 1, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]},
                {
                    "PartNumber": 2,
                    "ETag": copied["CopyPartResult"]["ETag"],
                    "ChecksumSHA256": copied["CopyPartResult"]["ChecksumSHA256"],
                },
            ]
        },
    )
    assert done["ChecksumSHA256"].endswith("-2") and done["ChecksumType"] == "COMPOSITE"
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x" * 5 * MIB + b"2345"
    assert done["Location"].startswith("http://127.0.0.1:") and done["Location"].endswith(f"/{bucket}/k")
    other = s3.create_multipart_upload(Bucket=bucket, Key="other")["UploadId"]
    s3.abort_multipart_upload(Bucket=bucket, Key="other", UploadId=other)
    with pytest.raises(s3.exceptions.NoSuchUpload):
        s3.list_parts(Bucket=bucket, Key="other", UploadId=other)


def test_parts_are_sent_as_clients_do_by_default(s3, bucket, node):
    body = b"x" * 5 * MIB + b"y"
    asked = [{}, {"ChecksumAlgorithm": "CRC32"}, {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"}]
    for number, options in enumerate(asked):
        upload = {"Bucket": bucket, "Key": str(number)}
        upload["UploadId"] = s3.create_multipart_upload(**upload, **options)["UploadId"]
        parts = []
        for part, piece in enumerate([body[: 5 * MIB], body[5 * MIB :]], start=1):
            # The client adds CRC32 by itself, whatever the upload is about.
            sent = s3.upload_part(**upload, PartNumber=part, Body=piece)
            told = {name: value for name, value in sent.items() if name == "ChecksumCRC32"}
            parts.append({"PartNumber": part, "ETag": sent["ETag"], **told})
        with pytest.raises(botocore.exceptions.ClientError) as refused:
            s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, MpuObjectSize=len(body) - 1)
        assert code(refused) == "InvalidRequest"
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, MpuObjectSize=len(body))
        assert s3.get_object(Bucket=bucket, Key=str(number))["Body"].read() == body


def test_lying_checksums_store_nothing(s3, bucket):
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        s3.put_object(Bucket=bucket, Key="k", Body=b"hello", ChecksumCRC32="AAAAAA==")
    assert code(refused) == "BadDigest"
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        s3.put_object(Bucket=bucket, Key="k", Body=b"hello", ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==")
    assert code(refused) == "BadDigest"
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_a_body_that_breaks_off_stores_nothing(s3, bucket, node):
    url = s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "k"}, ExpiresIn=60)
    path = url.split(node.endpoint, 1)[1]
    with socket.create_connection(("127.0.0.1", node.port)) as connection:
        head = f"PUT {path} HTTP/1.1\r\nHost: 127.0.0.1:{node.port}\r\nContent-Length: 1000000\r\n\r\n"
        connection.sendall(head.encode() + b"x" * 300_000)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_writers_of_one_key(s3, bucket):
    bodies = [bytes([n]) * (300_000 if n % 2 else 50) for n in range(12)]
    threads = [threading.Thread(target=s3.put_object, kwargs={"Bucket": bucket, "Key": "k", "Body": b}) for b in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() in bodies


def test_virtual_hosts(node, bucket):
    s3 = node.client("s3", s3={"addressing_style": "path"})
    s3.put_object(Bucket=bucket, Key="k", Body=b"hello")
    url = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"}, ExpiresIn=60)
    assert urllib.request.urlopen(url).read() == b"hello"
    virtual = boto3.client(
        "s3",
        endpoint_url=f"http://localhost:{node.port}",
        region_name="eu-central-1",
        aws_access_key_id=node.environment()["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=node.environment()["AWS_SECRET_ACCESS_KEY"],
        config=botocore.config.Config(s3={"addressing_style": "virtual"}),
    )
    url = virtual.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"}, ExpiresIn=60)
    host = f"{bucket}.localhost:{node.port}"
    assert host in url
    request = urllib.request.Request(url.replace(host, f"127.0.0.1:{node.port}"), headers={"Host": host})
    assert urllib.request.urlopen(request).read() == b"hello"


def test_operations_that_are_refused(s3, bucket):
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        s3.get_bucket_website(Bucket=bucket)
    assert code(refused) == "NotImplemented"
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        s3.put_object(Bucket=bucket, Key="k", Body=b"x", ACL="public-read")
    assert code(refused) == "AccessControlListNotSupported"
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        s3.put_object(Bucket=bucket, Key="k", Body=b"x", ServerSideEncryption="aws:kms:dsse")
    assert code(refused) == "NotImplemented"


def test_the_command_line(node, folder, unique):
    name, local = unique("bucket"), folder / "tree"
    (local / "sub").mkdir(parents=True)
    (local / "a.txt").write_text("a")
    (local / "sub" / "b c.txt").write_text("b")
    (local / "big.bin").write_bytes(os.urandom(20 * MIB))
    node.aws("s3", "mb", f"s3://{name}")
    assert name in node.aws("s3", "ls")
    node.aws("s3", "cp", local / "a.txt", f"s3://{name}/a.txt")
    assert node.aws("s3", "cp", f"s3://{name}/a.txt", "-") == "a"
    node.aws("s3", "sync", local, f"s3://{name}/tree/")
    listed = node.aws("s3", "ls", "--recursive", f"s3://{name}/tree/")
    assert "tree/sub/b c.txt" in listed and "tree/big.bin" in listed
    assert "upload:" not in node.aws("s3", "sync", local, f"s3://{name}/tree/"), "a second sync has nothing to do"
    back = folder / "back"
    node.aws("s3", "sync", f"s3://{name}/tree/", back)
    assert (back / "big.bin").read_bytes() == (local / "big.bin").read_bytes()
    node.aws("s3", "cp", f"s3://{name}/tree/big.bin", f"s3://{name}/copy.bin")
    node.aws("s3", "mv", f"s3://{name}/a.txt", f"s3://{name}/moved.txt")
    head = json.loads(node.aws("s3api", "head-object", "--bucket", name, "--key", "moved.txt"))
    assert head["ContentLength"] == 1
    node.aws("s3", "rm", "--recursive", f"s3://{name}/")
    node.aws("s3", "rb", f"s3://{name}")
    assert name not in node.aws("s3", "ls")


def test_a_flipped_bit_is_reported_and_never_served(node, s3, bucket):
    body = os.urandom(3 * MIB)
    before = set((node.data / "blobs").glob("*/*"))
    s3.put_object(Bucket=bucket, Key="k", Body=body)
    (blob,) = set((node.data / "blobs").glob("*/*")) - before
    with open(blob, "r+b") as file:
        file.seek(MIB + 5)
        byte = file.read(1)
        file.seek(MIB + 5)
        file.write(bytes([byte[0] ^ 1]))
    assert s3.get_object(Bucket=bucket, Key="k", Range=f"bytes=0-{MIB - 1}")["Body"].read() == body[:MIB]
    with pytest.raises(Exception):
        s3.get_object(Bucket=bucket, Key="k")["Body"].read()
    s3.delete_object(Bucket=bucket, Key="k")
