"""Delete old notifications with their deliveries."""

from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db.models import Exists, OuterRef

from kernel.clock import database_now
from kernel.outbox.models import Notification
from notifications.models import Delivery, DeliveryStatus

_AT_ONCE: Final = 500


def delete_old() -> None:
    """Delete what is older than ``CC_NOTIFICATION_DAYS``, unless a delivery still waits. In small transactions.

    A condition that still exists is then published once more.
    """
    waiting = Delivery.objects.filter(notification=OuterRef("pk"), status=DeliveryStatus.PENDING.value)
    old = database_now() - timedelta(days=settings.CC_NOTIFICATIONS.keep_days)
    found = Notification.objects.filter(~Exists(waiting), created_at__lt=old, distributed_at__isnull=False)
    while ids := list(found.order_by("created_at").values_list("pk", flat=True)[:_AT_ONCE]):
        Notification.objects.filter(pk__in=ids).delete()  # noqa: CC3 - deletes old notifications
