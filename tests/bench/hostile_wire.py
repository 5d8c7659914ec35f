"""Connections that do not behave: broken HTTP/2, slow clients, floods. Each function makes one kind and yields how the server took it:
"closed" (it ended the connection), "answered" (bytes came back) or "held" (nothing came, the connection is open still).
"""
import random
import socket
import struct
import threading
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags, stream, payload=b"", length=None):
    return struct.pack(">I", len(payload) if length is None else length)[1:] + struct.pack(">BBI", kind, flags, stream) + payload


DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS = 1, 4
HELLO = PREFACE + frame(SETTINGS, 0, 0)


def literal(name, value):
    """One header, HPACK without tables or Huffman."""
    def text(data):
        if len(data) < 127:
            return bytes([len(data)]) + data
        rest, out = len(data) - 127, bytearray([127])
        while rest >= 128:
            out.append(rest & 127 | 128)
            rest >>= 7
        return bytes(out) + bytes([rest]) + data
    return b"\x00" + text(name) + text(value)


def request_headers(path=b"/fluke.v1.Retrieval/Describe", *more):
    headers = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", path), (b":authority", b"localhost"),
               (b"content-type", b"application/grpc"), (b"te", b"trailers"), *more]
    return b"".join(literal(*h) for h in headers)


def connect(address):
    sock = socket.create_connection(address, timeout=10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def outcome(sock, wait_s=0.3):
    """What becomes of a connection."""
    sock.settimeout(wait_s)
    answered = False
    try:
        while True:
            data = sock.recv(65536)
            if not data:
                return "closed"
            answered = True
    except (TimeoutError, socket.timeout):
        return "answered" if answered else "held"
    except OSError:
        return "closed"


def one(address, *chunks, wait_s=0.3):
    """Sends and looks."""
    try:
        sock = connect(address)
    except OSError:
        return "refused"
    with sock:
        try:
            for chunk in chunks:
                sock.sendall(chunk)
        except OSError:
            return "closed"  # in the midst of it
        return outcome(sock, wait_s)


def broken_frames():
    """(kind, bytes after the connection is made)"""
    hello, headers = HELLO, request_headers()
    call = frame(HEADERS, END_HEADERS, 1, headers)
    message = lambda data, flag=0, length=None: struct.pack(">BI", flag, len(data) if length is None else length) + data
    yield "not HTTP/2", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    yield "not HTTP/2", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)
    yield "not HTTP/2", b"\x00" * 1000
    yield "not HTTP/2", PREFACE[:-3] + b"XX\r\n"
    for length in (0xFFFFFF, 16385, 1 << 20):
        yield "frame too long", hello + frame(DATA, 0, 1, b"x" * 100, length=length)
        yield "frame too long", hello + frame(HEADERS, END_HEADERS, 1, headers, length=length)
    yield "broken HPACK", hello + frame(HEADERS, END_HEADERS, 1, b"\xff" * 200)
    yield "broken HPACK", hello + frame(HEADERS, END_HEADERS, 1, b"\x3f\xff\xff\xff\xff\x0f" + headers)  # table size
    yield "broken HPACK", hello + frame(HEADERS, END_HEADERS, 1, b"\x00\x7f\xff\xff\xff\xff\xff\xff\x0fa")
    yield "wrong stream", hello + frame(HEADERS, END_HEADERS, 2, headers)
    yield "wrong stream", hello + frame(HEADERS, END_HEADERS, 0, headers)
    yield "wrong stream", hello + frame(DATA, 0, 0, b"abc")
    yield "wrong stream", hello + frame(DATA, 0, 7, b"abc")
    yield "wrong stream", hello + frame(RST_STREAM, 0, 0, bytes(4))
    yield "wrong stream", hello + frame(CONTINUATION, 0, 3, headers)
    yield "wrong stream", hello + call + frame(HEADERS, END_HEADERS, 1, headers)
    yield "wrong size", hello + frame(PING, 0, 0, bytes(7))
    yield "wrong size", hello + frame(SETTINGS, 0, 0, bytes(5))
    yield "wrong size", hello + frame(SETTINGS, 1, 0, bytes(6))
    yield "wrong size", hello + frame(WINDOW_UPDATE, 0, 0, bytes(3))
    yield "wrong size", hello + frame(PRIORITY, 0, 1, bytes(4))
    yield "window overflow", hello + frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff") * 3
    yield "window overflow", hello + frame(WINDOW_UPDATE, 0, 0, bytes(4))
    for setting, value in ((4, 2**32 - 1), (5, 1), (5, 2**32 - 1), (2, 7), (1, 2**32 - 1), (6, 0), (0xFFFF, 5)):
        yield "odd settings", hello + frame(SETTINGS, 0, 0, struct.pack(">HI", setting, value)) + call + frame(DATA, END_STREAM, 1, message(b""))
    yield "push from a client", hello + frame(PUSH_PROMISE, END_HEADERS, 1, bytes(4) + headers)
    yield "goodbye, then a call", hello + frame(GOAWAY, 0, 0, bytes(8)) + call
    yield "depends on itself", hello + frame(HEADERS, END_HEADERS | 32, 1, struct.pack(">IB", 1, 5) + headers)
    yield "padding beyond the frame", hello + frame(DATA, 8, 1, b"\xff" + bytes(10))
    for size in (1 << 14, 60000, 1 << 20):
        block = request_headers(b"/fluke.v1.Retrieval/Describe", (b"x-long", b"y" * size))
        parts = [block[i:i + 16384] for i in range(0, len(block), 16384)]
        frames = frame(HEADERS, END_HEADERS if len(parts) == 1 else 0, 1, parts[0])
        for i, part in enumerate(parts[1:]):
            frames += frame(CONTINUATION, END_HEADERS if i == len(parts) - 2 else 0, 1, part)
        yield "oversize headers", hello + frames + frame(DATA, END_STREAM, 1, message(b""))
    many = request_headers(b"/fluke.v1.Retrieval/Describe", *((b"x%d" % i, b"y" * 20) for i in range(500)))
    yield "oversize headers", hello + frame(HEADERS, END_HEADERS, 1, many[:16000])
    for path in (b"", b"fluke", b"*", b"/\xff\xfe", b"/" + b"a" * 8000):
        yield "odd path", hello + frame(HEADERS, END_HEADERS, 1, request_headers(path)) + frame(DATA, END_STREAM, 1, message(b""))
    for odd in ((b":method", b"TRACE"), (b":status", b"200"), (b"Upper", b"x"), (b"connection", b"close"), (b"a", b"\r\nb: c"), (b"grpc-timeout", b"99999999999H"),
                (b"grpc-timeout", b"-1S"), (b"grpc-timeout", b"1n"), (b"grpc-encoding", b"bzip9"), (b"content-length", b"5"), (b"x-bin", b"!!!not base64")):
        yield "odd header", hello + frame(HEADERS, END_HEADERS, 1, request_headers(b"/fluke.v1.Retrieval/Describe", odd)) + frame(DATA, END_STREAM, 1, message(b""))
    yield "no content type", hello + frame(HEADERS, END_HEADERS, 1, literal(b":method", b"POST") + literal(b":path", b"/fluke.v1.Retrieval/Describe"))
    for length in (2**32 - 1, 2**31, 40 << 20, 1000):
        yield "message length is a lie", hello + call + frame(DATA, END_STREAM, 1, message(b"abc", 0, length))
    yield "message length is a lie", hello + call + frame(DATA, END_STREAM, 1, b"\x00\x00")
    yield "unknown compression", hello + call + frame(DATA, END_STREAM, 1, message(b"abc", 1))
    yield "unknown compression", hello + call + frame(DATA, END_STREAM, 1, message(b"abc", 7))
    yield "several messages of one call", hello + call + frame(DATA, END_STREAM, 1, message(b"") * 100)


