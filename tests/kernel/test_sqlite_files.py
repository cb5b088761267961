"""The files of a SQLite database are private from their creation on, under every umask."""

import os
import stat
import subprocess
import sys

import pytest
from django.db import connections
from django.db.utils import OperationalError

from ciphercanary.server import data_folder
from kernel.databases.sqlite3.base import DatabaseWrapper

ELSEWHERE = "c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM canary'); c.close()"


def database(path):
    described = connections.databases["default"]
    options = {"init_command": "PRAGMA journal_mode = WAL", "timeout": 5}
    return DatabaseWrapper(
        described | {"ENGINE": "kernel.databases.sqlite3", "NAME": str(path), "OPTIONS": options}
    )


def modes(folder):
    return {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in folder.iterdir()}


def test_a_new_database_and_its_side_files_are_private(usual_umask, tmp_path, django_db_blocker):
    with django_db_blocker.unblock():
        new = database(tmp_path / "db.sqlite3")
        with new.cursor() as cursor:
            assert modes(tmp_path)["db.sqlite3"] == "0o600"
            cursor.execute("CREATE TABLE canary (id integer)")
            found = modes(tmp_path)
        new.close()
    assert found == dict.fromkeys(("db.sqlite3", "db.sqlite3-wal", "db.sqlite3-shm"), "0o600")


def test_a_second_connection_keeps_the_locks_of_the_first(tmp_path, django_db_blocker):
    """Another process removes the -wal file when it ends, unless this process has a lock on the database."""
    path = tmp_path / "db.sqlite3"
    with django_db_blocker.unblock():
        first, second = database(path), database(path)
        with first.cursor() as cursor:
            cursor.execute("CREATE TABLE canary (id integer)")
        second.ensure_connection()
        second.close()
        subprocess.run([sys.executable, "-c", f"import sqlite3, sys; {ELSEWHERE}", path], check=True)
        remaining = modes(tmp_path).keys()
        first.close()

    assert "db.sqlite3-wal" in remaining


def test_a_folder_that_is_missing_stays_an_error_of_the_database(tmp_path, django_db_blocker):
    with django_db_blocker.unblock(), pytest.raises(OperationalError, match="unable to open database file"):
        database(tmp_path / "absent" / "db.sqlite3").ensure_connection()


def test_the_locks_are_private(usual_umask, tmp_path):
    with data_folder.locked_home(tmp_path):
        os.umask(0o022)
        assert set(modes(tmp_path).values()) == {"0o600"}
