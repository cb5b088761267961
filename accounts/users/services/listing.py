"""Users as administrators and auditors see them, with what other tables say about each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TypedDict
from uuid import UUID

from django.db.models import DateTimeField, Exists, Max, OuterRef, Subquery, Value

from accounts import actions, login_attempts
from accounts.models import Passkey, User, UserQuerySet
from accounts.principals import Principal
from accounts.users.services.creation import require_known_role
from accounts.users.services.editing import is_last_admin
from audit.log.events import Outcome
from audit.log.raw_rows import SpelledTimestamp, timestamp_of
from audit.models import AuditLog
from kernel.clock import database_now
from kernel.databases.rows import first_of


class UserFilter(TypedDict, total=False):
    """Filters of a list of users. All given members must match. ``search``: every word, in the name or address."""

    search: str
    role: str
    state: str
    ordering: str


@dataclass(frozen=True, kw_only=True)
class ListedUser:
    """``is_intact`` means that the MAC of the row is valid. ``last_sign_in_at`` comes from the audit log.

    ``locked_until``: failed sign-ins lock the account. ``invited_until`` and ``reset_until``: an open invitation or
    password reset expires then.
    """

    user: User
    is_intact: bool
    second_factors: list[str]
    last_sign_in_at: datetime | None
    locked_until: datetime | None
    invited_until: datetime | None
    reset_until: datetime | None

    @cached_property
    def is_last_admin(self) -> bool:
        """Two operations of a page need it, for one query."""
        return is_last_admin(self.user)


def list_users(*, principal: Principal, only: UserFilter | None = None) -> UserQuerySet:
    """The users that match, in an order without ties. Raises Denied, Invalid.

    MACs are not checked here, because one altered row must not hide the others. ``describe_users`` marks it.
    """
    principal.require("users.read")
    only = only or {}
    users = _described(User.objects.visible_to(principal), principal)
    if "search" in only:
        users = users.search(only["search"])
    if "role" in only:
        users = users.filter(role=require_known_role(only["role"]).role)
    if "state" in only:
        users = users.in_state(only["state"])
    return users.order_by(only.get("ordering", "username"), "pk")


def _described(users: UserQuerySet, principal: Principal) -> UserQuerySet:
    """The users with facts of other tables. A token without the scope ``audit.read`` sees no times of sign-ins."""
    last_sign_in: Subquery | Value = Value(None, output_field=DateTimeField())
    if principal.has_permission("audit.read"):
        sign_ins = AuditLog.objects.visible_to(principal).filter(
            user_id=OuterRef("pk"), action=actions.SESSION_OPENED, outcome=Outcome.OK
        )
        times = sign_ins.values("user_id").annotate(last=Max(SpelledTimestamp("timestamp")))
        last_sign_in = Subquery(times.values("last"))
    return users.select_related("invitation").annotate(
        has_passkey=Exists(Passkey.objects.filter(user=OuterRef("pk"))), last_sign_in_at=last_sign_in
    )


def describe_users(users: Iterable[User]) -> list[ListedUser]:
    """Add to users of ``list_users`` the facts that a list shows. Two queries."""
    found, now = list(users), database_now()
    locked = login_attempts.locked_until(found, now)
    return [_listed(user, locked.get(user.pk), now) for user in found]


@dataclass(frozen=True, slots=True)
class _UserWindow:
    """One page of a list of users. ``next_after`` is the name that starts the next page; "" at the end."""

    users: Sequence[ListedUser]
    next_after: str


def list_users_after(*, principal: Principal, only: UserFilter, after: str, limit: int) -> _UserWindow:
    """The first ``limit`` users after the one with the name ``after``, in the order of their names. Raises Denied."""
    window = list(list_users(principal=principal, only=only).filter(username__gt=after)[: limit + 1])
    is_last = len(window) <= limit
    return _UserWindow(describe_users(window[:limit]), "" if is_last else window[limit - 1].username)


def get_user(*, principal: Principal, user_id: UUID) -> ListedUser:
    """One user. Raises Denied, NotFound, IntegrityFailed."""
    return _describe_one(list_users(principal=principal), user_id)


def get_changed_user(*, principal: Principal, user_id: UUID) -> ListedUser:
    """One user, for the response to a change. A token needs no other scope for it. Raises as ``get_user``."""
    principal.require("users.manage")
    return _describe_one(_described(User.objects.all(), principal), user_id)


def _describe_one(users: UserQuerySet, user_id: UUID) -> ListedUser:
    return describe_users([first_of(users.filter(pk=user_id)).check_mac()])[0]


def _listed(user: User, locked_until: datetime | None, now: datetime) -> ListedUser:
    factors = {"totp": user.requires_second_factor, "passkey": user.has_passkey}  # type: ignore[attr-defined]  # annotated
    link = getattr(user, "invitation", None)
    link_until = link.expires_at if link is not None and link.is_open(now) else None
    return ListedUser(
        user=user,
        is_intact=user.is_authentic,
        second_factors=[name for name, is_set in factors.items() if is_set],
        last_sign_in_at=timestamp_of(user.last_sign_in_at),  # type: ignore[attr-defined]  # annotated
        locked_until=locked_until,
        invited_until=None if user.can_sign_in else link_until,
        reset_until=link_until if user.has_usable_password() else None,
    )
