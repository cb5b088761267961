"""Calls of endpoints by a page, with the rights of its user."""

import copy
import json
from http import HTTPMethod
from typing import Any, Final, cast

from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import Resolver404, resolve
from django.utils.http import urlencode
from rest_framework.request import Request

from console.reference.endpoints import JSON
from kernel.errors import NotFound
from kernel.http import problems
from kernel.http.context import in_context
from kernel.pages.views import known_principal
from kernel.rest.authentication import Authentication

_MOST_CHARACTERS: Final = 100_000


class _UserOfPage(Authentication):
    """The signed-in user of the page. Only ``read`` uses it: no browser session authenticates a request to the API."""

    def authenticate(self, request: Request) -> tuple[Any, None]:
        return known_principal(in_context(request)), None


def read(request: HttpRequest, path: str, query: dict[str, str]) -> HttpResponse:
    """The response of the endpoint to GET. The request of the page gets the action, object and refusal of the call for
    the audit log.
    """
    call = in_context(copy.copy(request))
    call.__dict__.pop("headers", None)  # cached
    call.method, call.path, call.path_info = HTTPMethod.GET.value, path, path
    call.GET = QueryDict(urlencode(query))
    call.META = request.META | {
        "REQUEST_METHOD": call.method,
        "PATH_INFO": path,
        "QUERY_STRING": call.GET.urlencode(),
        "HTTP_ACCEPT": JSON,
    }
    response = _answer(call)
    for name in ("audit_action", "audit_object", "refusal"):
        if hasattr(call, name):
            setattr(request, name, getattr(call, name))
    return response


def _answer(call: HttpRequest) -> HttpResponse:
    try:
        call.resolver_match = found = resolve(call.path_info)
    except Resolver404:
        return problems.render(call, NotFound())
    endpoint = cast("Any", found.func)
    view = endpoint.view_class.as_view(**endpoint.view_initkwargs, authentication_classes=[_UserOfPage])
    response = view(call, *found.args, **found.kwargs)
    return cast("HttpResponse", response.render() if hasattr(response, "render") else response)


def text_of(response: HttpResponse) -> str:
    """The JSON of a response, for people to read, cut after 100,000 characters."""
    text = json.dumps(json.loads(response.content), indent=2, ensure_ascii=False)
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}\n…"
