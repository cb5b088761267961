import pytest

from audit.models import AuditSegment
from audit.sequencing.head import HEAD_FILE
from tests.audit.archive.archived import ENTRIES, write_log


@pytest.fixture
def log(root_of_trust, settings, tmp_path, monkeypatch):
    monkeypatch.setattr(AuditSegment, "ENTRIES", ENTRIES)
    settings.CC_AUDIT_ARCHIVE = str(tmp_path / "archive")
    yield write_log(settings)
    (settings.CC_HOME / HEAD_FILE).unlink(missing_ok=True)
