#!/usr/bin/env python3
"""Local evidence (RootSIFT key points, LNBNN votes, geometric verification) beside embeddings, and both together: recall@1,
recall@5, MAP@5, milliseconds a query, memory a photograph.

Nyala, unseen individuals: every photograph of the test split against the others, embeddings of nyala_conv4 trained on the other 80 %.
What the scores of "both" mean is learned on training individuals alone: on all of them ("seen": the embedding was trained on them), and on a
quarter of them with a second model that was trained on the other three ("sibling"). Nyala, closed split: a fifth of each individual's photographs against the rest of all individuals,
local evidence alone (published for plain RootSIFT + LNBNN: top-1 .175, top-5 .339, at .7 s a photograph). Synthetic flukes: 40 unseen individuals,
embeddings of demo_a. `--run` and `--synth-run` take runs that are there already; `--sweep` tries what else key points could be, on
training individuals and other flukes alone.
"""
import csv
import hashlib
import pathlib

import common

METRICS = "recall@1,recall@5,kaggle_map@5"
SWEEP = {
    "default": [],
    "side 384": ["--side", 384],
    "side 512": ["--side", 512],
    "500 key points": ["--max-key-points", 500],
    "2000 key points": ["--max-key-points", 2000],
    "contrast .04": ["--contrast", 0.04],
    "contrast .005": ["--contrast", 0.005],
    "edge 20": ["--edge", 20],
}
SWEEP_SEARCH = {"not verified": ["--verify", 0], "by individual": ["--by-individual"], "affine": ["--geometry", "affine"],
                "homography": ["--geometry", "homography"], "one neighbor": ["--local-neighbors", 1],
                "five neighbors": ["--local-neighbors", 5]}


def rows_of(manifest):
    with open(manifest, newline="") as file:
        return list(csv.DictReader(file))


def write_manifest(path, source, rows):
    """Rows of another manifest with absolute paths."""
    folder = pathlib.Path(source).parent
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys() | {"id"})
        writer.writeheader()
        for row in rows:
            writer.writerow(row | {"path": folder / row["path"], "id": row["path"]})
    return path


def closed_split(rows):
    """A fifth of each individual's photographs, by the SHA-1 of their paths, is asked for; the rest is the gallery."""
    queries = []
    for identity in sorted({row["identity"] for row in rows}):
        own = sorted((row for row in rows if row["identity"] == identity), key=lambda row: hashlib.sha1(row["path"].encode()).hexdigest())
        queries += own[:round(len(own) / 5)]
    asked = {row["path"] for row in queries}
    return queries, [row for row in rows if row["path"] not in asked]


def evaluated(bench, ranking, gallery):
    report = bench.fluke_json("evaluate", "--ranking", ranking, "--gallery", gallery, "--metrics", METRICS)
    return {name: round(value, 4) for name, value in report["metrics"].items()} | {"queries": report["queries"]}


def local_figures(bench, index, queries, words=(), options=(), exclude_self=True, depth=50):
    """Builds the local evidence of `words` and ranks `queries` by it. By individual, whose photographs stand together, five individuals
    want a great depth."""
    built = bench.fluke_json_document("index", "build", "--out", index, "--replace", "--local", *words)["local"]
    ranking = bench.work / "local.csv"
    timed = bench.fluke_json("search", "--index", index, "--local", *queries, "--out", ranking, "-k", depth, *options,
                             *(["--exclude-self"] if exclude_self else []))
    return evaluated(bench, ranking, index / "local" / "items.csv") | {
        "extract_ms_per_photo": round(built["extract_ms_per_photo"], 1),
        "search_ms_per_query": round(timed["search_ms_per_query"], 1),
        "key_points_per_photo": round(built["key_points"] / built["photos"]),
        "memory_bytes_per_photo": built["memory_bytes_per_photo"]}


