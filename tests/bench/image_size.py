#!/usr/bin/env python3
"""The container image without a container engine: how large it is, and does the program run in it as an unprivileged user?

Does what the Containerfile's second stage does, in a folder: Debian's base by debootstrap (minbase, without the documentation that debian:12-slim
leaves out as well), the package of deploy/package in /opt/fluke. Then, in that root, as user 10001 without any privilege and with the root
read-only, the program makes an index of drawn vectors, serves it, is found healthy by `fluke health`, answers a query and stops on SIGTERM. Wants
root, debootstrap and Debian's mirror. With buildah the Containerfile's second stage is built as well, of that base and that package. What this does
not show is the first stage: deploy/setup and deploy/build on a fresh Debian, which fresh_machine.py runs.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import common
import soak
from server_process import say

USER = 10001
# What debian:12-slim leaves out of minbase.
LEFT_OUT = ("usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale", "usr/share/groff", "usr/share/lintian", "usr/share/linda",
            "var/cache/apt", "var/lib/apt/lists", "var/log")


def size_of(folder):
    return int(subprocess.run(["du", "-sb", "--one-file-system", str(folder)], capture_output=True, text=True, check=True).stdout.split()[0])


def make_root(bench, args):
    root = bench.work / "root"
    if not root.exists():
        begin = time.monotonic()
        subprocess.run(["debootstrap", "--variant=minbase", args.debian, str(root), args.mirror], check=True, stdout=sys.stderr)
        say(f"debootstrap took {time.monotonic() - begin:.0f} s")
    for path in LEFT_OUT:
        shutil.rmtree(root / path, ignore_errors=True)
        (root / path).mkdir(parents=True, exist_ok=True)
    return root


class Root:
    """Runs programs in the image's root as the image's user, the root read-only but for /data and /tmp."""

    # chroot gives up every capability when it changes the user; with no-new-privs none comes back.
    SCRIPT = ('mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && mount --bind "$1" "$0/data" && mount -t tmpfs tmpfs "$0/tmp" && '
              'mount -t proc proc "$0/proc" && shift && exec setpriv --no-new-privs chroot --userspec=%d:%d --groups= "$0" '
              'env -i PATH=/opt/fluke/bin:/usr/local/bin:/usr/bin:/bin HOME=/tmp "$@"' % (USER, USER))

    def __init__(self, root, data):
        self.root, self.data = root, data

    def command(self, *words):
        return ["unshare", "--mount", "sh", "-c", self.SCRIPT, str(self.root), str(self.data), *map(str, words)]

    def run(self, *words, check=True):
        done = subprocess.run(self.command(*words), capture_output=True, text=True, timeout=120)
        if check and done.returncode != 0:
            raise SystemExit(f"{words}: exit code {done.returncode}\n{done.stderr}")
        return done


def try_it(bench, root):
    """What the unprivileged user could do."""
    data = bench.work / "data"
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir()
    soak.write_gallery(data / "gallery", 500, 32)
    for path in (data, *data.rglob("*")):
        os.chown(path, USER, USER)
    image = Root(root, data)
    seen = {"version": image.run("fluke", "--version").stdout.strip(), "user": image.run("id", "-u").stdout.strip()}
    seen["capabilities"] = re.search(r"CapEff:\s+(\w+)", image.run("cat", "/proc/self/status").stdout)[1]
    seen["root_is_read_only"] = image.run("touch", "/opt/fluke/x", check=False).returncode != 0
    image.run("fluke", "index", "build", "--embeddings", "/data/gallery", "--out", "/data/index")
    server = subprocess.Popen(image.command("fluke", "serve", "--index", "/data/index", "--listen", "127.0.0.1:0", "--port-file", "/data/port"),
                              stdout=subprocess.PIPE, text=True)
    try:
        address = re.search(r"127\.0\.0\.1:\d+", server.stdout.readline())[0]
        seen["health"] = image.run("fluke", "health", "--server", address).stdout.strip()
        answer = json.loads(image.run("fluke", "query", "--server", address, "--id", "b0", "-k", "3", "--json").stdout)
        seen["nearest_of_b0"] = answer["queries"][0]["hits"][0]["id"]
        seen["server_user"] = re.search(r"Uid:\s+(\d+)", pathlib.Path(f"/proc/{server.pid}/status").read_text())[1]
        seen["deleted"] = image.run("fluke", "delete", "--server", address, "--ids", "b1").stdout.strip()
    finally:
        server.send_signal(signal.SIGTERM)
        seen["stop_exit_code"] = server.wait(60)
    return seen


def build_second_stage(bench, root, package):
    """By buildah, of the same base and package: the image's size in MB and its config; None without buildah."""
    if not shutil.which("buildah"):
        return None
    run = lambda *words: subprocess.run(["buildah", *map(str, words)], check=True, capture_output=True, text=True, cwd=common.ROOT).stdout.strip()
    base, image = "localhost/fluke-bench-base", "localhost/fluke-bench"
    stage = bench.work / "stage"  # what `COPY --from=build` finds
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir()
    shutil.copytree(package, stage / "package", symlinks=True)
    packed = bench.work / "base.tar"
    subprocess.run(["tar", "-C", str(root), "--one-file-system", "--exclude=./opt/fluke", "--exclude=./data", "-cf", str(packed), "."], check=True)
    container = run("from", "scratch")
    try:
        run("add", "-q", container, packed, "/")
        run("commit", "-q", container, base)
        run("build", "--isolation", "chroot", "--format", "docker", "--build-arg", f"DEBIAN={base}", "--build-context", f"build={stage}",
            "-f", "deploy/container/Containerfile", "-t", image, ".")
        described = json.loads(run("inspect", "--type", "image", image))["Docker"]
        size = json.loads(run("images", "--json", image))[0]["size"]
        return {"size": size, "user": described["config"]["User"], "entrypoint": described["config"]["Entrypoint"],
                "ports": sorted(described["config"]["ExposedPorts"]), "health_check": described["config"]["Healthcheck"]["Test"]}
    finally:
        run("rm", container)
        subprocess.run(["buildah", "rmi", image, base], capture_output=True)
        packed.unlink()
        shutil.rmtree(stage)


