"""Shared pieces of the benchmarks: finding the program, the data and the peers, running them, the one-line JSON report."""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def parser(doc):
    """Options that every benchmark takes."""
    options = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--fluke", default=os.environ.get("FLUKE_BINARY", str(ROOT / "build" / "fluke")))
    options.add_argument("--data-dir", default=os.environ.get("FLUKE_DATA", str(ROOT.parent / "shared" / "data")),
                         help="folder that holds nyala/, fashion_mnist/, omniglot/")
    options.add_argument("--peers", default=str(ROOT.parent / "shared" / "peers"), help="folder of the peer scripts")
    options.add_argument("--peer-python", default=os.environ.get("FLUKE_PEER_PYTHON"),
                         help="Python with the peers' requirements.txt installed; without it only ours is measured")
    options.add_argument("--work", help="folder for runs and embeddings; default: a temporary one")
    return options


class Bench:
    """One benchmark's surroundings."""

    def __init__(self, args):
        self.args = args
        self.data = pathlib.Path(args.data_dir).resolve()
        self.temporary = None if args.work else tempfile.mkdtemp(prefix="fluke-bench-")
        self.work = pathlib.Path(args.work or self.temporary).resolve()
        self.work.mkdir(parents=True, exist_ok=True)

    def close(self):
        if self.temporary:
            shutil.rmtree(self.temporary, ignore_errors=True)

    def fluke(self, *words):
        """Runs the program; its stdout. Progress goes to stderr as it comes."""
        words = [str(w) for w in words]
        print("+ fluke", *words, file=sys.stderr, flush=True)
        return subprocess.run([self.args.fluke, *words], stdout=subprocess.PIPE, text=True, check=True).stdout

    def fluke_json(self, *words):
        return json.loads(self.fluke(*words, "--json").strip().splitlines()[-1])

    def fluke_json_document(self, *words):
        """Of a verb whose document takes several lines."""
        return json.loads(self.fluke(*words, "--json"))

    def preset(self, name):
        return ROOT / "train" / "presets" / f"{name}.yaml"

    def train(self, preset, run, manifest, *sets):
        """Trains anew and returns the summary, with the whole command's seconds as wall_s."""
        folder = self.work / run
        shutil.rmtree(folder, ignore_errors=True)
        words = [w for s in (f"data.manifest={manifest}", *sets) for w in ("--set", s)]
        begin = time.perf_counter()
        summary = self.fluke_json("train", self.preset(preset), *words, "--run", folder)
        summary["wall_s"] = round(time.perf_counter() - begin, 1)
        return summary

    def embed(self, runs, manifest, name, *words):
        folder = self.work / name
        models = ",".join(str(self.work / r) for r in runs)
        self.fluke("embed", "--model", models, "--data", manifest, "--out", folder, *words)
        return folder

    def leave_one_out(self, embeddings, metrics="recall@1,kaggle_map@5,map@r"):
        report = self.fluke_json("evaluate", "--embeddings", embeddings, "--metrics", metrics)
        return {name: round(value, 4) for name, value in report["metrics"].items()}

    def peer(self, script, *words):
        """The peer's last line as a dict; None without --peer-python, or where the peer fails: our own figures are kept then."""
        if not self.args.peer_python:
            return None
        command = [self.args.peer_python, str(pathlib.Path(self.args.peers) / script), "--data-dir", str(self.data),
                   *map(str, words)]
        print("+ peer", script, *words, file=sys.stderr, flush=True)
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            print(f"the peer failed: {command}", file=sys.stderr, flush=True)
            return None
        return json.loads(done.stdout.strip().splitlines()[-1])


def cpu_model():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    field = lambda key: next((l.split(":")[1].strip() for l in lines if l.startswith(key)), "?")
    return f"{field('model name')} family {field('cpu family')} model {field('model')}"


def ratio(ours, theirs):
    return round(ours / theirs, 3) if theirs else None


def emit(bench, **figures):
    print(json.dumps({"bench": bench, "cpu": cpu_model(), **figures}), flush=True)
