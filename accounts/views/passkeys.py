"""The caller's passkeys: list, add, and sign in with one."""

from datetime import datetime
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse

from accounts import actions
from accounts.principals import Principal
from accounts.second_factors.forms import CodeForm, NewPasskeyForm, PasskeyForm
from accounts.second_factors.services import passkeys
from accounts.session_engine import drop_expired
from accounts.sessions.browser_sessions import PENDING, PENDING_FOR
from accounts.sessions.views import SecretFormView, where_passkeys_work
from accounts.sign_in import services as sign_in
from accounts.sign_in.forms import LogInForm
from accounts.sign_in.views import pending_log_in
from accounts.tokens.authentication import name_actor, origin_of
from audit.log.events import Source
from kernel.clock import database_now
from kernel.errors import DomainError, Unauthenticated
from kernel.pages.forms import PageForm
from kernel.pages.views import PageView
from kernel.rules import AUTHENTICATED, PUBLIC, Rule

# Session entries: the state of a started ceremony, and the start time.
NEW, LOG_IN = "new_passkey", "passkey_log_in"
TOO_OLD = "The request timed out. Try again."


class PasskeysView(PageView[Principal]):
    rules = {
        "GET": Rule(AUTHENTICATED, actions.PASSKEY_LISTED),
        "POST": Rule(AUTHENTICATED, actions.PASSKEY_CHANGED),
    }
    section = "account"
    template = "accounts/passkeys.html"

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        return self._show(PasskeyForm())

    def post(self, request: HttpRequest) -> HttpResponse:
        form = PasskeyForm(request.POST)
        if form.is_valid():
            try:
                return self._change(**form.cleaned_data)
            except DomainError as refusal:
                form.refused(request, refusal)
        return self._show(form, HTTPStatus.UNPROCESSABLE_ENTITY)

    def _change(self, *, operation: str, passkey: Any, name: str) -> HttpResponse:
        if operation == "rename":
            passkeys.rename_passkey(principal=self.principal, passkey_id=passkey, name=name)
            return self.done(reverse("passkeys"), f"Passkey renamed to {name}.")
        passkeys.remove_passkey(principal=self.principal, passkey_id=passkey)
        return self.done(reverse("passkeys"), "Passkey removed. Delete it on your device too.")

    def _show(self, form: PageForm, status: int = HTTPStatus.OK) -> HttpResponse:
        found = passkeys.list_passkeys(principal=self.principal)
        return self.page(status=status, form=form, passkeys=found, **where_passkeys_work(self.request))


class NewPasskeyView(PageView[Principal]):
    """A POST without an answer returns the options of the ceremony. The browser then posts the device's answer."""

    rules = {method: Rule(AUTHENTICATED, actions.PASSKEY_ADDED) for method in ("GET", "POST")}
    section = "account"
    template = "accounts/passkey_new.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        self.principal.require_recent_log_in(database_now())
        return self.page(form=NewPasskeyForm(), **where_passkeys_work(request))

    def post(self, request: HttpRequest) -> HttpResponse:
        if not request.POST.get("answer"):
            options, state = passkeys.begin_passkey(principal=self.principal)
            return begun(request, NEW, options, state)
        form = NewPasskeyForm(request.POST)
        if form.is_valid():
            try:
                state = take_state(request, NEW)
                name = form.cleaned_data["name"]
                passkeys.add_passkey(
                    principal=self.principal, name=name, state=state, answer=request.POST["answer"]
                )
            except DomainError as refusal:
                form.refused(request, refusal)
            else:
                return self.done(reverse("passkeys"), f"Passkey {name} added. You can now sign in with it.")
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return self.page(status=status, form=form, **where_passkeys_work(request))


class LogInWithPasskeyView(SecretFormView):
    """The same two steps for signing in: instead of a password, or (``second``) after it."""

    rules = {"POST": Rule(PUBLIC, actions.SESSION_OPENED)}

    def post(self, request: HttpRequest) -> HttpResponse:
        is_second = "second" in request.POST
        after_password = pending_log_in(request) if is_second else None
        form: PageForm = CodeForm() if after_password else LogInForm()
        template = "accounts/log_in_code.html" if after_password else "accounts/log_in.html"
        if after_password:
            name_actor(request, origin_of(request, Source.CONSOLE).anonymous(request.session[PENDING][3]))
        try:
            self.charge()
            if is_second and after_password is None:
                raise Unauthenticated(TOO_OLD)
            if not request.POST.get("answer"):
                user_id = after_password[0] if after_password else None
                options, state = sign_in.begin_passkey_log_in(user_id=user_id)
                return begun(request, LOG_IN, options, state)
            user = sign_in.log_in_with_passkey(
                state=take_state(request, LOG_IN),
                answer=request.POST["answer"],
                after_password=after_password,
                origin=origin_of(request, Source.CONSOLE),
            )
        except DomainError as refusal:
            form = type(form)({})
            form.errors.clear()
            return self.again(form, refusal, template=template, has_passkeys=True)
        return self.open(user)


def begun(request: HttpRequest, key: str, options: dict[str, Any], state: dict[str, Any]) -> HttpResponse:
    """Return the options to the browser, and keep the state in the session.

    This may create a session, so it also deletes expired sessions of visitors who never signed in.
    """
    if request.session.session_key is None:
        drop_expired()
    request.session[key] = [state, database_now().isoformat()]
    return JsonResponse(options)


def take_state(request: HttpRequest, key: str) -> dict[str, Any]:
    """The state of the started ceremony, which works once. Raises Unauthenticated."""
    state, begun_at = request.session.pop(key, ({}, ""))
    if not state or database_now() - datetime.fromisoformat(begun_at) > PENDING_FOR:
        raise Unauthenticated(TOO_OLD)
    return dict(state)
