"""fluke data as a user runs it: divide, find duplicates, look for doubtful labels, crop; and cross-validation, killed in between."""
import csv
import json
import pathlib
import shutil
import unittest

import fluke_program as fluke


class Data(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = fluke.scratch_folder()
        cls.addClassCleanup(scratch.cleanup)
        cls.folder = pathlib.Path(scratch.name)
        cls.manifest = fluke.draw_flukes(cls.folder / "flukes", identities=10, photos=4)

    def test_a_split_keeps_every_row_and_is_the_same_for_shuffled_rows(self):
        lines = self.manifest.read_text().splitlines()
        shuffled = self.manifest.parent / "shuffled.csv"
        shuffled.write_text("\n".join([lines[0], *reversed(lines[1:])]) + "\n")
        one, other = self.folder / "one.csv", self.folder / "other.csv"
        summary = fluke.run_json("data", "split", self.manifest, "--out", one, "--folds", 5, "--seed", 3)
        self.assertEqual([row["photos"] for row in summary["splits"]], [8] * 5)
        fluke.run("data", "split", shuffled, "--out", other, "--folds", 5, "--seed", 3)
        splits = {row["path"]: row["split"] for row in fluke.csv_rows(one)}
        self.assertEqual(len(splits), 40)
        self.assertEqual(splits, {row["path"]: row["split"] for row in fluke.csv_rows(other)})
        self.assertEqual(fluke.run("data", "check", one).returncode, 0)  # its paths are right

    def test_a_closed_split_marks_queries_and_gallery(self):
        out = self.folder / "closed.csv"
        fluke.run("data", "split", self.manifest, "--out", out, "--by", "closed", "--fraction", 0.25)
        for row in fluke.csv_rows(out):
            self.assertEqual((row["is_gallery"], row["is_query"]),
                             ("true", "false") if row["split"] == "train" else ("false", "true"))

    def test_duplicates_across_splits_are_reported_and_taken_out(self):
        photos = self.folder / "twice"
        for split, count in (("train", 3), ("test", 2)):
            (photos / split / "w").mkdir(parents=True)
            for photo in sorted(self.manifest.parent.glob("images/*/*"))[:count]:
                shutil.copy(photo, photos / split / "w" / f"{photo.parent.name}_{photo.name}")
        out, clean = self.folder / "duplicates.csv", self.folder / "clean.csv"
        report = fluke.run_json("data", "duplicates", photos, "--distance", 0, "--out", out, "--clean", clean)
        self.assertEqual((report["groups"], report["leaking_photos"], report["surplus"]), (2, 2, 2))
        self.assertEqual({row["likeness"] for row in fluke.csv_rows(out)}, {"exact"})
        self.assertEqual(sorted(row["split"] for row in fluke.csv_rows(clean)), ["test", "test", "train"])

    def test_crops_are_a_manifest_of_their_own(self):
        fluke.run("data", "crop", self.manifest, "--out", self.folder / "crops", "--max-side", 40)
        rows = fluke.csv_rows(self.folder / "crops" / "manifest.csv")
        self.assertEqual(len(rows), 40)
        self.assertNotIn("x", rows[0])
        self.assertEqual(fluke.run_json("data", "stats", self.folder / "crops")["width_px"]["max"], 40)

    def test_statistics_are_drawn_as_one_page(self):
        page = self.folder / "stats.html"
        fluke.run("data", "stats", self.manifest, "--html", page)
        self.assertGreater(page.read_text().count("<svg"), 4)

    def test_a_wrong_name_is_suspected_and_an_unknown_one_found(self):
        items = [(f"{name}{i}", name, "", 40 * place + i) for place, name in enumerate("abc") for i in range(5)]
        folder = fluke.write_embeddings(self.folder / "circle", items)
        manifest = self.folder / "circle.csv"
        wrong = [(item, {"a2": "b", "c1": ""}.get(item, identity)) for item, identity, *_ in items]
        manifest.write_text("path,identity\n" + "".join(f"{item},{identity}\n" for item, identity in wrong))
        suspects = self.folder / "suspects.csv"
        fluke.run("data", "suspects", manifest, "--embeddings", folder, "--out", suspects, "--neighbors", 4)
        self.assertEqual([(row["path"], row["suggested"]) for row in fluke.csv_rows(suspects)], [("a2", "a")])
        labelled = self.folder / "labelled.csv"
        report = fluke.run_json("data", "pseudo-labels", manifest, "--embeddings", folder, "--out", labelled, "--agree", 3,
                                "--min-score", 0.9)
        self.assertEqual(report["labelled"], 1)
        named = {row["path"]: row for row in fluke.csv_rows(labelled)}
        self.assertEqual((named["c1"]["identity"], named["c1"]["provenance"]), ("c", "pseudo:neighbours"))
        self.assertEqual(named["c2"]["provenance"], "labelled")

    def test_a_timestamp_tells_train_from_test(self):
        rows = fluke.csv_rows(self.manifest)
        split = self.manifest.parent / "seasons.csv"
        with open(split, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, [*rows[0], "timestamp"])
            writer.writeheader()
            for number, row in enumerate(rows):
                row["split"] = "test" if number >= 20 else "train"
                writer.writerow(row | {"timestamp": f"20{10 + number // 4}-05-01"})
        out = self.folder / "weighted.csv"
        report = fluke.run_json("data", "adversarial", split, "--folds", 4, "--out", out, "--validation", 0.2,
                                "--whole-identities")
        self.assertEqual(report["features"][0]["name"], "time_years")
        self.assertEqual(report["features"][0]["auc"], 1)
        self.assertGreater(report["auc"], 0.75)
        written = fluke.csv_rows(out)
        self.assertEqual(sum(row["split"] == "val" for row in written), 4)
        self.assertTrue(all(row["weight"] for row in written if row["split"] != "test"))
        config = fluke.write_config(self.folder / "weighted.yaml", out, epochs=1)
        said = fluke.run("train", config, "--run", self.folder / "weighted", "--set", "data.weight_column=weight")
        self.assertIn("loss", said.stderr)

    def test_a_photograph_that_is_gone_tells_nothing_and_is_named(self):
        rows = fluke.csv_rows(self.manifest)
        split = self.manifest.parent / "gone.csv"
        with open(split, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            for number, row in enumerate(rows):
                row["split"] = "test" if number >= 20 else "train"
                writer.writerow(row | {"path": f"gone{number}.jpg"} if number in (3, 20) else row)
        out = self.folder / "gone_weighted.csv"
        said = fluke.run("data", "adversarial", split, "--folds", 4, "--json", "--out", out, "--validation", 0.2)
        report = json.loads(said.stdout)
        self.assertEqual((report["train"], report["test"], report["unreadable"]), (19, len(rows) - 21, 2))
        self.assertIn("left out gone3.jpg (line 5)", said.stderr)
        self.assertIn("left out gone20.jpg (line 22)", said.stderr)
        written = fluke.csv_rows(out)
        self.assertEqual([pathlib.Path(row["path"]).name for row in written if row["split"] != "test" and not row["weight"]], ["gone3.jpg"])
        self.assertEqual(sum(row["split"] == "val" for row in written), 4)

    def test_a_cross_validation_goes_on_after_a_kill_and_embeds_each_photograph_once(self):
        config = fluke.write_config(self.folder / "cv.yaml", self.manifest, epochs=1)
        run = self.folder / "cv"
        arguments = ("cv", config, "--folds", 2, "--run", run, "--metrics", "recall@1")
        fluke.kill_after(4, *arguments)
        report = fluke.run_json(*arguments)
        kept_aside = [row for row in fluke.csv_rows(self.manifest) if row["split"] == "test"]
        self.assertEqual(len(kept_aside), 8)  # two of the ten individuals are no fold's
        self.assertEqual([fold["photos"] for fold in report["folds"]], [16, 16])
        values = [fold["metrics"]["recall@1"] for fold in report["folds"]]
        self.assertAlmostEqual(report["metrics"]["recall@1"]["mean"], sum(values) / 2)
        items = fluke.csv_rows(run / "embeddings" / "items.csv")
        self.assertEqual(len({row["path"] for row in items}), 32)
        self.assertEqual({row["fold"] for row in items}, {"0", "1"})
        before = (run / "fold_0" / "model.safetensors").stat().st_mtime_ns
        self.assertEqual(fluke.run_json(*arguments), report)  # finished folds are kept
        self.assertEqual((run / "fold_0" / "model.safetensors").stat().st_mtime_ns, before)
        refused = fluke.run(*arguments, "--seed", 4, check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("cv.yaml", refused.stderr)


if __name__ == "__main__":
    unittest.main()
