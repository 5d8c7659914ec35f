#!/usr/bin/env python3
"""Approximate search beside the peers: recall@20 against queries a second, one thread and two, ours and theirs in one go.

Data: the peers' own (vectors.py): clustered 200,000 x 512 by inner product, Fashion-MNIST's pixels by L2. Ours is the preset `fast`; its
curve runs over nprobe, theirs over their own knobs. For each wanted recall, the most queries a second of any point that reaches it.
The other presets are measured as their commit tuned them.
Needs --peer-python, whose numpy makes the vectors.
"""
import json
import pathlib
import shutil
import subprocess
import sys

import common

DATASETS = {"clustered": ("clustered", 200000, 512, "ip"), "fashion": ("fashion", 60000, 784, "l2")}
WANTED = (0.9, 0.95, 0.99)


def ours(bench, program, name, dataset, count, dim, metric, presets, threads):
    """figures of each preset, with a curve for the first"""
    folder = bench.work / name
    bench.peer("vectors.py", dataset, "--save-vectors", folder, "--count", count, "--dim", dim)
    figures = {}
    for preset in presets:
        points = "tuned" if figures else "curve"
        command = [program, folder / "base.npy", folder / "queries.npy", metric, folder / "index", preset, points, *threads]
        print("+", *command, file=sys.stderr, flush=True)
        out = subprocess.run([str(w) for w in command], stdout=subprocess.PIPE, text=True, check=True).stdout
        figures[preset] = json.loads(out.strip().splitlines()[-1])
    shutil.rmtree(folder)
    return figures


def best(curve, wanted, threads):
    reached = [p[f"q_per_s_{threads}t"] for p in curve if p["recall_at_20"] >= wanted]
    return max(reached) if reached else None


def main():
    options = common.parser(__doc__)
    options.add_argument("--program", help="approximate_search_bench; default: the release build's")
    options.add_argument("--presets", nargs="+", default=["fast", "compact", "tiny"],
                         help="or factory strings; the first gets a curve")
    options.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options.add_argument("--peers-run", nargs="*", default=["faiss-ivfpq", "faiss-hnsw", "hnswlib", "usearch-hnsw"])
    options.add_argument("--only", nargs="*", choices=list(DATASETS), default=list(DATASETS))
    args = options.parse_args()
    if not args.peer_python:
        options.error("--peer-python is needed: the vectors are numpy's")
    program = args.program or pathlib.Path(args.fluke).parent / "tests" / "approximate_search_bench"
    bench = common.Bench(args)
    figures = {}
    for name in args.only:
        dataset, count, dim, metric = DATASETS[name]
        presets = ours(bench, program, name, dataset, count, dim, metric, args.presets, args.threads)
        mine = presets[args.presets[0]]
        result = {"fluke": presets}
        for engine in args.peers_run:
            result[engine] = bench.peer("search.py", engine, "--dataset", dataset, "--count", count, "--dim", dim,
                                        "--search-threads", *args.threads)
        curves = {engine: result[engine]["curve"] for engine in args.peers_run if result[engine]}
        for wanted in WANTED:
            for threads in args.threads:
                rates = {engine: best(curve, wanted, threads) for engine, curve in curves.items()}
                fastest = max((rate for rate in rates.values() if rate), default=None)
                own = best(mine["curve"], wanted, threads)
                result[f"recall_{wanted}_threads_{threads}"] = {
                    "fluke": own, **rates, "times_the_best_peer": common.ratio(own, fastest) if own else None}
        print(name, json.dumps(result), file=sys.stderr, flush=True)
        figures[name] = result
    bench.close()
    common.emit("approximate_search", **figures)


if __name__ == "__main__":
    main()
