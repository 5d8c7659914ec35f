#!/usr/bin/env python3
"""The server beside a Python service (peers/serve.py): queries a second and latency by gRPC, both in one go.

The same job: resnet18 at 224 x 224 with a 256-d head, 50,000 random unit vectors searched exactly, top 20; callers that ask one query
after the other on the same machine. Image queries are nyala photographs; the embedding cache is off. Ours is measured in float32 and in
bf16, which counts where it finds at least .99 of float32's top 20 among nyala's own embeddings; the peer likewise, its better figures
count whatever it finds. Weights are trained for some epochs on nyala's photographs, since with random ones (--epochs 0) all photographs
lie nearly at one point; the peer's are random, which costs it nothing. Needs --peer-python, whose numpy makes the vectors.
"""
import csv
import json
import re
import signal
import subprocess
import sys

import common

CONFIG = """\
data: {{manifest: {manifest}, val_fraction: 0}}
input: {{width: 224, height: 224}}
model: {{backbone: resnet18, pooling: avg, dim: 256}}
loss:
  arcface: {{scale: 16, margin_rad: 0.2}}
augment:
  - {{name: horizontal_flip, p: 0.5}}
  - {{name: random_resized_crop, p: 0.9, scale: [0.5, 1], ratio: [0.8, 1.25]}}
optimizer: {{name: adamw, lr: {lr}}}
schedule: {{final_lr: 0}}
train: {{epochs: {epochs}, max_steps: {max_steps}, batch_size: 32, precision: bf16}}
"""
VECTORS = """
import sys, pathlib, numpy as np
folder, rows = pathlib.Path(sys.argv[1]), int(sys.argv[2])
made = []
for name, count, seed in (("gallery", rows, 0), ("queries", 200, 1)):
    vectors = np.random.default_rng(seed).standard_normal((count, 256), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    (folder / name).mkdir(exist_ok=True)
    np.save(folder / name / "embeddings.npy", vectors)
    (folder / name / "items.csv").write_text("id\\n" + "".join(f"{i}\\n" for i in range(count)))
"""
CONCURRENCIES = (1, 8, 32)
BF16_OVERLAP = .99


class Server:
    def __init__(self, bench, *words):
        self.process = subprocess.Popen([bench.args.fluke, "serve", *map(str, words), "--listen", "127.0.0.1:0"],
                                        stdout=subprocess.PIPE, text=True)
        self.address = re.search(r"127\.0\.0\.1:\d+", self.process.stdout.readline())[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def load(bench, program, server, kind, file):
    figures = {}
    for concurrency in CONCURRENCIES:
        command = [program, server.address, kind, file, concurrency, 3, 12]
        print("+", *command, file=sys.stderr, flush=True)
        out = subprocess.run([str(w) for w in command], stdout=subprocess.PIPE, text=True, check=True).stdout
        figures[f"{kind}_c{concurrency}"] = json.loads(out)
    return figures


def top_20_overlap(bench, run, manifest):
    """Share of float32's neighbours that bf16's embeddings have too, of nyala's photographs."""
    rankings = {}
    for precision in ("fp32", "bf16"):
        bench.fluke("embed", "--model", run, "--data", manifest, "--out", bench.work / precision, "--precision", precision)
        bench.fluke("index", "build", "--embeddings", bench.work / precision, "--out", bench.work / f"{precision}_index")
        out = bench.work / f"{precision}.csv"
        bench.fluke("search", "--index", bench.work / f"{precision}_index", "--queries", bench.work / precision, "--out", out, "--exclude-self")
        found = rankings.setdefault(precision, {})
        with open(out, newline="") as file:
            for row in csv.DictReader(file):
                found.setdefault(row["query_id"], set()).add(row["id"])
    shares = [len(neighbors & rankings["bf16"][query]) / len(neighbors) for query, neighbors in rankings["fp32"].items()]
    return round(sum(shares) / len(shares), 4)


def best(figures, name):
    """Of some runs: the most queries a second, the least p99."""
    there = [f[name] for f in figures if f]
    return max(f["q_per_s"] for f in there), min(f["p99_ms"] for f in there)


def main():
    options = common.parser(__doc__)
    options.add_argument("--program", help="serve_load_bench; default: the release build's")
    options.add_argument("--rows", type=int, default=50000)
    options.add_argument("--epochs", type=int, default=8, help="of training; 0: random weights")
    args = options.parse_args()
    if not args.peer_python:
        options.error("--peer-python is needed: the vectors are numpy's")
    bench = common.Bench(args)
    program = args.program or common.ROOT / "build" / "tests" / "serve_load_bench"
    manifest = bench.data / "nyala" / "nyala_split.csv"
    lr, max_steps = (1e-3, 0) if args.epochs else (0, 1)
    (bench.work / "model.yaml").write_text(CONFIG.format(manifest=manifest, lr=lr, epochs=max(1, args.epochs), max_steps=max_steps))
    run = bench.work / "model"
    bench.fluke("train", bench.work / "model.yaml", "--run", run)
    subprocess.run([args.peer_python, "-c", VECTORS, str(bench.work), str(args.rows)], check=True)
    index = bench.work / "index"
    bench.fluke("index", "build", "--embeddings", bench.work / "gallery", "--out", index)
    with open(manifest, newline="") as file:
        photographs = [manifest.parent / row["path"] for row in csv.DictReader(file)][:200]
    (bench.work / "photographs.txt").write_text("".join(f"{path}\n" for path in photographs))

    figures = {"epochs": args.epochs, "top_20_overlap_bf16": top_20_overlap(bench, run, manifest)}
    for precision in ("fp32", "bf16"):
        with Server(bench, "--model", run, "--index", index, "--precision", precision, "--set", "embedding_cache_mb=0") as server:
            figures[f"fluke_{precision}"] = load(bench, program, server, "image", bench.work / "photographs.txt")
            # The network has no part in these: two runs, as the peer's.
            figures[f"fluke_{precision}"].update(load(bench, program, server, "vector", bench.work / "queries" / "embeddings.npy"))
    peers = {name: bench.peer("serve.py", "bench", "--rows", args.rows, *words) for name, words in (("fp32", []), ("bf16", ["--bf16"]))}
    figures.update({f"peer_{name}": peer for name, peer in peers.items()})
    if any(peers.values()):
        ours_of = {"vector": [figures["fluke_fp32"], figures["fluke_bf16"]],
                   "image": [figures["fluke_fp32"]] + [figures["fluke_bf16"]] * (figures["top_20_overlap_bf16"] >= BF16_OVERLAP)}
        for kind in ("vector", "image"):
            for concurrency in CONCURRENCIES:
                name = f"{kind}_c{concurrency}"
                ours = best(ours_of[kind], name)
                theirs = best(peers.values(), name)
                figures[f"{name}_times_the_peer"] = common.ratio(ours[0], theirs[0])
                figures[f"{name}_p99_of_the_peer"] = common.ratio(ours[1], theirs[1])
    bench.close()
    common.emit("serve_speed", **figures)


if __name__ == "__main__":
    main()
