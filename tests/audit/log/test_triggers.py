from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction

from audit.log import triggers
from audit.log.events import Actor, Event, RowChange
from audit.models import AuditLog, AuditTrail
from kernel.clock import database_now
from tests.log_entries import log_rows, record, record_alone

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db]

ACTOR = Actor.system("test", "command")
TABLES = ["audit_logs", "audit_trail"]


@pytest.fixture
def entry(db):
    change = RowChange(table_name="t", record_id="r", action="insert", new_values={"a": 1})
    record(Event(action="test.thing.done"), ACTOR, changes=[change])
    return log_rows().get()


def run(statement):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    ("statement", "word"),
    [
        ("UPDATE {} SET action = 'nothing'", "UPDATE"),
        ("UPDATE {} SET id = id + 1", "UPDATE"),
        ("DELETE FROM {}", "DELETE"),
        ("DELETE FROM {} WHERE id > 0", "DELETE"),
    ],
)
def test_raw_sql_cannot_change_the_log(entry, table, statement, word):
    before = list(AuditLog.objects.values()), list(AuditTrail.objects.values())

    with pytest.raises(IntegrityError, match=f"{table} is append-only: {word} is refused"):
        run(statement.format(table))

    assert (list(AuditLog.objects.values()), list(AuditTrail.objects.values())) == before


def test_the_orm_cannot_change_the_log(entry):
    entry.actor_name = "somebody else"
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        entry.save()
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        entry.delete()

    assert AuditLog.objects.get().actor_name == "test"


def test_a_changed_row_inserted_by_hand_has_the_time(db):
    before = database_now() - timedelta(seconds=1)
    values = f"('{uuid4().hex}', 't', 'r', 'insert')"
    run(f"INSERT INTO audit_trail (event_id, table_name, record_id, action) VALUES {values}")  # noqa: S608
    assert before < AuditTrail.objects.get().changed_at <= database_now()


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no TRUNCATE")
@pytest.mark.parametrize("table", TABLES)
def test_truncate_is_refused(entry, table):
    with pytest.raises(IntegrityError, match=f"{table} is append-only: TRUNCATE is refused"):
        run(f"TRUNCATE {table}")

    assert AuditLog.objects.count() == AuditTrail.objects.count() == 1


@pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL's upsert")
def test_an_upsert_cannot_change_the_log(entry):
    with pytest.raises(IntegrityError, match="append-only: UPDATE is refused"):
        run(
            "INSERT INTO audit_logs SELECT * FROM audit_logs ON CONFLICT (id) DO UPDATE SET action = 'nothing'"
        )


@pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite's REPLACE deletes without firing a trigger")
@pytest.mark.parametrize("table", TABLES)
def test_replace_cannot_change_the_log(entry, table):
    with pytest.raises(IntegrityError, match=f"{table} is append-only: REPLACE is refused"):
        run(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")  # noqa: S608 - names of our own tables


@pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite's REPLACE deletes without firing a trigger")
def test_replace_by_the_writers_number_cannot_change_the_log(entry):
    names = [field.column for field in AuditLog._meta.fields]
    selected = ", ".join("id + 1" if name == "id" else name for name in names)

    with pytest.raises(IntegrityError, match="REPLACE is refused"):
        run(f"INSERT OR REPLACE INTO audit_logs ({', '.join(names)}) SELECT {selected} FROM audit_logs")  # noqa: S608 - names of our own tables


@pytest.mark.parametrize(
    ("column", "value", "constraint"),
    [
        ("outcome", "'maybe'", "audit_logs_outcome_is_known"),
        ("count", "0", "audit_logs_count_is_positive"),
    ],
)
def test_a_row_with_an_impossible_value_is_refused(entry, column, value, constraint):
    names = [field.column for field in AuditLog._meta.fields]
    replaced = {column: value, "wseq": "wseq + 1", "id": "id + 1"}
    selected = ", ".join(replaced.get(name, name) for name in names)

    with pytest.raises(IntegrityError, match=constraint):
        run(f"INSERT INTO audit_logs ({', '.join(names)}) SELECT {selected} FROM audit_logs")  # noqa: S608 - names of our own tables


def test_a_writers_number_is_used_once(entry):
    names = [field.column for field in AuditLog._meta.fields]
    selected = ", ".join("id + 1" if name == "id" else name for name in names)

    with pytest.raises(IntegrityError, match=r"wseq|REPLACE is refused"):
        run(f"INSERT INTO audit_logs ({', '.join(names)}) SELECT {selected} FROM audit_logs")  # noqa: S608 - names of our own tables


def test_a_row_without_an_id_is_refused(entry):
    """A process of an earlier version writes rows itself. They would not be in the tree."""
    names = ", ".join(field.column for field in AuditLog._meta.fields if field.column != "id")

    with pytest.raises(IntegrityError, match=r"assigns the ids|null value in column"):
        run(f"INSERT INTO audit_logs ({names}) SELECT {names} FROM audit_logs")  # noqa: S608 - names of our own tables


def test_the_security_epoch_has_one_row(db):
    with pytest.raises(IntegrityError):
        run("INSERT INTO security_epoch (id, epoch) VALUES (2, 1)")


@pytest.mark.django_db(transaction=True)
def test_a_later_migration_can_take_the_triggers_off_and_put_them_back():
    with connection.schema_editor() as editor:
        triggers.refuse_removal(editor)
        triggers.remove(editor, *TABLES)
    try:
        record_alone(Event(action="test.thing.done"), ACTOR)
        log_rows().get().delete()
        assert not AuditLog.objects.exists()
    finally:
        with connection.schema_editor() as editor:
            triggers.install(editor, *TABLES)
            triggers.permit_removal(editor)

    record_alone(Event(action="test.thing.done"), ACTOR)
    entry = log_rows().get()
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        entry.delete()
