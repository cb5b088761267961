"""Sign-in, in two steps if an authenticator is enrolled, or with a passkey; sign-out; confirming a factor again."""

from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlunsplit
from uuid import UUID

from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from accounts import actions
from accounts.errors import OtpRequired
from accounts.models import User
from accounts.principals import Principal
from accounts.second_factors.forms import CodeForm
from accounts.second_factors.one_time_codes import clean_code, is_totp_code
from accounts.second_factors.services import passkeys, recovery_codes
from accounts.second_factors.views import TOO_OLD, begun, take_state
from accounts.sessions.browser_sessions import PENDING, PENDING_FOR, confirm_session
from accounts.sessions.services.sessions import sign_out_of_browser
from accounts.sessions.views import SecretFormView
from accounts.sign_in import services
from accounts.sign_in.forms import ConfirmPasswordForm, SignInForm
from accounts.tokens.authentication import name_actor, origin_of
from accounts.users.services import editing, set_up
from audit.log.events import Source
from kernel.clock import database_now
from kernel.errors import DomainError, Unauthenticated
from kernel.pages.drafts import carried_draft
from kernel.pages.forms import PageForm
from kernel.pages.views import PageView, is_htmx, known_principal, next_url, refuse, shown_url, with_next
from kernel.rules import ENROLLING, PUBLIC, Rule

_PASSKEY = "passkey_log_in"  # session entry, as that of a new passkey


class SignInView(SecretFormView[SignInForm]):
    rules = {method: Rule(PUBLIC, actions.SESSION_OPENED) for method in ("GET", "POST")}
    form_class = SignInForm
    template = "accounts/sign_in.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        if known_principal(request) is not None and not is_htmx(request):
            return HttpResponseRedirect(next_url(request, reverse("home")))
        if not set_up.is_set_up():
            return HttpResponseRedirect(reverse("setup"))  # no account exists yet
        return self.page(form=SignInForm(), next=next_url(request, "") or _path_behind_dialog(request))

    def post(self, request: HttpRequest, path: str = "", draft: str = "", **kwargs: Any) -> HttpResponse:
        """``path`` and ``draft`` are those of another page whose form was submitted after the session had ended."""
        if draft:
            return self.page(form=SignInForm(), next=path, draft=draft)
        return super().post(request, **kwargs)

    def perform(self, form: SignInForm) -> User:
        origin = origin_of(self.request, Source.CONSOLE)
        self.charge()
        # Record the username with a refusal only if an account has it, because it may be a mistyped password.
        name_actor(self.request, origin.anonymous(services.known_username(form.cleaned_data["username"])))
        user = services.check_password(**form.cleaned_data)
        if user.requires_second_factor:
            return user
        return services.sign_in_to_browser(
            user_id=user.id, subject_version=user.subject_version, origin=origin
        )

    def respond(self, result: User) -> HttpResponse:
        return self._ask_for_code(result) if result.requires_second_factor else self.open(result)

    def _ask_for_code(self, user: User) -> HttpResponse:
        # As over the API, an entry shows that someone has the password.
        refuse(self.request, OtpRequired("Enter the code of your authenticator."))
        self.request.session.cycle_key()
        now = database_now().isoformat()
        self.request.session[PENDING] = [str(user.id), user.subject_version, now, user.username]
        if carried_draft(self.request):  # a redirect would lose it
            has_passkeys = passkeys.has_passkeys(user.id)
            return self.page(template=SignInCodeView.template, form=CodeForm(), has_passkeys=has_passkeys)
        url = with_next("login-code", next_url(self.request, ""))
        return HttpResponseRedirect(url, status=HTTPStatus.SEE_OTHER)


class SignInCodeView(SecretFormView[CodeForm]):
    rules = {method: Rule(PUBLIC, actions.SESSION_OPENED) for method in ("GET", "POST")}
    template = "accounts/sign_in_code.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        pending = _pending_sign_in(request)
        if pending is None:
            return HttpResponseRedirect(with_next("login", next_url(request, "")))
        has_passkeys = passkeys.has_passkeys(pending[0])
        return self.page(form=CodeForm(), has_passkeys=has_passkeys)

    def post(self, request: HttpRequest) -> HttpResponse:
        pending = _pending_sign_in(request)
        if pending is None and carried_draft(request):
            return self.page(template=SignInView.template, form=SignInForm())
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
            user = services.sign_in_to_browser(
                user_id=user_id,
                subject_version=subject_version,
                totp_code=form.cleaned_data["code"],
                origin=origin,
            )
        except DomainError as refusal:
            return self.again(form, refusal)
        _show_codes_left(request, user.id, form.cleaned_data["code"])
        # An administrator may have reset the authenticator since the password was checked. Then any code passes.
        return self.open(user, has_second_factor=user.requires_second_factor)


