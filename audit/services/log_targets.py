"""Log targets: create, list, change, enable, disable, test and delete them, and reset their positions."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from audit import actions
from audit.errors import TooManyLogTargets
from audit.forwarding import positions
from audit.forwarding.values import LogTargetValues, set_fields
from audit.log.events import Actor, Event, RowChange
from audit.models import MANAGE_TARGETS, READ_TARGETS, LogTarget
from audit.services.recording import record
from kernel.clock import database_now
from kernel.databases.rows import first_of
from kernel.databases.transactions import wait_for_lock
from kernel.errors import Conflict, Invalid
from kernel.freshness.epoch import require_current
from kernel.freshness.stamps import EpochStamp
from kernel.rules import Caller
from kernel.trust.row_state import delete_rows

_LOCK: Final = int.from_bytes(b"cc-ltrgt")  # our key among PostgreSQL's advisory locks, a bigint
MOST_TARGETS: Final = 16  # each has a thread of a worker


class Administrator(Caller, Protocol):
    """A caller who may change log targets."""

    @property
    def actor(self) -> Actor: ...
    @property
    def stamp(self) -> EpochStamp | None: ...


def find_log_targets(*, principal: Caller) -> QuerySet[LogTarget]:
    """All targets, by name. Read them with ``measured``. Raises Denied."""
    principal.require(READ_TARGETS)
    return LogTarget.objects.order_by("name")


def get_log_target(*, principal: Caller, target_id: UUID) -> LogTarget:
    """Raises Denied, NotFound, IntegrityFailed."""
    return first_of(find_log_targets(principal=principal).filter(pk=target_id)).check_mac()


def measured(rows: Iterable[LogTarget], *, principal: Caller) -> list[LogTarget]:
    """The rows with their lag and the URL that the caller may see, because its path may be a secret.

    Raises IntegrityFailed for an altered row.
    """
    found = [row.check_mac() for row in rows]
    lags = positions.lags_of(found)
    is_manager = principal.has_permission(MANAGE_TARGETS)
    for target in found:
        target.lag = lags[target.id]
        target.shown_url = target.url if is_manager else target.origin
    return found


def create_log_target(
    *, principal: Administrator, values: LogTargetValues, size: int | None = None, is_enabled: bool = True
) -> LogTarget:
    """Create a target. It gets the entries after the first ``size``: 0 for the whole log, None for new entries only.

    ``name`` and ``url`` are required. Raises Denied, RecentAuthRequired, TooManyLogTargets, Invalid.
    """
    target = LogTarget(created_at=_admit(principal), created_by=principal.user_id, is_enabled=is_enabled)
    target.created_by_name = principal.actor.actor_name
    with transaction.atomic():
        wait_for_lock(_LOCK)  # otherwise concurrent requests would not see each other
        if LogTarget.objects.count() >= MOST_TARGETS:
            raise TooManyLogTargets(MOST_TARGETS)
        set_fields(target, {"name": "", "url": "", **values})
        positions.set_position(target, size)
        _save(target)
        _record(
            actions.LOG_TARGET_CREATED, target, principal, RowChange.of_row(target, after=_values_of(target))
        )
    return target


def update_log_target(
    *,
    principal: Administrator,
    target_id: UUID,
    changes: LogTargetValues,
    check: Callable[[LogTarget], None] | None = None,
) -> LogTarget:
    """Change fields. The position stays. A failed delivery is repeated at once.

    ``check`` may refuse the locked target with an error of its own. Raises Denied, RecentAuthRequired, NotFound,
    Invalid, IntegrityFailed.
    """
    _admit(principal)
    with transaction.atomic():
        target = _lock(target_id)
        if check is not None:
            check(target)
        before, secrets = _values_of(target), (target.url, target.ca)
        set_fields(target, changes)
        after = _values_of(target)
        if (after, target.url, target.ca) != (before, *secrets) or changes.get("credential"):
            target.next_attempt_at = None
            _save(target)
            change = RowChange.of_row(target, before=before, after=after)
            meta = {"credential_changed": "credential" in changes, "path_changed": target.url != secrets[0]}
            _record(actions.LOG_TARGET_CHANGED, target, principal, change, **meta)
    return target


def enable_log_target(*, principal: Administrator, target_id: UUID) -> LogTarget:
    """Deliver again, from the position on. Raises Denied, RecentAuthRequired, NotFound, Conflict, IntegrityFailed."""
    return _switch(principal, target_id, actions.LOG_TARGET_ENABLED, is_enabled=True)


def disable_log_target(*, principal: Administrator, target_id: UUID) -> LogTarget:
    """Deliver nothing. Archiving no longer waits for the target. Raises as ``enable_log_target``."""
    return _switch(principal, target_id, actions.LOG_TARGET_DISABLED, is_enabled=False)


def reset_position(*, principal: Administrator, target_id: UUID, size: int | None = None) -> LogTarget:
    """Continue after the first ``size`` entries: 0 for the whole log, None for new entries only. Ends a stop, too.

    Raises Denied, RecentAuthRequired, NotFound, Invalid, IntegrityFailed.
    """
    _admit(principal)
    with transaction.atomic():
        target = _lock(target_id)
        before = _values_of(target)
        meta = {"stopped_reason": target.stopped_reason}
        positions.set_position(target, size)
        target.stopped_reason, target.last_success_at = "", None
        target.clear_failures()
        _save(target)
        change = RowChange.of_row(target, before=before, after=_values_of(target))
        _record(actions.LOG_TARGET_RESET, target, principal, change, **meta)
    return target


def request_test(*, principal: Administrator, target_id: UUID) -> LogTarget:
    """Let the worker send one test entry, within seconds, also to a disabled target.

    ``tested_at`` and ``test_error`` then have the result. Raises Denied, NotFound, IntegrityFailed.
    """
    principal.require(MANAGE_TARGETS)
    with transaction.atomic():
        target = _lock(target_id)
        target.test_requested_at, target.tested_at, target.test_error = database_now(), None, ""
        target.save(update_fields=["test_requested_at", "tested_at", "test_error"])  # noqa: CC3 - not under the MAC
        _record(actions.LOG_TARGET_TESTED, target, principal)
    return target


def delete_log_target(*, principal: Administrator, target_id: UUID) -> str:
    """Delete a target. Returns its name. Raises Denied, RecentAuthRequired, NotFound."""
    _admit(principal)
    with transaction.atomic():
        target = first_of(LogTarget.objects.select_for_update().filter(pk=target_id))
        change = RowChange.of_row(target, before=_values_of(target))
        delete_rows(LogTarget.objects.filter(pk=target_id))
        _record(actions.LOG_TARGET_DELETED, target, principal, change)
    return target.name


def _admit(principal: Administrator) -> datetime:
    """The time. Raises Denied and RecentAuthRequired."""
    principal.require(MANAGE_TARGETS)
    now = database_now()
    principal.require_recent_sign_in(now)
    return now


def _lock(target_id: UUID) -> LogTarget:
    return first_of(LogTarget.objects.select_for_update().filter(pk=target_id)).check_mac()


def _switch(principal: Administrator, target_id: UUID, action: str, *, is_enabled: bool) -> LogTarget:
    _admit(principal)
    with transaction.atomic():
        target = _lock(target_id)
        if target.is_enabled == is_enabled:
            raise Conflict(f"The log target is already {'enabled' if is_enabled else 'disabled'}.")
        before = _values_of(target)
        target.is_enabled, target.next_attempt_at = is_enabled, None
        _save(target)
        _record(action, target, principal, RowChange.of_row(target, before=before, after=_values_of(target)))
    return target


def _save(target: LogTarget) -> None:
    """Raises Invalid for the name of another target."""
    target.edits += 1
    try:
        with transaction.atomic():
            target.save_with_mac()
    except IntegrityError:
        raise Invalid.of_field("name", "Another log target has this name.") from None


def _values_of(target: LogTarget) -> dict[str, object]:
    """The declared fields for the audit log. The path of the URL may be a secret, so only the origin is logged."""
    return {
        "name": target.name,
        "origin": target.origin,
        "style": target.style,
        "format": target.format,
        "actions": list(target.actions),
        "outcomes": list(target.outcomes),
        "has_credential": target.has_credential,
        "has_ca": bool(target.ca),
        "is_enabled": target.is_enabled,
        "size": target.size,
    }


def _record(
    action: str, target: LogTarget, principal: Administrator, *changes: RowChange, **meta: object
) -> None:
    event = Event(action=action, object_type="log_target", object_id=str(target.id), meta=meta)
    record(event, principal.actor, changes=changes)
    require_current(principal.stamp)
