"""A running headwater and real clients for it.

`node` is one server for the whole session, on a fresh directory and a free port. Tests share it and keep out of
each other's way by names: ask `unique` for one. A test that needs a server of its own (to kill it, to start it with
other options) makes a `Node` itself through `start_node`.
"""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import boto3
import botocore.config
import pytest

from certificates import Authority

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("HEADWATER_BIN", ROOT / "target/debug/headwater"))
REGION = "eu-central-1"
START_SECONDS_MAX = 30


class User:
    """Credentials of one account, as the configuration of the test node lists them."""

    def __init__(self, name, access_key, secret, account):
        self.name, self.access_key, self.secret, self.account = name, access_key, secret, account

    def as_toml(self):
        return (
            "[[users]]\n"
            f'name = "{self.name}"\n'
            f'access_key = "{self.access_key}"\n'
            f'secret = "{self.secret}"\n'
            f'account = "{self.account}"\n'
            f'canonical_id = "{uuid.uuid5(uuid.NAMESPACE_DNS, self.account).hex * 2}"\n'
            f'email = "{self.name}@example.com"\n'
        )


ALICE = User("alice", "AKIAALICE00000000001", "alice-secret-for-tests-only", "111111111111")
BOB = User("bob", "AKIABOB0000000000002", "bob-secret-for-tests-only", "222222222222")


