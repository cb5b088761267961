"""If the sequencer falls behind, operations are throttled; changes are not."""

import time
from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import connection

from audit.commit import writer
from audit.commit.batches import Ticket
from audit.commit.guard import PERIOD, LagGuard
from audit.errors import AuditUnavailable
from audit.log.events import Actor, Event
from audit.models import AuditBundle
from audit.sequencing.lag import read_lag
from kernel.clock import database_now
from kernel.errors import Throttled
from tests.audit.commit.decisions import decision_of
from tests.log_entries import insert_events, record_alone

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]

LIMIT = 10  # seconds


@pytest.fixture(autouse=True)
def limit(settings, empty_log):
    settings.CC_AUDIT_LAG_LIMIT = LIMIT


def left_behind(seconds):
    """Add an entry that has waited ``seconds`` for its leaf."""
    event, actor = Event(action="test.left.behind"), Actor.system("test", "command")
    insert_events([(event, actor)], at=database_now() - timedelta(seconds=seconds))


def test_the_lag_is_the_age_of_the_oldest_entry_without_a_leaf():
    assert read_lag().seconds == 0.0
    left_behind(30)
    left_behind(5)

    lag = read_lag()
    assert lag.pending == 2
    assert 30 <= lag.seconds < 300


def test_beyond_the_limit_operations_are_refused_and_changes_are_not():
    left_behind(LIMIT + 1)
    before = AuditBundle.objects.count()

    with pytest.raises(AuditUnavailable, match="sequenced"):
        writer.commit(decision_of())
    assert AuditBundle.objects.count() == before
    record_alone(Event(action="keys.key.disabled"), Actor.system("test", "api"))


def test_operations_go_on_by_themselves_once_the_sequencer_has_caught_up():
    left_behind(LIMIT + 1)
    with pytest.raises(AuditUnavailable):
        writer.commit(decision_of())
    AuditBundle.objects.all().delete()

    time.sleep(1.1)  # the lag is read about every second

    assert writer.commit(decision_of()) == "quiet"


def test_the_busiest_caller_is_slowed_first_before_the_limit():
    guard = LagGuard()
    guard.admit([Ticket(decision_of("noisy")) for _ in range(20)] + [Ticket(decision_of())])
    guard.update(LIMIT * 0.7)

    noisy, quiet = Ticket(decision_of("noisy")), Ticket(decision_of())
    assert guard.admit([noisy, quiet]) == [quiet]
    with pytest.raises(Throttled, match="your requests cause most of the load") as refused:
        noisy.future.result(0)
    assert refused.value.retry_after == 1


def test_a_principal_who_writes_little_is_not_slowed_though_no_one_writes_more():
    guard = LagGuard()
    guard.admit([Ticket(decision_of("only one"))])
    guard.update(LIMIT * 0.7)

    assert len(guard.admit([Ticket(decision_of("only one"))])) == 1


def test_no_busy_caller_is_slowed_without_a_lag():
    guard = LagGuard()
    for _ in range(3):
        tickets = [Ticket(decision_of("noisy")) for _ in range(50)]
        assert guard.admit(tickets) == tickets
        guard.update(0.0)


def test_a_lag_that_cannot_be_read_grows_with_time_until_it_can():
    guard = LagGuard()
    guard.update(0.0)
    guard._read_at -= LIMIT
    guard.update(None)  # a first failure adds nothing, because the guard may have been idle before
    tickets = [Ticket(decision_of())]
    assert guard.admit(tickets) == tickets
    guard._read_at -= LIMIT
    guard.update(float("-inf"))
    assert guard.admit([Ticket(decision_of())]) == []
    guard.update(0.0)
    assert guard.admit(tickets) == tickets


def test_a_row_that_cannot_be_read_keeps_no_one_waiting():
    """An attacker who can write to the database must not be able to stop the shared writer thread."""
    if connection.vendor == "sqlite":
        left_behind(1)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE audit_bundles SET at = 'no moment'")
    else:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE audit_bundles RENAME COLUMN rejected_at TO elsewhere")
    try:
        with suppress(AuditUnavailable):
            writer.submit(decision_of()).result(60)
    finally:
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("ALTER TABLE audit_bundles RENAME COLUMN elsewhere TO rejected_at")
    AuditBundle.objects.all().delete()
    time.sleep(PERIOD)  # the lag is read once in this time
    assert writer.submit(decision_of()).result(60) == "quiet"
