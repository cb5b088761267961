"""Error responses outside REST views: problem documents for the API, pages for the browser."""

import sys
from datetime import timedelta
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import Resolver404

from kernel import errors
from kernel.clock import process_now
from kernel.http import problems
from kernel.http.middleware import Handler, is_api
from kernel.pages.views import is_htmx
from kernel.rest.exceptions import translate

_NO_SUCH_PATH: Final = "There is no page or endpoint at this address. Check the address for typing errors."
_PATHS_OF_API: Final = " API paths use the ID of an object. For a key, you can also use name:NAME."


class DomainErrorResponses:
    """Converts the errors that pages raise into responses. REST views handle their own."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return problem_response(request, exception) if isinstance(exception, errors.DomainError) else None


def refused(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler of 400, 403 and 404."""
    if isinstance(exception, Resolver404):
        hint = _PATHS_OF_API if is_api(request) else ""
        return problem_response(request, errors.NotFound(_NO_SUCH_PATH + hint))
    return problem_response(request, translate(exception))


def failed(request: HttpRequest) -> HttpResponse:
    """Django's handler of 500, called from its except block."""
    error = sys.exception()
    return problem_response(request, translate(error if isinstance(error, Exception) else Exception()))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001 - Django's signature
    return problem_response(request, form_out_of_date())


def form_out_of_date() -> errors.Denied:
    """The refusal of a form without the CSRF token of the session."""
    return errors.Denied(
        "The form is out of date. You may have signed in or out in another tab. Copy your input, reload the page "
        "and submit the form again."
    )


def problem_response(request: HttpRequest, error: errors.DomainError) -> HttpResponse:
    """A problem document for the API, a page for a browser, and a text for htmx."""
    problem = problems.render(request, error)
    if is_api(request):
        return problem
    # htmx keeps the page and shows the text above it.
    response = HttpResponse(error.detail, "text/plain") if is_htmx(request) else _page(request, error)
    response.status_code = problem.status_code
    for name, value in problem.headers.items():
        if name != "Content-Type":
            response[name] = value
    return response


def _page(request: HttpRequest, error: errors.DomainError) -> HttpResponse:
    shown = problems.document(error, getattr(request, "request_id", ""))
    # Without messages: they are in the session, and the database may be the cause of the failure. Without the shell
    # in that case, too, because the shell reads the database.
    around: dict[str, object] = {"problem": shown, "messages": ()}
    if isinstance(error, problems.InternalError | errors.DatabaseUnavailable):
        around["layout"] = "layouts/bare.html"
    if isinstance(error, errors.Throttled):
        around["retry_at"] = process_now() + timedelta(seconds=error.retry_after)
    return render(request, "problem.html", around)
