import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from django.db import connection, transaction

from audit.commit import writer
from audit.commit.batches import Ticket
from audit.commit.decisions import Deadline
from audit.commit.writer import commit
from audit.errors import AuditUnavailable
from audit.log.events import Actor, Event
from kernel.clock import database_now
from kernel.errors import Conflict
from kernel.freshness.epoch import raise_epoch, read_stamp
from kernel.freshness.stamps import StaleDecision
from tests.audit.commit.decisions import decide
from tests.log_entries import log_rows

pytestmark = pytest.mark.sqlite

ACTOR = Actor.system("test", "api")
KEY, USER = "key:k", "user:u"
EVENT = Event(action="crypto.message.encrypted", object_id="k")


class Expired(Conflict):
    code = "key_not_active"


def decided(**values):
    return decide("the response", EVENT, **{"stamps": (read_stamp(KEY, USER),), **values})


def deadline(seconds):
    return Deadline(database_now() + timedelta(seconds=seconds), lambda: Expired("expired"))


def test_a_transaction_has_512_records_at_most():
    waiting = writer._Writer()
    waiting._queue.extend(Ticket(decide("the response", EVENT), until=0) for _ in range(513))
    waiting._is_closing = True  # an empty queue has no batch
    assert [len(waiting._next_batch()) for _ in range(3)] == [512, 1, 0]


@pytest.mark.django_db
def test_the_result_is_handed_out_once_its_event_is_stored():
    before = database_now()

    assert commit(decided(deadlines=(deadline(60),))) == "the response"

    entry = log_rows().get()
    assert (entry.action, entry.object_id, entry.outcome) == ("crypto.message.encrypted", "k", "ok")
    assert before <= entry.timestamp <= database_now()


@pytest.mark.django_db
def test_a_decision_under_an_old_epoch_is_refused_and_leaves_no_record():
    decision = decided()
    raise_epoch(KEY)

    with pytest.raises(StaleDecision):
        commit(decision)

    assert not log_rows().exists()


@pytest.mark.django_db
def test_a_decision_before_its_first_permitted_time_fails_without_a_record():
    with pytest.raises(Expired):
        commit(decided(not_before=(deadline(-60), deadline(60))))
    assert not log_rows().exists()
    assert commit(decided(not_before=(deadline(-60),))) == "the response"


@pytest.mark.django_db
@pytest.mark.parametrize("seconds", [0, -0.000001, -3600])
def test_a_passed_deadline_raises_its_error_and_leaves_no_record(seconds):
    decision = decided(deadlines=(deadline(60), deadline(seconds)))

    with pytest.raises(Expired):
        commit(decision)

    assert not log_rows().exists()


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no clock but this process's")
def test_the_databases_clock_decides_however_wrong_ours_is():
    late, early = deadline(3600), deadline(-3600)

    with time_machine.travel(late.at + timedelta(days=1)):
        assert commit(decided(deadlines=(late,))) == "the response"
    decision = decided(deadlines=(early,))
    with time_machine.travel(early.at - timedelta(days=1)), pytest.raises(Expired):
        commit(decision)


@pytest.mark.django_db(transaction=True)
def test_no_result_leaves_where_the_log_cannot_be_written(unwritable_log):
    with pytest.raises(AuditUnavailable) as refused:
        commit(decided())

    assert refused.value.code == "audit_unavailable"


@pytest.mark.django_db(transaction=True)
def test_no_result_leaves_where_the_commit_itself_fails(failing_commit):
    with pytest.raises(AuditUnavailable):
        commit(decided())

    assert not log_rows().exists()


@pytest.mark.django_db(transaction=True)
def test_a_transaction_around_the_commit_is_refused():
    decision = decided()

    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        commit(decision)


@pytest.mark.django_db(transaction=True)
def test_no_earlier_response_leaves_after_an_acknowledged_revocation():
    """Threads respond as fast as they can while the main thread revokes; the order is that of the returns."""
    stop, leaks = threading.Event(), []
    acknowledged = 0  # the epoch of the last change whose commit has returned

    def respond():
        responses = 0
        while not stop.is_set():
            decision = decided()
            time.sleep(0.001)  # simulates the cryptography
            # Read before the commit is requested: every change acknowledged by now must apply to it.
            binding = acknowledged
            try:
                commit(decision)
            except StaleDecision:
                continue
            responses += 1
            if decision.grounds.stamps[0].epochs[KEY] < binding:
                leaks.append((decision.grounds.stamps, binding))
        connection.close()
        return responses

    with ThreadPoolExecutor(4) as pool:
        responding = [pool.submit(respond) for _ in range(4)]
        for _ in range(25):
            time.sleep(0.01)
            with transaction.atomic():
                epoch = raise_epoch(KEY)
            acknowledged = epoch
        stop.set()
        assert sum(each.result() for each in responding) == log_rows().count()
    assert not leaks
