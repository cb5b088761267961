"""The options of ``DATABASES`` that durable records need, for each database."""

import sys
from typing import Any

from psycopg import IsolationLevel

from kernel.databases import dead_peers
from kernel.databases.application_name import application_name


def sqlite() -> dict[str, Any]:
    return {
        "ENGINE": "kernel.databases.sqlite3",
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            # Under contention, DEFERRED transactions that become writers fail at once instead of waiting.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,  # of commands and the sequencer; the web server waits for CC_LOCK_WAIT_SECONDS
            # FULL: an acknowledged audit event must survive a power cut, which WAL alone does not guarantee.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
        },
    }


def postgresql(options: dict[str, Any], *, pool: dict[str, Any]) -> dict[str, Any]:
    """``options``: those of ``DATABASE_URL``. ``pool``: sizes and times for psycopg's pool."""
    return {
        "ENGINE": "kernel.databases.postgresql",
        "CONN_MAX_AGE": 0,  # the pool keeps connections; Django refuses to do both
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            **dead_peers.CLIENT_OPTIONS,
            # libpq uses it unless DATABASE_URL has an application_name, or PGAPPNAME is set.
            "fallback_application_name": application_name(sys.argv),
            **options,
            # An acknowledged commit is on the disk, regardless of the server's default. Without jit=off, PostgreSQL
            # compiles queries whose costs it overestimates, which takes 50 ms for queries of 5.
            # A role or database can have other values of these settings: gin_fuzzy_search_limit hides rows from searches, and
            # the others change what is read or refuse it.
            "options": "-c synchronous_commit=on -c jit=off -c gin_fuzzy_search_limit=0 -c row_security=on "
            "-c default_transaction_isolation=read\\ committed -c DateStyle=ISO -c IntervalStyle=postgres "
            "-c bytea_output=hex -c extra_float_digits=1 "
            f"{dead_peers.SERVER_OPTIONS}",
            # kernel.freshness.epoch waits for a lock and then reads the epoch. At a stricter level, which the
            # server's default could set, its snapshot would be older than the lock.
            "isolation_level": IsolationLevel.READ_COMMITTED,
            # The pool doubles its wait after each failure. Without this limit, it would reconnect half a minute
            # after an outage of a minute.
            "pool": {**pool, "reconnect_timeout": 5.0},
        },
    }
