"""Keys whose primary version has sealed as much as it may: they become due for rotation."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery, Sum

from audit.log.events import Outcome
from audit.log.raw_rows import Spelled
from audit.models import UsageRollup
from audit.usage.queries import rows_used_since
from kernel.clock import database_now
from kernel.crypto.algorithms import is_deterministic
from keys.impact import ENCRYPTED, GENERATED
from keys.lifecycle import State
from keys.models import EncryptionPolicy, Key, KeyVersion
from keys.models.rotation_policy import MAX_USES


def find_used_up(
    *, older_than: timedelta = timedelta(), used_within: timedelta | None = None
) -> set[tuple[UUID, int]]:
    """The keys, with their primary version, that have reached a limit but are not due yet.

    The limits are ``after_uses`` and ``after_bytes`` of the policy, and ``MAX_USES`` of every key. Uses are counted when
    they are reserved. ``older_than``: leaves out younger versions. ``used_within``: compares ``after_bytes`` only for
    keys in use, since others have not changed.
    """
    now = database_now()
    made = KeyVersion.objects.filter(  # noqa: CC2 - the schedule makes every used-up key due
        _may_be_due(now, "key__"), is_primary=True, created_at__lte=now - older_than
    )
    found = set(_pairs(made.filter(uses_reserved__gte=MAX_USES)))
    for policy in EncryptionPolicy.objects.exclude(rotation_policy={}):
        rules, of_policy = policy.rotation, made.filter(key__policy=policy)
        if rules.after_uses is not None:
            found |= set(_pairs(of_policy.filter(uses_reserved__gte=rules.after_uses)))
        if rules.after_bytes is not None and not is_deterministic(policy.algorithm):
            if used_within is not None:
                used = rows_used_since(now - used_within).filter(key_id=Spelled(OuterRef("key_id")))
                of_policy = of_policy.filter(Q(Exists(used)))
            found |= set(
                _pairs(of_policy.alias(sealed=_sealed_bytes()).filter(sealed__gte=rules.after_bytes))
            )
    return found


def mark_used_up(*, older_than: timedelta = timedelta(), used_within: timedelta | None = None) -> None:
    """Make these keys due now. No decision depends on the time of the next rotation, so no MAC covers it.

    A key that is rotated meanwhile has another primary version, and keeps its new time.
    """
    for key_id, version in find_used_up(older_than=older_than, used_within=used_within):
        now = database_now()
        Key.objects.filter(_may_be_due(now), pk=key_id, primary_version=version).update(next_rotation_at=now)  # noqa: CC2, CC3 - the schedule makes every used-up key due; next_rotation_at has no MAC


def _may_be_due(now: datetime, prefix: str = "") -> Q:
    """Active keys that are not due."""
    not_due = Q(**{f"{prefix}next_rotation_at": None}) | Q(**{f"{prefix}next_rotation_at__gt": now})
    return not_due & Q(**{f"{prefix}state": State.ACTIVE.value})


def _sealed_bytes() -> Subquery:
    rows = UsageRollup.objects.filter(
        Q(operation__endswith=ENCRYPTED) | Q(operation__endswith=GENERATED),
        key_id=Spelled(OuterRef("key_id")),
        version=OuterRef("version"),
        outcome=Outcome.OK.value,
    )
    return Subquery(rows.order_by().values("key_id").annotate(sum=Sum("size")).values("sum"))


def _pairs(made: QuerySet[KeyVersion]) -> Iterator[tuple[UUID, int]]:
    return made.values_list("key_id", "version").iterator()
