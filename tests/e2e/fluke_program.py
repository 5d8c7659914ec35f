"""Runs the fluke program (named by $FLUKE_BINARY) as a user does."""
import array
import contextlib
import csv
import json
import math
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time

BINARY = os.environ["FLUKE_BINARY"]

# Small and quick: some seconds a training on one core.
CONFIG = """\
seed: 7
data: {{manifest: {manifest}, val_fraction: 0.25}}
input: {{width: 48, height: 32}}
model: {{backbone: {backbone}, width: 16, dim: 32}}
loss: {{arcface: 1}}
augment:
  horizontal_flip: 0.5
  rotate: {{p: 0.5, limit: 15}}
optimizer: {{lr: 0.002}}
train: {{epochs: {epochs}, batch_size: 16, threads: 1, workers: 2, checkpoint_every_steps: 3}}
"""


def run(*arguments, check=True):
    """The finished process, with text in stdout and stderr. With `check`, anything but exit code 0 is an error."""
    process = subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, timeout=600)
    if check and process.returncode != 0:
        raise AssertionError(f"fluke {' '.join(map(str, arguments))}: exit code {process.returncode}\n{process.stderr}")
    return process


def run_json(*arguments):
    return json.loads(run(*arguments, "--json").stdout)


def scratch_folder():
    return tempfile.TemporaryDirectory(prefix="fluke-e2e-")


def draw_flukes(folder, identities=12, photos=6):
    """A synthetic set in `folder`; returns its manifest."""
    run("data", "synth", "--out", folder, "--identities", identities, "--photos", photos, "--size", 96, "--difficulty", 0.2)
    return pathlib.Path(folder, "manifest.csv")


def write_config(path, manifest, backbone="conv4", epochs=2):
    path = pathlib.Path(path)
    path.write_text(CONFIG.format(manifest=manifest, backbone=backbone, epochs=epochs))
    return path


def csv_rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_embeddings(folder, items):
    """items: (id, identity, camera, angle): unit vectors in a plane."""
    folder.mkdir()
    values = array.array("f")
    for *_, angle in items:
        values.extend([math.cos(math.radians(angle)), math.sin(math.radians(angle))])
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, 2), }" % len(items)
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    (folder / "embeddings.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() +
                                            values.tobytes())
    lines = ["id,identity,path,camera", *(f"{item},{identity},{item}.jpg,{camera}" for item, identity, camera, _ in items)]
    (folder / "items.csv").write_text("\n".join(lines) + "\n")
    return folder


@contextlib.contextmanager
def server(*arguments, before=()):
    """`fluke serve` on a free port, behind the words of another program if need be; gives its address and ends it by SIGTERM."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen([*before, BINARY, "serve", *map(str, arguments), "--listen", "127.0.0.1:0"],
                                   stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            line = process.stdout.readline()
            address = re.search(r"127\.0\.0\.1:\d+", line)
            if not address:
                log.seek(0)
                raise AssertionError(f"fluke serve did not say where it listens, but {line!r}\n{log.read()}")
            yield address[0], process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)
            process.stdout.close()


def query(address, *arguments):
    """The hits of one query to a running server."""
    return run_json("query", "--server", address, *arguments)["queries"][0]["hits"]


def kill_once(is_time, *arguments, seconds=60):
    """Starts fluke and kills it (-9) once `is_time()`; returns whether it was still at work then."""
    process = subprocess.Popen([BINARY, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + seconds
    while not is_time() and time.monotonic() < until and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    return process.wait() == -signal.SIGKILL


def kill_after(seconds, *arguments):
    """Starts fluke and kills it (-9) after so many seconds; returns whether it was still at work then."""
    process = subprocess.Popen([BINARY, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    process.kill()
    return process.wait() == -signal.SIGKILL
