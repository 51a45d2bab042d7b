"""The configurations of buckets through boto3: each is put, read back as it was put, listed and removed, also
over a restart."""

import http.client

import botocore.exceptions
import pytest
from conftest import BOB


@pytest.fixture
def s3(node):
    return node.client("s3")


@pytest.fixture
def bucket(s3, unique):
    name = unique("bucket")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    return name


def refusal(call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        call(**arguments)
    return refused.value.response["Error"]["Code"]


def without_metadata(answer):
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def test_public_access_is_blocked_from_the_start(s3, bucket):
    names = ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"]
    block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert block == dict.fromkeys(names, True)
    for name in names:
        wanted = dict.fromkeys(names, False) | {name: True}
        s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={name: True})
        assert s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"] == wanted
    s3.delete_public_access_block(Bucket=bucket)
    s3.delete_public_access_block(Bucket=bucket)
    assert refusal(s3.get_public_access_block, Bucket=bucket) == "NoSuchPublicAccessBlockConfiguration"


@pytest.mark.parametrize("ownership", ["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"])
def test_ownership_controls(s3, bucket, ownership):
    controls = {"Rules": [{"ObjectOwnership": ownership}]}
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=controls)
    assert s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"] == controls
    bad = {"Rules": [{"ObjectOwnership": "Mine"}]}
    assert refusal(s3.put_bucket_ownership_controls, Bucket=bucket, OwnershipControls=bad) == "MalformedXML"


RULES = {
    "CORSRules": [
        {
            "ID": "pages",
            "AllowedOrigins": ["https://*.example.com"],
            "AllowedMethods": ["GET", "PUT"],
            "AllowedHeaders": ["*"],
            "ExposeHeaders": ["ETag"],
            "MaxAgeSeconds": 300,
        },
        {"AllowedOrigins": ["*"], "AllowedMethods": ["HEAD"]},
    ]
}


