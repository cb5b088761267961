"""Compare the roll-ups with a recount of the entries in the tree, by the rule of ``audit.sequencing.rollups``."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import connection

from audit.log.canonical import format_timestamp
from audit.log.events import Outcome
from audit.log.operations import INSPECTED
from audit.log.raw_rows import rows_of, spelled
from audit.models import AuditLog, UsageDay, UsageRollup
from audit.sequencing.daily_usage import day_of, first_day, stored
from audit.verification.findings import Finding, FindingKind
from audit.verification.leaves import read_eras
from kernel.clock import process_now
from kernel.identities import IdentityType

_BUCKET = ("key_id", "version", "principal", "principal_type", "operation", "outcome")
# The hour in the format of ``spelled``. A sum of absurd numbers must not abort the statement.
_HOUR = "substr({timestamp}, 1, 14) || '00:00.000000Z'"
_SUM = {"postgresql": "sum({0})", "sqlite": "CAST(total({0}) AS integer)"}
_HEX = "[0-9a-f]"
# A refused request may name a key by something that is not an id. The roll-ups leave it out.
_IS_ID = {
    "postgresql": f"g.object_id ~ '^{_HEX}{{8}}(-{_HEX}{{4}}){{3}}-{_HEX}{{12}}$'",
    "sqlite": f"g.object_id GLOB '{'-'.join(_HEX * length for length in (8, 4, 4, 4, 12))}'",
}

# Successful inspections are left out of both: during an update, a sequencer of an earlier version counts them.
# A bucket is correct if one row is stored, with the totals of the counted rows. There is one of each hour. If a day may
# be merged and has one stored row, all its hours are compared with that row, in the last hour of the day.
_DIFFERENCES = """
WITH counted AS (
    SELECT g.object_id AS key_id, coalesce(g.object_version, 0) AS version, coalesce({user}, {account}, '') AS principal,
        CASE WHEN g.user_id IS NULL AND g.actor_id IS NOT NULL THEN '{account_type}' ELSE '{user_type}' END
            AS principal_type,
        g.action AS operation, g.outcome, {hour} AS hour,
        {count} AS count, {size} AS size, max({timestamp}) AS last_at, 0 AS stored
    FROM {places} l JOIN audit_logs g ON g.id = l.log_id
    WHERE {counted} AND g.object_type = 'key' AND {is_id} AND substr(g.action, 1, 7) = 'crypto.'
        AND NOT (g.action = '{inspected}' AND g.outcome = '{ok}')
    GROUP BY 1, 2, 3, 4, 5, 6, 7
), stored AS (
    SELECT {bucket}, {columns}, 1 AS stored FROM usage_rollups u WHERE {compared}
        AND NOT (u.operation = '{inspected}' AND u.outcome = '{ok}')
), placed AS (
    SELECT {names}, hour, count, size, last_at, stored,
        CASE WHEN hour < %s AND sum(stored) OVER (PARTITION BY {names}, substr(hour, 1, 10)) = 1
            THEN substr(hour, 1, 10) ELSE hour END AS place
    FROM (SELECT * FROM counted UNION ALL SELECT * FROM stored) both_of_them
)
SELECT {names}, place, sum(stored), count(*) FROM placed
GROUP BY {names}, place
HAVING sum(stored) <> 1 OR count(*) = 1 OR count(last_at) <> count(*)
    OR {count_of_counted} <> max(CASE stored WHEN 1 THEN count END)
    OR {size_of_counted} <> max(CASE stored WHEN 1 THEN size END)
    OR max(CASE stored WHEN 0 THEN last_at END) <> max(CASE stored WHEN 1 THEN last_at END)
    OR max(CASE stored WHEN 0 THEN hour END) <> max(CASE stored WHEN 1 THEN hour END)
