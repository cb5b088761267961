"""Finding policies: by name, page by page, and the choices for a key."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from accounts.principals import Principal
from kernel.databases.rows import first_of
from keys.models import EncryptionPolicy, Key
from keys.models.selection import fold


@dataclass(frozen=True, slots=True)
class _PolicyWindow:
    """One page of a list of policies, each with ``keys_count``. ``next_after`` starts the next page; "" at the end."""

    policies: Sequence[EncryptionPolicy]
    next_after: str


def list_policies(*, principal: Principal, search: str = "") -> QuerySet[EncryptionPolicy]:
    """The policies by name, with ``keys_count``: the keys that exist for the principal. Raises Denied."""
    reach = Key.objects.within_reach_of(principal)
    counted = Count("keys", filter=Q(keys__in=reach) if reach.query.has_filters() else None)
    return visible_policies(principal, search).annotate(keys_count=counted).order_by("name")


def visible_policies(principal: Principal, search: str = "") -> QuerySet[EncryptionPolicy]:
    """All policies, or those whose names contain ``search``. Raises Denied."""
    principal.require("policies.read")
    policies = EncryptionPolicy.objects.all()
    return policies.filter(name__contains=fold(search)) if search else policies


def get_policy(*, principal: Principal, policy_id: UUID) -> EncryptionPolicy:
    """Raises Denied, NotFound, IntegrityFailed."""
    return first_of(list_policies(principal=principal).filter(pk=policy_id)).check_mac()


def find_policy(*, principal: Principal, name: str) -> EncryptionPolicy:
    """The policy with ``keys_count``. Raises Denied, NotFound, IntegrityFailed."""
    return first_of(list_policies(principal=principal).filter(name=name)).check_mac()


def policy_named(*, principal: Principal, name: str) -> EncryptionPolicy | None:
    """Raises Denied."""
    return visible_policies(principal).filter(name=name).first()


def list_policies_after(*, principal: Principal, search: str, after: str, limit: int) -> _PolicyWindow:
    """The first ``limit`` policies by name after the name ``after``, whose names contain ``search``."""
    policies = list_policies(principal=principal, search=search).filter(name__gt=after)
    window = list(policies[: limit + 1])
    return _PolicyWindow(window[:limit], window[limit - 1].name if len(window) > limit else "")


def policies_for(
    *, principal: Principal, algorithm: str = "", current: EncryptionPolicy | None = None, limit: int = 200
) -> list[EncryptionPolicy]:
    """The first active policies by name, of one algorithm if given, and the ``current`` one. Raises Denied."""
    accepted = Q(is_active=True) & (Q(algorithm=algorithm) if algorithm else Q())
    if current is not None:
        accepted |= Q(pk=current.pk)
    return list(visible_policies(principal).filter(accepted).order_by("name")[:limit])
