"""Rows that somebody puts into ``audit_alarms``, or alters there, keep no alarm away."""

import uuid

import pytest
from django.utils import timezone

from audit import actions
from audit.alarms import Alarm, Kind
from audit.models import AuditAlarm, AuditLog
from audit.services import alarms as service
from audit.services.alarms import raise_alarms, restore_alarms

pytestmark = pytest.mark.django_db(transaction=True)


def alarm_at(log_id=7, found="00" * 32):
    return Alarm(kind=Kind.ENTRY_ALTERED, expected="11" * 32, found=found, log_id=log_id)


def entries():
    return AuditLog.objects.filter(action=actions.LOG_ALARMED).order_by("id")


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
    assert entries().count() == 1
    [genuine] = [row for row in AuditAlarm.objects.all() if row.is_authentic]
    assert (genuine.evidence, genuine.event_id) == (alarm_at().evidence, entries().get().event_id)
    assert AuditAlarm.objects.open().count() == 2
    AuditAlarm.objects.all().delete()
    assert restore_alarms() == 1


def test_forged_rows_leave_room_for_alarms_and_a_summary(monkeypatch):
    monkeypatch.setattr(service, "MOST_OPEN", 20)
    for _ in range(20):
        forge(uuid.uuid4().hex)
    forge(uuid.uuid4().hex, Kind.MORE)
    raise_alarms([alarm_at()])
    assert entries().get().code == Kind.ENTRY_ALTERED


def test_an_open_summary_hides_no_alarm_of_a_later_call(monkeypatch):
    monkeypatch.setattr(service, "MOST_OPEN", 0)
    for log_id in (1, 2, 2):
        raise_alarms([alarm_at(log_id)])
    assert list(entries().values_list("code", flat=True)) == [Kind.MORE, Kind.MORE]
