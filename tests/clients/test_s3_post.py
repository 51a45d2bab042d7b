"""Uploads by HTML forms: what boto3 presigns and a browser posts, and what a policy keeps out."""

import base64
import hashlib
import json
import os

import botocore.exceptions
import pytest
import requests

from conftest import ALICE, BOB, REGION, User
from sigv4 import Signer, send

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def bucket(node):
    node.client("s3").create_bucket(Bucket="forms", CreateBucketConfiguration={"LocationConstraint": REGION})
    return "forms"


def post(presigned, data=b"hello", name="a b.txt", extra=(), **settings):
    fields = presigned["fields"] | dict(extra)
    return requests.post(presigned["url"], data=fields, files={"file": (name, data)}, timeout=60, **settings)


def presigned(node, bucket, key, fields=None, conditions=None, user=ALICE, seconds=60):
    s3 = node.client("s3", user, signature_version="s3v4")
    return s3.generate_presigned_post(bucket, key, Fields=fields, Conditions=conditions, ExpiresIn=seconds)


def is_stored(node, bucket, key):
    try:
        return node.client("s3").head_object(Bucket=bucket, Key=key)
    except botocore.exceptions.ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 404
        return None


def refused(answer, status, code, words=""):
    assert answer.status_code == status, answer.text
    assert f"<Code>{code}</Code>" in answer.text and words in answer.text, answer.text


def test_what_boto3_presigns_is_stored(node, bucket):
    answer = post(presigned(node, bucket, "plain"))
    assert (answer.status_code, answer.text) == (204, "")
    assert answer.headers["ETag"] == f'"{hashlib.md5(b"hello").hexdigest()}"'
    assert answer.headers["Location"] == f"{node.endpoint}/{bucket}/plain"
    got = node.client("s3").get_object(Bucket=bucket, Key="plain")
    assert got["Body"].read() == b"hello" and got["ContentType"] == "binary/octet-stream"


def test_everything_a_form_says_about_an_object_is_kept(node, bucket):
    checksum = base64.b64encode(hashlib.sha256(b"hello").digest()).decode()
    fields = {
        "Content-Type": "text/plain",
        "Cache-Control": "no-store",
        "Content-Disposition": "attachment",
        "Expires": "Thu, 01 Jan 2032 00:00:00 GMT",
        "x-amz-meta-color": "blü",
        "x-amz-checksum-sha256": checksum,
        "x-amz-storage-class": "STANDARD",
        "tagging": "<Tagging><TagSet><Tag><Key>team</Key><Value>a b&amp;c</Value></Tag></TagSet></Tagging>",
        "acl": "private",
        "success_action_status": "201",
    }
    conditions = [{name: value} for name, value in fields.items()]
    answer = post(presigned(node, bucket, "said/${filename}", fields, conditions), name="C:\\dir\\ünï.txt")
    assert answer.status_code == 201, answer.text
    assert "<Key>said/ünï.txt</Key>" in answer.text and f"<Bucket>{bucket}</Bucket>" in answer.text
    s3 = node.client("s3")
    got = s3.get_object(Bucket=bucket, Key="said/ünï.txt", ChecksumMode="ENABLED")
    assert (got["ContentType"], got["CacheControl"], got["ContentDisposition"]) == ("text/plain", "no-store", "attachment")
    assert got["ChecksumSHA256"] == checksum and got["ExpiresString"] == fields["Expires"]
    assert list(got["Metadata"]) == ["color"]
    assert s3.get_object_tagging(Bucket=bucket, Key="said/ünï.txt")["TagSet"] == [{"Key": "team", "Value": "a b&c"}]


def test_a_redirect_tells_what_was_stored(node, bucket):
    for joint, url in [("?", "http://example.com/done"), ("&", "http://example.com/done?a=1")]:
        fields = {"success_action_redirect": url}
        answer = post(presigned(node, bucket, "sent on", fields, [fields]), allow_redirects=False)
        assert answer.status_code == 303
        etag = hashlib.md5(b"hello").hexdigest()
        assert answer.headers["Location"] == f"{url}{joint}bucket={bucket}&key=sent%20on&etag=%22{etag}%22"
    fields = {"success_action_redirect": "no url"}
    assert post(presigned(node, bucket, "stays", fields, [fields])).status_code == 204


