#!/usr/bin/env python3
"""deploy/systemd/fluke.service under a systemd that has booted: does it start, serve photographs too, stop, come back after a SIGKILL with what was
acknowledged, all as an unprivileged user behind its locks?

Boots Debian by systemd-nspawn in the root that image_size.py made (--root, its --work's `root`), with systemd installed into it. Wants root,
systemd-nspawn and Debian's mirror.
"""
import os
import re
import shutil
import subprocess
import sys

import common
import soak
from server_process import say

FILL = """\
[Unit]
Before=fluke.service
[Service]
Type=oneshot
RemainAfterExit=yes
User=fluke
DynamicUser=yes
StateDirectory=fluke
ExecStart=/opt/fluke/bin/fluke index build --embeddings /given/gallery --out /var/lib/fluke/index
ExecStart=/bin/cp -r /given/model /var/lib/fluke/model
"""
TRIAL = """\
[Unit]
After=basic.target
[Service]
ExecStart=/given/trial
StandardOutput=append:/result
StandardError=append:/result
[Install]
WantedBy=multi-user.target
"""
# One line "name: value" a step.
SCRIPT = """\
#!/bin/bash
PATH=/opt/fluke/bin:$PATH
step() { echo "$1: $("${@:2}" 2>&1 | tr '\\n' ' ')"; }
of() { systemctl show fluke -p "$1" --value; }
systemctl start fluke-fill
step started systemctl start fluke
step state of ActiveState
step user awk '/^Uid/ {print $2}' /proc/$(of MainPID)/status
step capabilities awk '/^CapEff/ {print $2}' /proc/$(of MainPID)/status
step seccomp awk '/^Seccomp:/ {print $2}' /proc/$(of MainPID)/status
step health fluke health
step photograph fluke query --image /given/photograph -k 3
step deleted fluke delete --ids b1
kill -9 $(of MainPID)
for _ in $(seq 100); do fluke health >/dev/null 2>&1 && break; sleep 0.1; done
step restarts of NRestarts
step count fluke count
step stopped systemctl stop fluke
step result of Result
step exposure systemd-analyze security --no-pager fluke
step log journalctl -u fluke --no-pager -o cat
sync
systemctl --force --force poweroff
"""


def install_systemd(root):
    if (root / "lib" / "systemd" / "systemd").exists():
        return
    shutil.copy("/etc/resolv.conf", root / "etc" / "resolv.conf")
    for folder in ("var/lib/apt/lists/partial", "var/cache/apt/archives/partial", "var/log/apt"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    install = "apt-get -q update && apt-get -q -y install --no-install-recommends systemd systemd-sysv dbus"
    subprocess.run(["chroot", str(root), "sh", "-c", install], check=True, stdout=sys.stderr, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})


def main():
    options = common.parser(__doc__)
    options.add_argument("--root", required=True, help="that image_size.py --work W made: W/root; it is copied")
    args = options.parse_args()
    if os.geteuid() != 0 or not shutil.which("systemd-nspawn"):
        options.error("root and systemd-nspawn are needed")
    bench = common.Bench(args)
    root, given = bench.work / "machine", bench.work / "machine" / "given"
    if not root.exists():
        subprocess.run(["cp", "-a", args.root, str(root)], check=True)
    install_systemd(root)
    for left in (given, root / "var" / "lib" / "private" / "fluke"):
        shutil.rmtree(left, ignore_errors=True)
    given.mkdir()
    soak.write_gallery(given / "gallery", 500, 32)
    model, listed = soak.make_model(bench, 32)
    shutil.copytree(model, given / "model")
    shutil.copy(listed.read_text().split("\n")[0], given / "photograph")
    (given / "trial").write_text(SCRIPT)
    subprocess.run(["chmod", "-R", "a+rX", str(given)], check=True)
    (given / "trial").chmod(0o755)
    units = root / "etc" / "systemd" / "system"
    deploy = common.ROOT / "deploy" / "systemd"
    shutil.copy(deploy / "fluke.service", units)
    (root / "etc" / "fluke").mkdir(exist_ok=True)
    shutil.copy(deploy / "serve.yaml", root / "etc" / "fluke")
    (units / "fluke-fill.service").write_text(FILL)
    (units / "trial.service").write_text(TRIAL)
    (units / "multi-user.target.wants").mkdir(exist_ok=True)
    link = units / "multi-user.target.wants" / "trial.service"
    link.unlink(missing_ok=True)
    link.symlink_to("../trial.service")
    (root / "result").unlink(missing_ok=True)
    with open(bench.work / "boot.log", "wb") as log:
        subprocess.run(["systemd-nspawn", "-D", str(root), "--boot", "--register=no", "--keep-unit", "--quiet", "--console=pipe"], stdin=subprocess.DEVNULL,
                       stdout=log, stderr=log, timeout=300)
    said = (root / "result").read_text() if (root / "result").exists() else ""
    steps = {name: value.strip() for name, value in re.findall(r"^(\w+): (.*)$", said, re.M)}
    log = steps.pop("log", "")
    exposure = re.search(r"fluke\.service: ([\d.]+)", steps.pop("exposure", ""))
    passed = (steps.get("state") == "active" and steps.get("user") not in (None, "0") and steps.get("capabilities", "1").strip("0") == "" and
              steps.get("seccomp") == "2" and steps.get("health") == "SERVING" and "rank" in steps.get("photograph", "") and
              steps.get("deleted") == "1 items deleted" and steps.get("restarts") == "1" and steps.get("count") == "499" and steps.get("result") == "success")
    if not passed:
        say(said, log)
    bench.close()
    common.emit("service_unit", passed=passed, exposure=exposure and float(exposure[1]), **steps)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
