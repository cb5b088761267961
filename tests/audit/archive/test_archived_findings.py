"""Damage to the archive, and rows that are missing without being archived, are found."""

import lzma
import re
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from audit.archive.segments import name_of
from audit.models import AuditAlarm, AuditLog, AuditSegment, AuditTile
from audit.sequencing.checkpoints.signing_keys import trusted_keys
from audit.sequencing.tree import latest_checkpoint
from audit.verification.findings import FindingKind
from audit.verification.fsck import verify_log
from tests.audit.archive.archived import ENTRIES, archive
from tests.audit.ccverify import run
from tests.audit.verification.passes import alarms, run_pass
from tests.tampering.altering import execute, query, without_triggers
from tests.tampering.writing import sequence, sign

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def archived(log):
    archive()
    sequence()
    sign()
    return log


def kinds(**options):
    return set(verify_log(**options).counts)


def test_a_pass_needs_no_rows_of_archived_entries_and_finds_missing_ones_that_stayed(archived):
    run_pass()
    assert alarms() == []
    with without_triggers():
        [(kept,)] = query(f"SELECT max(id) FROM audit_logs WHERE id <= {ENTRIES}")  # noqa: S608 - constants
        assert execute("DELETE FROM audit_logs WHERE id = %s", [kept])
    run_pass()
    assert alarms() == [("entry_missing", kept)]


@pytest.mark.parametrize("condition", ["substr(action, 1, 7) <> 'crypto.'", "outcome = 'denied'"])
def test_a_missing_row_that_should_have_stayed_is_found(archived, condition):
    with without_triggers():
        assert execute(
            f"DELETE FROM audit_logs WHERE id IN (SELECT max(id) FROM audit_logs WHERE id <= {ENTRIES} AND {condition})"  # noqa: S608
        )

    assert {FindingKind.ENTRY_MISSING, FindingKind.SEQUENCE_GAP} <= kinds()


def test_a_missing_row_after_the_archive_is_found(archived):
    with without_triggers():
        assert execute("DELETE FROM audit_logs WHERE id = (SELECT max(id) - 4 FROM audit_logs)")

    assert FindingKind.ENTRY_MISSING in kinds()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_segments SET last_id = last_id + 1 WHERE number = 1",
        "DELETE FROM audit_segments WHERE number = 1",
        "UPDATE audit_segments SET kept = (SELECT kept FROM audit_segments WHERE number = 0) WHERE number = 1",
    ],
)
def test_an_altered_segment_permits_no_missing_rows(archived, statement):
    with without_triggers():
        assert execute(statement)

    assert {FindingKind.ENTRY_MISSING, FindingKind.SEQUENCE_GAP, FindingKind.ARCHIVE} <= kinds()


def test_an_altered_and_a_missing_file_are_found(archived, settings):
    folder = Path(settings.CC_AUDIT_ARCHIVE)
    path = folder / name_of(0)
    path.write_bytes(path.read_bytes()[:-1])
    (folder / name_of(2)).unlink()

    report = verify_log()

    assert dict(report.counts) == {FindingKind.ARCHIVE: 2}
    assert [(each.first, each.last) for each in report.findings] == [
        (0, ENTRIES - 1),
        (2 * ENTRIES, 3 * ENTRIES - 1),
    ]


def test_an_altered_tile_of_archived_entries_is_found(archived):
    tile = AuditTile.objects.get(level=0, number=0)
    place = next(place for place in range(ENTRIES) if not AuditLog.objects.filter(id=place + 1).exists())
    tile.hashes = bytes(tile.hashes[: place * 32]) + bytes(32) + bytes(tile.hashes[place * 32 + 32 :])
    tile.save()

    assert {FindingKind.TILE, FindingKind.CHECKPOINT} <= kinds()


def test_a_row_in_audit_removals_is_found(archived):
    execute("INSERT INTO audit_removals (segment) VALUES (0)")

    assert FindingKind.ARCHIVE in kinds()


def file_of(settings):
    return Path(settings.CC_AUDIT_ARCHIVE) / name_of(0)


def verify_file(path, *options):
    keys = [argument for key in trusted_keys() for argument in ("--key", key.vkey)]
    return run("verify-segment", path, *keys, *options)


def rewritten(path, change):
    lines = lzma.decompress(path.read_bytes()).split(b"\n")
    path.write_bytes(lzma.compress(b"\n".join(change(lines))))
    return path


def test_ccverify_accepts_a_segment_alone(archived, settings):
    for segment in AuditSegment.objects.all():
        verdict = verify_file(Path(settings.CC_AUDIT_ARCHIVE) / name_of(segment.number))
        assert verdict.returncode == 0, verdict.stdout
        assert (
            f"entries of segment {segment.number}, from index {segment.number * ENTRIES} on" in verdict.stdout
        )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda lines: [lines[0], *lines[2:]], "is no segment|no entry"),
        (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], "has other entries"),
        (
            lambda lines: [lines[0], lines[1].replace(b'"outcome":"ok"', b'"outcome":"OK"'), *lines[2:]],
            "has other entries",
        ),
        (lambda lines: [lines[0], lines[1] + b" ", *lines[2:]], "no entry of version"),
        (lambda lines: [*lines[:-2], b""], "has other changed rows"),
        (lambda lines: [*lines[:-1], lines[-2], b""], "has other changed rows"),
        (
            lambda lines: [lines[0].replace(b'"entries":64', b'"entries":32'), *lines[1:]],
            "has other|no segment",
        ),
    ],
)
def test_ccverify_refuses_a_changed_segment(archived, settings, change, words):
    verdict = verify_file(rewritten(Path(settings.CC_AUDIT_ARCHIVE) / name_of(0), change))

    assert verdict.returncode == 1
    assert re.search(words, verdict.stdout), verdict.stdout


def test_ccverify_compares_a_checkpoint_from_before_and_from_after_the_archiving(log, settings, tmp_path):
    former = latest_checkpoint().note
    log.operate(1)
    sequence()
    sign()
    archive()
    log.operate(1)
    sequence()
    sign()
    for number, note in enumerate((former, latest_checkpoint().note)):
        (tmp_path / f"checkpoint-{number}").write_text(note)

        verdict = verify_file(file_of(settings), "--checkpoint", tmp_path / f"checkpoint-{number}")

        assert verdict.returncode == 0, verdict.stdout
        assert "is of the same log" in verdict.stdout


def test_an_archive_that_is_out_of_reach_is_not_an_alteration(archived, settings):
    before = AuditAlarm.objects.count()
    settings.CC_AUDIT_ARCHIVE = f"{settings.CC_AUDIT_ARCHIVE}-not-mounted"

    with pytest.raises(CommandError, match="There is no such folder") as failure:
        call_command("verify_audit_log")

    assert failure.value.returncode == 2
    assert AuditAlarm.objects.count() == before


def test_ccverify_refuses_a_file_that_was_cut_off(archived, settings):
    path = Path(settings.CC_AUDIT_ARCHIVE) / name_of(0)
    path.write_bytes(path.read_bytes()[:-40])

    verdict = verify_file(path)

    assert verdict.returncode == 1
    assert "cut off" in verdict.stdout
