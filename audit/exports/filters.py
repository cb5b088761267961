"""The filters of an export in the words of the API, as its row keeps them."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from audit.browse.selection import LogCriteria
from audit.log.canonical import format_timestamp

_WORDS = {"object_id": "object", "since": "from", "until": "to"}


def filters_of(criteria: LogCriteria) -> dict[str, str]:
    """Those that ask for something: ``{"actor": "ada", "from": "2026-01-01T00:00:00.000000Z"}``."""
    asked = {each.name: getattr(criteria, each.name) for each in fields(criteria)}
    return {
        _WORDS.get(name, name): format_timestamp(value) if isinstance(value, datetime) else value
        for name, value in asked.items()
        if value
    }


def criteria_of(filters: Mapping[str, str]) -> LogCriteria:
    """What ``filters_of`` was given. Raises TypeError and ValueError for what it never gives."""
    names = {word: name for name, word in _WORDS.items()}
    asked: dict[str, Any] = {names.get(word, word): value for word, value in filters.items()}
    for name in {"since", "until"} & asked.keys():
        asked[name] = datetime.fromisoformat(asked[name])
    return LogCriteria(**asked)
