"""Fixtures for every test: its own data folder, a root of trust, and users with roles."""

import fcntl
import gc
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis
import psycopg
import pytest
from django.conf import settings
from django.core.cache import caches
from django.core.signals import setting_changed
from django.db import connection, connections, transaction
from django.db.models import Model
from django.test import TransactionTestCase

from accounts.hashers import BoundedArgon2PasswordHasher
from kernel import runtime
from kernel.databases.lock_waits import waiting_until
from tests.audit.witnessing import OtherLog
from tests.personas import Persona, make_persona
from tests.product import Product
from tests.services import kept

# The settings keep it out, because traces are off. Tests of spans load it.
sys.modules.pop("opentelemetry", None)

# An example that takes long was interrupted by the machine, and is no finding.
hypothesis.settings.register_profile(
    "patient",
    parent=hypothesis.settings.get_profile(hypothesis.settings.get_current_profile_name()),
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("patient")

setting_changed.connect(lambda **_: runtime.forget_settings(), weak=False)

# Of a password hash: at the product's cost it takes 64 MiB and a fifth of a second.
LOW_COST = {"time_cost": 1, "memory_cost": 64}
FULL_COST = {name: getattr(BoundedArgon2PasswordHasher, name) for name in LOW_COST}
PATIENCE = 60.0  # seconds
KEPT_TABLES = {"django_content_type", "auth_permission"}  # what migrations have put there


@pytest.fixture
def usual_umask() -> Iterator[None]:
    """Files are readable for other users unless the program creates them with another mode."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A data folder of the test process: the key-encryption key is a real file in it."""
    from audit.log import refusals  # noqa: PLC0415 - models need a set-up Django

    folder = tmp_path_factory.mktemp("home")
    folder.chmod(0o700)
    settings.CC_HOME = folder
    settings.CC_WITNESS_FOR = [OtherLog().key.vkey]  # a test may create the key of the witness
    settings.CC_AUDIT_LAG_LIMIT = 3600  # no sequencer runs during a test, and a busy machine may stall
    # The thread must not write refusals during a slow test, because the next test would find them.
    refusals.PERIOD = refusals.OVERFLOW_PERIOD = 3600.0
    # A test may wait longer for its first connection than a request may: an earlier one may have ended all of them.
    if connection.vendor == "postgresql":
        connection.settings_dict["OPTIONS"]["pool"]["timeout"] = PATIENCE
    for name, value in LOW_COST.items():
        setattr(BoundedArgon2PasswordHasher, name, value)
    settings.STATIC_ROOT = kept.CACHE / "static"
    # Each test client creates the middleware again, which would otherwise scan every static file.
    settings.WHITENOISE_AUTOREFRESH = True
    if settings.REDIS_URL:  # a Redis database of its own, too: tests empty it
        number = worker_id.removeprefix("gw") if worker_id != "master" else "0"
        for alias in ("default", "metadata"):
            settings.CACHES[alias]["LOCATION"] = f"{settings.REDIS_URL.rsplit('/', 1)[0]}/{number}"
    return folder


@pytest.fixture(scope="session")
def django_db_setup(
    request: pytest.FixtureRequest, django_db_blocker: Any, home: Path, worker_id: str
) -> list[Model]:
    """The root of trust and the signing keys of tokens and checkpoints, created once because RSA keys are expensive."""
    collect_static_files()
    with django_db_blocker.unblock():
        name = copy_of_kept_tables(home, worker_id)
    if name:
        for alias in connections:
            connections[alias].settings_dict["NAME"] = settings.DATABASES[alias]["NAME"] = name
    else:  # a server that others started: pytest-django creates and drops the database there
        request.getfixturevalue("django_db_setup")
    from accounts.models import SigningKey  # noqa: PLC0415 - models need a set-up Django
    from accounts.tokens.services.signing_keys import bootstrap_signing_keys  # noqa: PLC0415
    from audit.models import AuditTree, CheckpointKey  # noqa: PLC0415
    from audit.sequencing.checkpoints.signing_keys import bootstrap_checkpoint_keys  # noqa: PLC0415
    from kernel.freshness.models import EntityEpoch, SecurityEpoch  # noqa: PLC0415
    from kernel.trust import system_keys  # noqa: PLC0415
    from kernel.trust.models import Instance, KeyEncryptionKey, StateHead, SystemKey  # noqa: PLC0415

    with django_db_blocker.unblock():
        system_keys.bootstrap()
        bootstrap_signing_keys()
        bootstrap_checkpoint_keys()
        trust = (Instance, KeyEncryptionKey, SystemKey, SigningKey, CheckpointKey)
        models = (*trust, StateHead, SecurityEpoch, EntityEpoch, AuditTree)
        return [row for model in models for row in model.objects.all()]


def collect_static_files() -> None:
    """Only tests with a database render pages. Most runs find the files that an earlier one collected."""
    from ciphercanary.server import static_files  # noqa: PLC0415 - it needs a set-up Django

    kept.CACHE.mkdir(parents=True, exist_ok=True)
    with (kept.CACHE / "static.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        static_files.collect()


def copy_of_kept_tables(home: Path, worker_id: str) -> str:
    """The name of a new database with all tables; "" if the server has no kept ones."""
    if connection.vendor == "sqlite":
        kept.copy_sqlite(home / "test.sqlite3")
        return str(home / "test.sqlite3")
    name = f"test_{settings.DATABASES['default']['NAME']}_{worker_id}"
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        if not server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [kept.TABLES]).fetchone():
            return ""
        is_alone = worker_id == "master"  # and this run's server will be removed
        server.execute(
            f"ALTER DATABASE {kept.TABLES} RENAME TO {name}"
            if is_alone
            else f"CREATE DATABASE {name} TEMPLATE {kept.TABLES}"
        )
    return name


@pytest.fixture(autouse=True)
def root_of_trust(request: pytest.FixtureRequest) -> Iterator[None]:
    """The rows of ``django_db_setup``, put back where a transactional test's end emptied the tables."""
    if not touches_database(request):
        yield
        return
    # Not an argument: it would open the database to every test, the pure ones included.
    request.getfixturevalue("_django_db_helper")
    from kernel.trust.models import Instance  # noqa: PLC0415 - models need a set-up Django

    forget_everything()
    with waiting_until(time.monotonic() + PATIENCE):
        is_empty = not Instance.objects.exists()
    if is_empty:
        for row in request.getfixturevalue("django_db_setup"):
            type(row)._default_manager.bulk_create([row])
    yield
    forget_everything()


def forget_everything() -> None:
    """Each test starts like a new process, without files of earlier tests in the data folder."""
    from audit.exports import files as exports  # noqa: PLC0415 - models need a set-up Django
    from crypto_ops.files import storage as files  # noqa: PLC0415

    runtime.fresh()
    for folder in (exports.FOLDER, files.FOLDER):
        folder.remove(folder.names())
    (settings.CC_HOME / "audit-head").unlink(missing_ok=True)  # it remembers the log of an earlier test
    for each in caches.all(initialized_only=False):
        each.clear()


def touches_database(request: pytest.FixtureRequest) -> bool:
    by_mark = request.node.get_closest_marker("django_db") is not None
    return by_mark or not {"db", "transactional_db"}.isdisjoint(request.fixturenames)


@contextmanager
def append_only_triggers_off() -> Iterator[None]:
    """Let this connection change the log, or empty it between tests."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # A replica fires no triggers. Disabling each would change the catalogue for every test.
            cursor.execute("SET session_replication_role = replica")
            yield
            cursor.execute("SET session_replication_role = origin")
            return
        cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        triggers = cursor.fetchall()
        for name, _ in triggers:
            cursor.execute(f"DROP TRIGGER {name}")
        yield
        for _, statement in triggers:
            cursor.execute(statement)


def _empty_tables(_self: TransactionTestCase) -> None:
    """Delete the rows: for a few rows that takes a tenth of the time of TRUNCATE, which creates new files."""
    statements = [f"DELETE FROM {table}" for table in _tables()]  # noqa: S608 - our own tables
    with append_only_triggers_off(), transaction.atomic(), connection.cursor() as cursor:
        for statement in ["; ".join(statements)] if connection.vendor == "postgresql" else statements:
            cursor.execute(statement)


@cache
def _tables() -> list[str]:
    tables = set(connection.introspection.django_table_names(only_existing=True, include_views=False))
    return sorted(tables - KEPT_TABLES)


def pytest_collection_finish() -> None:
    """Thousands of tests and their modules live to the end: the garbage collector skips them."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the number of cells that the tests of the authorisation matrix found as declared."""
    properties = [pair for report in terminalreporter.getreports("passed") for pair in report.user_properties]
    cells = sum(int(value) for name, value in properties if name == "cells")
    if cells:
        terminalreporter.write_line(f"authorisation matrix: {cells:,} cells as declared")


TransactionTestCase._fixture_teardown = _empty_tables


@pytest.fixture
def admin(db: None) -> Persona:
    return make_persona("ada", "admin")


@pytest.fixture
def key_manager(db: None) -> Persona:
    return make_persona("kim", "key_manager")


@pytest.fixture
def user_manager(db: None) -> Persona:
    return make_persona("uma", "user_manager")


@pytest.fixture
def operator(db: None) -> Persona:
    return make_persona("otto", "operator")


@pytest.fixture
def developer(db: None) -> Persona:
    return make_persona("dora", "developer")


@pytest.fixture
def stranger(db: None) -> Persona:
    """Another developer, who must not see objects of other users."""
    return make_persona("sten", "developer")


@pytest.fixture
def auditor(db: None) -> Persona:
    return make_persona("aude", "auditor")


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A real bin/serve behind one trusted proxy, for tests that leave it as they found it."""
    with Product(tmp_path_factory.mktemp("product"), CC_TRUSTED_PROXIES="1") as running:
        yield running
