"""Publish what needs attention at accounts: tokens that expire or that no program uses, and missing second factors."""

from datetime import timedelta
from typing import Final

from django.db.models import F, Q

from accounts.models import ServiceToken, User
from accounts.tokens.services.listing import is_open, is_unused_since
from audit.usage.sums import DAY
from kernel.clock import database_now
from keys.models.selection import UNUSED_FOR
from notifications.services.conditions import Watched
from notifications.topics import SECOND_FACTOR_MISSING, TOKEN_EXPIRING, TOKEN_UNUSED

_DAYS_AHEAD: Final = {"1 day": DAY, "7 days": 7 * DAY}
_LEAST_LIFE: Final = 14 * DAY  # a token for a few days needs no warning
_TIME_TO_ENROL: Final = timedelta(days=7)
_EXPIRING: Final = Watched(
    topic=TOKEN_EXPIRING, object_type="service_token", column="expires_at", page="tokens/?state=active"
)
_UNUSED: Final = Watched(
    topic=TOKEN_UNUSED,
    object_type="service_token",
    column="created_at",
    page="tokens/?state=active&use=unused",
)
_UNPROTECTED: Final = Watched(
    topic=SECOND_FACTOR_MISSING,
    object_type="user",
    name="username",
    column="created_at",
    page="users/?state=active",
)
PAGES: Final = (_EXPIRING.page, _UNUSED.page, _UNPROTECTED.page)


def watch_accounts() -> None:
    """One scan. A token that was replaced by its rotation, or whose owner is disabled, is not watched."""
    now = database_now()
    has_active_owner = Q(user__is_active=True) | Q(service_account__is_active=True)
    tokens = ServiceToken.objects.filter(is_open(now), has_active_owner, is_issued=False, rotated_at=None)
    long_lived = tokens.filter(expires_at__gte=F("created_at") + _LEAST_LIFE)
    _EXPIRING.publish_ahead(long_lived, _DAYS_AHEAD, now)
    since = now - UNUSED_FOR
    _UNUSED.publish_past(tokens.filter(is_unused_since(since)), since, now, within=f"{UNUSED_FOR.days} days")
    people = User.objects.with_own_password().filter(is_active=True, requires_second_factor=False)
    _UNPROTECTED.publish_past(people, now - _TIME_TO_ENROL, now, within="")
