"""Usage totals of keys, counted from the entries as they are sequenced, in the same transaction."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from audit.log.entries import ACTOR_ID
from audit.log.operations import is_operation
from audit.models import UsageRollup
from audit.sequencing.daily_usage import add_days
from audit.sequencing.merging import BUCKET, merge, merged_before
from kernel.identities import IdentityType

_DAY, _HOUR = len("2026-11-25"), len("2026-11-25T10")
GREATEST = {"postgresql": "GREATEST", "sqlite": "max"}
_BUCKET = (*BUCKET, "hour")
# The id of the principal determines its type.
COLUMNS = (*_BUCKET, "principal_type", "count", "size", "last_at")

type _Bucket = tuple[str, int, str, str, str, str, str]
"""The values of ``_BUCKET``, the hour as the beginning of a timestamp (``2026-11-25T10``), and the principal's type."""


@dataclass(slots=True)
class Usage:
    """``last_at`` has the spelling of an entry."""

    count: int
    size: int
    last_at: str


def add_usage(rows: Iterable[Mapping[str, Any]]) -> None:
    """Add the operations among these rows of ``audit_logs``, spelled as in an entry. Raises django.db.Error."""
    usage = _count_usage(rows)
    if not usage:
        return
    values = [
        (
            *bucket,
            stored_timestamp(f"{hour}:00:00Z"),
            principal_type,
            used.count,
            used.size,
            stored_timestamp(used.last_at),
        )
        for (*bucket, hour, principal_type), used in usage.items()
    ]
    with connection.cursor() as cursor:
        cursor.executemany(_upsert(), values)
    add_days(
        (_day_of(hour), key_id, principal, outcome, used.count)
        for (key_id, _, principal, _, outcome, hour, _), used in usage.items()
    )
    limit = f"{merged_before():%Y-%m-%d}"
    # A committed day has all its hours, or one row.
    if late := {(*bucket[:5], _day_of(bucket[5])) for bucket in usage if bucket[5] < limit}:
        merge(late)


def _day_of(hour: str) -> datetime:
    return datetime.fromisoformat(f"{hour[:_DAY]}T00:00Z")


def _count_usage(rows: Iterable[Mapping[str, Any]]) -> dict[_Bucket, Usage]:
    """The usage of the operations among the rows."""
    usage: dict[_Bucket, Usage] = {}
    for row in rows:
        if not is_operation(row):
            continue
        timestamp = row["timestamp"]
        principal, principal_type = _principal_of(row)
        bucket = (
            row["object_id"],
            row["object_version"] or 0,
            principal,
            row["action"],
            row["outcome"],
            timestamp[:_HOUR],
            principal_type,
        )
        used = usage.get(bucket)
        if used is None:
            used = usage[bucket] = Usage(0, 0, timestamp)
        used.count += row["count"]
        used.size += row["size"] or 0
        used.last_at = max(used.last_at, timestamp)
    return usage


def _principal_of(row: Mapping[str, Any]) -> tuple[str, str]:
    """The id and the type of the service account or user, "" without one."""
    account_id = row.get(ACTOR_ID)  # entries of version 1 have none
    if account_id and not row["user_id"]:
        return account_id, IdentityType.SERVICE_ACCOUNT.value
    return row["user_id"] or "", IdentityType.USER.value


def stored_timestamp(spelled: str) -> Any:
    """The parameter of a statement for a timestamp that is spelled as in an entry."""
    field = UsageRollup._meta.get_field("last_at")
    return field.get_db_prep_save(datetime.fromisoformat(spelled), connection)


def _upsert() -> str:
    greatest = GREATEST[connection.vendor]
    return (
        f"INSERT INTO usage_rollups ({', '.join(COLUMNS)}) VALUES ({', '.join(['%s'] * len(COLUMNS))}) "  # noqa: S608 - constants
        f"ON CONFLICT ({', '.join(_BUCKET)}) DO UPDATE SET "
        "count = usage_rollups.count + EXCLUDED.count, size = usage_rollups.size + EXCLUDED.size, "
        f"last_at = {greatest}(usage_rollups.last_at, EXCLUDED.last_at)"
    )
