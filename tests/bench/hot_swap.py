#!/usr/bin/env python3
"""Vector queries while what they ask is swapped under them: p99 before and during, requests that failed, swaps that were made.

Two indexes of 50,000 x 256 random unit vectors behind one server; callers ask an alias, one query after the other. First nothing
happens, then the alias is moved between the two every 2 seconds and both are opened anew in turns, once a second or as soon as
the one before has been. Both are asked for over HTTP from here: a process that starts for each of them would be what the queries wait for.
"""
import array
import json
import random
import re
import signal
import struct
import subprocess
import sys
import threading
import time
import urllib.request

import common
from server_process import free_port

DIMENSION = 256


def write_embeddings(folder, rows, seed):
    """Random unit vectors, with the standard library alone."""
    folder.mkdir(exist_ok=True)
    generator = random.Random(seed)
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }" % (rows, DIMENSION)
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    with open(folder / "embeddings.npy", "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
        for _ in range(rows):
            row = [generator.gauss(0, 1) for _ in range(DIMENSION)]
            length = sum(value * value for value in row) ** 0.5
            array.array("f", [value / length for value in row]).tofile(file)
    (folder / "items.csv").write_text("id\n" + "".join(f"{i}\n" for i in range(rows)))
    return folder


def call_collections(address, method, body):
    request = urllib.request.Request(f"http://{address}/api/fluke.v1.Collections/{method}", json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


class Repeated(threading.Thread):
    """Makes calls in turns, every so many seconds until ended: `done` and `failed` count how it went."""

    def __init__(self, address, seconds, method, *bodies):
        super().__init__()
        self.address, self.seconds, self.method, self.bodies = address, seconds, method, bodies
        self.stop = threading.Event()
        self.done, self.failed = 0, 0
        self.start()

    def run(self):
        begin = time.monotonic()
        while not self.stop.wait(max(0, begin + self.seconds * (self.done + self.failed) - time.monotonic())):
            try:
                call_collections(self.address, self.method, self.bodies[self.done % len(self.bodies)])
                self.done += 1
            except (OSError, ValueError) as error:
                print(self.method, error, file=sys.stderr)
                self.failed += 1

    def end(self):
        self.stop.set()
        self.join()


def load(bench, program, address, queries, seconds):
    command = [program, address, "vector", queries, bench.args.concurrency, 0, seconds, "live"]
    print("+", *command, file=sys.stderr, flush=True)
    return json.loads(subprocess.run([str(w) for w in command], stdout=subprocess.PIPE, text=True).stdout)


def main():
    options = common.parser(__doc__)
    options.add_argument("--program", help="serve_load_bench; default: the release build's")
    options.add_argument("--rows", type=int, default=50000)
    options.add_argument("--concurrency", type=int, default=8)
    options.add_argument("--seconds", type=float, default=20, help="of each phase")
    bench = common.Bench(options.parse_args())
    program = bench.args.program or common.ROOT / "build" / "tests" / "serve_load_bench"
    for seed, name in enumerate(("one", "two")):
        bench.fluke("index", "build", "--embeddings", write_embeddings(bench.work / f"{name}_vectors", bench.args.rows, seed),
                    "--out", bench.work / name, "--replace")
    queries = write_embeddings(bench.work / "queries", 200, 7) / "embeddings.npy"
    config = bench.work / "serve.yaml"
    config.write_text("collection:\n" + "".join(f"- {{name: {name}, index: {name}, read_only: true}}\n" for name in ("one", "two")) +
                      "data: data\n")
    http = f"127.0.0.1:{free_port()}"
    server = subprocess.Popen([bench.args.fluke, "serve", str(config), "--listen", "127.0.0.1:0", "--set", f"http_listen={http}"],
                              stdout=subprocess.PIPE, text=True)
    try:
        address = re.search(r"127\.0\.0\.1:\d+", server.stdout.readline())[0]
        call_collections(http, "UpdateAliases", {"set": {"live": "one"}})
        load(bench, program, address, queries, 3)  # warm-up
        before = load(bench, program, address, queries, bench.args.seconds)
        switches = Repeated(http, 2, "UpdateAliases", {"set": {"live": "two"}}, {"set": {"live": "one"}})
        reloads = Repeated(http, 1, "ReloadCollection", {"name": "one"}, {"name": "two"})
        during = load(bench, program, address, queries, bench.args.seconds)
        switches.end()
        reloads.end()
        after = load(bench, program, address, queries, bench.args.seconds)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)
    bench.close()
    common.emit("hot_swap", rows=bench.args.rows, concurrency=bench.args.concurrency, p99_before_ms=before["p99_ms"],
                p99_during_ms=during["p99_ms"], p99_after_ms=after["p99_ms"], times_before=common.ratio(during["p99_ms"], before["p99_ms"]),
                q_per_s_before=before["q_per_s"], q_per_s_during=during["q_per_s"],
                requests=during["requests"], failed=during["failed"], switches=switches.done, reloads=reloads.done,
                failed_swaps=switches.failed + reloads.failed)


if __name__ == "__main__":
    main()
