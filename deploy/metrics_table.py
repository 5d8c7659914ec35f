"""metrics_table.py METRIC,... NAME=metrics.json...: one line a model, one column a metric."""
import json
import sys


def main():
    metrics = sys.argv[1].split(",")
    rows = []
    for argument in sys.argv[2:]:
        name, path = argument.split("=", 1)
        with open(path, encoding="utf-8") as file:
            values = json.load(file)["metrics"]
        rows.append([name] + [f"{values[metric]:.3f}" for metric in metrics])
    widths = [max(map(len, column)) for column in zip(["model"] + metrics, *rows)]
    for row in [["model"] + metrics] + rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


if __name__ == "__main__":
    main()
