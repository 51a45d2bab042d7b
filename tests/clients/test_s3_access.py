"""Who may what in S3: bucket policies, the block of public access, ownership, access control lists, requester
pays, and requests that nobody signed. Four users of two accounts against a node of their own."""

import json
import socket
import urllib.error
import urllib.request

import botocore
import botocore.client
import botocore.exceptions
import pytest
from botocore import UNSIGNED
from conftest import ALICE, BOB, User

CAROL = User("carol", "AKIACAROL00000000003", "carol-secret-for-tests-only", ALICE.account)
ROOT = User("root", "AKIAROOT000000000004", "root-secret-for-tests-only", ALICE.account)
ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"


@pytest.fixture(scope="module")
def node(start_node):
    own = start_node(users=(ALICE, BOB, CAROL, ROOT))
    yield own
    own.stop()


@pytest.fixture
def alice(node):
    return node.client("s3", ALICE)


@pytest.fixture
def bob(node):
    return node.client("s3", BOB)


@pytest.fixture
def carol(node):
    return node.client("s3", CAROL)


@pytest.fixture
def root(node):
    return node.client("s3", ROOT)


@pytest.fixture
def nobody(node):
    return node.client("s3", ALICE, signature_version=UNSIGNED)


@pytest.fixture
def bucket(alice, unique):
    name = unique("bucket")
    alice.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    alice.put_object(Bucket=name, Key="open/a", Body=b"a")
    alice.put_object(Bucket=name, Key="shut/b", Body=b"b")
    return name


def statement(bucket, actions, principal, inside="/*", effect="Allow", **more):
    resource = [f"arn:aws:s3:::{bucket}{part}" for part in ([inside] if isinstance(inside, str) else inside)]
    return {"Effect": effect, "Principal": principal, "Action": actions, "Resource": resource, **more}


def put_policy(client, bucket, *statements):
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(document))


def refusal(call, **arguments):
    """The code of the refusal; a HEAD has none but its status."""
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        call(**arguments)
    return refused.value.response["Error"]["Code"]


def open_to_the_public(client, bucket, ownership=None):
    client.delete_public_access_block(Bucket=bucket)
    if ownership:
        rules = {"Rules": [{"ObjectOwnership": ownership}]}
        client.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=rules)


IS_BOB = {"AWS": f"arn:aws:iam::{BOB.account}:user/bob"}


def test_a_policy_is_put_read_and_removed(alice, bucket):
    assert refusal(alice.get_bucket_policy, Bucket=bucket) == "NoSuchBucketPolicy"
    assert refusal(alice.get_bucket_policy_status, Bucket=bucket) == "NoSuchBucketPolicy"
    put_policy(alice, bucket, statement(bucket, "s3:GetObject", IS_BOB))
    kept = json.loads(alice.get_bucket_policy(Bucket=bucket)["Policy"])
    assert kept["Statement"][0]["Principal"] == IS_BOB
    assert alice.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"] == {"IsPublic": False}
    alice.delete_bucket_policy(Bucket=bucket)
    alice.delete_bucket_policy(Bucket=bucket)
    assert refusal(alice.get_bucket_policy, Bucket=bucket) == "NoSuchBucketPolicy"


def test_a_policy_that_is_not_understood_is_refused(alice, bucket):
    good = statement(bucket, "s3:GetObject", IS_BOB)
    for change in [
        {"Action": "s3:Fly"},
        {"Action": "kinesis:PutRecord"},
        {"Resource": "arn:aws:s3:::another-bucket/*"},
        {"Resource": f"arn:aws:s3:::{bucket}"},
        {"Effect": "Perhaps"},
        {"Principal": {"AWS": "somebody"}},
        {"Principal": {"Federated": "example.com"}},
        {"Condition": {"StringSounds": {"aws:SourceIp": "x"}}},
        {"Condition": {"StringEquals": {"aws:Weather": "fine"}}},
        {"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/99"}}},
        {"Colour": "red"},
    ]:
        with pytest.raises(botocore.exceptions.ClientError) as refused:
            put_policy(alice, bucket, good | change)
        assert refused.value.response["Error"]["Code"] == "MalformedPolicy", change
        assert refused.value.response["Error"]["Message"], change
    assert refusal(alice.put_bucket_policy, Bucket=bucket, Policy="nonsense") == "MalformedPolicy"
    twice = '{"Statement":[],"Statement":[]}'
    assert refusal(alice.put_bucket_policy, Bucket=bucket, Policy=twice) == "MalformedPolicy"
    large = statement(bucket, "s3:GetObject", IS_BOB, Sid="x" * 21_000)
    assert refusal(alice.put_bucket_policy, Bucket=bucket, Policy=json.dumps({"Statement": large})) == "PolicyTooLarge"
    assert refusal(alice.get_bucket_policy, Bucket=bucket) == "NoSuchBucketPolicy"


