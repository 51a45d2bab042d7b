"""Writes botocore.json: requests as boto3 signs and sends them, for the verifier to verify.

Run it with a Python that has boto3 when a new kind of request should be covered:
    python generate.py > botocore.json
    python generate.py form > form.json    the fields of an upload by HTML form
"""

import base64
import json
import sys

import boto3
import botocore.awsrequest
import botocore.config
import botocore.exceptions

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


class Caught(botocore.exceptions.BotoCoreError):
    pass


def client(service, **config):
    made = boto3.client(
        service,
        endpoint_url="http://127.0.0.1:4566",
        region_name="eu-central-1",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        config=botocore.config.Config(retries={"max_attempts": 0}, **config),
    )
    made.meta.events.register("before-send.*", catch)
    return made


requests = []

def catch(request, **_):
    body = request.body
    if hasattr(body, "read"):
        body = body.read()
    if isinstance(body, str):
        body = body.encode()
    url = request.url.removeprefix("http://127.0.0.1:4566") or "/"
    headers = [[name, value.decode() if isinstance(value, bytes) else value] for name, value in request.headers.items()]
    if not any(name.lower() == "host" for name, _ in headers):
        headers.append(["host", "127.0.0.1:4566"])
    requests.append(
        {"method": request.method, "url": url, "headers": headers, "body": base64.b64encode(body or b"").decode()}
    )
    raise Caught()


def call(service, operation, config=None, **arguments):
    try:
        getattr(client(service, **(config or {})), operation)(**arguments)
    except Caught:
        requests[-1]["service"] = service


KEYS = ["plain.txt", "a b+c", "ü/€/日本", "x//y/../z", "~!*'()-_.", "100%", "q?a=b&c#d", "semi;colon,comma:at@", "%2F%25"]
PATH = {"s3": {"addressing_style": "path"}}

call("kinesis", "put_record", StreamName="orders", Data=b"\x00\xff", PartitionKey="k")
call("firehose", "list_delivery_streams")
call("glue", "get_databases")
call("athena", "list_work_groups")
call("sts", "get_caller_identity")
if sys.argv[1:] == ["form"]:
    post = client("s3", signature_version="s3v4").generate_presigned_post(
        "bucket",
        "user/${filename}",
        Fields={"acl": "private"},
        Conditions=[{"acl": "private"}, ["content-length-range", 1, 1000]],
    )
    print(json.dumps(list(post["fields"].items()), indent=1))
    sys.exit()

for key in KEYS:
    call("s3", "put_object", PATH, Bucket="bucket", Key=key, Body=b"hello", Metadata={"a": "  b   c "})
    call("s3", "get_object", PATH, Bucket="bucket", Key=key, Range="bytes=0-3")
    call("s3", "list_objects_v2", PATH, Bucket="bucket", Prefix=key, Delimiter="/", StartAfter=key)
call("s3", "list_buckets", PATH)
call("s3", "put_object", {"s3": {"addressing_style": "path", "payload_signing_enabled": False}}, Bucket="bucket", Key="k", Body=b"hello")
call("s3", "delete_objects", PATH, Bucket="bucket", Delete={"Objects": [{"Key": key} for key in KEYS]})
call("s3", "copy_object", PATH, Bucket="bucket", Key="to", CopySource={"Bucket": "bucket", "Key": "a b+ü"})
call("s3", "create_multipart_upload", PATH, Bucket="bucket", Key="k", Tagging="a=b&c=d%20e", ACL="private")
call("s3", "upload_part", PATH, Bucket="bucket", Key="k", UploadId="u+/=", PartNumber=7, Body=b"part")
for key in KEYS:
    for operation in ["get_object", "put_object"]:
        signing = client("s3", signature_version="s3v4", **PATH)
        url = signing.generate_presigned_url(operation, Params={"Bucket": "bucket", "Key": key}, ExpiresIn=3600)
        requests.append(
            {
                "service": "s3",
                "method": "GET" if operation == "get_object" else "PUT",
                "url": url.removeprefix("http://127.0.0.1:4566"),
                "headers": [["host", "127.0.0.1:4566"]],
                "body": "",
            }
        )
json.dump(requests, sys.stdout, indent=1, ensure_ascii=True)
print()
