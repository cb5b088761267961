"""A log of an earlier version goes on after the migration, and both its eras are verified and proven."""

import uuid
from contextlib import contextmanager

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor

from audit.exports.tiles import export_log
from audit.forwarding.reading import entries_after
from audit.log.bundles import new_event_ids
from audit.log.canonical import format_timestamp
from audit.log.entries import ACTOR_ID, ENTRY_FIELDS, mac_bytes, version_of
from audit.log.entry_mac import compute_entry_mac
from audit.log.raw_rows import as_stored
from audit.migrations import _first_era
from audit.models import AuditLeaf, AuditLog, AuditTree, UsageRollup
from audit.sequencing.eras import Eras
from audit.sequencing.head import HEAD_FILE
from audit.sequencing.running import checkpoint_now
from audit.sequencing.tree import database_reader
from audit.services import showing
from audit.services.proofs import leaf_index, list_vkeys, prove_entry
from audit.tlog import merkle
from audit.verification.fsck import verify_log
from kernel.clock import database_now
from tests.audit.ccverify import run
from tests.audit.sequencing.log import recreate_checkpoint_keys, write, write_many
from tests.audit.verification.passes import alarms, insert_copy, run_pass
from tests.tampering.altering import Copy, execute, without_triggers

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]

KEY = str(uuid.UUID(int=5, version=4))


@contextmanager
def first_era():
    """Inside, the tables are those of the earlier version. Afterwards they are migrated."""
    newest = [node for node in MigrationExecutor(connection).loader.graph.leaf_nodes() if node[0] == "audit"]
    MigrationExecutor(connection).migrate([("audit", "0013_daily_usage")])
    try:
        yield
    finally:
        MigrationExecutor(connection).migrate(newest)


def write_rows(number, writer, first, **values):
    """Insert rows as the earlier version did. Its trigger puts them on the list of what waits."""
    names = [name for name in ENTRY_FIELDS if name != "id"]
    places = ", ".join(["%s"] * (len(names) + 1))
    statement = f"INSERT INTO audit_logs ({', '.join(names)}, mac) VALUES ({places})"  # noqa: S608 - constants
    for wseq in range(first, first + number):
        [hexadecimal] = new_event_ids(1)
        row = dict.fromkeys(names, "") | dict.fromkeys(("user_id", "object_version", "size", ACTOR_ID))
        row |= {"event_id": str(uuid.UUID(hexadecimal)), "timestamp": format_timestamp(database_now())}
        row |= {"action": "crypto.message.encrypted", "object_type": "key", "object_id": KEY, "outcome": "ok"}
        row |= {"count": 1, "meta": "{}", "writer": str(writer), "wseq": wseq, "source": "api"} | values
        row["mac"] = compute_entry_mac(mac_bytes(row), version_of(row))
        if connection.vendor == "sqlite":
            row["timestamp"] = row["timestamp"].replace("T", " ").removesuffix("Z")
            row |= {name: as_stored(row[name]) for name in ("event_id", "writer")}
        execute(statement, [row[name] for name in (*names, "mac")])


@pytest.fixture
def old_log():
    """A log with entries of the first era in the tree, signed, and with others that wait."""
    (settings.CC_HOME / HEAD_FILE).unlink(missing_ok=True)
    recreate_checkpoint_keys()
    write_many(300)
    checkpoint = checkpoint_now()
    writer = uuid.uuid4()
    with first_era():
        write_rows(40, writer, 1)
    yield checkpoint, writer
    (settings.CC_HOME / HEAD_FILE).unlink(missing_ok=True)


def test_the_migration_sequences_what_waits_and_begins_the_second_era(old_log):
    checkpoint, _ = old_log
    tree = AuditTree.objects.get()
    assert (tree.size, tree.old_size) == (checkpoint.size + 40, checkpoint.size + 40)
    assert tree.old_size + tree.id_shift == AuditLog.objects.latest("id").id
    assert AuditLeaf.objects.count() == tree.size
    assert UsageRollup.objects.get(key_id=KEY).count == 40
    assert not verify_log().is_altered