def test_another_account_does_what_the_policy_allows_and_nothing_else(alice, bob, bucket):
    assert refusal(bob.get_object, Bucket=bucket, Key="open/a") == "AccessDenied"
    put_policy(
        alice,
        bucket,
        statement(bucket, ["s3:GetObject", "s3:PutObject"], IS_BOB, inside="/open/*"),
        statement(
            bucket, "s3:ListBucket", IS_BOB, inside="", Condition={"StringLike": {"s3:prefix": ["open/*"]}}
        ),
    )
    assert bob.get_object(Bucket=bucket, Key="open/a")["Body"].read() == b"a"
    bob.put_object(Bucket=bucket, Key="open/from-bob", Body=b"bob")
    assert alice.get_object(Bucket=bucket, Key="open/from-bob")["Body"].read() == b"bob"
    listed = bob.list_objects_v2(Bucket=bucket, Prefix="open/")
    assert [entry["Key"] for entry in listed["Contents"]] == ["open/a", "open/from-bob"]
    for call, arguments in [
        (bob.get_object, {"Key": "shut/b"}),
        (bob.put_object, {"Key": "shut/b", "Body": b"x"}),
        (bob.delete_object, {"Key": "open/a"}),
        (bob.list_objects_v2, {}),
        (bob.list_objects_v2, {"Prefix": "shut/"}),
        (bob.get_bucket_policy, {}),
        (bob.put_bucket_policy, {"Policy": "{}"}),
        (bob.get_object_tagging, {"Key": "open/a"}),
    ]:
        assert refusal(call, Bucket=bucket, **arguments) == "AccessDenied", arguments
    assert alice.get_object(Bucket=bucket, Key="shut/b")["Body"].read() == b"b"


def test_a_denial_wins_within_the_account_and_its_root_can_mend_it(alice, carol, root, bucket):
    is_carol = {"AWS": f"arn:aws:iam::{ALICE.account}:user/carol"}
    put_policy(alice, bucket, statement(bucket, "s3:GetObject", is_carol, inside="/shut/*", effect="Deny"))
    assert refusal(carol.get_object, Bucket=bucket, Key="shut/b") == "AccessDenied"
    assert carol.get_object(Bucket=bucket, Key="open/a")["Body"].read() == b"a"
    assert alice.get_object(Bucket=bucket, Key="shut/b")["Body"].read() == b"b"
    put_policy(alice, bucket, statement(bucket, "s3:*", "*", inside=["", "/*"], effect="Deny"))
    for client in (alice, carol, root):
        assert refusal(client.get_object, Bucket=bucket, Key="open/a") == "AccessDenied"
    for client in (alice, carol):
        assert refusal(client.get_bucket_policy, Bucket=bucket) == "AccessDenied"
        assert refusal(client.delete_bucket_policy, Bucket=bucket) == "AccessDenied"
    assert "Deny" in root.get_bucket_policy(Bucket=bucket)["Policy"]
    root.delete_bucket_policy(Bucket=bucket)
    assert alice.get_object(Bucket=bucket, Key="open/a")["Body"].read() == b"a"


