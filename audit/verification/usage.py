"""Compare the roll-ups with a recount of the entries in the tree, by the rule of ``audit.sequencing.rollups``."""

from collections.abc import Iterator

from django.db import connection

from audit.log.raw_rows import rows_of, spelled
from audit.models import AuditLog, UsageRollup
from audit.verification.findings import Finding, FindingKind
from audit.verification.leaves import read_eras
from kernel.identities import IdentityType

_BUCKET = ("key_id", "version", "principal", "principal_type", "operation", "outcome", "hour")
# The hour in the format of ``spelled``. A sum of absurd numbers must not abort the statement.
_HOUR = "substr({timestamp}, 1, 14) || '00:00.000000Z'"
_SUM = {"postgresql": "sum({0})", "sqlite": "CAST(total({0}) AS integer)"}
_HEX = "[0-9a-f]"
# A refused request may name a key by something that is not an id. The roll-ups leave it out.
_IS_ID = {
    "postgresql": f"g.object_id ~ '^{_HEX}{{8}}(-{_HEX}{{4}}){{3}}-{_HEX}{{12}}$'",
    "sqlite": f"g.object_id GLOB '{'-'.join(_HEX * length for length in (8, 4, 4, 4, 12))}'",
}

# A bucket is correct if there are one counted and one stored row, and they are equal.
_DIFFERENCES = """
WITH counted AS (
    SELECT g.object_id AS key_id, coalesce(g.object_version, 0) AS version, coalesce({user}, {account}, '') AS principal,
        CASE WHEN g.user_id IS NULL AND g.actor_id IS NOT NULL THEN '{account_type}' ELSE '{user_type}' END
            AS principal_type,
        g.action AS operation, g.outcome, {hour} AS hour,
        {count} AS count, {size} AS size, max({timestamp}) AS last_at, 0 AS stored
    FROM {places} l JOIN audit_logs g ON g.id = l.log_id
    WHERE g.object_type = 'key' AND {is_id} AND substr(g.action, 1, 7) = 'crypto.'
    GROUP BY 1, 2, 3, 4, 5, 6, 7
), stored AS (
    SELECT {bucket}, {columns}, 1 AS stored FROM usage_rollups u
)
SELECT {names}, sum(stored), count(*) FROM (SELECT * FROM counted UNION ALL SELECT * FROM stored) both_of_them
GROUP BY {names}
HAVING count(*) <> 2 OR sum(stored) <> 1 OR min(count) <> max(count) OR min(size) <> max(size)
    OR count(last_at) <> 2 OR min(last_at) <> max(last_at)
ORDER BY {names}
"""


def check_usage() -> Iterator[Finding]:
    """Check that each bucket exists once, with the totals of the entries."""
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
        count=add.format("g.count"),
        size=add.format("coalesce(g.size, 0)"),
        bucket=", ".join(spelled(UsageRollup, [name], "u") + f" AS {name}" for name in _BUCKET),
        columns=", ".join(
            spelled(UsageRollup, [name], "u") + f" AS {name}" for name in ("count", "size", "last_at")
        ),
        names=", ".join(_BUCKET),
    )
    for *bucket, stored, rows in rows_of(statement):
        text = f"{' '.join(map(str, bucket))} {_describe(stored, rows - stored)}"
        yield Finding(FindingKind.USAGE, text)


def _describe(stored: int, counted: int) -> str:
    if not counted:
        return "is in usage_rollups, and not in the log"
    if not stored:
        return "is in the log, and not in usage_rollups"
    return "is not in usage_rollups, once, as the log adds it up"
