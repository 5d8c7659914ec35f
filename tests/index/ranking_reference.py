#!/usr/bin/env python3
"""Reference values for the ranking steps, by the papers' formulas in plain numpy, dense and in float64: ranking_reference.json.

    python3 tests/index/ranking_reference.py > tests/index/ranking_reference.json

Everything is done for one query at a time, with the whole gallery at hand, as the papers' N x N matrices have it; for a query that is an
item of the gallery itself, that item is taken out first. Nothing here knows how index/ranking does it.
"""
import json
import sys

import numpy as np

ITEMS, IDENTITIES, DIMENSION, QUERIES = 60, 12, 12, 4


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def draw(seed):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(IDENTITIES, DIMENSION))
    who = np.arange(ITEMS) % IDENTITIES
    gallery = unit(centres[who] + 0.7 * rng.normal(size=(ITEMS, DIMENSION)))
    queries = unit(centres[:QUERIES] + 0.7 * rng.normal(size=(QUERIES, DIMENSION)))
    return np.round(gallery, 6), who, np.round(queries, 6)


def nearest(x, gallery, k):
    """Rows of the k nearest, best first."""
    return np.argsort(-(gallery @ x), kind="stable")[:k]


def expansion(x, neighbours, alpha):
    weights = np.maximum(neighbours @ x, 0) ** alpha if alpha else np.ones(len(neighbours))
    return unit(x + weights @ neighbours)


def query_expansion(q, gallery, _, k, alpha):
    return gallery @ expansion(q, gallery[nearest(q, gallery, k)], alpha)


def database_augmentation(q, gallery, _, k, alpha):
    augmented = []
    for i, x in enumerate(gallery):
        others = [j for j in nearest(x, gallery, k + 1) if j != i][:k]
        augmented.append(expansion(x, gallery[others], alpha))
    return np.array(augmented) @ q


def k_reciprocal(q, gallery, _, k1, k2, lam):
    """Zhong et al., CVPR 2017, equations 2 to 12; distances as in their code: squared, each row divided by its largest."""
    x = np.vstack([q, gallery])
    d = np.maximum(2 - 2 * x @ x.T, 0)
    np.fill_diagonal(d, 0)
    d = d / d.max(axis=1, keepdims=True)
    n = len(x)
    rank = np.argsort(d, axis=1, kind="stable")
    near = lambda i, k: set(rank[i, :k + 1])                               # N(i, k), with i itself
    reciprocal = lambda i, k: {j for j in near(i, k) if i in near(j, k)}   # R(i, k)
    v = np.zeros((n, n))
    for i in range(n):
        members = reciprocal(i, k1)
        expanded = set(members)                                            # R*(i, k1)
        for j in members:
            theirs = reciprocal(j, int(np.around(k1 / 2)))
            if 3 * len(members & theirs) > 2 * len(theirs):
                expanded |= theirs
        for j in expanded:
            v[i, j] = np.exp(-d[i, j])
        v[i] /= v[i].sum()
    v = np.array([v[rank[i, :k2]].mean(axis=0) for i in range(n)])         # local query expansion
    jaccard = 1 - np.minimum(v[0], v).sum(axis=1) / np.maximum(v[0], v).sum(axis=1)
    return 1 - ((1 - lam) * jaccard + lam * d[0])[1:]


def diffusion(q, gallery, _, kq, kd, gamma, alpha, shortlist):
    """Iscen et al., CVPR 2017, equations 1 to 6, by a direct solver."""
    n = len(gallery)
    near = [set(nearest(x, gallery, kd + 1)) - {i} for i, x in enumerate(gallery)]
    a = np.array([[max(gallery[i] @ gallery[j], 0) ** gamma if j in near[i] and i in near[j] else 0 for j in range(n)]
                  for i in range(n)])
    degree = a.sum(axis=1)
    s = a / np.sqrt(np.outer(degree, degree))
    y = np.zeros(n)
    start = nearest(q, gallery, kq)
    y[start] = np.maximum(gallery[start] @ q, 0) ** gamma
    kept = nearest(q, gallery, shortlist)
    f = np.linalg.solve(np.eye(len(kept)) - alpha * s[np.ix_(kept, kept)], y[kept])
    scores = np.full(n, np.nan)  # nothing is said of the others
    scores[kept] = np.where(f > 1e-12, f, gallery[kept] @ q - 1)
    return scores


def prototypes(q, gallery, who, weight):
    prototype = {i: unit(gallery[who == i].sum(axis=0)) for i in set(who)}
    return np.array([(1 - weight) * (x @ q) + weight * (prototype[i] @ q) for x, i in zip(gallery, who)])


def min_max(q, gallery, _):
    scores = gallery @ q
    return (scores - scores.min()) / (scores.max() - scores.min())


def normalised(q, gallery, who, both):
    """The cohort is the whole gallery."""
    scores = gallery @ q
    by_item = []
    for x, i, score in zip(gallery, who, scores):
        cohort = gallery[who != i] @ x
        by_item.append((score - cohort.mean()) / cohort.std())
    by_query = (scores - scores.mean()) / scores.std()
    return (np.array(by_item) + by_query) / 2 if both else np.array(by_item)


