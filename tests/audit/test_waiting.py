"""Verification of the unsequenced entries is fast, even if PostgreSQL's statistics call the list empty."""

import pytest
from django.db import connection, transaction

from audit.verification.leaves import check_waiting
from tests.audit.sequencing.log import write_many

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite keeps no such statistics"),
]


def test_what_waits_is_checked_in_a_moment_though_postgresql_believes_the_list_is_empty():
    """Like the sequencer's DELETE, except that this query needs no range in place of the join.

    Each joined table has a unique index on the id, and the rows are wanted in that order. A scan of the list
    for each row costs as much as its pages, even if the statistics call them empty: the planner prefers to
    merge the indices, which are cheaper.
    """
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_pending SET (vacuum_truncate = false)")
        cursor.execute("INSERT INTO audit_pending (log_id) SELECT generate_series(1000000000, 1000060000)")
        cursor.execute("DELETE FROM audit_pending")
        cursor.execute("VACUUM ANALYZE audit_pending")
        cursor.execute("ALTER TABLE audit_pending RESET (vacuum_truncate)")
        cursor.execute("SELECT reltuples, relpages > 100 FROM pg_class WHERE relname = 'audit_pending'")
        assert cursor.fetchone() == (0.0, True)
    for _ in range(20):
        write_many(1000)
    looked_at = []
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '20s'")  # a nested-loop join takes half a minute
        assert list(check_waiting([lambda seen: iter(looked_at.extend(seen) or [])])) == []
    assert len(looked_at) == 20_000
