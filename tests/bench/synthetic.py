#!/usr/bin/env python3
"""Synthetic flukes: leave-one-out recall@1 on unseen individuals of the demo's two models, and of both together."""
import common


def main():
    options = common.parser(__doc__)
    options.add_argument("--identities", type=int, default=200)
    options.add_argument("--photos", type=int, default=8)
    options.add_argument("--seed", type=int, default=1)
    args = options.parse_args()
    bench = common.Bench(args)
    flukes = bench.work / "flukes"
    bench.fluke("data", "synth", "--out", flukes, "--identities", args.identities, "--photos", args.photos, "--seed",
                args.seed)
    manifest = flukes / "manifest.csv"
    metrics = "recall@1,recall@5,recall@20,kaggle_map@5"
    figures = {}
    for name in ("demo_a", "demo_b"):
        summary = bench.train(name, name, manifest)
        embeddings = bench.embed([name], manifest, f"{name}_embeddings", "--split", "test")
        figures[name] = bench.leave_one_out(embeddings, metrics) | {"wall_s": summary["wall_s"]}
    figures["both"] = bench.leave_one_out(bench.embed(["demo_a", "demo_b"], manifest, "both", "--split", "test"), metrics)
    bench.close()
    common.emit("synthetic", identities=args.identities, photos=args.photos, seed=args.seed, **figures)


main()
