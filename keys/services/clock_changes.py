"""Records the changes of state that the clock makes. They take effect at their time, recorded or not."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import DatabaseError, transaction
from django.db.models import Q

from accounts.principals import Principal
from audit.log.events import RowChange
from kernel.clock import database_now
from kernel.errors import DomainError
from keys import actions, trail
from keys.changing import as_refusal, finish_change, lock_key
from keys.lifecycle import State, Status
from keys.models import Key, KeyQuerySet

ACTIVATION_REASON: Final = "activation time has come"
EXPIRY_REASON: Final = "expiry has passed"


@dataclass(frozen=True, slots=True)
class ClockChange:
    """A key that has begun or expired ``at``. ``error``: it was not recorded."""

    key: Key
    at: datetime
    error: DomainError | None = None


def record_activations(*, principal: Principal) -> Iterator[ClockChange]:
    """Store the state ``active`` of keys whose activation time has come, one transaction each.

    Two runs at the same time record each key once. A failure does not stop the others.
    """
    due = Q(state=State.PRE_ACTIVATION.value, activates_at__lte=database_now())
    return _record_all(Key.objects.filter(due), lambda key: key.activates_at, principal, _record_activation)  # noqa: CC2 - the schedule records every activation


def expire_keys(*, principal: Principal, dry_run: bool = False) -> Iterator[ClockChange]:
    """Record keys whose expiry has passed, as ``record_activations`` does. They no longer rotate.

    A key that a planned activation has not reached yet in the log is recorded after it.
    """
    due = Q(state=State.ACTIVE.value, expires_at__lte=database_now(), expiry_recorded_at=None)
    record = None if dry_run else _record_expiry
    return _record_all(Key.objects.filter(due), lambda key: key.expires_at, principal, record)  # noqa: CC2 - the schedule records every expiry


def _record_all(
    due: KeyQuerySet,
    time_of: Callable[[Key], datetime | None],
    principal: Principal,
    record: Callable[[Principal, Key], bool] | None,
) -> Iterator[ClockChange]:
    for key in list(due.order_by("name")):
        at = time_of(key)
        if at is None:
            continue
        try:
            if record is None or record(principal, key):
                yield ClockChange(key, at)
        except (DomainError, DatabaseError) as error:
            yield ClockChange(key, at, as_refusal(error))


@transaction.atomic
def _record_activation(principal: Principal, found: Key) -> bool:
    """Whether it was still to be recorded. The row is checked again under lock."""
    key, now = lock_key(principal, found.id), database_now()
    if key.state != State.PRE_ACTIVATION or key.activates_at is None or key.activates_at > now:
        return False
    before = trail.key_values(key)
    key.state = State.ACTIVE
    key.save_with_mac()
    change = RowChange.of_row(key, before=before, after=trail.key_values(key))
    meta: dict[str, object] = {"reason": ACTIVATION_REASON, "state": State.ACTIVE.value}
    finish_change(principal, actions.KEY_ACTIVATED, key, [change], meta=meta)
    return True


@transaction.atomic
def _record_expiry(principal: Principal, found: Key) -> bool:
    key, now = lock_key(principal, found.id), database_now()
    is_expired = key.lifecycle_state(now).status is Status.EXPIRED
    if not is_expired or key.state != State.ACTIVE or key.expiry_recorded_at is not None:
        return False
    before = trail.key_values(key)
    key.expiry_recorded_at = now
    key.next_rotation_at = None
    key.save_with_mac()
    change = RowChange.of_row(key, before=before, after=trail.key_values(key))
    meta: dict[str, object] = {"reason": EXPIRY_REASON, "expires_at": key.expires_at}
    finish_change(principal, actions.KEY_EXPIRED, key, [change], meta=meta)
    return True
