"""fluke evaluate: protocols, the files of leaderboards, comparisons and the leaderboard's page."""
import math
import pathlib
import random
import re
import unittest

import fluke_program as fluke


class Evaluate(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = fluke.scratch_folder()
        cls.addClassCleanup(scratch.cleanup)
        cls.folder = pathlib.Path(scratch.name)
        cls.good = cls.individuals("good", spread=4)
        cls.poor = cls.individuals("poor", spread=30)

    @classmethod
    def individuals(cls, name, spread):
        """Twelve individuals of five photographs, `spread` degrees around their own direction, on three cameras."""
        draw = random.Random(1)
        items = [(f"p{i}_{j}", f"w_{i}", f"c{j % 3}", 30 * i + draw.gauss(0, spread)) for i in range(12) for j in range(5)]
        return fluke.write_embeddings(cls.folder / name, items)

    def evaluate(self, *words):
        return fluke.run_json("evaluate", *words)

    def assert_refused(self, words, *culprits):
        process = fluke.run("evaluate", *words, check=False)
        self.assertEqual(process.returncode, 2, process.stderr)
        for culprit in culprits:
            self.assertIn(culprit, process.stderr)

    def test_per_query_values_have_the_mean_that_is_printed(self):
        out, people = self.folder / "q.csv", self.folder / "individuals.csv"
        report = self.evaluate("--embeddings", self.poor, "--metrics", "recall@1,map@r,mrr", "--per-query", out,
                               "--per-identity", "--identities-out", people, "--bootstrap", 200)
        rows = fluke.csv_rows(out)
        self.assertEqual(len(rows), report["queries"])
        for metric, value in report["metrics"].items():
            self.assertAlmostEqual(math.fsum(float(r[metric]) for r in rows) / len(rows), value, places=6)
            low, high = report["intervals"][metric]
            self.assertLess(low, value)
            self.assertGreater(high, value)
        individuals = fluke.csv_rows(people)
        self.assertEqual(len(individuals), 12)
        of_one = [float(r["recall@1"]) for r in rows if r["query_identity"] == "w_3"]
        listed = next(float(r["recall@1"]) for r in individuals if r["identity"] == "w_3")
        self.assertAlmostEqual(sum(of_one) / 5, listed, places=6)

    def test_runs_and_their_per_query_files_are_compared(self):
        of_poor = self.folder / "poor.csv"
        self.evaluate("--embeddings", self.poor, "--per-query", of_poor)
        with_run = self.evaluate("--embeddings", self.good, "--compare", self.poor)["comparison"]["recall@1"]
        with_file = self.evaluate("--embeddings", self.good, "--compare", of_poor)["comparison"]["recall@1"]
        self.assertEqual(with_run, with_file)
        self.assertGreater(with_run["difference"], .2)
        self.assertLess(with_run["p_randomisation"], .01)
        self.assertLess(with_run["p_student"], .01)
        self.assertEqual(with_run["better"] + with_run["worse"] + with_run["equal"], 60)
        same = self.evaluate("--embeddings", self.good, "--compare", self.good)["comparison"]["recall@1"]
        self.assertEqual((same["difference"], same["p_randomisation"]), (0, 1))

    def test_a_written_run_has_by_its_qrels_what_the_vectors_have(self):
        run, qrels = self.folder / "run.trec", self.folder / "qrels.trec"
        vectors = self.evaluate("--embeddings", self.poor, "--metrics", "map,recall@1,ndcg@10,precision@5",
                                "--write-run", run, "--write-qrels", qrels)["metrics"]
        trec = self.evaluate("--run", run, "--qrels", qrels, "--metrics", "map,success_1,ndcg_cut_10,P_5")["metrics"]
        for ours, theirs in (("map", "map"), ("recall@1", "success_1"), ("ndcg@10", "ndcg_cut_10"), ("precision@5", "P_5")):
            self.assertAlmostEqual(vectors[ours], trec[theirs], places=6)

    def test_a_written_submission_scores_what_the_vectors_score(self):
        submission = self.folder / "submission.csv"
        words = ("--protocol", "kaggle-whale")
        vectors = self.evaluate("--embeddings", self.poor, *words, "--write-submission", submission)["metrics"]
        lines = submission.read_text().splitlines()
        self.assertEqual(lines[0], "Image,Id")
        self.assertRegex(lines[1], r"^p0_0,w_\d+( w_\d+){4}$")
        scored = self.evaluate("--submission", submission, "--truth", self.poor / "items.csv", *words)["metrics"]
        self.assertAlmostEqual(vectors["kaggle_map@5"], scored["kaggle_map@5"], places=9)
        fluke.run("evaluate", "--embeddings", self.poor, *words, "--write-submission", submission, "--new-threshold", 2)
        self.assertTrue(all(" new_whale" in l or ",new_whale" in l for l in submission.read_text().splitlines()[1:]))

    def test_cameras_are_left_out_by_the_protocol_that_says_so(self):
        # The near one is on the query's own camera; of the two others the wrong one is nearer.
        items = fluke.write_embeddings(self.folder / "cameras", [
            ("q", "a", "1", 0), ("near", "a", "1", 1), ("other", "b", "2", 5), ("far", "a", "2", 10), ("junk", "-1", "2", 2)])
        report = self.evaluate("--embeddings", items, "--protocol", "market1501", "--per-query", self.folder / "m.csv")
        q = fluke.csv_rows(self.folder / "m.csv")[0]
        self.assertEqual((q["query_id"], float(q["cmc@1"]), float(q["cmc@5"]), float(q["map"])), ("q", 0, 1, .5))
        self.assertEqual(report["protocol"], "market1501")

    def test_new_individuals_are_measured_by_the_open_protocol(self):
        gallery = fluke.write_embeddings(self.folder / "gallery", [("a1", "a", "", 0), ("b1", "b", "", 90)])
        queries = fluke.write_embeddings(self.folder / "queries", [
            ("a2", "a", "", 3), ("b2", "b", "", 95), ("b3", "b", "", 50), ("n1", "n", "", 200), ("o1", "o", "", 315)])
        figures = self.evaluate("--embeddings", gallery, "--query-embeddings", queries, "--protocol",
                                "wildlife-open")["figures"]
        # Scores: cos 3, 5, 40 and, of the new ones, cos 110 and cos 45: a threshold between cos 45 and cos 40 is right for all.
        self.assertEqual((figures["baks"], figures["baus"], figures["auroc"]), (1, 1, 1))
        self.assertLess(figures["threshold (best on these queries)"], math.cos(math.radians(40)))
        self.assertGreater(figures["threshold (best on these queries)"], math.cos(math.radians(45)))
        self.assertEqual((figures["known individuals"], figures["new individuals"]), (2, 2))

    def test_a_npy_file_takes_any_manifest(self):
        table = self.folder / "table.csv"
        rows = fluke.csv_rows(self.poor / "items.csv")
        table.write_text("label,path,is_query,is_gallery\n" + "".join(
            f"{r['identity']},{r['id']}.jpg,{i % 5 == 0},{i % 5 != 0}\n" for i, r in enumerate(rows)))
        report = self.evaluate("--embeddings", self.poor / "embeddings.npy", "--items", table)
        self.assertEqual(report["queries"], 12)
        self.assert_refused(("--embeddings", self.poor / "embeddings.npy"), "embeddings.npy", "needs its items")

    def test_the_leaderboard_is_sorted_and_its_page_asks_nobody(self):
        runs, out = self.folder / "runs", self.folder / "board"
        runs.mkdir()
        (runs / "b_good").symlink_to(self.good)
        (runs / "a_<poor>").symlink_to(self.poor)
        fluke.run("evaluate", "--embeddings", self.poor, "--metrics", "recall@1,map@r", "--per-query", runs / "earlier.csv")
        board = self.evaluate("--leaderboard", runs, "--metrics", "recall@1,map@r", "--bootstrap", 100, "--out", out)
        names = [run["name"] for run in board["runs"]]
        self.assertEqual(names, ["b_good", "a_<poor>", "earlier"])
        self.assertLess(board["runs"][1]["p_against_best"], .01)
        for metric, value in board["runs"][1]["metrics"].items():
            self.assertAlmostEqual(value, board["runs"][2]["metrics"][metric], places=6)
        curve = board["runs"][0]["recall_at"]
        self.assertEqual(curve, sorted(curve))
        self.assertAlmostEqual(curve[0], board["runs"][0]["metrics"]["recall@1"])
        page = (out / "leaderboard.html").read_text()
        self.assertIn("a_&lt;poor&gt;", page)
        self.assertNotIn("<poor>", page)
        self.assertEqual(re.findall(r"""(?:src|href)\s*=\s*["'](?!data:)""", page), [])
        self.assertNotRegex(page, "https?:")
        self.assertNotIn("<script", page)
        for piece in ("<polyline", "same individual", "Most confused individuals", "Hardest queries"):
            self.assertIn(piece, page)
        self.assertIn("| b_good | 60 |", (out / "leaderboard.md").read_text())

    def test_wrong_options_are_named(self):
        self.assert_refused(("--embeddings", self.good, "--protocol", "kagle-whale"), "did you mean 'kaggle-whale'")
        self.assert_refused(("--embeddings", self.good, "--metrics", "recal@1"), "did you mean 'recall@k'")
        self.assert_refused(("--embeddings", self.good, "--protocol", "trec"), "needs --run and --qrels")
        self.assert_refused(("--run", "x", "--qrels", "y", "--metrics", "P_0"), "'0' is no cutoff")
        self.assert_refused(("--embeddings", self.good, "--bootstrap", 10, "--confidence", 95), "confidence is 95")


if __name__ == "__main__":
    unittest.main()