@pytest.mark.parametrize(
    ("condition", "allowed"),
    [
        ({"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}, True),
        ({"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "::/0"]}}, False),
        ({"NotIpAddress": {"aws:SourceIp": "127.0.0.1/32"}}, False),
        ({"Bool": {"aws:SecureTransport": "true"}}, False),
        ({"Bool": {"aws:SecureTransport": "false"}}, True),
        ({"StringLike": {"aws:UserAgent": "*Boto3*"}}, True),
        ({"StringEquals": {"s3:ExistingObjectTag/class": "public"}}, False),
        ({"StringEquals": {"s3:ExistingObjectTag/team": "ml"}}, True),
        ({"StringEqualsIfExists": {"s3:ExistingObjectTag/class": "public"}}, True),
        ({"Null": {"s3:VersionId": "true"}}, True),
        ({"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, True),
        ({"DateGreaterThan": {"aws:CurrentTime": "2999-01-01T00:00:00Z"}}, False),
        ({"NumericGreaterThan": {"aws:EpochTime": "1"}}, True),
        ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/b*"}}, True),
        ({"StringEquals": {"aws:PrincipalAccount": "333333333333"}}, False),
        ({"StringNotEquals": {"aws:PrincipalAccount": "333333333333"}}, True),
        ({"StringEquals": {"aws:username": "${aws:username}"}}, True),
        ({"StringEquals": {"aws:SourceVpce": "vpce-1"}}, False),
    ],
)
def test_conditions_are_asked(alice, bob, bucket, condition, allowed):
    alice.put_object_tagging(
        Bucket=bucket, Key="open/a", Tagging={"TagSet": [{"Key": "team", "Value": "ml"}]}
    )
    put_policy(alice, bucket, statement(bucket, "s3:GetObject", IS_BOB, Condition=condition))
    if allowed:
        assert bob.get_object(Bucket=bucket, Key="open/a")["Body"].read() == b"a"
    else:
        assert refusal(bob.get_object, Bucket=bucket, Key="open/a") == "AccessDenied"


def test_conditions_on_what_is_put_and_listed(alice, bob, carol, bucket):
    put_policy(
        alice,
        bucket,
        statement(bucket, "s3:PutObject", IS_BOB, Condition={"StringEquals": {"s3:x-amz-acl": "private"}}),
        statement(
            bucket,
            "s3:PutObjectTagging",
            IS_BOB,
            Condition={"ForAllValues:StringEquals": {"s3:RequestObjectTagKeys": ["team"]}},
        ),
        statement(bucket, "s3:PutObjectAcl", IS_BOB),
        statement(bucket, "s3:ListBucket", IS_BOB, inside="", Condition={"NumericLessThanEquals": {"s3:max-keys": 5}}),
        statement(
            bucket,
            "s3:PutObject",
            "*",
            effect="Deny",
            Condition={"StringEquals": {"s3:RequestObjectTag/class": "secret"}},
        ),
    )
    assert refusal(bob.put_object, Bucket=bucket, Key="k", Body=b"") == "AccessDenied"
    bob.put_object(Bucket=bucket, Key="k", Body=b"", ACL="private")
    bob.put_object(Bucket=bucket, Key="k", Body=b"", ACL="private", Tagging="team=ml")
    assert refusal(bob.put_object, Bucket=bucket, Key="k", Body=b"", ACL="private", Tagging="a=b") == "AccessDenied"
    tags = lambda key: {"TagSet": [{"Key": key, "Value": "x"}]}  # noqa: E731
    bob.put_object_tagging(Bucket=bucket, Key="k", Tagging=tags("team"))
    assert refusal(bob.put_object_tagging, Bucket=bucket, Key="k", Tagging=tags("other")) == "AccessDenied"
    bob.list_objects_v2(Bucket=bucket, MaxKeys=5)
    assert refusal(bob.list_objects_v2, Bucket=bucket, MaxKeys=6) == "AccessDenied"
    assert refusal(carol.put_object, Bucket=bucket, Key="k", Body=b"", Tagging="class=secret") == "AccessDenied"


def test_a_policy_is_its_own_accounts(alice, bob, bucket):
    put_policy(alice, bucket, statement(bucket, "s3:*", IS_BOB, inside=["", "/*"]))
    assert bob.list_objects_v2(Bucket=bucket)["KeyCount"] == 2
    assert refusal(bob.get_bucket_policy, Bucket=bucket) == "MethodNotAllowed"
    assert refusal(bob.delete_bucket_policy, Bucket=bucket) == "MethodNotAllowed"
    assert refusal(bob.put_bucket_policy, Bucket=bucket, Policy="{}") == "MethodNotAllowed"


def test_a_version_is_asked_for_by_an_action_of_its_own(alice, bob, bucket):
    alice.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    versions = [alice.put_object(Bucket=bucket, Key="k", Body=body)["VersionId"] for body in (b"1", b"2")]
    put_policy(alice, bucket, statement(bucket, ["s3:GetObject", "s3:DeleteObject"], IS_BOB))
    assert bob.get_object(Bucket=bucket, Key="k")["Body"].read() == b"2"
    for version in versions:
        assert refusal(bob.get_object, Bucket=bucket, Key="k", VersionId=version) == "AccessDenied"
        assert refusal(bob.delete_object, Bucket=bucket, Key="k", VersionId=version) == "AccessDenied"
    deleted = bob.delete_objects(
        Bucket=bucket, Delete={"Objects": [{"Key": "k", "VersionId": versions[0]}, {"Key": "k"}]}
    )
    assert [error["VersionId"] for error in deleted["Errors"]] == [versions[0]]
    assert [entry["DeleteMarker"] for entry in deleted["Deleted"]] == [True]
    put_policy(
        alice,
        bucket,
        statement(
            bucket, "s3:GetObjectVersion", IS_BOB, Condition={"StringEquals": {"s3:VersionId": versions[0]}}
        ),
    )
    assert bob.get_object(Bucket=bucket, Key="k", VersionId=versions[0])["Body"].read() == b"1"
    assert refusal(bob.get_object, Bucket=bucket, Key="k", VersionId=versions[1]) == "AccessDenied"
    assert refusal(bob.get_object, Bucket=bucket, Key="k") == "AccessDenied", "a delete marker hides itself, too"


def test_who_may_not_list_does_not_learn_what_is_not_there(alice, bob, bucket):
    put_policy(alice, bucket, statement(bucket, "s3:GetObject", IS_BOB))
    assert refusal(bob.get_object, Bucket=bucket, Key="missing") == "AccessDenied"
    put_policy(
        alice, bucket, statement(bucket, "s3:GetObject", IS_BOB), statement(bucket, "s3:ListBucket", IS_BOB, inside="")
    )
    assert refusal(bob.get_object, Bucket=bucket, Key="missing") == "NoSuchKey"


def test_locks_are_asked_for_too(alice, bob, unique):
    name = unique("bucket")
    alice.create_bucket(
        Bucket=name,
        CreateBucketConfiguration={"LocationConstraint": "eu-central-1"},
        ObjectLockEnabledForBucket=True,
    )
    put_policy(alice, name, statement(name, "s3:PutObject", IS_BOB))
    put = {"Bucket": name, "Key": "k", "Body": b"x", "ChecksumAlgorithm": "CRC32"}
    bob.put_object(**put)
    assert refusal(bob.put_object, **put, ObjectLockLegalHoldStatus="ON") == "AccessDenied"
    put_policy(alice, name, statement(name, ["s3:PutObject", "s3:PutObjectLegalHold"], IS_BOB))
    bob.put_object(**put, ObjectLockLegalHoldStatus="ON")


def test_variables_make_a_home_for_everybody(alice, bob, bucket):
    everybody_of_bob = {"AWS": f"arn:aws:iam::{BOB.account}:root"}
    put_policy(alice, bucket, statement(bucket, "s3:PutObject", everybody_of_bob, inside="/home/${aws:username}/*"))
    bob.put_object(Bucket=bucket, Key="home/bob/x", Body=b"x")
    assert refusal(bob.put_object, Bucket=bucket, Key="home/alice/x", Body=b"x") == "AccessDenied"


def test_deleting_many_is_asked_key_by_key(alice, bob, bucket):
    put_policy(alice, bucket, statement(bucket, "s3:DeleteObject", IS_BOB, inside="/open/*"))
    answer = bob.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "open/a"}, {"Key": "shut/b"}]})
    assert [deleted["Key"] for deleted in answer["Deleted"]] == ["open/a"]
    assert [(error["Key"], error["Code"]) for error in answer["Errors"]] == [("shut/b", "AccessDenied")]
    assert [entry["Key"] for entry in alice.list_objects_v2(Bucket=bucket)["Contents"]] == ["shut/b"]


def test_a_copy_asks_for_its_source(alice, bob, bucket, unique):
    mine = unique("bucket")
    bob.create_bucket(Bucket=mine, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    source = {"Bucket": bucket, "Key": "open/a"}
    assert refusal(bob.copy_object, Bucket=mine, Key="copy", CopySource=source) == "AccessDenied"
    put_policy(alice, bucket, statement(bucket, "s3:GetObject", IS_BOB, inside="/open/*"))
    bob.copy_object(Bucket=mine, Key="copy", CopySource=source)
    assert bob.get_object(Bucket=mine, Key="copy")["Body"].read() == b"a"
    alice.put_object_tagging(Bucket=bucket, Key="open/a", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert refusal(bob.copy_object, Bucket=mine, Key="copy", CopySource=source) == "AccessDenied", "tags are read, too"
    bob.copy_object(Bucket=mine, Key="copy", CopySource=source, TaggingDirective="REPLACE")


def test_uploads_in_parts_cross_accounts(alice, bob, nobody, bucket):
    put_policy(alice, bucket, statement(bucket, "s3:PutObject", IS_BOB))
    upload = {"Bucket": bucket, "Key": "big"}
    upload["UploadId"] = bob.create_multipart_upload(**upload)["UploadId"]
    etag = bob.upload_part(**upload, PartNumber=1, Body=b"part")["ETag"]
    # Who began it may look at it and give it up, and so may the bucket's account; nobody else.
    listed = bob.list_parts(**upload)
    assert len(listed["Parts"]) == 1
    assert listed["Initiator"]["ID"] == IS_BOB["AWS"]
    assert alice.list_parts(**upload)["Initiator"]["ID"] == IS_BOB["AWS"]
    [under_way] = alice.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert (under_way["Initiator"]["ID"], under_way["Owner"]["ID"]) == (IS_BOB["AWS"], canonical(alice))
    for other in ({"UploadId": "0" * 32}, {"Key": "another"}):
        assert refusal(bob.abort_multipart_upload, **(upload | other)) == "AccessDenied"
    for call in (nobody.list_parts, nobody.abort_multipart_upload):
        assert refusal(call, **upload) == "AccessDenied"
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    bob.complete_multipart_upload(**upload, MultipartUpload=parts)
    assert alice.get_object(Bucket=bucket, Key="big")["Body"].read() == b"part"

    upload["UploadId"] = bob.create_multipart_upload(Bucket=bucket, Key="big")["UploadId"]
    bob.abort_multipart_upload(**upload)
    assert "Uploads" not in alice.list_multipart_uploads(Bucket=bucket)
    upload["UploadId"] = alice.create_multipart_upload(Bucket=bucket, Key="big")["UploadId"]
    assert refusal(bob.list_parts, **upload) == "AccessDenied"
    assert refusal(bob.abort_multipart_upload, **upload) == "AccessDenied"
    alice.abort_multipart_upload(**upload)

    denied = statement(bucket, "s3:AbortMultipartUpload", IS_BOB, effect="Deny")
    put_policy(alice, bucket, statement(bucket, "s3:PutObject", IS_BOB), denied)
    upload["UploadId"] = bob.create_multipart_upload(Bucket=bucket, Key="big")["UploadId"]
    assert refusal(bob.abort_multipart_upload, **upload) == "AccessDenied"
    alice.abort_multipart_upload(**upload)


def test_a_public_policy_is_blocked_until_the_block_is_lifted(alice, bob, nobody, bucket):
    public = statement(bucket, "s3:GetObject", "*", inside="/open/*")
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        put_policy(alice, bucket, public)
    assert refused.value.response["Error"]["Code"] == "AccessDenied"
    narrow = public | {"Condition": {"StringEquals": {"aws:PrincipalAccount": BOB.account}}}
    put_policy(alice, bucket, narrow)
    assert alice.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"] == {"IsPublic": False}
    assert bob.get_object(Bucket=bucket, Key="open/a")["Body"].read() == b"a"
    open_to_the_public(alice, bucket)
    put_policy(alice, bucket, public)
    assert alice.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"] == {"IsPublic": True}
    assert bob.get_object(Bucket=bucket, Key="open/a")["Body"].read() == b"a"
    block = {"RestrictPublicBuckets": True}
    alice.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)
    assert refusal(bob.get_object, Bucket=bucket, Key="open/a") == "AccessDenied"
    assert alice.get_object(Bucket=bucket, Key="open/a")["Body"].read() == b"a"


def test_ownership_decides_whether_lists_count(alice, bucket):
    rules = alice.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    assert rules == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert refusal(alice.put_bucket_acl, Bucket=bucket, ACL="public-read") == "AccessControlListNotSupported"
    put = {"Bucket": bucket, "Key": "k", "Body": b""}
    assert refusal(alice.put_object, **put, ACL="public-read") == "AccessControlListNotSupported"
    alice.put_object(**put, ACL="bucket-owner-full-control")
    assert refusal(alice.put_object_acl, Bucket=bucket, Key="k", ACL="public-read") == "AccessControlListNotSupported"
    alice.put_object_acl(Bucket=bucket, Key="k", ACL="bucket-owner-full-control")
    alice.delete_bucket_ownership_controls(Bucket=bucket)
    assert refusal(alice.get_bucket_ownership_controls, Bucket=bucket) == "OwnershipControlsNotFoundError"
    assert refusal(alice.put_bucket_acl, Bucket=bucket, ACL="public-read") == "AccessDenied", "public lists are blocked"
    alice.put_bucket_acl(Bucket=bucket, ACL="log-delivery-write")
    enforced = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    code = refusal(alice.put_bucket_ownership_controls, Bucket=bucket, OwnershipControls=enforced)
    assert code == "InvalidBucketAclWithObjectOwnership"
    alice.put_bucket_acl(Bucket=bucket, ACL="private")
    alice.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=enforced)


def canonical(client):
    return client.list_buckets()["Owner"]["ID"]


def test_lists_let_another_account_in(alice, bob, bucket):
    open_to_the_public(alice, bucket, "ObjectWriter")
    grantee = f'id="{canonical(bob)}"'
    assert refusal(bob.list_objects_v2, Bucket=bucket) == "AccessDenied"
    alice.put_bucket_acl(Bucket=bucket, GrantRead=grantee, GrantFullControl=f'id="{canonical(alice)}"')
    grants = alice.get_bucket_acl(Bucket=bucket)["Grants"]
    assert {(grant["Grantee"]["ID"], grant["Permission"]) for grant in grants} == {
        (canonical(bob), "READ"),
        (canonical(alice), "FULL_CONTROL"),
    }
    assert len(bob.list_objects_v2(Bucket=bucket)["Contents"]) == 2
    assert refusal(bob.get_object, Bucket=bucket, Key="open/a") == "AccessDenied"
    assert refusal(bob.get_bucket_acl, Bucket=bucket) == "AccessDenied"
    alice.put_object_acl(Bucket=bucket, Key="open/a", GrantRead=grantee)
    assert bob.get_object(Bucket=bucket, Key="open/a")["Body"].read() == b"a"
    assert refusal(bob.get_object_acl, Bucket=bucket, Key="open/a") == "AccessDenied"
    alice.put_object_acl(Bucket=bucket, Key="open/a", ACL="private")
    assert refusal(bob.get_object, Bucket=bucket, Key="open/a") == "AccessDenied"


def test_who_may_write_to_a_bucket_changes_only_what_is_theirs(alice, bob, bucket):
    open_to_the_public(alice, bucket, "ObjectWriter")
    alice.put_bucket_acl(
        Bucket=bucket, GrantWrite=f'id="{canonical(bob)}"', GrantFullControl=f'id="{canonical(alice)}"'
    )
    bob.put_object(Bucket=bucket, Key="bobs", Body=b"bob")
    assert refusal(bob.delete_object, Bucket=bucket, Key="open/a") == "AccessDenied"
    assert refusal(bob.put_object, Bucket=bucket, Key="open/a", Body=b"x") == "AccessDenied"
    assert refusal(bob.create_multipart_upload, Bucket=bucket, Key="open/a") == "AccessDenied"
    keys = [{"Key": key} for key in ("open/a", "bobs", "missing")]
    answer = bob.delete_objects(Bucket=bucket, Delete={"Objects": keys})
    assert sorted(entry["Key"] for entry in answer["Deleted"]) == ["bobs", "missing"]
    assert [(error["Key"], error["Code"]) for error in answer["Errors"]] == [("open/a", "AccessDenied")]
    bob.put_object(Bucket=bucket, Key="bobs", Body=b"1")
    bob.put_object(Bucket=bucket, Key="bobs", Body=b"2")
    assert alice.get_object(Bucket=bucket, Key="open/a")["Body"].read() == b"a"
    # The bucket's account may delete what others put.
    alice.delete_object(Bucket=bucket, Key="bobs")
    bob.put_object(Bucket=bucket, Key="bobs", Body=b"3")
    bob.delete_object(Bucket=bucket, Key="bobs")


def test_a_suspended_version_is_its_owners(alice, bob, bucket):
    open_to_the_public(alice, bucket, "ObjectWriter")
    alice.put_bucket_acl(
        Bucket=bucket, GrantWrite=f'id="{canonical(bob)}"', GrantFullControl=f'id="{canonical(alice)}"'
    )
    alice.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    alice.delete_object(Bucket=bucket, Key="open/a")
    alice.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    # A marker is current, but a put or a delete would replace the version beneath it.
    assert refusal(bob.put_object, Bucket=bucket, Key="open/a", Body=b"x") == "AccessDenied"
    assert refusal(bob.delete_object, Bucket=bucket, Key="open/a") == "AccessDenied"
    assert alice.get_object(Bucket=bucket, Key="open/a", VersionId="null")["Body"].read() == b"a"


def test_a_slow_body_does_not_replace_what_came_meanwhile(node, alice, bob, bucket):
    open_to_the_public(alice, bucket, "ObjectWriter")
    alice.put_bucket_acl(
        Bucket=bucket, GrantWrite=f'id="{canonical(bob)}"', GrantFullControl=f'id="{canonical(alice)}"'
    )
    url = bob.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "late"}, ExpiresIn=60)
    target = url.removeprefix(node.endpoint)
    with socket.create_connection(("127.0.0.1", node.port), timeout=20) as slow:
        head = f"PUT {target} HTTP/1.1\r\nHost: 127.0.0.1:{node.port}\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
        slow.sendall(head.encode())
        assert slow.recv(1024).startswith(b"HTTP/1.1 100"), "bob may create it"
        alice.put_object(Bucket=bucket, Key="late", Body=b"alice")
        slow.sendall(b"bobs")
        assert slow.recv(1024).startswith(b"HTTP/1.1 403")
    assert alice.get_object(Bucket=bucket, Key="late")["Body"].read() == b"alice"


