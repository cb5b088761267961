"""The filters of the log as texts under their API names, as exports and saved filters store them."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from audit.browse.selection import LogCriteria
from audit.log.canonical import format_timestamp

# Word, label, and length. A saved filter may have such a period, which ends at the time when the filter is used.
PERIODS = MappingProxyType(
    {
        "1h": ("Last hour", timedelta(hours=1)),
        "24h": ("Last 24 hours", timedelta(hours=24)),
        "7d": ("Last 7 days", timedelta(days=7)),
        "30d": ("Last 30 days", timedelta(days=30)),
    }
)

_API_NAMES = {"object_id": "object", "since": "from", "until": "to"}


def as_texts(filters: Mapping[str, str | datetime]) -> dict[str, str]:
    """The filters of ``LogCriteria`` under their API names: ``{"from": "2026-01-01T00:00:00.000000Z"}``."""
    return {
        _API_NAMES.get(name, name): value if isinstance(value, str) else format_timestamp(value)
        for name, value in filters.items()
    }


def filters_of(criteria: LogCriteria) -> dict[str, str]:
    """The filters that are set, ``as_texts``."""
    asked = {each.name: getattr(criteria, each.name) for each in fields(criteria)}
    return as_texts({name: value for name, value in asked.items() if value})


def criteria_of(filters: Mapping[str, str]) -> LogCriteria:
    """Inverse of ``filters_of``. Raises TypeError and ValueError for anything else."""
    names = {word: name for name, word in _API_NAMES.items()}
    asked: dict[str, Any] = {names.get(word, word): value for word, value in filters.items()}
    for name in {"since", "until"} & asked.keys():
        asked[name] = datetime.fromisoformat(asked[name])
    return LogCriteria(**asked)
