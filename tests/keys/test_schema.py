"""The constraints of the database itself, independent of the application."""

from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction

from kernel.clock import database_now
from kernel.trust.row_mac import IntegrityFailed
from keys.creation import services as creation
from keys.lifecycle import Status
from keys.models import EncryptionPolicy, Key, KeyRotation, KeyVersion, RotationStatus, Selection
from keys.reading import services as reading
from keys.rotation.services import jobs, rotating

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db]

only_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL's own indexes")


SEARCH_MIGRATIONS = (
    "keys.migrations.0002_postgresql_search",
    "keys.migrations.0015_search_index",
    "accounts.migrations.0011_search_index",
)


def index_names(table):
    with connection.cursor() as cursor:
        return set(connection.introspection.get_constraints(cursor, table))


def test_tables_and_indexes_have_the_names_of_the_specification():
    assert {"encryption_keys", "key_versions", "key_rotations"} <= set(connection.introspection.table_names())
    assert {"idx_encryption_keys_algorithm", "idx_encryption_keys_status"} <= index_names("encryption_keys")


ROTATION = """
INSERT INTO key_rotations (old_key_id, new_key_id, old_version, new_version, rotation_reason, rotated_by, job_id)
SELECT k.id, k.id, 1, 2, 'by hand', u.id, j.id FROM encryption_keys k, users u, key_rotation_jobs j
"""
POLICY = """
INSERT INTO encryption_policies (name, algorithm, key_size, allowed_modes, rotation_policy, minimum_deletion_days,
    exportable, row_seq{column})
SELECT 'pci', 'aes-256', 256, '[]', '{{}}', 7, false, 1{value}
"""


def insert(model, statement):
    """Insert one row that names no column with a default of the specification."""
    before = database_now()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    row = model.objects.get()
    assert row.id.version == 4
    return row, before - timedelta(seconds=1)


def test_a_rotation_inserted_by_hand_has_the_defaults_of_the_specification(admin, key):
    jobs.request_rotation(
        principal=admin.principal, request=jobs.RotationRequest(Selection.DUE), reason="nothing is due"
    )
    rotation, before = insert(KeyRotation, ROTATION)
    assert before < rotation.rotated_at <= database_now()
    assert (rotation.status, rotation.rotated_by) == (RotationStatus.PENDING, admin.user)


def test_a_policy_inserted_by_hand_has_the_defaults_of_the_specification_and_no_effect(admin, new_key):
    with pytest.raises(IntegrityError):
        insert(EncryptionPolicy, POLICY.format(column="", value=""))
    policy, before = insert(EncryptionPolicy, POLICY.format(column=", row_mac", value=", ''"))
    assert before < policy.created_at <= database_now()
    assert policy.is_active
    with pytest.raises(IntegrityFailed):
        new_key(policy_id=policy.id)


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "sleepy"},
        {"primary_version": 0},
        {"activates_at": "2031-01-01T00:00Z", "expires_at": "2030-01-01T00:00Z"},
    ],
)
def test_a_key_that_makes_no_sense_is_refused(key, wrong):
    with pytest.raises(IntegrityError), transaction.atomic():
        Key.objects.filter(pk=key.pk).update(**wrong)


@pytest.mark.parametrize("wrong", [{"state": "sleepy"}, {"version": 0}])
def test_a_version_that_makes_no_sense_is_refused(key, wrong):
    with pytest.raises(IntegrityError), transaction.atomic():
        KeyVersion.objects.filter(key=key).update(**wrong)


def test_two_versions_never_share_a_number(admin, key):
    rotating.rotate_key(principal=admin.principal, key_id=key.id, reason="test")
    with pytest.raises(IntegrityError), transaction.atomic():
        KeyVersion.objects.filter(key=key, version=2).update(version=1)


def test_a_user_has_one_default_key_for_an_algorithm(developer, new_key):
    creation.default_key(developer.principal, "aes-256")
    second = new_key(principal=developer.principal)
    with pytest.raises(IntegrityError), transaction.atomic():
        Key.objects.filter(pk=second.pk).update(is_default=True)


@only_postgresql
def test_the_indexes_for_searching_are_there():
    assert {"idx_encryption_keys_fts", "idx_encryption_keys_tags"} <= index_names("encryption_keys")


@only_postgresql
@pytest.mark.parametrize(
    ("only", "index"),
    [
        ({"search": "order"}, "idx_encryption_keys_fts"),
        ({"tag": "pci"}, "idx_encryption_keys_tags"),
        ({"status": Status.DISABLED}, "idx_encryption_keys_state"),
        ({"status": Status.REVOKED}, "idx_encryption_keys_state"),
        ({"status": Status.PENDING}, "idx_encryption_keys_state"),
    ],
)
def test_the_list_can_use_them(admin, only, index):
    with connection.cursor() as cursor:
        # An empty table is cheapest read whole, or along any index; a bitmap needs one that fits the
        # condition.
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_indexscan = off")
        cursor.execute("DROP INDEX idx_encryption_keys_figures")  # it has every column, and no row
    rows = reading.list_keys(principal=admin.principal, only=only).order_by()
    assert index in rows.explain()


@only_postgresql
@pytest.mark.parametrize("ordering", ["created_at", "-created_at"])
def test_the_index_gives_both_orders(admin, ordering):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
    rows = reading.list_keys(principal=admin.principal, only={"ordering": ordering})[:20]
    plan = rows.explain()
    assert "Presorted Key: created_at" in plan
    assert "idx_encryption_keys_created" in plan


@only_postgresql
def test_without_the_right_to_create_extensions_only_the_indexes_of_searches_are_missing(admin, new_key):
    keys, later_keys, users = map(import_module, SEARCH_MIGRATIONS)
    with connection.cursor() as cursor, connection.schema_editor(atomic=False) as editor:
        keys.drop_indexes(apps, editor)
        users.restore_index(apps, editor)
        cursor.execute("DROP EXTENSION pg_trgm")
        cursor.execute("CREATE ROLE keys_schema_owner")
        cursor.execute("GRANT CREATE, USAGE ON SCHEMA public TO keys_schema_owner")
        cursor.execute("ALTER TABLE encryption_keys OWNER TO keys_schema_owner")
        cursor.execute("ALTER TABLE users OWNER TO keys_schema_owner")
        cursor.execute("SET LOCAL ROLE keys_schema_owner")
        keys.create_indexes(apps, editor)
        later_keys.replace_index(apps, editor)
        users.replace_index(apps, editor)
        cursor.execute("RESET ROLE")
    assert "idx_encryption_keys_tags" in index_names("encryption_keys")
    assert "idx_encryption_keys_fts" not in index_names("encryption_keys")
    assert "idx_users_fts" not in index_names("users")
    new_key(name="orders")
    assert reading.list_keys(principal=admin.principal, only={"search": "RDER"}).count() == 1