def test_who_writes_owns_unless_the_bucket_says_otherwise(alice, bob, bucket):
    open_to_the_public(alice, bucket, "ObjectWriter")
    alice.put_bucket_acl(
        Bucket=bucket, GrantWrite=f'id="{canonical(bob)}"', GrantFullControl=f'id="{canonical(alice)}"'
    )
    bob.put_object(Bucket=bucket, Key="bobs", Body=b"bob")
    assert bob.get_object_acl(Bucket=bucket, Key="bobs")["Owner"]["ID"] == canonical(bob)
    assert bob.get_object(Bucket=bucket, Key="bobs")["Body"].read() == b"bob"
    assert refusal(alice.get_object, Bucket=bucket, Key="bobs") == "AccessDenied"
    owners = {entry["Key"]: entry["Owner"]["ID"] for entry in alice.list_objects(Bucket=bucket)["Contents"]}
    assert (owners["bobs"], owners["open/a"]) == (canonical(bob), canonical(alice))
    bob.put_object(Bucket=bucket, Key="given", Body=b"bob", ACL="bucket-owner-full-control")
    assert alice.get_object(Bucket=bucket, Key="given")["Body"].read() == b"bob"
    assert alice.get_object_acl(Bucket=bucket, Key="given")["Owner"]["ID"] == canonical(bob)
    preferred = {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    alice.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=preferred)
    bob.put_object(Bucket=bucket, Key="given", Body=b"bob", ACL="bucket-owner-full-control")
    assert alice.get_object_acl(Bucket=bucket, Key="given")["Owner"]["ID"] == canonical(alice)
    alice.put_bucket_acl(Bucket=bucket, ACL="private")
    enforced = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    alice.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=enforced)
    assert alice.get_object(Bucket=bucket, Key="bobs")["Body"].read() == b"bob"
    assert refusal(bob.get_object, Bucket=bucket, Key="bobs") == "AccessDenied"
    owners = {entry["Owner"]["ID"] for entry in alice.list_objects(Bucket=bucket)["Contents"]}
    assert owners == {canonical(alice)}