def test_a_large_file_is_streamed(node, bucket, tmp_path):
    path = tmp_path / "large"
    path.write_bytes(os.urandom(40 * MIB) + b"\r\n--")
    allowed = presigned(node, bucket, "large", conditions=[["content-length-range", 1, 64 * MIB]])
    with open(path, "rb") as file:
        answer = requests.post(allowed["url"], data=allowed["fields"], files={"file": file}, timeout=120)
    assert answer.status_code == 204, answer.text
    got = node.client("s3").get_object(Bucket=bucket, Key="large")["Body"].read()
    assert hashlib.sha256(got).digest() == hashlib.sha256(path.read_bytes()).digest()


@pytest.mark.parametrize("low, high, code, status", [(6, 10, "EntityTooSmall", 400), (0, 4, "EntityTooLarge", 400)])
def test_sizes_outside_the_policy_store_nothing(node, bucket, low, high, code, status):
    allowed = presigned(node, bucket, "sized", conditions=[["content-length-range", low, high]])
    refused(post(allowed), status, code, "<ProposedSize>5</ProposedSize>")
    assert not is_stored(node, bucket, "sized")


def test_what_the_policy_does_not_allow_is_refused(node, bucket):
    allowed = presigned(node, bucket, "kept/${filename}")
    refused(post(allowed, extra={"key": "elsewhere"}), 403, "AccessDenied", "Policy Condition failed")
    refused(post(allowed, extra={"acl": "private"}), 403, "AccessDenied", "Extra input fields: acl")
    refused(post(allowed, extra={"x-amz-meta-a": "b"}), 403, "AccessDenied", "Extra input fields: x-amz-meta-a")
    assert post(allowed, extra={"x-ignore-a": "b"}).status_code == 204
    other = allowed | {"url": f"{node.endpoint}/another"}
    refused(post(other), 403, "AccessDenied", "Policy Condition failed")
    assert not is_stored(node, bucket, "elsewhere")


def test_an_expired_policy_is_refused(node, bucket):
    refused(post(presigned(node, bucket, "late", seconds=-10)), 403, "AccessDenied", "Policy expired")
    assert not is_stored(node, bucket, "late")


def test_forged_and_incomplete_signatures_are_refused(node, bucket):
    allowed = presigned(node, bucket, "forged")
    policy = json.loads(base64.b64decode(allowed["fields"]["policy"])) | {"expiration": "2099-01-01T00:00:00Z"}
    changed = base64.b64encode(json.dumps(policy).encode()).decode()
    refused(post(allowed, extra={"policy": changed}), 403, "SignatureDoesNotMatch")
    refused(post(allowed, extra={"x-amz-signature": "0" * 64}), 403, "SignatureDoesNotMatch")
    refused(post(allowed, extra={"x-amz-security-token": "x"}), 403, "AccessDenied", "Extra input fields")
    fields = {"x-amz-security-token": "x"}
    refused(post(presigned(node, bucket, "forged", fields, [fields])), 400, "InvalidToken")
    guessed = presigned(node, bucket, "forged", user=User("alice", ALICE.access_key, "guessed", ALICE.account))
    refused(post(guessed), 403, "SignatureDoesNotMatch")
    stranger = presigned(node, bucket, "forged", user=User("x", "AKIANOBODY0000000009", "guessed", "0"))
    refused(post(stranger), 403, "InvalidAccessKeyId")
    for missing in ["policy", "x-amz-signature", "x-amz-date", "x-amz-credential", "x-amz-algorithm"]:
        fields = {name: value for name, value in allowed["fields"].items() if name != missing}
        refused(post(allowed | {"fields": fields}), 400, "InvalidArgument", missing.split("-")[-1].capitalize())
    refused(post({"url": allowed["url"], "fields": {"key": "forged"}}), 403, "AccessDenied")
    old = {"key": "forged", "AWSAccessKeyId": ALICE.access_key, "policy": "e30=", "signature": "x"}
    refused(post({"url": allowed["url"], "fields": old}), 400, "InvalidRequest", "AWS4-HMAC-SHA256")
    assert not is_stored(node, bucket, "forged")


def test_a_form_without_a_policy_is_everybodys(node, unique):
    s3, bucket = node.client("s3"), unique("open")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    open_form = {"url": f"{node.endpoint}/{bucket}", "fields": {"key": "given"}}
    refused(post(open_form), 403, "AccessDenied")
    s3.put_public_access_block(
        Bucket=bucket,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": False,
            "IgnorePublicAcls": False,
            "BlockPublicPolicy": False,
            "RestrictPublicBuckets": False,
        },
    )
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/given"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert post(open_form).status_code == 204
    refused(post(open_form | {"fields": {"key": "other"}}), 403, "AccessDenied")
    assert is_stored(node, bucket, "given") and not is_stored(node, bucket, "other")


