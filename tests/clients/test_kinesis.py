"""Kinesis with boto3 and the AWS CLI."""

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError, EventStreamError
from conftest import ALICE, BOB


@pytest.fixture
def kinesis(client):
    return client("kinesis")


@pytest.fixture
def stream(kinesis, unique):
    """A stream of two shards, removed at the end."""
    name = unique("stream")
    kinesis.create_stream(StreamName=name, ShardCount=2)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 5})
    yield name
    kinesis.delete_stream(StreamName=name)


def refusal(call, **arguments):
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def read_all(kinesis, stream):
    """Every record of a stream, shard by shard, as a consumer reads it."""
    records = []
    for page in kinesis.get_paginator("list_shards").paginate(StreamName=stream):
        for shard in page["Shards"]:
            iterator = kinesis.get_shard_iterator(
                StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            while True:
                answer = kinesis.get_records(ShardIterator=iterator, Limit=300)
                records += answer["Records"]
                if answer["MillisBehindLatest"] == 0:
                    break
                assert answer["NextShardIterator"] != iterator
                iterator = answer["NextShardIterator"]
    return records


def test_a_stream_lives_and_dies(kinesis, unique):
    name = unique("stream")
    kinesis.create_stream(StreamName=name, ShardCount=3, Tags={"team": "risk"})
    described = kinesis.describe_stream(StreamName=name)["StreamDescription"]
    assert described["StreamStatus"] == "ACTIVE"
    assert described["StreamARN"].endswith(f":{ALICE.account}:stream/{name}")
    assert [shard["ShardId"] for shard in described["Shards"]] == [f"shardId-{i:012}" for i in range(3)]
    edges = [(int(s["HashKeyRange"]["StartingHashKey"]), int(s["HashKeyRange"]["EndingHashKey"])) for s in described["Shards"]]
    assert edges[0][0] == 0 and edges[-1][1] == 2**128 - 1
    assert all(a[1] + 1 == b[0] for a, b in zip(edges, edges[1:]))
    assert abs(described["StreamCreationTimestamp"].timestamp() - time.time()) < 60
    summary = kinesis.describe_stream_summary(StreamARN=described["StreamARN"])["StreamDescriptionSummary"]
    assert summary["OpenShardCount"] == 3
    names = [n for page in kinesis.get_paginator("list_streams").paginate(Limit=1) for n in page["StreamNames"]]
    assert name in names and names == sorted(names)
    assert refusal(kinesis.create_stream, StreamName=name, ShardCount=1)[0] == "ResourceInUseException"
    kinesis.delete_stream(StreamName=name)
    kinesis.get_waiter("stream_not_exists").wait(StreamName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 5})
    code, message = refusal(kinesis.put_record, StreamName=name, Data=b"x", PartitionKey="k")
    assert code == "ResourceNotFoundException"
    assert message == f"Stream {name} under account {ALICE.account} not found."


def test_records_come_back_as_they_were_put(kinesis, stream):
    put = kinesis.put_records(
        StreamName=stream,
        Records=[{"Data": f"record {i}".encode(), "PartitionKey": f"key {i % 7}"} for i in range(500)],
    )
    assert put["FailedRecordCount"] == 0
    one = kinesis.put_record(StreamName=stream, Data=bytes(range(256)), PartitionKey="ключ", ExplicitHashKey="0")
    assert one["ShardId"] == "shardId-000000000000"
    told = {(r["SequenceNumber"], f"record {i}".encode()) for i, r in enumerate(put["Records"])}
    told.add((one["SequenceNumber"], bytes(range(256))))
    read = read_all(kinesis, stream)
    assert {(r["SequenceNumber"], r["Data"]) for r in read} == told
    assert len(read) == 501
    assert all(len(r["SequenceNumber"]) == 56 for r in read)
    assert all(abs(r["ApproximateArrivalTimestamp"].timestamp() - time.time()) < 60 for r in read)
    assert next(r for r in read if r["SequenceNumber"] == one["SequenceNumber"])["PartitionKey"] == "ключ"


