"""Browser sessions: a new id at each log-in, an end after half an hour unused and after twelve hours at all.

Django's own session holds them and ends the unused ones (``SESSION_COOKIE_AGE``). Its hash follows the user's
password and subject version, so that a change of either ends the session at its next request.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.http import HttpRequest

from accounts import services
from accounts.authentication import origin_of
from accounts.models import User
from accounts.principals import Principal
from accounts.roles import ROLES
from audit.events import Source
from audit.stamps import EpochStamp
from ciphercanary.clock import database_now

BEGAN_AT = "began_at"
CONFIRMED_AT = "confirmed_at"  # when a factor was last asked for


def begin_session(request: HttpRequest) -> None:
    """Count the session's life from now, under a new id even where the same user was logged in already."""
    request.session.cycle_key()
    request.session[BEGAN_AT] = request.session[CONFIRMED_AT] = database_now().isoformat()


def confirm_session(request: HttpRequest) -> None:
    """The session's user has just shown a factor once more; its life goes on as before, under a new id."""
    request.session.cycle_key()
    request.session[CONFIRMED_AT] = database_now().isoformat()


def is_over(request: HttpRequest) -> bool:
    """Whether a logged-in session has reached its absolute end; its life counts from the first time it is seen."""
    now = database_now()
    began_at = datetime.fromisoformat(request.session.setdefault(BEGAN_AT, now.isoformat()))
    return now - began_at >= timedelta(hours=settings.CC_SESSION_ABSOLUTE_HOURS)


def principal_of(request: HttpRequest, user: User, stamp: EpochStamp) -> Principal:
    """The session's user with the rights of his role, read after ``stamp``."""
    return Principal(
        actor=origin_of(request, source_of(request)).user(user.id, user.username),
        user_id=user.id,
        role=user.role,
        permissions=ROLES[user.role],
        subject_version=user.subject_version,
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
