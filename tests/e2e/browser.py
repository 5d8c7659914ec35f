"""Headless Chromium, driven over WebDriver with the standard library alone."""

import base64
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
KEYS = {
    "Tab": "\ue004",
    "Enter": "\ue007",
    "Escape": "\ue00c",
    "Left": "\ue012",
    "Up": "\ue013",
    "Right": "\ue014",
    "Down": "\ue015",
    "Shift": "\ue008",
}


def is_here():
    return bool(CHROMIUM and DRIVER)


class Browser:
    def __init__(self, width=1280, height=900):
        self.folder = tempfile.TemporaryDirectory(prefix="fluke-browser-")
        self.log = open(pathlib.Path(self.folder.name, "driver.log"), "w+")
        self.driver = subprocess.Popen(
            [DRIVER, "--port=0"], stdout=subprocess.PIPE, stderr=self.log, text=True, start_new_session=True
        )
        self.session = None
        try:
            port = None
            while port is None:
                line = self.driver.stdout.readline()
                if not line:
                    raise RuntimeError("chromedriver did not start")
                found = re.search(r"successfully on port (\d+)", line)
                port = found and found[1]
            self.address = f"http://127.0.0.1:{port}"
            arguments = [
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--force-color-profile=srgb",
                f"--window-size={width},{height}",
                f"--user-data-dir={self.folder.name}/profile",
            ]
            answer = self.send(
                "POST",
                "/session",
                {
                    "capabilities": {
                        "alwaysMatch": {
                            "browserName": "chrome",
                            "goog:chromeOptions": {"binary": CHROMIUM, "args": arguments},
                            "goog:loggingPrefs": {"browser": "ALL"},
                        }
                    }
                },
            )
            self.session = answer["sessionId"]
        except BaseException:
            self.close()
            raise

    def close(self):
        try:
            if self.session:
                self.send("DELETE", f"/session/{self.session}")
        finally:
            os.killpg(self.driver.pid, signal.SIGKILL)  # its own group: the driver and what it started
            self.driver.wait()
            self.driver.stdout.close()
            self.log.close()
            shutil.rmtree(self.folder.name, ignore_errors=True)

    def send(self, method, path, body=None):
        data = None if method != "POST" else json.dumps(body or {}).encode()
        request = urllib.request.Request(
            self.address + path, data=data, method=method, headers={"content-type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return json.load(response)["value"]
        except urllib.error.HTTPError as error:
            value = json.load(error)["value"]
            raise RuntimeError(f"{path}: {value['error']}: {value['message'].splitlines()[0]}") from None

    def command(self, name, body=None):
        return self.send("POST", f"/session/{self.session}/{name}", body)

    def devtools(self, name, **parameters):
        return self.command("goog/cdp/execute", {"cmd": name, "params": parameters})

    def open(self, url):
        self.command("url", {"url": url})

    def run(self, script, *arguments):
        """The value of a function's body in the page."""
        return self.command("execute/sync", {"script": script, "args": list(arguments)})

    def run_async(self, script, *arguments):
        """As `run`; the body calls its last argument with the value."""
        return self.command("execute/async", {"script": script, "args": list(arguments)})

    def find(self, selector):
        return self.command("element", {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        self.command(f"element/{self.find(selector)}/click")

    def type(self, selector, text):
        element = self.find(selector)
        self.command(f"element/{element}/value", {"text": text})

    def clear(self, selector):
        self.command(f"element/{self.find(selector)}/clear")

    def press(self, *keys):
        """Keys one after the other, to whatever has the focus."""
        actions = []
        for key in keys:
            value = KEYS.get(key, key)
            actions += [{"type": "keyDown", "value": value}, {"type": "keyUp", "value": value}]
        self.command("actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def text(self, selector):
        return self.run("const e = document.querySelector(arguments[0]); return e && e.innerText", selector)

    def count(self, selector):
        return self.run("return document.querySelectorAll(arguments[0]).length", selector)

    def wait(self, script, *arguments, seconds=15):
        """Until the function's body is true in the page; that value."""
        until = time.monotonic() + seconds
        while True:
            value = self.run(script, *arguments)
            if value:
                return value
            if time.monotonic() > until:
                raise AssertionError(f"not within {seconds} s: {script} {arguments}\nthe page says:\n{self.text('body')[:3000]}")
            time.sleep(0.02)

    def wait_for(self, selector, number=1):
        return self.wait("return document.querySelectorAll(arguments[0]).length >= arguments[1]", selector, number)

    def console(self):
        """What the console was told since the last call: (level, source, message)."""
        return [(entry["level"], entry["source"], entry["message"]) for entry in self.command("se/log", {"type": "browser"})]

    def screenshot(self, path, whole=False):
        if whole:
            picture = self.devtools("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        else:
            picture = self.send("GET", f"/session/{self.session}/screenshot")
        pathlib.Path(path).write_bytes(base64.b64decode(picture))

    def size(self, width, height, mobile=False):
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)

    def colours(self, scheme):
        self.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
