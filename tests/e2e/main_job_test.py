"""The demo in small: from drawn flukes to answers of the server, each step's output checked."""
import json
import pathlib
import unittest

import fluke_program as fluke

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def npy_row(path, row, dimension):
    """The bytes of one row of an embeddings.npy (float32, rows one after another at the file's end)."""
    data = pathlib.Path(path).read_bytes()
    header_end = 10 + int.from_bytes(data[8:10], "little")
    return data[header_end + 4 * dimension * row:header_end + 4 * dimension * (row + 1)]


class MainJob(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = fluke.scratch_folder()
        cls.addClassCleanup(scratch.cleanup)
        cls.folder = folder = pathlib.Path(scratch.name)
        cls.manifest = fluke.draw_flukes(folder / "flukes")
        for name, backbone in (("a", "conv4"), ("b", "resnet18")):
            config = fluke.write_config(folder / f"{name}.yaml", cls.manifest, backbone)
            fluke.run("train", config, "--run", folder / name)
            fluke.run("embed", "--model", folder / name, "--data", cls.manifest, "--out", folder / f"vectors_{name}")
        cls.models = f"{folder / 'a'},{folder / 'b'}"
        cls.vectors = folder / "vectors_both"
        cls.embedded = fluke.run_json("embed", "--model", cls.models, "--data", cls.manifest, "--out", cls.vectors)
        cls.index = folder / "index"
        fluke.run("index", "build", "--embeddings", cls.vectors, "--out", cls.index)
        cls.items = fluke.csv_rows(cls.vectors / "items.csv")
        running = fluke.server("--model", cls.models, "--index", cls.index)
        cls.address, cls.server = running.__enter__()
        cls.addClassCleanup(running.__exit__, None, None, None)

    def query(self, *arguments):
        return fluke.query(self.address, *arguments)

    def test_every_photograph_becomes_one_vector_of_both_models(self):
        self.assertEqual(self.embedded["items"], 12 * 6)
        self.assertEqual(self.embedded["dimension"], 32 + 32)
        self.assertEqual(len(self.items), 12 * 6)

    def test_training_leaves_a_run_that_says_how_it_went(self):
        metrics = fluke.csv_rows(self.folder / "a" / "metrics.csv")
        self.assertEqual([row["epoch"] for row in metrics], ["1", "2"])
        self.assertLessEqual(0, float(metrics[-1]["recall@1"]))
        self.assertIn("conv4", (self.folder / "a" / "run.yaml").read_text())

    def test_a_run_is_repeated_by_the_configuration_it_saved(self):
        fluke.run("train", self.folder / "a" / "run.yaml", "--run", self.folder / "again")
        self.assertEqual((self.folder / "a" / "model.safetensors").read_bytes(),
                         (self.folder / "again" / "model.safetensors").read_bytes())

    def test_a_photograph_of_the_gallery_finds_itself_first_with_cosine_one(self):
        item = self.items[5]
        photo = next(row for row in fluke.csv_rows(self.manifest) if row["path"] == item["path"])
        hits = self.query("--image", self.manifest.parent / photo["path"],
                          "--crop", ",".join(photo[side] for side in ("x", "y", "w", "h")))
        self.assertEqual(hits[0]["id"], item["id"])
        self.assertEqual(hits[0]["identity"], item["identity"])
        self.assertAlmostEqual(hits[0]["score"], 1, places=3)
        self.assertEqual(len(hits), 20)

    def test_the_same_item_by_vector_and_by_id_has_the_same_neighbours(self):
        vector = self.folder / "vector.npy"
        header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (64,), }"
        header += b" " * (117 - len(header)) + b"\n"
        vector.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header +
                           npy_row(self.vectors / "embeddings.npy", 5, 64))
        by_vector = self.query("--vector", vector, "-k", 7)
        by_id = self.query("--id", self.items[5]["id"], "-k", 7)
        self.assertEqual([hit["id"] for hit in by_vector], [hit["id"] for hit in by_id])
        self.assertEqual(len(by_id), 7)

    def test_the_item_itself_is_left_out_on_request(self):
        hits = self.query("--id", self.items[5]["id"], "--exclude-self", "-k", 5)
        self.assertNotIn(self.items[5]["id"], [hit["id"] for hit in hits])
        self.assertEqual(len(hits), 5)

    def test_more_neighbours_than_the_gallery_holds_are_all_of_it(self):
        self.assertEqual(len(self.query("--id", self.items[0]["id"], "-k", 500)), 72)

    def test_batch_search_finds_the_servers_neighbours(self):
        ranking = self.folder / "ranking.csv"
        fluke.run("search", "--index", self.index, "--queries", self.vectors, "-k", 10, "--exclude-self", "--out", ranking)
        found = {}
        for row in fluke.csv_rows(ranking):
            found.setdefault(row["query_id"], []).append(row["id"])
        ids = [argument for item in self.items for argument in ("--id", item["id"])]
        answers = fluke.run_json("query", "--server", self.address, *ids, "--exclude-self", "-k", 10)["queries"]
        self.assertEqual(len(answers), 72)
        for answer in answers:
            self.assertEqual(found[answer["query"]], [hit["id"] for hit in answer["hits"]])

    def test_evaluation_of_vectors_and_of_the_ranking_agree(self):
        metrics = "recall@1,recall@5,kaggle_map@5"
        ranking = self.folder / "ranking20.csv"
        fluke.run("search", "--index", self.index, "--queries", self.vectors, "-k", 20, "--exclude-self", "--out", ranking)
        of_vectors = fluke.run_json("evaluate", "--embeddings", self.vectors, "--metrics", metrics)["metrics"]
        of_ranking = fluke.run_json("evaluate", "--ranking", ranking, "--gallery", self.vectors, "--metrics", metrics)["metrics"]
        self.assertEqual(set(of_vectors), set(metrics.split(",")))
        for name, value in of_vectors.items():
            self.assertAlmostEqual(value, of_ranking[name], places=6, msg=name)

    def test_a_query_draws_a_contact_sheet(self):
        sheet = self.folder / "sheet.png"
        photo = fluke.csv_rows(self.manifest)[0]
        fluke.run("query", "--server", self.address, "--image", self.manifest.parent / photo["path"], "--sheet", sheet,
                  "--manifest", self.manifest)
        self.assertTrue(sheet.read_bytes().startswith(PNG_SIGNATURE))

    def test_an_index_verifies(self):
        self.assertFalse(fluke.run_json("index", "verify", "--index", self.index)["damaged"])
        self.assertEqual(fluke.run_json("index", "info", "--index", self.index)["size"], 72)


class ServerStop(unittest.TestCase):
    def test_the_server_ends_with_zero_when_asked(self):
        with fluke.scratch_folder() as folder:
            folder = pathlib.Path(folder)
            manifest = fluke.draw_flukes(folder / "flukes", identities=10, photos=4)
            fluke.run("train", fluke.write_config(folder / "a.yaml", manifest, epochs=1), "--run", folder / "a")
            fluke.run("embed", "--model", folder / "a", "--data", manifest, "--out", folder / "vectors")
            fluke.run("index", "build", "--embeddings", folder / "vectors", "--out", folder / "index")
            with fluke.server("--model", folder / "a", "--index", folder / "index") as (address, process):
                fluke.run("query", "--server", address, "--id", fluke.csv_rows(folder / "vectors" / "items.csv")[0]["id"])
            self.assertEqual(process.returncode, 0)


if __name__ == "__main__":
    unittest.main()