def test_lists_in_xml(alice, bucket):
    open_to_the_public(alice, bucket, "ObjectWriter")
    owner = {"ID": canonical(alice)}
    everybody = {"Grantee": {"Type": "Group", "URI": ALL_USERS}, "Permission": "READ"}
    mine = {"Grantee": {"Type": "CanonicalUser", "ID": owner["ID"]}, "Permission": "FULL_CONTROL"}
    alice.put_object_acl(
        Bucket=bucket, Key="open/a", AccessControlPolicy={"Owner": owner, "Grants": [mine, everybody]}
    )
    kept = alice.get_object_acl(Bucket=bucket, Key="open/a")
    assert kept["Owner"] == owner
    assert kept["Grants"] == [mine, everybody]
    by_mail = {"Grantee": {"Type": "AmazonCustomerByEmail", "EmailAddress": "a@example.com"}, "Permission": "READ"}
    policy = {"Owner": owner, "Grants": [by_mail]}
    assert refusal(alice.put_object_acl, Bucket=bucket, Key="open/a", AccessControlPolicy=policy) == "MethodNotAllowed"
    policy = {"Owner": {"ID": "f" * 64}, "Grants": [mine]}
    assert refusal(alice.put_object_acl, Bucket=bucket, Key="open/a", AccessControlPolicy=policy) == "AccessDenied"


