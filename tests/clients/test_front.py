"""The front door, as real clients meet it: who is let in, how refusals read, what stays out."""

import datetime
import json
import signal
import socket
import subprocess
import urllib.error
import urllib.request

import boto3
import botocore.auth
import botocore.config
import botocore.exceptions
import pytest

from conftest import ALICE, BIN, BOB, REGION, User, eventually

# One cheap call per service, and the code each says when the signature is wrong.
CALLS = [
    ("kinesis", "list_streams", {}),
    ("firehose", "list_delivery_streams", {}),
    ("glue", "get_databases", {}),
    ("athena", "list_query_executions", {}),
    ("s3", "list_buckets", {}),
    ("sts", "get_caller_identity", {}),
]
WRONG_SECRET = {"s3": "SignatureDoesNotMatch", "sts": "SignatureDoesNotMatch"}
UNKNOWN_KEY = {"s3": "InvalidAccessKeyId", "sts": "InvalidClientTokenId"}
SKEWED = {"s3": "RequestTimeTooSkewed", "sts": "SignatureDoesNotMatch"}


def refusal(client, operation, arguments):
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        getattr(client, operation)(**arguments)
    return refused.value.response


@pytest.mark.parametrize("service, operation, arguments", CALLS)
def test_a_signed_call_is_let_in(node, service, operation, arguments):
    answer = getattr(node.client(service), operation)(**arguments)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert answer["ResponseMetadata"]["RequestId"]


@pytest.mark.parametrize("service, operation, arguments", CALLS)
def test_a_wrong_secret_is_refused(node, service, operation, arguments):
    forged = node.client(service, User("alice", ALICE.access_key, "guessed", ALICE.account))
    refused = refusal(forged, operation, arguments)
    assert refused["Error"]["Code"] == WRONG_SECRET.get(service, "InvalidSignatureException")
    assert 400 <= refused["ResponseMetadata"]["HTTPStatusCode"] < 500


@pytest.mark.parametrize("service, operation, arguments", CALLS)
def test_a_stranger_is_refused(node, service, operation, arguments):
    stranger = node.client(service, User("nobody", "AKIANOBODY0000000009", "guessed", ALICE.account))
    code = refusal(stranger, operation, arguments)["Error"]["Code"]
    assert code == UNKNOWN_KEY.get(service, "UnrecognizedClientException")


@pytest.mark.parametrize("service, operation, arguments", CALLS)
@pytest.mark.parametrize("minutes", [-20, 20])
def test_a_skewed_clock_is_refused(node, monkeypatch, service, operation, arguments, minutes):
    client = node.client(service)
    shifted = lambda *_, **__: datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=minutes)  # noqa: E731
    monkeypatch.setattr(botocore.auth, "get_current_datetime", shifted)
    code = refusal(client, operation, arguments)["Error"]["Code"]
    assert code == SKEWED.get(service, "InvalidSignatureException")


@pytest.mark.parametrize("service, operation, arguments", CALLS)
def test_without_a_signature_nothing_works(node, service, operation, arguments):
    anonymous = boto3.client(
        service,
        endpoint_url=node.endpoint,
        region_name=REGION,
        config=botocore.config.Config(signature_version=botocore.UNSIGNED, retries={"max_attempts": 0}),
    )
    code = refusal(anonymous, operation, arguments)["Error"]["Code"]
    wanted = {"s3": "AccessDenied", "sts": "MissingAuthenticationToken"}
    assert code == wanted.get(service, "MissingAuthenticationTokenException")


def test_each_user_is_told_who_it_is(node):
    for user in (ALICE, BOB):
        identity = node.client("sts", user).get_caller_identity()
        assert identity["Account"] == user.account
        assert identity["Arn"] == f"arn:aws:iam::{user.account}:user/{user.name}"


def test_the_command_line_tool_is_told_who_it_is(node):
    identity = json.loads(node.aws("sts", "get-caller-identity"))
    assert identity["Account"] == ALICE.account


def test_test_credentials_exist_with_dev_only(node, start_node):
    dev = start_node("--dev")
    for key, account in [("test", "000000000000"), ("123456789012", "123456789012")]:
        user = User("dev", key, "test", account)
        assert dev.client("sts", user).get_caller_identity()["Account"] == account
        code = refusal(node.client("sts", user), "get_caller_identity", {})["Error"]["Code"]
        assert code == "InvalidClientTokenId"
    dev.stop()


