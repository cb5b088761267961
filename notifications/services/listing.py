"""Lists of notifications and deliveries."""

from uuid import UUID

from django.db.models import Prefetch, QuerySet

from accounts.principals import Principal
from kernel.outbox.models import Notification
from notifications.models import READ, Delivery
from notifications.services.webhooks import get_webhook


def list_notifications(*, principal: Principal, topic: str = "") -> QuerySet[Notification]:
    """Newest first, each with its ``deliveries``. Raises Denied."""
    principal.require(READ)
    found = Notification.objects.order_by("-created_at", "-id").prefetch_related(
        Prefetch("deliveries", Delivery.objects.select_related("webhook").order_by("created_at", "id"))
    )
    return found.filter(topic=topic) if topic else found


def list_deliveries(*, principal: Principal, webhook_id: UUID) -> QuerySet[Delivery]:
    """The deliveries of a webhook, newest first. Raises Denied, NotFound."""
    webhook = get_webhook(principal=principal, webhook_id=webhook_id)
    found = Delivery.objects.filter(webhook=webhook).select_related("notification", "webhook")
    return found.order_by("-created_at", "-id")
