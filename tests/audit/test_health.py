"""/health and /metrics report how far the sequencer is behind, and the resulting state."""

import re
from datetime import timedelta

import pytest
from django.db import connection

from audit.log.events import Actor, Event
from audit.models import AuditExport, AuditTree
from audit.sequencing.bundles.step import sequence_step
from audit.sequencing.checkpoints.signing import sign_checkpoint
from audit.sequencing.running import checkpoint_now
from kernel.clock import database_now
from tests.audit.sequencing.log import altered
from tests.conftest import append_only_triggers_off
from tests.log_entries import record
from tests.personas import ApiClient

LIMIT = 600  # seconds; a slow test may pause for a minute

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def limit(settings):
    settings.CC_AUDIT_LAG_LIMIT = LIMIT


def record_event(seconds_ago=0.0):
    at = database_now() - timedelta(seconds=seconds_ago)
    return record(Event(action="test.thing.done"), Actor.system("test", "command"), at=at)


def health():
    """The status code, the overall status, and the statuses of the log and the sequencer."""
    response = ApiClient().get("/health")
    services = response.json["services"]
    return response.status, response.json["status"], services["audit"], services["sequencer"]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, (200, "healthy", "healthy", "healthy")),
        (LIMIT / 2 - 60, (200, "healthy", "healthy", "healthy")),
        (LIMIT / 2, (200, "degraded", "healthy", "lagging")),
        (LIMIT - 60, (200, "degraded", "healthy", "lagging")),
        (LIMIT, (503, "unhealthy", "unhealthy", "unhealthy")),
    ],
)
def test_the_age_of_what_is_not_sequenced_decides(seconds, expected):
    record_event(seconds)
    record_event()
    assert health() == expected
    checkpoint_now()
    assert health() == (200, "healthy", "healthy", "healthy")


@pytest.mark.parametrize(
    ("seconds", "status", "sequencer"),
    [(0, "healthy", "healthy"), (LIMIT / 2, "degraded", "lagging"), (LIMIT, "degraded", "unhealthy")],
)
def test_a_missing_signature_is_reported_and_refuses_no_operation(seconds, status, sequencer):
    """Only the other lag causes operations to be refused, so the log itself is healthy."""
    record_event()
    checkpoint_now()
    record_event(seconds)
    sequence_step()
    assert health() == (200, status, "healthy", sequencer)
    sign_checkpoint()
    assert health() == (200, "healthy", "healthy", "healthy")


def test_a_log_no_one_has_written_to_is_well():
    assert health() == (200, "healthy", "healthy", "healthy")


def test_a_limit_that_was_set_is_the_limit(settings):
    settings.CC_AUDIT_LAG_LIMIT = 10_000
    record_event(LIMIT)
    assert health() == (200, "healthy", "healthy", "healthy")


def test_a_log_that_cannot_be_read_makes_both_unhealthy(transactional_db):
    with append_only_triggers_off(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_bundles RENAME TO bundles_away")
        try:
            assert health() == (503, "unhealthy", "unhealthy", "unhealthy")
        finally:
            cursor.execute("ALTER TABLE bundles_away RENAME TO audit_bundles")


def test_health_shows_words_and_no_numbers():
    record_event(LIMIT)
    assert not re.search(r"\d", str(ApiClient().get("/health").json["services"]))


def measured():
    """Every sample of /metrics by its name and labels."""
    text = ApiClient().get("/metrics").raw.content.decode()
    samples = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in samples}


def test_metrics_tell_how_far_the_log_and_its_tree_have_come():
    for _ in range(3):
        record_event()
    checkpoint_now()
    record_event()
    sequence_step()
    record_event(40)
    record_event()

    found = measured()

    assert (found["audit_tree_size"], found["audit_checkpoint_size"]) == (4, 3)
    assert found["audit_pending_entries"] == 2
    assert 40 <= found["audit_lag_seconds"] < 100
    checkpoint_now()
    found = measured()
    assert (found["audit_pending_entries"], found["audit_lag_seconds"]) == (0, 0)
    assert found["audit_checkpoint_size"] == AuditTree.objects.get().size == 6


def test_metrics_count_jobs_by_kind_and_status():
    for _ in range(2):
        AuditExport.objects.create(kind="audit_export", format="jsonl")

    found = measured()

    assert found['jobs{kind="audit_export",status="pending"}'] == 2
    assert found['jobs{kind="audit_export",status="running"}'] == 0


def test_alarms_batches_and_commits_are_among_the_metrics():
    text = ApiClient().get("/metrics").raw.content.decode()

    described = set(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    assert {
        ("audit_alarms_total", "counter"),
        ("audit_alarms_open", "gauge"),
        ("audit_batch_size", "histogram"),
        ("audit_commit_seconds", "histogram"),
    } <= described


def test_an_alarm_is_counted():
    name = 'audit_alarms_total{kind="bundle_rejected"}'
    before = measured().get(name, 0)
    record_event()
    altered("UPDATE audit_bundles SET mac = ''")
    sequence_step()

    found = measured()
    assert found[name] == before + 1
    assert found["audit_alarms_open"] == 1
