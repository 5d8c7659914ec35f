"""pick_queries.py items.csv N: prints id and path of one photograph of each of N individuals, spread over the list.

Only individuals with another photograph are picked: one that is alone has no right answer.
"""
import csv
import sys


def main():
    with open(sys.argv[1], newline="", encoding="utf-8") as file:
        individuals = {}
        for item in csv.DictReader(file):
            if item["identity"]:
                individuals.setdefault(item["identity"], []).append(item)
    pairs = [photos for photos in individuals.values() if len(photos) > 1]
    if not pairs:
        sys.exit(f"{sys.argv[1]}: no individual has two photographs, so there is nothing to ask about")
    count = min(int(sys.argv[2]), len(pairs))
    for number in range(count):
        item = pairs[number * len(pairs) // count][0]
        print(item["id"], item["path"], sep="\t")


if __name__ == "__main__":
    main()
