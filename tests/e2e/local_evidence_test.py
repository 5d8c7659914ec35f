"""Local evidence as a user comes by it: photographs in, key points indexed, individuals found, all without a model."""
import csv
import json
import pathlib
import struct
import unittest
import zlib

import fluke_program as fluke


def blank_photograph(path):
    """A grey PNG of 64 x 48, in which nothing is a key point."""
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 48, 8, 0, 0, 0, 0)) +
                     chunk(b"IDAT", zlib.compress((b"\0" + b"\x80" * 64) * 48)) + chunk(b"IEND", b""))


class LocalEvidence(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = fluke.scratch_folder()
        cls.addClassCleanup(cls.scratch.cleanup)
        cls.folder = pathlib.Path(cls.scratch.name)
        fluke.run("data", "synth", "--out", cls.folder / "flukes", "--identities", 8, "--photos", 3, "--size", 200, "--difficulty", 0.1)
        cls.manifest = cls.folder / "flukes" / "manifest.csv"
        cls.index = cls.folder / "index"
        cls.built = fluke.run_json("index", "build", "--local", cls.manifest, "--out", cls.index)

    def ranking_in(self, index, *words):
        out = self.folder / "ranking.csv"
        fluke.run("search", "--index", index, "--local", self.manifest, "--out", out, *words)
        return fluke.csv_rows(out)

    def ranking(self, *words):
        return self.ranking_in(self.index, *words)

    def photographs_on_a_circle(self):
        """For fluke.write_embeddings: vectors that say little of who it is."""
        return [(row["path"], row["identity"], "", 7 * number % 360) for number, row in enumerate(fluke.csv_rows(self.manifest))]

    def test_finds_individuals_without_any_training(self):
        self.assertEqual(self.built["local"]["photos"], 24)
        self.assertGreater(self.built["local"]["key_points"], 24 * 20)
        self.ranking("--exclude-self")
        report = fluke.run_json("evaluate", "--ranking", self.folder / "ranking.csv", "--metrics", "recall@1")
        self.assertEqual(report["queries"], 24)
        self.assertGreater(report["metrics"]["recall@1"], 0.5)  # by chance 2 of 23

    def test_a_query_finds_itself_unless_it_is_left_out(self):
        first = [row for row in self.ranking("-k", 1)]
        self.assertTrue(all(row["id"] == row["query_id"] for row in first), first)
        left_out = self.ranking("-k", 5, "--exclude-self", "--one-per-identity")
        self.assertFalse([row for row in left_out if row["id"] == row["query_id"]])
        for query in {row["query_id"] for row in left_out}:
            identities = [row["identity"] for row in left_out if row["query_id"] == query]
            self.assertEqual(len(identities), len(set(identities)))

    def test_what_matches_is_drawn(self):
        sheet = self.folder / "sheet.png"
        self.ranking("-k", 1, "--exclude-self", "--sheet", sheet, "--sheet-rows", 3)
        self.assertEqual(sheet.read_bytes()[:8], b"\x89PNG\r\n\x1a\n")

    def test_a_photograph_without_key_points_finds_nobody_and_is_found_by_nobody(self):
        blank_photograph(self.folder / "blank.png")
        manifest, index, out = self.folder / "with_blank.csv", self.folder / "with_blank", self.folder / "with_blank_ranking.csv"
        with open(manifest, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerows([("path", "identity"), (self.folder / "blank.png", "nobody")])
            writer.writerows((self.manifest.parent / row["path"], row["identity"]) for row in fluke.csv_rows(self.manifest))
        self.assertEqual(fluke.run_json("index", "build", "--local", manifest, "--out", index)["local"]["photos"], 25)
        fluke.run("search", "--index", index, "--local", manifest, "--exclude-self", "--out", out)
        rows = fluke.csv_rows(out)
        blank = [row for row in rows if "blank.png" in row["query_id"]]
        self.assertFalse([row for row in blank if float(row["score"]) > 0])
        best = [row for row in rows if row["rank"] == "1" and row not in blank]
        self.assertEqual(len(best), 24)
        self.assertFalse([row for row in best if row["identity"] == "nobody"])

    def test_info_and_verify_know_it_and_damage_is_named(self):
        self.assertEqual(fluke.run_json("index", "info", "--index", self.index)["local"]["photos"], 24)
        self.assertEqual(fluke.run_json("index", "verify", "--index", self.index)["damaged"], 0)
        file = self.index / "local" / "descriptors.bin"
        whole = file.read_bytes()
        file.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
        self.addCleanup(file.write_bytes, whole)
        for words in (("index", "verify", "--index", self.index), ("search", "--index", self.index, "--local", self.manifest)):
            refused = fluke.run(*words, check=False)
            self.assertEqual(refused.returncode, 1)
            self.assertIn("descriptors.bin", refused.stdout + refused.stderr)

    def test_what_is_there_is_replaced_only_where_asked(self):
        again = ("index", "build", "--local", self.manifest, "--out", self.folder / "again", "--max-key-points", 50)
        fluke.run(*again)
        refused = fluke.run(*again, check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("--replace", refused.stderr)
        fluke.run(*again, "--replace")

    def test_photographs_come_and_go(self):
        """What was added is found as if it had been there, what was removed as if it had not; before and after compaction."""
        rows = [{**row, "path": str(self.manifest.parent / row["path"])} for row in fluke.csv_rows(self.manifest)]
        parts = {"first": rows[:15], "later": rows[12:], "whole": rows[:3] + rows[4:]}
        for name, part in parts.items():
            with open(self.folder / f"{name}.csv", "w", newline="") as file:
                writer = csv.DictWriter(file, rows[0])
                writer.writeheader()
                writer.writerows(part)
        build = lambda name: fluke.run("index", "build", "--local", self.folder / f"{name}.csv", "--out", self.folder / name,
                                       "--max-key-points", 100)
        found = lambda name: sorted((row["query_id"], row["id"], row["score"]) for row in self.ranking_in(self.folder / name))
        build("whole")
        build("first")
        changing = self.folder / "first"
        added = fluke.run_json("index", "add", "--index", changing, "--local", self.folder / "later.csv")
        self.assertEqual((added["local"]["photos"], added["local"]["photos_put_since"]), (15, 12))
        removed = fluke.run_json("index", "remove", "--index", changing, "--ids", rows[3]["path"])
        self.assertEqual(removed["local"]["photos_removed_since"], 1)
        self.assertIn("1 of 1 ids were not in the index", fluke.run("index", "remove", "--index", changing, "--ids", rows[3]["path"]).stderr)
        self.assertEqual(found("first"), found("whole"))
        for seconds in (0.2, 0.25, 0.3, 0.4):  # killed before, while or after it folds: nothing is lost
            fluke.kill_after(seconds, "index", "compact", "--index", changing)
            self.assertEqual(fluke.run_json("index", "verify", "--index", changing)["damaged"], 0)
            self.assertEqual(found("first"), found("whole"))
        compacted = fluke.run_json("index", "compact", "--index", changing)
        self.assertEqual((compacted["local"]["photos"], compacted["local"]["photos_put_since"]), (23, 0))
        self.assertEqual(found("first"), found("whole"))
        self.assertEqual(fluke.run_json("index", "verify", "--index", changing)["damaged"], 0)
        refused = fluke.run("index", "add", "--index", changing, check=False)
        self.assertIn("--embeddings or --local", refused.stderr)
        refused = fluke.run("index", "add", "--index", self.folder / "nosuch", "--local", self.manifest, check=False)
        self.assertIn("index build --local", refused.stderr)

    def test_what_is_killed_while_it_replaces_leaves_the_old_in_place(self):
        index = self.folder / "killed"
        fluke.run("index", "build", "--local", self.manifest, "--out", index)
        before = sorted((file.name, file.read_bytes()) for file in (index / "local").iterdir() if file.is_file())
        self.assertTrue(fluke.kill_after(0.1, "index", "build", "--local", self.manifest, "--out", index, "--replace"))
        self.assertEqual(before, sorted((file.name, file.read_bytes()) for file in (index / "local").iterdir() if file.is_file()))
        fluke.run("index", "build", "--local", self.manifest, "--out", index, "--replace")
        fluke.run("index", "verify", "--index", index)

    def test_wrong_usage_is_named(self):
        for words, said in (((), "--embeddings or --local"), (("--local", self.manifest, "--side", 7), "side_px is 7"),
                            (("--local", self.manifest, "--split", "nosuch"), "nosuch"),
                            (("--local", self.folder / "nosuch.csv"), "nosuch.csv")):
            refused = fluke.run("index", "build", "--out", self.folder / "wrong", *words, check=False)
            self.assertIn(refused.returncode, (1, 2))
            self.assertIn(said, refused.stderr)
        self.assertFalse((self.folder / "wrong" / "local").exists())
        refused = fluke.run("search", "--index", self.folder / "flukes", "--local", self.manifest, check=False)
        self.assertIn("index build --local", refused.stderr)
        refused = fluke.run("search", "--index", self.index, "--local", self.manifest, "--filter", "year = 1", check=False)
        self.assertIn("--local does not go with --filter", refused.stderr)
        refused = fluke.run("search", "--index", self.index, "--local", self.manifest, "--queries", self.folder, "--by-individual",
                            check=False)
        self.assertIn("--by-individual", refused.stderr)

    def test_together_with_embeddings_once_calibrated(self):
        rows = self.photographs_on_a_circle()
        embeddings = fluke.write_embeddings(self.folder / "embeddings", rows)
        both = self.folder / "both"
        fluke.run("index", "build", "--embeddings", embeddings, "--local", self.manifest, "--out", both)
        search = ("search", "--index", both, "--queries", embeddings, "--local", self.manifest, "--exclude-self", "--out",
                  self.folder / "both.csv")
        refused = fluke.run(*search, check=False)
        self.assertIn("index calibrate", refused.stderr)
        learned = fluke.run("index", "calibrate", "--index", both)
        self.assertIn('"queries":24', learned.stdout)
        fluke.run(*search)
        scores = [float(row["score"]) for row in fluke.csv_rows(self.folder / "both.csv")]
        self.assertTrue(all(0 <= score <= 1 for score in scores))
        self.check_served(both, rows)

    def test_what_a_sibling_says_of_other_individuals_may_be_taken(self):
        rows = self.photographs_on_a_circle()
        indexes = {}
        for model in ("one", "other"):
            embeddings = fluke.write_embeddings(self.folder / f"embeddings_{model}", rows)
            (embeddings / "embeddings.json").write_text(json.dumps({"fingerprint": model, "dimension": 2, "models": [], "data": ""}))
            indexes[model] = self.folder / model
            fluke.run("index", "build", "--embeddings", embeddings, "--local", self.manifest, "--out", indexes[model])
        calibrate = ("index", "calibrate", "--index", indexes["one"], "--from", indexes["other"])
        refused = fluke.run(*calibrate, check=False)
        self.assertIn("learned with the model other, the index has one", refused.stderr)
        fluke.run(*calibrate, "--sibling")
        fluke.run("search", "--index", indexes["one"], "--queries", self.folder / "embeddings_one", "--local", self.manifest, "--exclude-self",
                  "--out", self.folder / "sibling.csv")

    def check_served(self, index, rows):
        """A server that ranks by local evidence tells which regions match, and `query --match-sheet` draws them."""
        pipeline, sheet = self.folder / "local.yaml", self.folder / "matches.png"
        pipeline.write_text("steps: [{local_evidence: {by: local}}]\n")
        asked = ("--id", rows[0][0], "--exclude-self", "--manifest", self.manifest, "--match-sheet", sheet)
        with fluke.server("--index", index, "--pipeline", pipeline) as (address, _):
            fluke.run("query", "--server", address, *asked)
            self.assertEqual(sheet.read_bytes()[:8], b"\x89PNG\r\n\x1a\n")
            identify = ("identify", "--server", address, "--id", rows[0][0])
            self.assertIn("fewer than 20 individuals", fluke.run(*identify, check=False).stderr)
            individual = fluke.run_json(*identify, "--threshold", 0.5)
            self.assertEqual((individual["is_new"], individual["candidates"][0]["identity"]), (False, rows[0][1]))
            scores = [one["score"] for one in individual["candidates"]]
            self.assertEqual(scores, sorted(scores, reverse=True))
            self.assertNotIn(rows[0][0], [one["id"] for one in individual["candidates"]])
        with fluke.server("--index", index) as (address, _):
            refused = fluke.run("query", "--server", address, *asked, check=False)
            self.assertEqual(refused.returncode, 1)
            self.assertIn("local evidence", refused.stderr)


unittest.main()
