"""A full verification records its result, and its findings raise one alarm."""

import json
import re
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from audit import actions
from audit.models import AuditAlarm, AuditLog
from audit.sequencing.alarms import Alarm, AlarmKind
from audit.sequencing.catching_up import catch_up
from audit.sequencing.running import checkpoint_now
from audit.services.alarms import raise_alarms
from audit.services.resolving import resolve_alarm
from audit.services.verifications import last_verification
from audit.verification.findings import FindingKind as Finding
from audit.verification.findings import Result
from audit.verification.fsck import verify_log
from tests.audit.sequencing.log import altered, no_more_entries, recreate_checkpoint_keys, write
from tests.endpoints import make_alarm
from tests.log_entries import log_rows
from tests.tampering.alterations import UNREADABLE, alterations, rolled_back

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def published_keys(empty_log):
    """Recreate the keys, whose entries were deleted with the others."""
    recreate_checkpoint_keys()


def verify():
    """Return the exit code of the command, which records its result."""
    try:
        call_command("verify_audit_log", stdout=StringIO())
    except CommandError as error:
        return error.returncode
    return 0


def results():
    rows = log_rows().filter(action=actions.LOG_VERIFIED).order_by("id")
    return [(row.outcome, row.code, json.loads(row.meta).get("findings")) for row in rows]


def test_a_verification_records_how_it_ended():
    write(3)
    checkpoint_now()
    assert verify() == 0
    assert results() == [("ok", "", 0)]
    altered("UPDATE audit_logs SET actor_name = 'x' WHERE id = (SELECT min(id) FROM audit_logs)")
    assert verify() == 1
    [_, (outcome, code, findings)] = results()
    assert (outcome, code) == ("error", "altered")
    assert findings >= 1
    [alarm] = AuditAlarm.objects.all()
    assert alarm.kind == "verification_failed"
    assert re.fullmatch(r"\d+ findings?: [a-z_]+ \d+(, [a-z_]+ \d+)*", alarm.found)


def test_the_same_findings_raise_one_alarm_and_new_ones_another():
    write(5)
    checkpoint_now()
    first = log_rows().earliest("id").id
    for log_id in (first, first + 1):
        altered("UPDATE audit_logs SET actor_name = 'x' WHERE id = %s", log_id)
        assert [verify(), verify()] == [1, 1]
    assert AuditAlarm.objects.filter(kind=AlarmKind.VERIFICATION_FAILED).count() == 2


def test_an_open_alarm_is_a_finding_and_a_resolved_one_is_not(admin):
    alarm = make_alarm()
    checkpoint_now()
    assert verify_log().counts == {Finding.ALARM: 1}, verify_log().findings
    altered("UPDATE audit_alarms SET resolved_at = raised_at, reason = 'x'")
    assert verify_log().counts[Finding.ALARM] == 1
    resolve_alarm(principal=admin.principal, alarm_id=alarm.id, reason="seen")
    checkpoint_now()
    report = verify_log()
    assert (report.is_altered, report.alarms) == (False, 1)
    altered("DELETE FROM audit_alarms")
    [finding] = verify_log().findings
    assert "missing from audit_alarms" in finding.text


def test_a_recorded_verification_with_any_altered_column_has_no_result():
    assert verify() == 0
    catch_up()
    assert last_verification().result == Result.OK
    newest = log_rows().filter(action=actions.LOG_VERIFIED).latest("id").id
    for alteration in alterations(AuditLog):
        if alteration.column == "action" or alteration.expression == "''":
            continue  # another action is no verification; most texts of this entry are empty
        with rolled_back(), alteration.made(newest):
            assert last_verification().outcome == "unknown: its record was altered", alteration


def test_a_stored_alarm_that_cannot_be_read_is_open_and_hides_no_other(admin):
    for log_id in (7, 8):
        raise_alarms([Alarm(kind=AlarmKind.ENTRY_ALTERED, expected="x", found="y", log_id=log_id)])
        alarm = AuditAlarm.objects.get(log_id=log_id)
        resolve_alarm(principal=admin.principal, alarm_id=alarm.id, reason="seen")
    checkpoint_now()
    assert not verify_log().is_altered, verify_log().findings
    altered(f"UPDATE audit_alarms SET raised_at = {UNREADABLE[connection.vendor]} WHERE log_id = 8")  # noqa: S608 - a constant
    found = [str(each) for each in verify_log().findings if each.kind == Finding.ALARM]
    assert len(found) == 1
    assert "an alarm is open: audit.log.alarmed entry_altered" in found[0]


def test_a_verifier_that_cannot_write_reports_it_and_keeps_its_result(capsys):
    write()
    checkpoint_now()
    with no_more_entries():
        assert verify() == 1  # the trigger that refuses entries is a finding
    assert "not recorded" in capsys.readouterr().err
    assert results() == []


def test_a_verification_that_cannot_run_is_recorded_as_failed():
    write()
    altered("ALTER TABLE audit_tiles RENAME TO elsewhere")
    try:
        assert verify() == 2
    finally:
        altered("ALTER TABLE elsewhere RENAME TO audit_tiles")
    assert results() == [("error", "failed", None)]