ORDER BY {names}, place
"""

_DAY = "substr({hour}, 1, 11) || '00:00:00.000000Z'"
_OUTCOMES = {"allowed": Outcome.OK.value, "denied": Outcome.DENIED.value, "failed": Outcome.ERROR.value}
_SUBJECTS = (("all", "CAST('' AS text)"), ("key", "key_id"), ("principal", "principal"))
_COUNTED = """
SELECT {day} AS day, '{kind}' AS kind, {subject} AS subject, {sums}, 0 AS stored
FROM usage_rollups u WHERE u.hour >= %s GROUP BY 1, 2, 3
"""
_DIFFERENT_DAYS = """
WITH counted AS ({counted}),
stored AS (SELECT {day} AS day, kind, subject, {names}, 1 AS stored FROM usage_days u WHERE u.day >= %s)
SELECT day, kind, subject, sum(stored), count(*)
FROM (SELECT * FROM counted UNION ALL SELECT * FROM stored) both_of_them
GROUP BY day, kind, subject
HAVING count(*) <> 2 OR sum(stored) <> 1 OR min(allowed) <> max(allowed) OR min(denied) <> max(denied)
    OR min(failed) <> max(failed)
ORDER BY day, kind, subject
"""


def check_usage(archived_until: datetime | None = None) -> Iterator[Finding]:
    """Check that each bucket exists once, with the totals of the entries, and that the sums of days are its sums.

    The entries are compared from the day after ``archived_until`` on: the time of the newest archived entry.
    """
    yield from _check_hours(archived_until)
    yield from _check_days()


def _check_days() -> Iterator[Finding]:
    """The sums of days that are certainly stored. Some that are too old may be left."""
    hour, add = _DAY.format(hour=spelled(UsageRollup, ["hour"], "u")), _SUM[connection.vendor]
    sums = ", ".join(
        f"coalesce({add.format(f"CASE outcome WHEN '{outcome}' THEN count END")}, 0) AS {name}"
        for name, outcome in _OUTCOMES.items()
    )
    parts = [_COUNTED.format(day=hour, kind=kind, subject=subject, sums=sums) for kind, subject in _SUBJECTS]
    statement = _DIFFERENT_DAYS.format(
        counted=" UNION ALL ".join(parts), day=spelled(UsageDay, ["day"], "u"), names=", ".join(_OUTCOMES)
    )
    since = stored(first_day(process_now()) + timedelta(days=1))
    for *subject, found, rows in rows_of(statement, [since] * (len(parts) + 1)):
        text = f"{' '.join(map(str, subject))} {_describe(found, rows - found, 'usage_days')}"
        yield Finding(FindingKind.USAGE, text)


def _check_hours(archived_until: datetime | None) -> Iterator[Finding]:
    timestamp, add = spelled(AuditLog, ["timestamp"], "g"), _SUM[connection.vendor]
    statement = _DIFFERENCES.format(
        places=read_eras().places(),
        user=spelled(AuditLog, ["user_id"], "g"),
        account=spelled(AuditLog, ["actor_id"], "g"),
        user_type=IdentityType.USER.value,
        account_type=IdentityType.SERVICE_ACCOUNT.value,
        hour=_HOUR.format(timestamp=timestamp),
        timestamp=timestamp,
        is_id=_IS_ID[connection.vendor],
        inspected=INSPECTED,
        ok=Outcome.OK.value,
        count=add.format("g.count * coalesce(g.entries, 1.0)"),
        size=add.format("coalesce(g.size, 0)"),
        bucket=", ".join(spelled(UsageRollup, [name], "u") + f" AS {name}" for name in (*_BUCKET, "hour")),
        columns=", ".join(
            spelled(UsageRollup, [name], "u") + f" AS {name}" for name in ("count", "size", "last_at")
        ),
        names=", ".join(_BUCKET),
        counted="g.timestamp >= %s" if archived_until else "1 = 1",
        compared="u.hour >= %s" if archived_until else "1 = 1",
        count_of_counted=add.format("CASE stored WHEN 0 THEN count END"),
        size_of_counted=add.format("CASE stored WHEN 0 THEN size END"),
    )
    since = [stored(day_of(archived_until) + timedelta(days=1))] * 2 if archived_until else []
    may_be_merged = format_timestamp(first_day(process_now()))
    for *bucket, found, rows in rows_of(statement, [*since, may_be_merged]):
        text = f"{' '.join(map(str, bucket))} {_describe(found, rows - found, 'usage_rollups')}"
        yield Finding(FindingKind.USAGE, text)


def _describe(stored: int, counted: int, table: str) -> str:
    if not counted:
        return f"is in {table}, and not in the log"
    if not stored:
        return f"is in the log, and not in {table}"
    return f"is not in {table}, once, as the log adds it up"
