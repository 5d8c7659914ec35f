#!/usr/bin/env python3
"""Better rankings out of the same models: one model, two together, test-time augmentation, and each step of a ranking pipeline on top.

Nyala: the unseen individuals, each photograph against all others of them (nyala.py's recipes). Omniglot: 20-way one-shot on alphabets that
nothing was trained on: 20 characters of one alphabet, one drawing of each by one hand as the gallery, one by another as the query.
recall@1 and MAP@5 (Kaggle's: the first hit counts) with 95 % intervals of a bootstrap over queries, and the difference from the row named
"beside" with the p-value of a paired randomisation test (signs of the per-query differences drawn anew, two-sided). Everything that is
learned is learned from training photographs; published defaults everywhere else, so that nothing is chosen on the test photographs.

--only nyala|omniglot; --epochs N trains shorter. Runs that are in --work already are used again.
"""
import array
import csv
import hashlib
import json
import random
import shutil
import struct
import zipfile

import common

RESAMPLES = 2000
EPISODES = 10  # an alphabet


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def scores_of(ranking):
    """Of each query that has a right answer in its ranking or not: (recall@1, MAP@5)."""
    queries = {}
    for row in rows(ranking):
        queries.setdefault(row["query_id"], []).append(row["identity"] == row["query_identity"])
    return {query: (float(hits[0]), next((1 / (i + 1) for i, hit in enumerate(hits[:5]) if hit), 0.0))
            for query, hits in queries.items()}


def interval(values, rng):
    """Mean and 95 % interval by the percentile bootstrap."""
    n = len(values)
    means = sorted(sum(rng.choices(values, k=n)) / n for _ in range(RESAMPLES))
    return [round(v, 4) for v in (sum(values) / n, means[int(.025 * RESAMPLES)], means[int(.975 * RESAMPLES)])]


def p_value(differences, rng):
    moved = [d for d in differences if d]
    observed = abs(sum(moved))
    as_far = sum(abs(sum(d if rng.random() < .5 else -d for d in moved)) >= observed - 1e-12 for _ in range(RESAMPLES))
    return round((as_far + 1) / (RESAMPLES + 1), 4)


def table_of(scored, besides):
    """scored: name -> {query: (recall@1, MAP@5)}; besides: name -> the row that it is compared with."""
    table = {}
    for name, queries in scored.items():
        rng = random.Random(1)
        line = {"recall@1": interval([s[0] for s in queries.values()], rng), "map@5": interval([s[1] for s in queries.values()], rng)}
        if name in besides:
            other = scored[besides[name]]
            for metric, key in ((0, "recall@1"), (1, "map@5")):
                differences = [queries[q][metric] - other[q][metric] for q in queries]
                line[f"{key}_difference"] = round(sum(differences) / len(differences), 4)
                line[f"{key}_p"] = p_value(differences, rng)
            line["beside"] = besides[name]
        table[name] = line
    return table


STEPS = {
    "average query expansion": "query_expansion: {alpha: 0}",
    "alpha query expansion": "query_expansion: {}",
    "query expansion of 3": "query_expansion: {k: 3}",
    "database augmentation": "database_augmentation: {}",
    "k-reciprocal": "k_reciprocal: {}",
    "k-reciprocal, k1 6, k2 3": "k_reciprocal: {k1: 6, k2: 3}",
    "diffusion": "diffusion: {}",
    "prototypes": "prototypes: {}",
    "s_norm": "score_normalisation: {}",
    "whitening": "whitening: {file: whitening, power: 0.5}",
    "rank fusion": "fusion: {parts: PARTS}",
    "learned weights": "meta_embedding: {parts: WEIGHTED_PARTS}",
}


class Comparison:
    """Embeddings of a data set, searched in every way."""

    def __init__(self, bench, name, rank):
        self.bench, self.name, self.rank = bench, name, rank
        self.scored, self.besides = {}, {}

    def add(self, row, embeddings, steps=None, beside=None):
        pipeline = self.bench.work / f"{self.name}_pipeline.yaml"
        pipeline.write_text(f"steps: [{', '.join('{%s}' % step for step in steps or ())}]\n")
        self.scored[row] = scores_of(self.rank(embeddings, pipeline))
        if beside:
            self.besides[row] = beside

    def table(self):
        return table_of(self.scored, self.besides)


def train_once(bench, preset, run, manifest, *sets):
    if not (bench.work / run / "model.safetensors").exists():
        bench.train(preset, run, manifest, *sets)


