"""PostgreSQL confirms no COMMIT while its synchronous standby is lost: no one waits for long, and nothing is repeated."""

import asyncio
import threading
import time
from contextlib import contextmanager

import psycopg
import pytest
from django.db import OperationalError, connection, transaction

from accounts.models import User
from audit.commit import loop_writer, writer
from audit.errors import OVERDUE, AuditUnavailable, RecordUnknown
from audit.log import numbering
from audit.log.events import Event
from audit.models import AuditAlarm, AuditBundle
from audit.services.recording import record as record_in_transaction
from audit.services.recording import record_alone
from kernel.databases import commit_waits
from kernel.databases.applied_migrations import migration_transaction
from kernel.databases.commit_waits import CommitUnconfirmed
from kernel.databases.lock_waits import waiting_until
from keys.models import Key
from tests.audit.commit.decisions import ACTOR, decision, stored
from tests.personas import PASSWORD, ApiClient
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no standby"),
]

NEW_KEY = {"name": "orders", "algorithm": "aes-256"}
STANDBY = 4711  # an advisory lock, which the end of each transaction with an audit event waits for
MAKE = f"""
    CREATE FUNCTION wait_for_standby() RETURNS trigger LANGUAGE plpgsql SET lock_timeout = 0 AS
    $$BEGIN PERFORM pg_advisory_xact_lock_shared({STANDBY}); RETURN NULL; END$$;
    CREATE CONSTRAINT TRIGGER wait_for_standby AFTER INSERT ON audit_bundles DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION wait_for_standby();
    CREATE CONSTRAINT TRIGGER wait_for_standby AFTER UPDATE ON users DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION wait_for_standby()
"""
UNDO = "DROP FUNCTION wait_for_standby() CASCADE"


@pytest.fixture(autouse=True)
def impatient(settings, monkeypatch):
    settings.CC_LOCK_WAIT_SECONDS = 0.6
    monkeypatch.setattr(commit_waits, "LEAST_FOR_COMMIT", 0.6)
    with connection.cursor() as cursor:
        cursor.execute(MAKE)
    yield
    with connection.cursor() as cursor:
        cursor.execute(UNDO)


@contextmanager
def lost_standby():
    """In the block, no COMMIT is confirmed. It ends once the server has ended those that were sent."""
    with psycopg.connect(**connection.get_connection_params(), autocommit=True) as session:
        session.execute("SELECT pg_advisory_lock(%s)", [STANDBY])
        yield session
        session.execute("SELECT pg_advisory_unlock(%s)", [STANDBY])
    wait_until(lambda: not commit_waits.are_unconfirmed())


def record():
    return record_alone(Event(action="test.recorded"), ACTOR)


def record_in_vain():
    """An event whose outcome is unknown."""
    with pytest.raises(RecordUnknown):
        record()
    wait_until(commit_waits.are_overdue)


def test_the_outcome_is_unknown_and_durable_later():
    with lost_standby():
        record_in_vain()
        assert not AuditBundle.objects.exists()
    assert AuditBundle.objects.count() == 1


def test_other_changes_are_rolled_back_and_reads_succeed_without_a_standby():
    with lost_standby():
        record_in_vain()
        with pytest.raises(AuditUnavailable) as refused:
            record()
        assert type(refused.value) is AuditUnavailable
        with transaction.atomic():
            assert not AuditBundle.objects.exists()
    record()
    assert AuditBundle.objects.count() == 2


def test_a_writer_whose_last_number_is_unknown_is_not_continued():
    record()
    former = numbering.current_writer()
    with lost_standby():
        record_in_vain()
    record()
    assert numbering.current_writer() != former
    numbers = AuditBundle.objects.order_by("id").values_list("writer", "first")
    assert list(numbers) == [(former, 1), (former, 2), (numbering.current_writer(), 1)]


def test_a_statement_outside_a_transaction_ends_in_time_too(admin):
    user = User.objects.get(username="ada")
    with lost_standby(), pytest.raises(CommitUnconfirmed):
        User.objects.filter(pk=user.pk).update(email="other@example.org")
    assert User.objects.get(pk=user.pk).email == "other@example.org"


