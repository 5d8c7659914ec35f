#!/usr/bin/env python3
"""More than a thousand hostile inputs of many kinds against a running server: does each get a status (or, where there is no call, a closed
connection), does the server stay up and answer a good query in between, does its memory stay?

Needs --peer-python with grpcio and protobuf (it starts itself again there). Messages go to every method of the contracts, made from the .proto files
(hostile_inputs.py); broken HTTP/2, slow clients and floods go over plain sockets (hostile_wire.py); with --http the HTTP side gets its share
(hostile_http.py). All of it is sent --rounds times: memory after the middle one, when what the server and its allocator keep is full, is compared with
memory after the last.

A status is good unless it says that the server is at fault (INTERNAL, UNKNOWN, DATA_LOSS), did not answer (DEADLINE_EXCEEDED) or is gone
(UNAVAILABLE). Exit code 1 where anything is amiss.
"""
import collections
import os
import pathlib
import resource
import socket
import subprocess
import sys
import time

import common
from server_process import ServerProcess, free_port, say

try:
    import grpc
    import google.protobuf  # noqa: F401
except ImportError:
    grpc = None

DIMENSION = 64
GOOD_ITEM = "b1000"  # no hostile input names it, so that none of them deletes it rightly
QUIET_S = 20  # before memory is looked at: the allocator keeps what was freed for ten seconds
AT_FAULT = ("INTERNAL", "UNKNOWN", "DATA_LOSS", "DEADLINE_EXCEEDED", "UNAVAILABLE")
# gRPC's own services parse by themselves, and call a damaged message INTERNAL.
NOT_OURS = ("health and reflection",)
# A closed connection will do for what gRPC takes for an attack, before there is a call.
MAY_CLOSE = ("oversize metadata",)


class Tally:
    def __init__(self):
        self.statuses = collections.defaultdict(collections.Counter)  # kind -> status or outcome -> times
        self.amiss = []
        self.inputs = 0
        self.good_queries = 0

    def note(self, kind, outcome, amiss=None):
        self.inputs += 1
        self.statuses[kind][outcome] += 1
        what = f"{kind}: {outcome}: {amiss}"[:400]
        if amiss and what not in self.amiss and len(self.amiss) < 50:
            self.amiss.append(what)


