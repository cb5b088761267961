"""What is answered outside any REST view: problem documents for the API, a line of text for the browser."""

import sys

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from ciphercanary import errors, problems
from ciphercanary.middleware import Handler, is_api
from ciphercanary.rest.exceptions import translate


class DomainErrorAnswers:
    """Answers what a page raised, REST views aside, which answer for themselves."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return _answer(request, exception) if isinstance(exception, errors.DomainError) else None


def refused(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler of 400, 403 and 404."""
    return _answer(request, translate(exception))


def failed(request: HttpRequest) -> HttpResponse:
    """Django's handler of 500, called from its except block."""
    error = sys.exception()
    return _answer(request, translate(error if isinstance(error, Exception) else Exception()))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001 - Django's signature
    return _answer(request, errors.Denied("The form is out of date: reload the page and send it again."))


def _answer(request: HttpRequest, error: errors.DomainError) -> HttpResponse:
    problem = problems.render(request, error)
    if is_api(request):
        return problem
    text = f"{problem.status_code} {problem.reason_phrase}. {error.detail}\n"
    return HttpResponse(text, "text/plain", status=problem.status_code)
