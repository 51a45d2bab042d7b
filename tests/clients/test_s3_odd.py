"""Requests that are seldom seen: odd keys, odd encodings, presigned URLs at their limits, and bodies that lie."""

import base64
import datetime
import hashlib
import urllib.parse
import xml.etree.ElementTree

import pytest

from conftest import ALICE, REGION
from sigv4 import Signer, chunked, send

MIB = 1024 * 1024
WEEK = 7 * 24 * 3600
EVERY_ASCII = "".join(map(chr, range(1, 128)))
KEYS = [
    ".", "..", "...", "./a", "../a", "a/./b", "a/../b", "a/..", "/", "//", "///", "/a", "//a", "a/", "a//", "a//b", "/../",
    " ", "a b", " a ", "+", "a+b", "%", "%%", "%41", "100%", "a%2Fb", "&", "=", "?", "#", "a?b=c&d#e", ";", ":", "@", "*",
    "\\", "a\\b", "'", '"', "<a>", "]]>", "&amp;", "|", "~", "`", "^", "{}", "[]", "$", ",", "(!)",
    "\t", "\n", "\r", "\r\n", "\x01", "\x1f", "\x7f", EVERY_ASCII,
    "\u0080", "\u00e9", "e\u0301", "\u07ff", "\u0800", "\u20ac", "\ufffd", "\ufeff", "\uffff", "\U00010000", "\U0001f600",
    "\U0010ffff", "\u202e", "k" * 1024, "/" * 1024, "\u20ac" * 341 + "k", "\U0001f600" * 256,
]  # fmt: skip
LISTING = "{http://s3.amazonaws.com/doc/2006-03-01/}"


@pytest.fixture(scope="module")
def bucket(node):
    node.client("s3").create_bucket(Bucket="odd", CreateBucketConfiguration={"LocationConstraint": REGION})
    return "odd"


@pytest.fixture
def empty(node, unique):
    name = unique("odd")
    node.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return name


def ask(node, method, target, body=b"", headers=None, payload="UNSIGNED-PAYLOAD"):
    return send(node, method, target, Signer().headers(method, node, target, headers, payload), body)


def path(bucket, key):
    return f"/{bucket}/{urllib.parse.quote(key, safe='/')}"


def is_refused(answer, status, code):
    assert (answer.status, answer.code) == (status, code), answer


def is_not_stored(node, bucket, key):
    assert ask(node, "HEAD", path(bucket, key)).status == 404


# --- keys ---


@pytest.mark.parametrize("safe", ["/", "", "/-._~!$&'()*+,;=:@"])
def test_every_legal_key_is_itself(node, empty, safe):
    for key in KEYS:
        target = f"/{empty}/{urllib.parse.quote(key, safe=safe)}"
        put = ask(node, "PUT", target, key.encode())
        assert put.status == 200, (key, put)
        got = ask(node, "GET", target)
        assert (got.status, got.body) == (200, key.encode()), (key, got)
    for version in ("", "list-type=2&"):
        assert sorted(listed(node, empty, version, encode=True)) == sorted(KEYS)
    for key in KEYS:
        assert ask(node, "HEAD", path(empty, key)).status == 200, key
        assert ask(node, "DELETE", path(empty, key)).status == 204, key
    assert listed(node, empty, "list-type=2&", encode=True) == []


def listed(node, bucket, version, encode):
    answer = ask(node, "GET", f"/{bucket}?{version}{'encoding-type=url' if encode else ''}")
    assert answer.status == 200, answer
    found = xml.etree.ElementTree.fromstring(answer.body)
    keys = [entry.find(f"{LISTING}Key").text for entry in found.findall(f"{LISTING}Contents")]
    return [urllib.parse.unquote(key) for key in keys] if encode else keys


def test_listings_without_encoding_are_xml_all_the_same(node, empty):
    # XML 1.0 cannot carry other control characters, and its parsers make a line feed of a carriage return: who has
    # such keys asks for the encoding, as boto3 always does.
    keys = ["a&b", "<a>", "a\tb", "a\nb", "\u20ac", '"', "'"]
    for key in keys:
        assert ask(node, "PUT", path(empty, key)).status == 200
    assert sorted(listed(node, empty, "list-type=2&", encode=False)) == sorted(keys)