class Attack:
    def __init__(self, args, bench, server, contracts, http_address):
        self.args, self.bench, self.server, self.tally = args, bench, server, Tally()
        self.http_address = http_address
        self.where = ("127.0.0.1", server.port)
        self.secrets = (str(bench.work), str(common.ROOT))
        self.good = self.channel()
        path, make, answer, *_ = contracts.of("Retrieval/Search")
        self._search = self.good.unary_unary(path, request_serializer=make.SerializeToString, response_deserializer=answer.FromString)
        self._good_request = make(item_id=GOOD_ITEM, k=5)
        self.streams = {m[0] for m in contracts.methods if m[3] or m[4]} | {"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"}

    def channel(self, **more):
        options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1),
                   ("grpc.enable_retries", 0)]
        return grpc.insecure_channel(self.server.address, options=options, **more)

    def good_query(self, after):
        """A good query is answered rightly, and soon."""
        begin = time.monotonic()
        try:
            # It may meet a queue that an attack has just filled.
            for _ in range(20):
                try:
                    hits = self._search(self._good_request, timeout=30).hits
                    break
                except grpc.RpcError as error:
                    if error.code() != grpc.StatusCode.RESOURCE_EXHAUSTED:
                        raise
                    time.sleep(0.1)
            else:
                raise RuntimeError("refused for two seconds")
            if not (len(hits) == 5 and hits[0].id == GOOD_ITEM):
                self.tally.amiss.append(f"good query after {after}: wrong answer")
        except (grpc.RpcError, RuntimeError) as error:
            self.tally.amiss.append(f"good query after {after}: {error}"[:400])
        self.tally.good_queries += 1
        return time.monotonic() - begin

    @staticmethod
    def is_amiss(kind, status):
        return status in AT_FAULT and kind not in NOT_OURS and not (status == "UNAVAILABLE" and kind in MAY_CLOSE)

    def call(self, channel, kind, path, data, metadata=None):
        same = lambda b: b
        try:
            if path in self.streams:
                answers = channel.stream_stream(path, request_serializer=same, response_deserializer=same)(iter([data]), timeout=30, metadata=metadata)
                for _ in answers:
                    pass
            else:
                channel.unary_unary(path, request_serializer=same, response_deserializer=same)(data, timeout=30, metadata=metadata)
            self.tally.note(kind, "OK")
        except grpc.RpcError as error:
            status, details = error.code().name, error.details() or ""
            amiss = f"{path}: {details}" if self.is_amiss(kind, status) else None
            if any(secret in details for secret in self.secrets):
                amiss = f"{path}: names a path of the server: {details}"
            self.tally.note(kind, status, amiss)

    def calls(self, inputs):
        channel = self.channel()
        for i, (kind, path, data) in enumerate(inputs):
            self.call(channel, kind, path, data)
            if i % 25 == 0:
                self.good_query(kind)
            if not self.server.is_up():
                self.tally.amiss.append(f"the server ended after {kind} to {path}")
                return
        # gRPC's gzip: a megabyte that becomes gigabytes.
        packed = self.channel(compression=grpc.Compression.Gzip)
        for _ in range(3):
            self.call(packed, "compression bomb", "/fluke.v1.Retrieval/Search", bytes(700 << 20))
        for size in (9000, 20000, 1 << 20):
            for _ in range(4):
                self.call(channel, "oversize metadata", "/fluke.v1.Retrieval/Describe", b"", metadata=[("x-long", "y" * size)])
        self.call(channel, "oversize metadata", "/fluke.v1.Retrieval/Describe", b"", metadata=[(f"x{i}", "y" * 50) for i in range(2000)])
        channel.close()
        packed.close()
        self.good_query("compression and metadata")

    def wire(self, seed):
        import hostile_wire as wire
        for kind, data in (*wire.broken_frames(), *wire.random_frames(150, seed)):
            self.tally.note(kind, wire.one(self.where, data, wait_s=0.05))
            if self.tally.inputs % 25 == 0:
                self.good_query(kind)
        for kind, outcome in wire.floods(self.where):
            self.tally.note(kind, outcome)
            self.good_query(kind)
        for _ in range(50):
            sock = wire.connect(self.where)
            sock.sendall(wire.HELLO + wire.frame(wire.HEADERS, 4, 1, wire.request_headers())[:30])
            wire.reset(sock)
            self.tally.note("vanishes in a frame", "reset by us")
        socks = wire.crowd(self.where, self.args.connections)
        slowest = max(self.good_query("many connections") for _ in range(10))
        self.tally.note("many connections", f"{len(socks)} of {self.args.connections}", "not all could be made" if len(socks) < self.args.connections else None)
        for i, sock in enumerate(socks):
            wire.reset(sock) if i % 2 else sock.close()
        say(f"    {len(socks)} connections at once, a good query meanwhile took {slowest * 1000:.0f} ms at most")
        self.good_query("many connections closed")

    def http(self, seed):
        import hostile_http as http
        slow = http.SlowClients(self.http_address, self.args.slow)
        for kind, data in http.requests(("/api/fluke.v1.Retrieval/Identify", "/api/fluke.v1.Retrieval/Upsert", "/api/fluke.v1.Collections/CreateCollection", "/api/fluke.v1.Training/SubmitJob", "/api/Nothing/At"), seed):
            outcome = http.ask(self.http_address, data)
            at_fault = outcome.startswith("5") and outcome not in ("501", "503", "505")
            self.tally.note("HTTP: " + kind, outcome, f"{data[:80]!r}" if at_fault or outcome == "refused" else None)
            if self.tally.inputs % 25 == 0:
                self.good_query(kind)
        answer = http.ask(self.http_address, http.request("GET", "/healthz"), 30)
        if answer != "200":
            self.tally.amiss.append(f"/healthz beside slow clients: {answer}")
        for kind, outcome in slow.end():
            self.tally.note("HTTP: " + kind, outcome)

    def round(self, contracts, photograph, seed):
        import hostile_inputs
        import hostile_wire
        slow = hostile_wire.SlowClients(self.where, self.args.slow)
        self.calls(hostile_inputs.inputs(contracts, DIMENSION, photograph, seed))
        if self.server.is_up():
            self.wire(seed)
        if self.server.is_up() and self.http_address:
            self.http(seed)
        for kind, outcome in slow.end():
            self.tally.note(kind, outcome)
        if self.server.is_up():
            self.good_query("the round")


