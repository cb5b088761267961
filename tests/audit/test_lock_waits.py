"""If another session holds a lock that a request needs, all its waits end at one deadline, with one code."""

import asyncio
import fcntl
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from django import conf
from django.db import OperationalError, connection, transaction
from django.test import Client

from accounts.errors import NameTaken
from audit.commit import loop_writer, writer
from audit.errors import AuditUnavailable
from audit.models import AuditBundle
from audit.sequencing import catching_up, leadership
from audit.sequencing.bundles.step import sequence_step
from kernel.databases.lock_waits import LEAST, WAIT_UNTIL, bound_lock_waits, waiting_until
from kernel.databases.transactions import call_in_pool
from kernel.freshness.epoch import LOCK
from keys.models import Key
from tests.audit.commit.decisions import decision_of
from tests.factories import KeyFactory
from tests.personas import PASSWORD, ApiClient, b64

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]

WAIT = 0.6  # seconds
MANY = 15  # seconds: more than a busy machine adds, less than several of the old waits take


@pytest.fixture(autouse=True)
def as_a_web_worker(monkeypatch, settings):
    """Use own connections, as gunicorn's workers do, with a shorter lock wait."""
    settings.CC_LOCK_WAIT_SECONDS = WAIT
    options = connection.settings_dict["OPTIONS"]
    name = "timeout" if connection.vendor == "sqlite" else "options"
    monkeypatch.setitem(options, name, options.get(name, ""))
    bound_lock_waits()
    close()
    yield
    monkeypatch.undo()
    close()


def close():
    writer.close()
    connection.close()
    if connection.vendor == "postgresql":
        connection.close_pool()


