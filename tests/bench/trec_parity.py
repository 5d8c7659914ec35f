#!/usr/bin/env python3
"""Every measure that trec_eval prints for NIST's own test run, over all topics and per topic: are all printed digits the same?

Needs trec_eval/ of the data folder (qrels.test, results.test and what trec_eval prints for them), no peer. Exits with 1 where a
digit differs.
"""
import sys

import common

# Files of what trec_eval prints: with what is asked for, and per topic or not.
PRINTED = {"out.test": ("official", False), "out.test.a": ("all_trec", False), "out.test.aq": ("all_trec", True)}


def values(text):
    """(measure, topic) -> printed value."""
    return {(name, topic): value for name, topic, value in (line.split() for line in text.splitlines())}


def main():
    args = common.parser(__doc__).parse_args()
    bench = common.Bench(args)
    folder = bench.data / "trec_eval"
    if not folder.exists():
        sys.exit(f"needs {folder}")
    compared, different, files_equal = {}, [], {}
    for name, (measures, per_topic) in PRINTED.items():
        words = ["evaluate", "--run", folder / "results.test", "--qrels", folder / "qrels.test", "--metrics", measures]
        ours_text = bench.fluke(*words, *(["--per-query", "-"] if per_topic else []))
        theirs_text = (folder / name).read_text()
        ours, theirs = values(ours_text), values(theirs_text)
        files_equal[name] = ours_text == theirs_text
        for key in sorted(theirs.keys() | ours.keys()):
            compared[(name, *key)] = ours.get(key) == theirs.get(key)
            if ours.get(key) != theirs.get(key):
                different.append({"file": name, "measure": key[0], "topic": key[1], "ours": ours.get(key), "theirs": theirs.get(key)})
    bench.close()
    measured = {key[1] for key in compared}
    common.emit("trec_parity", measures=len(measured), values_compared=len(compared),
                values_per_topic=sum(key[2] != "all" for key in compared),
                values_equal=sum(compared.values()), all_digits_equal=not different, byte_for_byte=files_equal,
                different=different)
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
