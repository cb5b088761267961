"""One's own account: profile and appearance."""

from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from accounts import actions, services
from accounts.forms import AppearanceForm
from accounts.principals import Principal
from ciphercanary.pages import AUTHENTICATED, PageView, Rule
from ciphercanary.pages.shell import SHORTCUTS_COOKIE, THEME_COOKIE, theme_of

YEAR = 365 * 24 * 3600


class ProfileView(PageView[Principal]):
    rules = {"GET": Rule(AUTHENTICATED, actions.PROFILE_READ)}
    section = "account"
    template = "accounts/profile.html"

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        return self.page(account=services.get_own_user(principal=self.principal))


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
