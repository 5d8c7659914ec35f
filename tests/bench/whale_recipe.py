#!/usr/bin/env python3
"""The whale recipe as its presets have it, for a few steps: resnet34 at 620 x 620 (batch 32) and densenet121 at 480 x 480 (batch 16):
peak memory and images/s, on the CPU or, with --device cuda, on a GPU. Photographs: synthetic flukes at 1024 x 1024."""
import common


def main():
    options = common.parser(__doc__)
    options.add_argument("--steps", type=int, default=3)
    options.add_argument("--device", default="cpu")
    options.add_argument("--precision", nargs="+", default=["bf16"])
    args = options.parse_args()
    bench = common.Bench(args)
    flukes = bench.work / "flukes"
    bench.fluke("data", "synth", "--out", flukes, "--identities", 20, "--photos", 4, "--size", 1024)
    figures = {}
    for model in ("whale_resnet34", "whale_densenet121"):
        for precision in args.precision:
            summary = bench.train(model, model, flukes / "manifest.csv", f"train.max_steps={args.steps}",
                                  f"train.device={args.device}", f"train.precision={precision}", "data.val_fraction=0")
            figures[f"{model}_{precision}"] = {key: round(summary[key], 3)
                                               for key in ("images_per_s", "peak_rss_mb", "loss", "steps")}
    bench.close()
    common.emit("whale_recipe", device=args.device, **figures)


main()
