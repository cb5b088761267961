"""One-time links of users: an invitation or a password reset. A new link of a user replaces the previous one."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from accounts.models import Invitation, User
from kernel.clock import database_now
from kernel.trust.row_heads import find_current


@dataclass(frozen=True, slots=True)
class IssuedLink:
    """A new link. Its ``url`` contains the code, which is stored nowhere, so show it only once."""

    user: User
    url: str = field(repr=False)
    expires_at: datetime


def replace_link(user: User, code_hash: str, life: timedelta) -> datetime:
    """Replace the user's link, and return when the new one expires. The caller has locked or inserted the user."""
    link = Invitation.objects.filter(user=user).first() or Invitation(user=user)
    link.user = user
    link.code_hash = code_hash
    link.subject_version = user.subject_version
    link.expires_at = database_now() + life
    link.save_with_mac()
    return link.expires_at


def user_of_link(code_hash: str) -> User | None:
    """The user of the open link with this hash. Raises IntegrityFailed."""
    link = find_current(Invitation.objects.select_related("user").filter(code_hash=code_hash), "user")
    now = database_now()
    return link.user if link and link.is_opened_by(code_hash, now) and link.is_open(now) else None
