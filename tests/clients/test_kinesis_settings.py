"""A stream's settings, its policy, large records and limits, with boto3."""

import datetime
import json
import urllib.request

import pytest
from botocore.exceptions import ClientError

from conftest import ALICE, BOB, REGION


@pytest.fixture
def kinesis(client):
    return client("kinesis")


@pytest.fixture
def stream(kinesis, unique):
    name = unique("settings")
    kinesis.create_stream(StreamName=name, ShardCount=1)
    yield name
    kinesis.delete_stream(StreamName=name)


def arn_of(stream, account=ALICE.account):
    return f"arn:aws:kinesis:{REGION}:{account}:stream/{stream}"


def summary(kinesis, stream):
    return kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]


def refusal(call, **arguments):
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def read(kinesis, shard="shardId-000000000000", **stream):
    iterator = kinesis.get_shard_iterator(ShardId=shard, ShardIteratorType="TRIM_HORIZON", **stream)["ShardIterator"]
    return kinesis.get_records(ShardIterator=iterator)["Records"]


def test_the_mode_changes_and_shards_stay(kinesis, stream):
    arn = arn_of(stream)
    kinesis.update_stream_mode(StreamARN=arn, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    assert summary(kinesis, stream)["StreamModeDetails"] == {"StreamMode": "ON_DEMAND"}
    code, message = refusal(
        kinesis.update_shard_count, StreamName=stream, TargetShardCount=2, ScalingType="UNIFORM_SCALING"
    )
    assert code == "ValidationException" and "On-Demand mode" in message
    warm = kinesis.update_stream_warm_throughput(StreamName=stream, WarmThroughputMiBps=20)
    assert warm["WarmThroughput"]["TargetMiBps"] == 20 and warm["StreamARN"] == arn
    assert summary(kinesis, stream)["WarmThroughput"] == {"TargetMiBps": 20, "CurrentMiBps": 20}
    kinesis.update_stream_mode(StreamARN=arn, StreamModeDetails={"StreamMode": "PROVISIONED"})
    assert summary(kinesis, stream)["OpenShardCount"] == 1
    assert refusal(kinesis.update_stream_warm_throughput, StreamName=stream, WarmThroughputMiBps=20)[0] == "InvalidArgumentException"


def test_encryption_is_echoed(kinesis, stream):
    assert "EncryptionType" not in kinesis.put_record(StreamName=stream, Data=b"x", PartitionKey="k")
    kinesis.start_stream_encryption(StreamARN=arn_of(stream), EncryptionType="KMS", KeyId="alias/aws/kinesis")
    told = summary(kinesis, stream)
    assert (told["EncryptionType"], told["KeyId"]) == ("KMS", "alias/aws/kinesis")
    assert kinesis.put_record(StreamName=stream, Data=b"x", PartitionKey="k")["EncryptionType"] == "KMS"
    put = kinesis.put_records(StreamName=stream, Records=[{"Data": b"x", "PartitionKey": "k"}])
    assert put["EncryptionType"] == "KMS"
    assert [record["EncryptionType"] for record in read(kinesis, StreamName=stream)] == ["KMS"] * 3
    kinesis.stop_stream_encryption(StreamName=stream, EncryptionType="KMS", KeyId="alias/aws/kinesis")
    assert summary(kinesis, stream)["EncryptionType"] == "NONE"


def test_enhanced_monitoring_flags(kinesis, stream):
    on = kinesis.enable_enhanced_monitoring(StreamName=stream, ShardLevelMetrics=["IncomingBytes", "IncomingRecords"])
    assert on["CurrentShardLevelMetrics"] == []
    assert on["DesiredShardLevelMetrics"] == ["IncomingBytes", "IncomingRecords"]
    off = kinesis.disable_enhanced_monitoring(StreamARN=arn_of(stream), ShardLevelMetrics=["IncomingBytes"])
    assert off["DesiredShardLevelMetrics"] == ["IncomingRecords"]
    assert summary(kinesis, stream)["EnhancedMonitoring"] == [{"ShardLevelMetrics": ["IncomingRecords"]}]
    kinesis.enable_enhanced_monitoring(StreamName=stream, ShardLevelMetrics=["ALL"])
    assert len(summary(kinesis, stream)["EnhancedMonitoring"][0]["ShardLevelMetrics"]) == 7


def test_account_settings(kinesis):
    def set_to(status):
        return kinesis.update_account_settings(MinimumThroughputBillingCommitment={"Status": status})

    enabled = set_to("ENABLED")["MinimumThroughputBillingCommitment"]
    assert enabled["Status"] == "ENABLED" and enabled["EarliestAllowedEndAt"] > enabled["StartedAt"]
    assert set_to("DISABLED")["MinimumThroughputBillingCommitment"]["Status"] == "ENABLED_UNTIL_EARLIEST_ALLOWED_END"
    told = kinesis.describe_account_settings()["MinimumThroughputBillingCommitment"]
    assert told["Status"] == "ENABLED_UNTIL_EARLIEST_ALLOWED_END" and told["StartedAt"] == enabled["StartedAt"]


def test_records_of_ten_mebibytes(kinesis, stream):
    arn = arn_of(stream)
    kinesis.update_max_record_size(StreamARN=arn, MaxRecordSizeInKiB=10240)
    assert summary(kinesis, stream)["MaxRecordSizeInKiB"] == 10240
    large = bytes(range(256)) * ((10 << 20) // 256)
    large = large[: (10 << 20) - 1]
    kinesis.put_record(StreamName=stream, Data=large, PartitionKey="k")
    code, message = refusal(kinesis.put_record, StreamName=stream, Data=large + b"x", PartitionKey="k")
    assert code == "ValidationException" and message.endswith("less than or equal to 10485760")
    half = large[: 5 << 20]
    put = kinesis.put_records(
        StreamName=stream, Records=[{"Data": half, "PartitionKey": "k"}, {"Data": half[:-10], "PartitionKey": "k"}]
    )
    assert put["FailedRecordCount"] == 0
    iterator = kinesis.get_shard_iterator(
        StreamName=stream, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    sizes = []
    while len(sizes) < 3:
        answer = kinesis.get_records(ShardIterator=iterator)
        sizes += [len(record["Data"]) for record in answer["Records"]]
        assert sum(len(record["Data"]) for record in answer["Records"]) <= 10 << 20
        iterator = answer["NextShardIterator"]
    assert sizes == [len(large), len(half), len(half) - 10]
    kinesis.update_max_record_size(StreamARN=arn, MaxRecordSizeInKiB=1024)
    assert refusal(kinesis.put_record, StreamName=stream, Data=half, PartitionKey="k")[0] == "ValidationException"


def test_records_without_keys_spread_evenly(node, unique):
    kinesis = node.client("kinesis", parameter_validation=False)
    stream = unique("auto")
    kinesis.create_stream(StreamName=stream, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    if not hasattr(kinesis, "update_stream_record_distribution_strategy"):
        pytest.fail("botocore is too old for UpdateStreamRecordDistributionStrategy")
    kinesis.update_stream_record_distribution_strategy(StreamARN=arn_of(stream), RecordDistributionStrategy="AUTO")
    put = kinesis.put_records(StreamName=stream, Records=[{"Data": f"{i}".encode()} for i in range(400)])
    counts = {}
    for record in put["Records"]:
        counts[record["ShardId"]] = counts.get(record["ShardId"], 0) + 1
    assert len(counts) == 4 and all(90 <= count <= 110 for count in counts.values()), counts
    assert "PartitionKey" not in read(kinesis, StreamName=stream)[0]
    kinesis.update_stream_record_distribution_strategy(
        StreamARN=arn_of(stream), RecordDistributionStrategy="USER_PARTITION_KEY"
    )
    code, message = refusal(kinesis.put_record, StreamName=stream, Data=b"x")
    assert code == "ValidationException" and "partitionKey" in message
    kinesis.delete_stream(StreamName=stream)


def test_a_policy_lets_another_account_in(node, kinesis, stream):
    arn, bob = arn_of(stream), node.client("kinesis", user=BOB)
    kinesis.put_record(StreamName=stream, Data=b"alice's", PartitionKey="k")
    assert json.loads(kinesis.get_resource_policy(ResourceARN=arn)["Policy"]) == {}
    code, message = refusal(bob.put_record, StreamARN=arn, Data=b"x", PartitionKey="k")
    assert code == "AccessDeniedException" and "kinesis:PutRecord" in message

    def let_bob(*actions, effect="Allow"):
        statement = {
            "Sid": "bob", "Effect": effect, "Principal": {"AWS": f"arn:aws:iam::{BOB.account}:root"},
            "Action": [f"kinesis:{action}" for action in actions], "Resource": arn,
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        kinesis.put_resource_policy(ResourceARN=arn, Policy=policy)
        assert kinesis.get_resource_policy(ResourceARN=arn)["Policy"] == policy

    let_bob("PutRecord", "PutRecords")
    bob.put_record(StreamARN=arn, Data=b"bob's", PartitionKey="k")
    assert refusal(bob.get_shard_iterator, StreamARN=arn, ShardId="shardId-000000000000", ShardIteratorType="LATEST")[0] == "AccessDeniedException"
    let_bob("Get*", "ListShards", "DescribeStreamSummary")
    assert [record["Data"] for record in read(bob, StreamARN=arn)] == [b"alice's", b"bob's"]
    assert len(bob.list_shards(StreamARN=arn)["Shards"]) == 1
    # As the KCL and Flink ask: the name beside the ARN, and the ARN beside an iterator.
    both = {"StreamName": stream, "StreamARN": arn}
    assert len(bob.list_shards(**both)["Shards"]) == 1
    iterator = bob.get_shard_iterator(ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON", **both)["ShardIterator"]
    assert len(bob.get_records(ShardIterator=iterator, StreamARN=arn)["Records"]) == 2
    for other in (arn_of(f"{stream}x"), arn_of(stream, BOB.account)):
        assert refusal(bob.get_records, ShardIterator=iterator, StreamARN=other)[0] == "InvalidArgumentException"
    assert refusal(bob.list_shards, StreamName=f"{stream}x", StreamARN=arn)[0] == "InvalidArgumentException"
    assert bob.describe_stream_summary(StreamARN=arn)["StreamDescriptionSummary"]["StreamARN"] == arn
    assert refusal(bob.put_record, StreamARN=arn, Data=b"x", PartitionKey="k")[0] == "AccessDeniedException"
    assert refusal(bob.delete_stream, StreamARN=arn)[0] == "AccessDeniedException"
    # An iterator stops being good when the policy goes.
    iterator = bob.get_shard_iterator(StreamARN=arn, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    kinesis.delete_resource_policy(ResourceARN=arn)
    assert refusal(bob.get_records, ShardIterator=iterator)[0] == "AccessDeniedException"
    # By its name it is Bob's own stream, which is not there.
    assert refusal(bob.put_record, StreamName=stream, Data=b"x", PartitionKey="k")[0] == "ResourceNotFoundException"
    code, message = refusal(kinesis.delete_resource_policy, ResourceARN=arn)
    assert code == "ResourceNotFoundException" and message == f"No resource policy found for resource ARN {arn}."
    assert refusal(kinesis.put_resource_policy, ResourceARN=arn, Policy='{"Statement":1}')[0] == "InvalidArgumentException"


def test_a_consumers_policy_holds_however_it_is_named(node, kinesis, stream):
    arn, bob = arn_of(stream), node.client("kinesis", user=BOB)
    consumer = kinesis.register_stream_consumer(StreamARN=arn, ConsumerName="risk")["Consumer"]["ConsumerARN"]
    targets = [{"ConsumerARN": consumer}, {"StreamARN": arn, "ConsumerName": "risk"}]
    for target in targets:
        assert refusal(bob.describe_stream_consumer, **target)[0] == "AccessDeniedException"
    # Who asks by name is told the same of one that is there and of one that is not.
    for call in (bob.describe_stream_consumer, bob.deregister_stream_consumer):
        there, missing = (refusal(call, StreamARN=arn, ConsumerName=name) for name in ("risk", "other"))
        assert there == missing and "consumer/risk" not in str(there)
    statement = {
        "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{BOB.account}:root"},
        "Action": "kinesis:DescribeStreamConsumer", "Resource": consumer,
    }
    kinesis.put_resource_policy(ResourceARN=consumer, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    for target in targets:
        assert bob.describe_stream_consumer(**target)["ConsumerDescription"]["ConsumerARN"] == consumer
        assert refusal(bob.deregister_stream_consumer, **target)[0] == "AccessDeniedException"
    # One that is not there has no policy: nobody else learns that.
    assert refusal(bob.describe_stream_consumer, StreamARN=arn, ConsumerName="other")[0] == "AccessDeniedException"
    kinesis.deregister_stream_consumer(StreamARN=arn, ConsumerName="risk")


def test_a_listing_ends_with_the_policy_that_allowed_it(node, kinesis, unique):
    stream = unique("listed")
    kinesis.create_stream(StreamName=stream, ShardCount=2)
    arn, bob = arn_of(stream), node.client("kinesis", user=BOB)
    statement = {"Effect": "Allow", "Principal": {"AWS": BOB.account}, "Action": "kinesis:ListShards", "Resource": arn}
    kinesis.put_resource_policy(ResourceARN=arn, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    token = bob.list_shards(StreamARN=arn, MaxResults=1)["NextToken"]
    assert len(bob.list_shards(NextToken=token)["Shards"]) == 1
    kinesis.delete_resource_policy(ResourceARN=arn)
    assert refusal(bob.list_shards, NextToken=token)[0] == "AccessDeniedException"
    kinesis.delete_stream(StreamName=stream)


def test_a_stream_is_told_from_its_namesakes_by_when_it_was_made(kinesis, stream):
    made = summary(kinesis, stream)["StreamCreationTimestamp"]
    arn, before = arn_of(stream), made - datetime.timedelta(seconds=1)
    assert len(kinesis.list_shards(StreamName=stream, StreamCreationTimestamp=made)["Shards"]) == 1
    assert kinesis.list_stream_consumers(StreamARN=arn, StreamCreationTimestamp=made)["Consumers"] == []
    assert refusal(kinesis.list_shards, StreamName=stream, StreamCreationTimestamp=before)[0] == "ResourceNotFoundException"
    assert refusal(kinesis.list_stream_consumers, StreamARN=arn, StreamCreationTimestamp=before)[0] == "ResourceNotFoundException"


def test_tags_are_of_letters_digits_and_a_few_symbols(kinesis, stream):
    kinesis.add_tags_to_stream(StreamName=stream, Tags={"owner:team": "Straße 7/b_c.d=e+f-g%h@i"})
    code, message = refusal(kinesis.add_tags_to_stream, StreamName=stream, Tags={"k": "a*b"})
    assert code == "InvalidArgumentException"
    assert message == (
        "Some tags contain invalid characters. Valid characters: Unicode letters, digits, white space, _ . / = + - % @."
    )


def test_a_dry_run_changes_nothing(kinesis, stream):
    if "DryRun" not in kinesis.meta.service_model.operation_model("PutRecord").input_shape.members:
        pytest.fail("botocore is too old for DryRun")
    one = {"Data": b"x", "PartitionKey": "k"}
    position = {"ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"}
    iterator = kinesis.get_shard_iterator(StreamName=stream, **position)["ShardIterator"]
    for call, arguments in [
        (kinesis.put_record, {"StreamName": stream, **one}),
        (kinesis.put_records, {"StreamName": stream, "Records": [one]}),
        (kinesis.get_shard_iterator, {"StreamName": stream, **position}),
        (kinesis.get_records, {"ShardIterator": iterator}),
    ]:
        assert refusal(call, DryRun=True, **arguments)[0] == "DryRunOperationException"
    assert refusal(kinesis.put_record, DryRun=True, StreamName="missing", **one)[0] == "ResourceNotFoundException"
    assert read(kinesis, StreamName=stream) == []


def test_name_and_arn_are_interchangeable(kinesis, stream):
    arn = arn_of(stream)
    for target in ({"StreamName": stream}, {"StreamARN": arn}, {"StreamName": stream, "StreamARN": arn}):
        kinesis.put_record(Data=b"x", PartitionKey="k", **target)
        assert len(kinesis.list_shards(**target)["Shards"]) == 1
        assert kinesis.describe_stream(**target)["StreamDescription"]["StreamName"] == stream
    assert len(read(kinesis, StreamARN=arn)) == 3
    other = arn_of(f"{stream}x")
    assert refusal(kinesis.list_shards, StreamName=stream, StreamARN=other)[0] == "InvalidArgumentException"
    assert refusal(kinesis.list_shards, StreamARN=other)[0] == "ResourceNotFoundException"
    assert refusal(kinesis.list_shards, StreamARN=arn.replace(REGION, "us-east-1"))[0] == "ResourceNotFoundException"


def test_limited_streams_throttle_as_aws_does(start_node, tmp_path):
    node = start_node(settings='limited_streams = ["slow"]\n')
    kinesis = node.client("kinesis", retries={"total_max_attempts": 1})
    for name in ("slow", "fast"):
        kinesis.create_stream(StreamName=name, ShardCount=2)

    def put(name, count, size=10):
        records = [{"Data": b"x" * size, "PartitionKey": "k", "ExplicitHashKey": "0"} for _ in range(count)]
        return kinesis.put_records(StreamName=name, Records=records)

    put("slow", 500)
    put("slow", 500)
    answer = put("slow", 500)
    assert answer["FailedRecordCount"] > 0, "a thousand records a second and shard"
    refused = next(record for record in answer["Records"] if "ErrorCode" in record)
    assert refused["ErrorCode"] == "ProvisionedThroughputExceededException"
    assert refused["ErrorMessage"] == f"Rate exceeded for shard shardId-000000000000 in stream slow under account {ALICE.account}."
    other = kinesis.put_record(StreamName="slow", Data=b"x" * 900_000, PartitionKey="k", ExplicitHashKey=str(2**128 - 1))
    assert other["ShardId"] == "shardId-000000000001", "the other shard has a budget of its own"
    code, _ = refusal(
        kinesis.put_record, StreamName="slow", Data=b"x" * 900_000, PartitionKey="k", ExplicitHashKey=str(2**128 - 1)
    )
    assert code == "ProvisionedThroughputExceededException", "a megabyte a second and shard"
    iterator = kinesis.get_shard_iterator(
        StreamName="slow", ShardId="shardId-000000000001", ShardIteratorType="LATEST"
    )["ShardIterator"]
    outcomes = []
    for _ in range(20):
        try:
            kinesis.get_records(ShardIterator=iterator)
            outcomes.append("read")
        except ClientError as error:
            outcomes.append(error.response["Error"]["Code"])
    assert outcomes[:5] == ["read"] * 5 and "ProvisionedThroughputExceededException" in outcomes
    for _ in range(6):
        assert put("fast", 500)["FailedRecordCount"] == 0


def test_iterators_given_after_a_reset_survive_a_restart(start_node):
    node = start_node("--dev")
    kinesis = node.client("kinesis")
    kinesis.create_stream(StreamName="before", ShardCount=1)
    kinesis.get_shard_iterator(StreamName="before", ShardId="shardId-0", ShardIteratorType="LATEST")
    reset = urllib.request.Request(f"{node.endpoint}/_headwater/dev/reset", method="POST")
    assert urllib.request.urlopen(reset, timeout=10).status == 200
    kinesis.create_stream(StreamName="after", ShardCount=1)
    kinesis.put_record(StreamName="after", Data=b"x", PartitionKey="k")
    iterator = kinesis.get_shard_iterator(StreamName="after", ShardId="shardId-0", ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    node.stop()
    node.start()
    assert [record["Data"] for record in node.client("kinesis").get_records(ShardIterator=iterator)["Records"]] == [b"x"]