def test_prefixes_delimiters_and_markers_are_odd_too(node, empty):
    s3 = node.client("s3")
    for key in ["a b/1", "a b/2", "a+b/1", "a%b/1", "\u20ac/1", "\x01/1", "//1"]:
        assert ask(node, "PUT", path(empty, key)).status == 200
    page = s3.list_objects_v2(Bucket=empty, Delimiter="/")
    prefixes = [found["Prefix"] for found in page["CommonPrefixes"]]
    assert prefixes == sorted(["a b/", "a+b/", "a%b/", "\u20ac/", "\x01/", "/"]), prefixes
    for prefix in prefixes:
        assert s3.list_objects_v2(Bucket=empty, Prefix=prefix)["KeyCount"] >= 1, prefix
    seen = []
    for page in s3.get_paginator("list_objects").paginate(Bucket=empty, PaginationConfig={"PageSize": 1}):
        seen += [found["Key"] for found in page["Contents"]]
    assert len(seen) == 7 and seen == sorted(seen, key=str.encode)


def test_a_key_of_more_than_1024_bytes_is_refused(node, bucket):
    for key in ["k" * 1025, "\u20ac" * 342]:
        for method, query in [("PUT", ""), ("GET", ""), ("DELETE", ""), ("POST", "?uploads"), ("PUT", "?tagging")]:
            is_refused(ask(node, method, path(bucket, key) + query, b"x"), 400, "KeyTooLongError")
        copy = {"x-amz-copy-source": urllib.parse.quote(f"{bucket}/source")}
        is_refused(ask(node, "PUT", path(bucket, key), headers=copy), 400, "KeyTooLongError")


def test_percent_encoding_is_read_as_it_is_meant(node, bucket):
    assert ask(node, "PUT", f"/{bucket}/%c3%A9%2fa%62c+%2B", b"x").status == 200
    assert ask(node, "GET", path(bucket, "\u00e9/abc++")).body == b"x"
    assert ask(node, "PUT", f"/{bucket}//empty//segments/", b"y").status == 200
    assert ask(node, "GET", path(bucket, "/empty//segments/")).body == b"y"


@pytest.mark.parametrize("key", ["%ff", "%c3", "a%e2%82", "%ed%a0%80", "%f8%88%80%80%80"])
def test_what_is_no_utf8_is_no_key(node, bucket, key):
    is_refused(ask(node, "PUT", f"/{bucket}/{key}", b"x"), 400, "InvalidURI")


def test_a_null_character_is_a_key_like_any_other_or_none(node, bucket):
    put = ask(node, "PUT", f"/{bucket}/nul%00nul", b"x")
    if put.status == 200:
        assert ask(node, "GET", f"/{bucket}/nul%00nul").body == b"x"
    else:
        assert 400 <= put.status < 500, put


# --- presigned URLs ---


@pytest.fixture(scope="module")
def stored(node, bucket):
    node.client("s3").put_object(Bucket=bucket, Key="stored", Body=b"here", ContentType="text/plain")
    return f"/{bucket}/stored"


def plain(node, method, target, body=b"", headers=None, host=None):
    return send(node, method, target, {"Host": host or f"127.0.0.1:{node.port}"} | (headers or {}), body)


def test_a_presigned_url_is_good_for_a_week_at_most(node, stored):
    assert plain(node, "GET", Signer().presign("GET", node, stored, WEEK)).body == b"here"
    for seconds in [WEEK + 1, 0, -1, "x", "1e3", ""]:
        answer = plain(node, "GET", Signer().presign("GET", node, stored, seconds))
        is_refused(answer, 400, "AuthorizationQueryParametersError")


def test_a_presigned_url_ends(node, stored):
    ago = lambda seconds: Signer(now=datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=seconds))  # noqa: E731
    assert plain(node, "GET", ago(WEEK - 60).presign("GET", node, stored, WEEK)).status == 200
    late = plain(node, "GET", ago(100).presign("GET", node, stored, 60))
    is_refused(late, 403, "AccessDenied")
    assert b"Request has expired" in late.body and b"<Expires>" in late.body
    is_refused(plain(node, "GET", ago(-3600).presign("GET", node, stored, 60)), 403, "RequestTimeTooSkewed")