def main():
    options = common.parser(__doc__)
    options.add_argument("--debian", default="bookworm")
    options.add_argument("--mirror", default=os.environ.get("FLUKE_DEBIAN_MIRROR", "http://deb.debian.org/debian"))
    options.add_argument("--package", help="folder that deploy/package made of --fluke; default: it is made")
    args = options.parse_args()
    if os.geteuid() != 0 or not shutil.which("debootstrap"):
        options.error("root and debootstrap are needed")
    bench = common.Bench(args)
    root = make_root(bench, args)
    package = pathlib.Path(args.package) if args.package else bench.work / "package"
    if not args.package:
        subprocess.run([str(common.ROOT / "deploy" / "package"), "--binary", args.fluke, "--out", str(package)], check=True, stdout=sys.stderr)
    shutil.rmtree(root / "opt" / "fluke", ignore_errors=True)
    base = size_of(root)
    shutil.copytree(package, root / "opt" / "fluke", symlinks=True)
    (root / "data").mkdir(exist_ok=True)
    os.chown(root / "data", USER, USER)
    seen = try_it(bench, root)
    total = size_of(root)
    packed = bench.work / "root.tar.gz"
    subprocess.run(["tar", "-C", str(root), "--one-file-system", "-czf", str(packed), "."], check=True)
    right = (seen["health"] == "SERVING" and seen["nearest_of_b0"] == "b0" and seen["server_user"] == str(USER) and seen["stop_exit_code"] == 0 and
             seen["capabilities"].strip("0") == "" and seen["root_is_read_only"])
    figures = {"image_mb": round(total / 1e6, 1), "base_mb": round(base / 1e6, 1), "package_mb": round((total - base) / 1e6, 1),
               "compressed_mb": round(packed.stat().st_size / 1e6, 1)}
    by_buildah = build_second_stage(bench, root, package)
    bench.close()
    common.emit("image_size", passed=right, **figures, as_unprivileged_user=seen, second_stage_by_buildah=by_buildah)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
