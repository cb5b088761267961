"""A verification, a start and the worker compare the schema, the indexes, and what readers get."""

import time
from collections import Counter
from contextlib import contextmanager

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test.utils import CaptureQueriesContext

from audit.models import AuditAlarm, AuditLog
from audit.sequencing.alarms import AlarmKind
from audit.sequencing.state_beginning import begin_state
from audit.services.resolving import resolve_alarm
from audit.verification.database import indexes, readers, schema
from audit.verification.findings import FindingKind
from audit.verification.fsck import verify_log
from ciphercanary.server.preparation import require_prepared
from tests.factories import SYSTEM
from tests.tampering.altering import execute, query
from tests.tampering.writing import Log, sequence

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]
on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="of PostgreSQL only")
on_sqlite = pytest.mark.skipif(connection.vendor != "sqlite", reason="of SQLite only")

ADDED = "the index added of users is not the application's: CREATE INDEX added ON users "
ADDED += "USING btree (username)" if connection.vendor == "postgresql" else "(username)"


@contextmanager
def added_index():
    execute("CREATE INDEX added ON users (username)")
    try:
        yield
    finally:
        execute("DROP INDEX added")


@contextmanager
def invented_migration():
    recorder = MigrationRecorder(connection)
    recorder.record_applied("audit", "9999_invented")
    try:
        yield
    finally:
        recorder.record_unapplied("audit", "9999_invented")


@pytest.fixture
def log(root_of_trust):
    """A log with entries of several actors, and the name of one of them."""
    log = Log(seed=5)
    log.change(rows=1)
    log.operate(30)
    sequence()
    return AuditLog.objects.order_by("-id").exclude(actor_name="").values_list("actor_name", flat=True)[0]


def found(*kinds):
    return [finding.text for finding in verify_log().findings if finding.kind in kinds]


def alarms():
    return list(AuditAlarm.objects.filter(kind=AlarmKind.SCHEMA_ALTERED).values_list("found", flat=True))


def test_a_verification_finds_an_altered_schema(root_of_trust):
    assert found(FindingKind.SCHEMA) == []
    with added_index():
        assert found(FindingKind.SCHEMA) == [ADDED]


def test_the_worker_raises_one_alarm_for_an_altered_schema(root_of_trust):
    compares = set()
    for _ in range(50):
        with CaptureQueriesContext(connection) as statements:
            schema.watch_schema()
        compares.add(len(statements) > 0)
    assert compares == {True, False}
    assert alarms() == []
    with added_index():
        for _ in range(50):  # it compares at a third of the calls
            schema.watch_schema()
    assert alarms() == [f"1 difference, such as: {ADDED}"]


def test_a_start_warns_of_an_altered_schema_and_raises_the_alarm(root_of_trust, settings):
    (settings.CC_HOME / "secret-key").touch()
    assert not [warning for warning in require_prepared() if "schema" in warning]
    with added_index():
        assert f"the schema of the database was altered: {ADDED}" in require_prepared()
    assert alarms() == [f"1 difference, such as: {ADDED}"]


def test_during_an_upgrade_an_earlier_version_does_not_compare_for_an_hour(root_of_trust, monkeypatch):
    began = time.monotonic()
    with invented_migration(), added_index():
        assert schema.raise_schema_alarm() == []
        monkeypatch.setattr(schema.time, "monotonic", lambda: began + 3590)
        assert schema.raise_schema_alarm() == []
        monkeypatch.setattr(schema.time, "monotonic", lambda: began + 3610)
        [problem] = schema.raise_schema_alarm()
        assert "audit 9999_invented" in problem
        assert found(FindingKind.SCHEMA) == [problem]
    assert schema.raise_schema_alarm() == []
    with invented_migration():
        assert schema.raise_schema_alarm() == []  # the hour begins again


def test_a_database_without_all_migrations_is_not_compared(root_of_trust):
    recorder = MigrationRecorder(connection)
    recorder.record_unapplied("audit", "0026_full_index_pages")
    try:
        assert found(FindingKind.SCHEMA) == ["migrations of this version that have not run: 1"]
    finally:
        recorder.record_applied("audit", "0026_full_index_pages")


def test_the_same_differences_raise_an_alarm_again_after_they_were_undone(admin):
    with added_index():
        schema.raise_schema_alarm()
    resolve_open_alarm(admin)
    with added_index():
        schema.raise_schema_alarm()
        assert AuditAlarm.objects.open().count() == 1
        resolve_open_alarm(admin)
        schema.raise_schema_alarm()  # the person has accepted what is still there
        assert AuditAlarm.objects.open().count() == 0


def resolve_open_alarm(admin):
    alarm = AuditAlarm.objects.open().get()
    resolve_alarm(principal=admin.principal, alarm_id=alarm.id, reason="seen")


def test_other_differences_behind_the_first_one_are_another_alarm():
    assert schema._alarm_of(["a", "b"]).evidence != schema._alarm_of(["a", "c"]).evidence


# --- Rows that readers do not get