def test_iterators_of_every_type(kinesis, stream):
    def start(**arguments):
        found = kinesis.get_shard_iterator(StreamName=stream, ShardId="shardId-000000000000", **arguments)
        return [r["Data"] for r in kinesis.get_records(ShardIterator=found["ShardIterator"])["Records"]]

    def put(data):
        return kinesis.put_record(StreamName=stream, Data=data, PartitionKey="k", ExplicitHashKey="0")["SequenceNumber"]

    latest = kinesis.get_shard_iterator(
        StreamName=stream, ShardId="shardId-000000000000", ShardIteratorType="LATEST"
    )["ShardIterator"]
    first, second = put(b"one"), put(b"two")
    assert int(first) < int(second)
    assert [r["Data"] for r in kinesis.get_records(ShardIterator=latest)["Records"]] == [b"one", b"two"]
    assert start(ShardIteratorType="TRIM_HORIZON") == [b"one", b"two"]
    assert start(ShardIteratorType="LATEST") == []
    assert start(ShardIteratorType="AT_SEQUENCE_NUMBER", StartingSequenceNumber=first) == [b"one", b"two"]
    assert start(ShardIteratorType="AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=first) == [b"two"]
    assert start(ShardIteratorType="AT_TIMESTAMP", Timestamp=1) == [b"one", b"two"]
    begin = kinesis.describe_stream(StreamName=stream)["StreamDescription"]["Shards"][0]
    begin = begin["SequenceNumberRange"]["StartingSequenceNumber"]
    assert start(ShardIteratorType="AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=begin) == [b"one", b"two"]
    code, _ = refusal(
        kinesis.get_shard_iterator, StreamName=stream, ShardId="shardId-000000000001",
        ShardIteratorType="AT_SEQUENCE_NUMBER", StartingSequenceNumber=first,
    )
    assert code == "InvalidArgumentException"
    assert refusal(kinesis.get_records, ShardIterator="AAAA")[0] == "InvalidArgumentException"


def test_parallel_writers_lose_nothing(kinesis, stream):
    def write(writer):
        for batch in range(5):
            records = [{"Data": f"{writer}/{batch}/{i}".encode(), "PartitionKey": f"{i}"} for i in range(40)]
            assert kinesis.put_records(StreamName=stream, Records=records)["FailedRecordCount"] == 0

    with ThreadPoolExecutor(8) as writers:
        list(writers.map(write, range(8)))
    data = [r["Data"] for r in read_all(kinesis, stream)]
    assert len(data) == len(set(data)) == 8 * 5 * 40


def test_a_retry_of_the_sdk_is_stored_once(kinesis, stream):
    """The answer to the first attempt is lost; botocore repeats the request under the same invocation id."""
    attempts = []

    def lose_first(response, **_):
        attempts.append(response)
        if len(attempts) == 1:
            return 0  # seconds to wait before the next attempt: the answer is thrown away

    kinesis.meta.events.register_first("needs-retry.kinesis.PutRecord", lose_first)
    put = kinesis.put_record(StreamName=stream, Data=b"once", PartitionKey="k")
    kinesis.meta.events.unregister("needs-retry.kinesis.PutRecord", lose_first)
    assert len(attempts) == 2, "the request was sent twice"
    records = read_all(kinesis, stream)
    assert [(r["SequenceNumber"], r["Data"]) for r in records] == [(put["SequenceNumber"], b"once")]


def test_retention_and_tags(kinesis, stream):
    kinesis.increase_stream_retention_period(StreamName=stream, RetentionPeriodHours=100)
    kinesis.decrease_stream_retention_period(StreamName=stream, RetentionPeriodHours=50)
    summary = kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]
    assert summary["RetentionPeriodHours"] == 50
    code, message = refusal(kinesis.increase_stream_retention_period, StreamName=stream, RetentionPeriodHours=25)
    assert code == "InvalidArgumentException" and "can not be shorter" in message
    kinesis.add_tags_to_stream(StreamName=stream, Tags={"a": "1", "b": "2"})
    kinesis.remove_tags_from_stream(StreamName=stream, TagKeys=["a"])
    assert kinesis.list_tags_for_stream(StreamName=stream)["Tags"] == [{"Key": "b", "Value": "2"}]
    arn = summary["StreamARN"]
    kinesis.tag_resource(ResourceARN=arn, Tags={"c": "3"})
    kinesis.untag_resource(ResourceARN=arn, TagKeys=["b"])
    assert kinesis.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "c", "Value": "3"}]
    assert kinesis.describe_limits()["OpenShardCount"] >= 2


def test_bad_requests_are_refused_in_the_services_words(kinesis, stream):
    code, message = refusal(kinesis.put_record, StreamName=stream, Data=b"x" * (1 << 20) + b"x", PartitionKey="k")
    assert code == "ValidationException"
    assert message.endswith("Member must have length less than or equal to 1048576")
    code, message = refusal(kinesis.create_stream, StreamName="a b", ShardCount=1)
    assert code == "ValidationException" and "[a-zA-Z0-9_.-]+" in message
    code, message = refusal(kinesis.split_shard, StreamName=stream, ShardToSplit="shardId-000000000000", NewStartingHashKey="1")
    assert code == "InvalidArgumentException" and "is not both greater than one plus the shard's StartingHashKey" in message