def test_lists_come_with_new_objects_copies_uploads_and_buckets(alice, unique):
    name = unique("bucket")
    settings = {"LocationConstraint": "eu-central-1"}
    for arguments, code in [
        ({"ACL": "public-read"}, "InvalidBucketAclWithObjectOwnership"),
        ({"ACL": "public-read", "ObjectOwnership": "ObjectWriter"}, "InvalidBucketAclWithBlockPublicAccessError"),
    ]:
        assert refusal(alice.create_bucket, Bucket=name, CreateBucketConfiguration=settings, **arguments) == code
    alice.create_bucket(
        Bucket=name, CreateBucketConfiguration=settings, ObjectOwnership="ObjectWriter", ACL="log-delivery-write"
    )
    assert len(alice.get_bucket_acl(Bucket=name)["Grants"]) == 3
    put = {"Bucket": name, "Key": "k", "Body": b"x", "ACL": "public-read"}
    assert refusal(alice.put_object, **put) == "AccessDenied", "public lists are blocked"
    alice.delete_public_access_block(Bucket=name)
    alice.put_object(**put)
    public = lambda key: len(alice.get_object_acl(Bucket=name, Key=key)["Grants"]) == 2  # noqa: E731
    assert public("k")
    alice.copy_object(Bucket=name, Key="copy", CopySource={"Bucket": name, "Key": "k"})
    assert not public("copy"), "a copy is private unless it says otherwise"
    alice.copy_object(Bucket=name, Key="copy", CopySource={"Bucket": name, "Key": "k"}, ACL="public-read")
    assert public("copy")
    upload = alice.create_multipart_upload(Bucket=name, Key="parts", ACL="public-read")["UploadId"]
    etag = alice.upload_part(Bucket=name, Key="parts", UploadId=upload, PartNumber=1, Body=b"x")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    alice.complete_multipart_upload(Bucket=name, Key="parts", UploadId=upload, MultipartUpload=parts)
    assert public("parts")


