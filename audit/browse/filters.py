"""The filters of the log as texts under their API names, as exports and saved filters store them."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

from audit.browse.selection import LogCriteria
from audit.log.action_labels import RESULTS, actions_beginning, label_of, word_label
from audit.log.canonical import format_timestamp
from audit.log.operations import OPERATION

# Word and label. A saved filter may have such a period, which is relative to the time when the filter is used.
PERIODS = MappingProxyType(
    {
        "1h": "Last hour",
        "24h": "Last 24 hours",
        "today": "Today (UTC)",
        "yesterday": "Yesterday (UTC)",
        "7d": "Last 7 days",
        "30d": "Last 30 days",
    }
)
_LENGTHS = {
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
LABELS = MappingProxyType({"outcome": "Result", "client_ip": "Client IP address", "request_id": "Request ID"})

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


def bounds_of(period: str, now: datetime) -> tuple[datetime | None, datetime | None]:
    """The ``since`` and the ``until`` of one of the ``PERIODS``, or of "", which has none."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "today":
        return today, None
    if period == "yesterday":
        return today - timedelta(days=1), today
    return (now - _LENGTHS[period], None) if period else (None, None)


def operations_query(since: datetime, **filters: str) -> str:
    """The query string of a list of the operations since then. ``filters`` have their API names."""
    return urlencode({"action": OPERATION, **filters, "from": f"{since:%Y-%m-%dT%H:%M:%SZ}"})


def action_in_words(action: str) -> str:
    """The label of the action. ``Sign …`` for the first word of several labels."""
    actions = actions_beginning(action) or [action]
    return label_of(actions[0]) if len(actions) == 1 else f"{action.capitalize()} …"


def in_words(filters: Mapping[str, str]) -> list[tuple[str, str]]:
    """The label and the value of each filter, as a page shows them. A value without a label is unchanged.

    The rows that hold filters have no MAC, so an altered one may have any JSON value.
    """
    if not isinstance(filters, Mapping):
        return [("Filters", str(filters))]
    return [
        (LABELS.get(name) or word_label(name), _IN_WORDS.get(name, str)(str(value)))
        for name, value in filters.items()
    ]


def utc_text(time: datetime) -> str:
    """``2026-11-25 14:05``, with seconds only if there are any."""
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(" ").removesuffix(":00")


def _time_in_words(value: str) -> str:
    try:
        return f"{utc_text(datetime.fromisoformat(value).replace(microsecond=0))}Z"
    except (ValueError, OverflowError):  # an altered row
        return value


_IN_WORDS: Mapping[str, Callable[[str], str]] = {
    "action": action_in_words,
    "actor_type": word_label,
    "from": _time_in_words,
    "outcome": lambda value: RESULTS.get(value, value).capitalize(),
    "period": lambda value: PERIODS.get(value, value),
    "source": word_label,
    "to": _time_in_words,
}
