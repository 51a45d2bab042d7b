"""TLS: what clients do over https, what the node says of bad certificates, and renewal while it runs."""

import hashlib
import json
import os
import signal
import socket
import ssl
import subprocess

import boto3.s3.transfer
import botocore.exceptions
import pytest
from cryptography import x509

from conftest import ALICE, BIN, REGION, eventually
from sigv4 import Signer, chunked, send

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def secure(secure_node):
    return secure_node


@pytest.fixture(scope="module")
def bucket(secure):
    secure.client("s3").create_bucket(Bucket="secure", CreateBucketConfiguration={"LocationConstraint": REGION})
    return "secure"


def context(authority):
    return ssl.create_default_context(cafile=str(authority.bundle))


def handshake(node, authority, **settings):
    """A TLS connection to the node; returns (version, ALPN, serial number of its certificate)."""
    wanted = context(authority)
    for name, value in settings.items():
        setattr(wanted, name, value)
    wanted.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(("127.0.0.1", node.port), timeout=10) as plain:
        with wanted.wrap_socket(plain, server_hostname="localhost") as secure:
            serial = x509.load_der_x509_certificate(secure.getpeercert(binary_form=True)).serial_number
            return secure.version(), secure.selected_alpn_protocol(), serial


def test_both_versions_are_spoken_and_http2_is_agreed_upon(secure, authority):
    assert handshake(secure, authority)[:2] == ("TLSv1.3", "h2")
    assert handshake(secure, authority, maximum_version=ssl.TLSVersion.TLSv1_2)[:2] == ("TLSv1.2", "h2")


def test_a_small_object_goes_up_with_a_trailing_checksum_and_comes_back(secure, bucket):
    s3 = secure.client("s3")
    sent = {}
    s3.meta.events.register("before-send.s3.PutObject", lambda request, **_: sent.update(request.headers))
    put = s3.put_object(Bucket=bucket, Key="small", Body=b"over tls", ChecksumAlgorithm="SHA256")
    # This is what SDKs send over TLS, and only there.
    assert sent["X-Amz-Content-SHA256"] == b"STREAMING-UNSIGNED-PAYLOAD-TRAILER", sent
    got = s3.get_object(Bucket=bucket, Key="small", ChecksumMode="ENABLED")
    assert got["Body"].read() == b"over tls"
    assert got["ChecksumSHA256"] == put["ChecksumSHA256"]


def test_a_large_file_goes_up_in_parts_and_comes_back(secure, bucket, tmp_path):
    (tmp_path / "up").write_bytes(os.urandom(20 * MIB))
    settings = boto3.s3.transfer.TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB)
    s3 = secure.client("s3")
    s3.upload_file(str(tmp_path / "up"), bucket, "large", Config=settings)
    assert s3.head_object(Bucket=bucket, Key="large")["ETag"].endswith('-3"')
    s3.download_file(bucket, "large", str(tmp_path / "down"), Config=settings)
    digest = lambda name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()  # noqa: E731
    assert digest("up") == digest("down")


def test_a_wrong_trailer_stores_nothing(secure, bucket):
    cases = [("AAAAAA==", "BadDigest"), ("nonsense", "BadDigest"), (None, "MalformedTrailerError")]
    for trailer, code in cases:
        body = chunked([b"hello"], {"x-amz-checksum-crc32": trailer} if trailer else {})
        headers = {
            "x-amz-decoded-content-length": "5",
            "x-amz-trailer": "x-amz-checksum-crc32",
            "Content-Encoding": "aws-chunked",
        }
        target = f"/{bucket}/wrong"
        headers = Signer().headers("PUT", secure, target, headers, "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
        answer = send(secure, "PUT", target, headers, body)
        assert (answer.status, answer.code) == (400, code), answer
    with pytest.raises(botocore.exceptions.ClientError) as missing:
        secure.client("s3").head_object(Bucket=bucket, Key="wrong")
    assert missing.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_head_has_no_body_over_http2_either(secure, authority):
    """A bare HTTP/2 client: a HEAD for what is not there is answered by one HEADERS frame that ends the stream."""
    trust = context(authority)
    trust.set_alpn_protocols(["h2"])
    literal = lambda name, value: b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value  # noqa: E731
    fields = [(b":method", b"HEAD"), (b":scheme", b"https"), (b":path", b"/nobody/nothing"), (b":authority", b"localhost")]
    block = b"".join(literal(name, value) for name, value in fields)
    frame = lambda kind, flags, stream, data: len(data).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + data  # noqa: E731
    with socket.create_connection(("127.0.0.1", secure.port), timeout=10) as plain:
        with trust.wrap_socket(plain, server_hostname="localhost") as connection:
            connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + frame(1, 5, 1, block))
            reader = connection.makefile("rb")
            while True:
                head = reader.read(9)
                length, kind, flags, stream = int.from_bytes(head[:3]), head[3], head[4], int.from_bytes(head[5:])
                reader.read(length)
                if stream == 1:
                    break
    assert kind == 1 and flags & 1, "HEADERS with END_STREAM"


