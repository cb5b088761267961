"""Numbers of deliveries, for the metrics."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db.models import Count, Min

from kernel.clock import process_now
from kernel.outbox.models import Notification
from notifications.models import Delivery, DeliveryStatus

_FAILED_WITHIN: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Deliveries:
    """``oldest_seconds`` is 0.0 if nothing waits. ``failed`` counts those that were given up within a day."""

    pending: int
    oldest_seconds: float
    failed: int


def measure_deliveries() -> _Deliveries:
    """Three queries on partial indexes."""
    now = process_now()
    waiting = Delivery.objects.filter(status=DeliveryStatus.PENDING.value)
    found = waiting.aggregate(number=Count("pk"), oldest=Min("created_at"))
    new = Notification.objects.filter(distributed_at__isnull=True).aggregate(oldest=Min("created_at"))
    failed = Delivery.objects.filter(
        status=DeliveryStatus.FAILED.value, finished_at__gte=now - _FAILED_WITHIN
    )
    oldest = min(filter(None, (found["oldest"], new["oldest"])), default=now)
    return _Deliveries(found["number"], max((now - oldest).total_seconds(), 0.0), failed.count())
