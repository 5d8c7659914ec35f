"""What the tests of the web page share: the browser, pictures to search with, and questions to a page that is open."""

import os
import pathlib
import re
import struct
import sys
import tempfile
import time
import unittest
import zlib

import browser as chromium
import page_mock

SCRATCH = tempfile.TemporaryDirectory(prefix="fluke-page-")
FOLDER = pathlib.Path(SCRATCH.name)
SHOTS = pathlib.Path(os.environ.get("FLUKE_SCREENSHOTS", FOLDER / "screenshots"))

CHECKS = pathlib.Path(__file__).with_name("page_checks.js").read_text()


def write_png(path, width, height, tint=0):
    """A dark tail over a sea; what it shows does not matter."""
    rows = bytearray()
    for y in range(height):
        row = bytearray((bytes((96 + tint, 132, 150)) if y < height * 0.7 else bytes((50, 85, 105))) * width)
        t = (y / height - 0.25) / 0.5
        if 0 < t < 1:
            half = int(width * 0.42 * (1 - t) ** 0.7) if t < 0.6 else int(width * 0.05)
            row[3 * (width // 2 - half) : 3 * (width // 2 + half)] = bytes((35, 42, 48)) * (2 * half)
        rows += b"\0" + row

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(bytes(rows), 1))
        + chunk(b"IEND", b"")
    )
    return path


def jpeg_size(data):
    """(width, height) of a baseline or progressive JPEG, and whether it has an EXIF segment."""
    at, has_exif = 2, False
    while True:
        marker, length = struct.unpack(">HH", data[at : at + 4])
        has_exif |= marker == 0xFFE1
        if marker in (0xFFC0, 0xFFC1, 0xFFC2):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height, has_exif
        at += 2 + length


def turned(jpeg):
    """The JPEG with an EXIF segment that says: turn me by 90 degrees (orientation 6)."""
    tiff = b"MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, 0x0112, 3, 1, 6, 0, 0)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(tiff) + 8) + b"Exif\0\0" + tiff + jpeg[2:]


def main():
    """Runs the tests of the calling module; exit code 77 (skipped) without Chromium and its driver."""
    if not chromium.is_here():
        print("skipped: no chromium and chromedriver here")
        sys.exit(77)
    unittest.main()


class Page(unittest.TestCase):
    """Opens pages; at the end of each test nothing may have gone wrong unnoticed."""

    allowed_errors = r"/photo\?.*404"  # what the console may say

    def open(self, path="", ready=".results .card-link"):
        self.browser.open("about:blank")
        self.browser.open(self.url + path)
        self.browser.wait_for(ready)

    @classmethod
    def setUpClass(cls):
        cls.browser = chromium.Browser()
        cls.addClassCleanup(cls.browser.close)

    def setUp(self):
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.browser.open("about:blank")
        self.browser.size(1280, 900)
        self.browser.colours("light")
        self.browser.console()

    def tearDown(self):
        bad = [entry for entry in self.browser.console() if entry[0] == "SEVERE" and not re.search(self.allowed_errors, entry[2])]
        self.assertEqual(bad, [])

    def upload(self, *paths):
        self.browser.type("#files", "\n".join(map(str, paths)))
        self.browser.wait("return location.hash.includes('p=')")
        self.settle()

    def settle(self):
        """Until the answer of the address that is shown has come."""
        self.browser.wait("return document.querySelector('.results') && !document.querySelector('.card.waiting')")

    def follow(self, selector):
        before = self.browser.run("return location.hash")
        self.browser.click(selector)
        self.browser.wait("return location.hash !== arguments[0]", before)
        self.settle()

    def ask(self, call, *arguments):
        """Of page_checks.js."""
        return self.browser.run(f"{CHECKS}\nreturn {call}", *arguments)

    def check_still(self, shift=0.02):
        """Nothing jumped since the page was opened."""
        self.assertLess(self.browser.run_async(f"{CHECKS}\nlayoutShift(arguments[0])"), shift)

    def cards(self):
        return self.ask("shownIds()")

    def check_access(self):
        self.assertEqual(self.ask("withoutAlt()"), [])
        self.assertEqual(self.ask("withoutName()"), [])
        self.assertEqual(self.ask("tooFaint()"), [])

    def check_width(self):
        inner, wide = self.browser.run("return [document.documentElement.clientWidth, document.documentElement.scrollWidth]")
        self.assertLessEqual(wide, inner, "scrolls sideways")

    def shoot(self, name):
        self.browser.wait("return [...document.images].every((i) => i.complete || i.loading === 'lazy')")
        time.sleep(0.2)  # for the pictures alone: photographs are painted
        self.browser.screenshot(SHOTS / f"{type(self).__name__.lower()}_{name}.png")


class MockPage(Page):
    """Of the mock, one for each test."""

    def setUp(self):
        super().setUp()
        self.server = page_mock.Server().start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.addCleanup(self.browser.open, "about:blank")
        self.mock, self.url, self.size = self.server.mock, self.server.url, 10_000
        self.photos = [write_png(FOLDER / f"sighting_{i}.png", 640, 480, 12 * i) for i in range(3)]

    def sent(self, method):
        return [request for name, request, _ in self.mock.requests if name == method]

    def open_item(self, item):
        self.open(f"#/search?id={item}")
        self.browser.wait_for(".confirm")
