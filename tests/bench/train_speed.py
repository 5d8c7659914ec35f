#!/usr/bin/env python3
"""Training images/s, loading included: resnet18, 128 x 128, batch 32, the peer's augmentations, fp32 and bf16 channels-last.

Ours and the peer (../shared/peers/train_pml.py on nyala) take turns --rounds times; medians and the median of the pairwise
ratios are reported. Both count all training epochs, the start of the loader included.
"""
import statistics

import common

PRESET = "nyala_peer_speed"


def main():
    options = common.parser(__doc__)
    options.add_argument("--rounds", type=int, default=2)
    options.add_argument("--epochs", type=int, default=2)
    args = options.parse_args()
    bench = common.Bench(args)
    manifest = bench.data / "nyala" / "nyala_split.csv"
    figures = {}
    for name, sets, words in (("fp32", ("train.precision=fp32",), ()),
                              ("bf16_channels_last", ("train.precision=bf16",), ("--bf16", "--channels-last"))):
        ours, peers, ratios = [], [], []
        for _ in range(args.rounds):
            ours.append(bench.train(PRESET, "speed", manifest, f"train.epochs={args.epochs}", *sets)["images_per_s"])
            peer = bench.peer("train_pml.py", "--epochs", args.epochs, *words)
            if peer:
                peers.append(peer["train_images_per_s"])
                ratios.append(ours[-1] / peers[-1])
        figures[name] = {"ours_images_per_s": round(statistics.median(ours), 1)}
        if peers:
            figures[name] |= {"peer_images_per_s": round(statistics.median(peers), 1),
                              "ratio": round(statistics.median(ratios), 3)}
    bench.close()
    common.emit("train_speed", rounds=args.rounds, epochs=args.epochs, **figures)


main()
