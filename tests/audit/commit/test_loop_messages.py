"""In an event loop a batch is one message to PostgreSQL; if the epoch has changed, it is decided again."""

import asyncio
import threading
import time
from contextlib import contextmanager
from datetime import timedelta

import psycopg
import pytest
from django.db import connection, transaction

from audit.commit import guard, loop_writer, thread_records, writer
from audit.commit.decisions import Deadline, Decision
from audit.commit.loop_connection import LoopConnection
from audit.commit.loop_statements import TOLERANCE, EpochReading
from audit.errors import AuditUnavailable, RecordUnknown
from kernel.clock import database_now
from kernel.databases import lock_waits
from kernel.errors import Conflict
from kernel.freshness.epoch import LOCK, raise_epoch, read_stamp
from tests.audit.commit.decisions import decision, stored
from tests.log_entries import log_rows

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="on SQLite the thread writes"),
]

LONG_ENOUGH = 30  # seconds
# Sessions that wait for the epoch's lock, in this database only: other tests run on the same server.
WAITS = """
    FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@pytest.fixture(autouse=True)
def unhurried(monkeypatch):
    """Make the periodic check and the tolerance of timestamps independent of the machine's speed."""
    monkeypatch.setattr(guard, "PERIOD", 60.0)
    monkeypatch.setattr(loop_writer, "TOLERANCE", timedelta(minutes=1))


@pytest.fixture
def messages(monkeypatch):
    """The sent messages, each as the first words of its statements."""
    sent = []
    send = LoopConnection.send

    def note(self, statements, done):
        sent.append([text.decode().split()[0] for text, _ in statements])
        send(self, statements, done)

    monkeypatch.setattr(LoopConnection, "send", note)
    return sent


def run(*steps):
    """Run the steps: decisions, whose results or errors are returned, and functions, called in a thread."""

    async def all_of_them():
        results = []
        try:
            for step in steps:
                if isinstance(step, Decision):
                    results += await asyncio.gather(loop_writer.submit(step), return_exceptions=True)
                else:
                    await asyncio.to_thread(step)
            return results
        finally:
            await loop_writer.close()

    return asyncio.run(all_of_them())


@contextmanager
def another_session():
    with psycopg.connect(**connection.get_connection_params(), autocommit=True) as session:
        yield session


def hold_exclusively(*, meanwhile=lambda session: None):
    """Hold the epoch's lock exclusively, as a change does; return once it is held.

    The lock is released after another session has waited longer than a timestamp may be old.
    """
    held = threading.Event()

    def hold():
        with another_session() as session, session.transaction():
            session.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
            held.set()
            until = time.monotonic() + LONG_ENOUGH
            while session.execute("SELECT count(*)" + WAITS).fetchone() == (0,) and time.monotonic() < until:
                time.sleep(0.01)
            time.sleep(2 * TOLERANCE.total_seconds())
            meanwhile(session)

    threading.Thread(target=hold, daemon=True).start()
    assert held.wait(LONG_ENOUGH)


def change(entity):
    with transaction.atomic():
        raise_epoch(entity)
    connection.close()


FIRST = [["BEGIN", "SELECT", "SELECT", "SELECT"], ["INSERT", "COMMIT"]]
AT_ONCE = ["SELECT"]
HELD = [["BEGIN", "SELECT", "SELECT"], ["INSERT", "COMMIT"]]


def test_the_first_batch_checks_the_lag_and_each_later_one_is_a_single_message(messages):
    assert run(decision(1), decision(2), decision(3)) == [1, 2, 3]
    assert messages == [*FIRST, AT_ONCE, AT_ONCE]
    assert stored() == ["1", "2", "3"]


def test_a_message_with_an_old_epoch_stores_nothing_and_is_decided_again(messages):
    stamp = read_stamp("key:kept")
    assert run(decision(1), lambda: change("key:another"), decision(2, stamps=(stamp,))) == [1, 2]
    assert messages[2:] == [AT_ONCE, HELD[0], ["SELECT"], HELD[1]]
    assert stored() == ["1", "2"]


def test_a_decision_with_a_changed_key_is_not_committed(messages):
    stamp = read_stamp("key:changed")
    first, second = run(decision(1), lambda: change("key:changed"), decision(2, stamps=(stamp,)))
    assert (first, second.entities) == (1, {"key:changed"})
    assert messages[2] == AT_ONCE
    assert stored() == ["1"]


