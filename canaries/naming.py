"""Suggest names for decoys that look like the names that exist. Pure.

A name is cut at its separators. A suggestion has the form of an existing name, with parts that other names of the same
form have in the same place, and years and numbers near those that occur.
"""

import re
import secrets
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Final

MOST: Final = 5
_ATTEMPTS: Final = 200
_PARTS: Final = re.compile(r"[-_./: ]+|\d+|[^-_./: \d]+")
_SEPARATOR: Final = re.compile(r"[-_./: ]+")

type _Form = tuple[str, ...]
"""The separators as they are, ``#`` for a number, and ``a`` for a word."""


def suggest(names: Collection[str]) -> list[str]:
    """Up to ``MOST`` new names, others each time. Empty if no two names have the same form."""
    taken = {name.lower() for name in names}
    found: list[str] = []
    patterns = [
        examples for examples in _forms_of(names) for _ in examples
    ]  # a frequent form is chosen more often
    for _ in range(_ATTEMPTS if patterns else 0):
        name = "".join(_mixed(secrets.choice(patterns)))
        if name.lower() not in taken:
            taken.add(name.lower())
            found.append(name)
        if len(found) == MOST:
            break
    return found


def _forms_of(names: Collection[str]) -> list[list[Sequence[str]]]:
    """The parts of the names, those of one form together, of forms that at least two names have."""
    forms: dict[_Form, list[Sequence[str]]] = defaultdict(list)
    for name in sorted(names):
        parts = _PARTS.findall(name)
        forms[tuple(map(_kind_of, parts))].append(parts)
    return [each for each in forms.values() if len(each) > 1]


def _kind_of(part: str) -> str:
    if part.isdigit():
        return "#"
    return part if _SEPARATOR.fullmatch(part) else "a"


def _mixed(examples: list[Sequence[str]]) -> Iterator[str]:
    for same_place in zip(*examples, strict=True):
        part = secrets.choice(same_place)
        yield _near(part) if part.isdigit() else part


def _near(number: str) -> str:
    """A number near this one, with as many digits."""
    near = int(number) + secrets.choice((-1, 0, 0, 1))
    return str(max(0, near)).zfill(len(number)) if len(str(max(0, near))) <= len(number) else number
