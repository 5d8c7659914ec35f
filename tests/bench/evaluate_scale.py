#!/usr/bin/env python3
"""Retrieval evaluation of many embeddings: seconds and peak memory beside PML's AccuracyCalculator and ranx.

  pml    --count x --dim embeddings with 20 of each class, each against all others: precision@1, R-precision, MAP@R. The same kind
         of vectors as the peer's: random class centres, noise of twice their size.
  ranx   MAP@20 and nDCG@20 of 100,000 rankings of 20, each with up to five relevant documents; the peer's time is with its Qrels
         and Run made, as ours is with both files read.
  large  --large x --large-dim, top 100 (map@100, recall@1, precision@10): ours alone, peak resident memory against the embeddings'
         own size. --peer-large runs PML on the same number, which takes about as many times longer as there are more pairs.

Ours is measured as a whole process, reading the files included; the peer's seconds leave out its imports and its vectors' making.
Needs numpy for the vectors (--peer-python's does): without it nothing is run.
"""
import json
import pathlib
import re
import subprocess
import sys
import time

import common

DRAW = r"""
import sys, numpy as np
count, dim, per_class, path = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
rng = np.random.default_rng(0)
labels = np.arange(count) // per_class
centres = rng.standard_normal((labels[-1] + 1, dim), np.float32)
out = np.lib.format.open_memmap(path + "/embeddings.npy", "w+", np.float32, (count, dim))
for begin in range(0, count, 20000):
    block = labels[begin:begin + 20000]
    rows = centres[block] + 2 * rng.standard_normal((len(block), dim), np.float32)
    out[begin:begin + len(block)] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
out.flush()
with open(path + "/items.csv", "w") as items:
    items.write("id,identity\n")
    items.writelines(f"{i},w{label}\n" for i, label in enumerate(labels))
"""

# The same draws as the peer's script makes, as trec files.
RANKINGS = r"""
import sys, numpy as np
queries, path = int(sys.argv[1]), sys.argv[2]
rng = np.random.default_rng(0)
documents, depth = 200_000, 20
hits = rng.integers(0, documents, (queries, depth + 8))
with open(path + "/qrels", "w") as qrels, open(path + "/run", "w") as run:
    for q in range(queries):
        for d in rng.choice(np.unique(hits[q]), rng.integers(1, 6), replace=False):
            qrels.write(f"q{q} 0 d{d} 1\n")
    for q in range(queries):
        for i, d in enumerate(dict.fromkeys(hits[q][:depth].tolist())):
            run.write(f"q{q} Q0 d{d} {i + 1} {depth - i} random\n")
"""


def measured(bench, *words):
    """Runs the program once: its JSON, seconds and peak resident MB."""
    command = ["/usr/bin/env", "python3", "-c",
               "import resource,subprocess,sys;code=subprocess.call(sys.argv[1:]);"
               "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss,file=sys.stderr);sys.exit(code)",
               str(bench.args.fluke), *map(str, words), "--json"]
    print("+ fluke", *words, file=sys.stderr, flush=True)
    begin = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    seconds = time.perf_counter() - begin
    if done.returncode != 0:
        sys.exit(done.stderr)
    peak_kb = int(re.findall(r"^\d+$", done.stderr, re.M)[-1])
    return {"metrics": json.loads(done.stdout)["metrics"], "wall_s": round(seconds, 2), "peak_rss_mb": round(peak_kb / 1024, 1)}


def peer(bench, *words):
    """The peer's last line; its script takes no --data-dir."""
    command = [bench.args.peer_python, str(pathlib.Path(bench.args.peers) / "evaluate.py"), *map(str, words)]
    print("+ peer", *words, file=sys.stderr, flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        print(f"the peer failed: {command}", file=sys.stderr, flush=True)
        return None
    return json.loads(done.stdout.strip().splitlines()[-1])


def draw(bench, count, dim):
    folder = bench.work / f"vectors_{count}x{dim}"
    folder.mkdir(exist_ok=True)
    if not (folder / "items.csv").exists():
        subprocess.run([bench.args.peer_python, "-c", DRAW, str(count), str(dim), str(bench.args.per_class), str(folder)], check=True)
    return folder


def against(ours, theirs, their_seconds):
    return {"times_as_fast": common.ratio(their_seconds, ours["wall_s"]),
            "memory_to_peer": common.ratio(ours["peak_rss_mb"], theirs["peak_rss_mb"])}


def embeddings(bench, count, dim, with_peer):
    args = bench.args
    folder = draw(bench, count, dim)
    figures = {"count": count, "dim": dim, "embeddings_mb": round(count * dim * 4 / 2**20, 1),
               "ours": measured(bench, "evaluate", "--embeddings", folder, "--metrics", "recall@1,r_precision,map@r")}
    if with_peer:
        theirs = peer(bench, "pml", "--count", count, "--dim", dim, "--per-class", args.per_class)
        if theirs is not None:
            figures["pml"] = theirs
            figures.update(against(figures["ours"], theirs, theirs["wall_s"]))
    return figures


def rankings(bench):
    folder = bench.work / "rankings"
    folder.mkdir(exist_ok=True)
    subprocess.run([bench.args.peer_python, "-c", RANKINGS, str(bench.args.queries), str(folder)], check=True)
    figures = {"ours": measured(bench, "evaluate", "--run", folder / "run", "--qrels", folder / "qrels",
                                "--metrics", "map_cut_20,ndcg_cut_20")}
    theirs = peer(bench, "ranx", "--queries", bench.args.queries)
    if theirs is not None:
        figures["ranx"] = theirs
        figures.update(against(figures["ours"], theirs, theirs["build_s"] + theirs["evaluate_s"][0]))
        figures["times_as_fast_as_its_third_evaluation_alone"] = common.ratio(theirs["evaluate_s"][-1], figures["ours"]["wall_s"])
    return figures


def large(bench):
    args = bench.args
    folder = draw(bench, args.large, args.large_dim)
    size_mb = args.large * args.large_dim * 4 / 2**20
    ours = measured(bench, "evaluate", "--embeddings", folder, "--metrics", "map@100,recall@1,precision@10")
    return {"count": args.large, "dim": args.large_dim, "embeddings_mb": round(size_mb, 1), "ours": ours,
            "memory_to_embeddings": round(ours["peak_rss_mb"] / size_mb, 3)}


def main():
    options = common.parser(__doc__)
    options.add_argument("--count", type=int, default=60000)
    options.add_argument("--dim", type=int, default=128)
    options.add_argument("--per-class", type=int, default=20)
    options.add_argument("--queries", type=int, default=100000, help="rankings for ranx")
    options.add_argument("--large", type=int, default=0, help="450000 for the full size; 0: not run")
    options.add_argument("--large-dim", type=int, default=512)
    options.add_argument("--peer-large", action="store_true")
    options.add_argument("--only", choices=["pml", "ranx", "large"])
    args = options.parse_args()
    if not args.peer_python:
        options.error("needs --peer-python: numpy draws the vectors")
    bench = common.Bench(args)
    figures = {}
    if args.only in (None, "pml"):
        figures["pml"] = embeddings(bench, args.count, args.dim, with_peer=True)
    if args.only in (None, "ranx"):
        figures["ranx"] = rankings(bench)
    if args.large and args.only in (None, "large"):
        figures["large"] = large(bench)
        if args.peer_large:
            figures["large_pml"] = embeddings(bench, args.large, args.large_dim, with_peer=True)
    bench.close()
    common.emit("evaluate_scale", **figures)


if __name__ == "__main__":
    main()
