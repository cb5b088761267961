"""Archiving moves old successful operations to files, and everything still verifies."""

import pytest

from audit.models import AuditLog, AuditSegment
from audit.verification.fsck import verify_log
from tests.audit.archive.archived import ENTRIES, all_rows, archive

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


def test_only_successful_operations_leave_the_database(log):
    before = all_rows()

    segments = archive()

    after = all_rows()
    gone = [row for log_id, row in before.items() if log_id not in after]
    assert len(segments) == len(before) // ENTRIES
    assert gone
    assert all(row["action"].startswith("crypto.") and row["outcome"] == "ok" for row in gone)
    report = verify_log()
    assert [str(finding) for finding in report.findings] == []
    assert report.archived == len(gone)
    assert not verify_log(with_archive=True).is_altered
