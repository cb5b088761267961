"""Records refusals in one place, for all interfaces."""

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from audit.log import refusals
from audit.log.events import Actor, Event, Outcome
from audit.named_keys import may_name_keys, text_of, with_named_keys
from kernel.actions import REQUEST_REFUSED
from kernel.errors import Denied
from kernel.http.context import in_context
from kernel.http.middleware import is_api
from kernel.http.problems import status_of

logger = logging.getLogger(__name__)

type _Handler = Callable[[HttpRequest], HttpResponseBase]

# Refused by a permission, a state, a rule or a limit. Every other problem is an error: the request was invalid
# (400, 405, 406, 412, 413, 415) or failed (5xx).
DENIED = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.GONE,
        HTTPStatus.CONFLICT,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
# Key in the WSGI environment, where no header can set it: a list that receives the refusal instead of the log. Its owner
# records it, once it has seen the body.
HOLDS_REFUSALS: Final = "ciphercanary.holds_refusals"
_PAGE_REFUSALS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS})


class RefusalRecorder:
    """Records each refusal in a transaction of its own. For the API, these are all problem responses. For pages,
    including the admin, these are 401, 403 and 429, and form submissions that a service refused, with any status.

    Reads attributes that others set on the request: ``refusal`` (the problem renderer, or the form), ``audit_action``
    and ``audit_object`` (the view), ``actor`` (authentication, or the session). The request itself may name more
    keys. The response is the same whether the record succeeds or not.
    """

    def __init__(self, get_response: _Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if _is_refusal(request, response.status_code):
            refused = _event(request, response.status_code), _actor(request)
            held = request.META.get(HOLDS_REFUSALS)
            if held is None:
                refusals.note(*refused)
            else:
                held.append(refused)
        return response


def _is_refusal(request: HttpRequest, status: int) -> bool:
    if is_api(request):
        return status >= HTTPStatus.BAD_REQUEST
    # Scanners request many pages that do not exist. For pages, record only refusals by permissions and limits, and
    # refusals of submitted forms by a service.
    return status in _PAGE_REFUSALS or _is_refused_action(request)


def _is_refused_action(request: HttpRequest) -> bool:
    """Ignores the status: a page may show the refusal in a form, or redirect to another page."""
    is_of_a_page = hasattr(request, "audit_action")
    return request.method == "POST" and is_of_a_page and getattr(request, "refusal", None) is not None


def _event(request: HttpRequest, status: int) -> Event:
    object_type, object_id = getattr(request, "audit_object", ("", ""))
    refusal = getattr(request, "refusal", None)
    if refusal is not None:
        status = status_of(refusal)  # pages show all refusals of forms with the same status
    event = Event(
        action=getattr(request, "audit_action", REQUEST_REFUSED),
        object_type=object_type,
        object_id=object_id,
        outcome=Outcome.DENIED if status in DENIED else Outcome.ERROR,
        code=refusal.code if refusal is not None else f"http_{status}",
        meta={"rule": refusal.rule} if isinstance(refusal, Denied) else {},
    )
    # The text of an unknown path reaches no operation. Officers send names of canaries to such paths.
    names_keys = request.resolver_match is not None and may_name_keys(event.action)
    return with_named_keys(event, _text_of(request)) if names_keys else event


def _text_of(request: HttpRequest) -> str:
    """The query and the body of a refused request, or the values of the form of a page.

    Not the query of a page: a link of another person would name keys in the user's entries.
    """
    try:
        sent = _sent_texts(request)
    except Exception:
        # The client has already been refused, and gets the same response.
        logger.exception("the body of a refused request could not be read again")
        return ""
    return "\n".join(sent)


def _sent_texts(request: HttpRequest) -> list[str]:
    if not is_api(request):
        return [text for _, texts in request.POST.lists() for text in texts]
    body = getattr(request, "json_body", None)
    return [unquote(request.META.get("QUERY_STRING", "")), text_of(request.body if body is None else body)]


def _actor(request: HttpRequest) -> Actor:
    known: Actor | None = getattr(request, "actor", None)
    context = in_context(request)
    return known or Actor.anonymous(
        context.client_ip, request.headers.get("User-Agent", ""), context.request_id
    )