def test_a_presigned_url_is_for_its_method_host_path_and_query(node, stored):
    url = Signer().presign("GET", node, stored)
    for method in ["PUT", "DELETE", "HEAD", "POST"]:
        answer = plain(node, method, url)
        assert answer.status == 403, (method, answer)
    is_refused(plain(node, "GET", url, host="other.example.com"), 403, "SignatureDoesNotMatch")
    is_refused(plain(node, "GET", url.replace("stored", "other")), 403, "SignatureDoesNotMatch")
    is_refused(plain(node, "GET", f"{url}&response-content-type=text/html"), 403, "SignatureDoesNotMatch")
    is_refused(plain(node, "GET", url.replace("Expires=60", "Expires=61")), 403, "SignatureDoesNotMatch")
    twice = f"{url}&X-Amz-Expires=60"
    is_refused(plain(node, "GET", twice), 400, "AuthorizationQueryParametersError")
    for name in ["X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Credential", "X-Amz-Algorithm"]:
        left = "&".join(pair for pair in url.split("?")[1].split("&") if not pair.startswith(f"{name}="))
        is_refused(plain(node, "GET", f"{stored}?{left}"), 400, "AuthorizationQueryParametersError")
    assert plain(node, "GET", url).status == 200


def test_a_presigned_url_overrides_headers_if_they_are_signed(node, stored):
    overrides = {
        "response-content-type": "text/html; charset=x",
        "response-content-language": "de",
        "response-expires": "Thu, 01 Jan 2032 00:00:00 GMT",
        "response-cache-control": "no-cache",
        "response-content-disposition": 'attachment; filename="a b.txt"',
        "response-content-encoding": "identity",
    }
    query = urllib.parse.urlencode(overrides, quote_via=urllib.parse.quote)
    answer = plain(node, "GET", Signer().presign("GET", node, f"{stored}?{query}"))
    assert answer.body == b"here"
    for name, value in overrides.items():
        assert answer.headers[name.removeprefix("response-")] == value
    version = plain(node, "GET", Signer().presign("GET", node, f"{stored}?versionId=null"))
    assert version.body == b"here"


def test_headers_that_mean_something_must_be_signed(node, bucket):
    url = Signer().presign("PUT", node, f"/{bucket}/by-url")
    for name in ["x-amz-acl", "x-amz-meta-a", "x-amz-tagging", "x-amz-copy-source", "x-amz-storage-class"]:
        answer = plain(node, "PUT", url, b"x", {name: "private"})
        is_refused(answer, 403, "AccessDenied")
        assert b"HeadersNotSigned" in answer.body and name.encode() in answer.body
    is_not_stored(node, bucket, "by-url")
    headers = {"x-amz-meta-a": "b"}
    url = Signer().presign("PUT", node, f"/{bucket}/by-url", headers=headers)
    is_refused(plain(node, "PUT", url, b"x", {"x-amz-meta-a": "c"}), 403, "SignatureDoesNotMatch")
    assert plain(node, "PUT", url, b"x", headers).status == 200
    assert node.client("s3").head_object(Bucket=bucket, Key="by-url")["Metadata"] == {"a": "b"}


def test_version_2_signatures_are_refused_in_so_many_words(node, bucket):
    old = f"/{bucket}/stored?AWSAccessKeyId={ALICE.access_key}&Expires=4102444800&Signature=abc%3D"
    answer = plain(node, "GET", old)
    is_refused(answer, 400, "InvalidRequest")
    assert b"Please use AWS4-HMAC-SHA256" in answer.body
    header = {"Authorization": f"AWS {ALICE.access_key}:abc=", "Date": "Thu, 01 Jan 2026 00:00:00 GMT"}
    is_refused(plain(node, "GET", f"/{bucket}/stored", headers=header), 400, "InvalidRequest")


# --- bodies that are not what they say ---


