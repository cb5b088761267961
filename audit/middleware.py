"""One place where refusals leave, and where each of them is recorded: no door can forget it."""

from collections.abc import Callable
from http import HTTPStatus

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from audit.log import refusals
from audit.log.events import Actor, Event, Outcome
from kernel.actions import REQUEST_REFUSED
from kernel.http.context import in_context
from kernel.http.middleware import is_api
from kernel.http.problems import status_of

type Handler = Callable[[HttpRequest], HttpResponseBase]

# A right, the object's state, a rule or a limit said no. Every other problem is an error: the request could
# not be understood (400, 405, 406, 412, 413, 415) or not be carried out (5xx).
DENIED = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.CONFLICT,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
PAGE_REFUSALS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS})


class RefusalRecorder:
    """Records refusals, each in a transaction of its own: every problem answered under the API's prefixes; of pages,
    the admin's too, 401, 403 and 429, and what a service refused of an act, whatever the page then answers.

    Reads what others left on the request: ``refusal`` (the problem renderer, or the form), ``audit_action`` and
    ``audit_object`` (the view), ``actor`` (authentication, or the session). Whether the record succeeds or not, the
    answer is the one that was refused.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if _is_refusal(request, response.status_code):
            refusals.note(_event(request, response.status_code), _actor(request))
        return response


def _is_refusal(request: HttpRequest, status: int) -> bool:
    if is_api(request):
        return status >= HTTPStatus.BAD_REQUEST
    # Every passing scanner asks for pages that do not exist; of pages only rights and limits are on record, and
    # what a service refused of a form.
    return status in PAGE_REFUSALS or _is_refused_act(request)


def _is_refused_act(request: HttpRequest) -> bool:
    """Whatever the answer: a page may show the refusal in a form, or go on to another page."""
    is_of_a_page = hasattr(request, "audit_action")
    return request.method == "POST" and is_of_a_page and getattr(request, "refusal", None) is not None


def _event(request: HttpRequest, status: int) -> Event:
    object_type, object_id = getattr(request, "audit_object", ("", ""))
    refusal = getattr(request, "refusal", None)
    if refusal is not None:
        status = status_of(refusal)  # a page shows every refusal of a form with one status
    return Event(
        action=getattr(request, "audit_action", REQUEST_REFUSED),
        object_type=object_type,
        object_id=object_id,
        outcome=Outcome.DENIED if status in DENIED else Outcome.ERROR,
        code=refusal.code if refusal is not None else f"http_{status}",
    )


def _actor(request: HttpRequest) -> Actor:
    known: Actor | None = getattr(request, "actor", None)
    context = in_context(request)
    return known or Actor.anonymous(
        context.client_ip, request.headers.get("User-Agent", ""), context.request_id
    )
