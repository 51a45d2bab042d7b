"""Change events of buckets, delivered to an HTTP server in the test: every kind, filters, order, and what crashes and
targets that are down do to them."""

import datetime
import json
import random
import socket
import threading
import time
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import botocore.exceptions
import pytest
import requests
from conftest import ALICE, REGION, eventually, free_port, query

MIB = 1 << 20
QUEUES = {name: f"arn:aws:sqs:{REGION}:{ALICE.account}:{name}" for name in ("main", "other", "down", "choosy")}
TOPIC = f"arn:aws:sns:{REGION}:{ALICE.account}:topic"
FUNCTION = f"arn:aws:lambda:{REGION}:{ALICE.account}:function:thumbnails"
BUS = f"arn:aws:events:{REGION}:{ALICE.account}:event-bus/default"
ALL = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*"]


class Sink:
    """An HTTP server that takes messages and remembers them, by destination."""

    def __init__(self, port=None):
        self.port = port or free_port()
        self.lock = threading.Lock()
        self.messages = []
        self.status = lambda message: 200
        self.server = None
        self.connections = set()

    def start(self):
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                with sink.lock:
                    sink.connections.add(self.connection)

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                message = {
                    "arn": self.headers["x-headwater-destination"],
                    "id": self.headers["x-headwater-event-id"],
                    "type": self.headers["content-type"],
                    "body": json.loads(body),
                }
                status = sink.status(message)
                if status == 200:
                    with sink.lock:
                        sink.messages.append(message)
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        # Connections that are kept open would go on being served.
        with self.lock:
            connections, self.connections = self.connections, set()
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def of(self, arn, bucket=None):
        with self.lock:
            taken = [m for m in self.messages if m["arn"] == arn]
        return [m for m in taken if bucket is None or bucket in json.dumps(m["body"])]

    def records(self, arn, bucket):
        """The records for one bucket, the keys as they were before they were encoded."""
        bodies = [m["body"] for m in self.of(arn) if "Records" in m["body"]]
        assert all(len(body["Records"]) == 1 for body in bodies)
        return [body["Records"][0] for body in bodies if body["Records"][0]["s3"]["bucket"]["name"] == bucket]


def key_of(record):
    return urllib.parse.unquote_plus(record["s3"]["object"]["key"])


def settings(sink, arns=(*QUEUES.values(), TOPIC, FUNCTION, BUS), head=""):
    targets = [f'[[event_targets]]\narn = "{arn}"\nurl = "http://127.0.0.1:{sink.port}/take"\n' for arn in arns]
    return head + "\n".join(targets) + "\n"


@pytest.fixture(scope="module")
def sink():
    sink = Sink().start()
    yield sink
    sink.stop()


@pytest.fixture(scope="module")
def eventful(start_node, sink):
    """A node whose destinations are all the sink."""
    return start_node(settings=settings(sink))


@pytest.fixture
def s3(eventful):
    return eventful.client("s3")


@pytest.fixture
def bucket(s3, unique):
    return make(s3, unique("bucket"))


def make(s3, name):
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return name


def queue(name="main", events=ALL, id=None, prefix=None, suffix=None):
    rules = [{"Name": n, "Value": v} for n, v in (("prefix", prefix), ("suffix", suffix)) if v is not None]
    one = {"QueueArn": QUEUES.get(name, name), "Events": list(events)}
    if id:
        one["Id"] = id
    if rules:
        one["Filter"] = {"Key": {"FilterRules": rules}}
    return one


def notify(s3, bucket, *queues, bridge=False, **more):
    configuration = {"QueueConfigurations": list(queues), **more} if queues or more else {}
    if bridge:
        configuration["EventBridgeConfiguration"] = {}
    return s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)


def wait_for(sink, arn, bucket, count):
    return eventually(
        lambda: (lambda seen: seen if len(seen) >= count else None)(sink.records(arn, bucket)),
        what=f"{count} events of {bucket}",
    )


def message_of(excinfo):
    error = excinfo.value.response["Error"]
    return error["Code"], error["Message"]


