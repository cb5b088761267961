"""What Django answers outside any view: problem documents for the API, a bare page for the browser."""

import logging
import sys
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse

from ciphercanary import errors, problems
from ciphercanary.middleware import is_api
from ciphercanary.problems import InternalError

logger = logging.getLogger(__name__)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django's signature
    return _answer(request, errors.Invalid("The request is malformed."))


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django's signature
    return _answer(request, errors.Denied("You may not do this."))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001 - Django's signature
    return _answer(request, errors.Denied("The form is out of date: reload the page and send it again."))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django's signature
    return _answer(request, errors.NotFound())


def server_error(request: HttpRequest) -> HttpResponse:
    logger.error("unhandled exception", exc_info=sys.exc_info())  # Django calls this from its except block
    return _answer(request, InternalError())


def _answer(request: HttpRequest, error: errors.DomainError) -> HttpResponse:
    if is_api(request):
        return problems.render(request, error)
    status = problems.status_of(error)
    return HttpResponse(
        f"{status.value} {status.phrase}. {error.detail}\n", "text/plain", status=HTTPStatus(status)
    )
