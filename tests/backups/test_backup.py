"""A backup is complete, signed and private, or it does not exist."""

import contextlib
import errno
import gzip
import hashlib
import json
import shutil
import stat
import threading

import msgspec
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction

from audit import actions
from audit.errors import AuditUnavailable
from audit.models import AuditLog
from audit.sequencing.checkpoints.signing_keys import trusted_keys
from audit.sequencing.tree import latest_checkpoint
from audit.services.reading import last_done
from backups import writing
from backups.manifest import read_manifest
from backups.writing import back_up
from kernel import __version__
from kernel.errors import Conflict, Invalid
from kernel.trust import kek
from kernel.trust.row_mac import IntegrityFailed
from tests.audit.sequencing.log import altered
from tests.backups.conftest import ACTOR
from tests.backups.databases import rows_of, tables
from tests.log_entries import log_rows, record
from tests.tampering.writing import Log, sequence

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def backup(log, tmp_path):
    back_up(tmp_path / "backup", actor=ACTOR)
    return tmp_path / "backup"


def test_it_has_every_table_and_is_readable_for_its_owner_only(log, tmp_path, capsys):
    before = log_rows().count()
    assert last_done(action=actions.BACKUP_CREATED) is None
    folder = tmp_path / "backup"
    folder.mkdir(mode=0o755)

    call_command("backup", str(folder))

    signed = read_manifest(folder, trusted_keys()[-2:])
    manifest = signed.manifest
    assert {table.name for table in manifest.tables} == set(tables())
    assert {path.name for path in folder.iterdir()} == {
        "manifest.json",
        "manifest.sig",
        *(table.file for table in manifest.tables),
    }
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert rows_of(folder)["audit_logs"].total() == before
    assert manifest.checkpoint == latest_checkpoint().note
    assert manifest.database == connection.vendor
    entry = log_rows().get(action=actions.BACKUP_CREATED)
    assert json.loads(entry.meta)["manifest_sha256"] == signed.digest
    assert last_done(action=actions.BACKUP_CREATED) == entry.timestamp
    assert signed.digest in capsys.readouterr().out


def test_it_never_contains_a_key_encryption_key(backup):
    [key_file] = kek.ring_files()
    text = key_file.read_text().strip()
    assert not any(text in str(rows) for rows in rows_of(backup).values())


def flipped(path):
    octets = bytearray(path.read_bytes())
    octets[len(octets) // 2] ^= 1
    path.write_bytes(octets)


def truncated(path):
    path.write_bytes(path.read_bytes()[:-1])


def with_another_digest(folder):
    """Alter a file, and its line of the manifest, which is no longer the signed one."""
    flipped(folder / "users.copy.gz")
    octets = (folder / "users.copy.gz").read_bytes()
    manifest = json.loads((folder / "manifest.json").read_bytes())
    [table] = [table for table in manifest["tables"] if table["name"] == "users"]
    table["sha256"] = hashlib.sha256(octets).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def with_one_signature(folder):
    signatures = json.loads((folder / "manifest.sig").read_bytes())
    signatures.pop(next(iter(signatures)))
    (folder / "manifest.sig").write_text(json.dumps(signatures))


ALTERATIONS = {
    "a file is altered": lambda folder: flipped(folder / "audit_logs.copy.gz"),
    "a file is truncated": lambda folder: truncated(folder / "audit_logs.copy.gz"),
    "a file is missing": lambda folder: (folder / "users.copy.gz").unlink(),
    "a file was exchanged": lambda folder: shutil.copy(folder / "users.copy.gz", folder / "instance.copy.gz"),
    "a file and its digest are altered": with_another_digest,
    "the manifest is altered": lambda folder: flipped(folder / "manifest.json"),
    "the manifest is truncated": lambda folder: truncated(folder / "manifest.json"),
    "the manifest is missing": lambda folder: (folder / "manifest.json").unlink(),
    "the signatures are altered": lambda folder: flipped(folder / "manifest.sig"),
    "a signature is missing": with_one_signature,
    "no signature is left": lambda folder: (folder / "manifest.sig").write_text("{}"),
}


def test_an_altered_backup_is_refused_before_the_database_is_opened(backup, tmp_path, django_db_blocker):
    accepted = []
    for name, alter in ALTERATIONS.items():
        copy = shutil.copytree(backup, tmp_path / name)
        alter(copy)
        with django_db_blocker.block(), contextlib.suppress(Invalid):
            read_manifest(copy)
            accepted.append(name)
    assert accepted == []
    read_manifest(backup, trusted_keys()[-2:])
    with pytest.raises(Invalid, match="not signed by trusted keys"):
        read_manifest(backup, trusted_keys()[:2])  # retired since


def test_nothing_is_restored_over_existing_tables(backup):
    with pytest.raises(CommandError, match="already has tables"):
        call_command("restore", str(backup))


def test_a_backup_of_a_newer_version_is_refused(log, tmp_path):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('keys', '9999_later', '2027-01-01 00:00:00')"
        )
    back_up(tmp_path / "backup", actor=ACTOR)
    with pytest.raises(
        CommandError,
        match=rf"made by version {__version__}, and has the migration keys 9999_later that this version lacks",
    ):
        call_command("restore", str(tmp_path / "backup"))
    altered("DELETE FROM django_migrations WHERE name = '9999_later'")


