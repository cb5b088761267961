"""The admin site: Django's own, behind the console's sign-in, without any view that writes."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, NoReturn

from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, URLResolver, reverse
from django.utils.decorators import method_decorator

from kernel.errors import Denied, NotFound
from kernel.http.protocol_refusals import method_not_allowed
from kernel.pages.views import known_principal, next_url, with_next

_WRITING = {"password_change", "password_change_done"}
_METHODS = ("GET", "HEAD", "POST")


def _check_method[**P, R](
    view: Callable[Concatenate[HttpRequest, P], R],
) -> Callable[Concatenate[HttpRequest, P], R]:
    """Refuse other methods, which Django's views treat like GET. Raises ProtocolError."""

    @wraps(view)
    def checked(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> R:
        if request.method not in _METHODS:
            raise method_not_allowed(_METHODS)
        return view(request, *args, **kwargs)

    return checked


class ReadOnlyAdminSite(admin.AdminSite):
    """Auditors' view of every table. It uses the console's session; API tokens have no access."""

    site_title = "CipherCanary"
    site_header = "CipherCanary"
    index_title = "Records"
    site_url = "/audit/"
    enable_nav_sidebar = False  # the tables of the log need the width

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        return _check_method(super().admin_view(view, cacheable))

    @method_decorator([login_not_required, _check_method])
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:  # noqa: ARG002 - Django's signature
        """Redirect to the console's sign-in, or to the set-up of a required second factor.

        Raises Denied if the user is already signed in.
        """
        caller = known_principal(request)
        if caller is not None and caller.must_enrol:
            return HttpResponseRedirect(reverse("mfa"))
        if caller is not None:
            raise Denied("Your role cannot open the admin site.")
        return HttpResponseRedirect(with_next("login", next_url(request, "/admin/")))

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> NoReturn:  # noqa: ARG002 - Django's signature
        """Django resolves this URL whenever it denies access. Sign-out belongs to the console, which records it."""
        raise NotFound

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """All URLs but Django's password form, which would bypass the user's service, MAC and audit event."""
        return [url for url in super().get_urls() if getattr(url, "name", "") not in _WRITING]