def test_who_asks_pays(alice, bob, carol, bucket):
    put_policy(alice, bucket, statement(bucket, ["s3:GetObject", "s3:PutObject"], IS_BOB))
    assert alice.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    alice.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "Requester"})
    assert alice.get_bucket_request_payment(Bucket=bucket)["Payer"] == "Requester"
    assert refusal(bob.get_object, Bucket=bucket, Key="open/a") == "AccessDenied"
    answer = bob.get_object(Bucket=bucket, Key="open/a", RequestPayer="requester")
    assert (answer["Body"].read(), answer["RequestCharged"]) == (b"a", "requester")
    assert bob.put_object(Bucket=bucket, Key="k", Body=b"", RequestPayer="requester")["RequestCharged"] == "requester"
    assert "RequestCharged" not in carol.get_object(Bucket=bucket, Key="open/a")


def test_who_signs_nothing_gets_nothing_by_default(node, nobody, bucket):
    assert refusal(nobody.get_object, Bucket=bucket, Key="open/a") == "AccessDenied"
    assert refusal(nobody.put_object, Bucket=bucket, Key="open/a", Body=b"") == "AccessDenied"
    assert refusal(nobody.list_objects_v2, Bucket=bucket) == "AccessDenied"
    assert refusal(nobody.list_buckets) == "AccessDenied"
    assert refusal(nobody.create_bucket, Bucket="nobodys-bucket") == "AccessDenied"
    assert refusal(nobody.get_object, Bucket="no-such-bucket-at-all", Key="k") == "NoSuchBucket"


