"""The caller's authenticator (set-up in three steps, recovery codes, removal) and passkeys."""

from datetime import datetime
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse

from accounts import actions
from accounts.principals import Principal
from accounts.second_factors.forms import CodeForm, KeptCodesForm, NewPasskeyForm, PasskeyForm, TotpCodeForm
from accounts.second_factors.qr import qr_code
from accounts.second_factors.services import passkeys, recovery_codes, totp
from accounts.session_engine import drop_expired
from accounts.sessions.browser_sessions import PENDING_FOR
from accounts.sessions.views import where_passkeys_work
from kernel.clock import database_now
from kernel.errors import NotFound, Unauthenticated
from kernel.pages.form_views import FormView
from kernel.pages.views import PageView
from kernel.rules import AUTHENTICATED, ENROLLING, Rule

_NEW = "new_passkey"  # session entry: the state of a started ceremony, and the start time
TOO_OLD = "The request timed out. Try again."
_FILE_NAME = "ciphercanary-recovery-codes.txt"


class SecondFactorView(PageView[Principal]):
    """Show the second factor. A POST starts an enrolment, and replaces one that was never confirmed."""

    rules = {
        "GET": Rule(ENROLLING, actions.TOTP_READ),
        "POST": Rule(ENROLLING, actions.TOTP_ENROLLED),
    }
    section = "account"
    template = "accounts/second_factor.html"

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        return self.page(factor=totp.get_second_factor(principal=self.principal))

    def post(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        totp.enrol_totp(principal=self.principal)
        return HttpResponseRedirect(reverse("mfa-setup"), status=HTTPStatus.SEE_OTHER)


class ConfirmTotpView(FormView[Principal, TotpCodeForm]):
    """Steps one and two: the secret, and its first code. The response to the code is step three, the recovery codes."""

    rules = {
        "GET": Rule(ENROLLING, actions.TOTP_READ),
        "POST": Rule(ENROLLING, actions.TOTP_CONFIRMED),
    }
    section = "account"
    template = "accounts/second_factor_setup.html"
    form_class = TotpCodeForm

    def perform(self, form: TotpCodeForm) -> list[str]:
        return totp.confirm_totp(principal=self.principal, code=form.cleaned_data["code"])

    def respond(self, result: list[str]) -> HttpResponse:
        return _show_codes(self, result)

    def show_form(self, form: TotpCodeForm, **context: Any) -> HttpResponse:
        try:
            enrolment = totp.find_enrolment(principal=self.principal)
        except NotFound:  # no enrolment is pending: it was confirmed, has expired, or was never started
            return HttpResponseRedirect(reverse("mfa"), status=HTTPStatus.SEE_OTHER)
        secret = enrolment.secret
        return self.page(
            form=form,
            groups=[secret[at : at + 4] for at in range(0, len(secret), 4)],
            uri=enrolment.otpauth_uri,
            qr=qr_code(enrolment.otpauth_uri),
            **context,
        )


class RecoveryCodesView(PageView[Principal]):
    """Replace the recovery codes."""

    rules = {method: Rule(AUTHENTICATED, actions.RECOVERY_CODES_REPLACED) for method in ("GET", "POST")}
    section = "account"
    template = "accounts/recovery_codes_new.html"

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        self.principal.require_recent_sign_in(database_now())
        factor = totp.get_second_factor(principal=self.principal)
        if factor.confirmed_at is None:
            return HttpResponseRedirect(reverse("mfa"))
        return self.page(factor=factor)

    def post(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        try:
            codes = recovery_codes.replace_recovery_codes(principal=self.principal)
        except NotFound:
            return HttpResponseRedirect(reverse("mfa"), status=HTTPStatus.SEE_OTHER)
        return _show_codes(self, codes)


class KeptCodesView(FormView[Principal, KeptCodesForm]):
    """The confirmation that ends the set-up. The form carries the codes, because the server stores only hashes."""

    rules = {"POST": Rule(AUTHENTICATED, actions.RECOVERY_CODES_KEPT)}
    section = "account"
    template = "accounts/recovery_codes.html"
    form_class = KeptCodesForm

    def perform(self, form: KeptCodesForm) -> HttpResponse:  # noqa: ARG002 - calls no service
        return self.done(reverse("mfa"), "Second factor set up and recovery codes saved.")

    def show_form(self, form: KeptCodesForm, **context: Any) -> HttpResponse:
        return self.page(form=form, codes=form.given_codes(), **context)


class CodesFileView(PageView[Principal]):
    """The displayed codes as a file. The form posts them back, so this works without scripts."""

    rules = {"POST": Rule(AUTHENTICATED, actions.RECOVERY_CODES_KEPT)}
    section = "account"
    template = "accounts/recovery_codes.html"

    def post(self, request: HttpRequest) -> HttpResponse:
        form = KeptCodesForm(request.POST)
        codes = form.given_codes()
        if not codes:
            return self.page(status=HTTPStatus.UNPROCESSABLE_ENTITY, form=form, codes=codes)
        text = f"CipherCanary recovery codes for {self.principal.actor.actor_name}. Each code works once.\n\n"
        headers = {"Content-Disposition": f'attachment; filename="{_FILE_NAME}"'}
        return HttpResponse(text + "\n".join(codes) + "\n", "text/plain; charset=utf-8", headers=headers)


class RemoveView(FormView[Principal, CodeForm]):
    rules = {method: Rule(AUTHENTICATED, actions.TOTP_REMOVED) for method in ("GET", "POST")}
    section = "account"
    template = "accounts/second_factor_remove.html"
    form_class = CodeForm

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if totp.get_second_factor(principal=self.principal).confirmed_at is None:
            return HttpResponseRedirect(reverse("mfa"))
        return super().get(request, *args, **kwargs)

    def perform(self, form: CodeForm) -> HttpResponse:
        totp.remove_totp(principal=self.principal, code=form.cleaned_data["code"])
        return self.done(reverse("mfa"), "Authenticator removed.")


def _show_codes(view: PageView[Principal], codes: list[str]) -> HttpResponse:
    """Step three. Only this response contains the codes."""
    form = KeptCodesForm(initial={"codes": " ".join(codes)})
    return view.page(template="accounts/recovery_codes.html", form=form, codes=codes)


class PasskeysView(FormView[Principal, PasskeyForm]):
    rules = {
        "GET": Rule(AUTHENTICATED, actions.PASSKEY_LISTED),
        "POST": Rule(AUTHENTICATED, actions.PASSKEY_CHANGED),
    }
    section = "account"
    template = "accounts/passkeys.html"
    form_class = PasskeyForm

    def perform(self, form: PasskeyForm) -> HttpResponse:
        passkey, name = form.cleaned_data["passkey"], form.cleaned_data["name"]
        if form.cleaned_data["operation"] == "rename":
            passkeys.rename_passkey(principal=self.principal, passkey_id=passkey, name=name)
            return self.done(reverse("passkeys"), f"Passkey renamed to {name}.")
        passkeys.remove_passkey(principal=self.principal, passkey_id=passkey)
        return self.done(reverse("passkeys"), "Passkey removed. Delete it on your device too.")

    def show_form(self, form: PasskeyForm, **context: Any) -> HttpResponse:
        found = passkeys.list_passkeys(principal=self.principal)
        return self.page(form=form, passkeys=found, **where_passkeys_work(self.request), **context)


class NewPasskeyView(FormView[Principal, NewPasskeyForm]):
    """A POST without a credential returns the options of the ceremony. The browser then posts the device's credential."""

    rules = {method: Rule(AUTHENTICATED, actions.PASSKEY_ADDED) for method in ("GET", "POST")}
    section = "account"
    template = "accounts/passkey_new.html"
    form_class = NewPasskeyForm
    needs_recent_sign_in = True

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.POST.get("credential"):
            return super().post(request, *args, **kwargs)
        options, state = passkeys.begin_passkey(principal=self.principal)
        return begun(request, _NEW, options, state)

    def perform(self, form: NewPasskeyForm) -> HttpResponse:
        state, name = take_state(self.request, _NEW), form.cleaned_data["name"]
        credential = self.request.POST["credential"]
        passkeys.add_passkey(principal=self.principal, name=name, state=state, credential=credential)
        return self.done(reverse("passkeys"), f"Passkey {name} added. You can now sign in with it.")

    def show_form(self, form: NewPasskeyForm, **context: Any) -> HttpResponse:
        return self.page(form=form, **where_passkeys_work(self.request), **context)


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