def test_the_command_line_tool_copies_over_tls(secure, bucket, tmp_path):
    (tmp_path / "file").write_bytes(os.urandom(9 * MIB))
    secure.aws("s3", "cp", tmp_path / "file", f"s3://{bucket}/cli/file")
    secure.aws("s3", "cp", f"s3://{bucket}/cli/file", tmp_path / "back")
    assert (tmp_path / "file").read_bytes() == (tmp_path / "back").read_bytes()


def deny_puts(s3, bucket, condition):
    """A policy that denies every PutObject under a condition."""
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": condition,
    }
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


def test_policies_may_ask_for_tls(node, secure, unique):
    for site, denied in [(secure, "true"), (node, "false")]:
        s3, bucket = site.client("s3"), unique("policy")
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        for value in ["true", "false"]:
            deny_puts(s3, bucket, {"Bool": {"aws:SecureTransport": value}})
            if value == denied:
                with pytest.raises(botocore.exceptions.ClientError) as refused:
                    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
                assert refused.value.response["Error"]["Code"] == "AccessDenied"
            else:
                s3.put_object(Bucket=bucket, Key="k", Body=b"x")


@pytest.mark.parametrize("least, refused", [("1.2", False), ("1.3", False), ("1.4", True)])
def test_policies_may_ask_for_a_version_of_tls(secure, bucket, least, refused):
    s3 = secure.client("s3")
    deny_puts(s3, bucket, {"NumericLessThan": {"s3:TlsVersion": least}})
    try:
        if refused:
            with pytest.raises(botocore.exceptions.ClientError) as error:
                s3.put_object(Bucket=bucket, Key="versions/k", Body=b"x")
            assert error.value.response["Error"]["Code"] == "AccessDenied"
        else:
            s3.put_object(Bucket=bucket, Key="versions/k", Body=b"x")
    finally:
        s3.delete_bucket_policy(Bucket=bucket)


def test_every_service_answers_over_tls(secure):
    assert secure.client("sts").get_caller_identity()["Account"] == ALICE.account
    assert secure.client("kinesis").list_streams()["StreamNames"] == []


def test_the_nodes_own_verbs_speak_tls(secure, authority):
    status = json.loads(secure.headwater("status", "--json"))
    assert any(task["name"].startswith("tls: ") for task in status["tasks"]), status["tasks"]
    named = {k: v for k, v in secure.environment().items() if k not in ("AWS_CA_BUNDLE", "AWS_ENDPOINT_URL")}
    command = [str(BIN), "status", "--endpoint", secure.endpoint, "--ca-bundle", str(authority.bundle)]
    assert subprocess.run(command, env=named, capture_output=True, timeout=20).returncode == 0
    exports = secure.headwater("env", "--data", secure.data, "--ca-bundle", authority.bundle)
    assert f"AWS_ENDPOINT_URL={secure.endpoint}" in exports and "AWS_CA_BUNDLE=" in exports
    assert secure.endpoint.startswith("https://")


def test_an_unknown_authority_is_explained(secure):
    strange = {k: v for k, v in secure.environment().items() if k != "AWS_CA_BUNDLE"}
    done = subprocess.run([str(BIN), "status"], env=strange, capture_output=True, text=True, timeout=20)
    assert done.returncode != 0
    assert "not trusted" in done.stderr and "AWS_CA_BUNDLE" in done.stderr, done.stderr


