"""Bad input: a non-zero exit, a message that names the culprit, and nothing already saved lost."""
import pathlib
import shutil
import subprocess
import unittest

import fluke_program as fluke


class BadInput(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = fluke.scratch_folder()
        cls.addClassCleanup(scratch.cleanup)
        cls.folder = folder = pathlib.Path(scratch.name)
        cls.manifest = fluke.draw_flukes(folder / "flukes", identities=8, photos=4)
        cls.config = fluke.write_config(folder / "a.yaml", cls.manifest, epochs=1)
        cls.other_config = fluke.write_config(folder / "b.yaml", cls.manifest, epochs=1)
        fluke.run("train", cls.config, "--run", folder / "a")
        fluke.run("train", cls.other_config, "--set", "seed=8", "--run", folder / "b")
        fluke.run("embed", "--model", folder / "a", "--data", cls.manifest, "--out", folder / "vectors")
        fluke.run("index", "build", "--embeddings", folder / "vectors", "--out", folder / "index")

    def assert_refused(self, arguments, exit_code, *culprits):
        process = fluke.run(*arguments, check=False)
        self.assertEqual(process.returncode, exit_code, process.stderr)
        for culprit in culprits:
            self.assertIn(culprit, process.stderr)
        return process

    def copy_of_photographs(self, name):
        """A folder of folders of the drawn photographs, to be spoiled."""
        source, target = self.manifest.parent / "images", self.folder / name
        for photo in source.glob("*/*"):
            copy = target / photo.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(photo.read_bytes())
        return target

    def test_a_typo_in_the_configuration_names_file_line_and_key(self):
        typo = self.folder / "typo.yaml"
        typo.write_text(self.config.read_text().replace("optimizer: {lr", "optimizer: {lrr"))
        self.assert_refused(("train", typo, "--run", self.folder / "typo"), 2, "typo.yaml:9", "lrr", "lr")
        self.assertFalse((self.folder / "typo" / "checkpoint").exists())

    def test_an_unknown_choice_suggests_the_right_one(self):
        self.assert_refused(("train", self.config, "--set", "model.backbone=resnet19", "--run", self.folder / "x"), 2,
                            "resnet19", "resnet18")
        self.assertFalse((self.folder / "x").exists())  # what was refused leaves nothing

    def test_an_unknown_verb_or_option_is_wrong_usage(self):
        self.assert_refused(("serch",), 2, "serch", "did you mean 'search'")
        self.assert_refused(("embed", "--modell", "x"), 2, "--model", "--help")

    def test_what_needs_no_libtorch_runs_without_it_and_the_rest_names_the_program_that_is_missing(self):
        alone = self.folder / "alone"
        alone.mkdir()
        shutil.copy(fluke.BINARY, alone / "fluke")
        run = lambda *words: subprocess.run([alone / "fluke", *words], capture_output=True, text=True)
        self.assertNotIn("libtorch", subprocess.run(["ldd", fluke.BINARY], capture_output=True, text=True).stdout)
        search = run("search", "--index", self.folder / "index", "--queries", self.folder / "vectors", "--out", alone / "ranking.csv")
        self.assertEqual((search.returncode, len((alone / "ranking.csv").read_text().splitlines()) > 8), (0, True), search.stderr)
        for words in (("train", self.config, "--run", alone / "run"), ("--help",)):
            process = run(*words)
            self.assertEqual(process.returncode, 1)
            self.assertIn(f"cannot start {alone / 'fluke-torch'}", process.stderr)

    def test_a_corrupt_photograph_stops_training_and_is_named(self):
        photos = self.copy_of_photographs("corrupt")
        spoiled = sorted(photos.glob("*/*"))[3]
        spoiled.write_bytes(b"this is no photograph")
        name = str(spoiled.relative_to(photos))
        arguments = ("embed", "--model", self.folder / "a", "--data", photos, "--out", self.folder / "corrupt_vectors")
        self.assertNotEqual(self.assert_refused_with(arguments, name), 0)
        self.assertFalse((self.folder / "corrupt_vectors" / "embeddings.npy").exists())
        summary = fluke.run_json(*arguments, "--skip-bad")
        self.assertEqual((summary["items"], summary["left_out"]), (8 * 4 - 1, 1))
        config = fluke.write_config(self.folder / "corrupt.yaml", photos, epochs=1)
        self.assert_refused_with(("train", config, "--run", self.folder / "corrupt_run"), name)
        fluke.run("train", config, "--set", "data.skip_bad=true", "--run", self.folder / "skipping_run")
        self.assertIn(name, (self.folder / "skipping_run" / "bad_rows.csv").read_text())

    def assert_refused_with(self, arguments, culprit):
        process = fluke.run(*arguments, check=False)
        self.assertNotEqual(process.returncode, 0)
        self.assertIn(culprit, process.stderr)
        return process.returncode

    def test_a_missing_photograph_is_named_with_its_line(self):
        lines = self.manifest.read_text().splitlines()
        lines[2] = lines[2].replace("images/", "missing/")
        broken = self.manifest.parent / "broken.csv"
        broken.write_text("\n".join(lines) + "\n")
        process = self.assert_refused(("data", "check", broken), 1)
        self.assertIn("missing/", process.stdout + process.stderr)

    def test_an_index_of_another_model_is_refused(self):
        self.assert_refused(("serve", "--model", self.folder / "b", "--index", self.folder / "index", "--listen",
                             "127.0.0.1:0"), 1, "fingerprint")

    def test_an_index_is_not_overwritten_by_accident(self):
        before = sorted(path.relative_to(self.folder) for path in (self.folder / "index").rglob("*"))
        self.assertNotEqual(fluke.run("index", "build", "--embeddings", self.folder / "vectors", "--out",
                                      self.folder / "index", check=False).returncode, 0)
        self.assertEqual(before, sorted(path.relative_to(self.folder) for path in (self.folder / "index").rglob("*")))

    def test_a_checkpoint_of_another_architecture_is_refused_on_resume(self):
        run = self.folder / "resumed"
        fluke.run("train", self.config, "--run", run)
        before = (run / "model.safetensors").read_bytes()
        process = fluke.run("train", self.config, "--set", "model.dim=16", "--run", run, "--resume", check=False)
        self.assertNotEqual(process.returncode, 0)
        self.assertIn("dim", process.stderr)
        self.assertEqual(before, (run / "model.safetensors").read_bytes())

    def test_a_bad_query_leaves_the_server_up(self):
        with fluke.server("--model", self.folder / "a", "--index", self.folder / "index") as (address, _):
            no_photo = self.folder / "no_photo.jpg"
            no_photo.write_bytes(b"no photograph either")
            for arguments in (("--image", no_photo), ("--id", "nobody.jpg")):
                self.assertNotEqual(fluke.run("query", "--server", address, *arguments, check=False).returncode, 0)
            hits = fluke.query(address, "--image", next(self.manifest.parent.rglob("*.jpg")))
            self.assertEqual(len(hits), 20)

    def test_a_server_that_is_not_there_is_named(self):
        self.assert_refused(("query", "--server", "127.0.0.1:1", "--id", "x"), 1, "127.0.0.1:1")


if __name__ == "__main__":
    unittest.main()