def random_frames(count, seed):
    draw = random.Random(seed)
    for _ in range(count):
        frames = b"".join(frame(draw.randrange(14), draw.randrange(256), draw.choice((0, 1, 1, 3, 5, 2**31 - 1)), draw.randbytes(draw.randrange(60)))
                          for _ in range(draw.randrange(1, 12)))
        yield "random frames", HELLO + frames


def rapid_resets(address, streams):
    """Calls that are cancelled at once, on one connection."""
    headers = request_headers(b"/fluke.v1.Retrieval/Search")
    body = struct.pack(">BI", 0, 4) + b"\x1a\x02b0"
    chunks = [HELLO]
    for i in range(streams):
        stream = 2 * i + 1
        chunks.append(frame(HEADERS, END_HEADERS, stream, headers) + frame(DATA, END_STREAM, stream, body) + frame(RST_STREAM, 0, stream, struct.pack(">I", 8)))
    return one(address, b"".join(chunks))


def floods(address):
    """(kind, what became of it)"""
    yield "SETTINGS flood", one(address, HELLO + frame(SETTINGS, 0, 0) * 20000)
    yield "PING flood", one(address, HELLO + frame(PING, 0, 0, bytes(8)) * 20000)
    yield "empty DATA flood", one(address, HELLO + frame(HEADERS, END_HEADERS, 1, request_headers()) + frame(DATA, 0, 1) * 20000)
    yield "CONTINUATION flood", one(address, HELLO + frame(HEADERS, 0, 1, request_headers()) + frame(CONTINUATION, 0, 1, literal(b"a", b"b" * 1000)) * 5000)
    yield "CONTINUATION flood", one(address, HELLO + frame(HEADERS, 0, 1, request_headers()) + frame(CONTINUATION, 0, 1) * 50000)
    yield "PRIORITY flood", one(address, HELLO + frame(PRIORITY, 0, 1, struct.pack(">IB", 0, 1)) * 20000)
    yield "window updates", one(address, HELLO + frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1)) * 20000)
    for _ in range(5):
        yield "rapid resets", rapid_resets(address, 3000)
    never_read = []
    for _ in range(20):  # asks much, reads nothing
        sock = connect(address)
        body = struct.pack(">BI", 0, 4) + b"\x1a\x02b0"
        try:
            sock.sendall(HELLO + b"".join(frame(HEADERS, END_HEADERS, 2 * i + 1, request_headers(b"/fluke.v1.Retrieval/Search")) +
                                          frame(DATA, END_STREAM, 2 * i + 1, body) for i in range(200)))
        except OSError:
            pass
        never_read.append(sock)
    time.sleep(1)
    for sock in never_read:
        yield "answers never read", "held"
        reset(sock)


