"""Who may ask a server: keys, TLS, rates and the audit log, with the program at both ends."""
import json
import os
import pathlib
import signal
import subprocess
import unittest

import fluke_program as fluke


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Access(unittest.TestCase):
    def setUp(self):
        scratch = fluke.scratch_folder()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        items = [("n10", "ann", "north", 10), ("n20", "ann", "north", 20), ("s30", "bea", "south", 30)]
        fluke.run("index", "build", "--embeddings", fluke.write_embeddings(self.folder / "first", items), "--out", self.folder / "index")
        os.environ.pop("FLUKE_API_KEY", None)
        self.addCleanup(os.environ.pop, "FLUKE_API_KEY", None)

    def start(self, access, *arguments):
        """A server of this `access` section; paths in it are relative to its config."""
        config = self.folder / "serve.yaml"
        config.write_text(json.dumps({"index": "index", "access": access}))
        running = fluke.server(config, *arguments)
        self.address, process = running.__enter__()
        self.addCleanup(running.__exit__, None, None, None)
        return process

    def refused_start(self, access):
        config = self.folder / "serve.yaml"
        config.write_text(json.dumps({"index": "index", "access": access}))
        return fluke.run("serve", config, "--read-only", "--listen", "127.0.0.1:0", check=False)

    def call(self, verb, *arguments, check=True):
        return fluke.run(verb, *arguments, "--server", self.address, check=check)

    def new_key(self, name, role):
        lines = dict(line.split() for line in fluke.run("key").stdout.splitlines())
        return lines["key"], {"name": name, "sha256": lines["sha256"], "role": role}

    def test_keys_and_their_roles(self):
        reading, reader = self.new_key("looker", "read")
        writing, writer = self.new_key("curator", "write")
        hashed = subprocess.run([fluke.BINARY, "key", "--hash"], input=reading + "\n", capture_output=True, text=True, check=True)
        self.assertEqual(hashed.stdout.strip(), reader["sha256"])
        server = self.start({"key": [reader, writer], "audit_log": "audit.jsonl"})

        stranger = self.call("count", check=False)
        self.assertEqual(stranger.returncode, 1)
        self.assertIn("API key", stranger.stderr)
        os.environ["FLUKE_API_KEY"] = reading
        self.assertEqual(self.call("count").stdout, "3\n")
        denied = self.call("delete", "--ids", "n10", check=False)
        self.assertEqual(denied.returncode, 1)
        self.assertIn("role write", denied.stderr)
        os.environ["FLUKE_API_KEY"] = writing
        self.assertIn("1 items deleted", self.call("delete", "--ids", "n10").stdout)
        # The one on the command line goes before.
        self.assertEqual(self.call("count", "--api-key", "guess", check=False).returncode, 1)

        server.send_signal(signal.SIGTERM)
        server.wait()
        audit = [json.loads(line) for line in (self.folder / "audit.jsonl").read_text().splitlines()]
        self.assertEqual([(line["caller"], line["method"], line["code"]) for line in audit],
                         [("looker", "Retrieval/Delete", "PERMISSION_DENIED"), ("curator", "Retrieval/Delete", "OK")])

    def test_tls_both_ways(self):
        ca, server, client = (self.folder / name for name in ("ca", "server", "client"))
        new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        openssl(*new, "-x509", "-subj", "/CN=authority", "-keyout", f"{ca}.key", "-out", f"{ca}.pem")
        for name, extension in ((server, "subjectAltName=IP:127.0.0.1"), (client, "keyUsage=digitalSignature")):
            openssl(*new, "-subj", f"/CN={name.name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
            pathlib.Path(f"{name}.ext").write_text(extension)
            openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-CAcreateserial", "-extfile",
                    f"{name}.ext", "-out", f"{name}.pem")
        self.start({"certificate": "server.pem", "private_key": "server.key", "client_ca": "ca.pem"})
        mine = ["--cert", f"{client}.pem", "--key", f"{client}.key"]
        self.assertEqual(self.call("count", "--ca", f"{ca}.pem", *mine).stdout, "3\n")
        for options in ([], ["--ca", f"{ca}.pem"], ["--tls", *mine]):
            self.assertEqual(self.call("count", "--timeout-s", 10, *options, check=False).returncode, 1, options)

        wrong = self.refused_start({"certificate": "server.pem", "private_key": "client.key"})
        self.assertEqual(wrong.returncode, 2)
        self.assertIn("client.key", wrong.stderr)
        missing = self.refused_start({"certificate": "nowhere.pem", "private_key": "client.key"})
        self.assertNotEqual(missing.returncode, 0)
        self.assertIn("nowhere.pem", missing.stderr)

    def test_more_requests_than_the_rate_gives_are_refused(self):
        self.start({"requests_per_second": 0.01, "burst": 2})
        self.call("count")
        self.call("count")
        over = self.call("count", check=False)
        self.assertEqual(over.returncode, 1)
        self.assertIn("try again in", over.stderr)

    def test_a_key_that_is_none_stops_the_start(self):
        wrong = self.refused_start({"key": [{"name": "looker", "sha256": "12ab"}]})
        self.assertEqual(wrong.returncode, 2)
        self.assertIn("looker", wrong.stderr)


if __name__ == "__main__":
    unittest.main()
