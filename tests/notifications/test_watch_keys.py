"""Times ahead are published once for each step, however often the keys are scanned."""

from datetime import timedelta

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext

from audit.log.events import Event, Outcome
from audit.sequencing.bundles.step import sequence_step
from crypto_ops.actions import MESSAGE_ENCRYPTED
from kernel.clock import database_now
from kernel.outbox.models import Notification
from keys.deletion.services import schedule_deletion
from keys.lifecycle import State
from keys.reading.forms import KeyFilterForm
from notifications.services import conditions
from notifications.services.watch_keys import PAGES, watch_keys
from tests.factories import KeyFactory
from tests.log_entries import record

pytestmark = pytest.mark.django_db


def new_key(admin, name="payments", **columns):
    """A key with these columns, as if time had passed."""
    return KeyFactory(principal=admin.principal, name=name, columns=columns)


def published():
    watch_keys()
    return [
        (each.topic, each.object_name, each.facts.get("within"))
        for each in Notification.objects.exclude(topic="key.deletion_scheduled").order_by(
            "topic", "object_name"
        )
    ]


def ahead(**span):
    return database_now() + timedelta(**span)


@pytest.mark.parametrize(
    ("days", "within"), [(0.5, "1 day"), (6, "7 days"), (29, "30 days"), (31, None), (-1, None)]
)
def test_an_expiry_is_published_in_its_most_urgent_step(admin, days, within):
    new_key(admin, expires_at=ahead(days=days))
    assert published() == ([("key.expiring", "payments", within)] if within else [])
    assert len(published()) == (1 if within else 0)


def test_each_step_and_each_change_of_the_time_is_published(admin):
    key = new_key(admin, expires_at=ahead(days=20))
    published()
    key.expires_at -= timedelta(days=15)
    key.save_with_mac()
    assert {within for *_, within in published()} == {"30 days", "7 days"}


def test_a_rotation_is_published_only_when_it_is_overdue(admin):
    new_key(admin, "overdue", next_rotation_at=ahead(days=-40))
    new_key(admin, "soon", next_rotation_at=ahead(hours=3))
    assert published() == [("key.rotation_overdue", "overdue", "overdue")]


def test_only_active_keys_are_watched(admin):
    for state in (State.SUSPENDED, State.DEACTIVATED, State.COMPROMISED):
        new_key(admin, state.value, state=state, expires_at=ahead(days=2), next_rotation_at=ahead(days=-2))
    assert published() == []


def delete(admin, key, **span):
    """Schedule the deletion of the key, at another time if ``span`` has one."""
    key = schedule_deletion(
        principal=admin.principal, key_id=key.id, reason="unused", confirm_name=key.name, waiting_days=7
    )
    if span:
        key.deletion_at = ahead(**span)
        key.save_with_mac()
    return key


def deny(admin, key):
    used = Event(
        action=MESSAGE_ENCRYPTED,
        object_type="key",
        object_id=str(key.id),
        outcome=Outcome.DENIED,
        code="key_not_active",
    )
    record(used, admin.principal.actor)
    assert sequence_step()


@pytest.mark.parametrize(
    ("span", "within"),
    [({"hours": 20}, "24 hours"), ({"hours": 70}, "72 hours"), ({"days": 6}, "7 days"), ({"days": 20}, None)],
)
def test_a_deletion_is_published_ahead(admin, span, within):
    delete(admin, new_key(admin), **span)
    assert published() == ([("key.deletion_ahead", "payments", within)] if within else [])


def test_a_denied_use_of_a_key_scheduled_for_deletion_is_published_once_a_day(admin):
    key, active = new_key(admin), new_key(admin, "active")
    deny(admin, key)  # before its deletion is scheduled
    delete(admin, key, days=20)
    assert published() == []
    deny(admin, key)
    deny(admin, active)
    expected = [("key.deletion_denied_use", "payments", None)]
    assert published() == expected
    assert published() == expected


def test_many_keys_of_a_day_are_published_as_one_notification(admin, monkeypatch):
    monkeypatch.setattr(conditions, "MOST_OF_TOPIC", 2)
    for number in range(2):  # of another topic, so they do not count
        other = {"topic": "key.deletion_scheduled", "dedup_key": f"other {number}", "created_at": ahead()}
        Notification.objects.create(**other)
    for number in range(2):
        new_key(admin, f"few-{number}", expires_at=ahead(days=20))
        few = [("key.expiring", f"few-{each}", "30 days") for each in range(number + 1)]
        assert published() == few
    start = ahead().replace(hour=0, minute=0, second=0, microsecond=0)
    Notification.objects.filter(topic="key.expiring").update(created_at=start)
    for number in range(2):
        new_key(admin, f"many-{number}", expires_at=ahead(days=20))
    many = [("key.expiring", "", "30 days"), *few]
    assert published() == many
    assert published() == many
    summary = Notification.objects.get(topic="key.expiring", object_name="")
    assert summary.sentence.startswith("2 keys expire within 30 days: http")
    assert summary.sentence.endswith("/keys/?finding=expiring")
    Notification.objects.update(created_at=ahead(days=-1))
    assert published() == [*many, *[("key.expiring", f"many-{number}", "30 days") for number in range(2)]]


@pytest.mark.parametrize("page", PAGES)
def test_the_key_list_knows_the_filters_of_a_summary(page):
    path, _, query = page.partition("?")
    assert path == "keys/"
    assert KeyFilterForm(QueryDict(query)).is_valid()


def test_a_scan_costs_a_fixed_number_of_statements_for_each_batch(admin, monkeypatch):
    monkeypatch.setattr(conditions, "AT_ONCE", 2)
    for number in range(5):
        new_key(admin, f"key-{number}", expires_at=ahead(days=2, minutes=number))
    assert len(published()) == 5
    with CaptureQueriesContext(connection) as statements:
        watch_keys()
    clock = int(connection.vendor == "postgresql")
    # Seven steps; three batches; the denials.
    assert len(statements) == 7 + 3 + 1 + clock
