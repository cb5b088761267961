"""Rows inserted into ``audit_alarms``, or altered there, by an attacker suppress no alarm."""

import uuid

import pytest
from django.db import connection, transaction
from django.utils import timezone

from audit.log.events import Event, RowChange
from audit.log.raw_rows import as_stored
from audit.models import AuditAlarm, AuditTrail
from audit.sequencing.alarms import Alarm, AlarmKind
from audit.sequencing.bundles.step import sequence_step
from audit.sequencing.running import checkpoint_now
from audit.services import alarms as service
from audit.services.alarms import raise_alarms
from audit.services.resolving import resolve_alarm, restore_alarms
from audit.services.showing import show_entry_with_changes, show_rows
from kernel.errors import Conflict
from tests.audit.alarms import alarm_at, alarm_entries
from tests.audit.sequencing.log import altered, write
from tests.browsing import signed_in
from tests.log_entries import log_rows, record
from tests.tampering.alterations import UNREADABLE

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


def forge(evidence, kind="sequence_gap"):
    AuditAlarm(
        kind=kind,
        evidence=evidence,
        event_id=uuid.uuid4(),
        raised_at=timezone.now(),
        row_seq=1,
        row_mac="1.x.y",
    ).save()


def test_a_forged_row_with_the_coming_evidence_suppresses_no_alarm():
    forge(alarm_at().evidence)
    for _ in range(2):
        raise_alarms([alarm_at()])
    assert alarm_entries().count() == 1
    [genuine] = [row for row in AuditAlarm.objects.all() if row.is_authentic]
    assert (genuine.evidence, genuine.event_id) == (alarm_at().evidence, alarm_entries().get().event_id)
    assert AuditAlarm.objects.open().count() == 2
    AuditAlarm.objects.all().delete()
    assert restore_alarms() == 1


def test_forged_rows_leave_room_for_alarms_and_a_summary(monkeypatch):
    monkeypatch.setattr(service, "MOST_OPEN", 20)
    for _ in range(20):
        forge(uuid.uuid4().hex)
    forge(uuid.uuid4().hex, AlarmKind.MORE)
    raise_alarms([alarm_at()])
    assert alarm_entries().get().code == AlarmKind.ENTRY_ALTERED


def test_an_open_summary_hides_no_alarm_of_a_later_call(monkeypatch):
    monkeypatch.setattr(service, "MOST_OPEN", 0)
    for log_id in (1, 2, 2):
        raise_alarms([alarm_at(log_id)])
    assert list(alarm_entries().values_list("code", flat=True)) == [AlarmKind.MORE, AlarmKind.MORE]


def resolved(admin, alarm):
    return resolve_alarm(principal=admin.principal, alarm_id=alarm.id, reason="seen")


def test_resolving_an_altered_alarm_makes_it_what_its_entry_says(admin):
    raise_alarms([alarm_at(1)])
    alarm = AuditAlarm.objects.get()
    coming = alarm_at(99)
    altered(
        "UPDATE audit_alarms SET evidence = %s, kind = 'sequence_gap', found = 'nothing'", coming.evidence
    )
    row = resolved(admin, alarm)
    assert (row.id, row.kind, row.found, row.is_open) == (alarm.id, "entry_altered", alarm_at().found, False)
    raise_alarms([coming])
    assert AuditAlarm.objects.open().get().log_id == 99


def test_a_loss_that_an_altered_row_hides_is_not_accepted_unseen(admin):
    """Another alarm takes the entry of the missing entries, whose own row is gone."""
    raise_alarms([Alarm(kind=AlarmKind.SEQUENCE_GAP, writer="w", expected=4, found=2), alarm_at(1)])
    gap, harmless = (AuditAlarm.objects.get(kind=kind) for kind in ("sequence_gap", "entry_altered"))
    altered("DELETE FROM audit_alarms WHERE id = %s", as_stored(gap.id))
    altered("UPDATE audit_alarms SET event_id = %s", as_stored(gap.event_id))
    with pytest.raises(Conflict, match="Look at it again"):
        resolved(admin, harmless)
    row = AuditAlarm.objects.get(id=harmless.id)
    assert (row.is_open, row.missing) == (True, "entries 3 to 4 of writer w are missing")
    assert not resolved(admin, harmless).is_open


def test_a_row_without_an_intact_entry_can_be_resolved_as_what_it_is(admin):
    forge("ab")
    forge("cd")
    altered("UPDATE audit_alarms SET event_id = %s WHERE evidence = 'cd'", some_uuid())
    for alarm in AuditAlarm.objects.all().found():
        row = resolved(admin, alarm)
        assert (row.kind, row.expected) == ("entry_altered", "an alarm with its entry")
        assert alarm_entries().get(event_id=row.event_id).code == "entry_altered"
    assert not AuditAlarm.objects.open().exists()
    assert restore_alarms() == 0


