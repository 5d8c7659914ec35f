"""Ranking pipelines: what `fluke search` ranks is what a server answers, photograph by photograph."""
import json
import pathlib
import unittest

import fluke_program as fluke

PIPELINE = """\
embedding: {tta: [flip, multi_scale], tta_merge: mean, weights: [2, 1]}
steps:
- {meta_embedding: {parts: [{dimension: 32}, {dimension: 32, weight: 0.5}]}}
- {whitening: {file: whitening, dimension: 24, power: 0.5}}
- {database_augmentation: {k: 2}}
- {query_expansion: {k: 3}}
- {k_reciprocal: {k1: 8, k2: 3, shortlist: 40}}
- {prototypes: {weight: 0.2}}
"""


class Pipeline(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = fluke.scratch_folder()
        cls.addClassCleanup(scratch.cleanup)
        cls.folder = folder = pathlib.Path(scratch.name)
        cls.manifest = fluke.draw_flukes(folder / "flukes")
        for name, backbone in (("a", "conv4"), ("b", "resnet18")):
            fluke.run("train", fluke.write_config(folder / f"{name}.yaml", cls.manifest, backbone), "--run", folder / name)
        cls.models = f"{folder / 'a'},{folder / 'b'}"
        cls.pipeline = folder / "pipeline.yaml"
        cls.pipeline.write_text(PIPELINE)
        cls.vectors = folder / "vectors"
        fluke.run("embed", "--model", cls.models, "--data", cls.manifest, "--out", cls.vectors, "--pipeline", cls.pipeline)
        cls.index = folder / "index"
        fluke.run("index", "build", "--embeddings", cls.vectors, "--out", cls.index)
        fluke.run("pipeline", "whiten", "--embeddings", cls.vectors, "--out", folder / "whitening")
        cls.items = fluke.csv_rows(cls.vectors / "items.csv")

    def search(self, name, *arguments):
        ranking = self.folder / f"{name}.csv"
        fluke.run("search", "--index", self.index, "--queries", self.vectors, "-k", 10, "--out", ranking, *arguments)
        found = {}
        for row in fluke.csv_rows(ranking):
            found.setdefault(row["query_id"], []).append((row["id"], float(row["score"])))
        return found

    def serve(self, *arguments):
        running = fluke.server("--model", self.models, "--index", self.index, *arguments)
        address, _ = running.__enter__()
        self.addCleanup(running.__exit__, None, None, None)
        return address

    def assert_same(self, hits, found):
        self.assertEqual([hit["id"] for hit in hits], [item for item, _ in found])
        for hit, (_, score) in zip(hits, found):
            self.assertAlmostEqual(hit["score"], score, places=6)

    def test_a_server_ranks_known_items_as_search_does(self):
        found = self.search("known", "--pipeline", self.pipeline, "--exclude-self")
        self.assertNotEqual(found, self.search("plain", "--exclude-self"))
        address = self.serve("--pipeline", self.pipeline)
        ids = [argument for item in self.items for argument in ("--id", item["id"])]
        answers = fluke.run_json("query", "--server", address, *ids, "--exclude-self", "-k", 10)["queries"]
        self.assertEqual(len(answers), 72)
        for answer in answers:
            self.assert_same(answer["hits"], found[answer["query"]])

    def test_a_read_only_server_ranks_photographs_as_search_does(self):
        found = self.search("photographs", "--pipeline", self.pipeline)
        config = self.folder / "serve.yaml"
        config.write_text(json.dumps({"pipeline": "pipeline.yaml", "index": "index", "model": ["a", "b"], "read_only": True}))
        running = fluke.server(config)
        address, _ = running.__enter__()
        self.addCleanup(running.__exit__, None, None, None)
        photos = {row["path"]: row for row in fluke.csv_rows(self.manifest)}
        for item in self.items[::9]:
            photo = photos[item["path"]]
            hits = fluke.query(address, "--image", self.manifest.parent / photo["path"], "-k", 10,
                               "--crop", ",".join(photo[side] for side in ("x", "y", "w", "h")))
            self.assertEqual([hit["id"] for hit in hits[:5]], [one for one, _ in found[item["id"]][:5]])
            for hit, (_, score) in zip(hits, found[item["id"]]):
                self.assertAlmostEqual(hit["score"], score, places=3)  # a batch's convolutions round otherwise

    def test_a_collection_made_by_a_client_ranks_by_its_models_pipeline(self):
        found = self.search("made", "--pipeline", self.pipeline, "--exclude-self")
        config = self.folder / "models.yaml"
        config.write_text(json.dumps({"data": "data", "models": [{"name": "both", "run": ["a", "b"], "pipeline": "pipeline.yaml"}]}))
        ids = [argument for item in self.items for argument in ("--id", item["id"])]
        for is_new in (True, False):
            with fluke.server(config) as (address, _):
                if is_new:
                    fluke.run("collections", "create", "made", "--model", "both", "--server", address)
                    fluke.run("upsert", "--embeddings", self.vectors, "--collection", "made", "--server", address)
                answers = fluke.run_json("query", "--server", address, "--collection", "made", *ids, "--exclude-self", "-k", 10)["queries"]
            self.assertEqual(len(answers), 72)
            for answer in answers:
                self.assert_same(answer["hits"], found[answer["query"]])

    def test_photographs_that_clients_add_are_known_by_their_key_points(self):
        (self.folder / "local.yaml").write_text("steps: [{local_evidence: {by: local}}]\n")
        config = self.folder / "local_models.yaml"
        config.write_text(json.dumps({"data": "local_data", "models": [{"name": "a", "run": ["a"], "pipeline": "local.yaml"}]}))
        sheet = self.folder / "matches.png"
        for is_new in (True, False):
            with fluke.server(config) as (address, _):
                asked = ("--server", address, "--collection", "made")
                if is_new:
                    fluke.run("collections", "create", "made", "--model", "a", "--server", address)
                    fluke.run("upsert", "--data", self.manifest, *asked)
                for row in fluke.csv_rows(self.manifest)[::9]:
                    hits = fluke.query(address, "--collection", "made", "--image", self.manifest.parent / row["path"], "-k", 2,
                                       "--crop", ",".join(row[side] for side in ("x", "y", "w", "h")))
                    self.assertEqual(hits[0]["id"], row["path"])
                    self.assertGreater(hits[0]["score"], 2 * hits[1]["score"])  # of votes, not cosines
                fluke.run("query", *asked, "--id", self.items[0]["id"], "--exclude-self", "--manifest", self.manifest, "--match-sheet", sheet)
                self.assertEqual(sheet.read_bytes()[:8], b"\x89PNG\r\n\x1a\n")
                sheet.unlink()

    def test_a_models_pipeline_that_is_wrong_or_not_the_only_one_is_refused(self):
        (self.folder / "other.yaml").write_text("steps: [{query_expansion: {k: 3}}]\nembedding: {tta: [flip, multi_scale], tta_merge: mean, weights: [2, 1]}\n")
        (self.folder / "nosuch.yaml").write_text("steps: [{nosuch: {}}]\n")
        config = self.folder / "refused.yaml"
        for second, said in (("other.yaml", "model 'two' has the runs of another"), ("nosuch.yaml", "nosuch.yaml:1")):
            models = [{"name": name, "run": ["a", "b"], "pipeline": file} for name, file in (("one", "pipeline.yaml"), ("two", second))]
            config.write_text(json.dumps({"data": "data", "models": models}))
            refused = fluke.run("serve", config, "--check", check=False)
            self.assertEqual(refused.returncode, 2)
            self.assertIn(said, refused.stderr)

    def test_a_gallery_embedded_with_views_is_not_served_without_them(self):
        process = fluke.run("serve", "--model", self.models, "--index", self.index, "--listen", "127.0.0.1:0", check=False)
        self.assertEqual(process.returncode, 1)
        self.assertIn("fingerprint", process.stderr)

    def test_a_pipeline_that_is_wrong_says_where(self):
        wrong = self.folder / "wrong.yaml"
        wrong.write_text("steps:\n- {k_reciprocal: {k1: 5}}\n- {whitening: {}}\n")
        process = fluke.run("pipeline", "check", wrong, check=False)
        self.assertEqual(process.returncode, 2)
        self.assertIn("wrong.yaml:3", process.stderr)
        wrong.write_text("steps: [{whitening: {dimension: 999}}]\n")
        self.assertEqual(fluke.run("pipeline", "check", wrong).returncode, 0)
        process = fluke.run("pipeline", "check", wrong, "--index", self.index, check=False)
        self.assertEqual(process.returncode, 2)
        self.assertIn("999", process.stderr)
        process = fluke.run("serve", "--index", self.index, "--pipeline", wrong, "--listen", "127.0.0.1:0", check=False)
        self.assertEqual(process.returncode, 2)

    def test_rankings_of_two_models_are_fused_by_reciprocal_rank(self):
        for name, order in (("first", "xyz"), ("second", "yzw")):
            lines = ["query_id,query_identity,rank,id,identity,score"]
            lines += [f"q,w1,{rank},{item},w{item},{1 - rank / 10}" for rank, item in enumerate(order, 1)]
            (self.folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
        fused = self.folder / "fused.csv"
        fluke.run("pipeline", "fuse", "--rankings", f"{self.folder / 'first.csv'},{self.folder / 'second.csv'}", "--out", fused)
        # y: 1/62 + 1/61; z: 1/63 + 1/62; x: 1/61; w: 1/63.
        self.assertEqual([row["id"] for row in fluke.csv_rows(fused)], ["y", "z", "x", "w"])
        self.assertAlmostEqual(float(fluke.csv_rows(fused)[0]["score"]), 1 / 62 + 1 / 61, places=7)

    def test_steps_and_views_are_listed(self):
        names = [row["name"] for row in fluke.run_json("list", "steps")]
        self.assertIn("k_reciprocal", names)
        self.assertIn("ten_crop", [row["name"] for row in fluke.run_json("list", "tta")])

    def test_weights_are_learned_for_two_models(self):
        learned = fluke.run_json("pipeline", "weights", "--embeddings", self.vectors, "--dimensions", "32,32")
        self.assertAlmostEqual(sum(learned["weights"]), 1)
        self.assertGreaterEqual(learned["value"], learned["value_unweighted"])


if __name__ == "__main__":
    unittest.main()
