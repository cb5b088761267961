"""Database errors as one line with a remedy, for a terminal. The line never contains the password."""

import re
import sqlite3

import django.db
import psycopg
from django.db import connection
from psycopg_pool import PoolTimeout

from kernel import installation
from kernel.databases.dead_peers import CONNECT_SECONDS

# The messages of libpq and PostgreSQL; connection errors carry no SQLSTATE. In another language, no remedy matches
# but the line itself still names the cause.
_POSTGRESQL_REMEDIES = {
    r"password authentication failed|no password supplied": "Correct the user and password in DATABASE_URL.",
    r'role ".*" does not exist': "Create the role, or correct the user in DATABASE_URL.",
    r'database ".*" does not exist': "Create the database, or correct its name in DATABASE_URL.",
    r"failed to resolve host|could not translate host name": "Correct the host in DATABASE_URL.",
    r"Connection refused|No such file or directory": "Start PostgreSQL, or correct the host and port in DATABASE_URL.",
    r"session is read-only": "No host in DATABASE_URL accepts writes. Promote a standby, or add the primary.",
    r"no pg_hba.conf entry": "Allow the role from this host in pg_hba.conf of the PostgreSQL server.",
    r"permission denied": "Make the role the owner of the database.",
    r"timeout expired|timed out": "Check the network, and the host and port in DATABASE_URL.",
    r"did not confirm COMMIT": "Check PostgreSQL and its synchronous standbys. Before you repeat the command, check what it did.",
    r"has not confirmed an earlier COMMIT": "Check PostgreSQL and its synchronous standbys.",
    r"relation .* does not exist": f"{installation.PREPARE} to create the tables.",
}
_DAMAGED = "The file is damaged or is not a database. Keep a copy, then restore a backup."
_SQLITE_REMEDIES = {
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_CANTOPEN: f"{installation.PREPARE} to create the file. Check CC_HOME and DATABASE_URL.",
    sqlite3.SQLITE_ERROR: f"{installation.PREPARE} to create the tables. Check CC_HOME and DATABASE_URL.",
    sqlite3.SQLITE_READONLY: "Check the owner and permissions of the file.",
    sqlite3.SQLITE_BUSY: "Another process has locked the file. Stop that process, then try again.",
    sqlite3.SQLITE_FULL: "The disk is full. Free some space.",
}
_PRIMARY_CODE = 0xFF  # of SQLite's extended result codes: https://sqlite.org/rescode.html


def explain(error: django.db.Error) -> str:
    """The cause of the error and its remedy, in one line."""
    if connection.vendor == "sqlite":
        code = getattr(error.__cause__, "sqlite_errorcode", 0) & _PRIMARY_CODE
        remedy = _SQLITE_REMEDIES.get(code, "Check DATABASE_URL.")
        return f"{_sentence(error)} ({connection.settings_dict['NAME']}). {remedy}"
    line = _sentence(_cause_of_timeout() if isinstance(error.__cause__, PoolTimeout) else error)
    matches = (remedy for words, remedy in _POSTGRESQL_REMEDIES.items() if re.search(words, line))
    return f"{line}. {next(matches, 'Check DATABASE_URL.')}"


def _cause_of_timeout() -> Exception:
    """The error of a connection made outside the pool. The pool itself only reports a timeout."""
    parameters = connection.get_connection_params() | {"connect_timeout": CONNECT_SECONDS}
    try:
        psycopg.connect(**parameters).close()
    except psycopg.Error as error:
        return error
    return TimeoutError("every connection of the pool is in use")


def _sentence(error: Exception) -> str:
    """The first line of the error. Later lines may quote values."""
    line = str(error).partition("\n")[0]
    return line.removeprefix("connection failed: ").removeprefix("connection is bad: ").rstrip(".")