def compare(bench, name, rank, runs, manifest, train_split, test_split, tta, dimensions):
    """The rows that both data sets share."""
    comparison = Comparison(bench, name, rank)
    embed = lambda models, label, split, *words: bench.embed(models, manifest, f"{name}_{label}", "--split", split, *words)
    for run in runs:
        comparison.add(run, embed([run], run, test_split))
    first, both = runs[0], "both"
    together = embed(runs, both, test_split)
    comparison.add(both, together, beside=first)
    augmented = {views: embed(runs, f"tta_{views}".replace(",", "_"), test_split, "--tta", views) for views in tta}
    for views, embeddings in augmented.items():
        comparison.add(f"both + {views}", embeddings, beside=both)
    # Of training photographs: the whitening and the weights.
    seen = embed(runs, "train", train_split)
    whitening = bench.work / "whitening"
    bench.fluke("pipeline", "whiten", "--embeddings", seen, "--out", whitening)
    weights = bench.fluke_json("pipeline", "weights", "--embeddings", seen, "--dimensions", ",".join(map(str, dimensions)))["weights"]
    parts = lambda ws: "[" + ", ".join("{dimension: %d, weight: %.4f}" % part for part in zip(dimensions, ws)) + "]"
    for label, step in STEPS.items():
        step = step.replace("WEIGHTED_PARTS", parts(weights)).replace("PARTS", parts([1] * len(dimensions)))
        comparison.add(f"both + {label}", together, [step], beside=both)
    best = tta[-1]
    # Whitening is of vectors without views; what follows is of those with them.
    for label in ("alpha query expansion", "k-reciprocal", "k-reciprocal, k1 6, k2 3"):
        comparison.add(f"both + {best} + {label}", augmented[best], [STEPS[label]], beside=f"both + {best}")
    comparison.add(f"both + {best} + query expansion of 3 + k-reciprocal, k1 6, k2 3", augmented[best],
                   [STEPS["query expansion of 3"], STEPS["k-reciprocal, k1 6, k2 3"]], beside=f"both + {best}")
    return {"queries": len(comparison.scored[both]), "learned_weights": weights, "rows": comparison.table()}


def nyala(bench, sets):
    manifest = bench.data / "nyala" / "nyala_split.csv"
    runs = ["nyala_conv4", "nyala_conv4_seed1"]
    train_once(bench, "nyala_conv4", runs[0], manifest, *sets)
    train_once(bench, "nyala_conv4", runs[1], manifest, "seed=1", *sets)

    def rank(embeddings, pipeline):
        index, ranking = bench.work / "nyala_index", bench.work / "nyala_ranking.csv"
        bench.fluke("index", "build", "--embeddings", embeddings, "--out", index, "--replace")
        bench.fluke("search", "--index", index, "--queries", embeddings, "--exclude-self", "-k", 20, "--pipeline", pipeline,
                    "--out", ranking)
        return ranking

    # A photograph that is its individual's only one has no right answer.
    counts = {}
    for row in rows(manifest):
        if row["split"] == "test":
            counts[row["identity"]] = counts.get(row["identity"], 0) + 1
    single = {row["path"] for row in rows(manifest) if row["split"] == "test" and counts[row["identity"]] == 1}
    whole = lambda e, p: without(rank(e, p), single)
    return compare(bench, "nyala", whole, runs, manifest, "train", "test", ["flip", "flip,multi_scale", "flip,five_crop"], [256, 256])


def without(ranking, queries):
    if queries:
        kept = [row for row in rows(ranking) if row["query_id"] not in queries]
        with open(ranking, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(kept[0]))
            writer.writeheader()
            writer.writerows(kept)
    return ranking


def omniglot_manifest(bench):
    """Alphabets in the order of the SHA-1 of their name, the last two for testing."""
    folder = bench.work / "omniglot"
    with zipfile.ZipFile(bench.data / "omniglot" / "images_background_small1.zip") as archive:
        pictures = sorted(n for n in archive.namelist() if n.endswith(".png"))
        if not folder.exists():
            archive.extractall(folder)
    alphabet_of = lambda name: name.split("/")[-3]
    alphabets = sorted({alphabet_of(name) for name in pictures}, key=lambda a: hashlib.sha1(a.encode()).hexdigest())
    lines = ["path,identity,split"]
    for name in pictures:
        split = "test" if alphabet_of(name) in alphabets[-2:] else "train"
        lines.append(f"{name},{'/'.join(name.split('/')[-3:-1])},{split}")
    manifest = folder / "manifest.csv"
    manifest.write_text("\n".join(lines) + "\n")
    return manifest, alphabets[-2:]


