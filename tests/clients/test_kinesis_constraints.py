"""Every constraint that the service model puts on a parameter is answered with the model's error and message.

The cases are generated from botocore's own model: for each operation a valid request, and one request for each way to
break one constraint of it.
"""

import copy

import botocore.session
import pytest
from botocore.exceptions import ClientError

from conftest import ALICE, REGION

STREAM = "constraints"
ARN = f"arn:aws:kinesis:{REGION}:{ALICE.account}:stream/{STREAM}"
CONSUMER_ARN = f"{ARN}/consumer/absent:1700000000"
MODEL = botocore.session.get_session().get_service_model("kinesis")

# Requests that break no constraint. Whether they succeed does not matter here.
NAMED = {"StreamName": STREAM}
VALID = {
    "AddTagsToStream": NAMED | {"Tags": {"a": "b"}},
    "CreateStream": NAMED | {"ShardCount": 1, "StreamModeDetails": {"StreamMode": "PROVISIONED"}, "Tags": {"a": "b"}},
    "DecreaseStreamRetentionPeriod": NAMED | {"RetentionPeriodHours": 24},
    "DeleteResourcePolicy": {"ResourceARN": ARN},
    "DeleteStream": {"StreamName": "constraints-absent"},
    "DeregisterStreamConsumer": {"StreamARN": ARN, "ConsumerName": "absent", "ConsumerARN": CONSUMER_ARN},
    "DescribeAccountSettings": {},
    "DescribeLimits": {},
    "DescribeStream": NAMED | {"Limit": 1, "ExclusiveStartShardId": "shardId-000000000000"},
    "DescribeStreamConsumer": {"StreamARN": ARN, "ConsumerName": "absent", "ConsumerARN": CONSUMER_ARN},
    "DescribeStreamSummary": NAMED,
    "DisableEnhancedMonitoring": NAMED | {"ShardLevelMetrics": ["ALL"]},
    "EnableEnhancedMonitoring": NAMED | {"ShardLevelMetrics": ["ALL"]},
    "GetRecords": {"ShardIterator": "AAAA", "Limit": 1, "StreamARN": ARN},
    "GetResourcePolicy": {"ResourceARN": ARN},
    "GetShardIterator": NAMED | {
        "ShardId": "shardId-000000000000", "ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": "1",
    },
    "IncreaseStreamRetentionPeriod": NAMED | {"RetentionPeriodHours": 24},
    "ListShards": NAMED | {
        "MaxResults": 1, "ExclusiveStartShardId": "shardId-000000000000",
        "ShardFilter": {"Type": "AFTER_SHARD_ID", "ShardId": "shardId-000000000000"},
    },
    "ListStreamConsumers": {"StreamARN": ARN, "MaxResults": 1},
    "ListStreams": {"Limit": 1, "ExclusiveStartStreamName": "a"},
    "ListTagsForResource": {"ResourceARN": ARN},
    "ListTagsForStream": NAMED | {"ExclusiveStartTagKey": "a", "Limit": 1},
    "MergeShards": NAMED | {"ShardToMerge": "shardId-0", "AdjacentShardToMerge": "shardId-9"},
    "PutRecord": NAMED | {
        "Data": b"x", "PartitionKey": "k", "ExplicitHashKey": "0", "SequenceNumberForOrdering": "1",
    },
    "PutRecords": NAMED | {"Records": [{"Data": b"x", "PartitionKey": "k", "ExplicitHashKey": "0"}]},
    "PutResourcePolicy": {"ResourceARN": ARN, "Policy": "{}"},
    "RegisterStreamConsumer": {"StreamARN": ARN, "ConsumerName": "one", "Tags": {"a": "b"}},
    "RemoveTagsFromStream": NAMED | {"TagKeys": ["a"]},
    "SplitShard": NAMED | {"ShardToSplit": "shardId-0", "NewStartingHashKey": "0"},
    "StartStreamEncryption": NAMED | {"EncryptionType": "KMS", "KeyId": "k"},
    "StopStreamEncryption": NAMED | {"EncryptionType": "KMS", "KeyId": "k"},
    "SubscribeToShard": {
        "ConsumerARN": CONSUMER_ARN, "ShardId": "shardId-000000000000", "StartingPosition": {"Type": "LATEST"},
    },
    "TagResource": {"ResourceARN": ARN, "Tags": {"a": "b"}},
    "UntagResource": {"ResourceARN": ARN, "TagKeys": ["a"]},
    "UpdateAccountSettings": {"MinimumThroughputBillingCommitment": {"Status": "DISABLED"}},
    "UpdateMaxRecordSize": {"StreamARN": ARN, "MaxRecordSizeInKiB": 1024},
    "UpdateShardCount": NAMED | {"TargetShardCount": 9, "ScalingType": "UNIFORM_SCALING"},
    "UpdateStreamMode": {"StreamARN": ARN, "StreamModeDetails": {"StreamMode": "PROVISIONED"}},
    "UpdateStreamRecordDistributionStrategy": {"StreamARN": ARN, "RecordDistributionStrategy": "USER_PARTITION_KEY"},
    "UpdateStreamWarmThroughput": NAMED | {"WarmThroughputMiBps": 1},
}

