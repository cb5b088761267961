"""An attacker writes to the database and to the folder of the archive, without the key-encryption key."""

import json
import lzma
import os
import resource
import threading
from pathlib import Path

import pytest
from django.db import connections

from audit import actions
from audit.archive import archiving
from audit.archive.places import Folder
from audit.archive.reading import SegmentUnreadable
from audit.archive.segments import Segment, name_of
from audit.log.events import Event
from audit.models import AuditBundle, AuditExport, AuditLog, AuditSegment, AuditTile
from audit.verification.findings import FindingKind
from audit.verification.fsck import verify_log
from kernel.clock import database_now
from kernel.errors import Conflict
from kernel.trust.row_mac import IntegrityFailed
from tests.audit.archive.archived import ENTRIES, archive
from tests.audit.archive.test_archived_exports import keys
from tests.audit.ccverify import run
from tests.audit.exports.exporting import exported
from tests.log_entries import insert_events
from tests.tampering.altering import execute, without_triggers
from tests.tampering.writing import SYSTEM, sequence, sign

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]

OPERATION = Event(action="crypto.message.encrypted", object_type="key", object_id="0")


def kinds(**options):
    return set(verify_log(**options).counts)


def file_of(settings, number=0):
    return Path(settings.CC_AUDIT_ARCHIVE) / name_of(number)


def first_removed(before):
    """The columns of the first row of these that the database no longer has."""
    left = set(AuditLog.objects.values_list("id", flat=True))
    return next(row for log_id, row in before.items() if log_id not in left)


def sequence_and_sign():
    sequence()
    sign()


def rows():
    return {row["id"]: row for row in AuditLog.objects.values()}


# --- rows of segments and bundles


def test_a_replayed_bundle_is_found_after_the_segments_look_like_before(log):
    writer = insert_events([(OPERATION, SYSTEM)] * 20, at=database_now())
    bundle = AuditBundle.objects.filter(writer=writer).values().get()
    insert_events([(OPERATION, SYSTEM)] * ENTRIES, at=database_now(), writer=writer, first=21)
    sequence_and_sign()
    archive()
    assert not AuditLog.objects.filter(writer=writer, wseq__lte=20).exists()
    segments_before = list(AuditSegment.objects.values())
    AuditSegment.objects.all().delete()
    AuditBundle.objects.create(**bundle)
    sequence_and_sign()
    AuditSegment.objects.bulk_create([AuditSegment(**row) for row in segments_before])
    replayed = AuditLog.objects.filter(writer=writer, wseq__lte=20)
    assert replayed.count() == 20  # they are in the tree a second time

    report = verify_log()

    assert dict(report.counts) == {FindingKind.ARCHIVE: 20}
    assert {each.log_id for each in report.findings} == set(replayed.values_list("id", flat=True))


def test_a_removed_row_that_is_there_again_is_found_and_exported_once(log, auditor):
    before = rows()
    archive()
    row = first_removed(before)
    with without_triggers():
        AuditLog.objects.bulk_create([AuditLog(**row)])

    [finding] = verify_log().findings
    content, _ = exported(auditor)

    assert finding.kind == FindingKind.ARCHIVE
    assert finding.log_id == row["id"]
    assert [json.loads(line)["id"] for line in content.splitlines()].count(row["id"]) == 1


@pytest.mark.parametrize("column", ["request_id", "user_agent"])
def test_an_altered_row_hides_no_archived_entry_from_an_export(log, auditor, column):
    before = rows()
    archive()
    row = first_removed(before)
    AuditExport.objects.all().delete()
    with without_triggers():
        AuditLog.objects.bulk_create([AuditLog(**row | {column: "smuggled"})])

    content, described = exported(auditor, request_id=row["request_id"])

    verified = [json.loads(line) for line in content.splitlines()]
    assert row["id"] in [entry["id"] for entry in verified if entry["integrity"] == "verified"]
    assert described["altered"] == (column != "request_id")


def test_an_older_row_of_a_segment_removes_nothing_that_stays(log):
    calls = iter([False] * 3)
    archive(is_stopping=lambda: next(calls, True))
    older = AuditSegment.objects.values().first()
    archive()
    left = rows().keys()
    AuditSegment.objects.filter(number=older["number"]).update(**older)

    with pytest.raises(IntegrityFailed):
        archive()

    assert rows().keys() >= left
    assert kinds() == set()


def test_a_foreign_segment_stops_the_archive(log):
    archive()
    copy = AuditSegment.objects.values().first()
    AuditSegment.objects.create(**copy | {"number": 10**9})

    with pytest.raises(IntegrityFailed):
        archive()
    assert kinds() == {FindingKind.ROW}


def test_an_altered_changed_row_is_not_archived(log):
    before = rows()
    with without_triggers():
        assert execute(
            "UPDATE audit_trail SET record_id = 'smuggled' WHERE id = (SELECT min(id) FROM audit_trail)"
        )

    with pytest.raises(IntegrityFailed, match="changed row"):
        archive()

    assert rows().keys() == before.keys()


def test_an_altered_tile_below_the_segment_is_not_archived(log):
    """The proof in the file has the hashes of all levels."""
    tile = AuditTile.objects.get(level=0, number=0)
    tile.hashes = bytes(tile.hashes[:32]) + bytes(32) + bytes(tile.hashes[64:])
    tile.save()

    with pytest.raises(IntegrityFailed):
        archive()
    assert not AuditSegment.objects.exists()


# --- files


