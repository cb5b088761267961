"""Sign-in, in two steps if an authenticator is enrolled; sign-out; and confirming a factor again."""

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.middleware.csrf import get_token
from django.urls import reverse
from django_htmx.http import trigger_client_event

from accounts import actions
from accounts.models import User
from accounts.principals import Principal
from accounts.second_factors.forms import CodeForm
from accounts.second_factors.one_time_codes import clean_code, is_totp_code
from accounts.second_factors.services import passkeys, recovery_codes
from accounts.sessions.browser_sessions import begin_session, confirm_session, record_log_out
from accounts.sign_in import services as sign_in
from accounts.sign_in.forms import ConfirmPasswordForm, LogInForm
from accounts.tokens.authentication import name_actor, origin_of
from accounts.users.services import editing, set_up
from audit.log.events import Source
from kernel import throttle
from kernel.clock import database_now, process_now
from kernel.errors import DomainError, Invalid, Throttled
from kernel.http import problems
from kernel.http.context import in_context
from kernel.pages.drafts import carried_draft, keep_draft
from kernel.pages.forms import PageForm
from kernel.pages.views import PageView, is_htmx, known_principal, next_url, with_next
from kernel.rules import ENROLLING, PUBLIC, Rule

PENDING = "pending_log_in"  # session entry: the user whose password was right, and when
PENDING_FOR = timedelta(minutes=5)


class SecretFormView(PageView[Principal]):
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

    def again(self, form: PageForm, refusal: DomainError | None = None, **context: Any) -> HttpResponse:
        """Show the form again with its errors."""
        status: int = HTTPStatus.UNPROCESSABLE_ENTITY
        if refusal is not None:
            form.refused(self.request, refusal)
            if not (is_htmx(self.request) or isinstance(refusal, Invalid)):
                status = problems.status_of(refusal)
        if isinstance(refusal, Throttled):
            context["retry_at"] = process_now() + timedelta(seconds=refusal.retry_after)
        response = self.page(status=status, form=form, **context)
        if isinstance(refusal, Throttled):
            response["Retry-After"] = str(refusal.retry_after)
        return response

    def open(self, user: User, default: str = "") -> HttpResponse:
        """Sign the user in and redirect to the requested page, to ``default`` or to the home page."""
        login(self.request, user, backend=settings.AUTHENTICATION_BACKENDS[0])
        begin_session(self.request)
        self.request.session.pop(PENDING, None)
        if is_htmx(self.request):  # in a dialog: the page keeps its form input, and gets a new CSRF token
            detail = {"token": get_token(self.request), "user": str(user.id)}
            return trigger_client_event(HttpResponse(status=HTTPStatus.NO_CONTENT), "cc:signed-in", detail)
        url = next_url(self.request, default or reverse("home"))
        keep_draft(self.request, url, carried_draft(self.request), user.id)
        return HttpResponseRedirect(url, status=HTTPStatus.SEE_OTHER)


class LogInView(SecretFormView):
    rules = {method: Rule(PUBLIC, actions.SESSION_OPENED) for method in ("GET", "POST")}
    template = "accounts/log_in.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        if known_principal(request) is not None and not is_htmx(request):
            return HttpResponseRedirect(next_url(request, reverse("home")))
        if not set_up.is_set_up():
            return HttpResponseRedirect(reverse("setup"))  # no account exists yet
        return self.page(form=LogInForm(), next=next_url(request, "") or path_behind_dialog(request))

    def post(self, request: HttpRequest, path: str = "", draft: str = "") -> HttpResponse:
        """``path`` and ``draft`` are those of another page whose form was submitted after the session had ended."""
        if draft:
            return self.page(form=LogInForm(), next=path, draft=draft)
        form = LogInForm(request.POST)
        if not form.is_valid():
            return self.again(form)
        origin = origin_of(request, Source.CONSOLE)
        try:
            self.charge()
            # Record the username with a refusal only if an account has it, because it may be a mistyped password.
            name_actor(request, origin.anonymous(sign_in.known_username(form.cleaned_data["username"])))
            user = sign_in.check_password(**form.cleaned_data)
            if user.requires_second_factor:
                return self._ask_for_code(user)
            user = sign_in.log_in_to_browser(
                user_id=user.id, subject_version=user.subject_version, origin=origin
            )
        except DomainError as refusal:
            return self.again(form, refusal)
        return self.open(user)

    def _ask_for_code(self, user: User) -> HttpResponse:
        self.request.session.cycle_key()
        now = database_now().isoformat()
        self.request.session[PENDING] = [str(user.id), user.subject_version, now, user.username]
        if carried_draft(self.request):  # a redirect would lose it
            has_passkeys = passkeys.has_passkeys(user.id)
            return self.page(template=LogInCodeView.template, form=CodeForm(), has_passkeys=has_passkeys)
        url = with_next("login-code", next_url(self.request, ""))
        return HttpResponseRedirect(url, status=HTTPStatus.SEE_OTHER)