def test_a_server_that_ends_the_session_in_the_commit_leaves_the_outcome_unknown():
    with psycopg.connect(**connection.get_connection_params(), autocommit=True) as session:
        session.execute("SELECT pg_advisory_lock(%s)", [STANDBY])
        ends = threading.Thread(
            target=end_in_the_commit, args=[session, connection.connection.info.backend_pid]
        )
        ends.start()
        with commit_waits.limited_to(60), pytest.raises(RecordUnknown):
            record()
        ends.join()
    assert not commit_waits.are_unconfirmed()


def end_in_the_commit(session, pid):
    waits = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND pid = %s"
    wait_until(lambda: session.execute(waits, [pid]).fetchone())
    session.execute("SELECT pg_terminate_backend(%s)", [pid])


def test_migrations_wait_as_long_as_it_takes():
    with lost_standby() as session:
        returns = threading.Timer(1.2, session.execute, ["SELECT pg_advisory_unlock(%s)", [STANDBY]])
        returns.start()
        with migration_transaction():
            record_in_transaction(Event(action="test.recorded"), ACTOR)
        returns.join()
    assert AuditBundle.objects.count() == 1


async def submit(number):
    return (await asyncio.gather(loop_writer.submit(decision(number)), return_exceptions=True))[0]


async def submit_to_the_thread(number):
    future = writer.submit(decision(number))
    return (await asyncio.gather(asyncio.wrap_future(future), return_exceptions=True))[0]


@pytest.mark.parametrize("write", [submit, submit_to_the_thread])
def test_a_writer_withholds_the_response_refuses_the_next_ones_and_goes_on_by_itself(write):
    async def play():
        try:
            first = await write(1)
            with lost_standby():
                second = await write(2)
                await asyncio.to_thread(wait_until, commit_waits.are_overdue)
                third = await write(3)
            return first, second, third, await write(4)
        finally:
            await loop_writer.close()

    first, second, third, fourth = asyncio.run(play())
    assert (first, type(second), type(third), str(third), fourth) == (
        1,
        RecordUnknown,
        AuditUnavailable,
        OVERDUE,
        4,
    )
    assert stored() == ["1", "2", "4"]
    assert not AuditAlarm.objects.exists()


def test_a_record_whose_request_has_waited_long_leaves_its_batch_the_time_of_a_commit(monkeypatch):
    monkeypatch.setattr(loop_writer, "GRACE", 0.0)

    async def play():
        try:
            await loop_writer.submit(decision(1))
            with lost_standby() as session:
                returns = threading.Timer(0.4, session.execute, ["SELECT pg_advisory_unlock(%s)", [STANDBY]])
                returns.start()
                with waiting_until(time.monotonic()):
                    late = loop_writer.submit(decision(2))
                responses = await asyncio.gather(late, submit(3))
                returns.join()
            return responses
        finally:
            await loop_writer.close()

    assert asyncio.run(play()) == [2, 3]


def test_a_retry_with_the_same_idempotency_key_finds_the_first_change(admin):
    with lost_standby():
        first = admin.api.post("/api/v1/keys", NEW_KEY, Idempotency_Key="a-key")
        assert (first.status, first.code) == (503, "outcome_unknown")
        wait_until(commit_waits.are_overdue)
        retry = admin.api.post("/api/v1/keys", NEW_KEY, Idempotency_Key="a-key")
        assert (retry.status, retry.code) == (409, "request_in_progress")
        assert not Key.objects.exists()
    responses = [admin.api.post("/api/v1/keys", NEW_KEY, Idempotency_Key="a-key") for _ in range(2)]
    assert {response.status for response in responses} == {201}
    assert {response.json["id"] for response in responses} == {str(Key.objects.get().id)}


def test_the_server_is_not_ready_until_its_commits_are_confirmed(admin):
    def ready():
        return ApiClient().get("/readyz").raw

    assert ready().status_code == 200
    with lost_standby():
        response = ApiClient().post("/auth/login", {"username": "ada", "password": PASSWORD})
        assert (response.status, response.code) == (503, "outcome_unknown")
        wait_until(lambda: ready().status_code == 503)
        assert ready().content == b"not ready: commits\n"
    wait_until(lambda: ready().status_code == 200)


def test_a_lock_that_an_overdue_session_may_keep_is_not_waited_for(settings):
    with lost_standby():
        record_in_vain()
        settings.CC_LOCK_WAIT_SECONDS = 600.0
        with psycopg.connect(**connection.get_connection_params()) as other:
            other.execute("LOCK TABLE users")
            with pytest.raises(OperationalError):
                User.objects.count()
