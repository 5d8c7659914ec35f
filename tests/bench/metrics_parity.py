#!/usr/bin/env python3
"""The figures of `fluke evaluate` beside those of pytorch-metric-learning, ranx and OML (open-metric-learning) on one fixture: do they
agree wherever the definitions do?

The fixture: classes of six to twelve unit vectors, leave one out, no equal scores. Wants --peer-python with the peers' requirements
and `pip install --no-deps open-metric-learning`. Exits with 1 where a figure differs by more than --tolerance.
"""
import json
import pathlib
import subprocess
import sys

import common

# Ours by the peer's name. OML divides precision@k by min(k, relevant): the same as ours where every class has more than k others.
SAME = {
    "pml": {"precision_at_1": "recall@1", "r_precision": "r_precision", "mean_average_precision_at_r": "map@r",
            "mean_reciprocal_rank": "mrr"},
    "ranx": {"precision@5": "precision@5", "recall@5": "found@5", "hit_rate@5": "recall@5", "ndcg@10": "ndcg@10", "mrr": "mrr",
             "map": "map", "r-precision": "r_precision", "mrr@5": "mrr@5"},
    "oml": {"cmc@1": "cmc@1", "cmc@5": "cmc@5", "precision@1": "precision@1", "precision@5": "precision@5"},
}

PEERS = r"""
import importlib.metadata, json, sys
import numpy as np, torch
vectors, labels = np.load(sys.argv[1] + "/vectors.npy"), np.load(sys.argv[1] + "/labels.npy")
n = len(labels)
scores = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
np.fill_diagonal(scores, -np.inf)
order = np.argsort(-scores, axis=1)[:, :n - 1]
out = {"versions": {name: importlib.metadata.version(name) for name in ("pytorch-metric-learning", "ranx", "open-metric-learning")}}

from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
include = ("precision_at_1", "r_precision", "mean_average_precision_at_r", "mean_reciprocal_rank")
out["pml"] = AccuracyCalculator(include=include, k=n - 1, device=torch.device("cpu")).get_accuracy(
    torch.from_numpy(vectors), torch.from_numpy(labels))

from ranx import Qrels, Run, evaluate
qrels = Qrels({f"q{i}": {f"d{j}": 1 for j in np.flatnonzero(labels == labels[i]) if j != i} for i in range(n)})
run = Run({f"q{i}": {f"d{j}": float(scores[i, j]) for j in order[i]} for i in range(n)})
out["ranx"] = evaluate(qrels, run, ["precision@5", "recall@5", "hit_rate@5", "ndcg@10", "mrr", "mrr@5", "map", "r-precision"])

from oml.functional.metrics import calc_retrieval_metrics
found = [torch.from_numpy(row.copy()) for row in order]
truth = [torch.tensor([j for j in np.flatnonzero(labels == labels[i]) if j != i]) for i in range(n)]
oml = calc_retrieval_metrics(found, truth, cmc_top_k=(1, 5), precision_top_k=(1, 5), map_top_k=(), verbose=False)
out["oml"] = {f"{name}@{k}": float(value) for name, by_k in oml.items() for k, value in by_k.items()}
print(json.dumps(out, default=float))
"""


def write_fixture(folder, python):
    """The vectors, made by the peers' numpy, as both sides read them."""
    make = r"""
import sys, numpy as np
rng = np.random.default_rng(7)
labels = np.repeat(np.arange(60), rng.integers(6, 13, 60))
vectors = rng.standard_normal((60, 16))[labels] + 1.4 * rng.standard_normal((len(labels), 16))
vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
np.save(sys.argv[1] + "/vectors.npy", vectors.astype(np.float32))
np.save(sys.argv[1] + "/labels.npy", labels)
open(sys.argv[1] + "/items.csv", "w").write("id,identity,path\n" + "".join(f"d{i},c{l},d{i}.jpg\n" for i, l in enumerate(labels)))
"""
    subprocess.run([python, "-c", make, str(folder)], check=True)


def main():
    options = common.parser(__doc__)
    options.add_argument("--tolerance", type=float, default=1e-6)
    args = options.parse_args()
    if not args.peer_python:
        sys.exit("needs --peer-python")
    bench = common.Bench(args)
    folder = pathlib.Path(bench.work)
    write_fixture(folder, args.peer_python)
    names = sorted({name for row in SAME.values() for name in row.values()})
    ours = bench.fluke_json("evaluate", "--embeddings", folder / "vectors.npy", "--items", folder / "items.csv", "--metrics",
                            ",".join(names))["metrics"]
    peers = json.loads(subprocess.run([args.peer_python, "-c", PEERS, str(folder)], stdout=subprocess.PIPE, text=True,
                                      check=True).stdout.splitlines()[-1])
    bench.close()
    compared = {f"{peer} {name}": {"ours": ours[mine], "theirs": peers[peer][name]}
                for peer, row in SAME.items() for name, mine in row.items()}
    different = {name: pair for name, pair in compared.items() if abs(pair["ours"] - pair["theirs"]) > args.tolerance}
    largest = max(abs(pair["ours"] - pair["theirs"]) for pair in compared.values())
    common.emit("metrics_parity", versions=peers["versions"], figures_compared=len(compared), largest_difference=largest,
                tolerance=args.tolerance, different=different, agree=not different)
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
