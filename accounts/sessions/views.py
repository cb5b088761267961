"""The caller's sessions, and the base class of forms that may open one."""

from datetime import timedelta
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import login, logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.middleware.csrf import get_token
from django.urls import reverse
from django_htmx.http import trigger_client_event

from accounts import actions
from accounts.models import User
from accounts.principals import Principal
from accounts.sessions.browser_sessions import PENDING, begin_session
from accounts.sessions.forms import EndSessionForm
from accounts.sessions.services import own_sessions
from accounts.tokens.authentication import name_actor, origin_of
from audit.log.events import Source
from kernel import throttle
from kernel.clock import process_now
from kernel.errors import DomainError, Invalid, Throttled
from kernel.http import problems
from kernel.http.context import in_context
from kernel.pages.drafts import carried_draft, keep_draft
from kernel.pages.form_views import FormView
from kernel.pages.forms import PageForm
from kernel.pages.views import PageView, is_htmx, known_principal, next_url
from kernel.rules import AUTHENTICATED, ENROLLING, Rule


class SessionsView(FormView[Principal, EndSessionForm]):
    rules = {
        "GET": Rule(AUTHENTICATED, actions.SESSION_LISTED),
        "POST": Rule(AUTHENTICATED, actions.SESSION_REVOKED),
    }
    section = "account"
    template = "accounts/sessions.html"
    form_class = EndSessionForm

    def perform(self, form: EndSessionForm) -> HttpResponse:
        which: UUID | None = form.cleaned_data["session"]
        if which is None:
            count = own_sessions.end_other_sessions(principal=self.principal)
            words = {0: "There are no other sessions.", 1: "Signed out of 1 other session."}
            return self.done(reverse("sessions"), words.get(count, f"Signed out of {count} other sessions."))
        own_sessions.end_session(principal=self.principal, session_id=which)
        if which == self.principal.browser_session_id:
            logout(self.request)
            return HttpResponseRedirect(f"{reverse('login')}?signed-out", status=HTTPStatus.SEE_OTHER)
        return self.done(reverse("sessions"), "Session signed out.")

    def show_form(self, form: EndSessionForm, **context: Any) -> HttpResponse:
        found = own_sessions.list_sessions(principal=self.principal)
        return self.page(form=form, sessions=found, **context)


class ExtendSessionView(PageView[Principal]):
    """The request itself renews the session, as every user request does. See ``accounts.sessions.middleware``."""

    rules = {"POST": Rule(ENROLLING, actions.SESSION_EXTENDED)}

    def post(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        return HttpResponse(status=HTTPStatus.NO_CONTENT)


class SecretFormView[F: PageForm](FormView[Principal, F]):
    """Base class of forms for a password or a code. Each attempt counts against the rate limit of the client's
    address, and a refusal has its own status code. The forms carry the path to return to, and the draft for it.
    """

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if known_principal(request) is None:  # recorded with a refusal until the user is known
            name_actor(request, origin_of(request, Source.CONSOLE).anonymous())
        return super().dispatch(request, *args, **kwargs)

    def page(self, **context: Any) -> HttpResponse:
        carried = {"next": next_url(self.request, ""), "draft": carried_draft(self.request)}
        return super().page(
            **where_passkeys_work(self.request) | carried | {"oidc": settings.CC_OIDC} | context
        )

    def charge(self) -> None:
        throttle.check_address(in_context(self.request), group="auth", rate=settings.CC_THROTTLE_AUTH)

    def again(self, form: F, refusal: DomainError | None = None, **context: Any) -> HttpResponse:
        if isinstance(refusal, Throttled):
            context["retry_at"] = process_now() + timedelta(seconds=refusal.retry_after)
        response = super().again(form, refusal, **context)
        if refusal is not None and not (is_htmx(self.request) or isinstance(refusal, Invalid)):
            response.status_code = problems.status_of(refusal)
        if isinstance(refusal, Throttled):
            response["Retry-After"] = str(refusal.retry_after)
        return response

    def open(self, user: User, default: str = "", *, has_second_factor: bool = False) -> HttpResponse:
        """Sign the user in and redirect to the requested page, to ``default`` or to the home page."""
        login(self.request, user, backend=settings.AUTHENTICATION_BACKENDS[0])
        begin_session(self.request, has_second_factor=has_second_factor)
        self.request.session.pop(PENDING, None)
        if is_htmx(self.request):  # in a dialog: the page keeps its form input, and gets a new CSRF token
            detail = {"token": get_token(self.request), "user": str(user.id)}
            return trigger_client_event(HttpResponse(status=HTTPStatus.NO_CONTENT), "cc:signed-in", detail)
        url = next_url(self.request, default or reverse("home"))
        keep_draft(self.request, url, carried_draft(self.request), user.id)
        return HttpResponseRedirect(url, status=HTTPStatus.SEE_OTHER)


def where_passkeys_work(request: HttpRequest) -> dict[str, Any]:
    """Template context: whether passkeys work at this address. Browsers bind a passkey to one origin."""
    (origin,) = settings.OTP_WEBAUTHN_ALLOWED_ORIGINS
    here = f"{request.scheme}://{request.get_host()}"
    return {"passkeys_work": here == origin, "passkey_origin": origin}
