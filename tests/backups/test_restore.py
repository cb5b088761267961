"""A restored database equals its backup, and one that is forged, older or not openable is not restored at all."""

import json
import shutil
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.migrations.recorder import MigrationRecorder

from audit import actions
from audit.errors import OlderDatabase
from audit.models import AuditLog, AuditSegment, AuditTree
from audit.sequencing.checkpoints.signing_keys import origin
from audit.sequencing.head import HEAD_FILE, check_head, read_head
from audit.sequencing.running import checkpoint_now
from audit.sequencing.tree import latest_checkpoint
from audit.tlog.checkpoint import VerifierKey
from audit.verification.fsck import verify_log
from backups.manifest import Manifest, write_manifest
from backups.restoring import restore_backup
from backups.writing import back_up
from crypto_ops.deciding.services import perform_measured
from crypto_ops.encryption.services.messages import DecryptRequest
from kernel import __version__, home, runtime
from kernel.crypto import seed_signing
from kernel.databases.releases import AppliedRelease
from kernel.errors import Invalid
from kernel.trust import kek
from keys.models import Key
from keys.rotation.services.rotating import rotate_key
from tests.audit.archive.archived import archive
from tests.backups.conftest import ACTOR, DESCRIPTION, PLAINTEXT, SYSTEM
from tests.backups.databases import empty_database, rows_of, tables

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]

# These change as the restored log grows by the record of the restore. The others only grow, or stay as they are.
LAST_MIGRATION = ("accounts", "0013_more_roles")
RENEWED = {"audit_bundles", "audit_tiles", "audit_tree", "token_last_uses", "usage_days"}


def test_a_restored_database_equals_its_backup_and_continues(envelope, tmp_path, without_head):
    with before_the_last_migration():
        back_up(tmp_path / "backup", actor=ACTOR)
    before = rows_of(tmp_path / "backup")
    without_head()
    progress = []

    with empty_database(tmp_path):
        restored = restore_backup(
            tmp_path / "backup", actor=ACTOR, progress=lambda *done: progress.append(done)
        )

        assert progress[-1] == (restored.manifest.rows, restored.manifest.rows)
        assert not restored.was_compared
        assert LAST_MIGRATION in MigrationRecorder(connection).applied_migrations()
        assert AppliedRelease.objects.latest("id").version == __version__
        assert Key.objects.get(name="odd").description == DESCRIPTION
        assert perform_measured(DecryptRequest.of_envelope(envelope, b""), SYSTEM).plaintext == PLAINTEXT
        rotate_key(principal=SYSTEM, key_id=envelope.key_id, reason="a sequence continues")
        checkpoint_now()
        report = verify_log()
        assert report.findings == []
        assert report.waiting == 0
        entry = AuditLog.objects.get(action=actions.BACKUP_RESTORED)
        assert json.loads(entry.meta)["tree_size"] == restored.size < AuditTree.objects.get().size
        assert read_head().size > restored.size
        back_up(tmp_path / "again", actor=ACTOR)
        after = rows_of(tmp_path / "again")
    lost = {name for name, rows in before.items() if rows - after[name]}
    assert lost <= {
        *RENEWED,
        "encryption_keys",
        "entity_epochs",
        "security_epoch",
        "key_versions",
        "state_heads",
    }
    assert before.keys() == after.keys()


@contextmanager
def before_the_last_migration():
    """The state of an earlier version: this migration adds and removes no table or column."""
    app, name = LAST_MIGRATION
    row = MigrationRecorder.Migration.objects.get(app=app, name=name)
    row.delete()
    releases = list(AppliedRelease.objects.all())
    AppliedRelease.objects.create(version="0.1.9")
    yield
    row.save()
    AppliedRelease.objects.exclude(pk__in=[release.pk for release in releases]).delete()


