#!/usr/bin/env python3
"""Building indexes of more vectors than memory should hold: time, and what of the process's memory is its own.

Makes --count x --dim clustered vectors on disk (by default 10 million x 256, or as many as leave --free-gb of the disk) and builds
each factory with `fluke index build`, or with large_build_bench where there is no such program. While it runs, /proc says how much
of it is anonymous memory (rss_anon: what cannot be dropped) and how much are mapped pages of files (rss_file: the system's cache).
"""
import pathlib
import shutil
import subprocess
import sys
import time

import common

FACTORIES = ("Flat", "IVF,Codes", "IVF1024,PQ32x4fs,RFlat")
SAMPLE_S = 0.05


def memory_bytes(pid):
    """The kernel's figures of a process by name, e.g. RssAnon; none of one that has ended."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    fields = (line.split() for line in lines if line.endswith(" kB"))
    return {words[0].rstrip(":"): 1024 * int(words[1]) for words in fields}


def run_and_watch(command):
    """Seconds, and the peaks of what it had resident."""
    print("+", *command, file=sys.stderr, flush=True)
    begin = time.perf_counter()
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL)
    peaks = {}
    while process.poll() is None:
        for name, value in memory_bytes(process.pid).items():
            peaks[name] = max(peaks.get(name, 0), value)
        time.sleep(SAMPLE_S)
    if process.returncode != 0:
        raise SystemExit(f"failed: {command}")
    return {"seconds": round(time.perf_counter() - begin, 1), "peak_rss_anon": peaks["RssAnon"],
            "peak_rss_file": peaks["RssFile"], "peak_rss": peaks["VmHWM"]}


def folder_bytes(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main():
    options = common.parser(__doc__)
    options.add_argument("--program", help="large_build_bench; default: the release build's")
    options.add_argument("--count", type=int, default=10_000_000)
    options.add_argument("--dim", type=int, default=256)
    options.add_argument("--factories", nargs="+", default=FACTORIES)
    options.add_argument("--free-gb", type=float, default=25, help="of the disk, that must stay free")
    args = options.parse_args()
    program = pathlib.Path(args.program or pathlib.Path(args.fluke).parent / "tests" / "large_build_bench")
    bench = common.Bench(args)
    # The input, what waits for the commit, the index, and room for codes and items.
    room = shutil.disk_usage(bench.work).free - args.free_gb * 1e9
    count = min(args.count, int(room / (3.5 * 4 * args.dim)))
    if count < 1:
        raise SystemExit(f"no room: {args.free_gb} GB of the disk must stay free")
    embeddings, index = bench.work / "embeddings", bench.work / "index"
    run_and_watch([program, "make", embeddings, count, args.dim])
    builds = {}
    for factory in args.factories:
        shutil.rmtree(index, ignore_errors=True)
        if pathlib.Path(args.fluke).exists():
            command = [args.fluke, "index", "build", "--embeddings", embeddings, "--out", index, "--factory", factory]
        else:
            command = [program, "build", embeddings, index, factory]
        builds[factory] = run_and_watch(command) | {"index_bytes": folder_bytes(index)}
        print(factory, builds[factory], file=sys.stderr, flush=True)
    input_bytes = folder_bytes(embeddings)
    for folder in (embeddings, index):
        shutil.rmtree(folder)
    bench.close()
    common.emit("large_build", count=count, dim=args.dim, input_bytes=input_bytes, builds=builds)


if __name__ == "__main__":
    main()