def test_a_page_of_another_origin_may_post_if_the_bucket_says_so(node, unique):
    s3, bucket = node.client("s3"), unique("pages")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    rule = {"AllowedMethods": ["POST"], "AllowedOrigins": ["https://app.example.com"], "ExposeHeaders": ["ETag"]}
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule]})
    answer = post(presigned(node, bucket, "page"), headers={"Origin": "https://app.example.com"})
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
    answer = post(presigned(node, bucket, "page"), headers={"Origin": "https://other.example.com"})
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_another_account_may_not_post_into_the_bucket(node, bucket):
    refused(post(presigned(node, bucket, "foreign", user=BOB)), 403, "AccessDenied")
    assert not is_stored(node, bucket, "foreign")


def test_what_a_put_refuses_a_form_is_refused_too(node, bucket):
    for fields, status, code in [
        ({"x-amz-storage-class": "NONSENSE"}, 400, "InvalidStorageClass"),
        ({"x-amz-checksum-crc32": "AAAAAA=="}, 400, "BadDigest"),
        ({"x-amz-meta-long": "x" * 2100}, 400, "MetadataTooLarge"),
        ({"tagging": "<Tagging>"}, 400, "MalformedXML"),
    ]:
        refused(post(presigned(node, bucket, "checked", fields, [fields])), status, code)
    refused(post(presigned(node, bucket, "k" * 1025)), 400, "KeyTooLongError")
    assert not is_stored(node, bucket, "checked")


def form(allowed, body_end=b"--x--\r\n", file=b"hello", fields=None):
    body = b""
    for name, value in (fields or allowed["fields"]).items():
        body += f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    return body + b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n' + file + b"\r\n" + body_end


def test_malformed_forms_store_nothing(node, bucket):
    allowed = presigned(node, bucket, "malformed")
    whole = form(allowed)
    headers = {"Host": f"127.0.0.1:{node.port}", "Content-Type": "multipart/form-data; boundary=x"}
    without_file = whole[: whole.index(b'--x\r\nContent-Disposition: form-data; name="file"')] + b"--x--\r\n"
    for body, kind, code in [
        (whole, "multipart/form-data", "MalformedPOSTRequest"),
        (whole[: -len(b"--x--\r\n")], None, "IncompleteBody"),
        (without_file, None, "IncorrectNumberOfFilesInPostRequest"),
        (whole.replace(b'; name="key"', b""), None, "MalformedPOSTRequest"),
        (form(allowed, fields={"a": "x" * 30_000}), None, "MaxPostPreDataLengthExceededError"),
        (form(allowed, fields=allowed["fields"] | {"Key": "malformed"}), None, "InvalidArgument"),
    ]:
        answer = send(node, "POST", f"/{bucket}", headers | ({"Content-Type": kind} if kind else {}), body)
        assert (answer.status, answer.code) == (400, code), answer
    answer = send(node, "POST", f"/{bucket}/key", headers, whole)
    assert (answer.status, answer.code) == (405, "MethodNotAllowed"), answer
    signed = Signer().headers("POST", node, f"/{bucket}", {"Content-Type": headers["Content-Type"]})
    answer = send(node, "POST", f"/{bucket}", signed, whole)
    assert (answer.status, answer.code) == (400, "InvalidArgument"), answer
    # A client that hangs up in the middle of its file is told nothing and stores nothing.
    answer = send(node, "POST", f"/{bucket}", headers, form(allowed, file=b"x" * 100_000), cut=50_000)
    assert answer.code == "IncompleteBody", answer
    assert not is_stored(node, bucket, "malformed")
    assert send(node, "POST", f"/{bucket}", headers, whole).status == 204


def test_a_bucket_in_the_hosts_name_takes_forms_too(node, bucket):
    headers = {"Host": f"{bucket}.localhost:{node.port}", "Content-Type": "multipart/form-data; boundary=x"}
    answer = send(node, "POST", "/", headers, form(presigned(node, bucket, "by-host")))
    assert answer.status == 204 and answer.headers["location"] == f"http://{bucket}.localhost:{node.port}/by-host"
    assert is_stored(node, bucket, "by-host")