def test_the_record_is_s3s(s3, eventful, sink, bucket):
    notify(s3, bucket, queue(id="rule-1"))
    answer = s3.put_object(Bucket=bucket, Key="a folder/ä+1.txt", Body=b"hello")
    [record] = wait_for(sink, QUEUES["main"], bucket, 1)
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert record["eventVersion"] == "2.1"
    assert record["eventSource"] == "aws:s3"
    assert record["awsRegion"] == REGION
    assert record["eventName"] == "ObjectCreated:Put"
    assert len(record["eventTime"]) == len("1970-01-01T00:00:00.000Z") and record["eventTime"].endswith("Z")
    assert record["userIdentity"] == {"principalId": f"AWS:{ALICE.access_key}"}
    assert record["requestParameters"] == {"sourceIPAddress": "127.0.0.1"}
    assert record["responseElements"] == {
        "x-amz-request-id": headers["x-amz-request-id"],
        "x-amz-id-2": headers["x-amz-id-2"],
    }
    assert record["s3"]["s3SchemaVersion"] == "1.0"
    assert record["s3"]["configurationId"] == "rule-1"
    assert record["s3"]["bucket"] == {
        "name": bucket,
        "ownerIdentity": {"principalId": ALICE.account},
        "arn": f"arn:aws:s3:::{bucket}",
    }
    entry = record["s3"]["object"]
    assert entry["key"] == "a+folder/%C3%A4%2B1.txt"
    assert key_of(record) == "a folder/ä+1.txt"
    assert entry["size"] == 5 and entry["eTag"] == answer["ETag"].strip('"')
    assert len(entry["sequencer"]) == 16 and int(entry["sequencer"], 16) > 0
    [message] = [m for m in sink.of(QUEUES["main"], bucket) if "Records" in m["body"]]
    assert message["type"] == "application/json" and message["id"].startswith(entry["sequencer"].lower())


def test_each_kind_of_change_is_its_own_event(s3, sink, bucket):
    notify(s3, bucket, queue())
    s3.put_object(Bucket=bucket, Key="put", Body=b"x")
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "put"})
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=1, Body=b"y" * MIB)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    done = s3.complete_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload, MultipartUpload=parts)
    tags = {"TagSet": [{"Key": "k", "Value": "v"}]}
    s3.put_object_tagging(Bucket=bucket, Key="put", Tagging=tags)
    s3.delete_object_tagging(Bucket=bucket, Key="put")
    s3.delete_object(Bucket=bucket, Key="copy")
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "put"}, {"Key": "parts"}, {"Key": "never"}]})
    records = wait_for(sink, QUEUES["main"], bucket, 8)
    by_key = {}
    for record in records:
        by_key.setdefault(key_of(record), []).append(record)
    names = {key: [r["eventName"] for r in found] for key, found in by_key.items()}
    assert names == {
        "put": ["ObjectCreated:Put", "ObjectTagging:Put", "ObjectTagging:Delete", "ObjectRemoved:Delete"],
        "copy": ["ObjectCreated:Copy", "ObjectRemoved:Delete"],
        "parts": ["ObjectCreated:CompleteMultipartUpload", "ObjectRemoved:Delete"],
    }
    completed, removed = by_key["parts"]
    assert completed["s3"]["object"]["size"] == MIB
    assert completed["s3"]["object"]["eTag"] == done["ETag"].strip('"')
    assert "size" not in removed["s3"]["object"] and "eTag" not in removed["s3"]["object"]
    assert by_key["put"][1]["eventVersion"] == "2.3"
    for found in by_key.values():
        sequencers = [r["s3"]["object"]["sequencer"] for r in found]
        assert sequencers == sorted(set(sequencers)), "strictly ordered for a key"


def test_versions_and_delete_markers(s3, sink, bucket):
    notify(s3, bucket, queue())
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=bucket, Key="a", Body=b"1")["VersionId"]
    second = s3.put_object(Bucket=bucket, Key="a", Body=b"2")["VersionId"]
    marker = s3.delete_object(Bucket=bucket, Key="a")["VersionId"]
    s3.delete_object(Bucket=bucket, Key="a", VersionId=first)
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a", "VersionId": marker}]})
    records = wait_for(sink, QUEUES["main"], bucket, 5)
    assert [(r["eventName"], r["s3"]["object"]["versionId"]) for r in records] == [
        ("ObjectCreated:Put", first),
        ("ObjectCreated:Put", second),
        ("ObjectRemoved:DeleteMarkerCreated", marker),
        ("ObjectRemoved:Delete", first),
        ("ObjectRemoved:Delete", marker),
    ]


def test_a_form_is_a_post(s3, sink, bucket):
    notify(s3, bucket, queue())
    form = s3.generate_presigned_post(Bucket=bucket, Key="from a form")
    answer = requests.post(form["url"], data=form["fields"], files={"file": b"hello"}, timeout=30)
    assert answer.status_code == 204, answer.text
    [record] = wait_for(sink, QUEUES["main"], bucket, 1)
    assert (record["eventName"], key_of(record)) == ("ObjectCreated:Post", "from a form")
    assert record["s3"]["object"]["size"] == 5
    assert record["responseElements"]["x-amz-request-id"] == answer.headers["x-amz-request-id"]


