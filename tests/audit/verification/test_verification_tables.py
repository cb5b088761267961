"""The verifier also checks the triggers of the log, and the MACs of users, keys and other tables."""

import pytest
from django.apps import apps
from django.db import connection

from audit.log import triggers
from audit.verification.findings import FindingKind
from audit.verification.fsck import verify_log
from kernel.trust.row_mac import MacProtectedRow
from tests.personas import make_persona
from tests.tampering import respelling
from tests.tampering.altering import execute, query, without_triggers

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def empty_log(root_of_trust):
    """Delete all entries, so that the only findings are those of the other tables."""
    with without_triggers():
        for table in ("audit_logs", "audit_bundles", "checkpoint_keys"):
            execute(f"DELETE FROM {table}")  # noqa: S608 - constants


def findings():
    return [str(finding) for finding in verify_log().findings]


# --- Triggers

TRIGGERS = triggers.expected(connection.vendor)


def test_every_trigger_is_as_the_migrations_create_it(empty_log):
    assert findings() == []
    assert len(TRIGGERS) == (5 if connection.vendor == "postgresql" else 12)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="a function of PostgreSQL")
def test_a_replaced_write_function_is_named(empty_log):
    """It could claim to have written what it dropped."""
    swallowing = triggers.WRITE_BUNDLE_FUNCTION.replace("CREATE", "CREATE OR REPLACE").replace(
        "IF NOT FOUND", "IF true"
    )
    execute(swallowing)
    try:
        assert findings() == ["trigger: the function write_bundle is missing or was replaced"]
    finally:
        execute(triggers.WRITE_BUNDLE_FUNCTION.replace("CREATE", "CREATE OR REPLACE"))


@pytest.mark.parametrize("trigger", TRIGGERS, ids=lambda trigger: trigger.name)
def test_a_missing_trigger_is_named(empty_log, trigger):
    name = f"{trigger.name} ON {trigger.table}" if connection.vendor == "postgresql" else trigger.name
    execute(f"DROP TRIGGER {name}")
    try:
        assert findings() == [f"trigger: the trigger {trigger.name} of {trigger.table} is missing"]
    finally:
        execute(trigger.definition)


@pytest.mark.parametrize(
    "table", ["audit_logs", "audit_alarms", "audit_bundles", "audit_trail", "usage_rollups"]
)
def test_an_additional_trigger_or_rule_is_named(empty_log, table):
    if connection.vendor == "postgresql":
        what, made = "rule", f"CREATE RULE swallow AS ON INSERT TO {table} DO INSTEAD NOTHING"
        dropped = f"DROP RULE swallow ON {table}"
    else:
        what, dropped = "trigger", "DROP TRIGGER swallow"
        made = f"CREATE TRIGGER swallow BEFORE INSERT ON {table} BEGIN SELECT RAISE(IGNORE); END"
    execute(made)
    try:
        assert findings() == [f"trigger: the {what} swallow of {table} is not the application's"]
    finally:
        execute(dropped)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite cannot disable a trigger")
@pytest.mark.parametrize("state", ["DISABLE", "ENABLE REPLICA"])
def test_a_disabled_trigger_is_named(empty_log, state):
    execute(f"ALTER TABLE audit_logs {state} TRIGGER audit_logs_append_only")
    try:
        assert findings() == ["trigger: the trigger audit_logs_append_only of audit_logs is disabled"]
    finally:
        execute("ALTER TABLE audit_logs ENABLE TRIGGER audit_logs_append_only")


def weakened(trigger):
    """The same trigger for fewer operations, for no row, and with another effect."""
    if connection.vendor == "postgresql":
        yield trigger.definition.replace("UPDATE OR ", "")
        yield trigger.definition.replace("FOR EACH STATEMENT", "FOR EACH STATEMENT WHEN (false)")
        yield (
            trigger.definition.replace("refuse_change_of_log", "suppress_redundant_updates_trigger")
            .replace("UPDATE OR TRUNCATE", "UPDATE")
            .replace("STATEMENT", "ROW")
        )
    else:
        yield trigger.definition.replace("BEFORE UPDATE", "BEFORE UPDATE OF count")
        yield trigger.definition.replace("BEGIN", "WHEN 0 BEGIN")
        yield trigger.definition.replace("RAISE(ABORT,", "coalesce('',")


