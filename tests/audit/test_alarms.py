"""An alarm is recorded once and stays open until it is resolved; writing to the database cannot clear it."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.utils import timezone

from accounts.roles import ROLES, SYSTEM_RIGHTS
from audit import actions
from audit.models import READ_PERMISSION, AuditAlarm, AuditTrail
from audit.sequencing.alarms import AlarmKind
from audit.sequencing.bundles.step import sequence_step
from audit.services import alarms as service
from audit.services.alarms import LIST_PERMISSION, RECORDED, raise_alarms
from audit.services.resolving import resolve_alarm, restore_alarms
from kernel.errors import RecentAuthRequired
from tests.audit.alarms import alarm_at, alarm_entries
from tests.audit.sequencing.log import altered
from tests.endpoints import make_alarm
from tests.log_entries import log_rows, record_alone
from tests.tampering.alterations import UNREADABLE

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


def test_an_alarm_is_recorded_with_its_entry():
    raise_alarms([alarm_at()])
    row, entry = AuditAlarm.objects.get(), alarm_entries().get()
    assert (row.kind, row.log_id, row.expected, row.found) == ("entry_altered", 7, "11" * 32, "00" * 32)
    assert (row.event_id, row.raised_at) == (entry.event_id, entry.timestamp)
    assert (entry.code, entry.outcome, entry.object_id) == ("entry_altered", "error", "7")
    assert row.is_authentic
    assert row.is_open


def test_a_line_of_the_servers_log_has_no_digest_and_no_place_that_is_none():
    line = str(replace(alarm_at(), log_id=None))
    assert line == "entry_altered: expected …, found …"
    assert str(alarm_at()).startswith("entry_altered at entry 7: ")


@pytest.mark.parametrize("is_resolved", [False, True])
def test_the_same_evidence_is_not_raised_again_and_new_evidence_is(is_resolved):
    raise_alarms([alarm_at(), alarm_at()])
    if is_resolved:
        resolved(AuditAlarm.objects.get())
    raise_alarms([alarm_at()])
    assert (AuditAlarm.objects.count(), alarm_entries().count()) == (1, 1)
    raise_alarms([alarm_at(found="22" * 32), alarm_at(log_id=8)])
    assert (AuditAlarm.objects.count(), alarm_entries().count()) == (3, 3)


def resolved(alarm):
    alarm.resolved_at, alarm.reason = timezone.now(), "restored from the backup"
    alarm.save_with_mac()
    return alarm


def test_processes_that_see_the_same_row_at_once_raise_one_alarm():
    def see(_):
        try:
            raise_alarms([alarm_at()])
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(see, range(16)))
    assert (AuditAlarm.objects.count(), alarm_entries().count()) == (1, 1)


def test_many_alarms_at_once_get_twenty_records_and_one_for_the_rest():
    many_alarms = [alarm_at(log_id) for log_id in range(1, RECORDED + 31)]
    raise_alarms(many_alarms)
    raise_alarms(many_alarms)  # the rest of the first call leaves ten more
    summary = AuditAlarm.objects.filter(kind=AlarmKind.MORE).earliest("raised_at")
    assert summary.count == 30
    assert AuditAlarm.objects.count() == 2 * RECORDED + 2


def test_a_table_full_of_alarms_grows_by_one_summary_for_each_call(monkeypatch):
    monkeypatch.setattr(service, "MOST_OPEN", 5)
    for first in range(1, 200, 20):
        raise_alarms([alarm_at(log_id) for log_id in range(first, first + 20)])
    assert AuditAlarm.objects.count() == 5 + 10  # one summary for each call


def test_a_full_table_has_room_again_once_its_alarms_are_resolved(monkeypatch, admin):
    monkeypatch.setattr(service, "MOST_OPEN", 1)
    for log_id in (1, 2):
        raise_alarms([alarm_at(log_id)])
    for alarm in AuditAlarm.objects.all():
        resolve_alarm(principal=admin.principal, alarm_id=alarm.id, reason="seen")
    raise_alarms([alarm_at(3)])
    assert AuditAlarm.objects.open().get().log_id == 3


@pytest.mark.parametrize(
    "change",
    [
        "resolved_at = raised_at, reason = 'nothing'",
        "resolved_at = raised_at, reason = 'nothing', row_seq = 2",
        "resolved_at = raised_at, reason = 'nothing', row_mac = ''",
    ],
)
def test_the_database_alone_clears_no_alarm(change):
    raise_alarms([alarm_at()])
    altered(f"UPDATE audit_alarms SET {change}")  # noqa: S608 - from the list above
    assert AuditAlarm.objects.open().count() == 1
    assert not AuditAlarm.objects.resolved().exists()


def test_a_resolution_does_not_fit_another_alarm():
    raise_alarms([alarm_at(1), alarm_at(2)])
    one, _other = AuditAlarm.objects.order_by("log_id")
    resolved(one)
    names = ("resolved_at", "reason", "row_seq", "row_mac")
    AuditAlarm.objects.filter(log_id=2).update(**{name: getattr(one, name) for name in names})
    assert [alarm.log_id for alarm in AuditAlarm.objects.open()] == [2]


def test_a_deleted_alarm_comes_back_open_because_its_entry_stays():
    raise_alarms([alarm_at()])
    before = resolved(AuditAlarm.objects.get())
    assert restore_alarms() == 0
    altered("DELETE FROM audit_alarms")
    assert restore_alarms() == 1
    after = AuditAlarm.objects.get()
    facts = ("kind", "log_id", "expected", "found", "evidence", "event_id", "raised_at")
    assert [getattr(after, name) for name in facts] == [getattr(before, name) for name in facts]
    assert after.is_open
    assert restore_alarms() == 0
    raise_alarms([alarm_at()])
    assert AuditAlarm.objects.count() == 1


def test_an_altered_entry_restores_nothing_and_keeps_no_other_alarm_away():
    raise_alarms([alarm_at(1), alarm_at(2), alarm_at(3)])
    altered("DELETE FROM audit_alarms")
    one, two, _three = alarm_entries().values_list("id", flat=True)
    altered(
        f"UPDATE audit_logs SET id = -7, timestamp = {UNREADABLE[connection.vendor]} WHERE id = %s",  # noqa: S608 - a constant
        one,
    )
    altered("UPDATE audit_logs SET meta = '{}' WHERE id = %s", two)
    assert restore_alarms() == 1
    recorded = AuditAlarm.objects.values_list("kind", "found", "log_id")
    assert {log_id for kind, _, log_id in recorded if kind == AlarmKind.ENTRY_ALTERED} >= {-7, two, 3}


def test_an_open_alarm_does_not_vanish_with_its_row_and_its_intact_entry():
    raise_alarms([alarm_at(1)])
    sequence_step()
    altered("UPDATE audit_logs SET user_agent = 'x' WHERE action = %s", actions.LOG_ALARMED)
    altered("DELETE FROM audit_alarms")
    for _ in range(2):
        assert restore_alarms() == 0
        assert AuditAlarm.objects.open().count() == 1


@pytest.mark.parametrize("rights", [*ROLES.values(), SYSTEM_RIGHTS])
def test_the_same_roles_list_alarms_and_read_the_whole_log(rights):
    assert (LIST_PERMISSION in rights.on_all) == (READ_PERMISSION in rights.on_all)


def test_alarms_of_an_earlier_version_get_their_rows():
    """They had entries only, without the digest, and the same alarm could have several."""
    meta = {"expected": 1, "found": 0, "log_id": 7, "writer": None}
    record_alone(msgspec.structs.replace(alarm_at().event, meta=meta), service.ACTOR)
    again = alarm_at(found="22" * 32)
    raise_alarms([again])
    assert restore_alarms() == 1
    assert [(row.kind, row.log_id, row.found) for row in AuditAlarm.objects.order_by("raised_at")] == [
        ("entry_altered", 7, "0"),
        ("entry_altered", 7, again.found),
    ]


def test_an_alarm_that_cannot_be_recorded_is_logged_and_raises_nothing(caplog):
    altered("ALTER TABLE audit_alarms RENAME TO elsewhere")
    try:
        raise_alarms([alarm_at()])
    finally:
        altered("ALTER TABLE elsewhere RENAME TO audit_alarms")
    assert "entry_altered at entry 7" in caplog.text
    assert "could not be put on record" in caplog.text
    assert not alarm_entries().exists()


# --- resolving


def resolve(api, alarm, reason="restored from the backup"):
    return api.post(f"/api/v1/audit/alarms/{alarm.id}/resolve", {"reason": reason})


def test_an_admin_resolves_an_alarm_and_the_decision_is_on_record(admin):
    alarm = make_alarm()
    response = resolve(admin.api, alarm)
    assert response.status == 200
    body = response.json
    assert (body["status"], body["reason"], body["resolved_by"]) == (
        "resolved",
        "restored from the backup",
        str(admin.user.id),
    )
    entry = log_rows().get(action=actions.ALARM_RESOLVED)
    assert (entry.user_id, entry.object_type, entry.object_id) == (
        admin.user.id,
        "audit_alarm",
        str(alarm.id),
    )
    assert json.loads(entry.meta)["reason"] == "restored from the backup"
    assert AuditTrail.objects.get(event_id=entry.event_id).table_name == "audit_alarms"
    again = resolve(admin.api, alarm)
    assert (again.status, again.json["code"]) == (409, "already_completed")


@pytest.mark.parametrize("reason", ["", " ", " seen", "x" * 101, "a\u202eb", None, 5])
def test_a_resolution_needs_a_reason(admin, reason):
    alarm = make_alarm()
    response = resolve(admin.api, alarm, reason)
    assert (response.status, list(response.json["errors"])) == (400, ["reason"])
    alarm.refresh_from_db()
    assert alarm.is_open


def test_a_resolution_needs_a_recent_sign_in(admin):
    alarm = make_alarm()
    old = replace(admin.principal, auth_time=timezone.now() - timedelta(minutes=11))
    with pytest.raises(RecentAuthRequired):
        resolve_alarm(principal=old, alarm_id=alarm.id, reason="seen")
    alarm.refresh_from_db()
    assert alarm.is_open


def test_an_alarm_whose_row_was_altered_can_be_resolved(admin):
    alarm = make_alarm()
    altered("UPDATE audit_alarms SET resolved_at = raised_at, reason = 'nothing'")
    assert resolve(admin.api, alarm).status == 200
    assert not AuditAlarm.objects.open().exists()


def test_the_list_shows_which_alarms_are_open(auditor, admin):
    make_alarm()
    forged, done = make_alarm(), make_alarm()
    resolve(admin.api, done)
    altered(
        "UPDATE audit_alarms SET resolved_at = raised_at, reason = 'x' WHERE evidence = %s", forged.evidence
    )

    def listed(query):
        return auditor.api.get(f"/api/v1/audit/alarms{query}").json

    assert listed("?status=open")["count"] == 2
    assert [row["is_altered"] for row in listed("?status=open&limit=1")["results"]] in ([True], [False])
    [forged_row] = [row for row in listed("?status=open")["results"] if row["is_altered"]]
    assert (forged_row["resolved_at"], forged_row["reason"]) == (None, "")  # it has no resolution
    [resolved_row] = listed("?status=resolved")["results"]
    assert (resolved_row["id"], resolved_row["resolved_by_name"]) == (str(done.id), admin.user.username)
    assert listed("")["count"] == 3
    assert auditor.api.get("/api/v1/audit/alarms?status=closed").status == 400


def test_the_commands_list_and_resolve(capsys):
    alarm = make_alarm()
    call_command("list_audit_alarms")
    assert f"{alarm.id} " in capsys.readouterr().out
    call_command("resolve_audit_alarm", str(alarm.id), "--reason", "a restored backup")
    call_command("list_audit_alarms")
    assert "no open alarms" in capsys.readouterr().out
    entry = log_rows().get(action=actions.ALARM_RESOLVED)
    assert (entry.actor_name, entry.source) == ("resolve_audit_alarm", "command")
    with pytest.raises(CommandError, match="already resolved"):
        call_command("resolve_audit_alarm", str(alarm.id), "--reason", "again")
