"""How much each key is used: counted from the entries as they are sequenced, in the same transaction."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import connection

from audit.models import UsageRollup

GREATEST = {"postgresql": "GREATEST", "sqlite": "max"}
COLUMNS = ("key_id", "version", "principal", "operation", "outcome", "hour", "count", "size", "last_at")

type Bucket = tuple[str, int, str, str, str, datetime]


@dataclass(slots=True)
class Usage:
    count: int
    size: int
    last_at: datetime


def add_usage(rows: Iterable[Mapping[str, Any]]) -> None:
    """Add the operations among these rows of ``audit_logs`` to the roll-ups. Raises django.db.Error."""
    usage = count_usage(rows)
    if not usage:
        return
    field = UsageRollup._meta.get_field("hour")
    values = [
        (
            *bucket[:5],
            field.get_db_prep_save(bucket[5], connection),
            used.count,
            used.size,
            field.get_db_prep_save(used.last_at, connection),
        )
        for bucket, used in usage.items()
    ]
    with connection.cursor() as cursor:
        cursor.executemany(_upsert(), values)


def count_usage(rows: Iterable[Mapping[str, Any]]) -> dict[Bucket, Usage]:
    """An operation is an entry ``crypto.…`` whose object is a key."""
    usage: dict[Bucket, Usage] = {}
    for row in rows:
        if row["object_type"] != "key" or not row["object_id"] or not row["action"].startswith("crypto."):
            continue
        used = usage.setdefault(_bucket(row), Usage(0, 0, row["timestamp"]))
        used.count += row["count"]
        used.size += row["size"] or 0
        used.last_at = max(used.last_at, row["timestamp"])
    return usage


def _bucket(row: Mapping[str, Any]) -> Bucket:
    return (
        row["object_id"],
        row["object_version"] or 0,
        str(row["user_id"] or ""),
        row["action"],
        row["outcome"],
        row["timestamp"].astimezone(UTC).replace(minute=0, second=0, microsecond=0),
    )


def _upsert() -> str:
    greatest = GREATEST[connection.vendor]
    return (
        f"INSERT INTO usage_rollups ({', '.join(COLUMNS)}) VALUES ({', '.join(['%s'] * len(COLUMNS))}) "  # noqa: S608 - constants
        f"ON CONFLICT ({', '.join(COLUMNS[:6])}) DO UPDATE SET "
        "count = usage_rollups.count + EXCLUDED.count, size = usage_rollups.size + EXCLUDED.size, "
        f"last_at = {greatest}(usage_rollups.last_at, EXCLUDED.last_at)"
    )
