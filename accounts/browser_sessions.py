"""Browser sessions: a new id at each log-in, an end after half an hour unused and after twelve hours at all.

Django's own session holds them (``accounts.session_engine`` keeps them). Its hash follows the user's password and
subject version, so that a change of either ends the session at its next request. What ends it otherwise is its
expiry, a moment: every request of a person moves it, and what a page asks for by itself, from time to time, does not.
"""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.conf import settings
from django.http import HttpRequest

from accounts import services
from accounts.authentication import origin_of
from accounts.models import LONGEST_USER_AGENT, User
from accounts.principals import Principal
from accounts.roles import ROLES
from accounts.session_engine import (
    BEGAN_AT,
    CLIENT_IP,
    ID,
    SEEN_AT,
    SUBJECT_VERSION,
    USER_AGENT,
    drop_expired,
)
from audit.log.events import Source
from kernel.clock import database_now, process_now
from kernel.freshness.stamps import EpochStamp

CONFIRMED_AT = "confirmed_at"  # when a factor was last asked for


def begin_session(request: HttpRequest) -> None:
    """Count the session's life from now, under a new id even where the same user was logged in already."""
    request.session.cycle_key()
    now = database_now()
    request.session[ID] = str(uuid4())
    request.session[BEGAN_AT] = request.session[CONFIRMED_AT] = now.isoformat()
    renew(request, now)
    if isinstance(request.user, User):
        drop_expired(request.user.id)


def confirm_session(request: HttpRequest) -> None:
    """The session's user has just shown a factor once more; its life goes on as before, under a new id."""
    request.session.cycle_key()
    request.session[CONFIRMED_AT] = database_now().isoformat()


def is_over(request: HttpRequest, now: datetime) -> bool:
    """Whether a logged-in session has reached its absolute end; its life counts from the first time it is seen."""
    request.session.setdefault(ID, str(uuid4()))
    request.session.setdefault(BEGAN_AT, now.isoformat())
    return now >= _absolute_end(request)


def renew(request: HttpRequest, now: datetime) -> None:
    """Somebody is using the session: its idle time begins anew, up to its absolute end."""
    session, origin = request.session, origin_of(request)
    session[SEEN_AT] = now.isoformat()
    session[CLIENT_IP], session[USER_AGENT] = origin.client_ip, origin.user_agent[:LONGEST_USER_AGENT]
    if isinstance(request.user, User):
        session[SUBJECT_VERSION] = request.user.subject_version
    # By the process's clock, as Django asks for it.
    idle_end = process_now() + timedelta(seconds=settings.SESSION_COOKIE_AGE)
    session.set_expiry(min(idle_end, _absolute_end(request)))


def _absolute_end(request: HttpRequest) -> datetime:
    began_at = datetime.fromisoformat(request.session[BEGAN_AT])
    return began_at + timedelta(hours=settings.CC_SESSION_ABSOLUTE_HOURS)


def principal_of(request: HttpRequest, user: User, stamp: EpochStamp) -> Principal:
    """The session's user with the rights of his role, read after ``stamp``."""
    return Principal(
        actor=origin_of(request, source_of(request)).user(user.id, user.username),
        user_id=user.id,
        role=user.role,
        permissions=ROLES[user.role],
        subject_version=user.subject_version,
        browser_session_id=UUID(request.session[ID]),
        auth_time=datetime.fromisoformat(request.session.get(CONFIRMED_AT, request.session[BEGAN_AT])),
        stamp=stamp,
    )


def record_log_out(request: HttpRequest) -> None:
    """Say on record that the session's user ends it; Django's own view then does."""
    if isinstance(request.user, User):
        services.log_out_of_browser(user=request.user, origin=origin_of(request, source_of(request)))


def source_of(request: HttpRequest) -> Source:
    """By which of the two doors of a browser a request comes in."""
    return Source.ADMIN if request.path.startswith("/admin/") else Source.CONSOLE