def exchange_kek() -> None:
    for path in kek.ring_files():
        shutil.copy(path, path.with_suffix(".kept"))
        path.write_bytes(b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")


def forge(backup: Path) -> None:
    """Sign the manifest again, with keys of the attacker's own."""
    manifest = msgspec.json.decode((backup / "manifest.json").read_bytes(), type=Manifest)
    signers, name = [], manifest.origin
    for algorithm in (seed_signing.ED25519, seed_signing.ML_DSA_44):
        material, public_key = seed_signing.generate(algorithm)
        key = VerifierKey(name, algorithm, public_key)
        signers.append(
            (key, lambda message, kind=algorithm, seed=material: seed_signing.sign(kind, seed, message))
        )
    forged = msgspec.structs.replace(manifest, keys=[key.vkey for key, _ in signers])
    write_manifest(backup, forged, signers)


@pytest.fixture
def intact_ring():
    yield
    for path in settings.CC_HOME.glob("kek-*.kept"):
        path.rename(path.with_suffix(".key"))
    runtime.fresh()


@pytest.mark.process  # each attempt creates all tables first
def test_nothing_remains_of_a_backup_that_cannot_be_trusted(log, tmp_path, intact_ring):
    back_up(tmp_path / "backup", actor=ACTOR)
    shutil.copytree(tmp_path / "backup", tmp_path / "forged")
    forge(tmp_path / "forged")
    (tmp_path / "other").write_text(latest_checkpoint().note.replace(origin(), "ciphercanary/another"))

    def interrupt(done, total):
        if done > total // 2:
            raise KeyboardInterrupt

    with empty_database(tmp_path):
        loaded = []
        with pytest.raises(Invalid, match="not signed by trusted keys"):
            restore_backup(tmp_path / "forged", actor=ACTOR, progress=lambda *done: loaded.append(done))
        assert loaded[-1][0] < loaded[-1][1] / 10  # only the root of trust
        assert tables() == []
        with pytest.raises(CommandError, match="no known key of this log has signed"):
            call_command("restore", str(tmp_path / "backup"), "--checkpoint", str(tmp_path / "other"))
        assert tables() == []
        with pytest.raises(KeyboardInterrupt):
            restore_backup(tmp_path / "backup", actor=ACTOR, progress=interrupt)
        assert tables() == []
        exchange_kek()
        with pytest.raises(CommandError, match="does not match this database"):
            call_command("restore", str(tmp_path / "backup"))
        assert tables() == []


@pytest.mark.process
def test_an_older_backup_is_refused_until_it_is_accepted_on_record(log, tmp_path, capsys):
    back_up(tmp_path / "backup", actor=ACTOR)
    log.write(30)
    earlier, newest = latest_checkpoint(), checkpoint_now()
    (tmp_path / "anchor").write_text(f"{newest.note}\n{earlier.note}\n")
    unsigned = earlier.note.partition("\n\n")[0] + "\n\n" + newest.note.partition("\n\n")[2]
    (tmp_path / "forged").write_text(f"{newest.note}\n{unsigned}\n")
    head_file = settings.CC_HOME / HEAD_FILE

    with empty_database(tmp_path):
        head_file.rename(tmp_path / HEAD_FILE)  # another machine remembers no audit log
        with pytest.raises(CommandError, match=rf"has already seen {newest.size}.*--accept-older REASON"):
            call_command("restore", str(tmp_path / "backup"), "--checkpoint", str(tmp_path / "anchor"))
        with pytest.raises(CommandError, match="no known key of this log has signed"):
            call_command("restore", str(tmp_path / "backup"), "--checkpoint", str(tmp_path / "forged"))
        assert tables() == []

        (tmp_path / HEAD_FILE).rename(head_file)
        call_command("restore", str(tmp_path / "backup"), "--accept-older", "the disk is gone", "--verify")

        output = capsys.readouterr().out
        assert "older than the log that was seen before" in output
        assert "verified, alarms in it: 1" in output
        meta = json.loads(AuditLog.objects.get(action=actions.LOG_ROLLBACK_ACCEPTED).meta)
        assert (meta["head_size"], meta["reason"]) == (newest.size, "the disk is gone")
        assert read_head().size == AuditTree.objects.get().size
        assert verify_log().findings == []


@pytest.mark.process
def test_a_restore_that_ends_after_the_commit_does_not_hide_the_loss(log, tmp_path, without_head):
    back_up(tmp_path / "backup", actor=ACTOR)
    log.write(30)
    newest = checkpoint_now()
    without_head()

    def kill():
        raise KeyboardInterrupt

    with empty_database(tmp_path):
        with pytest.raises(KeyboardInterrupt):
            restore_backup(
                tmp_path / "backup",
                actor=ACTOR,
                seen={"anchor": [newest.note]},
                accepted_because="the disk is gone",
                progress=lambda *_done: transaction.on_commit(kill),
            )
        assert tables() != []
        assert read_head().size == newest.size
        with pytest.raises(OlderDatabase):
            check_head()


@pytest.mark.process
def test_an_incomplete_restore_is_reported_as_restored(log, tmp_path, without_head, monkeypatch):
    back_up(tmp_path / "backup", actor=ACTOR)
    without_head()
    # The next head cannot be written.
    monkeypatch.setattr(home, "UNFINISHED", "absent/")
    with empty_database(tmp_path):
        with pytest.raises(
            CommandError,
            match=r"The rows are restored, but .*No such file.* Run bin/manage checkpoint_audit_log",
        ):
            call_command("restore", str(tmp_path / "backup"))
        assert AuditLog.objects.filter(action=actions.BACKUP_RESTORED).exists()


@pytest.mark.process
def test_a_drill_signs_no_second_log(log, tmp_path, without_head):
    back_up(tmp_path / "backup", actor=ACTOR)
    entries, signed = AuditLog.objects.count(), latest_checkpoint().note
    without_head()
    with empty_database(tmp_path):
        call_command("restore", str(tmp_path / "backup"), "--drill")
        assert AuditLog.objects.count() == entries  # the record of the backup came later, and still waits
        assert latest_checkpoint().note == signed
        assert read_head() is None


@pytest.mark.parametrize("given", ["nothing", "no checkpoint\n"])
def test_an_invalid_checkpoint_file_is_refused(tmp_path, given):
    (tmp_path / "file").write_text(given)
    with pytest.raises(CommandError, match="not a readable checkpoint"):
        call_command("restore", str(tmp_path), "--checkpoint", str(tmp_path / "file"))
    assert HEAD_FILE not in {path.name for path in tmp_path.iterdir()}


def test_backups_before_and_after_archiving_are_restored(log, tmp_path, without_head, settings, monkeypatch):
    """A backup has no archived rows. Over an older one, the next run adopts the files."""
    monkeypatch.setattr(AuditSegment, "ENTRIES", 32)
    settings.CC_AUDIT_ARCHIVE = str(tmp_path / "archive")
    back_up(tmp_path / "before", actor=ACTOR)
    segments = [segment.sha256 for segment in archive()]
    back_up(tmp_path / "after", actor=ACTOR)
    assert len(segments) > 1

    without_head()
    with empty_database(tmp_path):
        restore_backup(tmp_path / "after", actor=ACTOR)
        assert verify_log(with_archive=True).findings == []

    without_head()
    with empty_database(tmp_path / "archive"):
        restore_backup(tmp_path / "before", actor=ACTOR)
        checkpoint_now()
        assert [segment.sha256 for segment in archive()][: len(segments)] == segments
        assert verify_log(with_archive=True).findings == []
