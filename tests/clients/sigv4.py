"""Requests that no SDK would send, signed all the same: SigV4 over raw parts, and a socket to send them on."""

import datetime
import hashlib
import hmac
import http.client
import socket
import ssl
import urllib.parse

from conftest import ALICE, REGION

UNSIGNED = "UNSIGNED-PAYLOAD"
EMPTY = hashlib.sha256(b"").hexdigest()


def _hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Signer:
    """Signs for one user, at one moment; remembers the last signature, with which chunks go on."""

    def __init__(self, user=ALICE, region=REGION, service="s3", now=None):
        now = now or datetime.datetime.now(datetime.UTC)
        self.access_key, self.date = user.access_key, now.strftime("%Y%m%dT%H%M%SZ")
        self.scope = f"{self.date[:8]}/{region}/{service}/aws4_request"
        key = f"AWS4{user.secret}".encode()
        for part in self.scope.split("/"):
            key = _hmac(key, part)
        self.key, self.last = key, None

    @property
    def credential(self):
        return f"{self.access_key}/{self.scope}"

    def sign(self, text):
        self.last = _hmac(self.key, text).hex()
        return self.last

    def _request(self, method, target, headers, payload):
        path, _, query = target.partition("?")
        pairs = sorted(
            (urllib.parse.quote(urllib.parse.unquote_to_bytes(name), safe=""), urllib.parse.quote(urllib.parse.unquote_to_bytes(value), safe=""))
            for name, _, value in (pair.partition("=") for pair in query.split("&") if pair)
        )
        lower = {name.lower(): str(value).strip() for name, value in headers.items()}
        names = sorted(lower)
        canonical = [method, _canonical_path(path), "&".join(f"{name}={value}" for name, value in pairs)]
        canonical += [f"{name}:{lower[name]}" for name in names] + ["", ";".join(names), payload]
        digest = hashlib.sha256("\n".join(canonical).encode("utf-8", "surrogateescape")).hexdigest()
        return self.sign(f"AWS4-HMAC-SHA256\n{self.date}\n{self.scope}\n{digest}"), names

    def headers(self, method, node, target, headers=None, payload=UNSIGNED):
        """The headers of a request, Authorization included. `target` is path and query as they will be sent."""
        headers = dict(headers or {}) | {
            "Host": f"127.0.0.1:{node.port}",
            "x-amz-date": self.date,
            "x-amz-content-sha256": payload,
        }
        signature, names = self._request(method, target, headers, payload)
        headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.credential}, SignedHeaders={';'.join(names)}, Signature={signature}"
        )
        return headers

    def presign(self, method, node, target, expires=60, headers=None, host=None):
        """The target with a presigned query. `headers` are signed beside the host."""
        headers = dict(headers or {}) | {"host": host or f"127.0.0.1:{node.port}"}
        names = ";".join(sorted(name.lower() for name in headers))
        query = urllib.parse.urlencode({
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": self.credential,
            "X-Amz-Date": self.date,
            "X-Amz-Expires": expires,
            "X-Amz-SignedHeaders": names,
        })
        target = f"{target}{'&' if '?' in target else '?'}{query}"
        return f"{target}&X-Amz-Signature={self._request(method, target, headers, UNSIGNED)[0]}"

    def chunk(self, data):
        """A chunk with its signature."""
        digest = hashlib.sha256(data).hexdigest()
        text = f"AWS4-HMAC-SHA256-PAYLOAD\n{self.date}\n{self.scope}\n{self.last}\n{EMPTY}\n{digest}"
        end = b"\r\n" if data else b""
        return b"%x;chunk-signature=%b\r\n%b%b" % (len(data), self.sign(text).encode(), data, end)


def _canonical_path(path):
    """S3's: everything but the unreserved characters encoded once; an encoded slash stays one."""
    parts = path.replace("%2f", "%2F").split("%2F")
    return "%2F".join(urllib.parse.quote(urllib.parse.unquote_to_bytes(part), safe="/-._~") for part in parts)


def chunked(chunks, trailers=()):
    """An aws-chunked body without signatures."""
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    body += b"0\r\n" + b"".join(b"%b:%b\r\n" % (k.encode(), v.encode()) for k, v in dict(trailers).items())
    return body + b"\r\n"


class Answer:
    """Status, headers (by lower-case name) and body of an answer."""

    def __init__(self, response):
        self.status, self.body = response.status, response.read()
        self.headers = {name.lower(): value for name, value in response.getheaders()}

    @property
    def code(self):
        """S3's error code, if it is an error document."""
        _, found, rest = self.body.partition(b"<Code>")
        return rest.partition(b"</Code>")[0].decode() if found else None

    def __repr__(self):
        return f"{self.status} {self.body[:400]!r}"


def send(node, method, target, headers, body=b"", cut=None):
    """Sends the parts as they are, over a socket of its own; with `cut`, hangs up after that many bytes of the body."""
    sock = socket.create_connection(("127.0.0.1", node.port), timeout=30)
    if node.authority:
        trust = ssl.create_default_context(cafile=str(node.authority))
        sock = trust.wrap_socket(sock, server_hostname="127.0.0.1")
    with sock:
        headers = {"Content-Length": len(body), "Connection": "close"} | headers
        head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items() if v is not None)
        sock.sendall(head.encode("utf-8", "surrogateescape") + b"\r\n")
        try:
            sock.sendall(body if cut is None else body[:cut])
            if cut is not None:
                sock.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # Refused before it was read: the answer is there.
        response = http.client.HTTPResponse(sock, method=method)
        response.begin()
        return Answer(response)