def main():
    options = common.parser(__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--connections", type=int, default=3000, help="at once")
    options.add_argument("--slow", type=int, default=20, help="slow clients of each kind, all the time")
    options.add_argument("--http", action="store_true", help="the HTTP side, too")
    options.add_argument("--max-growth", type=float, default=16, help="MB from the end of the middle round to the end of the last")
    options.add_argument("--set", action="append", default=[], help="KEY=VALUE of the server's config")
    args = options.parse_args()
    if grpc is None:
        if not args.peer_python or os.environ.get("FLUKE_HOSTILE_AGAIN"):
            options.error("--peer-python with grpcio and protobuf is needed")
        os.environ["FLUKE_HOSTILE_AGAIN"] = "1"
        os.execv(args.peer_python, [args.peer_python, "-B", __file__, *sys.argv[1:]])
    import hostile_inputs
    import soak

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    bench = common.Bench(args)
    index = bench.work / "index"
    bench.fluke("index", "build", "--embeddings", soak.write_gallery(bench.work / "gallery", 2000, DIMENSION), "--out", index)
    model, listed = soak.make_model(bench, DIMENSION)
    photograph = pathlib.Path(listed.read_text().split("\n")[0]).read_bytes()
    sets = [f"data={bench.work / 'data'}", *args.set]
    http_address = None
    if args.http:
        http_address = ("127.0.0.1", free_port())
        sets.append("http_listen=127.0.0.1:%d" % http_address[1])
    # As a shell starts it: the limit of open files that it finds is its own affair.
    log = bench.work / "server.log"
    server = ServerProcess(args.fluke, "--model", model, "--index", index, *(w for s in sets for w in ("--set", s)), log=log)
    contracts = hostile_inputs.Contracts(common.ROOT / "proto")
    attack = Attack(args, bench, server, contracts, http_address)
    before = server.memory_mb()
    memory, descriptors = [], [server.descriptors()]
    for round_number in range(args.rounds):
        attack.round(contracts, photograph, round_number)
        if not server.is_up():
            break
        time.sleep(QUIET_S)
        memory.append(server.memory_mb())
        descriptors.append(server.descriptors())
        say(f"round {round_number + 1}: {attack.tally.inputs} inputs, resident {memory[-1][0]:.1f} MB, anonymous {memory[-1][1]:.1f} MB, "
            f"{descriptors[-1]} descriptors, amiss {len(attack.tally.amiss)}")
    stayed_up = server.is_up()
    begin = time.monotonic()
    try:
        exit_code = server.stop()
    except subprocess.TimeoutExpired:
        exit_code = "none within a minute"
    growth = memory[-1][0] - memory[(args.rounds - 1) // 2][0] if len(memory) == args.rounds > 1 else None
    tally = attack.tally
    passed = stayed_up and not tally.amiss and exit_code == 0 and (growth is None or growth <= args.max_growth)
    if not passed:
        say(log.read_text(errors="replace")[-3000:])
    bench.close()
    common.emit("hostile", passed=passed, inputs=tally.inputs, good_queries=tally.good_queries, stayed_up=stayed_up, amiss=tally.amiss,
                rss_mb_before=round(before[0], 1), rss_mb_after_each_round=[round(m[0], 1) for m in memory],
                anonymous_mb_after_each_round=[round(m[1], 1) for m in memory], growth_mb=None if growth is None else round(growth, 1), descriptors=descriptors,
                stop_exit_code=exit_code, stop_s=round(time.monotonic() - begin, 1), statuses={k: dict(v) for k, v in sorted(tally.statuses.items())})
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
