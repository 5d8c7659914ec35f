#!/usr/bin/env python3
"""Minutes of mixed load, a swap every 30 s, then SIGKILL in the midst of it: does any call fail, does memory grow, is anything lost?

Callers search (vectors, items, photographs), look up, upsert, update and delete, each one call after the other, while the collection is
snapshotted and reloaded every --swap-s seconds (where the server can; compactions in the background come anyway). Passes when no call failed but
those refused with RESOURCE_EXHAUSTED, every answer was what had been acknowledged before, resident memory over the last two thirds has
a slope below --max-slope MB a minute, and after the kill the server that is started again has every item exactly as acknowledged last,
and none of those that were deleted. Exit code 1 where it does not pass.
"""
import array
import json
import random
import subprocess
import sys
import time

import common
from server_process import MemoryWatch, ServerProcess, say, slope_a_minute

MODEL = """\
data: {{manifest: {manifest}, val_fraction: 0}}
input: {{width: 64, height: 48}}
model: {{backbone: conv4, width: 16, dim: {dimension}}}
loss: {{arcface: 1}}
train: {{epochs: 1, max_steps: 4, batch_size: 16}}
"""


def write_gallery(folder, rows, dimension):
    """Random vectors, owner "base"; the index makes unit vectors of them."""
    folder.mkdir()
    draw = random.Random(1)
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }" % (rows, dimension)
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    with open(folder / "embeddings.npy", "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode())
        for _ in range(rows):
            vector = [draw.gauss(0, 1) for _ in range(dimension)]
            norm = sum(v * v for v in vector) ** 0.5
            array.array("f", [v / norm for v in vector]).tofile(file)
    lines = ["id,identity,path,owner", *(f"b{i},base {i // 4},b{i}.jpg,base" for i in range(rows))]
    (folder / "items.csv").write_text("\n".join(lines) + "\n")
    return folder


def make_model(bench, dimension):
    """An (almost) untrained network, and a list of photographs."""
    flukes = bench.work / "flukes"
    bench.fluke("data", "synth", "--out", flukes, "--identities", 20, "--photos", 4, "--size", 128)
    config = bench.work / "model.yaml"
    config.write_text(MODEL.format(manifest=flukes / "manifest.csv", dimension=dimension))
    bench.fluke("train", config, "--run", bench.work / "model")
    photographs = sorted(p for p in flukes.rglob("*") if p.suffix in (".png", ".jpg"))
    listed = bench.work / "photographs.txt"
    listed.write_text("".join(f"{p}\n" for p in photographs))
    return bench.work / "model", listed


def main():
    options = common.parser(__doc__)
    options.add_argument("--program", help="soak_load_bench; default: the release build's")
    options.add_argument("--minutes", type=float, default=10)
    options.add_argument("--callers", type=int, default=8)
    options.add_argument("--items", type=int, default=1000, help="that each caller changes")
    options.add_argument("--rows", type=int, default=20000, help="of the gallery that nobody changes")
    options.add_argument("--dimension", type=int, default=64)
    options.add_argument("--swap-s", type=float, default=30)
    options.add_argument("--max-slope", type=float, default=1.0, help="MB a minute")
    args = options.parse_args()
    bench = common.Bench(args)
    program = args.program or common.ROOT / "build" / "tests" / "soak_load_bench"
    index = bench.work / "index"
    gallery = write_gallery(bench.work / "gallery", args.rows, args.dimension)
    bench.fluke("index", "build", "--embeddings", gallery, "--out", index)
    model, photographs = make_model(bench, args.dimension)
    serve = ("--model", model, "--index", index)

    server = ServerProcess(args.fluke, *serve, log=bench.work / "server.log")
    load = subprocess.Popen([str(program), server.address, str(args.dimension), str(args.callers), str(args.items), str(args.swap_s),
                             str(photographs)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    hear = lambda: json.loads(load.stdout.readline() or "{}")
    if not hear().get("filled"):
        server.kill()
        raise SystemExit("the load did not begin")
    watch = MemoryWatch(server)
    end = time.monotonic() + 60 * args.minutes
    while time.monotonic() < end and server.is_up() and load.poll() is None:
        time.sleep(1)
        if watch.samples and len(watch.samples) % 30 == 0:
            say("%4.0f s  resident %.1f MB, anonymous %.1f MB" % watch.samples[-1])
    stayed_up = server.is_up()
    samples = watch.stop()
    load.stdin.write("ending\n")
    load.stdin.flush()
    time.sleep(1)  # the kill meets calls under way
    server.kill()
    report = hear()

    server = ServerProcess(args.fluke, *serve, log=bench.work / "server.log")
    load.stdin.write(f"verify {server.address}\n")
    load.stdin.flush()
    kept = hear()
    load.wait()
    server.stop()

    later = samples[len(samples) // 3:]
    slope, slope_anonymous = slope_a_minute(later, 1), slope_a_minute(later, 2)
    gallery_right = kept.get("gallery") == args.rows + kept.get("items_there", -1)
    passed = (stayed_up and report.get("failed") == 0 and report.get("wrong_answers") == 0 and slope <= args.max_slope and
              kept.get("items_amiss") == 0 and gallery_right)
    bench.close()
    common.emit("soak", passed=passed, minutes=args.minutes, stayed_up=stayed_up, load=report, after_kill=kept, gallery_right=gallery_right,
                rss_mb_first=round(samples[0][1], 1), rss_mb_at_a_third=round(later[0][1], 1), rss_mb_last=round(samples[-1][1], 1),
                rss_mb_max=round(max(s[1] for s in samples), 1), rss_slope_mb_a_minute=round(slope, 3),
                anonymous_slope_mb_a_minute=round(slope_anonymous, 3),
                p99_during_swaps_of_beside=common.ratio(report.get("p99_ms_during_swaps", 0), report.get("p99_ms", 0)))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
