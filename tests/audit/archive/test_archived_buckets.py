"""The log moves to a bucket of S3, from where it verifies and is exported."""

import io

import pytest
from django.core.management import CommandError, call_command

from audit.archive import archiving
from audit.archive.reading import read_file
from audit.archive.segments import name_of
from audit.errors import SegmentUnreadable
from audit.models import AuditLog, AuditSegment
from audit.verification.findings import FindingKind
from audit.verification.fsck import verify_log
from kernel.errors import Conflict
from tests.audit.archive import s3
from tests.audit.archive.archived import ENTRIES, archive
from tests.audit.exports.exporting import exported
from tests.tampering.altering import execute
from tests.tampering.writing import sequence, sign

pytestmark = pytest.mark.django_db(transaction=True)


def findings(**options):
    return [str(finding) for finding in verify_log(**options).findings]


@pytest.mark.sqlite
def test_the_log_moves_to_a_bucket_and_is_read_in_the_stored_versions(log, bucket, auditor):
    before, _ = exported(auditor, outcome="ok")

    segments = archive()
    sequence()
    sign()

    assert [each.number for each in segments] == list(range(len(segments)))
    assert AuditLog.objects.filter(id__lte=ENTRIES).count() < ENTRIES
    for segment in segments:
        assert bucket.read(name_of(segment.number)).version_id == segment.version_id != ""
        s3.put(bucket, name_of(segment.number), b"of another program")
    assert findings(with_archive=True) == []
    after, _ = exported(auditor, outcome="ok")
    assert after.startswith(before)


def test_an_altered_version_is_found_and_a_bucket_that_is_out_of_reach_is_no_alteration(
    log, bucket, settings
):
    segments = archive()
    s3.put(bucket, name_of(0), read_file(segments[0]))
    newer = bucket.read(name_of(0)).version_id
    execute("UPDATE audit_segments SET version_id = %s WHERE number = 0", [newer])

    assert verify_log().counts[FindingKind.ARCHIVE]

    settings.CC_AUDIT_ARCHIVE = "s3://no-such-bucket"
    with pytest.raises(SegmentUnreadable, match=f"{name_of(0)[:12]}.* .*no bucket no-such-bucket"):
        verify_log()


def test_nothing_is_removed_if_the_bucket_has_other_bytes(log, bucket):
    """The server stores what it gets, with any checksum."""

    def damage(params, **_):
        params["body"] = io.BytesIO(params["body"].read()[:-1])

    with (
        s3.during(bucket, "before-call.s3.PutObject", damage),
        pytest.raises(Conflict, match="does not have the bytes that were written"),
    ):
        archive()

    assert not AuditSegment.objects.exists()
    assert AuditLog.objects.filter(id__lte=ENTRIES).count() == ENTRIES


def test_an_object_of_a_killed_process_is_adopted_with_its_version(log, bucket, monkeypatch):
    def end(*_arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(archiving, "_record", end)
        with pytest.raises(KeyboardInterrupt):
            archive()
    found = bucket.read(name_of(0))

    segments = archive()

    assert segments[0].version_id == found.version_id != ""
    assert bucket.read(name_of(0)) == found
    assert findings(with_archive=True) == []


def test_another_object_or_no_bucket_is_one_line_of_the_command(log, bucket, settings):
    s3.put(bucket, name_of(0), b"of another log")

    with pytest.raises(CommandError, match=f"another file {name_of(0)}"):
        call_command("archive_audit_log", "--older-than", "0d")
    settings.CC_AUDIT_ARCHIVE = "s3://no-such-bucket"
    with pytest.raises(CommandError, match=r"^There is no bucket no-such-bucket\. Check CC_AUDIT_ARCHIVE\.$"):
        call_command("archive_audit_log", "--older-than", "0d")

    assert bucket.read(name_of(0)).content == b"of another log"
    assert not AuditSegment.objects.exists()