def test_who_signs_nothing_gets_what_a_public_policy_allows(node, alice, nobody, bucket):
    open_to_the_public(alice, bucket)
    put_policy(alice, bucket, statement(bucket, "s3:GetObject", "*", inside="/open/*"))
    with urllib.request.urlopen(f"{node.endpoint}/{bucket}/open/a") as answer:
        assert answer.read() == b"a"
    assert refusal(nobody.get_object, Bucket=bucket, Key="shut/b") == "AccessDenied"
    assert refusal(nobody.put_object, Bucket=bucket, Key="open/a", Body=b"") == "AccessDenied"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{node.endpoint}/{bucket}")
    assert refused.value.code == 403
    alice.put_public_access_block(
        Bucket=bucket, PublicAccessBlockConfiguration={"RestrictPublicBuckets": True}
    )
    assert refusal(nobody.get_object, Bucket=bucket, Key="open/a") == "AccessDenied"


def test_who_signs_nothing_gets_what_public_lists_grant(alice, nobody, bucket):
    open_to_the_public(alice, bucket, "ObjectWriter")
    alice.put_object_acl(Bucket=bucket, Key="open/a", ACL="public-read")
    assert nobody.get_object(Bucket=bucket, Key="open/a")["Body"].read() == b"a"
    assert refusal(nobody.get_object, Bucket=bucket, Key="shut/b") == "AccessDenied"
    alice.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    nobody.put_object(Bucket=bucket, Key="from-nobody", Body=b"n")
    assert len(nobody.list_objects_v2(Bucket=bucket)["Contents"]) == 3
    owner = nobody.get_object_acl
    assert refusal(owner, Bucket=bucket, Key="from-nobody") == "AccessDenied"
    alice.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"IgnorePublicAcls": True})
    assert refusal(nobody.get_object, Bucket=bucket, Key="open/a") == "AccessDenied"
    assert refusal(nobody.list_objects_v2, Bucket=bucket) == "AccessDenied"
