"""Webhooks that are changed or deleted while notifications wait, and the order of what waits."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from kernel.errors import Conflict
from notifications.models import Delivery
from notifications.services import claims, distribution, testing, webhooks
from notifications.services.delivery import deliver_due
from tests.notifications.conftest import only_delivery, publish
from tests.waiting import SOON, wait_until

pytestmark = [pytest.mark.sqlite, pytest.mark.django_db(transaction=True)]


def make_inactive(principal, webhook):
    webhooks.update_webhook(principal=principal, webhook_id=webhook.id, changes={"is_active": False})


def delete(principal, webhook):
    webhooks.delete_webhook(principal=principal, webhook_id=webhook.id)


def rotate(principal, webhook):
    webhooks.rotate_secret(principal=principal, webhook_id=webhook.id)


@pytest.fixture
def webhook(receiver, new_webhook):
    return new_webhook(f"https://localhost:{receiver.port}/", ["job.failed", "audit.alarm"]).webhook


@pytest.mark.parametrize(("change", "later"), [(make_inactive, 0), (delete, 0), (rotate, 2)])
def test_a_webhook_that_changes_during_a_run_gets_nothing_more_of_it(receiver, webhook, admin, change, later):
    for number in range(3):
        publish(number)

    def respond(handler):
        change(admin.principal, webhook)
        connection.close()
        handler.server.response = 204
        handler.send_response(204)
        handler.end_headers()

    receiver.response = respond
    deliver_due()
    assert len(receiver.requests) == 1
    deliver_due()
    assert len(receiver.requests) == 1 + later


def test_an_inactive_webhook_receives_tests_only(receiver, webhook, admin):
    publish()
    distribution.distribute()
    make_inactive(admin.principal, webhook)
    waiting = {"status": "pending", "next_attempt_at": only_delivery().created_at, "finished_at": None}
    Delivery.objects.update(**waiting)
    testing.send_test(principal=admin.principal, webhook_id=webhook.id)
    deliver_due()
    assert [json.loads(body)["type"] for _, body in receiver.requests] == ["notification.test"]
    ended = Delivery.objects.get(notification__topic="job.failed")
    assert (ended.status, ended.error) == ("failed", "webhook_inactive")
    with pytest.raises(Conflict, match="Enable it, then retry"):
        testing.retry_delivery(principal=admin.principal, delivery_id=ended.id)


@pytest.mark.parametrize("change", [make_inactive, delete])
def test_a_webhook_that_changes_during_the_distribution_gets_no_delivery(webhook, admin, change):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writing transaction at a time")
    changed = threading.Event()

    def change_slowly():
        try:
            with transaction.atomic():
                change(admin.principal, webhook)
                changed.set()
                wait_until(a_lock_is_awaited)
        finally:
            connection.close()

    publish()
    with ThreadPoolExecutor(1) as pool:
        changing = pool.submit(change_slowly)
        assert changed.wait(SOON)
        distribution.distribute()
        changing.result()
    assert not Delivery.objects.exists()


def a_lock_is_awaited():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted")
        return cursor.fetchone()[0]


def test_critical_notifications_never_wait_behind_others(receiver, webhook, monkeypatch):
    monkeypatch.setattr(distribution, "AT_ONCE", 2)
    monkeypatch.setattr(distribution, "MOST_ROUNDS", 1)
    monkeypatch.setattr(claims, "MOST_OF_TARGET", 2)
    for number in range(6):
        publish(number)
    for _ in range(3):
        distribution.distribute()
    for number in range(6, 9):
        publish(number)
    publish(topic="audit.alarm", label="Entry altered")
    deliver_due()
    topics = [json.loads(body)["type"] for _, body in receiver.requests]
    assert topics == ["audit.alarm", "job.failed"]