def test_accounts_are_isolated(node, kinesis, stream):
    bob = node.client("kinesis", user=BOB)
    assert stream not in bob.list_streams()["StreamNames"]
    assert refusal(bob.describe_stream, StreamName=stream)[0] == "ResourceNotFoundException"
    elsewhere = node.client("kinesis", region="us-east-1")
    assert refusal(elsewhere.describe_stream, StreamName=stream)[0] == "ResourceNotFoundException"


def test_what_was_acknowledged_survives_kill(start_node, unique):
    node = start_node()
    kinesis = node.client("kinesis")
    stream = unique("stream")
    kinesis.create_stream(StreamName=stream, ShardCount=2)
    records = [{"Data": f"{i}".encode(), "PartitionKey": f"{i}"} for i in range(200)]
    put = kinesis.put_records(StreamName=stream, Records=records)
    iterator = kinesis.get_shard_iterator(
        StreamName=stream, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    before = kinesis.get_records(ShardIterator=iterator)["Records"]
    node.kill()
    node.start()
    kinesis = node.client("kinesis")
    assert kinesis.get_records(ShardIterator=iterator)["Records"] == before
    told = {(r["SequenceNumber"], f"{i}".encode()) for i, r in enumerate(put["Records"])}
    assert {(r["SequenceNumber"], r["Data"]) for r in read_all(kinesis, stream)} == told


def test_the_command_line_works(aws, unique, tmp_path):
    name = unique("cli")
    # As a file, because versions 1 and 2 of the CLI read --data text differently.
    (tmp_path / "data").write_bytes(b"hello")
    aws("kinesis", "create-stream", "--stream-name", name, "--shard-count", "1")
    aws("kinesis", "wait", "stream-exists", "--stream-name", name)
    data = f"fileb://{tmp_path / 'data'}"
    put = json.loads(aws("kinesis", "put-record", "--stream-name", name, "--partition-key", "k", "--data", data))
    assert put["ShardId"] == "shardId-000000000000"
    iterator = json.loads(
        aws("kinesis", "get-shard-iterator", "--stream-name", name, "--shard-id", put["ShardId"], "--shard-iterator-type", "TRIM_HORIZON")
    )["ShardIterator"]
    records = json.loads(aws("kinesis", "get-records", "--shard-iterator", iterator))["Records"]
    assert [base64.b64decode(r["Data"]) for r in records] == [b"hello"]
    assert name in json.loads(aws("kinesis", "list-streams"))["StreamNames"]
    aws("kinesis", "delete-stream", "--stream-name", name)
    done = aws("kinesis", "describe-stream", "--stream-name", name, check=False)
    assert done.returncode != 0 and "ResourceNotFoundException" in done.stderr


@pytest.fixture
def consumer(kinesis, unique):
    """A consumer of a stream of one shard: the stream's name and the consumer's ARN."""
    name = unique("stream")
    kinesis.create_stream(StreamName=name, ShardCount=1)
    arn = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamARN"]
    registered = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="risk", Tags={"team": "fraud"})
    yield name, registered["Consumer"]["ConsumerARN"]
    kinesis.delete_stream(StreamName=name, EnforceConsumerDeletion=True)


def subscribe(kinesis, consumer, kind, **position):
    return kinesis.subscribe_to_shard(
        ConsumerARN=consumer, ShardId="shardId-000000000000", StartingPosition={"Type": kind, **position}
    )["EventStream"]


def test_consumers_are_registered_listed_and_removed(kinesis, consumer):
    name, arn = consumer
    stream = arn.split("/consumer/")[0]
    described = kinesis.describe_stream_consumer(ConsumerARN=arn)["ConsumerDescription"]
    assert (described["ConsumerName"], described["ConsumerStatus"]) == ("risk", "ACTIVE")
    assert described["StreamARN"] == stream
    assert arn == f"{stream}/consumer/risk:{int(described['ConsumerCreationTimestamp'].timestamp())}"
    assert kinesis.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "team", "Value": "fraud"}]
    for n in range(3):
        kinesis.register_stream_consumer(StreamARN=stream, ConsumerName=f"more-{n}")
    pages = kinesis.get_paginator("list_stream_consumers").paginate(
        StreamARN=stream, PaginationConfig={"PageSize": 2}
    )
    names = [[consumer["ConsumerName"] for consumer in page["Consumers"]] for page in pages]
    assert names == [["more-0", "more-1"], ["more-2", "risk"]]
    summary = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
    assert summary["ConsumerCount"] == 4
    kinesis.deregister_stream_consumer(StreamARN=stream, ConsumerName="more-0")
    code, _ = refusal(kinesis.describe_stream_consumer, StreamARN=stream, ConsumerName="more-0")
    assert code == "ResourceNotFoundException"
    assert refusal(kinesis.register_stream_consumer, StreamARN=stream, ConsumerName="risk")[0] == "ResourceInUseException"
    assert refusal(kinesis.delete_stream, StreamName=name)[0] == "ResourceInUseException"


