"""Periodic work with keys: record activations, ends of scream tests and expiries, rotate, destroy.

It runs about once a minute, in the embedded worker or with Celery beat. If nothing is due, a function only looks up an
index. Two schedules at once do everything once.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from django.db import transaction

from accounts.principals import Principal
from audit.log.events import Source
from kernel.clock import database_now
from kernel.databases.transactions import try_lock
from kernel.jobs.job import UNFINISHED
from keys.deletion import services as deletion
from keys.deletion.announcements import announce_overdue_destruction
from keys.models import KeyRotationJob, Selection
from keys.rotation.services import jobs, rotating, used_up
from keys.rotation.services.chosen import FEW
from keys.rotation.services.rotating import DUE_REASON
from keys.states import services as states

logger = logging.getLogger(__name__)

SECONDS: Final = 60.0
_LOCK: Final = int.from_bytes(b"cc-rotat")  # our key among PostgreSQL's advisory locks, a bigint
# Uses are counted in reservations of 65,536. Without a minimum age, a low limit would add a version every minute.
_LEAST_AGE: Final = timedelta(hours=1)
_IN_USE: Final = timedelta(hours=2)
_OVERDUE_AFTER: Final = timedelta(hours=1)


def record_clock_changes() -> None:
    """Record expiries last, because a key may have an activation or a scream test behind it, too."""
    principal = _principal("record_clock_changes")
    for record in (states.record_activations, states.end_tests, states.expire_keys):
        for change in record(principal=principal):
            if change.error is not None:
                logger.warning("a change of state was not recorded: %s", change.error.code)


def rotate_due() -> None:
    """Rotate what is due. A key whose rotation failed waits for an hour."""
    principal = _principal("rotate_due_keys")
    used_up.mark_used_up(older_than=_LEAST_AGE, used_within=_IN_USE)
    due = rotating.due_keys(principal, database_now())
    if due[: FEW + 1].count() <= FEW:
        list(rotating.rotate_due_keys(principal=principal, limit=FEW))
        return
    with transaction.atomic():
        is_queued = KeyRotationJob.objects.filter(selection=Selection.DUE.value, status__in=UNFINISHED)
        if try_lock(_LOCK) and not is_queued.exists():
            request = jobs.RotationRequest(Selection.DUE)
            jobs.request_rotation(principal=principal, request=request, reason=DUE_REASON)


def destroy_due() -> None:
    now = database_now()
    for due in deletion.destroy_due_keys(principal=_principal("destroy_due_keys")):
        if due.error is None:
            continue
        logger.warning("a key was not destroyed: %s", due.error.code)
        if due.due_at + _OVERDUE_AFTER <= now:
            announce_overdue_destruction(
                due.key, due.due_at, now, version=due.version, error_code=due.error.code
            )


PERIODIC: Final[Mapping[str, Callable[[], None]]] = MappingProxyType(
    {
        "record_clock_changes": record_clock_changes,
        "rotate_due_keys": rotate_due,
        "destroy_due_keys": destroy_due,
    }
)


def _principal(name: str) -> Principal:
    return Principal.system(name, Source.SCHEDULER)