def read_npy(path):
    data = path.read_bytes()
    header = 10 + struct.unpack("<H", data[8:10])[0]
    rows_, columns = eval(data[10:header])["shape"]  # our own file
    values = array.array("f")
    values.frombytes(data[header:header + 4 * rows_ * columns])
    return values, columns


def write_folder(folder, source, numbers, values, columns, items):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }" % (len(numbers), columns)
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    with open(folder / "embeddings.npy", "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
        for number in numbers:
            values[number * columns:(number + 1) * columns].tofile(file)
    with open(folder / "items.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(items[0]))
        writer.writeheader()
        writer.writerows(items[number] for number in numbers)
    shutil.copy(source / "embeddings.json", folder)


def episodes(items, alphabets, seed=3):
    """(gallery, queries): numbers of items, 20 each."""
    rng = random.Random(seed)
    drawn = {}  # character -> drawer -> item
    for number, item in enumerate(items):
        drawn.setdefault(item["identity"], {})[item["id"].rsplit("_", 1)[1]] = number
    for alphabet in alphabets:
        characters = sorted(c for c in drawn if c.split("/")[0] == alphabet)
        for _ in range(EPISODES):
            chosen = rng.sample(characters, 20)
            a, b = rng.sample(sorted(set.intersection(*(set(drawn[c]) for c in chosen))), 2)
            yield [drawn[c][a] for c in chosen], [drawn[c][b] for c in chosen]


def omniglot_episodes(bench, embeddings, alphabets):
    """(index, queries) of each episode."""
    values, columns = read_npy(embeddings / "embeddings.npy")
    items = rows(embeddings / "items.csv")
    gallery, made = bench.work / "episode_gallery", []
    for number, (support, queries) in enumerate(episodes(items, alphabets)):
        index, asked = (bench.work / f"{embeddings.name}_{what}{number}" for what in ("index", "queries"))
        write_folder(gallery, embeddings, support, values, columns, items)
        write_folder(asked, embeddings, queries, values, columns, items)
        bench.quiet("index", "build", "--embeddings", gallery, "--out", index, "--replace")
        made.append((index, asked))
    return made


def omniglot(bench, sets):
    manifest, alphabets = omniglot_manifest(bench)
    runs = ["omniglot_arcface", "omniglot_triplet"]
    for run in runs:
        train_once(bench, run, run, manifest, "data.val_fraction=0", *sets)

    built = {}  # embeddings -> index and queries of each episode

    def rank(embeddings, pipeline):
        if embeddings not in built:
            built[embeddings] = omniglot_episodes(bench, embeddings, alphabets)
        joined = bench.work / "omniglot_ranking.csv"
        lines = []
        for number, (index, asked) in enumerate(built[embeddings]):
            ranking = bench.quiet("search", "--index", index, "--queries", asked, "-k", 20, "--pipeline", pipeline)
            header, *found = ranking.splitlines()
            lines += [f"{number}:{line}" for line in found]
        joined.write_text("\n".join([header, *lines]) + "\n")
        return joined

    return compare(bench, "omniglot", rank, runs, manifest, "train", "test", ["multi_scale", "five_crop"], [128, 128])


class QuietBench(common.Bench):
    def quiet(self, *words):
        """As fluke, a hundred times over: without a line for each."""
        import subprocess
        return subprocess.run([self.args.fluke, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                              check=True).stdout


def print_table(name, table):
    print(f"\n{name}, {table['queries']} queries", flush=True)
    for row, line in table["rows"].items():
        text = "  ".join(f"{key} {line[key][0]:.3f} [{line[key][1]:.3f}, {line[key][2]:.3f}]" for key in ("recall@1", "map@5"))
        if "beside" in line:
            text += (f"  beside '{line['beside']}': {line['recall@1_difference']:+.3f} (p {line['recall@1_p']:.3f}),"
                     f" {line['map@5_difference']:+.3f} (p {line['map@5_p']:.3f})")
        print(f"  {row:58} {text}", flush=True)


def main():
    options = common.parser(__doc__)
    options.add_argument("--only", choices=("nyala", "omniglot"))
    options.add_argument("--epochs", type=int, help="instead of the presets' own")
    args = options.parse_args()
    bench = QuietBench(args)
    sets = [f"train.epochs={args.epochs}"] if args.epochs else []
    figures = {}
    for name, run in (("nyala", nyala), ("omniglot", omniglot)):
        if args.only in (None, name):
            figures[name] = run(bench, sets)
            print_table(name, figures[name])
    bench.close()
    common.emit("rerank_table", **figures)


main()
