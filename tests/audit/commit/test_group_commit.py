"""Many decisions share one transaction: each gets its own result or error, and none affects the others."""

import asyncio
import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from audit.commit import writer
from audit.commit.batches import CommitBatch, Ticket
from audit.commit.decisions import Deadline, Grounds, Ready
from audit.errors import AuditUnavailable
from audit.log import numbering
from audit.log.events import Event
from audit.log.numbering import Numbering
from kernel.clock import database_now
from kernel.errors import Conflict
from kernel.freshness.epoch import raise_epoch, read_stamp
from kernel.freshness.stamps import StaleDecision
from tests.audit.commit.decisions import ACTOR, decide, decision, stored
from tests.audit.conftest import log_out_of_reach
from tests.log_entries import log_rows

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


@contextmanager
def queue_held_up():
    """Block the writer, so that all decisions submitted in the block form one batch."""
    entered, leave = threading.Event(), threading.Event()

    class HeldUp(Grounds):
        def require_current(self, epoch, now):
            entered.set()
            assert leave.wait(60)
            super().require_current(epoch, now)

    held_up = writer.submit(Ready(HeldUp(event=Event(action="test.first"), actor=ACTOR), result="first"))
    assert entered.wait(60)
    try:
        yield
    finally:
        leave.set()
        assert held_up.result(60) == "first"


def test_waiting_decisions_are_written_in_one_transaction_and_in_order():
    with queue_held_up():
        futures = [writer.submit(decision(number)) for number in range(100)]

    assert [future.result(60) for future in futures] == list(range(100))
    assert stored() == ["", *map(str, range(100))]
    times = set(log_rows().exclude(object_id="").values_list("timestamp", flat=True))
    assert len(times) == 1  # one transaction read the clock once
    numbers = list(log_rows().order_by("id").values_list("wseq", flat=True))
    assert numbers == list(range(1, 102))
    assert log_rows().values("writer").distinct().count() == 1


def test_each_of_a_batch_gets_their_own_response():
    stale = read_stamp("key:changed")
    with transaction.atomic():
        raise_epoch("key:changed")
    past = database_now() - timedelta(seconds=1)
    with queue_held_up():
        good = writer.submit(decision(1, stamps=(read_stamp("key:same"),)))
        old = writer.submit(decision(2, stamps=(stale,)))
        late = writer.submit(decision(3, deadlines=(Deadline(past, lambda: Conflict("too late")),)))
        good_too = writer.submit(decision(4, stamps=(read_stamp("key:changed"),)))

    assert (good.result(60), good_too.result(60)) == (1, 4)
    with pytest.raises(StaleDecision) as refused:
        old.result(60)
    assert refused.value.entities == {"key:changed"}
    with pytest.raises(Conflict):
        late.result(60)
    assert stored() == ["", "1", "4"]


def test_a_change_of_something_else_does_not_make_a_decision_stale():
    stamp = read_stamp("key:mine", "user:me")
    with transaction.atomic():
        epoch = raise_epoch("key:yours", "user:you")

    assert writer.commit(decision(1, stamps=(stamp,))) == 1
    assert stamp.as_of == epoch  # the next decision with this stamp compares only one number


def test_a_poisonous_row_costs_no_one_else_their_response():
    poison = Event(action="test.poison")
    object.__setattr__(poison, "object_id", "x" * 101)
    with queue_held_up():
        before = [writer.submit(decision(number)) for number in range(5)]
        poisonous = writer.submit(decide("never", poison))
        after = [writer.submit(decision(number)) for number in range(5, 9)]

    assert [future.result(60) for future in before + after] == list(range(9))
    with pytest.raises(ValueError, match="does not fit"):
        poisonous.result(60)
    assert stored() == ["", *map(str, range(9))]


def test_a_request_that_gave_up_waiting_leaves_no_record():
    with queue_held_up():
        given_up, other = writer.submit(decision(1)), writer.submit(decision(2))
        assert given_up.cancel()

    assert other.result(60) == 2
    assert stored() == ["", "2"]