def test_access_lists_and_retention(s3, sink, unique):
    bucket = unique("bucket")
    s3.create_bucket(
        Bucket=bucket,
        CreateBucketConfiguration={"LocationConstraint": REGION},
        ObjectLockEnabledForBucket=True,
        ObjectOwnership="ObjectWriter",
    )
    notify(s3, bucket, queue("main", ["s3:ObjectAcl:Put"]), queue("other", ["s3:ObjectRetention:Put"]))
    version = s3.put_object(Bucket=bucket, Key="a", Body=b"x")["VersionId"]
    s3.put_object_acl(Bucket=bucket, Key="a", ACL="bucket-owner-full-control")
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
    s3.put_object_retention(Bucket=bucket, Key="a", Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until})
    for name, event in (("main", "ObjectAcl:Put"), ("other", "ObjectRetention:Put")):
        [record] = wait_for(sink, QUEUES[name], bucket, 1)
        assert (record["eventName"], record["eventVersion"]) == (event, "2.3")
        assert record["s3"]["object"]["versionId"] == version and "size" not in record["s3"]["object"]


def test_what_a_query_writes_is_told_too(s3, eventful, sink, bucket):
    notify(s3, bucket, queue())
    query(eventful.client("athena"), "SELECT 1 AS one", output=f"s3://{bucket}/results/")
    records = wait_for(sink, QUEUES["main"], bucket, 1)
    assert all(key_of(r).startswith("results/") for r in records)
    assert {r["eventName"] for r in records} == {"ObjectCreated:Put"}
    assert {r["userIdentity"]["principalId"] for r in records} == {"athena.amazonaws.com"}


def test_what_fails_is_no_event(s3, sink, bucket):
    notify(s3, bucket, queue())
    s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    with pytest.raises(botocore.exceptions.ClientError):
        s3.put_object(Bucket=bucket, Key="a", Body=b"2", IfNoneMatch="*")
    with pytest.raises(botocore.exceptions.ClientError):
        s3.put_object(Bucket=bucket, Key="b", Body=b"2", ChecksumCRC32="AAAAAA==")
    s3.put_object(Bucket=bucket, Key="last", Body=b"3")
    records = wait_for(sink, QUEUES["main"], bucket, 2)
    assert [key_of(r) for r in records] == ["a", "last"]


