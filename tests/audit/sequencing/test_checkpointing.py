"""Only the tree of the log is signed, and never one that contradicts an earlier checkpoint."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from audit import actions
from audit.errors import CheckpointRefused
from audit.log.events import Actor, Event
from audit.models import AuditCheckpoint, AuditLog, AuditReceipt, AuditTile, AuditTree, CheckpointKey
from audit.sequencing import running
from audit.sequencing.bundles.step import sequence_step
from audit.sequencing.checkpoints.signing import sign_checkpoint, thin_out_checkpoints
from audit.sequencing.checkpoints.signing_keys import origin, trusted_keys
from audit.sequencing.head import Head, write_head
from audit.sequencing.leadership import leading
from audit.sequencing.running import Checkpointing, Sequencer, checkpoint_now
from audit.sequencing.tree import ALTERED, database_reader, latest_checkpoint
from audit.tlog import merkle
from audit.tlog.checkpoint import CheckpointInvalid, VerifierKey, open_note
from kernel.clock import database_now
from kernel.trust.models import Instance
from tests.audit.sequencing.log import alarms, altered, leaves_of_rows, sequence_all, write, write_many
from tests.conftest import append_only_triggers_off
from tests.log_entries import record_alone

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


def signed(entries):
    write_many(entries)
    sequence_step()
    return sign_checkpoint()


def test_without_entries_there_is_nothing_to_sign():
    assert sign_checkpoint() is None
    assert checkpoint_now() is None


def test_a_checkpoint_is_signed_with_both_keys_over_the_tree_of_the_rows():
    checkpoint = signed(300)

    assert latest_checkpoint() == checkpoint
    for key in trusted_keys():
        opened = open_note(checkpoint.note, [key])
        assert opened.origin == f"ciphercanary/{Instance.objects.get().id}" == origin()
        assert (opened.size, opened.root) == (300, merkle.Frontier.EMPTY.extended(leaves_of_rows()).root())
    assert [key.algorithm for key in trusted_keys()] == ["ed25519", "ml-dsa-44"]


def test_a_tree_that_has_not_grown_is_not_signed_again():
    signed(3)
    assert sign_checkpoint() is None
    assert AuditCheckpoint.objects.count() == 1


def test_entries_that_are_not_sequenced_are_not_signed():
    signed(3)
    write()
    assert sign_checkpoint() is None


def test_every_two_checkpoints_are_consistent():
    sizes = [signed(entries).size for entries in (1, 1, 5, 249, 1, 300, 212)]
    opened = {size: open_note(AuditCheckpoint.objects.get(size=size).note, trusted_keys()) for size in sizes}
    read = database_reader()
    for first in sizes:
        for second in sizes[sizes.index(first) :]:
            proof = merkle.consistency_proof(first, second, read)
            merkle.verify_consistency(first, opened[first].root, second, opened[second].root, proof)


def test_a_sequencer_that_does_not_lead_does_not_sign():
    write(2)
    sequence_step()
    leads, ends = threading.Event(), threading.Event()

    def lead():
        with leading():
            leads.set()
            assert ends.wait(30)
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(lead)
        assert leads.wait(30)
        assert sign_checkpoint() is None
        ends.set()
        leader.result(30)
    assert sign_checkpoint().size == 2


def test_a_signed_note_is_not_changed():
    signed(2)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        AuditCheckpoint.objects.update(note="another")


# --- contradictions are not signed

LEAF = "(SELECT substr(hashes, 161, 32) FROM audit_tiles WHERE level = 0 AND number = 0)"
ALTERATIONS = {
    "a tile that grows": "UPDATE audit_tiles SET hashes = (SELECT hashes FROM audit_tiles WHERE level = 1) "
    "WHERE level = 0 AND number = 1",
    "a full tile's parent": f"UPDATE audit_tiles SET hashes = {LEAF} WHERE level = 1",  # noqa: S608 - constants
    "a missing tile": "DELETE FROM audit_tiles WHERE level = 1",
    "the root": f"UPDATE audit_tree SET root = {LEAF}",  # noqa: S608 - constants
    "the edge": "UPDATE audit_tree SET edge = root",
    "the size": "UPDATE audit_tree SET size = 304",
    "a smaller size": "UPDATE audit_tree SET size = 299",
    "the checkpoint": "UPDATE audit_checkpoints SET note = 'nothing'",
    "the checkpoint's size": "UPDATE audit_checkpoints SET size = 299",
}


@pytest.mark.parametrize("what", ALTERATIONS)
def test_an_altered_tree_is_not_signed(what):
    signed(300)
    write_many(3)
    sequence_step()
    assert altered(ALTERATIONS[what]) == 1

    with pytest.raises(CheckpointRefused):
        sign_checkpoint()
    assert AuditCheckpoint.objects.count() == 1


def test_a_full_tile_that_was_altered_is_not_signed_though_the_root_is_that_of_its_parent():
    write_many(303)
    sequence_step()
    [(hashes,)] = AuditTile.objects.filter(level=0, number=0).values_list("hashes")
    altered("UPDATE audit_tiles SET hashes = %s WHERE level = 0 AND number = 0", bytes(hashes)[::-1])

    with pytest.raises(CheckpointRefused):
        sign_checkpoint()


@pytest.mark.parametrize("what", ["a full tile's parent", "a missing tile", "the root", "the edge"])
def test_an_altered_tree_is_not_signed_for_the_first_time_either(what):
    write_many(303)
    sequence_step()
    assert altered(ALTERATIONS[what]) == 1

    with pytest.raises(CheckpointRefused):
        sign_checkpoint()


def test_a_log_that_was_written_anew_is_not_signed():
    """An attacker who can compute the tree still lacks the key that signed the previous checkpoint."""
    signed(5)
    for table in ("audit_logs", "audit_tiles"):
        altered(f"DELETE FROM {table}")  # noqa: S608 - our own tables
    AuditTree.objects.update(size=0, edge=b"", root=merkle.EMPTY_ROOT)
    write_many(8)
    assert sequence_step() == 8

    with pytest.raises(CheckpointRefused):
        sign_checkpoint()


def test_a_log_that_lost_its_checkpoints_is_not_signed_where_the_host_remembers_more():
    signed(5)
    write(3)
    sequence_step()
    altered("DELETE FROM audit_checkpoints")
    checkpoint = sign_checkpoint()
    assert checkpoint.size == 8  # the same log, so it contradicts nothing

    altered("DELETE FROM audit_checkpoints")
    for table in ("audit_logs", "audit_tiles"):
        altered(f"DELETE FROM {table}")  # noqa: S608 - our own tables
    AuditTree.objects.update(size=0, edge=b"", root=merkle.EMPTY_ROOT)
    write(9)
    sequence_all()
    with pytest.raises(CheckpointRefused):
        sign_checkpoint()


def test_a_checkpoint_key_altered_by_hand_signs_nothing():
    signed(2)
    write()
    sequence_step()
    CheckpointKey.objects.filter(algorithm="ed25519").update(state="retired")
    with pytest.raises(CheckpointRefused):
        sign_checkpoint()


def test_a_checkpoint_of_another_log_is_no_former_one():
    signed(2)
    name = "ciphercanary/another"
    foreign = [VerifierKey(name, key.algorithm, key.public_key) for key in trusted_keys()]
    with pytest.raises(CheckpointInvalid):
        open_note(latest_checkpoint().note, foreign)


def test_a_refusal_to_sign_is_reported_once_and_sequencing_goes_on(caplog):
    signed(300)
    altered("UPDATE audit_checkpoints SET note = 'nothing'")
    sequencer = Sequencer(lambda: False)

    for _ in range(4):
        write()
        sequencer.turn()
    [(code, meta)] = alarms()
    assert (code, meta["expected"]) == ("checkpoint_inconsistent", "what was written or signed before")
    assert caplog.text.count("checkpoint_inconsistent: ") == 1
    assert AuditCheckpoint.objects.count() == 1
    assert AuditTree.objects.get().size == 305


def test_a_tree_that_nothing_can_be_appended_to_is_reported_once(caplog):
    signed(300)
    altered("DELETE FROM audit_tiles WHERE level = 0")
    sequencer = Sequencer(lambda: False)

    for _ in range(4):
        write()
        sequencer.turn()
    [(code, meta)] = alarms()
    assert (code, meta["found"].startswith(ALTERED)) == ("integrity_failed", True)
    assert AuditTree.objects.get().size == 300


def test_a_refused_checkpoint_raises_an_alarm():
    signed(3)
    write()
    altered("UPDATE audit_checkpoints SET note = 'nothing'")

    with pytest.raises(CheckpointRefused):
        checkpoint_now()
    assert [code for code, _ in alarms()] == ["checkpoint_inconsistent"]


def test_at_most_one_checkpoint_is_signed_in_a_second(monkeypatch):
    assert running.CHECKPOINT_SECONDS == 1.0
    monkeypatch.setattr(running, "CHECKPOINT_SECONDS", 60.0)  # longer than the test takes
    checkpointing = Checkpointing()
    for _ in range(3):
        write()
        sequence_step()
        checkpointing.run()
    assert [row.size for row in AuditCheckpoint.objects.all()] == [1]

    checkpointing.run(at_once=True)
    assert [row.size for row in AuditCheckpoint.objects.all()] == [3, 1]


# --- thinning


def test_the_last_old_checkpoint_of_each_hour_and_the_anchored_ones_are_kept():
    now = database_now().replace(minute=59, second=0, microsecond=0)
    minutes_ago = {10: 2910, 20: 2900, 30: 2890, 40: 2840, 50: 2830, 60: 30, 70: 20, 80: 10}
    AuditCheckpoint.objects.bulk_create(
        AuditCheckpoint(size=size, note="", signed_at=now - timedelta(minutes=minutes))
        for size, minutes in minutes_ago.items()
    )
    AuditReceipt.objects.create(size=20, anchor="file", receipt="", anchored_at=now)

    assert thin_out_checkpoints() == 2
    assert sorted(AuditCheckpoint.objects.values_list("size", flat=True)) == [20, 30, 50, 60, 70, 80]
    assert thin_out_checkpoints() == 0


def test_the_last_checkpoint_of_former_keys_is_kept():
    """Without it, clients that pinned the former keys could not verify the keys that followed."""
    now = database_now().replace(minute=59, second=0, microsecond=0)
    AuditCheckpoint.objects.bulk_create(
        AuditCheckpoint(size=size, note="", signed_at=now - timedelta(minutes=minutes))
        for size, minutes in {10: 2910, 20: 2900, 30: 2890}.items()
    )
    rotated = record_alone(Event(action=actions.CHECKPOINT_KEY_ROTATED), Actor.system("test", "command"))
    with append_only_triggers_off():
        AuditLog.objects.filter(pk=rotated.pk).update(timestamp=now - timedelta(minutes=2899))

    assert thin_out_checkpoints() == 1
    assert sorted(AuditCheckpoint.objects.values_list("size", flat=True)) == [20, 30]


def test_a_second_alteration_of_the_tree_is_another_alarm():
    signed(3)
    sequencer = Sequencer(lambda: False)
    before = bytes(AuditTree.objects.get().root)
    for root in (b"\1" * 32, b"\2" * 32, b"\2" * 32):
        AuditTree.objects.update(root=root)
        write()
        sequencer.turn()
        AuditTree.objects.update(root=before)
    assert [code for code, _ in alarms()] == ["integrity_failed"] * 2


def test_an_older_database_is_reported_once_although_each_alarm_makes_the_log_grow():
    signed(3)
    write_head(Head(1000, b"\1" * 32))
    sequencer = Sequencer(lambda: False)
    for _ in range(4):
        write()
        sequencer.turn()
    assert [code for code, _ in alarms()] == ["checkpoint_inconsistent"]


@pytest.mark.skipif(connection.vendor == "postgresql", reason="PostgreSQL keeps a text out of the columns")
@pytest.mark.parametrize("column", ["root", "edge"])
def test_a_tree_that_contains_a_text_raises_an_alarm(column):
    signed(3)
    altered(f"UPDATE audit_tree SET {column} = 'x'")  # noqa: S608 - a constant
    write()
    Sequencer(lambda: False).turn()
    assert [code for code, _ in alarms()] == ["integrity_failed"]
