"""Tiles of leaves that only the archive has leave the database, too. Proofs and verification read the archive."""

from datetime import timedelta
from pathlib import Path

import pytest

from audit.archive import reading
from audit.archive.segments import name_of
from audit.errors import SegmentUnreadable
from audit.exports.tiles import export_log
from audit.log.events import Event
from audit.models import AuditCheckpoint, AuditSegment, AuditTile
from audit.sequencing.checkpoints import signing
from audit.sequencing.checkpoints.signing import thin_out_checkpoints
from audit.sequencing.checkpoints.signing_keys import trusted_keys
from audit.sequencing.head import HEAD_FILE
from audit.services import proofs
from audit.verification.findings import FindingKind
from audit.verification.fsck import verify_log
from audit.verification.heads import OutsideCheckpoint
from kernel.clock import database_now
from tests.audit.archive.archived import Everyone, archive
from tests.audit.exports.test_export import files_of
from tests.audit.sequencing.log import recreate_checkpoint_keys
from tests.audit.verification.passes import alarms, run_pass
from tests.log_entries import insert_events
from tests.tampering.writing import SYSTEM, rotate_keys, sequence, sign

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]

OPERATION = Event(action="crypto.message.encrypted", object_type="key", object_id="0")
TILES = 8  # of 256 entries, in two segments


@pytest.fixture
def thinned(root_of_trust, settings, tmp_path, monkeypatch):
    """Two segments of operations. A checkpoint ends in tile 2 and is no longer stored: its note."""
    monkeypatch.setattr(AuditSegment, "ENTRIES", 1024)
    settings.CC_AUDIT_ARCHIVE = str(tmp_path / "archive")
    (settings.CC_HOME / HEAD_FILE).unlink(missing_ok=True)
    recreate_checkpoint_keys()
    hour = (database_now() - timedelta(hours=30)).replace(minute=0)
    writer = write(700)
    note = sign_at(hour)
    write(400, writer=writer, first=701)
    sign_at(hour + timedelta(minutes=1))
    write(1100, writer=writer, first=1101)
    sign()
    assert thin_out_checkpoints() == 1
    yield OutsideCheckpoint.parse("kept", note)
    (settings.CC_HOME / HEAD_FILE).unlink(missing_ok=True)


def write(entries, **options):
    writer = insert_events([(OPERATION, SYSTEM)] * entries, at=database_now(), **options)
    sequence()
    return writer


def sign_at(moment):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signing, "database_now", lambda: moment)
        return signing.sign_checkpoint().note


def stored_tiles():
    return set(AuditTile.objects.filter(level=0).values_list("number", flat=True))


def test_the_verifier_reads_the_archive_only_for_a_head_within_a_tile(thinned, settings):
    before = stored_tiles()
    assert len(archive()) == 2
    gone = before - stored_tiles()
    assert thinned.size // 256 in gone
    assert gone < set(range(TILES))

    report = verify_log(outside=[thinned])

    assert [str(finding) for finding in report.findings] == []
    assert report.archived >= 256 * len(gone)
    assert report.checkpoints == AuditCheckpoint.objects.count() + 1
    assert not verify_log(with_archive=True).is_altered
    (Path(settings.CC_AUDIT_ARCHIVE) / name_of(0)).unlink()
    reading._leaves_of.cache_clear()
    assert set(verify_log().counts) == {FindingKind.ARCHIVE}
    assert {FindingKind.ARCHIVE, FindingKind.LEAF_MISSING} <= set(verify_log(outside=[thinned]).counts)


def test_proofs_from_a_size_within_a_removed_tile(thinned, settings):
    before = proofs.prove_consistency(reader=Everyone(), first=thinned.size)
    archive()

    assert proofs.prove_consistency(reader=Everyone(), first=thinned.size, second=before.second) == before

    (Path(settings.CC_AUDIT_ARCHIVE) / name_of(thinned.size // 1024)).unlink()
    reading._leaves_of.cache_clear()
    with pytest.raises(SegmentUnreadable):
        proofs.prove_consistency(reader=Everyone(), first=thinned.size + 2)


def test_exports_have_the_removed_tiles(thinned, tmp_path):
    export_log(tmp_path / "before")
    archive()

    export_log(tmp_path / "after")

    assert files_of(tmp_path / "after") == files_of(tmp_path / "before")


@pytest.mark.parametrize("has_removed_tile", [True, False])
def test_an_altered_hash_above_a_removed_tile_is_found(thinned, has_removed_tile):
    archive()
    run_pass()
    assert alarms() == []
    number = next(each for each in range(TILES) if (each not in stored_tiles()) == has_removed_tile)
    tile = AuditTile.objects.get(level=1, number=0)
    tile.hashes = bytes(tile.hashes[: number * 32]) + bytes(32) + bytes(tile.hashes[(number + 1) * 32 :])
    tile.save()

    assert {FindingKind.CHECKPOINT if has_removed_tile else FindingKind.TILE} <= set(verify_log().counts)
    run_pass()
    assert {kind for kind, _ in alarms()} == {"checkpoint_inconsistent"}


def test_a_missing_tile_with_an_entry_that_stays_is_found(thinned):
    archive()
    number = min(stored_tiles() & set(range(TILES)))
    AuditTile.objects.filter(level=0, number=number).delete()

    assert FindingKind.TILE in verify_log().counts


def test_keys_that_are_published_before_an_archived_tile_are_trusted_after_it(
    root_of_trust, settings, tmp_path, monkeypatch
):
    monkeypatch.setattr(AuditSegment, "ENTRIES", 1024)
    settings.CC_AUDIT_ARCHIVE = str(tmp_path / "archive")
    (settings.CC_HOME / HEAD_FILE).unlink(missing_ok=True)
    recreate_checkpoint_keys()
    former = trusted_keys()
    writer = write(100)
    rotate_keys()
    write(1500, writer=writer, first=101)
    sign()
    write(1000, writer=writer, first=1601)
    sign()
    archive()

    assert verify_log(pinned=former).findings == []
    (settings.CC_HOME / HEAD_FILE).unlink(missing_ok=True)
