"""Publishing: once for each event, with the transaction of the event."""

import pytest
from django.db import connection, transaction
from msgspec.structs import asdict

from audit.log.events import Actor
from audit.models import AuditAlarm, AuditExport
from audit.sequencing.alarms import Alarm, AlarmKind
from audit.services.alarms import raise_alarms
from kernel.clock import database_now
from kernel.jobs import delivery, leases
from kernel.jobs.job import Status, requester_columns
from kernel.outbox import publishing
from kernel.outbox.models import Notification
from notifications.models import Delivery
from notifications.services.cleanup import delete_old
from notifications.services.delivery import deliver_due
from notifications.services.measuring import measure_deliveries
from tests.log_entries import log_rows
from tests.notifications.conftest import publish

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db]


def test_an_event_is_published_once():
    first = publish()
    assert publish().id == first.id


def test_a_notification_is_rolled_back_with_its_event():
    with transaction.atomic():
        publish()
        transaction.set_rollback(True)
    assert not Notification.objects.exists()


def test_an_unknown_topic_or_a_missing_fact_still_has_a_text():
    publishing.publish(publishing.Announcement(topic="of.a.newer.version", dedup_key="1"))
    publishing.publish(publishing.Announcement(topic="job.failed", dedup_key="2"))
    texts = Notification.objects.order_by("dedup_key")
    assert [each.sentence for each in texts] == ["of.a.newer.version", "Job failed"]


def test_a_failed_job_is_published():
    actor = Actor.system("ada", "command")
    job = AuditExport(format="csv", **requester_columns(asdict(actor)))
    delivery.submit(job)
    leases.end(job, Status.FAILED, {}, error_code="internal")
    found = Notification.objects.get()
    assert (found.topic, found.object_id) == ("job.failed", str(job.pk))
    assert found.facts == {"kind": "audit_export", "error_code": "internal", "requested_by": "ada"}


def test_an_alarm_is_published_once_and_without_digests():
    alarm = Alarm(kind=AlarmKind.ENTRY_ALTERED, log_id=7, expected="a" * 64, found="b" * 64)
    raise_alarms([alarm])
    raise_alarms([alarm])
    found = Notification.objects.get()
    assert found.sentence == "Audit alarm: Entry altered."
    assert "a" * 64 not in str(found.facts)


@pytest.fixture
def refusing():
    """The table of notifications refuses each new row."""
    statement = (
        "ALTER TABLE notifications ADD CONSTRAINT refusing CHECK (false) NOT VALID"
        if connection.vendor == "postgresql"
        else "CREATE TRIGGER refusing BEFORE INSERT ON notifications BEGIN SELECT RAISE(ABORT, 'refused'); END"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement)


def test_an_alarm_is_stored_with_its_entry_if_its_notification_cannot_be(refusing):
    raise_alarms([Alarm(kind=AlarmKind.ENTRY_ALTERED, log_id=7, expected="a" * 64, found="b" * 64)])
    alarm = AuditAlarm.objects.get()
    assert log_rows().filter(event_id=alarm.event_id).exists()
    assert not Notification.objects.exists()


def test_a_failed_job_ends_if_its_notification_cannot_be_stored(refusing):
    job = AuditExport(format="csv", **requester_columns(asdict(Actor.system("ada", "command"))))
    delivery.submit(job)
    leases.end(job, Status.FAILED, {}, error_code="internal")
    job.refresh_from_db()
    assert job.status == Status.FAILED
    assert not Notification.objects.exists()


def test_old_notifications_are_deleted_unless_a_delivery_waits(new_webhook, configure):
    new_webhook("https://hooks.example.org/")
    long_ago = database_now().replace(year=2020)
    waiting, done = publish(1), publish(2)
    Notification.objects.update(created_at=long_ago, distributed_at=long_ago)
    publish(3)
    Delivery.objects.create(
        notification=waiting, email="ops@example.org", created_at=long_ago, next_attempt_at=long_ago
    )
    Delivery.objects.create(
        notification=done, email="ops@example.org", created_at=long_ago, finished_at=long_ago, status="failed"
    )
    delete_old()
    assert set(Notification.objects.values_list("dedup_key", flat=True)) == {
        "test:job.failed:1",
        "test:job.failed:3",
    }
    assert Delivery.objects.count() == 1


def test_the_metrics_count_what_waits_and_what_failed():
    assert measure_deliveries().oldest_seconds == 0.0
    notification = publish()
    now = database_now()
    Notification.objects.update(created_at=now.replace(year=now.year - 1))
    Delivery.objects.create(
        notification=notification, email="a@example.org", created_at=now, next_attempt_at=now
    )
    ended = {"created_at": now, "finished_at": now, "status": "failed"}
    Delivery.objects.create(notification=notification, email="b@example.org", **ended)
    found = measure_deliveries()
    assert (found.pending, found.failed) == (1, 1)
    assert found.oldest_seconds > 300 * 86400  # no worker has distributed it


def test_a_run_without_work_writes_nothing(django_assert_num_queries):
    clock = int(connection.vendor == "postgresql")
    with django_assert_num_queries(2 + clock):
        deliver_due()