def test_plain_http_is_not_spoken_beside_tls(secure):
    with socket.create_connection(("127.0.0.1", secure.port), timeout=10) as plain:
        plain.sendall(b"GET /_headwater/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert not plain.recv(4096).startswith(b"HTTP/1.1 200")


def test_who_never_ends_the_handshake_keeps_nobody_out(secure, authority):
    silent = [socket.create_connection(("127.0.0.1", secure.port), timeout=30) for _ in range(100)]
    for connection in silent[:50]:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
    assert handshake(secure, authority)[0] == "TLSv1.3"
    # The node gives them up by itself.
    assert silent[0].recv(1) == b"" and silent[99].recv(1) == b""
    for connection in silent:
        connection.close()


def test_a_renewed_certificate_is_taken_and_a_bad_one_is_not(start_node, authority):
    cert, key, first = authority.issue("renewed")
    node = start_node("--tls-cert", str(cert), "--tls-key", str(key), authority=authority.bundle)
    assert handshake(node, authority)[2] == first
    kept = node.client("sts")
    kept.get_caller_identity()

    def renew(cert_bytes, key_bytes):
        cert.write_bytes(cert_bytes)
        key.write_bytes(key_bytes)
        node.process.send_signal(signal.SIGHUP)

    def failure():
        tasks = json.loads(node.headwater("status", "--json"))["tasks"]
        return next(task["last_error"] for task in tasks if task["name"].startswith("tls: "))

    other_cert, other_key, second = authority.issue("other", kind="rsa")
    renew(other_cert.read_bytes(), key.read_bytes())
    assert "is not that of the first certificate" in eventually(failure, 20, what="an error of the renewal")
    assert handshake(node, authority)[2] == first
    renew(other_cert.read_bytes(), other_key.read_bytes())
    eventually(lambda: handshake(node, authority)[2] == second, 90, what="the new certificate")
    eventually(lambda: failure() is None, 20, what="the error's end")
    kept.get_caller_identity()
    node.stop()


@pytest.mark.parametrize("cert, key, says", [
    ("missing", "key", "cannot read"),
    ("key", "key", "holds no certificate"),
    ("cert", "cert", "holds no private key"),
    ("cert", "other_key", "is not that of the first certificate"),
    ("garbage", "key", "is damaged"),
])
def test_a_certificate_that_cannot_be_served_stops_the_start(folder, authority, tmp_path, cert, key, says):
    files = dict(zip(("cert", "key"), authority.issue("good")[:2], strict=True))
    files["other_key"] = authority.issue("strange")[1]
    files["missing"] = tmp_path / "missing.pem"
    files["garbage"] = tmp_path / "garbage.pem"
    files["garbage"].write_text("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n")
    command = [str(BIN), "serve", "--data", str(tmp_path / "data"), "--listen", "127.0.0.1:0"]
    command += ["--tls-cert", str(files[cert]), "--tls-key", str(files[key])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode != 0 and says in done.stderr, done.stderr


def test_the_configuration_file_names_them_too(start_node, authority):
    cert, key, serial = authority.issue("configured")
    settings = f'[tls]\ncert = "{cert}"\nkey = "{key}"\nname = "localhost"\n'
    node = start_node(authority=authority.bundle, settings=settings)
    assert handshake(node, authority)[2] == serial
    assert (node.data / "endpoint").read_text() == f"https://localhost:{node.port}"
    node.stop()
    command = [str(BIN), "serve", "--tls-cert", str(cert)]
    assert b"--tls-key" in subprocess.run(command, capture_output=True, timeout=20).stderr


def test_a_bucket_policy_that_demands_tls_is_content(secure, unique):
    s3, name = secure.client("s3"), unique("bucket")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    deny["Condition"]["Bool"]["aws:SecureTransport"] = "true"
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]}))
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        s3.get_object(Bucket=name, Key="k")
    assert refused.value.response["Error"]["Code"] == "AccessDenied"
