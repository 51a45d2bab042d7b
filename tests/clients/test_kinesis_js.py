"""Kinesis with the AWS SDK for JavaScript v3, which speaks HTTP/2 to it.

`setup.sh` installs the SDK (tests/clients/js), with Node.js and npm where it can. A machine without Node.js skips
these tests, and says so twice: in setup.sh's output and in pytest's summary. With Node.js but without the SDK they fail.
"""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

JS = Path(__file__).parent / "js"


@pytest.fixture(scope="session")
def sdk():
    """The folder with the SDK."""
    if not shutil.which("node"):
        pytest.skip("NO NODE.JS: the AWS SDK for JavaScript was not tried; install nodejs and npm, run setup.sh")
    installed = JS / "node_modules/@aws-sdk/client-kinesis"
    assert installed.is_dir(), "the AWS SDK for JavaScript is missing: run tests/clients/setup.sh"
    return JS


@pytest.fixture(scope="module")
def seen(sdk, node):
    """What the script saw, run once."""
    done = subprocess.run(
        ["node", sdk / "kinesis.mjs", "js-sdk"], env=node.environment(), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, f"{done.stderr}\n{node.tail()}"
    return json.loads(done.stdout)


def test_the_sdk_speaks_http2(seen):
    assert seen["handler"] == "NodeHttp2Handler"


def test_records_are_put_and_got(seen):
    assert seen["failed"] == 0
    assert seen["got"] == ["one", "two", "three", "four"]
    assert seen["sameNumber"]
    assert seen["arrival"] > 1_700_000_000_000


def test_a_retry_keeps_its_invocation_id_and_is_stored_once(seen):
    assert seen["attempts"] == 3
    assert len({attempt["invocation"] for attempt in seen["retries"]}) == 1
    assert seen["retries"][0]["invocation"]
    assert [attempt["request"] for attempt in seen["retries"]] == [
        "attempt=1; max=3",
        "attempt=2; max=3",
        "attempt=3; max=3",
    ]
    assert seen["got"].count("four") == 1


def test_records_are_pushed_while_they_are_put(seen):
    assert seen["status"] == "ACTIVE"
    assert seen["pushed"][:4] == ["one", "two", "three", "four"]
    assert [json.loads(data)["n"] for data in seen["pushed"][4:]] == list(range(1, 21))
    assert seen["continuation"].startswith("496")
    # Pushed, not polled for: far below the heartbeat's five seconds.
    assert sorted(seen["latencies"])[len(seen["latencies"]) // 2] < 500


def test_a_second_subscription_is_refused_by_name(seen):
    assert seen["refusal"] == "ResourceInUseException"
