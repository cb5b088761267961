"""Claim due deliveries with a lease, and write the results of attempts.

A claim and a result are short transactions. No transaction is open while a request is under way. A worker that dies
after a request sends it again when the lease ends, with the same id: at least once.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Case, IntegerField, Min, Q, QuerySet, Value, When

from kernel.clock import database_now
from kernel.databases.transactions import try_lock
from kernel.observability.metrics import notification_attempts_total
from kernel.outbox.topics import Severity, words_of
from notifications.channels import Attempt, Batch
from notifications.models import Delivery, DeliveryStatus

LEASE: Final = timedelta(seconds=120)
_MOST_TARGETS: Final = 16
MOST_OF_TARGET: Final = 100
# A second after 30, 60, 120 … seconds, then every two hours: 20 attempts within a day.
MAX_ATTEMPTS: Final = 20
_FIRST_DELAY, _LONGEST_DELAY = 30, 7200  # seconds
_LOCK: Final = int.from_bytes(b"cc-notif")  # our key among PostgreSQL's advisory locks, a bigint
_TOPIC: Final = "notification__topic"
_NO_LEASE: Final = {"lease_until": None, "lease_holder": None}


def claim_due(holder: UUID) -> list[list[Delivery]]:
    """Lease the due deliveries of some targets, and return them by target: critical ones first, then the oldest.

    A target with a lease of another worker is left out, so that a slow target occupies one thread of one worker.
    """
    if not _due(database_now()).exists():
        return []
    with transaction.atomic():
        return _claim(holder) if try_lock(_LOCK) else []


def write_attempt(holder: UUID, batch: Batch, attempt: Attempt) -> None:
    """Write the result, unless another worker took over. The row then keeps that worker's lease."""
    notification_attempts_total.labels(batch.channel, "failed" if attempt.error else "ok").inc()
    with transaction.atomic():
        now = database_now()
        for attempts, some in _by_attempts(attempt.deliveries).items():
            _held(holder, some).update(
                **_result(attempt, attempts + 1, now),
                **_NO_LEASE,
                attempts=attempts + 1,
                error=attempt.error,
                response_status=attempt.response_status,
            )


def fail(holder: UUID, deliveries: Sequence[Delivery], error: str) -> None:
    """End deliveries that no further attempt could deliver."""
    _held(holder, deliveries).update(
        **_NO_LEASE, **_ended(DeliveryStatus.FAILED, database_now()), error=error
    )


def release(holder: UUID) -> None:
    """Return what was not tried."""
    Delivery.objects.filter(lease_holder=holder, status=DeliveryStatus.PENDING.value).update(**_NO_LEASE)  # noqa: CC3 - a lease of a delivery, by compare-and-set


def _due(now: datetime) -> QuerySet[Delivery]:
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    return Delivery.objects.filter(free, status=DeliveryStatus.PENDING.value, next_attempt_at__lte=now)


def _claim(holder: UUID) -> list[list[Delivery]]:
    now = database_now()
    targets = (
        _due(now)
        .order_by()
        .values_list("webhook", "email")
        .annotate(most=Min(urgency(_TOPIC)), since=Min("next_attempt_at"))
    )
    busy = set(Delivery.objects.filter(lease_until__gte=now).values_list("webhook", "email").distinct())
    free = [pair for *pair, _, _ in targets.order_by("most", "since") if tuple(pair) not in busy][
        :_MOST_TARGETS
    ]
    claimed = []
    for webhook, email in free:
        rows = (
            _due(now)
            .filter(webhook=webhook, email=email)
            .order_by(urgency(_TOPIC), "next_attempt_at", "created_at")
        )
        ids = rows.select_for_update(skip_locked=True, of=("self",)).values_list("pk", flat=True)[
            :MOST_OF_TARGET
        ]
        some = Delivery.objects.filter(pk__in=list(ids))
        some.update(lease_holder=holder, lease_until=now + LEASE)
        some = some.select_related("notification", "webhook")
        claimed.append(list(some.order_by(urgency(_TOPIC), "created_at", "id")))
    return claimed


def _held(holder: UUID, deliveries: Iterable[Delivery]) -> QuerySet[Delivery]:
    ids = [delivery.pk for delivery in deliveries]
    return Delivery.objects.filter(pk__in=ids, lease_holder=holder, status=DeliveryStatus.PENDING.value)


def _by_attempts(deliveries: Iterable[Delivery]) -> dict[int, list[Delivery]]:
    found: defaultdict[int, list[Delivery]] = defaultdict(list)
    for delivery in deliveries:
        found[delivery.attempts].append(delivery)
    return found


def _result(attempt: Attempt, attempts: int, now: datetime) -> dict[str, Any]:
    if not attempt.error:
        return _ended(DeliveryStatus.SUCCEEDED, now)
    if attempts >= MAX_ATTEMPTS:
        return _ended(DeliveryStatus.FAILED, now)
    return {"next_attempt_at": now + timedelta(seconds=delay_after(attempts))}


def delay_after(attempts: int) -> int:
    """Seconds until the next attempt."""
    return min(_FIRST_DELAY << (attempts - 1), _LONGEST_DELAY)


def _ended(status: DeliveryStatus, now: datetime) -> dict[str, Any]:
    return {"status": status.value, "next_attempt_at": None, "finished_at": now}


def urgency(topic: str) -> Case:
    """The order of work: 0 for critical, then 1, then 2. So critical notifications never wait behind many others. ``topic`` is the path of the column."""
    return Case(
        When(**{f"{topic}__in": words_of(Severity.CRITICAL)}, then=Value(0)),
        When(**{f"{topic}__in": words_of(Severity.WARNING)}, then=Value(1)),
        default=Value(2),
        output_field=IntegerField(),
    )