def lies(node, bucket, status, code, body, headers=None, payload="UNSIGNED-PAYLOAD", cut=None):
    """Refused as an object and as a part, and nothing is stored."""
    s3, key = node.client("s3"), "lies"
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    for target in [f"/{bucket}/{key}", f"/{bucket}/{key}?partNumber=1&uploadId={upload}"]:
        signed = Signer().headers("PUT", node, target, headers, payload)
        is_refused(send(node, "PUT", target, signed, body, cut), status, code)
    is_not_stored(node, bucket, key)
    assert "Parts" not in s3.list_parts(Bucket=bucket, Key=key, UploadId=upload)
    s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)


@pytest.mark.parametrize("size", [100, 300_000])
def test_a_body_that_breaks_off_is_not_stored(node, bucket, size):
    lies(node, bucket, 400, "IncompleteBody", b"x" * size, cut=size // 2)
    digest = hashlib.sha256(b"x" * size).hexdigest()
    lies(node, bucket, 400, "IncompleteBody", b"x" * size, payload=digest, cut=size - 1)


@pytest.mark.parametrize("size", [5, 300_000])
def test_a_body_that_is_not_the_signed_one_is_not_stored(node, bucket, size):
    lies(node, bucket, 400, "XAmzContentSHA256Mismatch", b"x" * size, payload=hashlib.sha256(b"y").hexdigest())


def test_wrong_digests_and_checksums_are_noticed(node, bucket):
    encode = lambda raw: base64.b64encode(raw).decode()  # noqa: E731
    wrong = {"crc32": 4, "crc32c": 4, "crc64nvme": 8, "sha1": 20, "sha256": 32}
    for body in [b"hello", b"x" * 300_000]:
        lies(node, bucket, 400, "BadDigest", body, {"Content-MD5": encode(hashlib.md5(b"other").digest())})
        for name, size in wrong.items():
            lies(node, bucket, 400, "BadDigest", body, {f"x-amz-checksum-{name}": encode(b"\1" * size)})
    lies(node, bucket, 400, "InvalidDigest", b"hello", {"Content-MD5": "short"})
    for name in wrong:
        lies(node, bucket, 400, "InvalidRequest", b"hello", {f"x-amz-checksum-{name}": encode(b"\1" * 3)})
    both = {"x-amz-checksum-crc32": encode(b"\1" * 4), "x-amz-checksum-sha1": encode(b"\1" * 20)}
    lies(node, bucket, 400, "InvalidRequest", b"hello", both)


TRAILERS = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"


@pytest.mark.parametrize("body, length, code", [
    (chunked([b"hello"]), 6, "IncompleteBody"),
    (chunked([b"hello"]), 4, "IncompleteBody"),
    (chunked([b"hello"])[:-2] + b"x", 5, "IncompleteBody"),
    (chunked([b"hello"]) + b"more", 5, "InvalidRequest"),
    (b"6\r\nhello\r\n0\r\n\r\n", 5, "IncompleteBody"),
    (b"4\r\nhello\r\n0\r\n\r\n", 5, "InvalidRequest"),
    (b"zz\r\nhello\r\n0\r\n\r\n", 5, "InvalidRequest"),
    (b"-5\r\nhello\r\n0\r\n\r\n", 5, "InvalidRequest"),
    (b"5\nhello\n0\n\n", 5, "InvalidRequest"),
    (b"5\r\nhello\r\n", 5, "IncompleteBody"),
    (b"5\r\nhel", 5, "IncompleteBody"),
    (b"140000001\r\nhello\r\n0\r\n\r\n", 2**33, "InvalidChunkSizeError"),
    (b"5;" + b"x" * 9000 + b"\r\nhello\r\n0\r\n\r\n", 5, "InvalidRequest"),
    (chunked([b"hello"], {"x-amz-checksum-crc32": "AAAAAA=="}), 5, "MalformedTrailerError"),
])  # fmt: skip
def test_chunks_that_lie_store_nothing(node, bucket, body, length, code):
    if length > 2**32:
        # More than one request may be says so before it is read.
        code = "EntityTooLarge"
    headers = {"x-amz-decoded-content-length": length, "Content-Encoding": "aws-chunked"}
    lies(node, bucket, 400, code, body, headers, TRAILERS)


def test_chunks_may_be_of_any_size(node, bucket):
    for chunks in [[b"a", b"b" * 10, b"c"], [b"x" * 100_000] * 3, [b"y" * (9 * MIB)], []]:
        data = b"".join(chunks)
        headers = {"x-amz-decoded-content-length": len(data), "Content-Encoding": "aws-chunked"}
        assert ask(node, "PUT", f"/{bucket}/chunks", chunked(chunks), headers, TRAILERS).status == 200
        assert ask(node, "GET", f"/{bucket}/chunks").body == data


def signed_chunks(node, target, chunks, length=None):
    """Headers and body of an upload whose chunks are signed."""
    signer = Signer()
    length = sum(map(len, chunks)) if length is None else length
    headers = {"x-amz-decoded-content-length": length, "Content-Encoding": "aws-chunked"}
    headers = signer.headers("PUT", node, target, headers, SIGNED_CHUNKS)
    return headers, [signer.chunk(chunk) for chunk in [*chunks, b""]]


def test_signed_chunks_are_verified_one_by_one(node, bucket):
    target, chunks = f"/{bucket}/signed", [b"a" * 70_000, b"b" * 70_000, b"c"]
    headers, parts = signed_chunks(node, target, chunks)
    end = b"\r\n"
    changed = bytearray(parts[1])
    changed[200] ^= 1
    for body, code in [
        (parts[0] + bytes(changed) + parts[2] + parts[3] + end, "SignatureDoesNotMatch"),
        (parts[1] + parts[0] + parts[2] + parts[3] + end, "SignatureDoesNotMatch"),
        (parts[0] + parts[1] + parts[3] + end, "SignatureDoesNotMatch"),
        (parts[0] + parts[1] + parts[2], "IncompleteBody"),
        (parts[0] + parts[1] + parts[2] + b"0\r\n\r\n", "SignatureDoesNotMatch"),
        (parts[0] + parts[1].replace(b"chunk-signature", b"chunk-sagnature") + end, "SignatureDoesNotMatch"),
    ]:
        is_refused(send(node, "PUT", target, headers, body), 403 if code[0] == "S" else 400, code)
        is_not_stored(node, bucket, "signed")
    assert send(node, "PUT", target, headers, b"".join(parts) + end).status == 200
    assert ask(node, "GET", target).body == b"".join(chunks)


def test_a_signed_chunk_is_at_most_8_mib(node, bucket):
    target = f"/{bucket}/signed-large"
    headers, parts = signed_chunks(node, target, [b"a" * (8 * MIB + 1)])
    is_refused(send(node, "PUT", target, headers, b"".join(parts)), 400, "InvalidChunkSizeError")
    is_not_stored(node, bucket, "signed-large")
    headers, parts = signed_chunks(node, target, [b"a" * (8 * MIB)])
    assert send(node, "PUT", target, headers, b"".join(parts)).status == 200


def test_lengths_that_are_none_are_refused(node, bucket):
    target = f"/{bucket}/lengths"
    headers = {"Content-Encoding": "aws-chunked"}
    is_refused(ask(node, "PUT", target, chunked([b"x"]), headers, TRAILERS), 411, "MissingContentLength")
    for length in ["x", "-1", "1.5", str(2**70)]:
        answer = ask(node, "PUT", target, chunked([b"x"]), headers | {"x-amz-decoded-content-length": length}, TRAILERS)
        assert answer.status == 400, answer
    too_large = Signer().headers("PUT", node, target)
    is_refused(send(node, "PUT", target, too_large | {"Content-Length": 5 * 1024**3 + 1}, b"x"), 400, "EntityTooLarge")
    is_not_stored(node, bucket, "lengths")


def test_values_of_the_payload_header_that_are_none_are_refused(node, bucket):
    for payload in ["nonsense", "0" * 63, "STREAMING-NONSENSE"]:
        is_refused(ask(node, "PUT", f"/{bucket}/payload", b"x", payload=payload), 400, "InvalidRequest")
    headers = Signer().headers("PUT", node, f"/{bucket}/payload")
    headers.pop("x-amz-content-sha256")
    answer = send(node, "PUT", f"/{bucket}/payload", headers, b"x")
    assert answer.status in (400, 403), answer
    is_not_stored(node, bucket, "payload")
