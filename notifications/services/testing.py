"""Test deliveries, and retries of failed ones. The worker sends them, so no request waits for a target."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction

from accounts.principals import Principal
from audit.log.events import Event
from audit.services.recording import record
from kernel.clock import database_now
from kernel.databases.rows import first_of
from kernel.errors import Conflict
from kernel.outbox.models import Notification
from notifications import actions
from notifications.models import MANAGE, Delivery, DeliveryStatus, Webhook
from notifications.services.webhooks import get_webhook, may_receive
from notifications.topics import TEST


@transaction.atomic
def send_test(*, principal: Principal, webhook_id: UUID) -> Delivery:
    """Queue a test for one webhook, also an inactive one. Raises Denied, NotFound, IntegrityFailed."""
    webhook = get_webhook(principal=principal, webhook_id=webhook_id)
    event = Event(action=actions.WEBHOOK_TESTED, object_type="webhook", object_id=str(webhook.id))
    record(event, principal.actor)
    (delivery,) = _queue_test(principal, [{"webhook": webhook}])
    return delivery


@transaction.atomic
def send_test_email(*, principal: Principal) -> int:
    """Queue a test for each address. Returns their number. Raises Denied, and Conflict if e-mail is off."""
    principal.require(MANAGE)
    given = settings.CC_NOTIFICATIONS
    if not given.has_email:
        raise Conflict("E-mail is off. Set CC_SMTP_HOST, CC_NOTIFY_FROM and CC_NOTIFY_EMAILS.")
    record(Event(action=actions.EMAIL_TESTED, object_type="", object_id=""), principal.actor)
    return len(_queue_test(principal, [{"email": address} for address in dict.fromkeys(given.emails)]))


@transaction.atomic
def retry_delivery(*, principal: Principal, delivery_id: UUID) -> Delivery:
    """Send a failed or waiting delivery as soon as possible. Its attempts count from the beginning.

    Raises Denied, NotFound, and Conflict if it has succeeded or its webhook is inactive.
    """
    principal.require(MANAGE)
    found = first_of(Delivery.objects.select_for_update().filter(pk=delivery_id))
    if found.status == DeliveryStatus.SUCCEEDED:
        raise Conflict("This delivery has succeeded.")
    if found.webhook is not None and not may_receive(found.webhook, found):
        raise Conflict("The webhook of this delivery is disabled. Enable it, then retry.")
    found.status, found.attempts = DeliveryStatus.PENDING.value, 0
    found.next_attempt_at, found.finished_at = database_now(), None
    found.save(update_fields=["status", "attempts", "next_attempt_at", "finished_at"])  # noqa: CC3 - deliveries have no MAC
    event = Event(action=actions.DELIVERY_RETRIED, object_type="delivery", object_id=str(found.id))
    record(event, principal.actor)
    return found


def _queue_test(principal: Principal, targets: Iterable[dict[str, Webhook | str]]) -> list[Delivery]:
    """A notification for these targets only."""
    now, number = database_now(), uuid4()
    notification = Notification.objects.create(  # noqa: CC3 - notifications have no MAC
        topic=TEST.word,
        facts={"requested_by": principal.actor.actor_name},
        dedup_key=f"test:{number}",
        created_at=now,
        distributed_at=now,
    )
    return Delivery.objects.bulk_create(_delivery(notification, now, target) for target in targets)  # noqa: CC3 - deliveries have no MAC


def _delivery(notification: Notification, now: datetime, target: dict[str, Webhook | str]) -> Delivery:
    return Delivery(notification=notification, created_at=now, next_attempt_at=now, **target)