def test_filters_and_destinations(s3, sink, bucket):
    created = ["s3:ObjectCreated:*"]
    topic = {"TopicArn": TOPIC, "Events": ["s3:ObjectRemoved:Delete"]}
    function = {
        "LambdaFunctionArn": FUNCTION,
        "Events": created,
        "Filter": {"Key": {"FilterRules": [{"Name": "Prefix", "Value": "c/"}]}},
    }
    notify(
        s3,
        bucket,
        queue("main", created, "1", prefix="a/", suffix=".jpg"),
        queue("other", created, "2", prefix="a/", suffix=".png"),
        TopicConfigurations=[topic],
        LambdaFunctionConfigurations=[function],
        bridge=True,
    )
    for key in ("a/1.jpg", "a/1.png", "a/1.gif", "b/1.jpg", "c/1"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    s3.delete_object(Bucket=bucket, Key="b/1.jpg")
    on_bus = eventually(lambda: (lambda seen: seen if len(seen) == 6 else None)(sink.of(BUS, bucket)))
    assert [key_of(r) for r in wait_for(sink, QUEUES["main"], bucket, 1)] == ["a/1.jpg"]
    assert [key_of(r) for r in wait_for(sink, QUEUES["other"], bucket, 1)] == ["a/1.png"]
    assert [key_of(r) for r in wait_for(sink, FUNCTION, bucket, 1)] == ["c/1"]
    [removed] = wait_for(sink, TOPIC, bucket, 1)
    assert (removed["eventName"], key_of(removed)) == ("ObjectRemoved:Delete", "b/1.jpg")
    events = {(m["body"]["detail-type"], m["body"]["detail"]["object"]["key"]): m["body"] for m in on_bus}
    assert len(events) == 6
    event = events["Object Created", "a/1.gif"]
    assert (event["version"], event["source"], event["account"]) == ("0", "aws.s3", ALICE.account)
    assert event["region"] == REGION and event["resources"] == [f"arn:aws:s3:::{bucket}"]
    detail = event["detail"]
    assert detail["bucket"] == {"name": bucket} and detail["object"]["size"] == 1
    assert (detail["reason"], detail["requester"]) == ("PutObject", ALICE.account)
    detail = events["Object Deleted", "b/1.jpg"]["detail"]
    assert (detail["reason"], detail["deletion-type"]) == ("DeleteObject", "Permanently Deleted")


def test_a_test_event_comes_first(s3, sink, bucket):
    answer = notify(s3, bucket, queue("main"), queue("other", ["s3:ObjectRestore:*"]))
    for name in ("main", "other"):
        [message] = sink.of(QUEUES[name], bucket)
        assert message["body"]["Service"] == "Amazon S3"
        assert message["body"]["Event"] == "s3:TestEvent"
        assert message["body"]["Bucket"] == bucket
        assert message["body"]["RequestId"] == answer["ResponseMetadata"]["HTTPHeaders"]["x-amz-request-id"]
        assert set(message["body"]) == {"Service", "Event", "Time", "Bucket", "RequestId", "HostId"}


def test_configurations_are_kept_replaced_and_cleared(s3, sink, bucket):
    def shown():
        answer = s3.get_bucket_notification_configuration(Bucket=bucket)
        answer.pop("ResponseMetadata")
        return answer

    assert shown() == {}
    notify(s3, bucket, queue(prefix="a/", suffix=".x"), bridge=True)
    first = shown()
    [one] = first["QueueConfigurations"]
    assert one.pop("Id"), "an id was made"
    assert one["QueueArn"] == QUEUES["main"] and sorted(one["Events"]) == sorted(ALL)
    assert one["Filter"]["Key"]["FilterRules"] == [
        {"Name": "Prefix", "Value": "a/"},
        {"Name": "Suffix", "Value": ".x"},
    ]
    assert first["EventBridgeConfiguration"] == {}
    notify(s3, bucket, queue("other", ["s3:ObjectCreated:Put"], id="mine"))
    assert shown() == {"QueueConfigurations": [queue("other", ["s3:ObjectCreated:Put"], id="mine")]}
    # What happened before the rules changed went where the rules said then.
    s3.put_object(Bucket=bucket, Key="before", Body=b"x")
    notify(s3, bucket)
    assert shown() == {}
    s3.put_object(Bucket=bucket, Key="after", Body=b"x")
    records = wait_for(sink, QUEUES["other"], bucket, 1)
    assert [key_of(r) for r in records] == ["before"]


@pytest.mark.parametrize(
    "queues, message",
    [
        ([queue(f"arn:aws:sqs:{REGION}:{ALICE.account}:unknown")], "Unable to validate the following destination"),
        ([queue(QUEUES["main"] + ".fifo")], "FIFO"),
        ([queue("nonsense")], "ARN"),
        ([queue(QUEUES["main"].replace(REGION, "us-west-2"))], "region is not valid"),
        ([queue(events=["s3:ObjectCreated:Patch"])], "not supported for notifications"),
        ([queue(), queue("other")], "ambiguously defined"),
        ([queue(prefix="a", suffix="jpg"), queue("other", prefix="ab", suffix=".jpg")], "ambiguously defined"),
        ([queue(id="1", prefix="a"), queue(id="1", prefix="b")], "IDs must be unique"),
        ([queue(prefix="x" * 1025)], "1024"),
    ],
)
def test_bad_configurations_are_refused(s3, bucket, queues, message):
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        notify(s3, bucket, *queues)
    code, text = message_of(refused)
    assert code == "InvalidArgument" and message in text
    assert "QueueConfigurations" not in s3.get_bucket_notification_configuration(Bucket=bucket)


def test_validation_can_be_skipped(s3, bucket):
    unknown = f"arn:aws:sqs:{REGION}:{ALICE.account}:unknown"
    configuration = {"QueueConfigurations": [queue(unknown, id="1")]}
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration=configuration, SkipDestinationValidation=True
    )
    shown = s3.get_bucket_notification_configuration(Bucket=bucket)
    assert shown["QueueConfigurations"][0]["QueueArn"] == unknown


def test_a_deleted_bucket_tells_of_its_last_changes(s3, sink, bucket):
    notify(s3, bucket, queue())
    s3.put_object(Bucket=bucket, Key="a", Body=b"x")
    s3.delete_object(Bucket=bucket, Key="a")
    s3.delete_bucket(Bucket=bucket)
    records = wait_for(sink, QUEUES["main"], bucket, 2)
    assert [r["eventName"] for r in records] == ["ObjectCreated:Put", "ObjectRemoved:Delete"]


