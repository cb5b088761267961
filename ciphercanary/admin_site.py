"""The admin site: Django's own, with our log-in, without anything that writes."""

from http import HTTPStatus
from typing import Any

from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from accounts.browser_sessions import begin_session, record_log_out
from accounts.forms import AdminLoginForm
from ciphercanary import problems
from ciphercanary.http import in_context

PASSWORD_FORM = {"password_change", "password_change_done"}


class ReadOnlyAdminSite(admin.AdminSite):
    """Auditors' view of every table. Its log-in keeps the rules of ``/auth/login``; tokens open nothing here."""

    site_title = "CipherCanary"
    site_header = "CipherCanary"
    index_title = "Records"
    site_url = None
    enable_nav_sidebar = False  # the tables of the log need the width
    login_form = AdminLoginForm  # type: ignore[assignment]  # the stubs ask for Django's own form
    logout_template = "admin/logged_out.html"

    @method_decorator(never_cache)
    @method_decorator(login_not_required)
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response = super().login(request, extra_context)
        refusal = getattr(in_context(request), "refusal", None)
        if refusal is not None:
            response.status_code = problems.status_of(refusal)
        elif request.method == "POST" and response.status_code == HTTPStatus.FOUND:
            begin_session(request)
        return response

    @method_decorator(never_cache)
    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        if request.method == "POST":
            record_log_out(request)
        return super().logout(request, extra_context)

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """All but Django's own password form: it would write the user's row past its service, MAC and record."""
        return [url for url in super().get_urls() if getattr(url, "name", "") not in PASSWORD_FORM]
