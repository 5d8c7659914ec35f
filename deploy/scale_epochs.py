"""scale_epochs.py PRESET PHOTOS < stats.json: the preset's epochs, meant for PHOTOS training photographs, for those counted in `data
stats --json`, so that training takes as many steps. One FIELD=VALUE a line."""
import json
import re
import sys

SECTIONS = {"warmup_epochs": "schedule", "epochs": "train", "every_epochs": "validation"}


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        preset = "".join(line.split("#")[0] + "\n" for line in file)
    splits = json.load(sys.stdin)["splits"]
    factor = int(sys.argv[2]) / max(1, sum(split["photos"] for name, split in splits.items() if name != "test"))
    for name, section in SECTIONS.items():
        epochs = int(re.search(rf"\b{name}: (\d+)", preset).group(1))
        print(f"{section}.{name}={max(1, round(epochs * factor))}")


if __name__ == "__main__":
    main()
