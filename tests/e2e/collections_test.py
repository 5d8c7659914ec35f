"""Several collections behind one server: made, filled, renamed and dropped by the program's own client, and over a server's death."""
import concurrent.futures
import json
import pathlib
import signal
import unittest

import fluke_program as fluke

FIRST = [("n10", "ann", "north", 10), ("n20", "ann", "north", 20)]
SECOND = [("s5", "cleo", "south", 5), ("s30", "bea", "south", 30), ("s40", "bea", "south", 40)]


class Collections(unittest.TestCase):
    def setUp(self):
        scratch = fluke.scratch_folder()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        self.data = self.folder / "data"
        self.first = fluke.write_embeddings(self.folder / "first", FIRST)
        self.second = fluke.write_embeddings(self.folder / "second", SECOND)
        self.probe = fluke.write_embeddings(self.folder / "probe", [("q", "?", "", 0)]) / "embeddings.npy"

    def start(self, *arguments):
        running = fluke.server(*(arguments or ("--data", self.data)))
        self.address, process = running.__enter__()
        self.addCleanup(running.__exit__, None, None, None)
        return process

    def kill(self, server):
        server.send_signal(signal.SIGKILL)
        server.wait()

    def collections(self, *arguments, check=True):
        return fluke.run("collections", *arguments, "--server", self.address, check=check)

    def names(self):
        return [c["name"] for c in json.loads(self.collections("list", "--json").stdout)["collections"]]

    def describe(self, name):
        return json.loads(self.collections("describe", name, "--json").stdout)

    def upsert(self, collection, embeddings):
        fluke.run("upsert", "--embeddings", embeddings, "--collection", collection, "--server", self.address)

    def nearest(self, collection):
        return [hit["id"] for hit in fluke.query(self.address, "--vector", self.probe, "--collection", collection)]

    def refused(self, message, *arguments):
        done = self.collections(*arguments, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(message, done.stderr)
        self.assertNotIn(str(self.folder), done.stderr)

    def test_what_was_answered_is_there_after_each_kill(self):
        server = self.start()
        self.assertEqual(self.names(), [])
        self.collections("create", "north", "--dimension", "2")
        self.kill(server)
        server = self.start()
        self.assertEqual(self.describe("north")["size"], 0)
        self.upsert("north", self.first)
        self.collections("create", "south", "--dimension", "2", "--metric", "ip", "--index-type", "fast")
        self.upsert("south", self.second)
        self.collections("alias", "whales=north", "default=south")
        self.kill(server)
        server = self.start()
        self.assertEqual(self.nearest("whales"), ["n10", "n20"])
        self.assertEqual(self.nearest(""), ["s5", "s30", "s40"])
        self.assertEqual((self.describe("south")["metric"], self.describe("south")["index_type"]), ("ip", "IVF,Codes"))
        before = self.describe("north")
        number = int(self.collections("snapshot", "whales").stdout)
        self.assertGreater(number, before["snapshot"])
        after = self.describe("north")
        self.assertEqual((before["changed"], after["changed"], after["snapshot"]), (2, 0, number))
        self.assertEqual(self.nearest("north"), ["n10", "n20"])
        self.refused("alias 'whales'", "drop", "north")
        self.assertEqual(self.collections("alias", "whales=south").stdout, "default=south\nwhales=south\n")
        self.assertEqual(self.nearest("whales"), ["s5", "s30", "s40"])
        self.collections("drop", "north")
        self.kill(server)
        self.start()
        self.assertEqual(self.names(), ["south"])
        self.assertEqual(sorted(path.name for path in (self.data / "collections").iterdir()), ["south"])
        self.collections("create", "north", "--dimension", "3")  # the name is free again
        self.assertEqual(self.describe("north")["size"], 0)

    def test_a_server_killed_while_it_makes_and_drops_leaves_whole_collections(self):
        for moment in (0.05, 0.15, 0.3):
            server = self.start()
            with concurrent.futures.ThreadPoolExecutor() as pool:
                def work():
                    for i in range(50):
                        done = self.collections("create", f"c{i}", "--dimension", "2", check=False)
                        if done.returncode == 0 and i % 2:
                            done = self.collections("drop", f"c{i}", check=False)
                        if done.returncode != 0:
                            return
                working = pool.submit(work)
                try:
                    working.result(timeout=moment)
                except concurrent.futures.TimeoutError:
                    pass
                self.kill(server)
                working.result()
            server = self.start()
            for name in self.names():
                self.assertEqual(self.describe(name)["dimension"], 2)
                self.collections("drop", name)
            self.assertEqual(list((self.data / "collections").iterdir()), [])
            self.kill(server)

    def test_one_server_has_a_data_folder(self):
        self.start()
        second = fluke.run("serve", "--data", self.data, "--listen", "127.0.0.1:0", check=False)
        self.assertNotEqual(second.returncode, 0)
        self.assertIn("another server", second.stderr)

    def test_collections_of_a_config_are_served_and_opened_anew(self):
        for name, embeddings in (("a", self.first), ("b", self.second)):
            fluke.run("index", "build", "--embeddings", embeddings, "--out", self.folder / name)
        config = self.folder / "serve.yaml"
        config.write_text("collection:\n- {name: north, index: a, read_only: true}\n- {name: south, index: b}\ndata: data\n")
        self.start(config)
        self.assertEqual(self.names(), ["north", "south"])
        self.refused("config", "drop", "north")
        self.collections("alias", "live=north")
        self.assertEqual(self.nearest("live"), ["n10", "n20"])
        fluke.run("index", "add", "--index", self.folder / "a", "--embeddings", self.second)
        self.assertEqual(self.nearest("live"), ["n10", "n20"])
        self.collections("reload", "live")
        self.assertEqual(self.nearest("live"), ["s5", "n10", "n20", "s30", "s40"])
        (self.folder / "a" / "CURRENT").write_text("nonsense")
        for snapshot in (self.folder / "a" / "snapshots").iterdir():
            (snapshot / "manifest.json").write_text("{}")
        self.refused("damaged", "reload", "north")
        self.assertEqual(self.nearest("live"), ["s5", "n10", "n20", "s30", "s40"])

    def test_a_collection_of_a_model_takes_photographs(self):
        manifest = fluke.draw_flukes(self.folder / "photos", identities=8, photos=4)
        fluke.run("train", fluke.write_config(self.folder / "train.yaml", manifest, epochs=1), "--run", self.folder / "run")
        config = self.folder / "serve.yaml"
        config.write_text("models: {flukes: run}\ndata: data\nbatching: {max_batch: 8, preferred_sizes: [4]}\n")
        server = self.start(config)
        self.collections("create", "north", "--model", "flukes")
        self.assertEqual((self.describe("north")["model"], self.describe("north")["dimension"]), ("flukes", 32))
        fluke.run("upsert", "--data", manifest, "--collection", "north", "--server", self.address)
        self.kill(server)
        self.start(config)
        photo = next(line.split(",")[0] for line in manifest.read_text().splitlines()[1:])
        hits = fluke.query(self.address, "--image", manifest.parent / photo, "--manifest", manifest, "--collection", "north")
        self.assertEqual((len(hits), hits[0]["id"]), (20, photo))
        self.assertAlmostEqual(hits[0]["score"], 1, places=4)
        self.collections("reload", "north")
        self.assertEqual(self.describe("north")["size"], 32)

    def test_a_client_says_what_was_wrong(self):
        self.start()
        self.refused("cannot name a collection", "create", "a/b", "--dimension", "2")
        self.refused("dimension", "create", "north")
        self.refused("cannot begin empty", "create", "north", "--dimension", "2", "--index-type", "compact")
        self.refused("no model 'whales'", "create", "north", "--model", "whales")
        self.refused("no collection 'north'", "describe", "north")
        self.refused("ALIAS=COLLECTION", "alias", "north")
        self.assertEqual(self.names(), [])


if __name__ == "__main__":
    unittest.main()
