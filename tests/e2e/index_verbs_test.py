"""The verbs of an index on embeddings made here: filters, individuals, snapshots, joining, checking."""
import csv
import io
import math
import pathlib
import unittest

import fluke_program as fluke


class IndexVerbs(unittest.TestCase):
    def setUp(self):
        scratch = fluke.scratch_folder()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        self.query = fluke.write_embeddings(self.folder / "query", [("q", "?", "", 0)])
        self.index = self.folder / "index"
        north = [("n10", "ann", "north", 10), ("n20", "ann", "north", 20), ("n30", "bea", "north", 30)]
        south = [("s15", "bea", "south", 15), ("s25", "cleo", "south", 25)]
        self.north = fluke.write_embeddings(self.folder / "north", north)
        self.south = fluke.write_embeddings(self.folder / "south", south)
        fluke.run("index", "build", "--embeddings", self.north, "--out", self.index)
        fluke.run("index", "add", "--embeddings", self.south, "--index", self.index)

    def search(self, *arguments, index=None):
        text = fluke.run("search", "--index", index or self.index, "--queries", self.query, *arguments).stdout
        return [row["id"] for row in csv.DictReader(io.StringIO(text))]

    def test_a_filter_leaves_the_nearest_that_match(self):
        self.assertEqual(self.search(), ["n10", "s15", "n20", "s25", "n30"])
        self.assertEqual(self.search("--filter", 'camera = "south"'), ["s15", "s25"])
        self.assertEqual(self.search("-k", 1, "--filter", 'not identity in ("ann", "bea")'), ["s25"])
        refused = fluke.run("search", "--index", self.index, "--queries", self.query, "--filter", "camera = ", check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("column", refused.stderr)

    def test_where_there_is_no_gpu_the_processor_answers(self):
        command = ["search", "--index", self.index, "--queries", self.query, "--device"]
        on_gpu = fluke.run(*command, "gpu", "--float16")
        self.assertEqual(on_gpu.stdout, fluke.run(*command, "cpu").stdout)
        if not pathlib.Path("/dev/nvidia0").exists():
            self.assertIn("searching on the CPU", on_gpu.stderr)
        refused = fluke.run(*command, "tpu", check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("unknown device 'tpu'", refused.stderr)

    def test_one_photograph_of_each_individual_and_a_least_score(self):
        self.assertEqual(self.search("--one-per-identity"), ["n10", "s15", "s25"])
        self.assertEqual(self.search("--min-score", math.cos(math.radians(17))), ["n10", "s15"])

    def test_an_earlier_snapshot_is_searched_as_it_was(self):
        fluke.run("index", "remove", "--index", self.index, "--ids", "n10")
        self.assertEqual(self.search("-k", 2), ["s15", "n20"])
        self.assertEqual(self.search("--snapshot", 1), ["n10", "n20", "n30"])
        self.assertEqual(self.search("--snapshot", 2, "-k", 1), ["n10"])

    def test_indexes_are_joined_but_not_where_an_id_stands_in_two(self):
        fluke.run("index", "build", "--embeddings", self.south, "--out", self.folder / "b")
        fluke.run("index", "build", "--embeddings", self.north, "--out", self.folder / "a")
        joined = self.folder / "joined"
        info = fluke.run_json("index", "merge", "--index", f"{self.folder / 'a'},{self.folder / 'b'}", "--out", joined)
        self.assertEqual(info["size"], 5)
        self.assertEqual(self.search(index=joined), self.search())
        refused = fluke.run("index", "merge", "--index", f"{joined},{self.index}", "--out", self.folder / "c", check=False)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("n10", refused.stderr)

    def test_verify_checks_neighbours_too_and_compact_has_nothing_to_do(self):
        report = fluke.run_json("index", "verify", "--index", self.index)
        self.assertEqual((report["damaged"], report["sampled_queries"], report["recall_at_20"]), (0, 5, 1))
        self.assertEqual(fluke.run_json("index", "compact", "--index", self.index)["snapshot"], 2)

    def test_every_preset_builds_and_an_unknown_one_is_named(self):
        for preset in ("exact", "fast", "compact", "tiny"):
            info = fluke.run_json("index", "build", "--embeddings", self.north, "--out", self.folder / preset, "--preset", preset)
            self.assertEqual(info["size"], 3)
        refused = fluke.run("index", "build", "--embeddings", self.north, "--out", self.folder / "x", "--preset", "fats",
                            check=False)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("did you mean 'fast'", refused.stderr)


unittest.main()
