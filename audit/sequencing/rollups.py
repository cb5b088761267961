"""Usage totals of keys, counted from the entries as they are sequenced, in the same transaction."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from audit.log.operations import is_operation
from audit.models import UsageRollup

_HOUR = len("2026-11-25T10")
GREATEST = {"postgresql": "GREATEST", "sqlite": "max"}
COLUMNS = ("key_id", "version", "principal", "operation", "outcome", "hour", "count", "size", "last_at")

type Bucket = tuple[str, int, str, str, str, str]
"""The last item is the hour as the beginning of a timestamp: ``2026-11-25T10``."""


@dataclass(slots=True)
class Usage:
    """``last_at`` has the spelling of an entry."""

    count: int
    size: int
    last_at: str


def add_usage(rows: Iterable[Mapping[str, Any]]) -> None:
    """Add the operations among these rows of ``audit_logs``, spelled as in an entry. Raises django.db.Error."""
    usage = count_usage(rows)
    if not usage:
        return
    values = [
        (*bucket[:5], _timestamp(f"{bucket[5]}:00:00Z"), used.count, used.size, _timestamp(used.last_at))
        for bucket, used in usage.items()
    ]
    with connection.cursor() as cursor:
        cursor.executemany(_upsert(), values)


def count_usage(rows: Iterable[Mapping[str, Any]]) -> dict[Bucket, Usage]:
    """The usage of the operations among the rows."""
    usage: dict[Bucket, Usage] = {}
    for row in rows:
        if not is_operation(row):
            continue
        timestamp = row["timestamp"]
        bucket = (
            row["object_id"],
            row["object_version"] or 0,
            row["user_id"] or "",
            row["action"],
            row["outcome"],
            timestamp[:_HOUR],
        )
        used = usage.get(bucket)
        if used is None:
            used = usage[bucket] = Usage(0, 0, timestamp)
        used.count += row["count"]
        used.size += row["size"] or 0
        used.last_at = max(used.last_at, timestamp)
    return usage


def _timestamp(spelled: str) -> Any:
    field = UsageRollup._meta.get_field("last_at")
    return field.get_db_prep_save(datetime.fromisoformat(spelled), connection)


def _upsert() -> str:
    greatest = GREATEST[connection.vendor]
    return (
        f"INSERT INTO usage_rollups ({', '.join(COLUMNS)}) VALUES ({', '.join(['%s'] * len(COLUMNS))}) "  # noqa: S608 - constants
        f"ON CONFLICT ({', '.join(COLUMNS[:6])}) DO UPDATE SET "
        "count = usage_rollups.count + EXCLUDED.count, size = usage_rollups.size + EXCLUDED.size, "
        f"last_at = {greatest}(usage_rollups.last_at, EXCLUDED.last_at)"
    )
