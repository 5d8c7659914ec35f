"""Adds up ctest's JUnit files: test_totals.py FILE...  Names what failed, then prints "N passed, N failed, N skipped"."""
import pathlib
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


def main():
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for name in sys.argv[1:]:
        cases = xml.parse(name).getroot().findall("testcase")
        if not cases:
            print(f"failed: preset {pathlib.Path(name).stem} ran no test")
            counts["failed"] += 1
        for case in cases:
            result = outcome(case)
            counts[result] += 1
            if result == "failed":
                print(f"failed: {case.get('name')} (preset {pathlib.Path(name).stem})")
    print(", ".join(f"{count} {result}" for result, count in counts.items()))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
