#!/usr/bin/env python3
"""The README's two commands in a debootstrapped Debian root, nothing installed or cached: ./deploy/demo, ./deploy/test in the same
clone, ./deploy/demo again; seconds of each. Wants root, debootstrap and 15 GB of disk; the network is the one of this machine.

The root keeps what it has afterwards if --root names it; an existing one is used as it is.
"""
import argparse
import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import common

# In this order; each finds what the one before has left.
STEPS = {"demo_first": "./deploy/demo", "test": "./deploy/test", "demo_again": "./deploy/demo"}
CLONE = "srv/fluke"  # in the root
# What a network may need to be reached at all: proxies, certificates, package registries.
NETWORK = re.compile(r"(?i)^(https?|no)_proxy$|^PIP_(CERT|INDEX_URL|EXTRA_INDEX_URL)$|^SSL_CERT_FILE$|^FLUKE_DEBIAN_MIRROR$")


def parse():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--release", choices=["bookworm", "trixie"], default="bookworm")
    options.add_argument("--mirror", default="http://deb.debian.org/debian")
    options.add_argument("--root", help="folder of the root; default: a temporary one, removed in the end")
    options.add_argument("--steps", default=",".join(STEPS), help="which, by comma")
    options.add_argument("--copy", action="append", default=[], metavar="FILE",
                         help="a file of this machine that the root needs at the same place, such as certificates")
    return options.parse_args()


def make_root(root, args):
    """A minimal Debian with git, which every clone needs."""
    if not (root / "etc/debian_version").exists():
        subprocess.run(["debootstrap", "--variant=minbase", "--include=ca-certificates,git", args.release, str(root), args.mirror],
                       check=True, stdout=subprocess.DEVNULL)
    for name in ("/etc/resolv.conf", "/etc/hosts", *args.copy):
        target = root / name.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(pathlib.Path(name).read_bytes())
    shutil.rmtree(root / CLONE, ignore_errors=True)
    subprocess.run(["git", "clone", "--quiet", str(common.ROOT), str(root / CLONE)], check=True)


@contextlib.contextmanager
def mounted(root, *names):
    """This machine's /proc and /dev inside the root."""
    with contextlib.ExitStack() as stack:
        for name in names:
            subprocess.run(["mount", "--bind", name, str(root / name.lstrip("/"))], check=True)
            stack.callback(subprocess.run, ["umount", "--lazy", str(root / name.lstrip("/"))], check=True)
        yield


def run_in(root, command):
    """Seconds that a command took in the clone, as root with an empty environment; its last line of output."""
    environment = {"HOME": "/root", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
                   **{name: value for name, value in os.environ.items() if NETWORK.match(name)}}
    begin = time.perf_counter()
    process = subprocess.Popen(["chroot", str(root), "/bin/bash", "-c", f"cd /{CLONE} && exec {command}"], env=environment,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    line = ""
    for line in process.stdout:
        print(line, end="", file=sys.stderr, flush=True)
    return {"seconds": round(time.perf_counter() - begin), "exit": process.wait(), "last_line": line.strip()}


def main():
    args = parse()
    root = pathlib.Path(args.root or tempfile.mkdtemp(prefix="fluke-root-")).resolve()
    make_root(root, args)
    with mounted(root, "/proc", "/dev"):
        figures = {name: run_in(root, command) for name, command in STEPS.items() if name in args.steps.split(",")}
    if not args.root:
        shutil.rmtree(root)
    common.emit("fresh_machine", debian=args.release, **figures)


main()
