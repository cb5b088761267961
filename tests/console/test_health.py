"""``/health`` reports the state that requests experience, without delay, and writes nothing to the log."""

import threading
import time
from functools import partial

import pytest

from audit.models import AuditBundle, AuditTrail
from console import health
from kernel import runtime
from kernel.freshness.epoch import LOCK
from kernel.observability.check_rounds import CheckRounds
from kernel.runtime import ProcessState
from tests.audit.test_lock_waits import held
from tests.log_entries import log_rows
from tests.personas import ApiClient

pytestmark = pytest.mark.django_db(transaction=True)

SOON = 15  # seconds, on a busy machine


def ask():
    """The status code, the overall status, and the names of the unhealthy services."""
    runtime.fresh()
    began = time.monotonic()
    response = ApiClient().get("/health")
    assert time.monotonic() - began < SOON
    services = response.json["services"]
    return (
        response.status,
        response.json["status"],
        {name for name, word in services.items() if word == "unhealthy"},
    )


@pytest.mark.parametrize(
    "statement",
    [
        "LOCK TABLE audit_trail IN SHARE MODE",
        "LOCK TABLE audit_bundles IN SHARE MODE",  # it can be read
        f"SELECT pg_advisory_xact_lock({LOCK})",
    ],
)
def test_the_health_is_unhealthy_while_no_record_can_be_written(statement):
    assert ask() == (200, "healthy", set())
    with held(statement):
        assert ask() == (503, "unhealthy", {"audit"})
    assert ask() == (200, "healthy", set())


def test_a_table_that_cannot_even_be_read_is_unhealthy_too():
    with held("LOCK TABLE audit_bundles IN ACCESS EXCLUSIVE MODE"):
        status, word, unwell = ask()
    assert (status, word) == (503, "unhealthy")
    assert "audit" in unwell


def test_groups_of_checks_run_at_the_same_time(monkeypatch):
    """In sequence, two blocked groups would together take longer than a probe may."""
    meeting = threading.Barrier(2, timeout=SOON)
    groups = [
        (ProcessState(partial(CheckRounds, {name: meeting.wait})), {name: meeting.wait})
        for name in ("one", "other")
    ]
    monkeypatch.setattr(health, "_ROUNDS", groups)
    assert sorted(health.read_health("one", "other").values()) == [0, 1]


def test_nothing_stays_in_the_log():
    for _ in range(3):
        ask()
    assert not log_rows().exists()
    assert not AuditBundle.objects.exists()
    assert not AuditTrail.objects.exists()
