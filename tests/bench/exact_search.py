#!/usr/bin/env python3
"""Exact search beside the peers: one query and batches of 256, one thread and two, ours, FAISS's and torch's in one go.

Data: the peers' own (vectors.py): clustered 200,000 x 512 by inner product, Fashion-MNIST's pixels by L2, and with --large
2 million x 256. Needs --peer-python, whose numpy makes the vectors. Ratios compare with the faster peer of the same run.
"""
import json
import pathlib
import shutil
import subprocess
import sys

import common

DATASETS = {"clustered": ("clustered", 200000, 512, "ip"), "fashion": ("fashion", 60000, 784, "l2")}
LARGE = {"clustered_2m": ("clustered", 2000000, 256, "ip")}
SHARE_OF_TRUTH = """
import sys, numpy as np
found, truth = np.fromfile(sys.argv[1], np.int32).reshape(-1, 20), np.load(sys.argv[2])
print(np.mean([len(np.intersect1d(f, t)) / 20 for f, t in zip(found, truth)]))
"""


def ours(bench, program, name, dataset, count, dim, metric, threads):
    folder = bench.work / name
    bench.peer("vectors.py", dataset, "--save-vectors", folder, "--count", count, "--dim", dim)
    found = folder / "found.bin"
    command = [program, folder / "base.npy", folder / "queries.npy", metric, folder / "index", found, *threads]
    print("+", *command, file=sys.stderr, flush=True)
    out = subprocess.run([str(w) for w in command], stdout=subprocess.PIPE, text=True, check=True).stdout
    figures = json.loads(out.strip().splitlines()[-1])
    share = subprocess.run([bench.args.peer_python, "-c", SHARE_OF_TRUTH, str(found), str(folder / "truth.npy")],
                           stdout=subprocess.PIPE, text=True, check=True).stdout
    figures["recall_at_20_of_numpys_truth"] = round(float(share), 5)
    shutil.rmtree(folder)
    return figures


def main():
    options = common.parser(__doc__)
    options.add_argument("--program", help="exact_search_bench; default: the release build's")
    options.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options.add_argument("--peers-run", nargs="*", default=["faiss-flat", "torch"])
    options.add_argument("--only", nargs="*", help=f"of {[*DATASETS, *LARGE]}")
    options.add_argument("--large", action="store_true")
    args = options.parse_args()
    if not args.peer_python:
        options.error("--peer-python is needed: the vectors are numpy's")
    program = args.program or pathlib.Path(args.fluke).parent / "tests" / "exact_search_bench"
    bench = common.Bench(args)
    chosen = {name: data for name, data in {**DATASETS, **(LARGE if args.large or args.only else {})}.items()
              if not args.only or name in args.only}
    figures = {}
    for name, (dataset, count, dim, metric) in chosen.items():
        figures[name] = result = {"fluke": ours(bench, program, name, dataset, count, dim, metric, args.threads)}
        for engine in args.peers_run:
            result[engine] = bench.peer("search.py", engine, "--dataset", dataset, "--count", count, "--dim", dim,
                                        "--search-threads", *args.threads)
        for threads in (f"threads_{t}" for t in args.threads):
            mine = result["fluke"][threads]
            theirs = [result[engine][threads] for engine in args.peers_run if result[engine]]
            if theirs:
                result[f"{threads}_times_the_best_peer"] = {
                    "nq1": common.ratio(min(t["nq1_ms"] for t in theirs), mine["nq1_ms"]),
                    "nq256": common.ratio(mine["nq256_q_per_s"], max(t["nq256_q_per_s"] for t in theirs))}
        print(name, json.dumps(result), file=sys.stderr, flush=True)
    bench.close()
    common.emit("exact_search", **figures)


if __name__ == "__main__":
    main()