def test_the_sample_has_a_random_row_of_each_of_random_values():
    chosen = Counter()
    for _ in range(300):
        values = readers._Values()
        for row in range(4):
            values.add("a", row)
        chosen[values.samples["a"].row] += 1
    assert set(chosen) == {0, 1, 2, 3}
    assert min(chosen.values()) > 40  # 75 expected, seven standard deviations more
    late = 0
    for _ in range(20):
        values = readers._Values()
        for value in range(2 * readers._MOST):
            values.add(str(value), value)
        assert len(values.samples) == readers._MOST
        late += sum(int(value) >= readers._MOST for value in values.samples)
    assert 0.35 < late / (20 * readers._MOST) < 0.65


@contextmanager
def policy(condition):
    """Rows of the log that do not meet the condition are hidden. The role is no superuser, who passes every policy."""
    execute("CREATE ROLE reader")
    execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO reader")
    execute("ALTER TABLE audit_logs ENABLE ROW LEVEL SECURITY")
    execute(f"CREATE POLICY hiding ON audit_logs USING ({condition})")
    execute("SET ROLE reader")
    try:
        yield
    finally:
        execute("RESET ROLE")
        execute("DROP POLICY hiding ON audit_logs")
        execute("ALTER TABLE audit_logs DISABLE ROW LEVEL SECURITY")
        execute("DROP OWNED BY reader")
        execute("DROP ROLE reader")


@on_postgresql
@pytest.mark.parametrize(
    "spares",
    [
        "current_setting('transaction_isolation') = 'repeatable read'",
        "current_setting('application_name') <> 'ciphercanary web'",
    ],
)
def test_a_policy_that_spares_the_verification_is_found_by_what_readers_get(log, spares):
    [before] = query("SHOW application_name")
    with policy(f"{spares} OR actor_name <> '{log}'"):
        assert found(FindingKind.ENTRY_MISSING) == []
        assert "the database does not return the row to readers who filter by actor" in found(
            FindingKind.HIDDEN
        )
        assert any("the policy hiding of audit_logs" in text for text in found(FindingKind.SCHEMA))
    assert query("SHOW application_name") == [before]


# --- Indexes that lack rows


@on_sqlite
def test_an_index_of_sqlite_that_lacks_rows_is_found(log):
    """Its statement in the catalog is the right one again, so the schema has no difference."""
    name = "idx_audit_logs_actor"
    [(statement,)] = query("SELECT sql FROM sqlite_master WHERE name = %s", [name])
    assert found(FindingKind.INDEX) == []
    execute(f"DROP INDEX {name}")
    execute(f"{statement} WHERE actor_name <> '{log}'")
    rewrite(name, statement)
    try:
        assert AuditLog.objects.filter(actor_name=log).count() == 0
        assert found(FindingKind.SCHEMA) == []
        assert any(f"missing from index {name}" in text for text in found(FindingKind.INDEX))
        assert "the database does not return the row to readers who filter by actor" in found(
            FindingKind.HIDDEN
        )
    finally:
        execute(f"REINDEX {name}")
    assert found(FindingKind.INDEX) == []


def rewrite(name, statement):
    """Write another statement into the catalog, which the next connection reads."""
    execute("PRAGMA writable_schema = ON")
    execute("UPDATE sqlite_master SET sql = %s WHERE name = %s", [statement, name])
    execute("PRAGMA writable_schema = RESET")


@on_postgresql
def test_an_index_of_postgresql_that_lacks_rows_is_found_with_amcheck(log):
    name = "idx_audit_logs_actor"
    [(statement,)] = query("SELECT pg_get_indexdef(%s::regclass)", [name])
    execute(f"DROP INDEX {name}")
    execute(f"{statement} WHERE actor_name <> '{log}'")
    execute("UPDATE pg_index SET indpred = NULL WHERE indexrelid = %s::regclass", [name])
    try:
        assert found(FindingKind.SCHEMA, FindingKind.INDEX) == []
        execute("CREATE EXTENSION amcheck")
        assert any(name in text for text in found(FindingKind.INDEX))
    finally:
        execute(f"REINDEX INDEX {name}")
        execute("DROP EXTENSION IF EXISTS amcheck")


@on_postgresql
def test_a_verification_names_indexes_that_it_cannot_check(log):
    begin_state(actor=SYSTEM.actor)
    assert [text.partition(",")[0] for text in verify_log().unchecked] == ["indexes"]
    execute("CREATE EXTENSION amcheck")
    try:
        assert verify_log().unchecked == []
        execute("CREATE ROLE reader")
        execute("SET ROLE reader")
        assert not indexes.can_check_indexes()
    finally:
        execute("RESET ROLE")
        execute("DROP ROLE IF EXISTS reader")
        execute("DROP EXTENSION amcheck")


@on_postgresql
def test_a_function_with_the_name_of_amcheck_s_is_not_called(log):
    execute("CREATE FUNCTION bt_index_check(regclass, boolean) RETURNS void LANGUAGE sql AS 'SELECT 1/0'")
    try:
        assert found(FindingKind.INDEX) == []
    finally:
        execute("DROP FUNCTION bt_index_check")
