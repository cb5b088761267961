import pytest

from audit.archive.places import configured_place
from audit.log import packed_rows
from audit.models import AuditSegment
from audit.sequencing.head import HEAD_FILE
from tests.audit.archive import s3
from tests.audit.archive.archived import ENTRIES, write_log
from tests.audit.ccverify import MAIN


@pytest.fixture
def short_segments(root_of_trust, settings, tmp_path, monkeypatch):
    monkeypatch.setattr(AuditSegment, "ENTRIES", ENTRIES)
    monkeypatch.setattr(packed_rows, "MOST", ENTRIES)
    monkeypatch.setitem(MAIN.__globals__, "SEGMENT_SIZE", ENTRIES)  # of ccverify
    settings.CC_AUDIT_ARCHIVE = str(tmp_path / "archive")
    yield
    (settings.CC_HOME / HEAD_FILE).unlink(missing_ok=True)


@pytest.fixture
def log(short_segments, settings):
    return write_log(settings)


@pytest.fixture(scope="session")
def endpoint():
    with s3.serving() as url:
        yield url


@pytest.fixture
def bucket(endpoint, settings, monkeypatch, tmp_path):
    """The archive is in a new bucket with versions."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.SECRET)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    settings.CC_AUDIT_ARCHIVE_ENDPOINT = endpoint
    settings.CC_AUDIT_ARCHIVE = f"s3://{s3.new_bucket(endpoint)}/a/log"
    return configured_place()
