"""Routes that exist only for officers.

For everyone else, they are unknown paths: no URL of them is compared before the caller is known to be an officer. An
officer's request also runs as one of an unknown path first, with all that this writes: the refusal in the log, metrics, and the
span. Only then is the response replaced.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

import django.db
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.template.response import SimpleTemplateResponse
from django.urls import Resolver404, ResolverMatch, get_urlconf, resolve, set_urlconf

from accounts.principals import Principal
from canaries.hidden.officers import find_officer
from kernel.databases.counting import uncounted_statements
from kernel.http.context import in_context
from kernel.http.middleware import Handler
from kernel.observability.tracing import untraced
from kernel.pages.problem_views import csrf_failure, problem_response
from kernel.rest.exceptions import translate

_ROUTES = "ciphercanary.hidden_urls"
_OF_THE_BODY = frozenset({"content-type", "content-length"})
# The refusal of the unknown path, and messages of other pages, which would be shown twice.
_LEFT = ("refusal", "_messages")


class _SilentCsrf(CsrfViewMiddleware):
    """Writes no line about the path to the log."""

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        return csrf_failure(request, reason)


class HiddenRoutes:
    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if request.resolver_match is not None or response.status_code != HTTPStatus.NOT_FOUND:
            return response
        try:
            officer = find_officer(request)
        except django.db.Error:
            return response
        return response if officer is None else _replaced(response, request, officer)


def _replaced(unknown: HttpResponseBase, request: HttpRequest, officer: Principal) -> HttpResponseBase:
    with _routes():
        try:
            match = resolve(request.path_info)
        except Resolver404:
            return unknown
        with untraced(), uncounted_statements():
            response = _respond(request, match, officer)
    _add_headers(response, unknown)
    return response


@contextmanager
def _routes() -> Iterator[None]:
    before = get_urlconf()
    set_urlconf(_ROUTES)
    try:
        yield
    finally:
        set_urlconf(before)


def _respond(request: HttpRequest, match: ResolverMatch, officer: Principal) -> HttpResponse:
    hidden = request
    try:
        hidden = _copied(request, match, officer)
        refused = _SilentCsrf(lambda _: HttpResponse()).process_view(
            hidden, match.func, match.args, match.kwargs
        )
        response: HttpResponse = refused or match.func(hidden, *match.args, **match.kwargs)
        return response.render() if isinstance(response, SimpleTemplateResponse) else response
    except Exception as error:  # noqa: BLE001 - as Django's handler of all views
        return problem_response(hidden, translate(error))


def _copied(request: HttpRequest, match: ResolverMatch, officer: Principal) -> HttpRequest:
    """Another request, so that no middleware finds what the view sets. ``copy`` would drop the WSGI environment."""
    request.body  # noqa: B018 - reads it, for both
    hidden = type(request).__new__(type(request))
    vars(hidden).update({name: value for name, value in vars(request).items() if name not in _LEFT})
    hidden.resolver_match = match
    in_context(hidden).principal = officer  # type: ignore[attr-defined]  # the kernel has no Principal type
    return hidden


def _add_headers(response: HttpResponse, unknown: HttpResponseBase) -> None:
    """Add what middleware set: security headers, cookies and the time left in the session."""
    for name, value in unknown.items():
        if name.lower() not in _OF_THE_BODY:
            response.headers.setdefault(name, value)
    response.cookies.update(unknown.cookies)
    response["Content-Length"] = str(len(response.content))
    if settings.CC_TRACES:
        from kernel.http.traced_requests import RECORDED_STATUS  # noqa: PLC0415 - loaded only if traces are on

        response[RECORDED_STATUS] = str(unknown.status_code)
