"""Bounds of one round of deliveries, so that no target and no backlog occupies a worker for long."""

from uuid import uuid4

import pytest

from kernel.clock import database_now
from kernel.errors import Invalid
from kernel.outbox.models import Notification
from notifications.models import Delivery, Webhook
from notifications.services import claims, delivery, distribution, webhooks
from tests.notifications.conftest import publish

pytestmark = pytest.mark.django_db


def add_deliveries(targets, of_each=1):
    now = database_now()
    notifications = Notification.objects.bulk_create(
        Notification(topic="job.failed", dedup_key=str(number), created_at=now) for number in range(of_each)
    )
    due = {"created_at": now, "next_attempt_at": now}
    Delivery.objects.bulk_create(
        Delivery(notification=notification, email=f"ops-{target}@example.org", **due)
        for notification in notifications
        for target in range(targets)
    )


def test_a_worker_claims_16_targets_at_most():
    add_deliveries(targets=17)
    assert [len(claims.claim_due(uuid4())) for _ in range(3)] == [16, 1, 0]


def test_a_worker_claims_100_deliveries_of_a_target_at_most():
    add_deliveries(targets=1, of_each=101)
    [claimed] = claims.claim_due(uuid4())
    assert len(claimed) == 100


@pytest.mark.django_db(transaction=True)
def test_a_run_begins_no_request_after_its_time(receiver, new_webhook, monkeypatch):
    new_webhook(f"https://localhost:{receiver.port}/")
    publish()
    with monkeypatch.context() as patched:
        patched.setattr(delivery, "_RUN_SECONDS", 0)
        delivery.deliver_due()
    assert receiver.requests == []
    delivery.deliver_due()
    assert len(receiver.requests) == 1


def test_a_run_distributes_a_bounded_number_of_notifications(monkeypatch):
    monkeypatch.setattr(distribution, "AT_ONCE", 1)
    monkeypatch.setattr(distribution, "MOST_ROUNDS", 2)
    for number in range(3):
        publish(number)
    for waiting in (1, 0):
        distribution.distribute()
        assert Notification.objects.filter(distributed_at=None).count() == waiting


def test_the_name_of_a_webhook_has_64_characters_at_most():
    webhooks._set_fields(Webhook(), {"name": "x" * 64})
    with pytest.raises(Invalid):
        webhooks._set_fields(Webhook(), {"name": "x" * 65})
