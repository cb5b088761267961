import socket
import sqlite3
import threading
from contextlib import closing

import django.db
import psycopg
import pytest
from django.db import connection

from kernel.databases.database_errors import explain
from kernel.rest.exceptions import translate
from tests.services.processes import free_port

pytestmark = pytest.mark.sqlite

PASSWORD = "not-to-be-seen"
STARTUP_LENGTH, ENCRYPTION_REQUESTS = 8, {80877103, 80877104}  # SSLRequest, GSSENCRequest
WRONG_PASSWORD = b'SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user "cc"\0\0'


@pytest.mark.postgresql
@pytest.mark.parametrize(
    ("changes", "cause", "remedy"),
    [
        ({"host": "nohost.invalid"}, "nohost.invalid", "Correct the host in DATABASE_URL"),
        ({"dbname": "absent"}, 'database "absent" does not exist', "correct its name in DATABASE_URL"),
        ({"user": "nobody_here"}, 'role "nobody_here" does not exist', "correct the user in DATABASE_URL"),
        (
            {"target_session_attrs": "read-write", "options": "-c default_transaction_read_only=on"},
            "session is read-only",
            "Promote a standby",
        ),
    ],
    ids=["unknown host", "unknown database", "unknown role", "standby"],
)
def test_a_refused_connection_is_one_line_with_its_cause_and_remedy(changes, cause, remedy):
    line = explained(lambda: connect(**changes))
    assert cause in line
    assert remedy in line
    assert "\n" not in line
    assert PASSWORD not in line


@pytest.mark.postgresql
def test_a_port_without_a_server_is_named():
    port = free_port()
    line = explained(lambda: connect(port=port))
    assert f"port {port} failed: Connection refused. Start PostgreSQL" in line


@pytest.mark.postgresql
def test_a_wrong_password_is_named_and_not_shown():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=refuse_password, args=(listener,), daemon=True).start()
        line = explained(lambda: connect(host="127.0.0.1", port=listener.getsockname()[1], user="cc"))
    assert 'password authentication failed for user "cc". Correct the user and password' in line
    assert PASSWORD not in line


@pytest.mark.database
def test_a_damaged_sqlite_file_is_named(tmp_path):
    if connection.vendor != "sqlite":
        pytest.skip("the other half tests PostgreSQL's errors")
    file = tmp_path / "db.sqlite3"
    file.write_bytes(b"no database at all" * 500)
    line = explained(lambda: read_schema(file))
    assert line.startswith(f"file is not a database ({connection.settings_dict['NAME']}). ")
    assert "restore a backup" in line


def explained(connect_or_read):
    with pytest.raises(django.db.Error) as caught, connection.wrap_database_errors:
        connect_or_read()
    return explain(caught.value)


def connect(**changes):
    psycopg.connect(**connection.get_connection_params() | {"password": PASSWORD} | changes)


def read_schema(file):
    with closing(sqlite3.connect(file)) as damaged:
        damaged.execute("SELECT * FROM sqlite_master")


def refuse_password(listener):
    """Respond to one connection like a PostgreSQL whose pg_hba.conf requires a password."""
    client, _ = listener.accept()
    with client:
        while len(start := client.recv(1024)) == STARTUP_LENGTH:
            assert int.from_bytes(start[4:8]) in ENCRYPTION_REQUESTS
            client.sendall(b"N")
        client.sendall(b"E" + (len(WRONG_PASSWORD) + 4).to_bytes(4) + WRONG_PASSWORD)


def test_a_damaged_database_is_unavailable_and_a_refused_statement_is_an_error_of_the_application(caplog):
    damaged, misused = django.db.DatabaseError(), django.db.DatabaseError("used in another thread")
    damaged.__cause__ = sqlite3.DatabaseError("malformed database schema")
    assert translate(damaged).code == "audit_unavailable"
    assert "the database is damaged" in caplog.text
    assert [translate(error).code for error in (misused, django.db.IntegrityError())] == ["internal"] * 2
