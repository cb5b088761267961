"""The connections to PostgreSQL: limited by the settings, checked and replaced, with bounded waits."""

import os
import socket
from concurrent.futures import ThreadPoolExecutor
from subprocess import CalledProcessError

import psycopg
import pytest
from django.db import OperationalError, connection

from kernel.databases import dead_peers
from kernel.databases.application_name import application_name
from kernel.databases.postgresql.base import database_pool_timeouts_total
from tests.architecture.test_settings import settings_under
from tests.personas import ApiClient

POSTGRESQL = {"DATABASE_URL": "postgres://user:password@host:5432/ciphercanary"}


@pytest.mark.parametrize(
    ("variables", "described"),
    [
        ({}, ["'min_size': 1,", "'max_size': 18,", "'timeout': 5.0,", "'max_lifetime': 3600.0,"]),
        ({"CC_THREADS": "4"}, ["'max_size': 14,"]),
        ({"CC_DB_POOL_MIN": "3", "CC_DB_POOL_MAX": "5"}, ["'min_size': 3,", "'max_size': 5,"]),
        ({"CC_DB_POOL_TIMEOUT": "0.5"}, ["'timeout': 0.5,"]),
        ({"CC_DB_POOL_MAX_LIFETIME": "60"}, ["'max_lifetime': 60.0,"]),
    ],
)
def test_each_bound_is_a_variable(variables, described):
    settings = settings_under(POSTGRESQL | variables)["DATABASES"]
    assert [part for part in described if part not in settings] == []
    assert "'CONN_HEALTH_CHECKS': True" in settings  # the pool checks each connection that it hands out


def test_more_connections_at_least_than_at_most_are_refused():
    with pytest.raises(CalledProcessError) as refusal:
        settings_under(POSTGRESQL | {"CC_DB_POOL_MIN": "19"})
    assert b"CC_DB_POOL_MIN must be from 0 to 18." in refusal.value.stderr


@pytest.mark.parametrize(
    ("variable", "bounds", "beyond"),
    [
        ("CC_DB_POOL_TIMEOUT", "0.1 to 60", ["0.09", "60.1", "nan"]),
        ("CC_DB_POOL_MAX_LIFETIME", "60 to 86400", ["59", "86401", "inf"]),
    ],
)
def test_times_beyond_their_bounds_are_refused(variable, bounds, beyond):
    for value in beyond:
        with pytest.raises(CalledProcessError) as refusal:
            settings_under(POSTGRESQL | {variable: value})
        assert f"{variable} must be from {bounds}.".encode() in refusal.value.stderr, value


@pytest.mark.parametrize("variable", ["CC_DB_POOL_TIMEOUT", "CC_DB_POOL_MAX_LIFETIME"])
def test_times_that_are_no_numbers_are_refused(variable):
    for value in ("", "60s"):
        with pytest.raises(CalledProcessError) as refusal:
            settings_under(POSTGRESQL | {variable: value})
        assert f"{variable} has an invalid value.".encode() in refusal.value.stderr, value


@pytest.fixture
def used_up(monkeypatch):
    """A pool whose connections are all taken, including this thread's own."""
    pool, held = connection.pool, []
    connection.ensure_connection()
    while in_use(pool) < pool.max_size:
        held.append(pool.getconn(60.0))
    monkeypatch.setattr(pool, "timeout", 0.2)
    yield
    for each in held:
        pool.putconn(each)


def in_use(pool):
    figures = pool.get_stats()
    return figures["pool_size"] - figures["pool_available"]


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has no pool")
@pytest.mark.django_db
def test_a_pool_that_is_used_up_is_503(admin, used_up):
    before = database_pool_timeouts_total._value.get()
    with ThreadPoolExecutor(1) as other:
        response = other.submit(ApiClient(admin.api.token).get, "/api/v1/keys").result()
    assert (response.status, response.code) == (503, "audit_unavailable")
    assert database_pool_timeouts_total._value.get() > before


