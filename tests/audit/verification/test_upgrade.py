"""A log from before service accounts is intact after the migration."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import IntegrityError, connection
from django.db.migrations.executor import MigrationExecutor

from audit.models import AuditLog, AuditTrail, AuditTree, CheckpointKey, UsageRollup
from audit.sequencing.checkpoints.signing_keys import bootstrap_checkpoint_keys
from audit.sequencing.head import HEAD_FILE
from audit.verification.fsck import verify_log
from tests.audit.usage import sum_up_days
from tests.tampering.altering import execute
from tests.tampering.writing import Log, sequence, sign

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


@contextmanager
def tables_of(migration: str) -> Iterator[None]:
    """Inside, the tables of the log are those of an earlier migration. Afterwards they are upgraded."""
    newest = [node for node in MigrationExecutor(connection).loader.graph.leaf_nodes() if node[0] == "audit"]
    MigrationExecutor(connection).migrate([("audit", migration)])
    try:
        yield
    finally:
        MigrationExecutor(connection).migrate(newest)


def test_entries_of_version_1_keep_their_leaves_and_macs(root_of_trust, settings):
    (settings.CC_HOME / HEAD_FILE).unlink(missing_ok=True)  # of a test with a longer log
    CheckpointKey.objects.all().delete()
    bootstrap_checkpoint_keys()
    log = Log(seed=3)
    log.actors = [actor for actor in log.actors if actor.actor_id is None]
    log.change(rows=2)
    log.operate(40)
    sequence()
    sign()
    root = bytes(AuditTree.objects.get().root)
    usage = list(UsageRollup.objects.order_by("id").values())

    with tables_of("0010_altered_entries"):
        columns = {
            column.name
            for column in connection.introspection.get_table_description(connection.cursor(), "audit_logs")
        }
        assert "actor_id" not in columns

    sum_up_days()
    assert not verify_log().is_altered
    assert bytes(AuditTree.objects.get().root) == root
    assert list(UsageRollup.objects.order_by("id").values()) == usage
    assert {mac[:2] for mac in AuditLog.objects.values_list("mac", flat=True)} == {"1."}
    for table in (AuditLog, AuditTrail):
        with pytest.raises(IntegrityError, match="append-only"):
            execute(f"UPDATE {table._meta.db_table} SET action = 'x'")  # noqa: S608 - constants
    assert not verify_log().is_altered
    (settings.CC_HOME / HEAD_FILE).unlink(missing_ok=True)