def test_a_deadline_that_passes_on_the_way_refuses_by_the_databases_clock(messages, monkeypatch):
    end = Deadline(database_now(), lambda: Conflict("too late"))
    monkeypatch.setattr(EpochReading, "now", lambda self: end.at - timedelta(milliseconds=1))
    first, second = run(decision(1), decision(2, deadlines=(end,)))
    assert (first, str(second)) == (1, "too late")
    assert messages[2] == AT_ONCE
    assert stored() == ["1"]


def test_a_timestamp_is_a_moment_that_passed_not_long_before_the_commit(messages, monkeypatch):
    def as_it_is():
        monkeypatch.setattr(loop_writer, "TOLERANCE", TOLERANCE)

    run(decision(1), decision(2), as_it_is, hold_exclusively, decision(3))
    assert messages[-3:] == [AT_ONCE, *HELD]  # the third waited for longer than a timestamp may be old
    moments = list(log_rows().order_by("id").values_list("timestamp", flat=True))
    assert moments == sorted(moments)
    assert moments[2] - moments[1] > TOLERANCE


def test_a_session_that_ends_before_the_commit_has_stored_nothing_and_the_thread_writes(caplog):
    def end_the_waiting(session):
        session.execute("SELECT pg_terminate_backend(pid)" + WAITS)

    results = run(decision(1), lambda: hold_exclusively(meanwhile=end_the_waiting), decision(2))
    assert results == [1, 2]
    assert stored() == ["1", "2"]
    assert "written by the thread" in caplog.text


def test_many_records_of_a_batch_are_all_stored_or_none(messages):
    async def many():
        try:
            await loop_writer.submit(decision("first"))
            await asyncio.to_thread(change, "key:another")
            return await asyncio.gather(*(loop_writer.submit(decision(number)) for number in range(100)))
        finally:
            await loop_writer.close()

    assert asyncio.run(many()) == list(range(100))
    assert messages[2] == AT_ONCE
    assert stored() == ["first", *map(str, range(100))]


class Relay:
    """A relay between the writer and the database. When silent, it drops the responses and ends the connection."""

    def __init__(self):
        self.is_silent = False

    async def serve(self, reader, writer):
        params = connection.get_connection_params()
        to_server = await asyncio.open_connection(params["host"], params["port"])
        await asyncio.gather(
            self.pass_on(reader, to_server[1]), self.pass_on(to_server[0], writer, responses=True)
        )

    async def pass_on(self, source, target, *, responses=False):
        while octets := await source.read(1 << 16):
            if responses and self.is_silent:
                break
            target.write(octets)
            await target.drain()
        target.close()


def test_a_record_whose_commit_got_no_response_is_not_written_again_and_the_next_is_the_loops(
    monkeypatch, caplog
):
    async def play():
        relay = Relay()
        server = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
        params = connection.get_connection_params()
        detour = {**params, "host": "127.0.0.1", "port": server.sockets[0].getsockname()[1]}
        try:
            with monkeypatch.context() as patch:
                patch.setattr(connection, "get_connection_params", lambda: detour)
                await loop_writer.submit(decision(1))
                relay.is_silent = True
                lost = (await asyncio.gather(loop_writer.submit(decision(2)), return_exceptions=True))[0]
            return lost, await loop_writer.submit(decision(3))
        finally:
            await loop_writer.close()
            server.close()

    lost, third = asyncio.run(play())
    assert (type(lost), third) == (RecordUnknown, 3)
    assert stored() == ["1", "2", "3"]
    assert "written by the thread" not in caplog.text


def test_a_refused_decision_costs_the_other_decisions_nothing(messages):
    late = Deadline(database_now() - timedelta(seconds=1), lambda: Conflict("too late"))

    async def play():
        try:
            await loop_writer.submit(decision("first"))
            both = (decision("refused", deadlines=(late,)), decision("good"))
            mixed = await asyncio.gather(*map(loop_writer.submit, both), return_exceptions=True)
            alone = await asyncio.gather(loop_writer.submit(both[0]), return_exceptions=True)
            return [*mixed, *alone]
        finally:
            await loop_writer.close()

    refused, good, alone = asyncio.run(play())
    assert (str(refused), good, str(alone)) == ("too late", "good", "too late")
    assert messages[2:] == [*HELD, HELD[0], ["ROLLBACK"]]
    assert stored() == ["first", "good"]