def _show_codes_left(request: HttpRequest, user_id: UUID, code: str) -> None:
    """After the use of a recovery code, show the number left on the next page in this browser."""
    if not is_totp_code(clean_code(code)):
        left = recovery_codes.count_recovery_codes(user_id)
        words = "1 code" if left == 1 else f"{left} codes"
        messages.warning(request, f"You used a recovery code. You have {words} left.")


def _path_behind_dialog(request: HttpRequest) -> str:
    """The path of the page over which htmx opens a dialog; otherwise "". The way to a provider leaves that page."""
    parts = shown_url(request)
    return urlunsplit(("", "", parts.path, parts.query, ""))


def _pending_sign_in(request: HttpRequest) -> tuple[UUID, int] | None:
    """The user whose password was checked in this browser in the last five minutes, and their subject version then."""
    pending = request.session.get(PENDING)
    if pending is None or database_now() - datetime.fromisoformat(pending[2]) > PENDING_FOR:
        return None
    return UUID(pending[0]), pending[1]


class ConfirmIdentityView(SecretFormView[CodeForm | ConfirmPasswordForm]):
    """Confirm a factor for actions that require a recent sign-in, then return to the requested page."""

    rules = {method: Rule(ENROLLING, actions.IDENTITY_CONFIRMED) for method in ("GET", "POST")}
    template = "accounts/confirm_identity.html"

    def page(self, **context: Any) -> HttpResponse:
        user = editing.get_own_user(principal=self.principal)
        return super().page(**{"through_provider": user.is_federated} | context)

    def form(self, data: Any = None) -> CodeForm | ConfirmPasswordForm:
        asks_for_code = editing.get_own_user(principal=self.principal).requires_second_factor
        return CodeForm(data) if asks_for_code else ConfirmPasswordForm(data)

    def perform(self, form: CodeForm | ConfirmPasswordForm) -> str:
        code: str = form.cleaned_data.get("code", "")
        self.charge()
        services.confirm_identity(
            principal=self.principal,
            password=form.cleaned_data.get("password", ""),
            totp_code=code,
            origin=origin_of(self.request, Source.CONSOLE),
        )
        return code

    def respond(self, result: str) -> HttpResponse:
        confirm_session(self.request)
        if result:
            _show_codes_left(self.request, self.principal.person_id, result)
        return HttpResponseRedirect(next_url(self.request, reverse("home")), status=HTTPStatus.SEE_OTHER)


class SignOutView(PageView[Principal]):
    rules = {"POST": Rule(PUBLIC, actions.SESSION_CLOSED)}

    def post(self, request: HttpRequest) -> HttpResponse:
        if isinstance(request.user, User):
            sign_out_of_browser(user=request.user, origin=origin_of(request, Source.CONSOLE))
        logout(request)
        return HttpResponseRedirect(f"{reverse('login')}?signed-out", status=HTTPStatus.SEE_OTHER)


class SignInWithPasskeyView(SecretFormView[PageForm]):
    """The two steps of a ceremony, as in ``NewPasskeyView``: instead of a password, or (``second``) after it."""

    rules = {"POST": Rule(PUBLIC, actions.SESSION_OPENED)}

    def post(self, request: HttpRequest) -> HttpResponse:
        is_second = "second" in request.POST
        after_password = _pending_sign_in(request) if is_second else None
        form: PageForm = CodeForm() if after_password else SignInForm()
        template = "accounts/sign_in_code.html" if after_password else "accounts/sign_in.html"
        if after_password:
            name_actor(request, origin_of(request, Source.CONSOLE).anonymous(request.session[PENDING][3]))
        try:
            self.charge()
            if is_second and after_password is None:
                raise Unauthenticated(TOO_OLD)
            if not request.POST.get("credential"):
                user_id = after_password[0] if after_password else None
                options, state = services.begin_passkey_sign_in(user_id=user_id)
                return begun(request, _PASSKEY, options, state)
            user = services.sign_in_with_passkey(
                state=take_state(request, _PASSKEY),
                credential=request.POST["credential"],
                after_password=after_password,
                origin=origin_of(request, Source.CONSOLE),
            )
        except DomainError as refusal:
            form = type(form)({})
            form.errors.clear()
            return self.again(form, refusal, template=template, has_passkeys=True)
        return self.open(user, has_second_factor=True)
