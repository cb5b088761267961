"""A person accepts a loss by resolving its alarm, and only that one."""

import json

import pytest

from audit.models import AuditAlarm, AuditLog
from audit.sequencing.bundles.step import sequence_step
from audit.sequencing.checkpoints.signing import sign_checkpoint
from audit.services.alarms import RECORDED
from audit.services.older_database import accept_older_database
from audit.services.resolving import resolve_alarm
from audit.verification.findings import FindingKind
from audit.verification.fsck import verify_log
from audit.verification.recording import verify_and_record
from tests.audit.sequencing.log import (
    ACTOR,
    altered,
    heartbeat,
    recreate_checkpoint_keys,
    sequence_all,
    without,
    write_many,
    write_singly,
)

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _log(root_of_trust):
    recreate_checkpoint_keys()


def lose(*numbers, entries=6):
    """A writer whose bundles with these numbers are lost."""
    writer = write_singly(entries)
    without(*numbers, of=writer)
    sequence()
    return writer


def sequence():
    sequence_all()
    sign_checkpoint(waits=True)


def gaps(report):
    return [finding.text for finding in report.findings if finding.kind is FindingKind.SEQUENCE_GAP]


def accept_all(admin):
    for alarm in AuditAlarm.objects.filter(resolved_at=None):
        resolve_alarm(principal=admin.principal, alarm_id=alarm.id, reason="a failover on Friday")
    sequence()


def test_missing_entries_are_a_finding_until_their_alarm_is_resolved(admin):
    writer = lose(3, 4)
    assert gaps(verify_log()) == [f"entries 3 to 4 of writer {writer} are missing"]
    accept_all(admin)
    report = verify_log()
    assert report.findings == []
    [text] = report.accepted
    assert text.startswith(f"entries 3 to 4 of writer {writer} are missing; accepted by ")
    assert text.endswith(": a failover on Friday")
    assert report.as_json()["accepted"] == [text]


def test_the_last_entries_that_a_heartbeat_reports_can_be_accepted(admin):
    writer = write_singly(5)
    without(5, of=writer)
    heartbeat(**{str(writer): 5})
    sequence()
    assert gaps(verify_log()) == [f"entry 5 of writer {writer} is missing"]
    accept_all(admin)
    assert verify_log().findings == []
    # The writer continues, and its next entry is no new loss.
    write_many(1, writer, first=6)
    assert verify_log().findings == []  # also while it waits
    sequence()
    assert verify_log().findings == []
    assert not AuditAlarm.objects.filter(resolved_at=None).exists()


def test_a_new_gap_is_a_finding_again(admin):
    lose(3)
    accept_all(admin)
    other = lose(3)
    assert gaps(verify_log()) == [f"entry 3 of writer {other} is missing"]


@pytest.mark.parametrize(("removed", "missing"), [(2, "2 to 3"), (4, "3 to 4")])
def test_more_missing_entries_than_the_alarm_names_are_a_finding(admin, removed, missing):
    """Someone removes an entry beside the accepted ones, which was in the tree."""
    writer = lose(3)
    accept_all(admin)
    altered("DELETE FROM audit_logs WHERE id = %s", AuditLog.objects.get(writer=writer, wseq=removed).id)
    report = verify_log()
    assert gaps(report) == [f"entries {missing} of writer {writer} are missing"]
    assert FindingKind.ENTRY_MISSING in report.counts


def test_an_altered_entry_is_no_resolution():
    writer = lose(3)
    alarm = AuditAlarm.objects.get()
    meta = json.dumps({"raised_by": str(alarm.event_id), "reason": "x"})
    altered(
        "UPDATE audit_logs SET action = 'audit.alarm.resolved', meta = %s WHERE id = %s",
        meta,
        AuditLog.objects.get(writer=writer, wseq=1).id,
    )
    report = verify_log()
    assert gaps(report) == [f"entry 3 of writer {writer} is missing"]
    assert report.accepted == []


def test_an_altered_row_of_the_alarm_accepts_nothing(admin):
    lose(3)
    altered("UPDATE audit_alarms SET resolved_at = raised_at, resolved_by_name = 'x', reason = 'y'")
    assert len(gaps(verify_log())) == 1


def test_gaps_beyond_those_with_an_alarm_get_one_from_a_verification(admin):
    """The sequencer sums up all others of one step in one alarm, which names no numbers."""
    writers = [write_singly(3) for _ in range(RECORDED + 2)]
    for writer in writers:
        without(2, of=writer)
    sequence()
    for _ in range(2):  # accept what has an alarm, and then what the verification has found
        accept_all(admin)
        verify_and_record(actor=ACTOR, report_problem=print)
        sequence()
    named = AuditAlarm.objects.filter(kind="sequence_gap")
    assert {(alarm.expected, alarm.found) for alarm in named} == {("2", "1")}
    assert {str(alarm.writer) for alarm in named} == set(map(str, writers))
    assert None not in {alarm.log_id for alarm in named}
    accept_all(admin)
    report = verify_log()
    assert report.findings == []
    assert len(report.accepted) == RECORDED + 2


def test_an_accepted_older_database_is_no_finding_and_is_shown(settings):
    write_many(3)
    sequence_step()
    (settings.CC_HOME / "audit-head").write_text("99 x\n")
    accept_older_database(reason="the disk broke", actor=ACTOR)
    sequence()
    report = verify_log()
    assert report.findings == []
    [text] = report.accepted
    assert text.startswith("an older database was accepted by test at ")
    assert text.endswith(": the disk broke")