def test_a_full_queue_refuses_the_next_decision_at_once(monkeypatch):
    monkeypatch.setattr(writer, "MAX_WAITING", 3)
    with queue_held_up():
        accepted = [writer.submit(decision(number)) for number in range(3)]
        with pytest.raises(AuditUnavailable, match="Too many audit records"):
            writer.submit(decision(3))

    assert [future.result(60) for future in accepted] == [0, 1, 2]


def test_requests_are_refused_only_while_the_log_cannot_be_written():
    with log_out_of_reach():
        futures = [writer.submit(decision(number)) for number in range(3)]
        for future in futures:
            with pytest.raises(AuditUnavailable):
                future.result(60)

    assert writer.commit(decision(4)) == 4
    assert stored() == ["4"]


def test_after_a_commit_with_unknown_outcome_another_writer_begins(failing_commit):
    numbering = Numbering()
    first = numbering.writer
    ticket = Ticket(decision(1))
    CommitBatch([ticket], numbering).write()

    with pytest.raises(AuditUnavailable):
        ticket.future.result(0)
    assert numbering.writer != first


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no connection that could die")
def test_a_connection_that_died_unused_is_replaced_without_a_word():
    assert writer.commit(decision(1)) == 1
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND query ILIKE 'commit%'"
        )

    assert writer.commit(decision(2)) == 2
    assert stored() == ["1", "2"]


def test_an_event_loop_waits_without_a_thread():
    async def respond(number):
        return await asyncio.wrap_future(writer.submit(decision(number)))

    async def respond_to_all():
        return await asyncio.gather(*map(respond, range(50)))

    assert asyncio.run(respond_to_all()) == list(range(50))
    assert log_rows().count() == 50


def test_a_closed_writer_writes_its_queue_and_the_next_decision_starts_a_new_one():
    futures = [writer.submit(decision(number)) for number in range(20)]
    writer.close()

    assert [future.result(0) for future in futures] == list(range(20))
    assert writer.commit(decision(20)) == 20
    assert log_rows().values("writer").distinct().count() == 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_ended_is_replaced_by_one_with_its_own_numbers(monkeypatch):
    """The outcome of its last commit may be unknown, so its numbers must not continue."""
    with monkeypatch.context() as patched:
        patched.setattr(Numbering, "advance", lambda *_: sys.exit())  # after the commit, before it is counted
        lost = writer.submit(decision(1))
        writer._writer.current._thread.join(60)

    assert isinstance(lost.exception(0), AuditUnavailable)
    assert writer.commit(decision(2)) == 2
    assert stored() == ["1", "2"]


def test_a_hundred_records_cost_no_more_statements_than_one():
    numbering, counts = Numbering(), []
    for size in (1, 1, 100):  # the first opens the key of the MACs
        with CaptureQueriesContext(connection) as statements:
            CommitBatch([Ticket(decision(number)) for number in range(size)], numbering).write()
        counts.append(len(statements))

    assert log_rows().count() == 102
    assert counts[2] <= counts[1] <= 4


def test_threads_that_write_together_are_all_acknowledged_and_stored_once():
    def work(worker):
        return [writer.commit(decision(f"{worker}-{number}")) for number in range(20)]

    with ThreadPoolExecutor(16) as pool:
        acknowledged = [each for done in pool.map(work, range(16)) for each in done]

    assert sorted(acknowledged) == sorted(stored())


def test_the_last_number_of_each_writer_is_noted_for_the_heartbeat():
    numbering.take_tails()
    for number in range(3):
        writer.commit(decision(number))

    entry = log_rows().order_by("id").last()
    assert numbering.take_tails() == {uuid.UUID(str(entry.writer)): 3}


def test_a_writer_without_an_entry_has_no_tail():
    """Otherwise a heartbeat would name a row that does not exist."""
    numbering.take_tails()
    with transaction.atomic():
        stamp = read_stamp("key:changed")
        raise_epoch("key:changed")
    with pytest.raises(StaleDecision):
        writer.commit(decision(1, stamps=(stamp,)))
    assert numbering.take_tails() == {}