class Node:
    """One server process and its data directory."""

    def __init__(self, data, options=(), users=(ALICE, BOB), port=None, settings="", authority=None):
        """`authority`: a file with the certificate that signed the node's own; then it speaks TLS."""
        self.data = Path(data)
        self.authority = authority
        self.options = list(options)
        self.port = port or free_port()
        self.process = None
        self.log = self.data.parent / f"{self.data.name}.log"
        self.config = self.data.parent / f"{self.data.name}.toml"
        self.config.write_text(settings + "\n".join(user.as_toml() for user in users))

    @property
    def endpoint(self):
        return f"{'https' if self.authority else 'http'}://127.0.0.1:{self.port}"

    def start(self):
        assert BIN.is_file(), f"{BIN} is missing: run `make build`, or set HEADWATER_BIN"
        command = [str(BIN), "serve", "--data", str(self.data), "--listen", f"127.0.0.1:{self.port}"]
        command += ["--config", str(self.config), *self.options]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.wait_until_healthy()
        return self

    def wait_until_healthy(self):
        deadline = time.monotonic() + START_SECONDS_MAX
        trust = ssl.create_default_context(cafile=str(self.authority)) if self.authority else None
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"headwater ended with {self.process.returncode}:\n{self.tail()}")
            try:
                with urllib.request.urlopen(f"{self.endpoint}/_headwater/health", timeout=1, context=trust) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                time.sleep(0.02)
        raise AssertionError(f"headwater did not become healthy in {START_SECONDS_MAX} s:\n{self.tail()}")

    def stop(self):
        """Asks it to stop and waits."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self):
        """kill -9."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def tail(self, lines=40):
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def client(self, service, user=ALICE, region=REGION, **config):
        """A boto3 client; `config` goes to botocore's Config."""
        config.setdefault("retries", {"max_attempts": 2, "mode": "standard"})
        config.setdefault("connect_timeout", 5)
        config.setdefault("read_timeout", 60)
        if service == "s3":
            config.setdefault("s3", {"addressing_style": "path"})
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=region,
            aws_access_key_id=user.access_key,
            aws_secret_access_key=user.secret,
            verify=str(self.authority) if self.authority else None,
            config=botocore.config.Config(**config),
        )

    def environment(self, user=ALICE, region=REGION):
        """The environment of a process that talks to this node."""
        keep = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        return keep | {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": user.access_key,
            "AWS_SECRET_ACCESS_KEY": user.secret,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_PAGER": "",
            "AWS_EC2_METADATA_DISABLED": "true",
        } | ({"AWS_CA_BUNDLE": str(self.authority)} if self.authority else {})

    def aws(self, *arguments, user=ALICE, check=True, stdin=None, env=None):
        """Runs the AWS CLI and returns its standard output; without `check`, the finished process."""
        aws = Path(sys.executable).parent / "aws"
        done = subprocess.run(
            [sys.executable, str(aws), *map(str, arguments)],
            env=env or self.environment(user),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
        )
        if not check:
            return done
        assert done.returncode == 0, f"aws {' '.join(map(str, arguments))}: {done.stderr}"
        return done.stdout

    def headwater(self, *arguments, user=ALICE, check=True, stdin=None, timeout=300):
        """Runs a client verb of headwater against this node."""
        done = subprocess.run(
            [str(BIN), *map(str, arguments)],
            env=self.environment(user),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if not check:
            return done
        assert done.returncode == 0, f"headwater {' '.join(map(str, arguments))}: {done.stderr}"
        return done.stdout


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def eventually(probe, seconds=60, every=0.05, what="the condition"):
    """Calls `probe` until it returns something true, and returns that. Bounded; it polls, it does not guess."""
    deadline = time.monotonic() + seconds
    while True:
        seen = probe()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true in {seconds} s; last seen: {seen!r}")
        time.sleep(every)


@pytest.fixture(scope="session")
def folder():
    """A directory of this session, removed at its end."""
    path = Path(tempfile.mkdtemp(prefix="headwater-clients-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def start_node(folder):
    """Starts further servers; whatever still runs at the end of the session is stopped."""
    started = []

    def start(*options, **settings):
        settings.setdefault("data", folder / f"node-{len(started)}")
        node = Node(options=options, **settings)
        started.append(node)
        return node.start()

    yield start
    for node in started:
        node.kill()


@pytest.fixture(scope="session")
def node(start_node):
    """The server most tests share."""
    shared = start_node()
    yield shared
    shared.stop()


@pytest.fixture(scope="session")
def authority(folder):
    """Who signs the certificates of nodes that speak TLS."""
    path = folder / "authority"
    path.mkdir()
    return Authority(path)


@pytest.fixture(scope="session")
def secure_node(start_node, authority):
    """A server that speaks TLS, shared like `node`."""
    cert, key, _ = authority.issue("node")
    shared = start_node("--tls-cert", str(cert), "--tls-key", str(key), authority=authority.bundle)
    yield shared
    shared.stop()


@pytest.fixture(scope="session")
def client(node):
    """`client("kinesis")`: a boto3 client of the shared node, signed as alice."""
    return node.client


@pytest.fixture(scope="session")
def aws(node):
    """`aws("s3", "ls")`: the AWS CLI against the shared node."""
    return node.aws


@pytest.fixture
def unique(request):
    """`unique("stream")`: a name no other test uses, fit for streams and buckets."""
    return lambda kind="name": f"{kind}-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def small_disk(tmp_path):
    """A small file system of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1536m", "tmpfs", str(place)], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a tmpfs here, so a full disk was NOT tested: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def athena(node):
    """`athena("SELECT …", output="s3://…")`: runs a query, returns its rows as dictionaries of strings."""
    return lambda sql, **settings: query(node.client("athena"), sql, **settings)


def query(athena_client, sql, database="default", output=None, seconds=120):
    """Runs `sql` through Athena; returns rows as dictionaries (column to string or None)."""
    request = {"QueryString": sql, "QueryExecutionContext": {"Database": database}}
    if output:
        request["ResultConfiguration"] = {"OutputLocation": output}
    query_id = athena_client.start_query_execution(**request)["QueryExecutionId"]

    def finished():
        execution = athena_client.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
        return execution if execution["Status"]["State"] in ("SUCCEEDED", "FAILED", "CANCELLED") else None

    execution = eventually(finished, seconds, what=f"the end of {sql!r}")
    assert execution["Status"]["State"] == "SUCCEEDED", f"{sql!r}: {execution['Status']}"
    rows, header = [], None
    for page in athena_client.get_paginator("get_query_results").paginate(QueryExecutionId=query_id):
        for row in page["ResultSet"]["Rows"]:
            values = [cell.get("VarCharValue") for cell in row["Data"]]
            if header is None:
                header = values
            else:
                rows.append(dict(zip(header, values, strict=True)))
    return rows


def pytest_addoption(parser):
    parser.addoption("--chaos-kills", type=int, default=5, help="how often the kill -9 test kills the node")
    parser.addoption("--chaos-seed", type=int, default=None, help="the seed of the moments; printed by each run")


def pytest_collection_modifyitems(config, items):
    """The long chaos run happens only when it is asked for."""
    if "chaos" not in (config.option.markexpr or ""):
        deselected = [item for item in items if item.get_closest_marker("chaos")]
        items[:] = [item for item in items if item not in deselected]
        config.hook.pytest_deselected(items=deselected)
