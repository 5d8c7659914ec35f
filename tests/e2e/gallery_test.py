"""A gallery that is changed while it is served: by the program's own clients, and over a server's death."""
import csv
import io
import pathlib
import signal
import subprocess
import unittest

import fluke_program as fluke


class Gallery(unittest.TestCase):
    def setUp(self):
        scratch = fluke.scratch_folder()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        self.index = self.folder / "index"
        first = [("n10", "ann", "north", 10), ("n20", "ann", "north", 20), ("s30", "bea", "south", 30)]
        fluke.run("index", "build", "--embeddings", fluke.write_embeddings(self.folder / "first", first), "--out", self.index)
        self.probe = fluke.write_embeddings(self.folder / "probe", [("q", "?", "", 0)]) / "embeddings.npy"

    def start(self, *arguments, before=()):
        running = fluke.server("--index", self.index, *arguments, before=before)
        self.address, process = running.__enter__()
        self.addCleanup(running.__exit__, None, None, None)
        return process

    def call(self, verb, *arguments, check=True):
        return fluke.run(verb, *arguments, "--server", self.address, check=check)

    def nearest(self, *arguments):
        return [hit["id"] for hit in fluke.query(self.address, "--vector", self.probe, *arguments)]

    def upsert(self, name, items):
        return self.call("upsert", "--embeddings", fluke.write_embeddings(self.folder / name, items))

    def test_changes_are_found_at_once_and_after_the_server_was_killed(self):
        server = self.start()
        self.upsert("more", [("s5", "cleo", "south", 5), ("n20", "bea", "north", 25)])  # one new, one in the place of another
        self.assertEqual(self.nearest(), ["s5", "n10", "n20", "s30"])
        self.assertEqual(self.nearest("--filter", 'camera = "south"'), ["s5", "s30"])
        self.assertEqual(self.nearest("--one-per-identity"), ["s5", "n10", "n20"])
        self.assertEqual(self.call("facet", "identity").stdout.split(), ["value,count", "bea,2", "ann,1", "cleo,1"])
        (self.folder / "items.csv").write_text("id,identity,path,camera\nn10,dora,n10.jpg,west\n")
        self.call("update", "--items", self.folder / "items.csv")
        self.assertIn("1 items deleted", self.call("delete", "--filter", 'camera = "south" and identity = "bea"').stdout)
        server.send_signal(signal.SIGKILL)
        server.wait()
        self.start()
        self.assertEqual(self.nearest(), ["s5", "n10", "n20"])
        items = list(csv.DictReader(io.StringIO(self.call("scroll").stdout)))
        self.assertEqual([(item["id"], item["identity"], item["camera"]) for item in items],
                         [("n10", "dora", "west"), ("n20", "bea", "north"), ("s5", "cleo", "south")])
        self.assertEqual(self.call("count", "--filter", 'identity in ("dora", "cleo")').stdout, "2\n")

    def test_one_server_changes_a_folder_and_others_may_read_it(self):
        self.start()
        writer = self.address
        refused = fluke.run("serve", "--index", self.index, "--listen", "127.0.0.1:0", check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("--read-only", refused.stderr)
        self.start("--read-only")
        self.assertNotEqual(self.address, writer)
        self.assertEqual(self.nearest(), ["n10", "n20", "s30"])
        refused = self.call("delete", "--ids", "n10", check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("read-only", refused.stderr)

    def test_a_folder_that_cannot_be_written_is_served_all_the_same(self):
        script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
        mounting = ["unshare", "--mount", "sh", "-c", script, str(self.index)]
        if subprocess.run([*mounting, "true"], capture_output=True).returncode != 0:
            self.skipTest("no mount namespaces here")
        self.start(before=mounting)
        self.assertEqual(self.nearest(), ["n10", "n20", "s30"])
        refused = self.call("delete", "--ids", "n10", check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("read-only", refused.stderr)

    def test_several_examples_groups_and_who_it_is(self):
        # Twenty individuals on a circle, 18 degrees apart, each with two photographs a degree to either side.
        circle = [(f"i{i}{side}", f"i{i}", "north", 18 * i + angle) for i in range(20) for side, angle in (("a", -1), ("b", 1))]
        self.index = self.folder / "circle.index"
        fluke.run("index", "build", "--embeddings", fluke.write_embeddings(self.folder / "circle", circle), "--out", self.index)
        self.start("--read-only")
        # 2 (cos 53, sin 53) - (cos 37, sin 37) points to 53 + atan2(sin 16, 2 - cos 16) = 67.9 degrees.
        hits = fluke.query(self.address, "--like", "id:i3a", "--unlike", "id:i2b", "-k", 2)
        self.assertEqual([hit["id"] for hit in hits], ["i4a", "i4b"])
        answer = fluke.run_json("query", "--server", self.address, "--id", "i3a", "--groups", 2, "--group-size", 2)
        self.assertEqual([(group["identity"], [hit["id"] for hit in group["hits"]]) for group in answer["queries"][0]["groups"]],
                         [("i3", ["i3a", "i3b"]), ("i2", ["i2b", "i2a"])])
        answer = fluke.run_json("identify", "--server", self.address, "--id", "i3a")
        self.assertEqual((answer["candidates"][0]["identity"], answer["is_new"]), ("i3", False))
        self.assertEqual(answer["calibration"]["photographs"], 40)
        self.assertAlmostEqual(answer["candidates"][0]["probability"], 40 / 41, places=5)
        answer = fluke.run_json("identify", "--server", self.address, "--id", "i3a", "--threshold", 0.9999)
        self.assertTrue(answer["is_new"])  # the other photograph is 2 degrees away: 0.9994
        self.assertIn("a new individual", self.call("identify", "--id", "i3a", "--threshold", "0.9999").stdout)

    def test_a_small_gallery_needs_a_threshold(self):
        self.start()
        refused = self.call("identify", "--id", "n10", check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("20 individuals", refused.stderr)
        self.assertIn("n10: ann", self.call("identify", "--id", "n10", "--threshold", "0.9").stdout)

    def test_a_client_says_what_was_wrong(self):
        self.start()
        wrong = self.call("upsert", "--data", self.folder, check=False)  # no photographs in it
        self.assertNotEqual(wrong.returncode, 0)
        self.assertNotEqual(self.call("get", "--ids", "nobody", check=False).returncode, 0)
        wrong = self.call("count", "--filter", "camera ~ 3", check=False)
        self.assertEqual(wrong.returncode, 2)
        self.assertIn("column", wrong.stderr)
        self.assertEqual(self.call("get", "--ids", "s30,n10").stdout.splitlines()[1:], ["s30,bea,s30.jpg,south", "n10,ann,n10.jpg,north"])


if __name__ == "__main__":
    unittest.main()
