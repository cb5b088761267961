"""The verifier also checks the MACs of users, keys and other tables."""

import pytest
from django.apps import apps
from django.db import connection

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
