"""The same for the HTTP side: requests that are none, and clients that do not behave. Yields (kind, outcome), where the outcome is the status
that came back ("400") or what became of the connection ("closed", "held")."""
import json
import random
import socket

import hostile_wire as wire

SEARCH = "/api/fluke.v1.Retrieval/Search"


def ask(address, data, wait_s=1.0):
    try:
        sock = wire.connect(address)
    except OSError:
        return "refused"
    with sock:
        try:
            sock.sendall(data)
        except OSError:
            pass  # it may have answered before it closed
        sock.settimeout(wait_s)
        head = b""
        try:
            while b"\r\n" not in head:
                more = sock.recv(65536)
                if not more:
                    return "closed"
                head += more
        except (TimeoutError, socket.timeout):
            return "held"
        except OSError:
            return "closed"
    words = head.split(b" ", 2)
    return words[1].decode("ascii", "replace") if len(words) > 1 and words[0].startswith(b"HTTP/") else "no HTTP"


def request(method="GET", path="/healthz", headers="", body=b""):
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n".encode("utf-8", "surrogateescape") + body


def post(path, body, headers=""):
    return request("POST", path, f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}", body)


def requests(methods, seed):
    """(kind, bytes)"""
    draw = random.Random(seed)
    for line in (b"", b"\r\n\r\n", b"GET\r\n\r\n", b"GET /\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1", b"\x00" * 100 + b"\r\n\r\n", b"GET  /  HTTP/1.1\r\n\r\n",
                 b"get / http/1.1\r\n\r\n", b"GET http://other.example/ HTTP/1.1\r\n\r\n", b"OPTIONS * HTTP/1.1\r\n\r\n", b"CONNECT x:1 HTTP/1.1\r\n\r\n",
                 b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", b"BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", draw.randbytes(2000)):
        yield "malformed request line", line
    for header in ("A" * 100000 + ": b\r\n", "a: " + "b" * 1000000 + "\r\n", "a: b\r\n" * 20000, "no colon\r\n", ": empty\r\n", " folded\r\n", "a: b\r\n c\r\n", "a\x00b: c\r\n",
                   "Content-Length: -1\r\n", "Content-Length: 99999999999999999999\r\n", "Content-Length: 5\r\nContent-Length: 6\r\n", "Content-Length: x\r\n",
                   "Range: bytes=0-18446744073709551615\r\n", "Range: bytes=" + ",".join(["0-"] * 1000) + "\r\n", "Expect: 100-continue\r\n", "Upgrade: h2c\r\n",
                   "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "Accept-Encoding: " + "gzip," * 10000 + "\r\n", "Cookie: " + "a=b; " * 10000 + "\r\n"):
        for method in ("GET", "POST"):
            yield "odd headers", request(method, "/healthz", header, b"abcd")
    chunked = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
    for body in (b"zz\r\nabc\r\n0\r\n\r\n", b"ffffffffffffffff\r\nabc", b"-1\r\n\r\n", b"5\r\nabc\r\n0\r\n\r\n", b"1\r\na\r\n" * 20000 + b"0\r\n\r\n", b"1;" + b"x" * 100000 + b"\r\na\r\n0\r\n\r\n",
                 b"0\r\n" + b"trailer: x\r\n" * 20000 + b"\r\n", b"7fffffff\r\n" + bytes(1000), b"3\r\nabc"):
        yield "chunks abused", request("POST", SEARCH, chunked, body)
    for path in ("/../../etc/passwd", "/..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/photo/../../etc/passwd", "/photo?id=..%2f..%2f..%2fetc%2fpasswd", "//etc/passwd",
                 "/photo?id=/etc/passwd&size=-1", "/photo?id=b0&size=99999999999999999999", "/photo?" + "id=b0&" * 5000, "/photo?id=%ff%fe&collection=../..", "/api/../api/fluke.v1.Retrieval/Search", "/api/fluke.v1.Retrieval/Search/../../x", "/api/fluke.v1.%52etrieval/Search", "/static/..\\..\\etc\\passwd", "/%00", "/a%00.html", "/%", "/%zz", "/" + "a" * 100000, "/" + "../" * 5000,
                 "/?" + "&".join(f"a{i}=b" for i in range(20000)), "/%c0%ae%c0%ae/etc/passwd", "/\udc80\udcff", "/" + "a/" * 5000, "/file:///etc/passwd"):
        yield "path traversal and odd paths", request("GET", path)
    deep = b"[" * 100000
    for path in (SEARCH, *methods):
        for body in (b"", b"{", deep, b'{"a":' * 50000, b"null", b"[]", b'"x"', b"\xff\xfe", b'{"vector": {"values": [1e999, NaN]}}', b'{"vector": "x"}', b'{"k": -1}', b'{"k": 1e300}', b'{"item_id": 5}',
                     b'{"image": "!!! no base64"}', b'{"image": "' + b"A" * 1000001 + b'"}', json.dumps({"filter": "(" * 10000, "item_id": "b0"}).encode(), b'{"unknown": 1}',
                     b'{"item_id": "\\ud800"}', b'{"item_id": "b0", "item_id": "b1"}', b" " * 1000000, draw.randbytes(1000)):
            yield "invalid JSON", post(path, body)
    yield "oversize body", post(SEARCH, bytes(40 << 20))
    yield "body shorter than it says", request("POST", SEARCH, "Content-Type: application/json\r\nContent-Length: 1000\r\n", b"abc")
    bomb = b"--x\r\nContent-Disposition: form-data; name=\"image\"; filename=\"../../x\"\r\n\r\n" + bytes(1000)
    yield "odd multipart", request("POST", SEARCH, f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {len(bomb)}\r\n", bomb)
    yield "odd multipart", request("POST", SEARCH, f"Content-Type: multipart/form-data\r\nContent-Length: {len(bomb)}\r\n", bomb)
    yield "odd multipart", request("POST", SEARCH, f"Content-Type: multipart/form-data; boundary={'y' * 5000}\r\nContent-Length: {len(bomb)}\r\n", bomb)
    yield "pipelined", request("GET", "/healthz").replace(b"Connection: close\r\n", b"") * 500


class SlowClients:
    """Slow loris: heads and bodies that never end."""

    def __init__(self, address, each):
        self.socks = []
        for _ in range(each):
            for begin in (b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-", b"POST /api/fluke.v1.Retrieval/Search HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{"):
                try:
                    sock = wire.connect(address)
                    sock.sendall(begin)
                    self.socks.append(sock)
                except OSError:
                    pass

    def __len__(self):
        return len(self.socks)

    def end(self):
        for sock in self.socks:
            yield "slow loris", wire.outcome(sock, 0.01)
            wire.reset(sock)