STRING_MAX = 200_000
INT_MAX = 2**31 - 1


def cases():
    for operation, valid in VALID.items():
        if operation not in MODEL.operation_names:
            continue
        shape = MODEL.operation_model(operation).input_shape
        for path, told, break_it in violations(shape):
            yield pytest.param(operation, valid, break_it, told, id=f"{operation}-{'.'.join(map(str, path))}-{told[:40]}")


def violations(shape, path=(), where=""):
    """(path, expected constraint, function that breaks it in a request) for every constraint under a structure."""
    for name, member in shape.members.items():
        at = where + name[0].lower() + name[1:]
        here = (*path, name)
        if name in shape.required_members:
            yield here, f"Value null at '{at}' failed to satisfy constraint: Member must not be null", removing(here)
        for value, rule in broken(member):
            yield here, f"at '{at}' failed to satisfy constraint: {rule}", setting(here, value)
        if member.type_name == "structure":
            yield from violations(member, here, at + ".")
        if member.type_name == "list":
            inside = member.member
            if inside.type_name == "structure":
                yield from violations(inside, (*here, 0), f"{at}.1.member.")
            for value, rule in broken(inside):
                yield here, f"at '{at}.1.member' failed to satisfy constraint: {rule}", setting((*here, 0), value)


def broken(shape):
    """Values that break one constraint of a shape, and the words for it."""
    rules = shape.metadata
    low, high = rules.get("min"), rules.get("max")
    if shape.type_name == "string":
        if low:
            yield "", f"Member must have length greater than or equal to {low}"
        if high and high < STRING_MAX:
            yield "a" * (high + 1), f"Member must have length less than or equal to {high}"
        if "pattern" in rules:
            yield "!?", f"Member must satisfy regular expression pattern: {rules['pattern']}"
        if "enum" in rules:
            yield "NEVER", "Member must satisfy enum value set: ["
    if shape.type_name == "integer":
        if low is not None:
            yield low - 1, f"Member must have value greater than or equal to {low}"
        if high is not None and high < INT_MAX:
            yield high + 1, f"Member must have value less than or equal to {high}"
    if shape.type_name == "list":
        if low:
            yield [], f"Member must have length greater than or equal to {low}"
        if high:
            yield "repeat", f"Member must have length less than or equal to {high}"
    if shape.type_name == "map":
        if low:
            yield {}, f"Member must have length greater than or equal to {low}"
        if high:
            yield {f"k{i}": "v" for i in range(high + 1)}, f"Member must have length less than or equal to {high}"


def holder(request, path):
    for step in path[:-1]:
        request = request[step] if isinstance(step, int) else request.setdefault(step, {})
    return request


def removing(path):
    def change(request):
        holder(request, path).pop(path[-1], None)
    return change


def setting(path, value):
    def change(request):
        inside = holder(request, path)
        if value == "repeat":
            inside[path[-1]] = inside[path[-1]] * 1000
        else:
            inside[path[-1]] = value
    return change


@pytest.fixture(scope="module")
def raw(node):
    """A client that sends what it is told, right or wrong."""
    kinesis = node.client("kinesis", parameter_validation=False)
    kinesis.create_stream(StreamName=STREAM, ShardCount=1)
    yield kinesis
    kinesis.delete_stream(StreamName=STREAM, EnforceConsumerDeletion=True)


def call(client, operation, request):
    method = next(m for m, name in client.meta.method_to_api_mapping.items() if name == operation)
    return getattr(client, method)(**request)


@pytest.mark.parametrize(("operation", "valid", "break_it", "told"), list(cases()))
def test_a_broken_constraint_is_told_as_the_model_says(raw, operation, valid, break_it, told):
    request = copy.deepcopy(valid)
    break_it(request)
    if "NextToken" in request:
        required = MODEL.operation_model(operation).input_shape.required_members
        request = {name: value for name, value in request.items() if name in {"NextToken", *required}}
    with pytest.raises(ClientError) as refused:
        call(raw, operation, request)
    error = refused.value.response["Error"]
    assert error["Code"] == "ValidationException", error
    assert "validation error" in error["Message"] and " detected: " in error["Message"]
    assert told in error["Message"], error["Message"]


def test_the_valid_requests_break_nothing(raw):
    for operation, request in VALID.items():
        if operation not in MODEL.operation_names or operation == "UpdateStreamRecordDistributionStrategy":
            continue
        try:
            call(raw, operation, copy.deepcopy(request))
        except ClientError as refused:
            assert refused.response["Error"]["Code"] != "ValidationException", (operation, refused)


def test_every_working_operation_has_its_cases(node):
    """Queues and channels are refused."""
    refused = {name for name in MODEL.operation_names if "Queue" in name or "Channel" in name}
    assert set(MODEL.operation_names) - set(VALID) - refused == set()
