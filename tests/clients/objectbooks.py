"""A model of objects under writers whose node is killed: what every key may hold, and how that is checked.

Each writer owns its keys, so what a key may hold is exact: the last acknowledged outcome, or, when calls broke after it,
that outcome or any of theirs. Reading a key settles it: what was seen is what it holds from then on.

    books = Books()
    writers = [Writer(node, books, BUCKET, name=str(n), seed=n) for n in range(4)]
    … start them, kill and start the node, `settle` every now and then …
    check_directory(node)   # after the sweep: files on disk are the bodies that facts name

A test of something else that changes objects subclasses `Writer` and lists its own `steps`; a step states its effect
with `self.attempt(key, outcome, call)`.
"""

import hashlib
import json
import random
import threading
import time
import urllib.request

import botocore.exceptions

from conftest import eventually

MIB = 1 << 20
#: Sizes on both sides of what lies inline, of a block and of a part.
SIZES = [0, 1, 4096, 128 << 10, (128 << 10) + 1, MIB, MIB + 1, 3 * MIB + 17]
SWEEP = "objects: sweep bodies nobody names"
BROKEN = (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError, OSError)


def bytes_of(seed, size):
    """Bytes nobody else has: a changed byte, a mixed body or another's body is noticed."""
    head = hashlib.sha256(str(seed).encode()).digest()
    return (head * (size // len(head) + 1))[:size]


class Content:
    """What a key holds: a body, by its digest, and the ETag it must have."""

    def __init__(self, body, etag=None, mark=""):
        self.size = len(body)
        self.digest = hashlib.sha256(body).hexdigest()
        self.etag = etag or hashlib.md5(body).hexdigest()
        self.mark = mark

    def __eq__(self, other):
        return isinstance(other, Content) and (self.digest, self.etag) == (other.digest, other.etag)

    def __hash__(self):
        return hash((self.digest, self.etag))

    def __repr__(self):
        return f"<{self.size} bytes, etag {self.etag}, {self.mark}>"


class Books:
    """What every key may hold. `None` is: nothing."""

    def __init__(self):
        self.lock = threading.Lock()
        self.keys = {}
        self.acknowledged = 0
        self.ambiguous = 0

    def may_be(self, key):
        with self.lock:
            return set(self.keys.get(key, {None}))

    def acknowledge(self, key, outcome):
        with self.lock:
            self.acknowledged += 1
            self.keys[key] = {outcome}

    def doubt(self, key, outcome):
        with self.lock:
            self.ambiguous += 1
            self.keys[key] = self.keys.get(key, {None}) | {outcome}

    def saw(self, key, outcome):
        with self.lock:
            self.keys[key] = {outcome}

    def snapshot(self):
        with self.lock:
            return {key: set(outcomes) for key, outcomes in self.keys.items()}


class Writer(threading.Thread):
    """Puts, overwrites, deletes, copies and uploads in parts, on keys of its own, until told to stop."""

    KEYS = 12

    def __init__(self, node, books, bucket, name, seed):
        super().__init__(daemon=True)
        # A retry would hide whether the first attempt happened.
        self.s3 = node.client("s3", retries={"max_attempts": 0, "mode": "standard"}, connect_timeout=2)
        self.books, self.bucket, self.name_, self.random = books, bucket, name, random.Random(seed)
        self.number, self.stopping, self.failure = 0, threading.Event(), None
        self.done = {}

    #: What it may do, and how often beside the others.
    @property
    def steps(self):
        return {self.put: 5, self.delete: 2, self.copy: 2, self.upload: 2, self.abandon: 1}

    def run(self):
        try:
            while not self.stopping.is_set():
                steps = self.steps
                step = self.random.choices(list(steps), weights=steps.values())[0]
                self.number += 1
                step(self.random.choice(self.own_keys()))
        except Exception as error:  # shown by `check_writers`, after the join
            self.failure = error

    def own_keys(self):
        return [f"{self.name_}/{n}" for n in range(self.KEYS)]

    def attempt(self, key, outcome, call):
        """Calls, and books that `key` now holds `outcome`, or (the call broke) that it may. Returns the answer."""
        try:
            answer = call()
        except BROKEN as error:
            answer = getattr(error, "response", None) or {}
            status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            assert status == 0 or status >= 500 or status in (404, 409), f"{key}: {error}"
            self.books.doubt(key, outcome)
            self.stopping.wait(0.02)
            return None
        self.books.acknowledge(key, outcome)
        self.done[call.__name__] = self.done.get(call.__name__, 0) + 1
        return answer

    def fresh(self, size):
        return bytes_of(f"{self.name_} {self.number}", size)

    def put(self, key):
        body = self.fresh(self.random.choice(SIZES))

        def put():
            return self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)

        self.attempt(key, Content(body, mark=f"put {self.number}"), put)

    def delete(self, key):
        def delete():
            return self.s3.delete_object(Bucket=self.bucket, Key=key)

        self.attempt(key, None, delete)

    def copy(self, key):
        """From another of its keys, when it is certain what that one holds."""
        source = self.random.choice(self.own_keys())
        known = self.books.may_be(source)
        if source == key or len(known) != 1 or None in known:
            return

        def copy():
            return self.s3.copy_object(Bucket=self.bucket, Key=key, CopySource=f"{self.bucket}/{source}")

        self.attempt(key, next(iter(known)), copy)

    def parts(self, key):
        """A begun upload and its parts; `None` when something broke."""
        sizes = [5 * MIB, self.random.choice([1, 4096, MIB + 5])]
        bodies = [bytes_of(f"{self.name_} {self.number} {n}", size) for n, size in enumerate(sizes)]
        try:
            upload = self.s3.create_multipart_upload(Bucket=self.bucket, Key=key)["UploadId"]
            etags = [
                self.s3.upload_part(Bucket=self.bucket, Key=key, UploadId=upload, PartNumber=n, Body=body)["ETag"]
                for n, body in enumerate(bodies, 1)
            ]
        except BROKEN:
            self.stopping.wait(0.02)
            return None
        return upload, etags, bodies

    def upload(self, key):
        begun = self.parts(key)
        if begun is None:
            return
        upload, etags, bodies = begun
        chosen = [{"PartNumber": n, "ETag": etag} for n, etag in enumerate(etags, 1)]
        whole = hashlib.md5(b"".join(hashlib.md5(body).digest() for body in bodies)).hexdigest()

        def complete():
            return self.s3.complete_multipart_upload(
                Bucket=self.bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": chosen}
            )

        content = Content(b"".join(bodies), f"{whole}-{len(bodies)}", f"upload {self.number}")
        self.attempt(key, content, complete)

    def abandon(self, key):
        """An upload that is begun and aborted, or (something broke) left lying about."""
        begun = self.parts(key)
        if begun is None:
            return
        try:
            self.s3.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=begun[0])
        except BROKEN:
            self.stopping.wait(0.02)