def test_the_writer_checks_the_lag_once_a_second(messages):
    def a_second_later():
        loop_writer._writer.current._guard._read_at = 0.0

    assert run(decision(1), a_second_later, decision(2), decision(3)) == [1, 2, 3]
    assert messages == [*FIRST, *FIRST, AT_ONCE]


def test_a_row_that_the_database_refuses_in_the_one_message_is_written_by_no_one(caplog):
    with connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE audit_bundles ADD CONSTRAINT poison "
            """CHECK (position('"object_id":"13"'::bytea in body) = 0)"""
        )
    try:
        first, poisoned, third = run(decision(1), decision(13), decision(3))
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE audit_bundles DROP CONSTRAINT poison")
    assert (first, type(poisoned), third) == (1, AuditUnavailable, 3)
    assert stored() == ["1", "3"]
    assert "written by the thread" in caplog.text


def test_no_decision_is_sent_above_the_limit_of_the_lag(messages, settings):
    settings.CC_AUDIT_LAG_LIMIT = 0
    results = run(decision(1), decision(2))
    assert [type(result) for result in results] == [AuditUnavailable, AuditUnavailable]
    assert messages == [FIRST[0], ["ROLLBACK"]]


def test_a_single_request_can_get_a_response_in_the_turn_that_sends_it(settings):
    async def turns_until_done():
        await loop_writer.submit(decision(1))
        waiting, turns = loop_writer.submit(decision(2)), 0
        while not waiting.done():
            await asyncio.sleep(0)
            turns += 1
        await loop_writer.close()
        return turns

    settings.CC_COMMIT_POLL_SECONDS = LONG_ENOUGH
    assert asyncio.run(turns_until_done()) == 1
    assert stored() == ["1", "2"]


def test_decisions_of_threads_join_the_batches_of_the_event_loop(messages):
    async def submit_in_threads():
        thread_records.begin()
        await asyncio.to_thread(writer.commit, decision(1))
        results = await asyncio.gather(*(asyncio.to_thread(writer.commit, decision(n)) for n in (2, 3)))
        thread_records.end()
        await loop_writer.close()
        return results

    assert asyncio.run(submit_in_threads()) == [2, 3]
    assert messages[:2] == FIRST
    assert set(map(tuple, messages[2:])) == {tuple(AT_ONCE)}
    assert sorted(stored()) == ["1", "2", "3"]


class Call:
    """A call of the event loop that notes how long a request could wait when it is released."""

    refusal = None

    def __init__(self):
        self.decision, self.until = decision(2), time.monotonic() + LONG_ENOUGH
        self.released = asyncio.Event()

    def begin(self):
        return True

    def finish(self):
        """Nothing."""

    def release(self):
        self.deadline = lock_waits.deadline()
        self.released.set()


def test_the_wait_limit_of_a_threads_request_ends_with_it():
    def commit():
        with lock_waits.waiting_until(limit):
            writer.commit(decision(1))

    async def commit_then_call():
        thread_records.begin()
        await asyncio.to_thread(commit)  # it opens the session
        thread_records.end()
        call = Call()
        loop_writer.enqueue(call)
        await call.released.wait()
        await loop_writer.close()
        return call.deadline

    limit = time.monotonic() + LONG_ENOUGH
    assert asyncio.run(commit_then_call()) != limit


def test_a_thread_does_not_wait_forever_for_an_event_loop(monkeypatch):
    taken = []
    monkeypatch.setattr(writer, "PATIENCE", -0.2)
    writer.divert_to(lambda ticket: not taken.append(ticket))
    with pytest.raises(AuditUnavailable):
        writer.commit(decision(1))
    writer.divert_to(None)
    assert not taken[0].begin()  # it is not written later


def test_the_thread_writes_decisions_after_the_end_of_the_event_loop(messages):
    async def begin():
        thread_records.begin()

    asyncio.run(begin())
    assert writer.commit(decision(1)) == 1
    writer.divert_to(None)
    writer.close()
    assert (messages, stored()) == ([], ["1"])
