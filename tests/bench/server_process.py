"""A server that a benchmark starts, watches and may kill."""
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class ServerProcess:
    """`fluke serve` on a free port; its log goes to the file `log`."""

    def __init__(self, program, *words, log):
        self.log = open(log, "ab")
        self.process = subprocess.Popen([program, "serve", *map(str, words), "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE,
                                        stderr=self.log, text=True)
        line = self.process.stdout.readline()
        found = re.search(r"127\.0\.0\.1:(\d+)", line)
        if not found:
            raise SystemExit(f"the server did not say where it listens; {log} says why")
        self.address, self.port = found[0], int(found[1])

    @property
    def pid(self):
        return self.process.pid

    def is_up(self):
        return self.process.poll() is None

    def memory_mb(self):
        """Resident memory, and the part of it that is no file's."""
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        kb = lambda field: int(re.search(rf"^{field}:\s+(\d+)", status, re.M)[1])
        return kb("VmRSS") / 1024, kb("RssAnon") / 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def kill(self):
        self.process.kill()
        self._wait(60)

    def stop(self, timeout_s=60):
        """SIGTERM; its exit code."""
        if self.is_up():
            self.process.send_signal(signal.SIGTERM)
        return self._wait(timeout_s)

    def _wait(self, timeout_s):
        try:
            return self.process.wait(timeout_s)
        finally:
            if self.is_up():
                self.process.kill()
            self.process.stdout.close()
            self.log.close()


class MemoryWatch:
    """Looks at a server's memory every second from a thread of its own, until `stop`."""

    def __init__(self, server, every_s=1.0):
        self.samples = []  # (seconds, resident MB, anonymous MB)
        self._server, self._every_s, self._ended = server, every_s, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self):
        begin = time.monotonic()
        while not self._ended.wait(self._every_s):
            try:
                self.samples.append((time.monotonic() - begin, *self._server.memory_mb()))
            except (OSError, TypeError):
                return  # the process has ended

    def stop(self):
        self._ended.set()
        self._thread.join()
        return self.samples


def slope_a_minute(samples, column):
    """Least squares through (seconds, value): change a minute."""
    n = len(samples)
    if n < 2:
        return 0.0
    mean_x = sum(s[0] for s in samples) / n
    mean_y = sum(s[column] for s in samples) / n
    spread = sum((s[0] - mean_x) ** 2 for s in samples)
    return 60 * sum((s[0] - mean_x) * (s[column] - mean_y) for s in samples) / spread if spread else 0.0


def say(*words):
    print(*words, file=sys.stderr, flush=True)
