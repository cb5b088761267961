"""Usage totals of keys, counted from the entries as they are sequenced, in the same transaction."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from audit.models import UsageRollup

_HOUR = len("2026-11-25T10")
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
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
    """An operation is an entry with an action ``crypto.…`` whose object is a key's id."""
    usage: dict[Bucket, Usage] = {}
    for row in rows:
        if not _is_operation(row):
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


def _is_operation(row: Mapping[str, Any]) -> bool:
    # A refused request may name anything as key. Only a value that is spelled like an id can be one.
    is_of_key = row["object_type"] == "key" and _ID.fullmatch(row["object_id"])
    return bool(is_of_key) and row["action"].startswith("crypto.")


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