def test_a_reset_wipes_every_service_and_exists_with_dev_only(node, start_node, unique):
    dev = start_node("--dev")
    dev.client("kinesis").create_stream(StreamName=unique("stream"), ShardCount=1)
    dev.client("s3").create_bucket(Bucket=unique("bucket"), CreateBucketConfiguration={"LocationConstraint": REGION})
    reset = lambda at: urllib.request.Request(f"{at.endpoint}/_headwater/dev/reset", method="POST")  # noqa: E731
    with urllib.request.urlopen(reset(dev)) as answer:
        assert answer.status == 200
    assert dev.client("kinesis").list_streams()["StreamNames"] == []
    assert dev.client("s3").list_buckets()["Buckets"] == []
    dev.client("kinesis").create_stream(StreamName=unique("stream"), ShardCount=1)
    assert len(dev.client("kinesis").list_streams()["StreamNames"]) == 1
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(reset(node))
    assert refused.value.code == 404
    dev.stop()


def test_dev_listens_on_loopback_only(folder):
    command = [str(BIN), "serve", "--dev", "--data", str(folder / "open"), "--listen", "0.0.0.0:0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode != 0
    assert "loopback" in done.stderr, done.stderr


def test_a_second_node_on_the_same_directory_is_told_what_to_do(node):
    command = [str(BIN), "serve", "--data", str(node.data), "--listen", "127.0.0.1:0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode != 0
    assert "in use" in done.stderr and "--data" in done.stderr, done.stderr
    assert node.client("sts").get_caller_identity()["Account"] == ALICE.account


@pytest.mark.parametrize("seen", ["store", "store/FORMAT", "store/index", "endpoint"])
def test_a_node_that_is_asked_to_stop_while_it_starts_ends_well(start_node, tmp_path, seen):
    data = tmp_path / "data"
    command = [str(BIN), "serve", "--data", str(data), "--listen", "127.0.0.1:0"]
    starting = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        eventually((data / seen).exists, seconds=20, every=0.001, what=seen)
        starting.send_signal(signal.SIGTERM)
        _, said = starting.communicate(timeout=20)
    finally:
        starting.kill()
    assert starting.returncode == 0, said
    node = start_node(data=data)
    assert node.client("sts").get_caller_identity()["Account"] == ALICE.account
    node.stop()


def test_presigned_urls_open_for_what_they_were_signed(node, unique):
    s3, bucket = node.client("s3", signature_version="s3v4"), unique("bucket")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    put = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "a b+ü"}, ExpiresIn=60)
    with urllib.request.urlopen(urllib.request.Request(put, data=b"hello", method="PUT")) as answer:
        assert answer.status == 200
    get = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a b+ü"}, ExpiresIn=60)
    with urllib.request.urlopen(get) as answer:
        assert answer.read() == b"hello"
    for wrong in [get.replace("a%20b", "other"), get + "&versionId=1", get.replace("X-Amz-Expires=60", "X-Amz-Expires=61")]:
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(wrong)
        assert refused.value.code == 403 and b"SignatureDoesNotMatch" in refused.value.read()


@pytest.mark.parametrize("said", [b"", b"PRI * HT", b"GET / HT"])
def test_who_asks_for_nothing_is_let_go(node, said):
    # The node's limit is 30 seconds; afterwards it hangs up by itself.
    with socket.create_connection(("127.0.0.1", node.port), timeout=45) as silent:
        silent.sendall(said)
        while silent.recv(4096):
            pass


def test_a_retry_of_a_put_is_stored_once(node, unique):
    kinesis, stream = node.client("kinesis"), unique("stream")
    kinesis.create_stream(StreamName=stream, ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig={"Delay": 1})
    # botocore drops the first answer of the put and sends the call again, as after a broken connection.
    answers = []

    def lose_the_first(response=None, **_):
        if response is None or response[1].get("SequenceNumber") is None:
            return None
        answers.append(response[1]["SequenceNumber"])
        return 0 if len(answers) == 1 else None

    kinesis.meta.events.register("needs-retry.kinesis.PutRecord", lose_the_first)
    kinesis.put_record(StreamName=stream, Data=b"once", PartitionKey="k")
    assert len(answers) == 2 and answers[0] == answers[1], answers
    shard = kinesis.list_shards(StreamName=stream)["Shards"][0]["ShardId"]
    iterator = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    records = kinesis.get_records(ShardIterator=iterator["ShardIterator"])["Records"]
    assert [record["Data"] for record in records] == [b"once"]
