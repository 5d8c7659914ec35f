#!/usr/bin/env python3
"""What fluke data finds in spoiled data. A model is trained on some synthetic individuals; of others, that it has never seen,
duplicates: a tenth is added once more, scaled and compressed: how many are found, and how many groups are none;
suspects: a twentieth has another one's name: their share among as many most suspicious ones, and in the whole list;
pseudo-labels: the names of three tenths are taken away: how many get one back, and the right one, by threshold and mutual;
adversarial: the crops of half of the photographs are compressed: the AUC, and the feature that tells."""
import csv
import random
import time

import common


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)))
        writer.writeheader()
        writer.writerows(rows)
    return path


def duplicates(bench, manifest, rows, draw):
    """Copies lie in crops/, so that the original and its copy differ in size, box and compression."""
    some = draw.sample(rows, len(rows) // 10)
    chosen = write(manifest.parent / "chosen.csv", some)
    bench.fluke("data", "crop", chosen, "--out", bench.work / "copies", "--quality", 60, "--max-side", 120)
    bench.fluke("data", "crop", manifest, "--out", bench.work / "originals")
    originals, copies = (read(bench.work / name / "manifest.csv") for name in ("originals", "copies"))
    source = {row["path"]: row["source"] for row in originals}
    source |= {f"../copies/{row['path']}": row["source"] for row in copies}
    both = [{"path": path, "identity": ""} for path in source]
    found = {}
    for kind in ("phash", "dhash"):
        out = bench.work / f"{kind}.csv"
        begin = time.perf_counter()
        bench.fluke("data", "duplicates", write(bench.work / "originals" / "both.csv", both), "--hash", kind, "--out", out)
        groups = {}
        for row in read(out):
            groups.setdefault(row["group"], set()).add(source[row["path"]])
        right = sum(len(sources) == 1 for sources in groups.values())
        found[kind] = {"copies": len(copies), "found": right, "wrong_groups": len(groups) - right,
                       "seconds": round(time.perf_counter() - begin, 1)}
    return found


def suspects(bench, manifest, rows, vectors, draw):
    wrong = set(draw.sample(range(len(rows)), len(rows) // 20))
    names = sorted({row["identity"] for row in rows})
    spoiled = [row | {"identity": draw.choice([name for name in names if name != row["identity"]])} if i in wrong else row
               for i, row in enumerate(rows)]
    out = bench.work / "suspects.csv"
    bench.fluke("data", "suspects", write(manifest.parent / "spoiled.csv", spoiled), "--embeddings", vectors, "--out", out)
    paths = {rows[i]["path"] for i in wrong}
    listed = [row["path"] for row in read(out)]
    top = listed[:len(wrong)]
    return {"wrong": len(wrong), "listed": len(listed), "wrong_listed": len(paths & set(listed)),
            "precision_at_wrong": round(len(paths & set(top)) / len(wrong), 3)}


def pseudo_labels(bench, manifest, rows, vectors, draw):
    unknown = set(draw.sample(range(len(rows)), len(rows) * 3 // 10))
    hidden = [row | {"identity": ""} if i in unknown else row for i, row in enumerate(rows)]
    partly = write(manifest.parent / "partly.csv", hidden)
    figures = {"unknown": len(unknown)}
    for name, options in (("all", ()), ("top_half", ("--top-share", 0.5)), ("mutual", ("--mutual", 3)),
                          ("agree", ("--agree", 2))):
        out = manifest.parent / f"labelled_{name}.csv"
        bench.fluke("data", "pseudo-labels", partly, "--embeddings", vectors, "--out", out, *options)
        named = [(row, true) for row, true in zip(read(out), rows) if row["provenance"].startswith("pseudo")]
        right = sum(row["identity"] == true["identity"] for row, true in named)
        figures[name] = {"named": len(named), "right": round(right / max(1, len(named)), 3)}
    return figures


def adversarial(bench, rows, draw):
    identities = sorted({row["identity"] for row in rows})
    test = set(draw.sample(identities, len(identities) // 2))
    figures = {}
    for name, root in (("same", "originals"), ("compressed", "crops_60")):
        if name == "compressed":
            bench.fluke("data", "crop", bench.work / "originals", "--out", bench.work / root, "--quality", 60)
        lines = read(bench.work / "originals" / "manifest.csv")
        path_in = {row["source"]: row["path"] for row in read(bench.work / root / "manifest.csv")}
        path_of = (lambda row: row["path"]) if name == "same" else (lambda row: f"../{root}/{path_in[row['path']]}")
        mixed = [row | {"path": path_of(row) if row["identity"] in test else row["path"],
                        "split": "test" if row["identity"] in test else "train"} for row in lines]
        report = bench.fluke_json("data", "adversarial", write(bench.work / "originals" / f"{name}.csv", mixed))
        best = report["features"][0]
        figures[name] = {"auc": round(report["auc"], 3), "feature": best["name"], "feature_auc": round(best["auc"], 3)}
    return figures


def main():
    options = common.parser(__doc__)
    options.add_argument("--identities", type=int, default=80)
    options.add_argument("--epochs", type=int, default=0, help="of the training; 0: the preset's")
    options.add_argument("--seed", type=int, default=1)
    args = options.parse_args()
    bench = common.Bench(args)
    for name, seed in (("seen", args.seed), ("unseen", args.seed + 1000)):
        bench.fluke("data", "synth", "--out", bench.work / name, "--identities", args.identities, "--seed", seed)
    sets = (f"train.epochs={args.epochs}",) if args.epochs else ()
    bench.train("demo_a", "model", bench.work / "seen" / "manifest.csv", *sets)
    manifest = bench.work / "unseen" / "manifest.csv"
    vectors = bench.embed(["model"], manifest, "vectors")
    rows, draw = read(manifest), random.Random(args.seed)
    figures = {"recall": bench.leave_one_out(vectors, "recall@1"), "duplicates": duplicates(bench, manifest, rows, draw),
               "suspects": suspects(bench, manifest, rows, vectors, draw),
               "pseudo_labels": pseudo_labels(bench, manifest, rows, vectors, draw),
               "adversarial": adversarial(bench, rows, draw)}
    bench.close()
    common.emit("curation", identities=args.identities, photos=len(rows), seed=args.seed, **figures)


main()