def test_the_cli_manages_consumers(aws, consumer):
    _, arn = consumer
    stream = arn.split("/consumer/")[0]
    listed = json.loads(aws("kinesis", "list-stream-consumers", "--stream-arn", stream))
    assert [known["ConsumerARN"] for known in listed["Consumers"]] == [arn]
    described = json.loads(aws("kinesis", "describe-stream-consumer", "--consumer-arn", arn))
    assert described["ConsumerDescription"]["StreamARN"] == stream
    made = json.loads(aws("kinesis", "register-stream-consumer", "--stream-arn", stream, "--consumer-name", "cli"))
    aws("kinesis", "deregister-stream-consumer", "--consumer-arn", made["Consumer"]["ConsumerARN"])
    # The CLI leaves out subscribe-to-shard, as it does every operation that answers with events.
    unknown = aws("kinesis", "subscribe-to-shard", check=False)
    assert unknown.returncode != 0 and "Invalid choice" in unknown.stderr


def test_records_are_pushed_to_a_subscriber(kinesis, client, consumer):
    name, arn = consumer
    kinesis.put_record(StreamName=name, Data=b"before", PartitionKey="k")
    events = iter(subscribe(kinesis, arn, "TRIM_HORIZON"))
    first = next(events)["SubscribeToShardEvent"]
    assert [record["Data"] for record in first["Records"]] == [b"before"]
    producer, waits = client("kinesis"), []
    for n in range(50):
        begun = time.monotonic()
        put = producer.put_record(StreamName=name, Data=str(n).encode(), PartitionKey="k")
        event = next(events)["SubscribeToShardEvent"]
        waits.append(time.monotonic() - begun)
        assert [record["Data"] for record in event["Records"]] == [str(n).encode()]
        assert event["Records"][0]["SequenceNumber"] == put["SequenceNumber"]
        assert int(event["ContinuationSequenceNumber"]) > int(put["SequenceNumber"])
        assert event["MillisBehindLatest"] == 0
    assert sorted(waits)[25] < 0.5, "pushed at once, not at the next heartbeat"


def test_an_idle_subscription_says_that_it_lives(kinesis, consumer):
    _, arn = consumer
    begun = time.monotonic()
    events = subscribe(kinesis, arn, "LATEST")
    seen = [next(iter(events))["SubscribeToShardEvent"] for _ in range(2)]
    assert 4 < time.monotonic() - begun < 10
    assert [event["Records"] for event in seen] == [[], []]
    first, second = (int(event["ContinuationSequenceNumber"]) for event in seen)
    assert first < second
    events.close()
    # A new subscription goes on where the last one was.
    kinesis.put_record(StreamName=consumer[0], Data=b"later", PartitionKey="k")
    again = subscribe(kinesis, arn, "AFTER_SEQUENCE_NUMBER", SequenceNumber=str(second))
    assert [record["Data"] for record in next(iter(again))["SubscribeToShardEvent"]["Records"]] == [b"later"]


def test_a_later_subscription_takes_over(kinesis, client, consumer):
    name, arn = consumer
    first = iter(subscribe(kinesis, arn, "LATEST"))
    next(first)
    other = client("kinesis")
    code, message = refusal(subscribe, kinesis=other, consumer=arn, kind="LATEST")
    assert code == "ResourceInUseException"
    assert message.startswith("Another active subscription exists for this consumer")
    time.sleep(5.1)
    second = iter(subscribe(other, arn, "LATEST"))
    with pytest.raises(EventStreamError) as ended:
        while True:
            next(first)
    assert ended.value.response["Error"]["Code"] == "ResourceInUseException"
    next(second)
    kinesis.put_record(StreamName=name, Data=b"x", PartitionKey="k")
    assert [record["Data"] for record in next(second)["SubscribeToShardEvent"]["Records"]] == [b"x"]

def test_a_split_ends_a_subscription_with_the_children(kinesis, consumer):
    name, arn = consumer
    kinesis.put_record(StreamName=name, Data=b"before", PartitionKey="k")
    events = iter(subscribe(kinesis, arn, "TRIM_HORIZON"))
    assert [record["Data"] for record in next(events)["SubscribeToShardEvent"]["Records"]] == [b"before"]
    kinesis.split_shard(StreamName=name, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**127))
    last = next(events)["SubscribeToShardEvent"]
    while "ContinuationSequenceNumber" in last:
        last = next(events)["SubscribeToShardEvent"]
    assert [child["ParentShards"] for child in last["ChildShards"]] == [["shardId-000000000000"]] * 2
    assert next(events, None) is None
