from contextlib import contextmanager

import pytest
from django.db import connection


@contextmanager
def log_out_of_reach():
    """As when a migration went wrong or the right to write was taken away: the table is not there."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_logs RENAME TO audit_logs_elsewhere")
        try:
            yield
        finally:
            cursor.execute("ALTER TABLE audit_logs_elsewhere RENAME TO audit_logs")


@pytest.fixture
def unwritable_log(transactional_db):
    with log_out_of_reach():
        yield
