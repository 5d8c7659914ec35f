"""fluke tune, killed in between, and fluke runs over what it left."""
import json
import pathlib
import unittest

import fluke_program as fluke


class Tune(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = fluke.scratch_folder()
        cls.addClassCleanup(scratch.cleanup)
        cls.folder = pathlib.Path(scratch.name)
        cls.manifest = fluke.draw_flukes(cls.folder / "flukes", identities=8, photos=4)
        cls.config = fluke.write_config(cls.folder / "a.yaml", cls.manifest, epochs=1)

    def test_a_study_goes_on_after_a_kill_with_as_many_trials_as_asked_for(self):
        space = self.folder / "space.yaml"
        space.write_text("optimizer.lr: {min: 1e-4, max: 1e-2, log: true}\nmodel.width: [8, 16]\n")
        study, page = self.folder / "study", self.folder / "study.html"
        arguments = ("tune", self.config, "--space", space, "--study", study, "--trials", 3, "--workers", 2, "--pruner", "none",
                     "--html", page)
        self.assertTrue(fluke.kill_once((study / "trial_00001" / "train.log").exists, *arguments))
        report = fluke.run_json(*arguments)
        self.assertEqual(sorted(trial["trial"] for trial in report["trials"]), [1, 2, 3])
        self.assertEqual({trial["state"] for trial in report["trials"]}, {"done"})
        values = [trial["value"] for trial in report["trials"]]
        self.assertEqual(values, sorted(values, reverse=True))
        self.assertEqual(page.read_text().count("<svg"), 2)

        best = report["trials"][0]
        runs = fluke.run_json("runs", "list", study, "--by", report["metric"])
        self.assertEqual(len(runs), 3)
        self.assertEqual(runs[0]["best"][report["metric"]], best["value"])
        self.assertIn("optimizer.lr", runs[0]["config"])
        self.assertAlmostEqual(float(runs[0]["config"]["optimizer.lr"]), float(best["parameters"]["optimizer.lr"]), places=6)

        other = fluke.run("tune", self.config, "--space", space, "--study", study, "--set", "seed=9", check=False)
        self.assertEqual(other.returncode, 1)
        self.assertIn("study.db", other.stderr)

    def test_a_wrong_field_or_value_is_told_before_any_trial(self):
        space = self.folder / "wrong.yaml"
        for text, culprit in (("optimizer.lrr: {min: 0.1, max: 1}\n", "lrr"), ("train.epochs: {min: -3, max: 1}\n", "epochs")):
            space.write_text(text)
            process = fluke.run("tune", self.config, "--space", space, "--study", self.folder / "wrong", check=False)
            self.assertEqual(process.returncode, 2, process.stderr)
            self.assertIn(culprit, process.stderr)
            self.assertFalse((self.folder / "wrong").exists())

    def test_a_run_is_reproduced_to_the_byte_and_only_on_its_own_data(self):
        first, again = self.folder / "first", self.folder / "again"
        fluke.run("train", self.config, "--run", first)
        record = json.loads((first / "record.json").read_text())
        self.assertEqual(record["command"][1:3], ["train", str(self.config)])
        fluke.run("runs", "reproduce", first, "--run", again)
        self.assertEqual((first / "model.safetensors").read_bytes(), (again / "model.safetensors").read_bytes())
        self.assertEqual(fluke.run("runs", "compare", first, again).returncode, 0)
        kept = self.manifest.read_text()
        try:
            self.manifest.write_text("\n".join(kept.splitlines()[:-1]) + "\n")
            process = fluke.run("runs", "reproduce", first, "--run", self.folder / "third", check=False)
        finally:
            self.manifest.write_text(kept)
        self.assertEqual(process.returncode, 1)
        self.assertIn("--any-data", process.stderr)


if __name__ == "__main__":
    unittest.main()
