"""The gallery of page_mock.py: its items, their photographs, and filters over them."""

import json
import math
import re
import zlib

HOSTILE = "<img src=x onerror=\"document.title='broken'\">"
LETTERS = "anelo rivabo kutami sedori nuvela".split()


class Refused(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def chance(*words):
    """0 to 1, always the same for the same words."""
    return zlib.crc32("/".join(map(str, words)).encode()) / 2**32


def name_of(individual):
    word = LETTERS[individual % 5]
    return f"{word[:3].title()}{LETTERS[individual // 5 % 5][3:]}-{individual:04d}"


def draw_items(number):
    items = {}
    for i in range(number):
        individual = int(chance("who", i) ** 1.6 * number / 6)
        identity = "" if i % 23 == 0 else HOSTILE if i % 401 == 1 else name_of(individual)
        metadata = {"camera": ("north", "south", "drone")[i % 3], "year": str(2012 + i % 13), "sea state": str(i % 5)}
        if i % 401 == 1:
            metadata["note"] = HOSTILE
        item = {
            "id": f"fluke_{i:05d}.jpg",
            "identity": identity,
            "path": f"{2012 + i % 13}/fluke_{i:05d}.jpg",
            "metadata": metadata,
        }
        items[item["id"]] = item
    return items


TOKEN = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*")|(`(?:[^`\\]|\\.)*`)|(-?\d+(?:\.\d+)?)|(\w+)|(<=|>=|!=|[=<>(),]))')


def parse_filter(text):
    """item -> whether it matches. As much of common/filter.h as the tests use."""
    tokens, at = [], 0
    while text[at:].strip():
        match = TOKEN.match(text, at)
        if not match:
            raise Refused("INVALID_ARGUMENT", f"filter, column {at + 1}: expected a condition, found {text[at:at + 10].strip()!r}")
        tokens.append((match.lastindex, match[match.lastindex], match.start(match.lastindex) + 1))
        at = match.end()
    tokens.append((0, "the end", len(text) + 1))

    def take(*wanted):
        if wanted and tokens[0][1].lower() not in wanted:
            raise Refused(
                "INVALID_ARGUMENT", f"filter, column {tokens[0][2]}: expected {' or '.join(wanted)}, found {tokens[0][1]!r}"
            )
        return tokens.pop(0)

    def read(item, field):
        return item.get(field, "") if field in ("id", "identity", "path") else item["metadata"].get(field, "")

    def any_of():
        parts = [all_of()]
        while tokens[0][1].lower() == "or":
            take()
            parts.append(all_of())
        return lambda item: any(part(item) for part in parts)

    def all_of():
        parts = [one()]
        while tokens[0][1].lower() == "and":
            take()
            parts.append(one())
        return lambda item: all(part(item) for part in parts)

    def one():
        kind, word, column = take()
        if word.lower() == "not":
            inner = one()
            return lambda item: not inner(item)
        if word == "(":
            inner = any_of()
            take(")")
            return inner
        if word.lower() == "exists":
            take("(")
            field = take()[1].strip("`")
            take(")")
            return lambda item: read(item, field) != ""
        if kind not in (2, 4):
            raise Refused("INVALID_ARGUMENT", f"filter, column {column}: expected a field, found {word!r}")
        field = word.strip("`")
        operator = take("=", "!=", "<", "<=", ">", ">=")[1]
        kind, value, column = take()
        if kind not in (1, 3):
            raise Refused("INVALID_ARGUMENT", f"filter, column {column}: expected a value, found {value!r}")
        wanted = json.loads(value) if kind == 1 else float(value)

        def holds(item):
            found = read(item, field)
            if kind == 3:
                try:
                    found = float(found)
                except ValueError:
                    return operator == "!="
            elif found == "":
                return operator == "!="
            return {
                "=": found == wanted,
                "!=": found != wanted,
                "<": found < wanted,
                "<=": found <= wanted,
                ">": found > wanted,
                ">=": found >= wanted,
            }[operator]

        return holds

    if len(tokens) == 1:
        return lambda item: True
    result = any_of()
    take("the end")
    return result


def draw_photo(item):
    """A fluke of the individual's shape on the sea of the item."""
    who = item["identity"] or item["id"]
    lift, width = 60 + 70 * chance(who, "lift"), 190 + 70 * chance(who, "width")
    notch, hue = 12 + 34 * chance(who, "notch"), 195 + 20 * chance(item["id"], "sea")
    dx, turn, light = 40 * chance(item["id"], "x") - 20, 16 * chance(item["id"], "turn") - 8, 50 + 26 * chance(item["id"], "light")
    edge = "".join(
        f"L{x:.0f} {y:.0f}"
        for x, y in (
            (320 + side * width * t, 235 - lift * math.sin(t * 1.9) + 9 * chance(who, side, t))
            for side in (-1, 1)
            for t in ([1 - k / 12 for k in range(12)] if side < 0 else [k / 12 for k in range(1, 13)])
        )
    )
    scars = "".join(
        f'<path d="M{250 + 140 * chance(who, k):.0f} {240 + 20 * chance(who, k, 1):.0f}l{30 * chance(who, k, 2):.0f} 14" stroke="#cdd4d8" stroke-width="3"/>'
        for k in range(3)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 480" width="640" height="480"><rect width="640" height="480" fill="hsl({hue:.0f} 26% {light:.0f}%)"/>'
        f'<path d="M0 330q160-26 320 0t320 0v150H0z" fill="hsl({hue:.0f} 32% {light - 20:.0f}%)"/>'
        f'<g transform="translate({dx:.0f} 0) rotate({turn:.1f} 320 300)"><path d="M{320 - width:.0f} {170 - notch:.0f}{edge}Q{320 + width * .8:.0f} 300 345 330L350 410H290L295 330'
        f'Q{320 - width * .8:.0f} 300 {320 - width:.0f} {170 - notch:.0f}z" fill="#2b343a"/>{scars}</g>'
        f'<path d="M0 400q80-14 160 0t160 0 160 0 160 0v80H0z" fill="hsl({hue:.0f} 34% {light - 26:.0f}%)"/></svg>'
    ).encode()
