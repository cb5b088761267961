"""An export contains exactly the signed entries, and ccverify accepts it."""

import hashlib
import stat

import pytest
from django.core.management import CommandError, call_command

from audit.exports.tiles import export_log
from audit.log.entries import ENTRY_FIELDS, TRAIL_FIELDS, entry_bytes, trail_digest
from audit.models import AuditCheckpoint, AuditLog, AuditTile, AuditTrail, AuditTree
from audit.sequencing.checkpoints.signing_keys import trusted_keys
from audit.sequencing.head import HEAD_FILE
from audit.sequencing.tree import latest_checkpoint
from audit.tlog import tiles
from audit.tlog.checkpoint import open_note
from kernel.errors import Conflict
from kernel.trust.row_mac import IntegrityFailed
from tests.audit.ccverify import run
from tests.audit.exports.exporting import unbundled
from tests.audit.sequencing.log import recreate_checkpoint_keys
from tests.tampering.altering import execute, query, without_triggers
from tests.tampering.writing import Log, rotate_keys, sequence, sign

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def log(root_of_trust, settings):
    recreate_checkpoint_keys()
    log = Log(seed=3)
    for _ in range(3):
        log.change(rows=2)
        log.change(rows=0)
        log.elsewhere(1)
        log.operate(100)
        sequence()
        sign()
    log.operate(5)
    sequence()  # and not signed
    log.change(rows=1)  # and not sequenced
    yield log
    (settings.CC_HOME / HEAD_FILE).unlink(missing_ok=True)


def ccverify(folder, *arguments):
    keys = [argument for key in trusted_keys() for argument in ("--key", key.vkey)]
    return run("verify-export", folder, *keys, *arguments)


def files_of(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if not path.is_dir()
    }


def test_the_folder_holds_the_signed_log_and_nothing_after_it(log, tmp_path):
    folder, progress = tmp_path / "export", []

    summary = export_log(folder, lambda done, total: progress.append((done, total)))

    newest = latest_checkpoint()
    size = newest.size
    assert AuditTree.objects.get().size == size + 5
    assert (summary.size, summary.checkpoint) == (size, newest.note)
    assert summary.root == open_note(newest.note, trusted_keys()).root
    assert progress == [(size, size)]
    files = files_of(folder)
    bundles = [files.pop(tiles.entries_path(number, width)) for number, width in ((0, 256), (1, size - 256))]
    rows = {row["id"]: row for row in AuditLog.objects.values(*ENTRY_FIELDS)}
    assert [entry for bundle in bundles for entry in unbundled(bundle)] == [
        entry_bytes(rows[log_id]) for log_id in range(1, size + 1)
    ]
    for level, number, width in tiles.tiles_of(size):
        stored = AuditTile.objects.get(level=level, number=number).hashes
        assert files.pop(tiles.tile_path(level, number, width)) == bytes(stored)[: 32 * width]
    named = AuditTrail.objects.filter(
        event_id__in=[rows[log_id]["event_id"] for log_id in range(1, size + 1)]
    ).values(*TRAIL_FIELDS)
    lines = files.pop("trail.jsonl").splitlines()
    assert sorted(hashlib.sha256(line).hexdigest() for line in lines) == sorted(map(trail_digest, named))
    assert summary.rows == len(lines) > 5
    assert files.pop("checkpoint").decode() == newest.note
    for row in AuditCheckpoint.objects.exclude(size=size):
        assert files.pop(f"checkpoints/{row.size}").decode() == row.note
    assert files.pop("keys").decode().split() == [key.vkey for key in trusted_keys()]
    assert b"ccverify verify-export . --key" in files.pop("README")
    assert files == {}


def test_ccverify_accepts_the_export(log, tmp_path):
    rotate_keys()
    call_command("export_audit_log", str(tmp_path / "export"))
    [earlier, *_] = AuditCheckpoint.objects.order_by("size")
    (tmp_path / "earlier").write_text(earlier.note)

    done = ccverify(tmp_path / "export", "--checkpoint", str(tmp_path / "earlier"))

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Good." in done.stdout


def test_ccverify_names_an_entry_that_was_altered_before_the_export(log, tmp_path):
    log_id = 43
    with without_triggers():
        execute("UPDATE audit_logs SET actor_name = 'somebody else' WHERE id = %s", [log_id])
    export_log(tmp_path / "export")

    done = ccverify(tmp_path / "export")

    assert done.returncode == 1
    assert "42" in done.stdout


def test_only_its_owner_may_read_it(log, tmp_path):
    export_log(tmp_path / "export")

    modes = {
        path.is_dir(): stat.S_IMODE(path.stat().st_mode)
        for path in (tmp_path / "export", *(tmp_path / "export").rglob("*"))
    }
    assert modes == {True: 0o700, False: 0o600}


def test_a_folder_with_something_in_it_is_left_alone(log, tmp_path):
    (tmp_path / "file").write_text("mine")

    with pytest.raises(Conflict, match="not empty"):
        export_log(tmp_path)
    with pytest.raises(Conflict, match="not empty"):
        export_log(tmp_path / "file")

    assert files_of(tmp_path) == {"file": b"mine"}
    (tmp_path / "file").unlink()
    assert export_log(tmp_path / ".").size == latest_checkpoint().size


def test_a_log_that_no_one_signed_is_not_exported(root_of_trust, tmp_path):
    with pytest.raises(Conflict, match="no checkpoint yet"):
        export_log(tmp_path / "export")
    assert not (tmp_path / "export").exists()


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("DELETE FROM audit_logs WHERE id = 261", "index 260"),
        ("UPDATE audit_logs SET id = id + 10000 WHERE id = 8", "index 7"),
        ("DELETE FROM audit_logs WHERE id > 300", "index 300"),
        ("DELETE FROM audit_tiles WHERE level = 0 AND number = 1", "Tile/0/001"),
        ("UPDATE audit_checkpoints SET note = 'x'", "newest checkpoint"),
        (
            "UPDATE audit_logs SET count = 9007199254740993 WHERE id = (SELECT max(id) - 30 FROM audit_logs)",
            "index",
        ),
    ],
)
def test_an_export_of_an_incomplete_log_fails_and_leaves_no_file(log, tmp_path, statement, words):
    with without_triggers():
        assert execute(statement)

    with pytest.raises(IntegrityFailed, match=words):
        export_log(tmp_path / "export")

    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_export_leaves_no_file(log, tmp_path):
    def end(_done, _total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_log(tmp_path / "export", end)

    assert list(tmp_path.iterdir()) == []
    assert query("SELECT 1") == [(1,)]


def test_the_command_signs_new_entries_except_with_no_sign(log, tmp_path, capsys):
    size = latest_checkpoint().size
    call_command("export_audit_log", str(tmp_path / "old"), "--no-sign")
    assert f"{size} entries and" in capsys.readouterr().out

    call_command("export_audit_log", str(tmp_path / "new"))

    newest = latest_checkpoint()
    assert newest.size == size + 6
    assert (tmp_path / "new" / "checkpoint").read_text() == newest.note
    assert f"{newest.size} entries and" in capsys.readouterr().out


def test_the_command_shows_what_is_in_the_way(log, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(CommandError, match="not empty"):
        call_command("export_audit_log", str(tmp_path))
    with pytest.raises(CommandError, match=r"does not exist\. Create it first"):
        call_command("export_audit_log", str(tmp_path / "a" / "b"), "--no-sign")
