"""The archive waits for log targets, and targets get the entries that only the archive has."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from audit.archive import archiving
from audit.models import AuditLog, AuditSegment, LogTarget
from audit.sequencing.checkpoints.signing_keys import trusted_keys
from audit.sequencing.tree import read_tree
from audit.services import log_targets
from campaigns.forwarding.receiving import Verified
from kernel.clock import database_now
from tests.audit.archive.archived import ENTRIES, archive, write_log
from tests.audit.forwarding.conftest import run

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def archived(settings, tmp_path, monkeypatch):
    """A log whose old operations are in the archive."""
    monkeypatch.setattr(AuditSegment, "ENTRIES", ENTRIES)
    settings.CC_AUDIT_ARCHIVE = str(tmp_path / "archive")
    write_log(settings)


def test_a_target_gets_the_same_entries_before_and_after_the_archiving(archived, receiver, new_target, admin):
    target = new_target(receiver.url)
    run(target)
    before = [body for _, body in receiver.requests]
    rows = AuditLog.objects.count()
    archive()
    assert AuditLog.objects.count() < rows
    log_targets.reset_position(principal=admin.principal, target_id=target.id, size=0)
    receiver.requests.clear()

    run(target)

    lines = [line for body in before for line in body.splitlines() if b'"checkpoint":' not in line]
    found, again = Verified(trusted_keys()), []
    for _, body in receiver.requests:
        again += found.take(body)
    assert again[: len(lines)] == lines
    assert found.end == LogTarget.objects.get().size


def test_the_archive_waits_for_each_enabled_target(archived, receiver, new_target, admin):
    ready = new_target(receiver.url)
    run(ready)
    behind = new_target("relp://siem.example.org:2514", name="behind", size=ENTRIES * 2)
    stopped = LogTarget.objects.get(pk=behind.pk)
    stopped.stopped_reason = "reason"
    stopped.save_with_mac()
    assert [segment.number for segment in archive()] == [0, 1]
    assert archive() == []

    said = StringIO()
    call_command("archive_audit_log", "--older-than", "0d", stdout=said)
    assert "waits for the log target behind, which has 128 entries" in said.getvalue()

    log_targets.disable_log_target(principal=admin.principal, target_id=behind.id)
    assert archive()[0].number == 2
    said = StringIO()
    call_command("archive_audit_log", "--older-than", "0d", stdout=said)
    assert "waits for" not in said.getvalue()


def test_a_target_that_has_exactly_a_segment_does_not_delay_it(archived, new_target):
    new_target("relp://siem.example.org:2514", size=ENTRIES)
    assert [segment.number for segment in archive()] == [0]
    LogTarget.objects.update(size=ENTRIES * 2 - 1)
    assert archive() == []
    assert archiving.awaited_target(database_now() + timedelta(hours=1)).size == ENTRIES * 2 - 1
    assert read_tree().size > ENTRIES * 2
