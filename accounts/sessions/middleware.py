from uuid import UUID

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from accounts.models import User
from accounts.principals import ROLES_ENTITY, user_entity
from accounts.sessions.browser_sessions import is_over, principal_of, renew
from accounts.tokens.authentication import name_actor
from kernel.clock import process_now
from kernel.freshness.epoch import read_stamp
from kernel.http.context import in_context
from kernel.http.middleware import Handler, is_api
from kernel.pages.views import is_poll, known_principal

_SECONDS_LEFT = "CC-Session-Seconds"  # header that static/js/app.js counts down


class SessionLifetime:
    """Ends expired browser sessions. For a valid session it sets ``request.principal`` and the actor to record."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        # Look up a session only if the cookie is present. The API never uses sessions.
        if settings.SESSION_COOKIE_NAME in request.COOKIES and not is_api(request):
            _look_at_session(request)
        response = self.get_response(request)
        if known_principal(request) is not None and SESSION_KEY in request.session:
            response[_SECONDS_LEFT] = str(request.session.get_expiry_age())
        return response


def _look_at_session(request: HttpRequest) -> None:
    if SESSION_KEY not in request.session:
        return
    # Read the stamp before Django reads the user's row, so that any later change makes the principal stale.
    stamp = read_stamp(user_entity(UUID(request.session[SESSION_KEY])), ROLES_ENTITY)
    now = process_now()  # the stamp has just read the clock of the database
    if is_over(request, now):
        request.session.flush()
    elif isinstance(request.user, User):
        # Polling by a page that was left open must not keep an absent user signed in.
        if not is_poll(request):
            renew(request, now)
        principal = principal_of(request, request.user, stamp)
        name_actor(request, principal.actor)
        in_context(request).principal = principal  # type: ignore[attr-defined]  # the kernel has no Principal type
