"""Adds up ctest's JUnit files: test_totals.py FILE...  Names what failed, then prints "N passed, N failed, N skipped".

What a sanitizer reported is named as such: "sanitizer report: ". PRESET.second.xml holds the second try of what failed in PRESET.xml: what passes there counts as passed, and is named.
"""
import pathlib
import re
import sys
import xml.etree.ElementTree as xml


def outcome(case):
    """passed, failed or skipped. What ctest could not start (not built, missing) counts as failed."""
    if case.get("status") == "run":
        return "passed"
    skipped = case.find("skipped")
    if skipped is not None and skipped.get("message", "").startswith("SKIP_"):
        return "skipped"
    return "failed"


def outcomes(file):
    return {case.get("name"): outcome(case) for case in xml.parse(file).getroot().findall("testcase")}


def reported(file):
    """Tests in whose output a sanitizer speaks."""
    return {case.get("name") for case in xml.parse(file).getroot().findall("testcase")
            if re.search(r"\w+Sanitizer: |: runtime error: ", case.findtext("system-out", ""))}


def main():
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    files = [pathlib.Path(name) for name in sys.argv[1:]]
    for file in files:
        preset = file.stem
        if preset.endswith(".second"):
            continue
        results = outcomes(file)
        if not results:
            print(f"failed: preset {preset} ran no test")
            counts["failed"] += 1
        found = reported(file)
        second = file.with_name(f"{preset}.second.xml")
        again = outcomes(second) if second in files else {}
        for name, result in results.items():
            if result == "failed" and name not in found and again.get(name) == "passed":
                print(f"passed at the second try: {name} (preset {preset})")
                result = "passed"
            counts[result] += 1
            if result == "failed":
                print(f"{'sanitizer report' if name in found else 'failed'}: {name} (preset {preset})")
    print(", ".join(f"{count} {result}" for result, count in counts.items()))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
