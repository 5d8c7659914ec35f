#!/usr/bin/env python3
"""Fails when an include breaks the one-way order of the rooms: include_direction.py SOURCE_ROOT

train, index and serve include common and proto, never one another; cli includes every room. LibTorch's headers belong to
train/, FAISS's to index/ and gRPC's and OpenSSL's to serve/. The tests of a room obey the room's rule; tests/bench, which measures the
libraries themselves, may include anything.
"""
import pathlib
import re
import sys

ROOMS = ("common", "train", "index", "serve", "cli")
MAY_INCLUDE = {
    "common": {"common"},
    "train": {"common", "train"},
    "index": {"common", "index"},
    "serve": {"common", "serve"},
    "cli": set(ROOMS),
}
# Library -> its headers, and the one room that may include them.
LIBRARIES = {
    "LibTorch": (re.compile(r"^(torch|ATen|c10|caffe2)/"), "train"),
    "FAISS": (re.compile(r"^faiss/"), "index"),
    "gRPC": (re.compile(r"^(grpc|grpcpp|grpc\+\+)/|\.grpc\.pb\.h$"), "serve"),
    "OpenSSL": (re.compile(r"^openssl/"), "serve"),
    "cpp-httplib": (re.compile(r"^httplib\.h$"), "serve"),
    "prometheus-cpp": (re.compile(r"^prometheus/"), "serve"),
}
INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]')


def room_of(path):
    """The room whose rule a file (relative to the root) obeys, None for one that obeys none."""
    parts = path.parts
    room = parts[1] if parts[0] == "tests" and len(parts) > 2 else parts[0]
    return room if room in ROOMS else None


def objection(room, header):
    """Why `room` must not include `header`, or None."""
    for library, (headers, owner) in LIBRARIES.items():
        if headers.search(header) and room != owner:
            return f"{library}'s headers belong to {owner}/"
    other = header.split("/")[0]
    if other in ROOMS and "/" in header and other not in MAY_INCLUDE[room]:
        allowed = ", ".join(sorted(MAY_INCLUDE[room]))
        return f"{room}/ includes only {allowed} and proto"
    return None


def violations(root):
    root = pathlib.Path(root)
    for top in ROOMS + ("tests",):
        for path in sorted((root / top).rglob("*")):
            if path.suffix not in (".h", ".cc", ".inc"):
                continue
            room = room_of(path.relative_to(root))
            if room is None:
                continue
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                match = INCLUDE.match(line)
                reason = match and objection(room, match[1])
                if reason:
                    yield f"{path.relative_to(root)}:{number}: must not include {match[1]}: {reason}"


def main():
    found = list(violations(sys.argv[1]))
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