def test_a_replaced_trigger_is_named(empty_log):
    trigger = next(each for each in TRIGGERS if each.table == "audit_trail")
    drop = f"DROP TRIGGER {trigger.name}" + (
        f" ON {trigger.table}" if connection.vendor == "postgresql" else ""
    )
    for other in weakened(trigger):
        assert other != trigger.definition
        execute(drop)
        execute(other)
        try:
            assert findings() == [f"trigger: the trigger {trigger.name} of {trigger.table} was replaced"]
        finally:
            execute(drop)
            execute(trigger.definition)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="a trigger of SQLite has no function")
def test_a_replaced_function_is_named_with_each_trigger_that_calls_it(empty_log):
    execute(
        "CREATE OR REPLACE FUNCTION refuse_change_of_log() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN RETURN NULL; END $$"
    )
    try:
        assert len(findings()) == 4
    finally:
        with connection.cursor() as cursor:
            cursor.execute(triggers.POSTGRESQL_FUNCTION)  # without parameters: it contains percent signs


@pytest.mark.skipif(connection.vendor != "postgresql", reason="a trigger of SQLite has no function")
def test_a_function_that_reads_other_tables_is_named(empty_log):
    """Another ``audit_removals`` could permit everything."""
    execute("ALTER FUNCTION refuse_removal_of_entry() SET search_path = other")
    try:
        assert findings() == ["trigger: the trigger audit_logs_removal of audit_logs was replaced"]
    finally:
        execute("ALTER FUNCTION refuse_removal_of_entry() RESET search_path")


# --- MACs of rows


@pytest.fixture
def people_and_keys(empty_log):
    """At least one row of each table with a MAC that a sign-in and a key create."""
    persona = make_persona("mira", "admin")
    response = persona.api.post("/api/v1/keys", {"name": "payments", "algorithm": "aes-256"})
    assert response.status == 201, response
    yield persona
    with without_triggers():
        execute("DELETE FROM audit_logs")


def rows_found():
    return [finding.text for finding in verify_log().findings if finding.kind is FindingKind.ROW]


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("users", "role", "'auditor'"),
        ("users", "row_mac", "''"),
        ("users", "row_seq", "row_seq + 1"),
        ("encryption_keys", "state", "'compromised'"),
        ("encryption_keys", "name", "'other'"),
        ("key_versions", "kek_id", "'x'"),
        ("token_signing_keys", "public_key", "'x'"),
        ("token_families", "row_mac", "'1.x.y'"),
    ],
)
def test_a_row_whose_mac_does_not_hold_is_named_by_table_and_id(people_and_keys, table, column, value):
    assert rows_found() == []
    pk = "kid" if table == "token_signing_keys" else "id"
    [(key,)] = query(f"SELECT {pk} FROM {table} ORDER BY {pk} LIMIT 1")  # noqa: S608 - constants
    assert execute(f"UPDATE {table} SET {column} = {value} WHERE {pk} = %s", [key]) == 1  # noqa: S608 - constants

    [text] = rows_found()

    assert text.replace("-", "") == (
        f"the row {str(key).replace('-', '')} of {table} was altered: its MAC does not hold"
    )


def test_the_macs_of_every_model_are_checked(people_and_keys):
    """Write an invalid MAC in each table that has a row."""
    tables = [
        model._meta.db_table
        for model in apps.get_models()
        if issubclass(model, MacProtectedRow) and model._default_manager.exists()
    ]
    for table in tables:
        execute(f"UPDATE {table} SET row_mac = ''")  # noqa: S608 - constants
    found = {text.split(" ")[4] for text in rows_found()}

    assert found == set(tables)
    assert len(tables) >= 6


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL has one spelling of a value")
@pytest.mark.parametrize(
    ("table", "column"), [("users", "id"), ("users", "created_at"), ("encryption_keys", "modes")]
)
def test_a_protected_row_counts_in_the_application_s_spelling_only(people_and_keys, table, column):
    spellings = {
        "id": respelling.UUID_SPELLINGS,
        "created_at": respelling.TIMESTAMP_SPELLINGS,
        "modes": {"a space before it": "' ' || {0}"},
    }
    execute("PRAGMA foreign_keys = OFF")
    for name, spelling in spellings[column].items():
        with respelling.respelled(table, column, spelling):
            assert len(rows_found()) == 1, name
    assert rows_found() == []
