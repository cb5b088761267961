"""The alerts of Home about the installation are notifications, once a day."""

from datetime import timedelta

import pytest

from accounts.actions import SESSION_OPENED
from audit.actions import BACKUP_CREATED
from audit.log.events import Actor, Event, Outcome, Source
from audit.models import LogTarget
from audit.sequencing.bundles.step import sequence_step
from console.home import service_alerts
from console.home.watch import TOPICS, watch_service
from kernel.clock import database_now
from kernel.outbox.models import Notification
from kernel.outbox.topics import topic_of
from tests.browsing import signed_in
from tests.console.conftest import alerts_on_home
from tests.log_entries import record_alone

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


SYSTEM = Actor.system("test", Source.COMMAND)


def published():
    sequence_step()
    watch_service()
    return [each.topic for each in Notification.objects.order_by("topic", "object_name")]


def test_the_alerts_of_home_are_published_once_a_day_as_long_as_they_last(admin, monkeypatch):
    expected = ["backup.late", "kek.copy_unproved"]
    assert published() == expected
    assert published() == expected
    shown = {alert.text for alert in alerts_on_home(signed_in(admin))}
    assert {each.sentence for each in Notification.objects.all()} <= shown
    tomorrow = database_now() + timedelta(days=1)
    record_alone(Event(action=BACKUP_CREATED), SYSTEM)
    monkeypatch.setattr("console.home.watch.database_now", lambda: tomorrow)
    assert published() == ["backup.late", "kek.copy_unproved", "kek.copy_unproved"]


@pytest.mark.usefixtures("backed_up")
def test_a_log_target_that_fails_is_published_with_its_name():
    failing = {
        "failing_since": database_now() - timedelta(minutes=6),
        "last_error": "The receiver did not respond in time.",
    }
    target = LogTarget(name="siem", url="https://siem.example.org/", created_at=database_now(), **failing)
    target.save_with_mac()
    assert published() == ["log_target.late"]
    found = Notification.objects.get()
    assert (found.object_type, found.object_name) == ("log_target", "siem")
    assert found.sentence.startswith("Deliveries to the log target siem fail.")


@pytest.mark.usefixtures("backed_up")
def test_many_failed_sign_ins_within_an_hour_are_an_alert_with_a_page(admin, monkeypatch):
    monkeypatch.setattr(service_alerts, "MANY_SIGN_INS", 3)
    failed = Event(action=SESSION_OPENED, outcome=Outcome.DENIED, code="invalid_credentials")
    first_step = Event(action=SESSION_OPENED, outcome=Outcome.DENIED, code="otp_required")
    equal = Event(action=SESSION_OPENED, outcome=Outcome.DENIED, code="invalid_credentials", count=2)
    other = Event(action=BACKUP_CREATED, outcome=Outcome.DENIED, code="permission_denied", count=9)
    for event in (equal, other, first_step, first_step, Event(action=SESSION_OPENED)):
        record_alone(event, SYSTEM)
    assert published() == []
    record_alone(failed, SYSTEM)
    assert published() == ["sign_in.failures"]
    browser = signed_in(admin)
    [alert] = [each for each in alerts_on_home(browser) if each.kind == "sign_ins_failed"]
    assert alert.text == "3 sign-ins failed in the last hour. Someone may be guessing passwords."
    assert Notification.objects.get().sentence == alert.text
    page = browser.get(alert.action_url).content.decode()
    assert page.count('id="entry-') == 4
    for _ in range(27):
        record_alone(failed, SYSTEM)
    assert published() == ["sign_in.failures"] * 2
    assert published() == ["sign_in.failures"] * 2
    monkeypatch.setattr(service_alerts, "SIGN_INS_WITHIN", timedelta(0))
    assert not [each for each in alerts_on_home(browser) if each.kind == "sign_ins_failed"]


def test_recipients_can_choose_each_topic():
    assert all(topic_of(topic.word) is topic for topic in TOPICS.values())
    assert all(topic.is_selectable for topic in TOPICS.values())