class LogInCodeView(SecretFormView):
    rules = {method: Rule(PUBLIC, actions.SESSION_OPENED) for method in ("GET", "POST")}
    template = "accounts/log_in_code.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        pending = pending_log_in(request)
        if pending is None:
            return HttpResponseRedirect(with_next("login", next_url(request, "")))
        has_passkeys = passkeys.has_passkeys(pending[0])
        return self.page(form=CodeForm(), has_passkeys=has_passkeys)

    def post(self, request: HttpRequest) -> HttpResponse:
        pending = pending_log_in(request)
        if pending is None and carried_draft(request):
            return self.page(template=LogInView.template, form=LogInForm())
        if pending is None:
            return HttpResponseRedirect(
                with_next("login", next_url(request, "")), status=HTTPStatus.SEE_OTHER
            )
        form = CodeForm(request.POST)
        if not form.is_valid():
            return self.again(form)
        user_id, subject_version = pending
        origin = origin_of(request, Source.CONSOLE)
        name_actor(request, origin.anonymous(request.session[PENDING][3]))
        try:
            self.charge()
            user = sign_in.log_in_to_browser(
                user_id=user_id,
                subject_version=subject_version,
                totp_code=form.cleaned_data["code"],
                origin=origin,
            )
        except DomainError as refusal:
            return self.again(form, refusal)
        show_codes_left(request, user.id, form.cleaned_data["code"])
        return self.open(user)


def show_codes_left(request: HttpRequest, user_id: UUID, code: str) -> None:
    """After the use of a recovery code, show the number left on the next page in this browser."""
    if not is_totp_code(clean_code(code)):
        left = recovery_codes.count_recovery_codes(user_id)
        words = "1 code" if left == 1 else f"{left} codes"
        messages.warning(request, f"You used a recovery code. You have {words} left.")


def path_behind_dialog(request: HttpRequest) -> str:
    """The path of the page over which htmx opens a dialog; otherwise "". The way to a provider leaves that page."""
    parts = urlsplit(request.headers.get("HX-Current-URL", "") if is_htmx(request) else "")
    return urlunsplit(("", "", parts.path, parts.query, ""))


def where_passkeys_work(request: HttpRequest) -> dict[str, Any]:
    """Template context: whether passkeys work at this address. Browsers bind a passkey to one origin."""
    (origin,) = settings.OTP_WEBAUTHN_ALLOWED_ORIGINS
    here = f"{request.scheme}://{request.get_host()}"
    return {"passkeys_work": here == origin, "passkey_origin": origin}


def pending_log_in(request: HttpRequest) -> tuple[UUID, int] | None:
    """The user whose password was checked in this browser in the last five minutes, and their subject version then."""
    pending = request.session.get(PENDING)
    if pending is None or database_now() - datetime.fromisoformat(pending[2]) > PENDING_FOR:
        return None
    return UUID(pending[0]), pending[1]


class ConfirmIdentityView(SecretFormView):
    """Confirm a factor for actions that require a recent sign-in, then return to the requested page."""

    rules = {method: Rule(ENROLLING, actions.IDENTITY_CONFIRMED) for method in ("GET", "POST")}
    template = "accounts/confirm_identity.html"

    def page(self, **context: Any) -> HttpResponse:
        user = editing.get_own_user(principal=self.principal)
        return super().page(**{"through_provider": user.is_federated} | context)

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        return self.page(form=self._form())

    def post(self, request: HttpRequest) -> HttpResponse:
        form = self._form(request.POST)
        if not form.is_valid():
            return self.again(form)
        given = form.cleaned_data
        try:
            self.charge()
            sign_in.confirm_identity(
                principal=self.principal,
                password=given.get("password", ""),
                totp_code=given.get("code", ""),
                origin=origin_of(request, Source.CONSOLE),
            )
        except DomainError as refusal:
            return self.again(form, refusal)
        confirm_session(request)
        if "code" in given:
            show_codes_left(request, self.principal.person_id, given["code"])
        return HttpResponseRedirect(next_url(request, reverse("home")), status=HTTPStatus.SEE_OTHER)

    def _form(self, data: Any = None) -> PageForm:
        asks_for_code = editing.get_own_user(principal=self.principal).requires_second_factor
        return CodeForm(data) if asks_for_code else ConfirmPasswordForm(data)


class LogOutView(PageView[Principal]):
    rules = {"POST": Rule(PUBLIC, actions.SESSION_CLOSED)}

    def post(self, request: HttpRequest) -> HttpResponse:
        record_log_out(request)
        logout(request)
        return HttpResponseRedirect(f"{reverse('login')}?signed-out", status=HTTPStatus.SEE_OTHER)


class ExtendSessionView(PageView[Principal]):
    """The request itself renews the session, as every user request does. See ``accounts.sessions.middleware``."""

    rules = {"POST": Rule(ENROLLING, actions.SESSION_EXTENDED)}

    def post(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
