#!/usr/bin/env python3
"""Omniglot's unseen characters: recall@1 of ArcFace and triplet, ours and the peer's, in one run.

The peer: ../shared/peers/train_pml.py, 20 epochs at lr 1e-3 (its published setting). Same division into seen and unseen characters (SHA-1
of the name). Ours is validated once, after the last epoch.
"""
import common


def main():
    bench = common.Bench(common.parser(__doc__).parse_args())
    manifest = bench.data / "omniglot" / "images_background_small1.zip"
    figures = {}
    for loss in ("arcface", "triplet"):
        ours = bench.train(f"omniglot_{loss}", f"omniglot_{loss}", manifest)
        figures[loss] = {"ours_recall_at_1": round(ours["best"], 4), "ours_train_s": round(ours["seconds"], 1),
                         "ours_images_per_s": round(ours["images_per_s"], 1)}
        peer = bench.peer("train_pml.py", "--dataset", "omniglot", "--loss", loss, "--lr", "1e-3", "--epochs", 20)
        if peer:
            figures[loss] |= {"peer_recall_at_1": peer["trained"]["r_at_1"], "peer_train_s": peer["train_s"],
                              "peer_untrained": peer["untrained"]["r_at_1"]}
    bench.close()
    common.emit("omniglot", **figures)


main()
