"""Create a delivery of each new notification for each target that wants its topic."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from django.db import transaction

from kernel.clock import database_now
from kernel.outbox.models import Notification
from notifications.models import Delivery, Webhook
from notifications.services.claims import urgency
from notifications.services.recipients import addresses_of

AT_ONCE: Final = 200
MOST_ROUNDS: Final = 20  # of one run, so that deliveries begin soon


def distribute() -> None:
    """In small transactions, because each blocks every other writer on SQLite."""
    waiting = Notification.objects.filter(distributed_at__isnull=True)
    for _ in range(MOST_ROUNDS):
        if not waiting.exists():
            return
        _distribute_some()


@transaction.atomic
def _distribute_some() -> None:
    # Another worker skips these rows, so no delivery is created twice.
    rows = Notification.objects.select_for_update(skip_locked=True).filter(distributed_at__isnull=True)
    found = list(rows.order_by(urgency("topic"), "created_at")[:AT_ONCE])
    # Locked, so that a change or a deletion of a webhook waits, and then finds these deliveries.
    active = Webhook.objects.select_for_update(no_key=True).filter(is_active=True).order_by("pk")
    webhooks, now = list(active), database_now()
    Delivery.objects.bulk_create(each for row in found for each in _deliveries(row, webhooks, now))  # noqa: CC3 - deliveries have no MAC
    Notification.objects.filter(pk__in=[row.pk for row in found]).update(distributed_at=now)  # noqa: CC3 - notifications have no MAC


def _deliveries(notification: Notification, webhooks: list[Webhook], now: datetime) -> Iterator[Delivery]:
    """An altered webhook gets its delivery too, which then fails visibly: its MAC is checked before it is sent."""
    for webhook in webhooks:
        if notification.topic in webhook.topics:
            yield Delivery(notification=notification, webhook=webhook, created_at=now, next_attempt_at=now)
    for address in addresses_of(notification):
        yield Delivery(notification=notification, email=address, created_at=now, next_attempt_at=now)
