"""The jobs of an earlier version, with a table for each kind, move into the common table and keep everything.

So do the rows of tables that later migrations rebuild.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from audit.models import AuditExport, AuditTrail
from audit.sequencing.state_beginning import begin_state_once
from console.key_encryption.rewraps import request_rewrap
from kernel.databases.applied_migrations import migration_transaction
from kernel.jobs.job import JobRecord
from kernel.models import KekRewrap
from keys.models import EncryptionPolicy, KeyRotation, KeyRotationJob, Selection
from keys.rotation.services import jobs
from tests.audit.exports.exporting import order, work
from tests.factories import KeyFactory, PolicyFactory

pytestmark = [pytest.mark.sweep, pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]

EARLIER = [
    ("crypto_ops", None),
    ("keys", "0011_import_parameters"),
    ("audit", "0017_fewer_index_entries"),
    ("ciphercanary", "0004_notification"),
]
REBUILT = (AuditTrail, EncryptionPolicy, KeyRotation)
MOVED = {"audit_exports": AuditExport, "key_rotation_jobs": KeyRotationJob, "kek_rewraps": KekRewrap}


@contextmanager
def earlier_tables() -> Iterator[None]:
    """Inside, the tables are those of the earlier version. Afterwards they are migrated."""
    newest = MigrationExecutor(connection).loader.graph.leaf_nodes()
    MigrationExecutor(connection).migrate(EARLIER)
    try:
        yield
    finally:
        with migration_transaction():
            MigrationExecutor(connection).migrate(newest)
        begin_state_once()  # as a start does


def rows_of(model):
    return list(model.objects.order_by("pk").values())


def test_jobs_of_every_table_survive(admin, root_of_trust):
    policy = PolicyFactory()
    for number in range(2):
        key = KeyFactory(name=f"key-{number}")
        chosen = jobs.RotationRequest(Selection.KEYS, chosen=[(key.id, 1)])
        jobs.request_rotation(principal=admin.principal, request=chosen, reason="leaked")
        order(admin)
        request_rewrap(principal=admin.principal)
        if not number:
            work()  # the jobs of the first round succeed, and those of the second one wait
    everything = {model: rows_of(model) for model in (JobRecord, *REBUILT, *MOVED.values())}
    assert {len(rows) for model, rows in everything.items() if model in MOVED.values()} == {2}

    with earlier_tables(), connection.cursor() as cursor:
        assert "encryption_operations" not in connection.introspection.table_names(cursor)
        for table in MOVED:
            cursor.execute(f"SELECT status FROM {table}")  # noqa: S608 - constants
            assert sorted(cursor.fetchall()) == [("pending",), ("succeeded",)]

    assert {model: rows_of(model) for model in everything} == everything
    EncryptionPolicy.objects.get(pk=policy.pk).check_mac()
    work()
    assert set(JobRecord.objects.values_list("status", flat=True)) == {"succeeded"}