def test_cors_rules_are_put_read_and_removed(s3, bucket):
    assert refusal(s3.get_bucket_cors, Bucket=bucket) == "NoSuchCORSConfiguration"
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration=RULES)
    assert without_metadata(s3.get_bucket_cors(Bucket=bucket)) == RULES
    bad = {"CORSRules": [{"AllowedOrigins": ["*"], "AllowedMethods": ["PATCH"]}]}
    assert refusal(s3.put_bucket_cors, Bucket=bucket, CORSConfiguration=bad) == "InvalidRequest"
    many = {"CORSRules": [{"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]}] * 101}
    assert refusal(s3.put_bucket_cors, Bucket=bucket, CORSConfiguration=many) == "MalformedXML"
    s3.delete_bucket_cors(Bucket=bucket)
    assert refusal(s3.get_bucket_cors, Bucket=bucket) == "NoSuchCORSConfiguration"


def ask(node, method, path, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=10)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def preflight(node, path, origin, method, headers=None):
    asked = {"Origin": origin, "Access_Control_Request_Method": method}
    if headers:
        asked["Access_Control_Request_Headers"] = headers
    return ask(node, "OPTIONS", path, **asked)


def test_pages_of_other_origins_are_answered_by_the_rules(node, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    path = f"/{bucket}/k"
    assert preflight(node, path, "https://app.example.com", "PUT").status == 403
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration=RULES)
    answer = preflight(node, path, "https://app.example.com", "PUT", "content-type, x-amz-date")
    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert answer.headers["Access-Control-Allow-Methods"] == "GET, PUT"
    assert answer.headers["Access-Control-Allow-Headers"] == "content-type, x-amz-date"
    assert answer.headers["Access-Control-Expose-Headers"] == "ETag"
    assert answer.headers["Access-Control-Max-Age"] == "300"
    assert "Origin" in answer.headers["Vary"]
    head = preflight(node, path, "http://anything", "HEAD")
    assert (head.status, head.headers["Access-Control-Allow-Origin"]) == (200, "*")
    for origin, method, headers in [
        ("https://example.org", "PUT", None),
        ("https://app.example.com", "DELETE", None),
        ("http://anything", "HEAD", "x-secret"),
    ]:
        assert preflight(node, path, origin, method, headers).status == 403
    assert ask(node, "OPTIONS", path).status == 400
    # The request itself: served, and readable by the page only where a rule says so; refusals, too.
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    query = url.partition("?")[2]
    answer = ask(node, "GET", f"{path}?{query}", Origin="https://app.example.com")
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (200, "https://app.example.com")
    answer = ask(node, "GET", f"{path}?{query}", Origin="https://example.org")
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (200, None)
    answer = ask(node, "GET", path, Origin="https://app.example.com")
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (403, "https://app.example.com")


def test_acceleration_is_kept(s3, bucket):
    assert "Status" not in s3.get_bucket_accelerate_configuration(Bucket=bucket)
    for status in ("Enabled", "Suspended"):
        s3.put_bucket_accelerate_configuration(Bucket=bucket, AccelerateConfiguration={"Status": status})
        assert s3.get_bucket_accelerate_configuration(Bucket=bucket)["Status"] == status
    bad = {"Status": "Warp"}
    assert refusal(s3.put_bucket_accelerate_configuration, Bucket=bucket, AccelerateConfiguration=bad) == "MalformedXML"


def test_logging_is_kept(node, s3, bucket, unique):
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)
    enabled = {"TargetBucket": bucket, "TargetPrefix": "logs/"}
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": enabled})
    assert s3.get_bucket_logging(Bucket=bucket)["LoggingEnabled"] == enabled
    theirs = unique("bucket")
    node.client("s3", BOB).create_bucket(
        Bucket=theirs, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    for target in (unique("missing"), theirs):
        status = {"LoggingEnabled": {"TargetBucket": target, "TargetPrefix": ""}}
        code = refusal(s3.put_bucket_logging, Bucket=bucket, BucketLoggingStatus=status)
        assert code == "InvalidTargetBucketForLogging"
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)


def inventory(name):
    destination = {"Bucket": "arn:aws:s3:::somewhere", "Format": "Parquet", "Prefix": "inventories"}
    return {
        "Id": name,
        "IsEnabled": True,
        "IncludedObjectVersions": "Current",
        "Schedule": {"Frequency": "Weekly"},
        "Destination": {"S3BucketDestination": destination},
        "Filter": {"Prefix": "data/"},
        "OptionalFields": ["Size", "ETag"],
    }


def analytics(name):
    destination = {"Format": "CSV", "Bucket": "arn:aws:s3:::somewhere", "Prefix": "analyses"}
    export = {"OutputSchemaVersion": "V_1", "Destination": {"S3BucketDestination": destination}}
    return {
        "Id": name,
        "Filter": {"And": {"Prefix": "a/", "Tags": [{"Key": "team", "Value": "ml"}]}},
        "StorageClassAnalysis": {"DataExport": export},
    }


def metrics(name):
    return {"Id": name, "Filter": {"Tag": {"Key": "team", "Value": "ml"}}}


def tiering(name):
    return {
        "Id": name,
        "Status": "Enabled",
        "Filter": {"Prefix": "cold/"},
        "Tierings": [{"Days": 90, "AccessTier": "ARCHIVE_ACCESS"}, {"Days": 180, "AccessTier": "DEEP_ARCHIVE_ACCESS"}],
    }


BY_ID = [
    (
        "InventoryConfiguration",
        inventory,
        "put_bucket_inventory_configuration",
        "get_bucket_inventory_configuration",
        "delete_bucket_inventory_configuration",
        "list_bucket_inventory_configurations",
    ),
    (
        "AnalyticsConfiguration",
        analytics,
        "put_bucket_analytics_configuration",
        "get_bucket_analytics_configuration",
        "delete_bucket_analytics_configuration",
        "list_bucket_analytics_configurations",
    ),
    (
        "MetricsConfiguration",
        metrics,
        "put_bucket_metrics_configuration",
        "get_bucket_metrics_configuration",
        "delete_bucket_metrics_configuration",
        "list_bucket_metrics_configurations",
    ),
    (
        "IntelligentTieringConfiguration",
        tiering,
        "put_bucket_intelligent_tiering_configuration",
        "get_bucket_intelligent_tiering_configuration",
        "delete_bucket_intelligent_tiering_configuration",
        "list_bucket_intelligent_tiering_configurations",
    ),
]


@pytest.mark.parametrize("kind", BY_ID, ids=lambda kind: kind[0])
def test_configurations_by_id(s3, bucket, kind):
    member, make, *names = kind
    put, get, delete, list_all = (getattr(s3, name) for name in names)
    assert refusal(get, Bucket=bucket, Id="none") == "NoSuchConfiguration"
    assert refusal(delete, Bucket=bucket, Id="none") == "NoSuchConfiguration"
    names = [f"id-{number:03}" for number in range(103)]
    for name in names:
        put(Bucket=bucket, Id=name, **{member: make(name)})
    put(Bucket=bucket, Id=names[0], **{member: make(names[0])})
    assert get(Bucket=bucket, Id=names[0])[member] == make(names[0])
    assert refusal(put, Bucket=bucket, Id="other", **{member: make("another")}) == "InvalidArgument"
    first = list_all(Bucket=bucket)
    assert first["IsTruncated"] and len(first[f"{member}List"]) == 100
    second = list_all(Bucket=bucket, ContinuationToken=first["NextContinuationToken"])
    assert not second["IsTruncated"] and "NextContinuationToken" not in second
    listed = [entry["Id"] for entry in first[f"{member}List"] + second[f"{member}List"]]
    assert listed == names
    assert refusal(list_all, Bucket=bucket, ContinuationToken="zz") == "InvalidArgument"
    delete(Bucket=bucket, Id=names[0])
    assert refusal(get, Bucket=bucket, Id=names[0]) == "NoSuchConfiguration"


def test_configurations_live_through_a_restart_and_go_with_their_bucket(start_node, unique):
    node = start_node()
    s3, name = node.client("s3"), unique("bucket")
    location = {"LocationConstraint": "eu-central-1"}
    s3.create_bucket(Bucket=name, CreateBucketConfiguration=location)
    s3.put_bucket_cors(Bucket=name, CORSConfiguration=RULES)
    s3.put_bucket_metrics_configuration(Bucket=name, Id="m", MetricsConfiguration=metrics("m"))
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration={"BlockPublicAcls": True})
    node.stop()
    node.start()
    s3 = node.client("s3")
    assert without_metadata(s3.get_bucket_cors(Bucket=name)) == RULES
    assert s3.get_bucket_metrics_configuration(Bucket=name, Id="m")["MetricsConfiguration"] == metrics("m")
    block = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    assert block["BlockPublicAcls"] and not block["RestrictPublicBuckets"]
    s3.delete_bucket(Bucket=name)
    s3.create_bucket(Bucket=name, CreateBucketConfiguration=location)
    assert refusal(s3.get_bucket_cors, Bucket=name) == "NoSuchCORSConfiguration"
    assert refusal(s3.get_bucket_metrics_configuration, Bucket=name, Id="m") == "NoSuchConfiguration"
    assert s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]["RestrictPublicBuckets"]
    node.stop()


def test_others_may_not_configure(node, bucket):
    bob = node.client("s3", BOB)
    for call, arguments in [
        (bob.put_bucket_cors, {"CORSConfiguration": RULES}),
        (bob.get_bucket_cors, {}),
        (bob.delete_public_access_block, {}),
        (bob.put_bucket_ownership_controls, {"OwnershipControls": {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}}),
        (bob.put_bucket_request_payment, {"RequestPaymentConfiguration": {"Payer": "Requester"}}),
        (bob.put_bucket_metrics_configuration, {"Id": "m", "MetricsConfiguration": metrics("m")}),
        (bob.list_bucket_inventory_configurations, {}),
    ]:
        assert refusal(call, Bucket=bucket, **arguments) == "AccessDenied", call
