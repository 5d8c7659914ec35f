"""Training jobs on a server: submitted, watched, cancelled, and gone on with when the server was killed (-9) in the middle."""
import contextlib
import csv
import io
import json
import pathlib
import signal
import time
import unittest

import fluke_program as fluke

# A manifest within the server's folder of data. Small photographs and a small network: an epoch takes a moment.
CONFIG = """\
seed: 7
data: {{manifest: flukes/manifest.csv, val_fraction: 0.25}}
input: {{width: 48, height: 32}}
model: {{backbone: conv4, width: 16, dim: 32}}
loss: {{arcface: 1}}
optimizer: {{lr: 0.002}}
train: {{epochs: {epochs}, batch_size: 16, threads: 1, workers: 1}}
"""


def running_processes_of(folder):
    """Their ids: those with the folder in their command lines."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if str(folder).encode() in (process / "cmdline").read_bytes():
                found.append(int(process.name))
    return found


def eventually(holds, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.05)
    return False


class Jobs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = fluke.scratch_folder()
        cls.addClassCleanup(scratch.cleanup)
        cls.folder = folder = pathlib.Path(scratch.name)
        fluke.draw_flukes(folder / "photos" / "flukes")
        vectors = fluke.write_embeddings(folder / "vectors", [("a", "Nora", "north", 0), ("b", "Esther", "east", 90)])
        fluke.run("index", "build", "--embeddings", vectors, "--out", folder / "index")
        (folder / "serve.yaml").write_text("index: index\ndata: data\njobs: {data: photos}\n")
        for name, epochs in (("short", 2), ("middling", 150), ("endless", 1000000)):
            (folder / f"{name}.yaml").write_text(CONFIG.format(epochs=epochs))

    def serve(self):
        return fluke.server(self.folder / "serve.yaml")

    def jobs(self, address, verb, *arguments):
        return fluke.run_json("jobs", verb, *arguments, "--server", address)

    def submit(self, address, name, *arguments):
        return self.jobs(address, "submit", self.folder / f"{name}.yaml", "--name", name, *arguments)

    def epochs_done(self, address, job):
        return len([point for point in self.jobs(address, "show", job)["metrics"] if point["name"] == "loss"])

    def test_a_killed_server_goes_on_with_its_jobs_and_cancels_others(self):
        with self.serve() as (address, server):
            job = self.submit(address, "middling")
            self.assertEqual(job["state"], "WAITING")
            waiting = self.submit(address, "endless")["id"]
            job = job["id"]
            self.assertTrue(eventually(lambda: self.epochs_done(address, job) >= 2))
            self.assertEqual(self.jobs(address, "cancel", waiting)["state"], "CANCELLED")
            self.assertTrue(running_processes_of(job))
            server.kill()
            server.wait()
            self.assertTrue(eventually(lambda: not running_processes_of(job), seconds=10), "a training outlived its server")
        metrics = self.folder / "data" / "jobs" / job / "run" / "metrics.csv"
        self.assertLess(len(metrics.read_text().splitlines()), 151, "the training had ended before the server was killed")

        with self.serve() as (address, _):
            watched = self.jobs(address, "watch", job)
            self.assertEqual(watched["state"], "SUCCEEDED")
            self.assertEqual(watched["progress"], 1)
            self.assertEqual(watched["attempts"], 2)
            losses = [point for point in watched["metrics"] if point["name"] == "loss"]
            self.assertEqual([point["epoch"] for point in losses], list(range(1, 151)))
            self.assertLess(losses[-1]["value"], losses[0]["value"])
            self.assertIn("resumed at epoch", (metrics.parent.parent / "log.txt").read_text())
            listed = self.jobs(address, "list")["jobs"]
            self.assertEqual([entry["state"] for entry in listed if entry["id"] in (job, waiting)], ["CANCELLED", "SUCCEEDED"])

    def test_a_running_job_is_cancelled_with_a_checkpoint(self):
        with self.serve() as (address, _):
            job = self.submit(address, "endless")["id"]
            self.assertTrue(eventually(lambda: self.epochs_done(address, job) >= 1))
            self.jobs(address, "cancel", job)
            ended = fluke.run("jobs", "watch", job, "--server", address, "--json", check=False)
            self.assertEqual(ended.returncode, 1)
            self.assertEqual(json.loads(ended.stdout)["state"], "CANCELLED")
            self.assertTrue((self.folder / "data" / "jobs" / job / "run" / "checkpoint" / "last.safetensors").exists())

    def test_a_server_that_stops_leaves_its_job_to_the_next_one(self):
        with self.serve() as (address, server):
            job = self.submit(address, "endless")["id"]
            self.assertTrue(eventually(lambda: self.epochs_done(address, job) >= 1))
            server.send_signal(signal.SIGTERM)
            self.assertEqual(server.wait(timeout=60), 0)
        self.assertFalse(running_processes_of(job))
        with self.serve() as (address, _):
            self.assertTrue(eventually(lambda: self.jobs(address, "show", job)["attempts"] == 2))
            self.jobs(address, "cancel", job)

    def test_what_a_client_is_told_names_no_folder_of_the_server(self):
        with self.serve() as (address, _):
            job = self.submit(address, "short", "--set", "train.epochs=1")["id"]
            told = self.jobs(address, "watch", job)
            self.assertEqual(told["state"], "SUCCEEDED")
            self.assertNotIn(str(self.folder), json.dumps(told))
            self.assertIn("flukes/manifest.csv", told["config_yaml"])

    def test_a_wrong_config_is_refused_before_anything_is_run(self):
        wrong = {"epoch: 3": "config:8: train.epoch", "sampler: pkk": "config:8: train.sampler"}
        with self.serve() as (address, _):
            before = self.jobs(address, "list")["jobs"]
            for line, message in wrong.items():
                config = self.folder / "wrong.yaml"
                config.write_text(CONFIG.format(epochs=1).rsplit("train:", 1)[0] + "train:\n  " + line + "\n")
                refused = fluke.run("jobs", "submit", config, "--server", address, check=False)
                self.assertEqual(refused.returncode, 2, refused.stderr)
                self.assertIn(message, refused.stderr)
            outside = fluke.run("jobs", "submit", self.folder / "short.yaml", "--server", address,
                                "--set", "data.manifest=../vectors/items.csv", check=False)
            self.assertEqual(outside.returncode, 2)
            self.assertIn("data.manifest", outside.stderr)
            self.assertEqual(self.jobs(address, "list")["jobs"], before)

    def test_the_list_is_a_table_for_people(self):
        with self.serve() as (address, _):
            job = self.submit(address, "short")["id"]
            listed = fluke.run("jobs", "list", "--server", address).stdout
            rows = list(csv.reader(io.StringIO(listed), delimiter=" ", skipinitialspace=True))
            self.assertEqual(rows[0][0], job)
            self.jobs(address, "watch", job)


if __name__ == "__main__":
    unittest.main()
