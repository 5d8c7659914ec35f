#!/usr/bin/env python3
"""kill -9 at random moments of a training, --resume until it ends: are model.safetensors, metrics.csv and the best checkpoint the bytes
of the run that was left alone?"""
import hashlib
import random
import subprocess
import time

import common

FILES = ("model.safetensors", "metrics.csv", "checkpoint/best.safetensors", "checkpoint/last.safetensors")


def digests(run):
    return {name: hashlib.sha256((run / name).read_bytes()).hexdigest() for name in FILES}


def main():
    options = common.parser(__doc__)
    options.add_argument("--kills", type=int, default=5)
    options.add_argument("--seed", type=int, default=0)
    args = options.parse_args()
    bench = common.Bench(args)
    flukes = bench.work / "flukes"
    bench.fluke("data", "synth", "--out", flukes, "--identities", 30, "--photos", 6)
    # Held-out individuals, checked every epoch, so that there is a best checkpoint to compare.
    sets = ["train.epochs=4", "train.checkpoint_every_steps=2", "data.val_fraction=0.2", "validation.every_epochs=1",
            f"data.manifest={flukes / 'manifest.csv'}"]
    words = [str(bench.preset("demo_a")), *(w for s in sets for w in ("--set", s))]
    begin = time.perf_counter()
    bench.fluke("train", *words, "--run", bench.work / "whole")
    whole_s = time.perf_counter() - begin
    rng, kills = random.Random(args.seed), 0
    while kills < args.kills:
        process = subprocess.Popen([args.fluke, "train", *words, "--run", str(bench.work / "killed"), "--resume"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(rng.uniform(0.3, 0.6) * whole_s)
            break
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
    bench.fluke("train", *words, "--run", bench.work / "killed", "--resume")
    whole, killed = digests(bench.work / "whole"), digests(bench.work / "killed")
    equal = {name: whole[name] == killed[name] for name in FILES}
    bench.close()
    common.emit("resume", kills=kills, byte_identical=equal, all_equal=all(equal.values()))


main()
