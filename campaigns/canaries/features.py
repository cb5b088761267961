"""Numbers about objects, from everything that was seen of each of them.

What was seen of one object is ``{place: values}``. A place is a column of a table, a field of a response or a word of a
page.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

type Seen = dict[str, list[Any]]

MOST_OCTETS = 65_536
_WORD = re.compile(r"[A-Za-z_][\w-]{0,23}(?![\w-])|\b\d{1,9}\b")


def features_of(objects: Sequence[Seen]) -> dict[str, list[float]]:
    """``{feature: its number for each object}``."""
    found: dict[str, list[float]] = {}
    for place in sorted({place for seen in objects for place in seen}):
        values = [seen.get(place, []) for seen in objects]
        common = Counter(str(each) for some in values for each in some)
        for number, some in enumerate(values):
            for name, value in _numbers(some, common):
                found.setdefault(f"{place} {name}", [0.0] * len(objects))[number] = value
    return found


def differences(
    before: Mapping[str, Sequence[float]], after: Mapping[str, Sequence[float]]
) -> dict[str, list[float]]:
    return {
        f"{name}, change": [b - a for a, b in zip(before[name], numbers, strict=True)]
        for name, numbers in after.items()
        if name in before
    }


def _numbers(values: Sequence[Any], common: Mapping[str, int]) -> Iterator[tuple[str, float]]:
    yield "count", len(values)
    if not values:
        return
    numbers = [_number(each) for each in values]
    yield "first", numbers[0]
    yield "last", numbers[-1]
    yield "sum", sum(numbers)
    yield "frequency", sum(common[str(each)] for each in values) / len(values)
    if any(isinstance(each, str | bytes) for each in values):
        octets = b"".join(map(_octets, values))[:MOST_OCTETS]
        for high, count in Counter(octet >> 4 for octet in octets).items():
            yield f"octets {high:x}0", count


def _number(value: Any) -> float:
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, bool | int | float | Decimal):
        return float(value)
    if isinstance(value, str) and len(value) > 18 and value[10] == "T":
        try:
            return datetime.fromisoformat(value).timestamp()
        except ValueError:
            pass
    return -1.0 if value is None else float(len(_octets(value)))


def _octets(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


# --- responses


def fields_of(document: Any, place: str) -> Iterator[tuple[str, Any]]:
    """The leaves of a JSON document. The items of a list share a place."""
    if isinstance(document, dict):
        for name, value in document.items():
            yield from fields_of(value, f"{place}.{name}")
    elif isinstance(document, list):
        yield f"{place}[]", len(document)
        for value in document:
            yield from fields_of(value, f"{place}[]")
    else:
        yield place, document


def words_of(text: str, place: str) -> Iterator[tuple[str, Any]]:
    """Each word with its number, and the length."""
    yield f"{place} length", len(text)
    for word, count in Counter(_WORD.findall(text)).items():
        yield f"{place} '{word}'", count