@pytest.mark.parametrize("is_repaired", [True, False])
def test_the_same_alteration_alarms_again_if_it_was_repaired_before(admin, is_repaired):
    entry = write()
    sequence_step()
    before = entry.actor_name

    def see(name):
        altered("UPDATE audit_logs SET actor_name = %s WHERE id = %s", name, entry.id)
        show_rows(log_rows().filter(id=entry.id))

    see("x")
    if is_repaired:
        see(before)
    resolved(admin, AuditAlarm.objects.get())
    see("x")
    assert AuditAlarm.objects.open().count() == is_repaired


def test_a_resolved_alarm_about_the_tree_is_raised_again_while_it_holds(admin):
    alarm = Alarm(kind=AlarmKind.INTEGRITY_FAILED, expected="x", found="y")
    raise_alarms([alarm])
    resolved(admin, AuditAlarm.objects.get())
    raise_alarms([alarm])
    assert AuditAlarm.objects.open().count() == 1


def some_uuid():
    return str(uuid.uuid4()) if connection.vendor == "postgresql" else "zz"


UNREADABLE_ALARM = [
    "raised_at = {time}",
    "resolved_at = {time}, reason = 'nothing'",
    "raised_at = {time}, resolved_at = raised_at, reason = 'nothing'",
    *(
        f"{column} = {value}{resolved}"
        for column, value in (
            ("id", "'z{number}'"),
            ("id", "CAST(x'ff{number:02}' AS TEXT)"),
            ("log_id", "1.5"),
            ("kind", "CAST(x'ff41' AS TEXT)"),
            ("count", "'x'"),
            ("evidence", "CAST(x'ff{number:02}' AS TEXT)"),
            ("row_mac", "x'ff'"),
        )
        for resolved in ("", ", resolved_at = raised_at, reason = 'nothing'")
        if connection.vendor == "sqlite"
    ),
]


def test_alarms_with_an_unreadable_column_are_shown_open_and_can_be_resolved(admin):
    raise_alarms([alarm_at(number) for number in range(len(UNREADABLE_ALARM))])
    for number, template in enumerate(UNREADABLE_ALARM):
        change = template.format(time=UNREADABLE[connection.vendor], number=number)
        assert altered(f"UPDATE audit_alarms SET {change} WHERE log_id = {number}") == 1  # noqa: S608 - constants
    browser = signed_in(admin)
    in_admin = "/admin/audit/auditalarm/"
    for path in ("/home/", "/system/", "/audit/", "/audit/alarms/", "/audit/alarms/?status=all", in_admin):
        assert browser.get(path).status_code == 200, path
    listed = admin.api.get("/api/v1/audit/alarms?status=open&limit=100").json["results"]
    assert [(row["is_altered"], row["status"]) for row in listed] == [(True, "open")] * len(UNREADABLE_ALARM)
    raise_alarms([alarm_at(99)])
    assert restore_alarms() == 0
    for row in listed:
        path = f"{in_admin}{row['id']}/change/"
        assert b"Altered outside the application" in browser.get(path).content, row
        resolved = admin.api.post(f"/api/v1/audit/alarms/{row['id']}/resolve", {"reason": "seen"})
        assert resolved.status == 200, row
    assert [row.log_id for row in AuditAlarm.objects.open()] == [99]


def test_an_entry_whose_id_is_negative_is_shown_without_a_link(admin):
    entry = write()
    sequence_step()
    altered("UPDATE audit_logs SET id = -2 WHERE id = %s", entry.id)
    assert signed_in(admin).get("/audit/").status_code == 200
    assert AuditAlarm.objects.filter(log_id=-2).exists()


@pytest.mark.skipif(connection.vendor == "postgresql", reason="PostgreSQL keeps other ids out of the column")
def test_ids_with_the_same_quotation_belong_to_two_rows():
    for end, evidence in (("a", "another"), ("b", alarm_at().evidence)):
        forge(evidence)
        altered("UPDATE audit_alarms SET id = 'zz' || char(0) || %s WHERE evidence = %s", end, evidence)
    raise_alarms([alarm_at()])
    assert [row.evidence for row in AuditAlarm.objects.all().found() if row.is_authentic] == [
        alarm_at().evidence
    ]


@pytest.mark.parametrize("reader", ["admin", "developer"])
def test_a_resolved_alarm_about_a_changed_row_stays_resolved(reader, admin, developer):
    changes = [RowChange.inserted("things", number, {"a": 1}) for number in (1, 2)]
    with transaction.atomic():
        entry = record(Event(action="test.thing.done"), developer.principal.actor, changes=changes)
    checkpoint_now()
    one, two = AuditTrail.objects.order_by("id").values_list("id", flat=True)
    altered("UPDATE audit_trail SET changed_by = NULL WHERE id = %s", one)
    earlier = "(SELECT min(timestamp) FROM audit_logs)"
    altered(f"UPDATE audit_trail SET changed_at = {earlier} WHERE id = %s", two)  # noqa: S608 - a constant

    def see():
        who = {"admin": admin, "developer": developer}[reader]
        show_entry_with_changes(reader=who.principal, log_id=entry.id)

    see()
    assert AuditAlarm.objects.open().count() == 2
    for alarm in AuditAlarm.objects.all():
        resolved(admin, alarm)
    see()
    assert not AuditAlarm.objects.open().exists()