def test_an_existing_folder_is_refused(log, tmp_path):
    (tmp_path / "backup").mkdir()
    (tmp_path / "backup" / "notes").touch()
    with pytest.raises(CommandError, match="not empty"):
        call_command("backup", str(tmp_path / "backup"))


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (OSError(errno.EACCES, "Permission denied", "/backups"), "/backups: Permission denied"),
    ],
)
def test_an_error_of_the_disk_is_one_line(log, tmp_path, monkeypatch, error, line):
    def fail(*_arguments, **_options):
        raise error

    monkeypatch.setattr(gzip.GzipFile, "write", fail)
    with pytest.raises(CommandError) as raised:
        call_command("backup", str(tmp_path / "backup"))
    assert str(raised.value) == line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("reason", [AuditUnavailable, KeyboardInterrupt])
def test_a_complete_backup_without_its_record_is_reported(reason, log, tmp_path, monkeypatch):
    def fail(*_arguments, **_options):
        raise reason

    monkeypatch.setattr(writing, "record_alone", fail)
    with pytest.raises(CommandError, match=r"backup is complete, but the audit log does not record it"):
        call_command("backup", str(tmp_path / "backup"))
    read_manifest(tmp_path / "backup", trusted_keys()[-2:])


def test_an_interrupted_backup_leaves_nothing(log, tmp_path):
    def interrupt(done, _total):
        if done > 50:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(tmp_path / "backup", actor=ACTOR, progress=interrupt)
    assert list(tmp_path.iterdir()) == []
    assert not log_rows().filter(action=actions.BACKUP_CREATED).exists()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL stores no such value")
def test_a_value_that_the_application_never_writes_is_refused(log, tmp_path):
    for column, value in (("actor_name", "x'00'"), ("actor_name", "CAST(x'ff' AS TEXT)"), ("count", "1.5")):
        altered(f"UPDATE audit_logs SET {column} = {value} WHERE id = (SELECT min(id) FROM audit_logs)")  # noqa: S608 - constants
        with pytest.raises(IntegrityFailed, match="A row of audit_logs"):
            back_up(tmp_path / "backup", actor=ACTOR)
        assert list(tmp_path.iterdir()) == []


def test_a_backup_beside_writers_has_each_entry_with_its_leaf_or_waiting_for_it(log, tmp_path):
    stopped = threading.Event()

    def write(seed):
        writing = Log(seed)
        while not stopped.is_set():
            with transaction.atomic():
                record(writing.event(), ACTOR, changes=[writing.row_change()])
        connections.close_all()

    threads = [threading.Thread(target=write, args=[seed]) for seed in range(3)]
    for thread in threads:
        thread.start()
    try:
        for number in range(2):
            sequence(steps=1)
            back_up(tmp_path / str(number), actor=ACTOR)
    finally:
        stopped.set()
        for thread in threads:
            thread.join()

    sizes = []
    for number in range(2):
        rows = rows_of(tmp_path / str(number))
        entries = AuditLog._meta.get_field("entries")
        place = AuditLog._meta.concrete_fields.index(entries)
        numbers = [row[place] for row in rows["audit_logs"]]
        size = sum(int(number) if str(number).isdigit() else 1 for number in numbers)
        [tree] = rows["audit_tree"]
        assert size == int(tree[1])
        sizes.append(size)
    assert sizes == sorted(set(sizes))


# --- the key-encryption keys


def test_the_ring_is_copied_apart_and_on_record(log, tmp_path, capsys):
    [key_file] = kek.ring_files()
    call_command("backup_kek", str(tmp_path / "ring"))

    [copied] = (tmp_path / "ring").iterdir()
    assert (copied.name, copied.read_bytes()) == (key_file.name, key_file.read_bytes())
    assert stat.S_IMODE(copied.stat().st_mode) == 0o600
    kek_id = key_file.stem.removeprefix("kek-")
    assert json.loads(log_rows().get(action=actions.KEK_COPIED).meta) == {"kek_ids": [kek_id]}
    assert kek_id in capsys.readouterr().out


def test_keys_of_the_environment_are_copied_as_files(log, tmp_path, monkeypatch):
    [key_file] = kek.ring_files()
    kek_id, text = key_file.stem.removeprefix("kek-"), key_file.read_text().strip()
    monkeypatch.setattr(settings, "CC_KEK", [f"{kek_id}:{text}"])
    monkeypatch.setattr(kek, "ring_files", list)
    call_command("backup_kek", str(tmp_path / "ring"))
    assert (tmp_path / "ring" / key_file.name).read_text() == f"{text}\n"


def test_backup_and_key_are_never_side_by_side(backup, tmp_path):
    for folder in (tmp_path / "ring", backup / "ring", settings.CC_HOME / "ring"):
        with pytest.raises(CommandError, match=r"contains a backup|inside the data folder"):
            call_command("backup_kek", str(folder))
        assert not folder.exists()
    with pytest.raises(Conflict, match="contains a key-encryption key"):
        back_up(settings.CC_HOME / "backup", actor=ACTOR)


def test_the_manifest_refuses_a_name_that_is_no_table(backup):
    octets = (backup / "manifest.json").read_bytes()
    for name in ("../users", "users\n", "Users", ""):
        (backup / "manifest.json").write_bytes(octets.replace(b'"users"', msgspec.json.encode(name)))
        with pytest.raises(Invalid, match="malformed"):
            read_manifest(backup)