@pytest.mark.parametrize(
    ("command_line", "name"),
    [
        ("/venv/site-packages/gunicorn/__main__.py ciphercanary.asgi:application", "ciphercanary web"),
        ("/venv/ciphercanary/manage.py run_sequencer --skip-checks", "ciphercanary sequencer"),
        ("/venv/ciphercanary/manage.py run_worker --skip-checks", "ciphercanary worker"),
        ("/venv/site-packages/celery/__main__.py -A ciphercanary worker", "ciphercanary worker"),
        ("/venv/site-packages/celery/__main__.py -A ciphercanary beat", "ciphercanary beat"),
        ("manage.py rotate_keys --due", "ciphercanary manage rotate_keys"),
        ("/venv/bin/ciphercanary-server manage rotate_keys --due", "ciphercanary manage rotate_keys"),
        ("/venv/bin/ciphercanary-server prepare", "ciphercanary prepare"),
        ("/clone/ciphercanary/server/__main__.py serve", "ciphercanary serve"),
        ("/venv/bin/pytest tests", "ciphercanary"),
        ("manage.py", "ciphercanary"),
    ],
)
def test_each_process_has_a_name(command_line, name):
    assert application_name(command_line.split()) == name


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has no connections")
@pytest.mark.django_db
def test_a_connection_has_the_name_of_its_process_unless_the_operator_names_it():
    with connection.cursor() as cursor:
        cursor.execute("SHOW application_name")
        assert cursor.fetchone() == ("ciphercanary",)
    url = "postgres://host/ciphercanary?application_name=mine"
    assert "'application_name': 'mine'" in settings_under({"DATABASE_URL": url})["DATABASES"]
    with psycopg.connect(**connection.get_connection_params(), application_name="mine") as named:
        assert named.execute("SHOW application_name").fetchone() == ("mine",)


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has no connections")
@pytest.mark.django_db
def test_both_ends_of_a_connection_notice_that_the_other_has_disappeared():
    """Otherwise PostgreSQL keeps the locks of a lost machine for two hours."""
    expected = (dead_peers.IDLE_SECONDS, dead_peers.PROBE_SECONDS, dead_peers.PROBES)
    with connection.cursor() as cursor:
        names = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout")
        cursor.execute(
            "SELECT setting::int FROM unnest(%s::text[]) name JOIN pg_settings USING (name)", [[*names]]
        )
        assert {row[0] for row in cursor} == {*expected, dead_peers.UNACKNOWLEDGED_MILLISECONDS}
    with socket.socket(fileno=os.dup(connection.connection.fileno())) as ours:
        options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        assert tuple(ours.getsockopt(socket.IPPROTO_TCP, option) for option in options) == expected
        timeout = ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        assert timeout == dead_peers.UNACKNOWLEDGED_MILLISECONDS


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has no pool")
@pytest.mark.django_db
@pytest.mark.parametrize("wants", ["read-write", "any"])
def test_a_connection_that_became_read_only_is_replaced_if_another_host_may_accept_writes(wants, monkeypatch):
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "target_session_attrs", wants)
    with ThreadPoolExecutor(1) as other:
        usable, first, next_one = other.submit(become_read_only).result()
    assert usable == (wants == "any")
    assert (first == next_one) == (wants == "any")


def become_read_only():
    """Return whether a connection that became read-only is usable, its process id, and that of the next connection."""
    connection.ensure_connection()
    pool, held = connection.pool, []
    while pool.get_stats()["pool_available"]:  # so that the same one is next
        held.append(pool.getconn())
    first = connection.connection.info.backend_pid
    connection.connection.execute("SET default_transaction_read_only = on")  # as a reload of the server would
    with pytest.raises(OperationalError, match="read-only"), connection.cursor() as cursor:
        cursor.execute("CREATE TABLE never (id int)")
    usable = connection.is_usable()
    connection.close()
    session = pool.getconn()
    for each in (session, *held):
        each.execute("RESET default_transaction_read_only")
        pool.putconn(each)
    return usable, first, session.info.backend_pid
