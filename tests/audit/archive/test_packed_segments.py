"""Segments of a log in which entries share rows."""

import pytest

from audit.archive import removing
from audit.exports.tiles import export_log
from audit.models import AuditLog
from audit.verification.fsck import verify_log
from tests.audit.archive.archived import ENTRIES, archive, write_log
from tests.audit.exports.test_export import files_of

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def packed(short_segments, settings):
    write_log(settings, alike=6)
    assert AuditLog.objects.exclude(entries=None).count() > 10


def test_shared_rows_are_archived_and_every_entry_is_verified_and_exported(packed, tmp_path, monkeypatch):
    for step in ("_STEP", "_STEP_ON_SQLITE"):
        monkeypatch.setattr(removing, step, 7)  # a step ends within a row
    export_log(tmp_path / "before")
    entries, packed_rows = AuditLog.objects.count_entries(), AuditLog.objects.exclude(entries=None).count()

    assert len(archive()) == entries // ENTRIES

    assert AuditLog.objects.exclude(entries=None).count() < packed_rows / 2
    for with_archive in (False, True):
        report = verify_log(with_archive=with_archive)
        assert (report.is_altered, report.archived) == (
            False,
            report.size - AuditLog.objects.filter(id__lte=report.size).count_entries(),
        )
    export_log(tmp_path / "after")
    before, after = files_of(tmp_path / "before"), files_of(tmp_path / "after")
    same = {name for name in before if name.startswith(("tile/entries/000", "trail")) and ".p/" not in name}
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
