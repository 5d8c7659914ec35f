#!/usr/bin/env python3
"""How long the program takes before it begins: median seconds and peak memory of verbs that have nothing to do, with LibTorch
(`fluke list`) and without (`fluke search --help`), beside a Python that imports what a peer's script of the same kind imports.
"""
import resource
import statistics
import subprocess
import sys
import time

import common

OURS = {"search": ["search", "--help"], "evaluate": ["evaluate", "--help"], "query": ["query", "--help"],
        "with_libtorch": ["list", "metrics"]}
PEERS = {"faiss_search": "import numpy, faiss", "pml_evaluate": "import torch, pytorch_metric_learning.utils.accuracy_calculator",
         "grpc_query": "import grpc, numpy"}


def measured(command, rounds):
    """Median seconds, and the largest peak resident MB of any child so far: commands come smallest first."""
    seconds = []
    for _ in range(rounds):
        begin = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        seconds.append(time.perf_counter() - begin)
    return {"seconds": round(statistics.median(seconds), 3),
            "peak_mb": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, 1)}


def main():
    options = common.parser(__doc__)
    options.add_argument("--rounds", type=int, default=11)
    args = options.parse_args()
    figures = {name: measured([args.fluke, *words], args.rounds) for name, words in OURS.items()}
    if args.peer_python:
        for name, code in PEERS.items():
            figures[name] = {"seconds": measured([args.peer_python, "-c", code], args.rounds)["seconds"]}
    else:
        print("no --peer-python: only ours is measured", file=sys.stderr)
    common.emit("start_time", **figures)


main()
