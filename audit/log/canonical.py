"""Canonical JSON (RFC 8785) for the subset that the log uses: no floats, integers within 2**53 - 1.

A value has exactly one byte string, in every language and implementation. Hashes of today can be recomputed from
the columns in ten years.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

# RFC 8785 section 3.2.2.3: beyond this, readers with IEEE 754 numbers get another integer.
MAX_INTEGER = 2**53 - 1

# msgspec escapes exactly what RFC 8785 section 3.2.2.2 requires, with the same spelling.
_ENCODER = msgspec.json.Encoder()

type JsonValue = bool | int | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None


def encode(value: JsonValue) -> bytes:
    """The canonical UTF-8 bytes of a value.

    Raises TypeError for values outside the subset (floats, bytes, keys that are not strings), ValueError for an
    integer out of range, and UnicodeEncodeError for a lone surrogate.
    """
    return _ENCODER.encode(_in_order(value))


def encode_members(members: Mapping[str, str | int | None]) -> bytes:
    """``encode`` for a flat object whose names are already in canonical order."""
    for value in members.values():
        kind = type(value)
        if kind is str or value is None:
            continue
        if kind is int:
            _within_range(value)  # type: ignore[arg-type]  # mypy does not follow ``kind``
        elif not isinstance(value, str):
            raise TypeError(f"{kind.__name__} is no member of a flat object")
    return _ENCODER.encode(members)


def format_timestamp(timestamp: datetime) -> str:
    """``YYYY-MM-DDTHH:MM:SS.ffffffZ``, always with six digits. Raises ValueError for a naive datetime."""
    if timestamp.tzinfo is None:
        raise ValueError("a timestamp has a time zone")
    return timestamp.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def _in_order(value: JsonValue) -> JsonValue:
    """Sort the members of each object by the UTF-16 code units of their names (section 3.2.3)."""
    match value:
        case str() | None | bool():
            return value
        case int():
            return _within_range(value)
        case Mapping():
            return {
                # Most values are strings. Skip the call for them.
                name: member if type(member := value[name]) is str else _in_order(member)
                for name in _sorted(value)
            }
        case list() | tuple():
            return [_in_order(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no canonical form")


def _within_range(number: int) -> int:
    if abs(number) > MAX_INTEGER:
        raise ValueError("an integer is within 2**53 - 1")
    return number


def _sorted(names: Iterable[str]) -> list[str]:
    # For ASCII names, sorting by characters gives the same order at a tenth of the cost.
    return sorted(names) if "".join(names).isascii() else sorted(names, key=_utf_16)


def _utf_16(name: str) -> bytes:
    return name.encode("utf-16-be")