def whitening(q, gallery, _, dimension, power):
    mean = gallery.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(gallery.T, bias=True))
    order = np.argsort(-values)[:dimension]
    whiten = lambda x: unit((x - mean) @ vectors[:, order] / values[order] ** (power / 2))
    return whiten(gallery) @ whiten(q)


def parts_of(x, dimensions):
    return [unit(part) for part in np.split(x, np.cumsum(dimensions)[:-1], axis=-1)]


def meta_embedding(q, gallery, _, dimensions, weights):
    cosines = [g @ p for g, p in zip(parts_of(gallery, dimensions), parts_of(q, dimensions))]
    return np.average(cosines, axis=0, weights=weights)


def fusion(q, gallery, _, dimensions, weights, method, k=60):
    fused = np.zeros(len(gallery))
    for g, p, weight in zip(parts_of(gallery, dimensions), parts_of(q, dimensions), weights):
        scores = g @ p
        rank = np.empty(len(gallery))
        rank[np.argsort(-scores)] = np.arange(1, len(gallery) + 1)
        fused += weight * {"reciprocal_rank": 1 / (k + rank), "borda": (len(gallery) - rank + 1) / len(gallery),
                           "weighted_sum": (scores - scores.min()) / (scores.max() - scores.min())}[method]
    return fused


PARTS = "parts: [{dimension: 5, weight: 2}, {dimension: 7}]"
SIZES, WEIGHTS = (5, 7), (2, 1)
# (name, the step in YAML, its reference, whether it stands with an item taken out as well)
CASES = [
    ("alpha query expansion", "query_expansion: {k: 4, alpha: 3}", lambda *x: query_expansion(*x, 4, 3), True),
    ("average query expansion", "query_expansion: {k: 3, alpha: 0}", lambda *x: query_expansion(*x, 3, 0), True),
    ("database augmentation", "database_augmentation: {k: 4, alpha: 3}", lambda *x: database_augmentation(*x, 4, 3), True),
    ("k-reciprocal, published", "k_reciprocal: {}", lambda *x: k_reciprocal(*x, 20, 6, .3), True),
    ("k-reciprocal, small", "k_reciprocal: {k1: 5, k2: 2, lambda: 0.5}", lambda *x: k_reciprocal(*x, 5, 2, .5), True),
    ("k-reciprocal, no expansion", "k_reciprocal: {k1: 6, k2: 1, lambda: 0}", lambda *x: k_reciprocal(*x, 6, 1, 0), False),
    ("diffusion", "diffusion: {kq: 4, kd: 8}", lambda *x: diffusion(*x, 4, 8, 3, .99, ITEMS), True),
    ("diffusion, truncated", "diffusion: {kq: 4, kd: 8, gamma: 2, alpha: 0.9, shortlist: 20}",
     lambda *x: diffusion(*x, 4, 8, 2, .9, 20), True),
    ("prototypes", "prototypes: {weight: 0.4}", lambda *x: prototypes(*x, .4), True),
    ("min_max", "score_normalisation: {method: min_max}", min_max, True),
    ("z_norm", "score_normalisation: {method: z_norm}", lambda *x: normalised(*x, False), False),
    ("s_norm", "score_normalisation: {}", lambda *x: normalised(*x, True), False),
    ("whitening", "whitening: {}", lambda *x: whitening(*x, DIMENSION, 1), False),
    ("PCA, half whitened", "whitening: {dimension: 6, power: 0.5}", lambda *x: whitening(*x, 6, .5), False),
    ("meta-embedding", f"meta_embedding: {{{PARTS}}}", lambda *x: meta_embedding(*x, SIZES, WEIGHTS), True),
    ("fusion, reciprocal rank", f"fusion: {{{PARTS}}}", lambda *x: fusion(*x, SIZES, WEIGHTS, "reciprocal_rank"), True),
    ("fusion, Borda", f"fusion: {{{PARTS}, method: borda}}", lambda *x: fusion(*x, SIZES, WEIGHTS, "borda"), False),
    ("fusion, weighted sum", f"fusion: {{{PARTS}, method: weighted_sum}}",
     lambda *x: fusion(*x, SIZES, WEIGHTS, "weighted_sum"), True),
]


def main():
    raw_gallery, who, raw_queries = draw(seed=11)
    gallery, queries = unit(raw_gallery), unit(raw_queries)
    cases = []
    for name, step, reference, left_out in CASES:
        answers = [{"query": i, "scores": reference(q, gallery, who)} for i, q in enumerate(queries)]
        for row in (0, 17) if left_out else ():
            others = np.arange(ITEMS) != row
            scores = np.full(ITEMS, np.nan)
            scores[others] = reference(gallery[row], gallery[others], who[others])
            answers.append({"item": row, "scores": scores})
        for answer in answers:
            answer["scores"] = [None if np.isnan(s) else float(f"{s:.9g}") for s in answer["scores"]]
        cases.append({"name": name, "step": step, "answers": answers})
    json.dump({"made_by": f"tests/index/ranking_reference.py, numpy {np.__version__}", "gallery": raw_gallery.tolist(),
               "identities": who.tolist(), "queries": raw_queries.tolist(), "cases": cases}, sys.stdout, separators=(",", ":"))
    print()


main()
