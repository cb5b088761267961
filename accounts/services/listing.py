"""The list of all users for administrators."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, Max, OuterRef, Subquery

from accounts import actions
from accounts.models import Passkey, User
from accounts.principals import Principal
from audit.log.events import Outcome
from audit.log.raw_rows import SpelledTimestamp, timestamp_of
from audit.models import AuditLog


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedUser:
    """``is_intact`` means that the MAC of the row is valid. ``last_log_in_at`` comes from the audit log."""

    username: str
    role: str
    is_active: bool
    is_intact: bool
    second_factors: list[str]
    last_log_in_at: datetime | None


def list_users(*, principal: Principal) -> list[ListedUser]:
    """All users ordered by name, in one query. Raises Denied. An altered row is marked and does not hide the others."""
    principal.require("users.read")
    log_ins = AuditLog.objects.visible_to(principal).filter(
        user_id=OuterRef("pk"), action=actions.SESSION_OPENED, outcome=Outcome.OK
    )
    users = User.objects.annotate(
        has_passkey=Exists(Passkey.objects.filter(user=OuterRef("pk"))),
        last_log_in_at=Subquery(
            log_ins.values("user_id").annotate(last=Max(SpelledTimestamp("timestamp"))).values("last")
        ),
    )
    return [
        _listed(user, has_passkey=user.has_passkey, at=timestamp_of(user.last_log_in_at)) for user in users
    ]


def _listed(user: User, *, has_passkey: bool, at: datetime | None) -> ListedUser:
    factors = {"TOTP": user.requires_second_factor, "passkey": has_passkey}
    return ListedUser(
        username=user.username,
        role=user.role,
        is_active=user.is_active,
        is_intact=user.is_authentic,
        second_factors=[name for name, is_set in factors.items() if is_set],
        last_log_in_at=at,
    )
