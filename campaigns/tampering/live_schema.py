"""Change the schema of the database under a running server, and time the alarm.

    python -m campaigns.tampering.live_schema [--times 3]

runs on SQLite; inside ``python -m tests.services`` on PostgreSQL. Each change is undone, and its alarm resolved, before
the next one. The campaign ends with 1 if an alarm is missing after ``LATEST`` seconds.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.output import log
from tests.product import Product, new_database

LATEST = 300.0
# A statement, and the one that undoes it. ``{n}`` differs each time, because the same evidence raises no second alarm.
POSTGRESQL = [
    ("CREATE INDEX added{n} ON users (username)", "DROP INDEX added{n}"),
    (
        "CREATE POLICY hiding{n} ON audit_logs USING (actor_name <> 'mallory')",
        "DROP POLICY hiding{n} ON audit_logs",
    ),
    (
        "ALTER TABLE users ALTER is_active SET DEFAULT {n} > 0",
        "ALTER TABLE users ALTER is_active DROP DEFAULT",
    ),
    (
        "CREATE RULE swallow{n} AS ON DELETE TO key_grants DO INSTEAD NOTHING",
        "DROP RULE swallow{n} ON key_grants",
    ),
    (
        "CREATE FUNCTION lower(varchar) RETURNS text LANGUAGE sql AS 'SELECT $1::text -- {n}'",
        "DROP FUNCTION lower(varchar)",
    ),
]
SQLITE = [
    ("CREATE INDEX added{n} ON users (username)", "DROP INDEX added{n}"),
    (
        "CREATE TRIGGER swallow{n} BEFORE DELETE ON key_grants BEGIN SELECT RAISE(IGNORE); END",
        "DROP TRIGGER swallow{n}",
    ),
]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=3, help="of each change (3)")
    times = parser.parse_args().times
    is_on_postgresql = "DATABASE_URL" in os.environ
    database = new_database() if is_on_postgresql else ""
    waits: list[float] = []
    with tempfile.TemporaryDirectory() as folder, Product(Path(folder), database=database) as product:
        for number, (change, undo) in enumerate((POSTGRESQL if is_on_postgresql else SQLITE) * times):
            product.query(change.format(n=number))
            waited = until_alarm(product)
            product.query(undo.format(n=number))
            log(f"{waited:6.1f} s  {change}")
            waits.append(waited)
    log(f"alarm after {statistics.median(waits):.1f} s (median), {max(waits):.1f} s (longest)")
    return int(max(waits) >= LATEST)


def until_alarm(product: Product) -> float:
    """The seconds until the alarm is open. Resolves it."""
    began = time.monotonic()
    while time.monotonic() - began < LATEST:
        rows = product.query(
            "SELECT id FROM audit_alarms WHERE kind = 'schema_altered' AND resolved_at IS NULL"
        )
        for (alarm_id,) in rows:
            waited = time.monotonic() - began
            product.manage("resolve_audit_alarm", str(alarm_id), "--reason", "a campaign changed the schema")
            return waited
        time.sleep(0.2)
    return LATEST


if __name__ == "__main__":
    sys.exit(main())