@contextmanager
def held(statement="LOCK TABLE audit_bundles IN EXCLUSIVE MODE"):
    """Another session has begun to write (SQLite), or has run the statement (PostgreSQL), and does not end."""
    if connection.vendor == "sqlite":
        with closing(sqlite3.connect(connection.settings_dict["NAME"], autocommit=True)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
        return
    parameters = connection.get_connection_params()
    names = ("dbname", "user", "password", "host", "port")
    with psycopg.connect(**{name: parameters[name] for name in names if name in parameters}) as other:
        other.execute(statement)
        yield
        other.rollback()


@contextmanager
def soon():
    began = time.monotonic()
    yield
    assert time.monotonic() - began < MANY


def test_a_refused_insert_with_little_time_left_is_rolled_back_to_its_savepoint():
    KeyFactory(name="payments")
    with waiting_until(time.monotonic()), transaction.atomic():
        with pytest.raises(NameTaken):
            KeyFactory(name="payments")
        assert Key.objects.count() == 1


@pytest.mark.parametrize("kind", ["operation", "change", "sign-in", "renewal"])
def test_every_request_that_waits_in_vain_is_503_with_one_code(admin, kind):
    key = admin.api.post("/api/v1/keys", {"name": "payments", "algorithm": "aes-256"}).json["id"]
    message = {"algorithm": "aes-256-gcm", "data": b64(b"x"), "key_id": key}
    ask = {
        "operation": lambda: admin.api.post("/api/v1/encrypt", message),
        "change": lambda: admin.api.patch(f"/api/v1/keys/{key}", {"description": "new"}),
        "sign-in": lambda: ApiClient().post("/auth/login", {"username": "ada", "password": PASSWORD}),
        "renewal": lambda: ApiClient().post("/auth/refresh", {"refresh_token": admin.refresh_token}),
    }[kind]
    with held(), soon():
        response = ask()
    assert (response.status, response.code) == (503, "audit_unavailable")
    assert ask().status == 200


def test_a_page_is_503_and_does_not_call_the_session_ended(admin):
    client = Client(raise_request_exception=False)
    client.post("/login/", {"username": "ada", "password": PASSWORD})
    with held("LOCK TABLE browser_sessions IN EXCLUSIVE MODE"), soon():
        response = client.post("/login/", {"username": "ada", "password": PASSWORD})
    assert response.status_code == 503
    assert "did not respond in time" in response.content.decode()


def test_a_request_that_waited_for_a_thread_does_not_wait_as_long_again(admin, monkeypatch, settings):
    settings.CC_LOCK_WAIT_SECONDS = 60.0
    close()
    body = {"refresh_token": admin.refresh_token}
    with held("LOCK TABLE refresh_tokens IN ACCESS EXCLUSIVE MODE"), soon():
        response = Client(raise_request_exception=False).post(
            "/auth/refresh", body, "application/json", **{WAIT_UNTIL: time.monotonic()}
        )
    assert (response.status_code, response.json()["code"]) == (503, "audit_unavailable")


def test_the_records_of_a_batch_wait_as_long_as_the_first_of_them_may():
    with held(), soon():
        waiting = [writer.submit(decision_of()) for _ in range(3)]
        late = writer.submit(decision_of(), until=time.monotonic())
        for future in [*waiting, late]:
            with pytest.raises(AuditUnavailable):
                future.result(60)
    assert writer.submit(decision_of()).result(60) == "quiet"


def test_the_records_of_the_fast_path_do_not_wait_in_the_thread_again():
    async def record():
        try:
            return await loop_writer.submit(decision_of())
        finally:
            await loop_writer.close()

    with held(f"SELECT pg_advisory_xact_lock({LOCK})"), soon(), pytest.raises(AuditUnavailable):
        asyncio.run(record())
    assert asyncio.run(record()) == "quiet"


def test_a_record_that_is_late_is_written_and_does_not_fail_its_batch():
    """It waited for a thread as long as a request may wait for the database."""

    async def record():
        try:
            for _ in range(2):  # the first one opens the session
                with waiting_until(time.monotonic() - MANY):
                    late = loop_writer.submit(decision_of())
                assert await asyncio.gather(late, loop_writer.submit(decision_of())) == ["quiet"] * 2
        finally:
            await loop_writer.close()

    asyncio.run(record())


@contextmanager
def leading_elsewhere():
    """Another process leads, as a sequencer does that hangs."""
    if connection.vendor == "postgresql":
        with held(f"SELECT pg_advisory_xact_lock({leadership.LOCK})"):
            yield
        return
    with (Path(conf.settings.CC_HOME) / leadership.LOCK_FILE).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def test_a_wait_for_the_leader_of_the_log_ends_in_time():
    writer.commit(decision_of())
    with leading_elsewhere(), soon(), waiting_until(time.monotonic() + WAIT), pytest.raises(OperationalError):
        sequence_step(waits=True)
    assert sequence_step(waits=True) == 1


def test_readers_of_the_log_do_not_wait_one_after_the_other(monkeypatch, settings):
    """They get the rows so far. One of them waits in full, so the others leave their threads to other requests."""
    settings.CC_LOCK_WAIT_SECONDS = 60.0
    monkeypatch.setattr(catching_up, "LONGEST", 1.2)
    monkeypatch.setattr(catching_up, "BEHIND_ANOTHER", 0.1)
    writer.commit(decision_of())
    meeting = threading.Barrier(10)

    def read():
        meeting.wait()
        began = time.monotonic()
        call_in_pool(catching_up.catch_up)
        return time.monotonic() - began

    with leading_elsewhere(), ThreadPoolExecutor(10) as pool:
        seconds = [future.result() for future in [pool.submit(read) for _ in range(10)]]
    assert sum(each > 0.7 for each in seconds) == 1
    assert max(seconds) < MANY
    catching_up.catch_up()
    assert not AuditBundle.objects.exists()


def test_a_connection_waits_as_long_as_ever_after_a_request_that_had_little_time_left(admin):
    """The limit of one request must not stay on a connection that the next one gets."""
    ask = Client(raise_request_exception=False).get
    headers = {"Authorization": f"Bearer {admin.api.token}"}
    assert ask("/api/v1/keys", headers=headers, **{WAIT_UNTIL: 0.0}).status_code == 200
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout" if connection.vendor == "sqlite" else "SHOW lock_timeout")
        [bound] = cursor.fetchone()
    assert bound in {int(WAIT * 1000), f"{int(WAIT * 1000)}ms"}
    assert LEAST < WAIT