def reset(sock):
    """Vanishes: no FIN, a RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class SlowClients:
    """Connections that are open all the time: silent ones, such with half a frame, and such that send one byte a second."""

    def __init__(self, address, each):
        self.silent, self.half, self.dripping = [], [], []
        for _ in range(each):
            self.silent.append(connect(address))
            self.silent.append(connect(address))
            self.silent[-1].sendall(PREFACE)
            self.half.append(connect(address))
            self.half[-1].sendall(HELLO + frame(HEADERS, END_HEADERS, 1, request_headers())[:20])
            self.half.append(connect(address))
            self.half[-1].sendall(HELLO + frame(HEADERS, END_HEADERS, 1, request_headers()) + frame(DATA, 0, 1, b"\x00\x00\x10\x00\x00abc", length=5000))
            self.dripping.append((connect(address), HELLO + frame(HEADERS, END_HEADERS, 1, request_headers()) * 1000))
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._drip, daemon=True)
        self._thread.start()

    def _drip(self):
        at = 0
        while not self._ended.wait(1):
            for sock, data in self.dripping:
                try:
                    sock.send(data[at:at + 1])
                except OSError:
                    pass
            at += 1

    def __len__(self):
        return len(self.silent) + len(self.half) + len(self.dripping)

    def end(self):
        """How the server took them; half of those that are open still vanish without a word."""
        self._ended.set()
        self._thread.join()
        for kind, socks in (("silent", self.silent), ("half a frame", self.half), ("one byte a second", [s for s, _ in self.dripping])):
            for i, sock in enumerate(socks):
                yield "slow: " + kind, outcome(sock, 0.01)
                reset(sock) if i % 2 else sock.close()


def crowd(address, count):
    """So many connections at once, or as many as can be made."""
    socks = []
    for _ in range(count):
        try:
            socks.append(connect(address))
            socks[-1].sendall(HELLO)
        except OSError:
            break
    return socks
