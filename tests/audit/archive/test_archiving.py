"""Archiving moves old successful operations to files. Everything still verifies, whenever the process is killed."""

import hashlib
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from audit import actions
from audit.archive import archiving
from audit.archive.segments import name_of
from audit.errors import SegmentUnreadable
from audit.log.events import Event
from audit.models import (
    AuditAlarm,
    AuditCheckpoint,
    AuditLog,
    AuditRemoval,
    AuditSegment,
    AuditTree,
)
from audit.sequencing.alarms import AlarmKind
from audit.services import proofs
from audit.verification.fsck import verify_log
from kernel.clock import database_now
from kernel.errors import Conflict
from kernel.trust.row_mac import IntegrityFailed
from tests.audit.archive.archived import ENTRIES, Everyone, all_rows, archive
from tests.clocks import travel
from tests.log_entries import insert_events
from tests.tampering.altering import execute, without_triggers
from tests.tampering.writing import SYSTEM, sequence, sign

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


OPERATION = Event(action="crypto.message.encrypted", object_type="key", object_id="0")


def findings(**options):
    return [str(finding) for finding in verify_log(**options).findings]


def test_only_successful_operations_leave_the_database(log):
    before = all_rows()

    segments = archive()

    after = all_rows()
    gone = [row for log_id, row in before.items() if log_id not in after]
    assert len(segments) == len(before) // ENTRIES
    assert len(gone) > len(before) / 4
    assert all(row["action"].startswith("crypto.") and row["outcome"] == "ok" for row in gone)
    assert not AuditRemoval.objects.exists()
    sequence()
    recorded = AuditLog.objects.filter(action=actions.SEGMENT_ARCHIVED).order_by("id")
    assert list(recorded.values_list("object_type", "object_id", "size")) == [
        ("audit_segment", str(each.number), each.size) for each in segments
    ]


def test_the_log_verifies_with_and_without_the_entries_of_the_archive(log):
    before = len(all_rows())
    archive()
    gone = before - len(all_rows())
    sequence()
    sign()

    report = verify_log()

    assert [str(finding) for finding in report.findings] == []
    assert report.archived == gone
    assert findings(with_archive=True) == []


def test_entries_that_stay_keep_their_proofs(log):
    archive()

    for entry in AuditLog.objects.all():
        assert proofs.prove_entry(entry).leaf_hash
    assert proofs.prove_consistency(reader=Everyone(), first=70).hashes


def test_a_segment_with_a_younger_entry_is_not_archived(log, monkeypatch):
    last = AuditLog.objects.order_by("id")[ENTRIES - 1].timestamp

    assert archiving.archive_log(before=last, actor=SYSTEM) == []
    [segment] = archiving.archive_log(before=last + timedelta(microseconds=1), actor=SYSTEM)
    assert segment.last_at == last


def test_a_segment_is_as_old_as_its_youngest_entry(log):
    now = database_now()
    first = AuditTree.objects.get().size // ENTRIES
    for ahead in (30, 0):  # the clock of the database was set back
        insert_events([(OPERATION, SYSTEM)] * 2 * ENTRIES, at=now + timedelta(minutes=ahead))
    sequence()
    sign()

    segments = archiving.archive_log(before=now + timedelta(minutes=10), actor=SYSTEM)

    assert len(segments) == first


def test_a_segment_that_ends_with_the_checkpoint_is_archived(log):
    size = AuditTree.objects.get().size
    insert_events([(OPERATION, SYSTEM)] * (-size % ENTRIES), at=database_now())
    sequence()
    sign()

    assert len(archive()) == size // ENTRIES + 1


def test_without_a_checkpoint_nothing_is_archived(log):
    with without_triggers():
        AuditCheckpoint.objects.all().delete()

    assert archive() == []


@pytest.mark.parametrize(("old", "number"), [(0, 0), (ENTRIES, 1), (ENTRIES + 1, 2)])
def test_no_segment_has_entries_of_the_first_era(log, old, number):
    AuditTree.objects.update(old_size=old)

    assert archiving._next_number() == number


def test_a_missing_entry_is_not_archived(log):
    with without_triggers():
        AuditLog.objects.get(id=5).delete()

    with pytest.raises(IntegrityFailed, match="missing"):
        archive()


