"""The caller's account: profile, password and appearance."""

from http import HTTPStatus

from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse

from accounts import actions
from accounts.principals import Principal
from accounts.sessions.views import SecretFormView
from accounts.users.forms import AppearanceForm, ChangePasswordForm
from accounts.users.services import editing
from kernel.pages.form_views import FormView
from kernel.pages.shell import SHORTCUTS_COOKIE, THEME_COOKIE, has_shortcuts, keep_choice, theme_of
from kernel.pages.views import PageView
from kernel.rules import AUTHENTICATED, Rule
from kernel.time_zones import ZONE_COOKIE


class ProfileView(PageView[Principal]):
    rules = {"GET": Rule(AUTHENTICATED, actions.PROFILE_READ)}
    section = "account"
    template = "accounts/profile.html"

    def get(self, request: HttpRequest) -> HttpResponse:  # noqa: ARG002 - Django's signature
        return self.page(account=editing.get_own_user(principal=self.principal))


class PasswordView(SecretFormView[ChangePasswordForm]):
    """Changing the password ends every session, including this one, to shut out anyone who used the old password."""

    rules = {method: Rule(AUTHENTICATED, actions.PASSWORD_CHANGED) for method in ("GET", "POST")}
    section = "account"
    template = "accounts/password.html"
    form_class = ChangePasswordForm

    def perform(self, form: ChangePasswordForm) -> HttpResponse:
        self.charge()
        editing.change_password(principal=self.principal, **form.cleaned_data)
        logout(self.request)
        return HttpResponseRedirect(f"{reverse('login')}?password-changed", status=HTTPStatus.SEE_OTHER)


class AppearanceView(FormView[Principal, AppearanceForm]):
    """Stored in cookies, because light or dark is a property of the screen, and the time zone one of the place."""

    rules = {
        "GET": Rule(AUTHENTICATED, actions.APPEARANCE_READ),
        "POST": Rule(AUTHENTICATED, actions.APPEARANCE_CHANGED),
    }
    section = "account"
    template = "accounts/appearance.html"

    def form(self, data: QueryDict | None = None) -> AppearanceForm:
        present = {
            "theme": theme_of(self.request),
            "time_zone": self.request.COOKIES.get(ZONE_COOKIE, ""),
            "shortcuts": has_shortcuts(self.request),
        }
        return AppearanceForm(data, initial=present)

    def perform(self, form: AppearanceForm) -> HttpResponse:
        response = HttpResponseRedirect(reverse("appearance"), status=HTTPStatus.SEE_OTHER)
        chosen = {
            THEME_COOKIE: form.cleaned_data["theme"],
            ZONE_COOKIE: form.cleaned_data["time_zone"],
            SHORTCUTS_COOKIE: "on" if form.cleaned_data["shortcuts"] else "off",
        }
        for name, value in chosen.items():
            keep_choice(response, name, value)
        return response
