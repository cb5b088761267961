"""One's own account: profile, password and appearance."""

from http import HTTPStatus

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from accounts import actions, services
from accounts.forms import AppearanceForm, ChangePasswordForm
from accounts.principals import Principal
from ciphercanary import problems, throttle
from ciphercanary.errors import DomainError, Invalid
from ciphercanary.http import in_context
from ciphercanary.pages import AUTHENTICATED, PageView, Rule
from ciphercanary.pages.shell import SHORTCUTS_COOKIE, THEME_COOKIE, theme_of

YEAR = 365 * 24 * 3600


class ProfileView(PageView[Principal]):
    rules = {"GET": Rule(AUTHENTICATED, actions.PROFILE_READ)}
    section = "account"
    template = "accounts/profile.html"

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        return self.page(account=services.get_own_user(principal=self.principal))


class PasswordView(PageView[Principal]):
    """A new password ends every session, this one too: whoever knew the old one is out."""

    rules = {method: Rule(AUTHENTICATED, actions.PASSWORD_CHANGED) for method in ("GET", "POST")}
    section = "account"
    template = "accounts/password.html"

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        return self.page(form=ChangePasswordForm())

    def post(self, request: HttpRequest) -> HttpResponse:
        form = ChangePasswordForm(request.POST)
        if not form.is_valid():
            return self.page(status=HTTPStatus.UNPROCESSABLE_ENTITY, form=form)
        try:
            throttle.check_address(in_context(request), group="auth", rate=settings.CC_THROTTLE_AUTH)
            services.change_password(principal=self.principal, **form.cleaned_data)
        except DomainError as refusal:
            form.refused(request, refusal)
            status = (
                HTTPStatus.UNPROCESSABLE_ENTITY
                if isinstance(refusal, Invalid)
                else problems.status_of(refusal)
            )
            return self.page(status=status, form=form)
        logout(request)
        return HttpResponseRedirect(f"{reverse('login')}?password-changed", status=HTTPStatus.SEE_OTHER)


class AppearanceView(PageView[Principal]):
    """Kept in cookies of this browser: it is a screen that is light or dark, not a person."""

    rules = {
        "GET": Rule(AUTHENTICATED, actions.APPEARANCE_READ),
        "POST": Rule(AUTHENTICATED, actions.APPEARANCE_CHANGED),
    }
    section = "account"
    template = "accounts/appearance.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        present = {"theme": theme_of(request), "shortcuts": request.COOKIES.get(SHORTCUTS_COOKIE) != "off"}
        return self.page(form=AppearanceForm(initial=present))

    def post(self, request: HttpRequest) -> HttpResponse:
        form = AppearanceForm(request.POST)
        if not form.is_valid():
            return self.page(status=HTTPStatus.UNPROCESSABLE_ENTITY, form=form)
        response = HttpResponseRedirect(reverse("appearance"), status=HTTPStatus.SEE_OTHER)
        chosen = {
            THEME_COOKIE: form.cleaned_data["theme"],
            SHORTCUTS_COOKIE: "on" if form.cleaned_data["shortcuts"] else "off",
        }
        for name, value in chosen.items():
            response.set_cookie(
                name, value, max_age=YEAR, secure=settings.CC_TLS, httponly=True, samesite="Lax"
            )
        return response
