#!/usr/bin/env python3
"""Search on a GPU beside the CPU of the same machine, FAISS's own GPU indexes and torch's product and topk.

Wants a build with FLUKE_CUDA=1 and, as --peer-python, a Python with numpy and a torch for CUDA. Data: the peers' clustered vectors
(vectors.py). Times take the queries' way to the GPU and the results' way back along. 1,024 queries, as one batch too.
"""
import json
import pathlib
import subprocess
import sys

import common

DATASETS = {"200k_x_512": (200000, 512, "IVF1024,PQ64"), "2m_x_256": (2000000, 256, "IVF4096,PQ32")}
QUERIES = 1024
NPROBES = (1, 4, 16, 64)
RECALL = """
import pathlib, sys, numpy as np
truth = np.load(sys.argv[1])
for name in sys.argv[2:]:
    found = np.fromfile(name, np.int32).reshape(len(truth), -1)
    print(pathlib.Path(name).stem, np.mean([len(np.intersect1d(f, t)) / t.size for f, t in zip(found, truth)]))
"""
TORCH = """
import json, statistics, sys, time, numpy as np, torch
base, queries = (torch.from_numpy(np.load(name)) for name in sys.argv[1:3])
def median_ms(call):
    taken = []
    for i in range(220):
        begin = time.perf_counter()
        call(i)
        taken.append(1e3 * (time.perf_counter() - begin))
    return statistics.median(taken[20:])
def best_rate(call, count):
    call()
    best, end = 1e30, time.perf_counter() + 1
    while time.perf_counter() < end:
        begin = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - begin)
    return count / best
figures = {}
with torch.inference_mode():
    for name, kind in (("torch_gpu", torch.float32), ("torch_gpu_float16", torch.float16)):
        matrix = base.to("cuda", kind)
        search = lambda q: (q.to("cuda", kind) @ matrix.T).topk(20, dim=1).indices.cpu()
        figures[name] = {"nq1_ms": round(median_ms(lambda i: search(queries[i:i + 1])), 4),
                         "nq256_q_per_s": round(best_rate(lambda: search(queries[:256]), 256)),
                         f"nq{len(queries)}_q_per_s": round(best_rate(lambda: search(queries), len(queries)))}
        del matrix
print(json.dumps(figures))
"""


def output(command):
    command = [str(word) for word in command]
    print("+", *command[:1], *[w for w in command[1:] if "\n" not in w], file=sys.stderr, flush=True)
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def measure(program, python, folder, factory, nprobes):
    """The program's figures with recall@20 added to each."""
    out = folder / factory
    out.mkdir(exist_ok=True)
    result = json.loads(output([program, folder / "base.npy", folder / "queries.npy", "ip", out, factory, *nprobes]).splitlines()[-1])
    for line in output([python, "-c", RECALL, folder / "truth.npy", *sorted(out.glob("*.bin"))]).splitlines():
        name, recall = line.split()
        device, nprobe = name.rsplit(".", 1)
        result[device][nprobe]["recall_at_20"] = round(float(recall), 4)
    return result


def main():
    options = common.parser(__doc__)
    options.add_argument("--program", help="gpu_search_bench; default: the release build's")
    options.add_argument("--only", nargs="*", choices=DATASETS, default=list(DATASETS))
    options.add_argument("--flat-alone", action="store_true", help="leave the lists out")
    args = options.parse_args()
    if not args.peer_python:
        options.error("--peer-python is needed: the vectors are numpy's")
    program = args.program or pathlib.Path(args.fluke).parent / "tests" / "gpu_search_bench"
    bench = common.Bench(args)
    figures = {}
    for name in args.only:
        rows, dims, lists = DATASETS[name]
        folder = bench.work / name
        bench.peer("vectors.py", "clustered", "--save-vectors", folder, "--count", rows, "--dim", dims, "--queries", QUERIES)
        figures[name] = {"Flat": measure(program, args.peer_python, folder, "Flat", [])}
        if not args.flat_alone:
            figures[name][lists] = measure(program, args.peer_python, folder, lists, NPROBES)
        figures[name] |= json.loads(output([args.peer_python, "-c", TORCH, folder / "base.npy", folder / "queries.npy"]))
        print(name, json.dumps(figures[name]), file=sys.stderr, flush=True)
    bench.close()
    common.emit("gpu_search", **figures)


if __name__ == "__main__":
    main()