def sibling_manifest(bench, name, manifest):
    """The training photographs; every fourth individual by the SHA-1 of its name is held out as val."""
    rows = [row for row in rows_of(manifest) if row["split"] == "train"]
    names = sorted({row["identity"] for row in rows}, key=lambda identity: hashlib.sha1(identity.encode()).hexdigest())
    held = set(names[:len(names) // 4])
    return write_manifest(bench.work / f"{name}_sibling.csv", manifest,
                          [row | {"split": "val" if row["identity"] in held else "train"} for row in rows])


def unseen(bench, name, preset, run, manifest, methods):
    """Every photograph of the test split against the others: embedding, local, both."""
    folders = {}

    def index_of(label, run, manifest, split):
        embeddings = bench.embed([run], manifest, f"{name}_{label}", "--split", split)
        folders[label] = bench.work / f"{name}_{label}.index"
        bench.fluke("index", "build", "--embeddings", embeddings, "--out", folders[label], "--replace")
        if label != "test":
            bench.fluke("index", "build", "--out", folders[label], "--replace", "--local", manifest, "--split", split)

    index_of("test", run, manifest, "test")
    index_of("seen", run, manifest, "train")
    held_out = sibling_manifest(bench, name, manifest)
    bench.train(preset, f"{name}_sibling_run", held_out)
    index_of("sibling", f"{name}_sibling_run", held_out, "val")
    index, embeddings, ranking = folders["test"], bench.work / f"{name}_test", bench.work / "ranking.csv"
    figures = {"local": local_figures(bench, index, [manifest, "--split", "test"], [manifest, "--split", "test"])}
    bench.fluke("search", "--index", index, "--queries", embeddings, "--out", ranking, "-k", 50, "--exclude-self")
    figures["embedding"] = evaluated(bench, ranking, index / "local" / "items.csv")
    for source, words in (("seen", []), ("sibling", ["--sibling"])):
        for method in methods:
            bench.fluke("index", "calibrate", "--index", index, "--from", folders[source], "--method", method, *words)
            timed = bench.fluke_json("search", "--index", index, "--queries", embeddings, "--local", manifest, "--split", "test",
                                     "--out", ranking, "-k", 50, "--exclude-self")
            figures[f"both, {source}, {method}"] = evaluated(bench, ranking, index / "local" / "items.csv") | {
                "search_ms_per_query": round(timed["search_ms_per_query"], 1)}
    return figures


def sweep(bench, sets):
    figures = {}
    for name, manifest in sets.items():
        index = bench.work / "sweep.index"
        for label, words in SWEEP.items():
            figures.setdefault(name, {})[label] = local_figures(bench, index, [manifest], [manifest, *words])
        for label, options in SWEEP_SEARCH.items():
            figures[name][label] = local_figures(bench, index, [manifest], [manifest], options, depth=len(rows_of(manifest)))
    return figures


def main():
    options = common.parser(__doc__)
    options.add_argument("--run", help="a finished run of nyala_conv4 on nyala_split.csv")
    options.add_argument("--synth-run", help="a finished run of demo_a on the synthetic flukes")
    options.add_argument("--methods", default="logistic,isotonic", help="of calibration, by comma")
    options.add_argument("--skip", default="", help="parts to leave out, by comma: unseen, closed, synthetic")
    options.add_argument("--sweep", action="store_true", help="the sweep alone")
    args = options.parse_args()
    bench = common.Bench(args)
    manifest = bench.data / "nyala" / "nyala_split.csv"
    rows, methods, skipped, figures = rows_of(manifest), args.methods.split(","), args.skip.split(","), {}
    if args.sweep:
        training = [row for row in rows if row["split"] == "train"]
        some = set(sorted({row["identity"] for row in training}, key=lambda name: hashlib.md5(name.encode()).hexdigest())[:40])
        bench.fluke("data", "synth", "--out", bench.work / "other", "--identities", 40, "--photos", 6, "--seed", 9)
        figures = sweep(bench, {
            "nyala": write_manifest(bench.work / "some.csv", manifest, [row for row in training if row["identity"] in some]),
            "flukes": bench.work / "other" / "manifest.csv"})
        bench.close()
        common.emit("local_evidence_sweep", **figures)
        return
    if "closed" not in skipped:
        queries, gallery = closed_split(rows)
        figures["nyala_closed"] = local_figures(
            bench, bench.work / "closed.index", [write_manifest(bench.work / "queries.csv", manifest, queries)],
            [write_manifest(bench.work / "gallery.csv", manifest, gallery)], exclude_self=False)
    if "unseen" not in skipped:
        run = pathlib.Path(args.run).resolve() if args.run else "nyala_conv4"
        if not args.run:
            bench.train("nyala_conv4", "nyala_conv4", manifest)
        figures["nyala_unseen"] = unseen(bench, "nyala", "nyala_conv4", run, manifest, methods)
    if "synthetic" not in skipped:
        bench.fluke("data", "synth", "--out", bench.work / "flukes", "--identities", 200, "--photos", 8, "--seed", 1)
        flukes = bench.work / "flukes" / "manifest.csv"
        run = pathlib.Path(args.synth_run).resolve() if args.synth_run else "demo_a"
        if not args.synth_run:
            bench.train("demo_a", "demo_a", flukes)
        figures["synthetic_unseen"] = unseen(bench, "flukes", "demo_a", run, flukes, methods)
    bench.close()
    common.emit("local_evidence", **figures)


main()
