"""Middleware for every request: an id, the client's address, the security headers, and the gate of the API."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

from kernel import errors
from kernel.databases.lock_waits import WAIT_UNTIL, deadline, waiting_until
from kernel.http import problems
from kernel.http.addresses import client_address
from kernel.http.allowed import may_forward
from kernel.http.context import in_context
from kernel.http.response_headers import choose_request_id, content_security_policy
from kernel.observability.logs import current_request_id

type Handler = Callable[[HttpRequest], HttpResponseBase]

API_PREFIXES = ("/api/", "/auth/", "/oauth/", "/v1/")

# Features of the browser that no page uses, so an injected script cannot use them either.
_PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in ("camera", "display-capture", "geolocation", "microphone", "midi", "payment", "usb")
)


def is_api(request: HttpRequest) -> bool:
    """Whether the path returns problem documents instead of pages."""
    return request.path.startswith(API_PREFIXES)


class RequestContext:
    """Sets ``request_id`` and ``client_ip``, echoes the id, and bounds the request's waits for the database.

    The time limit starts when the request is received, so time in the queue for a thread counts, too.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        context = in_context(request)
        context.request_id = choose_request_id(request.headers.get("X-Request-ID", ""))
        peer, hops = request.META.get("REMOTE_ADDR", ""), settings.CC_TRUSTED_PROXIES
        if not may_forward(peer):
            hops = 0
            request.META.pop("HTTP_X_FORWARDED_PROTO", None)  # before Django reads it
        context.client_ip = client_address(peer, request.headers.get("X-Forwarded-For", ""), hops)
        token = current_request_id.set(context.request_id)
        try:
            with waiting_until(request.META.get(WAIT_UNTIL, deadline())):
                response = self.get_response(request)
        finally:
            current_request_id.reset(token)
        response["X-Request-ID"] = context.request_id
        return response


class SecurityHeaders:
    """Sets the content security policy and headers for which Django has no middleware.

    ``no-store`` on all but static files.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response["Content-Security-Policy"] = content_security_policy()
        response["Cross-Origin-Resource-Policy"] = "same-origin"
        if response.headers.get("Content-Type", "").startswith(("text/html", "text/javascript")):
            response["Permissions-Policy"] = _PERMISSIONS_POLICY
        if not request.path.startswith(settings.STATIC_URL):
            response.headers.setdefault("Cache-Control", "no-store")
        if is_api(request):
            patch_vary_headers(response, ["Authorization"])
        return response


class Gate:
    """Refuses, before any view: plain HTTP to the API if the public URL is https; cross-site changes."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if settings.CC_TLS and is_api(request) and not request.is_secure():
            # A redirect would come too late: the token has already crossed the network in clear text.
            return problems.render(request, errors.Denied("Use https. This server rejects plain HTTP."))
        if request.method not in {"GET", "HEAD", "OPTIONS"} and _is_cross_site(request):
            return problems.render(request, errors.Denied("Requests from other sites cannot make changes."))
        return self.get_response(request)


def _is_cross_site(request: HttpRequest) -> bool:
    return request.headers.get("Sec-Fetch-Site") == "cross-site"
