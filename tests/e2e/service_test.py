"""The server as those see it who run it: probes, systemd's readiness, and clients that are made from the contracts alone."""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import unittest

import fluke_program as fluke

ROOT = pathlib.Path(__file__).resolve().parents[2]


def python_with_grpc():
    for python in (os.environ.get("FLUKE_PEER_PYTHON"), sys.executable):
        if python and subprocess.run([python, "-c", "import grpc_tools.protoc, grpc"], capture_output=True).returncode == 0:
            return python
    return None


class Service(unittest.TestCase):
    def setUp(self):
        scratch = fluke.scratch_folder()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        self.index = self.folder / "index"
        items = [("a.jpg", "ann", "north", 10), ("b.jpg", "ann", "north", 20), ("c.jpg", "bea", "south", 90)]
        fluke.run("index", "build", "--embeddings", fluke.write_embeddings(self.folder / "vectors", items), "--out", self.index)

    def test_a_probe_learns_whether_a_server_serves(self):
        with fluke.server("--index", self.index) as (address, _):
            self.assertEqual(fluke.run("health", "--server", address).stdout, "SERVING\n")
            self.assertEqual(fluke.run("health", "--server", address, "--service", "fluke.v1.Retrieval").stdout, "SERVING\n")
            unknown = fluke.run("health", "--server", address, "--service", "fluke.v1.Nothing", check=False)
            self.assertEqual(unknown.returncode, 1)
            self.assertIn("fluke.v1.Nothing", unknown.stderr)
        gone = fluke.run("health", "--server", address, "--timeout-s", "5", check=False)
        self.assertEqual(gone.returncode, 1)
        self.assertIn(address, gone.stderr)

    def test_systemd_hears_when_the_server_serves_and_when_it_stops(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(str(self.folder / "notify"))
            manager.settimeout(60)
            with fluke.server("--index", self.index, before=["env", f"NOTIFY_SOCKET={self.folder / 'notify'}"]) as (address, process):
                self.assertEqual(manager.recv(100), b"READY=1")
                self.assertEqual(fluke.run("health", "--server", address).stdout, "SERVING\n")
                process.send_signal(signal.SIGTERM)
                self.assertEqual(manager.recv(100), b"STOPPING=1")
                self.assertEqual(process.wait(timeout=60), 0)

    @unittest.skipUnless(shutil.which("prlimit"), "no prlimit")
    def test_a_server_takes_as_many_connections_as_it_may(self):
        with fluke.server("--index", self.index, before=["prlimit", "--nofile=100:1000"]) as (address, process):
            host, port = address.split(":")
            crowd = [socket.create_connection((host, int(port)), timeout=30) for _ in range(300)]
            self.assertEqual(fluke.run("health", "--server", address).stdout, "SERVING\n")
            for connection in crowd:
                connection.close()
            self.assertEqual(fluke.run("health", "--server", address).stdout, "SERVING\n")

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("setpriv"), "not root, or no setpriv")
    def test_an_unprivileged_user_can_serve_and_change_a_gallery(self):
        for path in (self.folder, *self.folder.rglob("*")):
            os.chown(path, 65534, 65534)
        unprivileged = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
        if subprocess.run([*unprivileged, fluke.BINARY, "list", "metrics"], capture_output=True).returncode != 0:
            self.skipTest("user 65534 may not read the program or its libraries")
        with fluke.server("--index", self.index, before=unprivileged) as (address, process):
            status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
            self.assertEqual(re.search(r"Uid:\s+(\d+)", status)[1], "65534")
            self.assertEqual(int(re.search(r"CapEff:\s+(\w+)", status)[1], 16), 0)
            self.assertIn("1 items deleted", fluke.run("delete", "--ids", "c.jpg", "--server", address).stdout)
            self.assertEqual([hit["id"] for hit in fluke.query(address, "--id", "a.jpg")], ["a.jpg", "b.jpg"])

    def test_a_client_in_python_is_made_as_the_readme_says(self):
        python = python_with_grpc()
        if not python:
            self.skipTest("no Python with grpcio-tools ($FLUKE_PEER_PYTHON)")
        readme = (ROOT / "README.md").read_text()
        make_stubs = re.search(r"^    python (-m grpc_tools\.protoc .*)$", readme, re.M)[1].split()
        program = re.search(r"^```python\n(.*?)^```$", readme, re.M | re.S)[1]

        photographs = fluke.draw_flukes(self.folder / "flukes")
        config = fluke.write_config(self.folder / "config.yaml", photographs, epochs=1)
        fluke.run("train", config, "--run", self.folder / "model")
        fluke.run("embed", "--model", self.folder / "model", "--data", photographs, "--out", self.folder / "embeddings")
        fluke.run("index", "build", "--embeddings", self.folder / "embeddings", "--out", self.folder / "flukes_index")
        photograph = sorted((self.folder / "flukes" / "images").rglob("*.*"))[0]
        shutil.copy(photograph, self.folder / "new.jpg")
        (self.folder / "proto").symlink_to(ROOT / "proto")
        subprocess.run([python, *make_stubs], cwd=self.folder, check=True, timeout=120)
        with fluke.server("--model", self.folder / "model", "--index", self.folder / "flukes_index") as (address, _):
            said = subprocess.run([python, "-c", program.replace("127.0.0.1:50051", address)], cwd=self.folder, capture_output=True, text=True, timeout=120)
            self.assertEqual(said.returncode, 0, said.stderr)
            lines = said.stdout.splitlines()
            self.assertEqual(len(lines), 6, said.stdout)
            # The photograph is in the gallery, cut to its box; nearly itself is its nearest, or at least one of five.
            self.assertTrue(all(re.fullmatch(r"-?\d\.\d{3}  \S.*  \S.*", line) for line in lines[:5]), said.stdout)
            self.assertTrue(lines[5].startswith("NOT_FOUND ") and "nobody" in lines[5], said.stdout)

            # What grpcurl asks first: field 7 of grpc.reflection.v1alpha.ServerReflectionRequest, list_services.
            ask = ("import grpc, sys\n"
                   "same = lambda b: b\n"
                   "call = grpc.insecure_channel(sys.argv[1]).stream_stream('/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo', same, same)\n"
                   "print([b for b in call(iter([b'\\x3a\\x01*']), timeout=10)])\n")
            listed = subprocess.run([python, "-c", ask, address], capture_output=True, text=True, timeout=60)
            self.assertIn("fluke.v1.Retrieval", listed.stdout, listed.stderr)


if __name__ == "__main__":
    unittest.main()
