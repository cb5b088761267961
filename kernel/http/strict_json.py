"""Strict JSON: rejects anything that two parsers could interpret differently."""

import json
from typing import Any, NoReturn

from kernel.errors import Invalid

_MAX_DEPTH = 20
# Limit per object or list: larger ones would only waste time. The longest list of an endpoint has 1,000 members;
# slightly longer lists get that field's own error, which names the field.
_MAX_MEMBERS = 1024


def loads(body: bytes) -> object:
    """Decode a JSON text. Raises Invalid with the reason."""
    try:
        value = json.loads(
            body.decode("utf-8"), object_pairs_hook=_unique_pairs, parse_constant=_refuse_constant
        )
    except UnicodeDecodeError:
        raise Invalid("The body is not UTF-8.") from None
    except (ValueError, RecursionError):
        # The decoder's message contains only the position; values are never echoed.
        raise Invalid("The body is not valid JSON.") from None
    _check(value, _MAX_DEPTH)
    return value


def _unique_pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    _check_size(pairs)
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Invalid("The body contains a duplicate member.")
    return members


def _check_size(members: list[Any]) -> None:
    if len(members) > _MAX_MEMBERS:
        raise Invalid(f"An object or list in the body has more than {_MAX_MEMBERS} members.")


def _refuse_constant(word: str) -> NoReturn:
    raise Invalid(f"{word} is not valid JSON.")


def _check(value: object, depth: int) -> None:
    if not depth:
        raise Invalid(f"The body is nested more than {_MAX_DEPTH} levels deep.")
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, dict):
        for name, member in value.items():
            _check_text(name)
            _check(member, depth - 1)
    elif isinstance(value, list):
        _check_size(value)
        for member in value:
            _check(member, depth - 1)


def _check_text(text: str) -> None:
    # JSON escapes may contain a lone surrogate, but no database can store one.
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise Invalid("A string contains half of a surrogate pair.") from None
