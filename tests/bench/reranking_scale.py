#!/usr/bin/env python3
"""k-reciprocal re-ranking and diffusion in a gallery of 50,000 x 256: seconds to prepare, milliseconds a query, and how much memory.

The gallery: 10,000 individuals of 5 photographs, unit vectors (noise of a recorded pool around a direction of their own), each query one of
them with itself left out. The N x N matrices of the usual implementation would take 10 GB each. No peer: there is none that does it here.
"""
import array
import os
import random
import shutil
import subprocess
import sys
import time

import common

PIPELINES = {
    "none": "steps: []",
    "k_reciprocal": "steps: [{k_reciprocal: {}}]",
    "diffusion": "steps: [{diffusion: {}}]",
    "database_augmentation": "steps: [{database_augmentation: {}}]",
}
NOISE = 0.9  # in lengths of a direction: neighbours of other individuals come in between


def write_embeddings(folder, vectors, identities, dimension):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }" % (len(identities), dimension)
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    with open(folder / "embeddings.npy", "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode())
        for vector in vectors:
            array.array("f", vector).tofile(file)
    lines = ["id,identity,path", *(f"p{i},w{identity},p{i}.jpg" for i, identity in identities)]
    (folder / "items.csv").write_text("\n".join(lines) + "\n")


def draw(items, dimension, seed=5):
    """Unit vectors, item by item; item i is of individual i // 5."""
    rng = random.Random(seed)
    pool = [rng.gauss(0, dimension ** -0.5) for _ in range(1 << 20)]
    stretch = lambda: pool[(at := rng.randrange(len(pool) - dimension)):at + dimension]
    for item in range(items):
        if item % 5 == 0:
            centre = stretch()
        vector = [c + NOISE * n for c, n in zip(centre, stretch())]
        length = sum(v * v for v in vector) ** 0.5
        yield [v / length for v in vector]


def measured(command):
    """Seconds and peak resident MB of a process."""
    begin = time.perf_counter()
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command}: exit code {process.returncode}")
    return time.perf_counter() - begin, usage.ru_maxrss / 1024


def main():
    options = common.parser(__doc__)
    options.add_argument("--items", type=int, default=50_000)
    options.add_argument("--dimension", type=int, default=256)
    options.add_argument("--queries", type=int, default=2_000)
    args = options.parse_args()
    bench = common.Bench(args)
    vectors = list(draw(args.items, args.dimension))
    gallery, one, many = (bench.work / name for name in ("scale_gallery", "scale_one", "scale_many"))
    write_embeddings(gallery, vectors, [(i, i // 5) for i in range(args.items)], args.dimension)
    asked = range(0, args.items, max(1, args.items // args.queries))
    for folder, rows in ((one, asked[:1]), (many, asked)):
        write_embeddings(folder, (vectors[i] for i in rows), [(i, i // 5) for i in rows], args.dimension)
    del vectors
    index = bench.work / "scale_index"
    bench.fluke("index", "build", "--embeddings", gallery, "--out", index, "--replace")
    figures = {}
    for name, yaml in PIPELINES.items():
        file = bench.work / f"{name}.yaml"
        file.write_text(yaml + "\n")
        ranking = bench.work / "scale_ranking.csv"
        command = [args.fluke, "search", "--index", index, "--pipeline", file, "--exclude-self", "-k", 20, "--out", ranking]
        prepare_s, _ = measured([*command, "--queries", one])
        all_s, peak_mb = measured([*command, "--queries", many])
        report = bench.fluke_json("evaluate", "--ranking", ranking, "--gallery", gallery, "--metrics", "recall@1,recall@5")
        figures[name] = {"prepare_s": round(prepare_s, 2), "ms_a_query": round(1000 * (all_s - prepare_s) / (len(asked) - 1), 2),
                         "peak_mb": round(peak_mb), "recall@1": round(report["metrics"]["recall@1"], 4)}
    bench.close()
    common.emit("reranking_scale", items=args.items, dimension=args.dimension, queries=len(asked),
                embeddings_mb=round(args.items * args.dimension * 4 / 2 ** 20), n_by_n_mb=round(args.items ** 2 * 4 / 2 ** 20),
                cores=os.cpu_count(), **figures)


main()
