"""The filters of an export under their API names, as its row stores them."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from audit.browse.selection import LogCriteria
from audit.log.canonical import format_timestamp

_WORDS = {"object_id": "object", "since": "from", "until": "to"}


def filters_of(criteria: LogCriteria) -> dict[str, str]:
    """The filters that are set: ``{"actor": "ada", "from": "2026-01-01T00:00:00.000000Z"}``."""
    asked = {each.name: getattr(criteria, each.name) for each in fields(criteria)}
    return {
        _WORDS.get(name, name): format_timestamp(value) if isinstance(value, datetime) else value
        for name, value in asked.items()
        if value
    }


def criteria_of(filters: Mapping[str, str]) -> LogCriteria:
    """Inverse of ``filters_of``. Raises TypeError and ValueError for anything else."""
    names = {word: name for name, word in _WORDS.items()}
    asked: dict[str, Any] = {names.get(word, word): value for word, value in filters.items()}
    for name in {"since", "until"} & asked.keys():
        asked[name] = datetime.fromisoformat(asked[name])
    return LogCriteria(**asked)
