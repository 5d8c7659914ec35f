#!/usr/bin/env python3
"""Nyala's unseen individuals: leave-one-out recall@1 and MAP@5 of two models trained from scratch on the other 80 %, and of both
together, beside the untrained networks and the peer (../shared/peers/train_pml.py, 6 epochs).

Nothing of the unseen 20 % is looked at in training: the presets have no validation and keep the last weights. --ablate also trains
conv4 (the better and the quicker one) with one thing at a time as it is not in its preset; --models trains some only.
"""
import common

MODELS = ("nyala_resnet18", "nyala_conv4")
ABLATIONS = {
    "6 epochs": ["train.epochs=6", "schedule.warmup_epochs=1"],
    "scale 64, margin .5": ["loss.arcface.scale=64", "loss.arcface.margin_rad=0.5"],
    "shuffled batches": ["train.sampler=shuffle"],
    "flips alone": ["augment={horizontal_flip: 0.5}"],
    "colours changed too": [
        "augment=[{name: horizontal_flip, p: 0.5}, {name: random_resized_crop, p: 0.9, scale: [0.5, 1], ratio: [0.8, 1.25]},"
        " {name: affine, p: 0.7, rotate: [-15, 15], shear: [-8, 8]}, {name: coarse_dropout, p: 0.5, num_holes_range: [1, 4]},"
        " {name: brightness_contrast, p: 0.6, brightness_limit: 0.3, contrast_limit: 0.3}, {name: hue_saturation_value, p: 0.5}]"],
}


def main():
    options = common.parser(__doc__)
    options.add_argument("--epochs", type=int, help="instead of the presets' own")
    options.add_argument("--models", default=",".join(MODELS), help="which, by comma")
    options.add_argument("--ablate", action="store_true")
    args = options.parse_args()
    bench = common.Bench(args)
    manifest = bench.data / "nyala" / "nyala_split.csv"
    figures = {}
    models = args.models.split(",")
    for model in models:
        sets = [f"train.epochs={args.epochs}"] if args.epochs else []
        # A learning rate of nought for one step leaves the weights as they were initialised.
        bench.train(model, f"{model}_untrained", manifest, "train.max_steps=1", "optimizer.lr=0", "schedule.final_lr=0",
                    "train.ema_decay=0")
        untrained = bench.leave_one_out(bench.embed([f"{model}_untrained"], manifest, "untrained", "--split", "test"))
        summary = bench.train(model, model, manifest, *sets)
        trained = bench.leave_one_out(bench.embed([model], manifest, f"{model}_embeddings", "--split", "test"))
        figures[model] = {"untrained": untrained, "trained": trained, "wall_s": summary["wall_s"],
                          "images_per_s": round(summary["images_per_s"], 1)}
    figures["both"] = bench.leave_one_out(bench.embed(models, manifest, "both", "--split", "test"))
    figures["both_untrained"] = bench.leave_one_out(
        bench.embed([f"{model}_untrained" for model in models], manifest, "both_untrained", "--split", "test"))
    for name, sets in ABLATIONS.items() if args.ablate else ():
        bench.train("nyala_conv4", "ablated", manifest, *sets)
        embeddings = bench.embed(["ablated"], manifest, "ablated_embeddings", "--split", "test")
        figures.setdefault("ablations", {})[name] = bench.leave_one_out(embeddings)
    peer = bench.peer("train_pml.py", "--epochs", 6, "--bf16", "--channels-last")
    if peer:
        figures["peer"] = {"untrained": peer["untrained"], "trained": peer["trained"]}
    bench.close()
    common.emit("nyala", **figures)


main()