def test_only_whole_signed_segments_are_archived(log):
    log.operate(2 * ENTRIES)
    sequence()  # and not signed

    signed = proofs.find_checkpoint(reader=Everyone()).row.size
    assert len(archive()) == signed // ENTRIES


def test_without_a_place_nothing_is_archived(log, settings):
    settings.CC_AUDIT_ARCHIVE = ""

    with pytest.raises(Conflict, match="CC_AUDIT_ARCHIVE"):
        archive()


def test_an_altered_entry_is_not_archived(log):
    before = all_rows()
    with without_triggers():
        assert execute("UPDATE audit_logs SET client_ip = '192.0.2.77' WHERE id = %s", [min(before) + 5])

    with pytest.raises(IntegrityFailed):
        archive()

    assert all_rows().keys() == before.keys()
    assert not AuditSegment.objects.exists()


def test_a_file_of_a_killed_process_is_adopted_although_its_proof_is_older(log, settings, monkeypatch):
    def end(*_arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(archiving, "_record", end)
        with pytest.raises(KeyboardInterrupt):
            archive()
    path = Path(settings.CC_AUDIT_ARCHIVE) / name_of(0)
    octets = path.read_bytes()
    log.operate(1)
    sequence()
    sign()

    segments = archive()

    assert segments[0].sha256 == hashlib.sha256(octets).hexdigest()
    assert path.read_bytes() == octets
    assert findings(with_archive=True) == []


def test_without_the_newest_file_nothing_more_is_archived(log, settings):
    """Another disk may be mounted, or none."""
    archive(most=1)
    path = Path(settings.CC_AUDIT_ARCHIVE) / name_of(0)
    path.rename(path.with_suffix(".moved"))

    with pytest.raises(SegmentUnreadable, match=path.name):
        archive()

    assert AuditSegment.objects.count() == 1


def test_the_folder_is_created_without_its_parents_and_keeps_its_mode(log, settings):
    folder = Path(settings.CC_AUDIT_ARCHIVE)
    settings.CC_AUDIT_ARCHIVE = str(folder / "absent" / "archive")
    with pytest.raises(FileNotFoundError):
        archive()
    settings.CC_AUDIT_ARCHIVE = str(folder)
    archive(most=1)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o750)

    archive()

    assert stat.S_IMODE(folder.stat().st_mode) == 0o750
    assert {stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()} == {0o600}


def test_another_file_in_the_way_is_not_replaced(log, settings):
    path = Path(settings.CC_AUDIT_ARCHIVE) / name_of(0)
    path.parent.mkdir()
    path.write_bytes(b"of another log")

    with pytest.raises(Conflict, match=path.name):
        archive()

    assert path.read_bytes() == b"of another log"
    assert not AuditSegment.objects.exists()


def test_the_command_archives_and_reports(log, capsys):
    call_command("archive_audit_log", "--older-than", "0d")

    assert capsys.readouterr().out == f"{len(AuditSegment.objects.all())} segments archived\n"


@pytest.mark.parametrize("age", ["400", "-1d", "400h", "d"])
def test_an_age_is_a_number_of_days(root_of_trust, age):
    with pytest.raises(CommandError, match="number of days"):
        call_command("archive_audit_log", f"--older-than={age}")


def test_the_schedule_archives_one_segment_at_a_time(log, settings):
    with travel(database_now() + timedelta(days=401)):
        archiving.archive_due_segment()
        assert not AuditSegment.objects.exists()  # without CC_AUDIT_ARCHIVE_DAYS
        settings.CC_AUDIT_ARCHIVE_DAYS = 402
        archiving.archive_due_segment()
        assert not AuditSegment.objects.exists()  # nothing is so old
        settings.CC_AUDIT_ARCHIVE_DAYS = 400
        archiving.archive_due_segment()
        archiving.archive_due_segment()

    assert list(AuditSegment.objects.values_list("number", flat=True)) == [1, 0]


def test_the_schedule_raises_an_alarm_about_altered_entries(log, settings):
    settings.CC_AUDIT_ARCHIVE_DAYS = 400
    with without_triggers():
        assert execute("UPDATE audit_logs SET client_ip = '192.0.2.77' WHERE id = 5")

    with travel(database_now() + timedelta(days=401)), pytest.raises(IntegrityFailed):
        archiving.archive_due_segment()

    assert AuditAlarm.objects.filter(kind=AlarmKind.INTEGRITY_FAILED).exists()
