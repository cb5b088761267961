"""The metrics whose values come from the database: right, cheap, and NaN if it does not respond."""

import math
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.log.events import Actor, Event
from audit.models import AuditExport
from audit.sequencing.catching_up import catch_up
from ciphercanary import database_metrics
from kernel import runtime
from kernel.clock import database_now
from keys.models import Key, KeyVersion
from tests.audit.test_health import measured
from tests.conftest import append_only_triggers_off
from tests.factories import KeyFactory
from tests.log_entries import record
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db


def new_key(persona, name, **fields):
    return KeyFactory(principal=persona.principal, name=name, **fields)


def test_keys_and_queues_are_among_the_metrics(admin):
    now = database_now()
    new_key(admin, "expiring", expires_at=now + timedelta(days=3))
    due = new_key(admin, "due", rotation_period_days=30)
    Key.objects.filter(pk=due.pk).update(next_rotation_at=now - timedelta(hours=30))
    AuditExport.objects.create(kind="audit_export", format="jsonl", due_at=now - timedelta(seconds=500))
    catch_up()

    assert measured()["backup_last_success_timestamp_seconds"] == 0
    backup = record(Event(action="audit.backup.created"), Actor.system("test", "command"))
    catch_up()

    found = measured()
    KeyVersion.objects.filter(key=due).update(kek_id="older")
    assert measured()["keys_to_rewrap"] == 1

    assert found["backup_last_success_timestamp_seconds"] == backup.timestamp.timestamp()
    assert 0 < found["kek_age_seconds"] < 86400
    assert found["keys_to_rewrap"] == 0
    assert found["active_keys_total"] == 2
    assert found["keys_overdue_for_rotation"] == 1
    assert found["key_rotation_overdue_seconds"] >= 30 * 3600
    assert [found[f'keys_expiring{{days="{days}"}}'] for days in (1, 7, 30)] == [0, 1, 1]
    assert found['job_queue_age_seconds{kind="audit_export"}'] >= 500


def test_a_scrape_costs_a_fixed_number_of_queries(admin):
    def cost():
        with CaptureQueriesContext(connection) as statements:
            database_metrics.update()
        return len(statements)

    before = cost()
    for number in range(3):
        new_key(admin, f"key-{number}")
        AuditExport.objects.create(kind="audit_export", format="jsonl")
    assert cost() == before <= 16


def test_figures_that_cannot_be_read_are_nan(transactional_db):
    measured()
    with append_only_triggers_off(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_bundles RENAME TO bundles_away")
        try:
            runtime.fresh()
            found = measured()
        finally:
            cursor.execute("ALTER TABLE bundles_away RENAME TO audit_bundles")
    for name in (
        "active_keys_total",
        'keys_expiring{days="7"}',
        'job_queue_age_seconds{kind="audit_export"}',
        'jobs{kind="audit_export",status="failed"}',
    ):
        assert math.isnan(found[name]), name
    wait_until(lambda: measured()["active_keys_total"] == 0)  # a busy machine may miss a deadline or two