def killed_after_the_file(monkeypatch):
    def end(*_arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(archiving, "_record", end)
        with pytest.raises(KeyboardInterrupt):
            archive()


def rewrite(path, change):
    path.write_bytes(lzma.compress(change(lzma.decompress(path.read_bytes())), preset=0))


OTHER_CONTENTS = [
    lambda content: content.replace(b"index 0", b"index 1", 1),
    lambda content: content.replace(b'"entries":64', b'"entries":32', 1),
    lambda content: content.replace(b'"segment":0', b'"segment":1', 1),
    lambda content: b"[" * 10_000 + content[content.index(b"\n") :],
    lambda content: content.replace("— ".encode(), "— x".encode()),  # the names of signers
    lambda content: content + b"\n",
    lambda content: content.replace(b"0", b"1"),
]
OTHER_FILES = [
    lambda octets: octets + octets,
    lambda octets: octets[:-1],
    lambda octets: lzma.compress(lzma.decompress(octets), filters=GREEDY),
]
GREEDY = [{"id": lzma.FILTER_LZMA2, "dict_size": 2**30}]


def test_another_file_is_not_adopted(log, settings, monkeypatch):
    killed_after_the_file(monkeypatch)
    path = file_of(settings)
    octets = path.read_bytes()
    content = lzma.decompress(octets)

    for other in [
        *(lzma.compress(change(content)) for change in OTHER_CONTENTS),
        *(change(octets) for change in OTHER_FILES),
    ]:
        path.write_bytes(other)
        with pytest.raises(Conflict, match="another file"):
            archive()
    assert not AuditSegment.objects.exists()


def test_a_bomb_is_not_decompressed(log, settings, monkeypatch):
    killed_after_the_file(monkeypatch)
    compressor = lzma.LZMACompressor(preset=0)
    zeros = bytes(2**24)
    file_of(settings).write_bytes(
        b"".join(compressor.compress(zeros) for _ in range(30)) + compressor.flush()
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with pytest.raises(Conflict, match="another file"):
        archive()

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024  # KiB, of 480 MiB


def test_only_files_of_a_possible_size_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr("audit.archive.places.MOST_FILE_BYTES", 10)
    folder = Folder(tmp_path)
    (tmp_path / "good").write_bytes(bytes(10))
    (tmp_path / "long").write_bytes(bytes(11))
    (tmp_path / "link").symlink_to(tmp_path / "good")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")

    assert folder.read("good").content == bytes(10)
    for name in ("long", "link", "folder", "pipe"):
        with pytest.raises(OSError):  # noqa: PT011 - each has a reason of its own
            folder.read(name)


def test_rows_stay_while_their_file_is_missing_or_altered(log, settings):
    calls = iter([False])
    archive(is_stopping=lambda: next(calls, True))
    left, path = rows().keys(), file_of(settings)
    octets = path.read_bytes()

    for damage, error in (
        (path.unlink, SegmentUnreadable),
        (lambda: path.write_bytes(b"x"), IntegrityFailed),
    ):
        damage()
        with pytest.raises(error):
            archive()
        assert rows().keys() == left
    path.write_bytes(octets)
    archive()
    assert rows().keys() < left


def test_leftovers_of_killed_processes_are_removed(log, settings):
    leftover = Path(settings.CC_AUDIT_ARCHIVE) / ".unfinished-x"
    leftover.parent.mkdir()
    leftover.touch()
    os.utime(leftover, (0, 0))

    archive()

    assert not leftover.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda content: content + b"{}\n", "changed rows of segment 0"),
        (lambda content: content[:-1], "segment 0: the file is incomplete"),
        (lambda content: content.replace(b'"outcome":"ok"', b'"outcome":"no"'), "are not those of the tree"),
    ],
)
def test_a_segment_that_was_written_wrong_is_found(log, monkeypatch, content, words):
    """The row of the segment has the digest of the file."""
    with monkeypatch.context() as patch:
        patch.setattr(Segment, "encode", lambda each: lzma.compress(content(each.content), preset=0))
        archive()

    assert verify_log().findings == []
    assert words in str(verify_log(with_archive=True).findings[0])


# --- two processes


def test_a_segment_that_another_process_archives_meanwhile_raises_no_alarm(log, monkeypatch):
    """It has removed rows when this process reads the segment."""
    number = archiving._next_number

    def overtaken():
        found = number()
        monkeypatch.setattr(archiving, "_next_number", number)
        thread = threading.Thread(target=archive_and_leave)
        thread.start()
        thread.join()
        return found

    monkeypatch.setattr(archiving, "_next_number", overtaken)

    archive()

    assert kinds(with_archive=True) == set()
    assert AuditSegment.objects.filter(removed_at=None).count() == 0
    sequence()
    recorded = AuditLog.objects.filter(action=actions.SEGMENT_ARCHIVED).values_list("object_id", flat=True)
    assert sorted(recorded, key=int) == [str(each.number) for each in AuditSegment.objects.order_by("number")]


def archive_and_leave():
    archive()
    connections.close_all()


# --- files of strangers, which an auditor verifies


def test_ccverify_refuses_impossible_numbers_of_entries(log, settings):
    archive()
    path = file_of(settings)
    octets = path.read_bytes()
    for count in (b"1e400", b"131072", b"0", b"3", b"-1", b'"64"', b"null", b"true"):
        path.write_bytes(octets)
        rewrite(path, lambda content, count=count: content.replace(b'"entries":64', b'"entries":' + count, 1))

        verdict = run("verify-segment", path, *keys())

        assert verdict.returncode == 1, verdict.stderr


def test_ccverify_reads_no_more_rows_than_the_entries_name(log, settings):
    archive()
    path = file_of(settings)
    rewrite(path, lambda content: content + b"\n" * 2**26)

    verdict = run("verify-segment", path, *keys())

    assert verdict.returncode == 1
    assert "other changed rows" in verdict.stdout
