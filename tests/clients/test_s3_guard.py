"""What must not slip past the guard: operations the node does not have, answers a stranger would have made, locks."""

import datetime
import json
import urllib.error
import urllib.request

import botocore.exceptions
import pytest
from botocore import UNSIGNED

from conftest import ALICE, BOB, User

CAROL = User(name="carol", access_key="AKIDCAROL", secret="carol secret carol secret", account=ALICE.account)
HOUR = datetime.timedelta(hours=1)


@pytest.fixture(scope="module")
def node(start_node):
    own = start_node(users=(ALICE, BOB, CAROL))
    yield own
    own.stop()


@pytest.fixture
def s3(node):
    return node.client("s3")


@pytest.fixture
def bucket(s3, unique):
    name = unique("guard")
    location = {"LocationConstraint": "eu-central-1"}
    s3.create_bucket(Bucket=name, CreateBucketConfiguration=location, ObjectLockEnabledForBucket=True)
    return name


def refusal(call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        call(**arguments)
    answer = refused.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def status_of(url, method="GET", body=None, headers=None):
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def signed(s3, operation, bucket, key, query):
    """The URL of an operation with more in its query than the SDK knows."""

    def add(request, **_):
        request.url += ("&" if "?" in request.url else "?") + query

    s3.meta.events.register("before-sign.s3", add)
    arguments = {"Bucket": bucket} | ({"Key": key} if key else {})
    try:
        return s3.generate_presigned_url(operation, arguments, ExpiresIn=60)
    finally:
        s3.meta.events.unregister("before-sign.s3", add)


def test_what_the_node_does_not_have_is_not_done_to_the_object(s3, bucket):
    version = s3.put_object(Bucket=bucket, Key="k", Body=b"kept")["VersionId"]
    for method, operation, query, code in [
        ("DELETE", "delete_object", f"annotation&annotationName=x&versionId={version}", 501),
        ("PUT", "put_object", "annotation&annotationName=x", 501),
        ("PUT", "put_object", "encryption", 501),
        ("PUT", "put_object", "renameObject", 501),
        ("DELETE", "delete_object", "legal-hold", 405),
        ("GET", "get_object", "versions", 400),
    ]:
        found, _, document = status_of(signed(s3, operation, bucket, "k", query), method, b"x" if method == "PUT" else None)
        assert found == code, (method, query, document)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"kept"
    assert len(s3.list_object_versions(Bucket=bucket)["Versions"]) == 1


def test_a_bucket_outlives_operations_on_what_it_does_not_have(s3, unique):
    bucket = unique("guard")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    for query, code in [("metadataConfiguration", 501), ("versioning", 405), ("acl&policy", 400), ("attributes", 400)]:
        found, _, document = status_of(signed(s3, "delete_bucket", bucket, None, query), "DELETE")
        assert found == code, (query, document)
    s3.head_bucket(Bucket=bucket)


def test_the_operations_of_the_sdk_that_are_not_there_say_so(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"kept")
    known = [name for name in ("get_bucket_abac", "get_bucket_metadata_configuration") if hasattr(s3, name)]
    for name in known:
        assert refusal(getattr(s3, name), Bucket=bucket) == ("NotImplemented", 501), name
    if hasattr(s3, "put_object_annotation"):
        arguments = {"Bucket": bucket, "Key": "k", "AnnotationName": "x", "AnnotationPayload": b"y"}
        assert refusal(s3.put_object_annotation, **arguments) == ("NotImplemented", 501)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"kept"


def test_only_who_signs_may_say_what_the_answer_says(node, s3, bucket):
    s3.delete_public_access_block(Bucket=bucket)
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    s3.put_object(Bucket=bucket, Key="k", Body=b"<script>", ContentType="text/plain")
    nobody = node.client("s3", signature_version=UNSIGNED)
    assert nobody.get_object(Bucket=bucket, Key="k")["ContentType"] == "text/plain"
    arguments = {"Bucket": bucket, "Key": "k", "ResponseContentType": "text/html"}
    assert refusal(nobody.get_object, **arguments) == ("InvalidRequest", 400)
    assert refusal(nobody.head_object, **arguments) == ("400", 400)
    spelled = f"{node.endpoint}/{bucket}/k?%72esponse-content-type=text%2Fhtml"
    assert status_of(spelled)[0] == 400
    assert status_of(spelled, "HEAD")[0] == 400
    assert s3.get_object(**arguments)["ContentType"] == "text/html"
    expires = "Thu, 01 Jan 2032 00:00:00 GMT"
    url = s3.generate_presigned_url("head_object", {"Bucket": bucket, "Key": "k", "ResponseExpires": expires})
    assert status_of(url, "HEAD")[1]["expires"] == expires


def test_a_signed_url_brings_metadata(s3, bucket):
    # Other SDKs' signers move these from the headers into the query.
    url = signed(s3, "put_object", bucket, "k", "x-amz-meta-place=a%20b&x-amz-tagging=a%3Db")
    assert status_of(url, "PUT", b"body", {"content-type": "text/plain"})[0] == 200
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == {"place": "a b"}
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []


def test_governance_is_bypassed_object_by_object(node, s3, bucket):
    until = datetime.datetime.now(datetime.timezone.utc) + HOUR
    lock = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": until}
    versions = {key: s3.put_object(Bucket=bucket, Key=key, Body=b"x", **lock)["VersionId"] for key in ("legal/a", "b")}
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:BypassGovernanceRetention",
        "Resource": f"arn:aws:s3:::{bucket}/legal/*",
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    carol = node.client("s3", CAROL)
    one = {"Bucket": bucket, "Key": "legal/a", "VersionId": versions["legal/a"], "BypassGovernanceRetention": True}
    assert refusal(carol.delete_object, **one) == ("AccessDenied", 403)
    named = [{"Key": key, "VersionId": version} for key, version in versions.items()]
    answer = carol.delete_objects(Bucket=bucket, Delete={"Objects": named}, BypassGovernanceRetention=True)
    assert [(error["Key"], error["Code"]) for error in answer["Errors"]] == [("legal/a", "AccessDenied")]
    assert [deleted["Key"] for deleted in answer["Deleted"]] == ["b"]
    left = s3.list_object_versions(Bucket=bucket)["Versions"]
    assert [version["Key"] for version in left] == ["legal/a"]


def test_governance_becomes_compliance_only_for_who_bypasses_it(s3, bucket):
    until = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + HOUR
    put = s3.put_object(
        Bucket=bucket, Key="k", Body=b"x", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until
    )
    version = {"Bucket": bucket, "Key": "k", "VersionId": put["VersionId"]}
    strict = {"Mode": "COMPLIANCE", "RetainUntilDate": until + HOUR}
    assert refusal(s3.put_object_retention, **version, Retention=strict) == ("AccessDenied", 403)
    s3.put_object_retention(**version, Retention=strict, BypassGovernanceRetention=True)
    assert s3.get_object_retention(**version)["Retention"]["Mode"] == "COMPLIANCE"