def test_a_message_that_is_refused_becomes_a_dead_letter(s3, sink, eventful, bucket):
    notify(s3, bucket, queue("choosy"))
    sink.status = lambda message: 400 if '"key": "bad"' in json.dumps(message["body"]) else 200
    try:
        s3.put_object(Bucket=bucket, Key="bad", Body=b"x")
        s3.put_object(Bucket=bucket, Key="good", Body=b"x")
        assert [key_of(r) for r in wait_for(sink, QUEUES["choosy"], bucket, 1)] == ["good"]
        metric = f'headwater_events_dead_lettered_total{{destination="{QUEUES["choosy"]}"}}'
        eventually(lambda: figure(eventful, metric) == 1, what="the dead letter")
    finally:
        sink.status = lambda message: 200


def figure(node, name):
    with urllib.request.urlopen(f"{node.endpoint}/_headwater/metrics", timeout=10) as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith(name + " "):
                return float(line.rsplit(" ", 1)[1])
    return None


def test_a_target_that_is_down_harms_only_its_own_queue(start_node, unique):
    up, down = Sink().start(), Sink()
    arns = {QUEUES["main"]: up, QUEUES["down"]: down}
    text = "".join(
        f'[[event_targets]]\narn = "{arn}"\nurl = "http://127.0.0.1:{sink.port}/"\n' for arn, sink in arns.items()
    )
    node = start_node(settings=text)
    s3 = node.client("s3")
    bucket = make(s3, unique("bucket"))
    down.start()
    notify(s3, bucket, queue("main", ["s3:ObjectRemoved:*"]), queue("down", ["s3:ObjectCreated:*"]))
    down.stop()
    keys = [f"k{n}" for n in range(30)]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
        s3.delete_object(Bucket=bucket, Key=key)
    assert len(wait_for(up, QUEUES["main"], bucket, 30)) == 30
    assert not down.records(QUEUES["down"], bucket)
    # The failing lane is visible to whoever runs the node.
    lane = f"events: deliver to {QUEUES['down']}"
    with urllib.request.urlopen(f"{node.endpoint}/_headwater/status", timeout=10) as answer:
        status = json.load(answer)
    [task] = [task for task in status["tasks"] if task["name"] == lane]
    assert task["last_error"] and task["next_run"]
    down.start()
    records = wait_for(down, QUEUES["down"], bucket, 30)
    assert sorted(key_of(r) for r in records) == sorted(keys)
    for sink in (up, down):
        sink.stop()
    node.stop()


def test_kill_nine_loses_no_event(start_node, unique):
    """Puts and deletes under kill -9: every acknowledged change is told at least once, for a key in order."""
    sink = Sink().start()
    node = start_node(settings=settings(sink, [QUEUES["main"]]))
    s3 = node.client("s3", retries={"max_attempts": 1, "mode": "standard"})
    bucket = make(s3, unique("bucket"))
    notify(s3, bucket, queue("main"))
    acknowledged, stop = {}, threading.Event()
    chance = random.Random(11)

    def write(worker):
        n = 0
        while not stop.is_set():
            key = f"w{worker}/{n % 7}"
            try:
                answer = s3.put_object(Bucket=bucket, Key=key, Body=f"{worker} {n}".encode())
                acknowledged.setdefault(key, []).append(answer["ETag"].strip('"'))
            except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
                time.sleep(0.05)
            n += 1

    workers = [threading.Thread(target=write, args=(w,)) for w in range(4)]
    for worker in workers:
        worker.start()
    for _ in range(4):
        time.sleep(0.4 + chance.random() * 0.6)
        node.kill()
        node.start()
    stop.set()
    for worker in workers:
        worker.join()
    total = sum(len(etags) for etags in acknowledged.values())
    assert total > 20

    def told():
        seen = {}
        for record in sink.records(QUEUES["main"], bucket):
            seen.setdefault(key_of(record), []).append(record["s3"]["object"])
        missing = [
            (key, etag)
            for key, etags in acknowledged.items()
            for etag in etags
            if etag not in [o["eTag"] for o in seen.get(key, [])]
        ]
        return seen if not missing else None

    seen = eventually(told, what="every acknowledged put")
    # The first time each event came, a key's events came in the order of their commits.
    for objects in seen.values():
        firsts = list(dict.fromkeys(o["sequencer"] for o in objects))
        assert firsts == sorted(firsts)
    # Repeats carry the id they had.
    ids = {}
    for message in sink.of(QUEUES["main"]):
        ids.setdefault(message["id"], message["body"])
        assert ids[message["id"]] == message["body"]
    sink.stop()
    node.stop()
