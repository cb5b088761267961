"""Browser sessions: a new ID at each sign-in, a 30-minute idle timeout and a 12-hour absolute timeout.

``accounts.session_engine`` stores the sessions. The session hash covers the user's password and subject version,
so a change of either ends the session at its next request. Otherwise the session ends at its expiry time. User
requests move the expiry; automatic polling does not.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from django.conf import settings
from django.http import HttpRequest

from accounts.models import LONGEST_USER_AGENT, User
from accounts.principals import Principal
from accounts.session_engine import (
    BEGAN_AT,
    CLIENT_IP,
    ID,
    SEEN_AT,
    SUBJECT_VERSION,
    USER_AGENT,
    drop_expired,
)
from accounts.tokens.authentication import origin_of
from audit.log.events import Source
from kernel.clock import database_now
from kernel.freshness.stamps import EpochStamp

PENDING = "pending_log_in"  # session entry: the user whose password was right, and when
PENDING_FOR = timedelta(minutes=5)

_HAS_SECOND_FACTOR = "has_second_factor"  # session entry: the sign-in used a second factor or a passkey
CONFIRMED_AT = "confirmed_at"  # when the user last passed a factor check


def begin_session(request: HttpRequest, *, has_second_factor: bool) -> None:
    """Start the session's lifetime under a new key and ID, even if the same user was already signed in."""
    request.session.cycle_key()
    now = database_now()
    request.session[ID] = str(uuid4())
    request.session[_HAS_SECOND_FACTOR] = has_second_factor
    request.session[BEGAN_AT] = request.session[CONFIRMED_AT] = now.isoformat()
    renew(request, now)
    if isinstance(request.user, User):
        drop_expired(request.user.id)


def confirm_session(request: HttpRequest) -> None:
    """Record that the user passed a factor check, under a new key. The lifetime of the session does not change."""
    request.session.cycle_key()
    request.session[CONFIRMED_AT] = database_now().isoformat()


def authenticate_at(request: HttpRequest, at: datetime | None) -> None:
    """Record when the user proved their identity: a provider may have continued an old session of its own.

    Without a time, no sign-in counts as recent.
    """
    began_at = datetime.fromisoformat(request.session[BEGAN_AT])
    request.session[CONFIRMED_AT] = min(at or datetime.min.replace(tzinfo=UTC), began_at).isoformat()


def is_over(request: HttpRequest, now: datetime) -> bool:
    """Whether a signed-in session has reached its absolute timeout. The lifetime starts with the first check."""
    request.session.setdefault(ID, str(uuid4()))
    request.session.setdefault(BEGAN_AT, now.isoformat())
    return now >= _absolute_end(request)


def renew(request: HttpRequest, now: datetime) -> None:
    """Extend the idle timeout after a user request, at most to the absolute end."""
    session, origin = request.session, origin_of(request)
    session[SEEN_AT] = now.isoformat()
    session[CLIENT_IP], session[USER_AGENT] = origin.client_ip, origin.user_agent[:LONGEST_USER_AGENT]
    if isinstance(request.user, User):
        session[SUBJECT_VERSION] = request.user.subject_version
    idle_end = now + timedelta(seconds=settings.SESSION_COOKIE_AGE)
    session.set_expiry(min(idle_end, _absolute_end(request)))


def _absolute_end(request: HttpRequest) -> datetime:
    began_at = datetime.fromisoformat(request.session[BEGAN_AT])
    return began_at + timedelta(hours=settings.CC_SESSION_ABSOLUTE_HOURS)


def principal_of(request: HttpRequest, user: User, stamp: EpochStamp) -> Principal:
    """The session's user with the permissions of their role. ``stamp`` was read before the user's row."""
    return Principal(
        actor=origin_of(request, _source_of(request)).user(user.id, user.username),
        identity=user.identity,
        rights=user.rights,
        permissions=user.permissions,
        must_enrol=user.must_enrol,
        has_second_factor=request.session.get(_HAS_SECOND_FACTOR, False),
        subject_version=user.subject_version,
        revision=user.revision,
        browser_session_id=UUID(request.session[ID]),
        auth_time=datetime.fromisoformat(request.session.get(CONFIRMED_AT, request.session[BEGAN_AT])),
        stamp=stamp,
    )


def _source_of(request: HttpRequest) -> Source:
    """Whether a browser request uses the admin or the console interface."""
    return Source.ADMIN if request.path.startswith("/admin/") else Source.CONSOLE