def read(s3, bucket, key):
    """What a key holds, by GET."""
    try:
        answer = s3.get_object(Bucket=bucket, Key=key)
    except s3.exceptions.NoSuchKey:
        return None
    body = answer["Body"].read()
    content = Content(body, answer["ETag"].strip('"'), "read")
    assert answer["ContentLength"] == content.size
    return content


def settle(node, books, bucket):
    """Reads every key: it holds what it may hold, GET and LIST agree, and that is what it holds from now on.

    For when nobody writes.
    """
    s3 = node.client("s3", retries={"max_attempts": 5, "mode": "standard"})
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    listed = {entry["Key"]: entry for page in pages for entry in page.get("Contents", [])}
    expected = books.snapshot()
    unknown = [key for key in listed if key not in expected]
    assert not unknown, f"nobody put {unknown[:5]}"
    for key, outcomes in sorted(expected.items()):
        seen = read(s3, bucket, key)
        assert seen in outcomes, f"{key} holds {seen}, and may hold {outcomes}"
        entry = listed.get(key)
        assert (seen is None) == (entry is None), f"{key}: GET says {seen}, the listing {entry}"
        if seen is not None:
            assert (entry["Size"], entry["ETag"].strip('"')) == (seen.size, seen.etag), key
        books.saw(key, seen)
    return len(listed)


def abort_uploads(node, bucket):
    """What broken uploads left."""
    s3 = node.client("s3")
    uploads = s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    for upload in uploads:
        s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    return len(uploads)


def status(node):
    with urllib.request.urlopen(f"{node.endpoint}/_headwater/status", timeout=10) as answer:
        return json.load(answer)


def until_swept(node):
    """Restarts the node, which begins with a full sweep, and waits for that one's end."""
    node.stop()
    node.start()

    def is_swept():
        task = next(task for task in status(node)["tasks"] if task["name"] == SWEEP)
        assert task["failures"] == 0, task
        # A pass with more to do says that the next one is due at once.
        return task["last_run"] and task["next_run"] > task["last_run"]

    eventually(is_swept, 120, every=0.1, what="the end of the sweep")


def files_of(node):
    """The bodies on the disk."""
    return [path for path in (node.data / "blobs").glob("*/*") if path.is_file()]


def check_directory(node):
    """After a sweep: everything reads back, and the files on disk are the bodies that facts name. Stops the node."""
    until_swept(node)
    node.stop()
    done = node.headwater("verify", "--json", "--data", node.data, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["orphans"] == [] and report["problems"] == [], report
    assert len(files_of(node)) == report["bodies"], report
    return report


def check_writers(writers):
    """Stops them; none may have met anything but a node that is away or busy."""
    for writer in writers:
        writer.stopping.set()
    for writer in writers:
        writer.join(timeout=120)
    failures = [writer.failure for writer in writers]
    if any(failures):
        raise next(filter(None, failures))


def survive(node, bucket, make_writer, kills, seed, writers=4, between=lambda node, books: None):
    """Kills `node` at moments drawn from `seed` while writers write, and checks everything after each time.

    `make_writer(node, books, bucket, name, seed)` makes a writer; `between` may check more, while nobody writes.
    """
    moments, books, done = random.Random(seed), Books(), {}
    for kill in range(kills):
        running = [make_writer(node, books, bucket, str(n), seed * 1000 + kill * 100 + n) for n in range(writers)]
        for writer in running:
            writer.number = kill * 1_000_000
            writer.start()
        time.sleep(moments.uniform(0.2, 2.0))
        node.kill()
        check_writers(running)
        for writer in running:
            for step, count in writer.done.items():
                done[step] = done.get(step, 0) + count
        node.start()
        settle(node, books, bucket)
        between(node, books)
    left = abort_uploads(node, bucket)
    objects = settle(node, books, bucket)
    report = check_directory(node)
    print(
        f"{kills} kills: acknowledged {books.acknowledged} {done}, ambiguous {books.ambiguous}, uploads left {left}; "
        f"{objects} objects, {report['bodies']} bodies, no orphan"
    )
    assert done.keys() >= {"put", "delete", "copy", "complete"} or kills < 3, done
    return books
