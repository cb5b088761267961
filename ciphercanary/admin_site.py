"""The admin site: Django's own, behind the console's log-in, without anything that writes."""

from typing import Any, NoReturn

from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, URLResolver
from django.utils.decorators import method_decorator

from ciphercanary.errors import Denied, NotFound
from ciphercanary.pages.views import known_principal, next_url, with_next

WRITING = {"password_change", "password_change_done"}


class ReadOnlyAdminSite(admin.AdminSite):
    """Auditors' view of every table. Who is signed in to the console is signed in here; tokens open nothing."""

    site_title = "CipherCanary"
    site_header = "CipherCanary"
    index_title = "Records"
    site_url = "/audit/"
    enable_nav_sidebar = False  # the tables of the log need the width

    @method_decorator(login_not_required)
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:  # noqa: ARG002 - Django's signature
        """Where Django sends whoever it does not let in. Raises Denied for who is signed in already."""
        if known_principal(request) is not None:
            raise Denied("Your role cannot open the admin site.")
        return HttpResponseRedirect(with_next("login", next_url(request, "/admin/")))

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> NoReturn:  # noqa: ARG002 - Django's signature
        """Django looks this address up whenever it refuses somebody; signing out is the console's, which records it."""
        raise NotFound

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """All but Django's password form, which would write the user's row past its service, MAC and record."""
        return [url for url in super().get_urls() if getattr(url, "name", "") not in WRITING]
