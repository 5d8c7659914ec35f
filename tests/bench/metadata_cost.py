#!/usr/bin/env python3
"""What a million items with eight metadata fields cost in columns (index/item_table.h) beside SQLite on the same machine.

The ratios are SQLite's figure over the columns': above 1 the columns are smaller or quicker. A filter's is against the quicker of
SQLite's two plans, with its indexes and without.
"""
import json
import pathlib
import shutil
import subprocess
import sys

import common


def ratios(report):
    columns, sqlite, look_ups, updates = (report[k] for k in ("columns", "sqlite_database", "look_ups", "updates"))
    return {
        "disk": common.ratio(sqlite["bytes"], columns["csv_bytes"]),
        "memory_to_sqlites_file": common.ratio(sqlite["bytes"], columns["memory_bytes"]),
        "memory_of_a_vector_of_items": common.ratio(report["vector_of_items"]["heap_bytes"], columns["memory_bytes"]),
        "open": common.ratio(sqlite["open_ms"] / 1e3, columns["open_s"]),
        "open_to_fill_and_index": common.ratio(sqlite["fill_s"] + sqlite["index_s"], columns["open_s"]),
        "filters": {name: common.ratio(min(f["sqlite_indexed_ms"], f["sqlite_scan_ms"]), f["columns_ms"])
                    for name, f in report["filters"].items()},
        "id_look_up": common.ratio(look_ups["sqlite_id_us"], look_ups["columns_id_us"]),
        "item_by_row": common.ratio(look_ups["sqlite_item_us"], look_ups["columns_item_us"]),
        "update_committed": common.ratio(updates["sqlite_committed_ms"], updates["columns_logged_ms"]),
    }


def main():
    options = common.parser(__doc__)
    options.add_argument("--program", help="metadata_cost_bench; default: the release build's")
    options.add_argument("--rows", type=int, default=1000000)
    args = options.parse_args()
    program = args.program or pathlib.Path(args.fluke).parent / "tests" / "metadata_cost_bench"
    if not pathlib.Path(program).exists():
        options.error(f"no {program}: it is built where CMake finds SQLite (libsqlite3-dev)")
    bench = common.Bench(args)
    folder = bench.work / "metadata"
    command = [str(program), str(folder), str(args.rows)]
    print("+", *command, file=sys.stderr, flush=True)
    out = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    report = json.loads(out.strip().splitlines()[-1])
    shutil.rmtree(folder)
    bench.close()
    common.emit("metadata_cost", **report, sqlite_over_columns=ratios(report))


if __name__ == "__main__":
    main()