def test_the_log_goes_on_and_everything_is_proven(old_log, tmp_path):
    former, writer = old_log
    write_many(3, writer, first=41)
    new = write(2)
    newest = checkpoint_now()
    report = verify_log()
    assert not report.is_altered, report.findings
    assert (report.size, report.signed_size) == (newest.size, newest.size)
    assert AuditLeaf.objects.count() == Eras.read().old_size < newest.size

    found = entries_after(0, newest.size)
    assert [index for index, _ in found] == list(range(newest.size))
    leaves = [merkle.leaf_hash(entry.octets) for _, entry in found]
    assert merkle.Frontier.EMPTY.extended(leaves).root() == bytes(AuditTree.objects.get().root)

    first = AuditLog.objects.order_by("id").first()
    for log_id in (first.id, AuditLeaf.objects.order_by("idx").last().log_id, new.id):
        [entry] = showing.show_rows(AuditLog.objects.filter(id=log_id))
        assert entry.integrity == "verified"
        proof = prove_entry(entry)
        assert leaf_index(entry) == proof.index
        (tmp_path / "proof").write_text(proof.text)
        (tmp_path / "keys").write_text("".join(f"{vkey}\n" for vkey in list_vkeys()))
        verified = run("verify-proof", str(tmp_path / "proof"), "--key", str(tmp_path / "keys"))
        assert verified.returncode == 0, verified.stderr
    read = database_reader()
    hashes = merkle.consistency_proof(former.size, newest.size, read)
    root = bytes(AuditTree.objects.get().root)
    merkle.verify_consistency(former.size, merkle.root(former.size, read), newest.size, root, hashes)

    export_log(tmp_path / "export")
    verified = run("verify-export", str(tmp_path / "export"), "--key", str(tmp_path / "keys"))
    assert verified.returncode == 0, verified.stderr


def test_an_interrupted_migration_continues(monkeypatch):
    (settings.CC_HOME / HEAD_FILE).unlink(missing_ok=True)
    recreate_checkpoint_keys()
    checkpoint_now()
    monkeypatch.setattr(_first_era, "BATCH", 10)
    with first_era():
        write_rows(35, uuid.uuid4(), 1)
        assert _first_era.drain_batch() == 10  # then the process was killed
        execute(
            "INSERT INTO audit_pending (log_id) SELECT min(id) FROM audit_logs WHERE action = 'crypto.message.encrypted'"
        )
    assert AuditLeaf.objects.count() == AuditTree.objects.get().old_size == AuditTree.objects.get().size
    assert not verify_log().is_altered
    (settings.CC_HOME / HEAD_FILE).unlink(missing_ok=True)


def test_ids_go_on_after_numbers_that_no_row_has(old_log):
    with first_era(), transaction.atomic():
        execute(
            "SELECT setval(pg_get_serial_sequence('audit_logs', 'id'), 5000)"
            if connection.vendor == "postgresql"
            else "UPDATE sqlite_sequence SET seq = 5000 WHERE name = 'audit_logs'"
        )
        write_rows(3, uuid.uuid4(), 1)
    eras = Eras.read()
    assert eras.last_old_id == AuditLog.objects.latest("id").id >= 5003
    assert write().id == eras.last_old_id + 1
    checkpoint_now()
    assert not verify_log().is_altered


ALTERATIONS = [
    ("DELETE FROM audit_leaves WHERE idx = 20", "leaf_missing"),
    ("DELETE FROM audit_logs WHERE id = 21", "entry_missing"),
    ("UPDATE audit_logs SET actor_name = 'x' WHERE id = 21", "entry_altered"),
    ("DELETE FROM audit_logs WHERE id = (SELECT max(id) - 1 FROM audit_logs)", "entry_missing"),
    ("UPDATE audit_logs SET actor_name = 'x' WHERE id = (SELECT max(id) FROM audit_logs)", "entry_altered"),
    ("UPDATE audit_tree SET old_size = old_size - 1", "leaf_surplus"),
    ("UPDATE audit_tree SET old_size = old_size + 1", "leaf_missing"),
    ("UPDATE audit_tree SET id_shift = id_shift + 1", "entry_altered"),
    ("UPDATE audit_tiles SET hashes = substr(hashes, 1, 32) WHERE level = 0 AND number = 1", "tile"),
]


def test_an_alteration_in_either_era_is_found(old_log):
    write_many(5)
    checkpoint_now()
    copy, missed = Copy("whole"), []
    try:
        with without_triggers():
            for statement, kind in ALTERATIONS:
                execute(statement)
                if kind not in verify_log().counts:
                    missed.append(statement)
                copy.restore()
    finally:
        copy.drop()
    assert missed == []
    assert not verify_log().is_altered


def test_a_pass_verifies_both_eras(old_log):
    write_many(5)
    checkpoint_now()
    run_pass()
    assert alarms() == []
    newest = AuditLog.objects.latest("id").id
    insert_copy(AuditLog.objects.get(id=1), id=0, wseq=9000)
    with without_triggers():
        execute("DELETE FROM audit_leaves WHERE idx = 20")
        execute(
            "UPDATE audit_leaves SET leaf_hash = (SELECT leaf_hash FROM audit_leaves WHERE idx = 30) WHERE idx = 40"
        )
        execute("DELETE FROM audit_logs WHERE id = 61")
        execute("UPDATE audit_logs SET actor_name = 'x' WHERE id = %s", [newest])
    run_pass()
    assert set(alarms()) == {
        ("entry_altered", 0),
        ("entry_altered", 21),
        ("entry_altered", 41),
        ("entry_altered", newest),
        ("entry_missing", 61),
        ("entry_missing", None),
    }
